// Proving again who one is, when the studio asks for it: before anything that decides who gets in.

import { byId, call, onProof } from "./desk_api.js";
import { answerOf } from "./dialog.js";
import { ask } from "./enter.js";
import { declined, passkeysMissing, usePasskey } from "./passkey.js";

/**
 * From now on `send` asks for the passkey or the password and tries again, instead of failing.
 * @param {import("./strings.js").Strings} strings
 */
export function provesAgain({ t }) {
  const dialog = /** @type {HTMLDialogElement} */ (byId("prove"));
  const field = /** @type {HTMLInputElement} */ (byId("prove-value"));
  field.addEventListener("keydown", (event) => {
    if (event.key !== "Enter") return;
    event.preventDefault();
    dialog.close("password");
  });

  onProof(async () => {
    const { password } = await call("GET", "/api/accounts/me");
    const fill = (/** @type {string} */ fault) => () => {
      field.value = "";
      byId("prove-fault").textContent = fault;
      byId("prove-fault").hidden = !fault;
      byId("prove-field").hidden = byId("prove-password").hidden = !password;
      byId("prove-passkey").hidden = Boolean(passkeysMissing());
    };
    for (let fault = ""; ;) {
      const way = await answerOf(dialog, fill(fault), () => password && field.focus());
      const typed = field.value;
      field.value = "";
      if (way !== "passkey" && way !== "password") return false;
      try {
        const proof = way === "password" ? { password: typed } : { passkey: await usePasskey((await ask("/api/sessions/options")).options) };
        await ask("/api/sessions/current", proof);
        return true;
      } catch (error) {
        fault = declined(error) ? t("account.declined") : t("account.prove_failed");
      }
    }
  });
}
