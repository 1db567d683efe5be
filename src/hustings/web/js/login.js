// Log-in: by passkey, or by name and password.

import { byId, Problem } from "./desk_api.js";
import { ask, fault, filled, oneAtATime, passkeysHere, refused, showButtons, trouble } from "./enter.js";
import { declined, usePasskey } from "./passkey.js";
import { Strings } from "./strings.js";

// Whoever follows a link from elsewhere comes without the cookie (SameSite=Strict), but from here with it.
const here = await fetch("/api/accounts/me", { headers: { Accept: "application/json" } });
if (here.ok) location.replace("/");

const strings = await Strings.load();
const { t } = strings;
const passkey = /** @type {HTMLButtonElement} */ (byId("passkey"));
const password = /** @type {HTMLButtonElement} */ (byId("with-password"));
password.disabled = false;
showButtons(strings);
if (passkeysHere(strings)) passkey.disabled = false;
else {
  byId("by-passkey").hidden = true;
  password.classList.add("main");
}

passkey.addEventListener("click", () => void oneAtATime(byPasskey));
byId("form").addEventListener("submit", (event) => {
  event.preventDefault();
  void oneAtATime(byPassword);
});

async function byPasskey() {
  trouble("");
  try {
    const { options } = await ask("/api/sessions/options");
    await ask("/api/sessions", { passkey: await usePasskey(options) });
    location.replace("/");
  } catch (error) {
    if (declined(error)) trouble(t("enter.declined"), t("enter.declined_login"));
    else if (error instanceof Problem && [401, 422].includes(error.status)) {
      trouble(t("enter.passkey_unknown"), t("enter.passkey_unknown_text"));
    } else refused(strings, error);
  }
}

async function byPassword() {
  trouble("");
  fault("name", "");
  fault("password", "");
  const name = filled("name", t("enter.name_missing"));
  if (!name) return;
  const typed = filled("password", t("enter.password_missing"));
  if (!typed) return;
  try {
    await ask("/api/sessions", { name, password: typed });
    location.replace("/");
  } catch (error) {
    if (error instanceof Problem && error.status === 401) trouble(t("enter.wrong"), t("enter.wrong_text"));
    else refused(strings, error);
  }
}
