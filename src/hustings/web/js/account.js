// One's account: ways in, sessions, what programs may; for operators, other people.

import { copyButtons, question } from "./account_list.js";
import { people } from "./account_people.js";
import { provesAgain } from "./account_proof.js";
import { tokens, webhooks } from "./account_programs.js";
import { password, passkeys, sessions } from "./account_ways.js";
import { byId, call, Problem, send } from "./desk_api.js";
import { oneAtATime, refused, showButtons, trouble } from "./enter.js";
import { clock, date } from "./format.js";
import { declined, hasOne } from "./passkey.js";
import { Strings } from "./strings.js";

/**
 * @typedef {{
 *   strings: Strings, id: string, run: (work: () => Promise<void> | void) => Promise<void>,
 *   say: (text: string) => void, day: (iso: string) => string, moment: (iso: string) => string,
 *   sessions: () => Promise<void>,
 * }} Page
 */

const strings = await Strings.load();
const { t, lang } = strings;

/** @type {Page} */
const page = {
  strings,
  id: "",
  run: (work) => oneAtATime(async () => {
    trouble("");
    page.say("");
    try {
      await work();
    } catch (error) {
      told(error);
    }
  }),
  say: (text) => {
    byId("said").textContent = text;
  },
  day: (iso) => date(iso, lang),
  moment: (iso) => `${date(iso, lang)}, ${clock(iso, lang)}`,
  sessions: () => sessions(page),
};

/** @param {unknown} error */
function told(error) {
  if (error instanceof Problem && error.unproved) trouble(t("account.unproved"));
  else if (declined(error)) trouble(t("enter.declined"), t("account.declined"));
  else if (hasOne(error)) trouble(t("enter.has_one"), t("enter.has_one_text"));
  else if (error instanceof Problem && error.status === 409 && error.title === "The last way in stays") {
    trouble(t("account.last_way"), t("account.last_way_text"));
  } else if (error instanceof Problem && error.status === 409 && error.faults.some((one) => one.where === "body: name")) {
    trouble(t("enter.name_taken"));
  } else refused(strings, error);
}

/** @param {string} id @param {() => Promise<void>} work */
function press(id, work) {
  const button = /** @type {HTMLButtonElement} */ (byId(id));
  button.disabled = false;
  button.addEventListener("click", () => void page.run(work));
}

press("logout", async () => {
  await send("DELETE", "/api/sessions/current");
  location.assign("/login");
});
press("rename", async () => {
  const before = byId("me").textContent ?? "";
  const name = await question({ title: t("account.rename"), text: t("account.rename_text"), field: t("enter.name"), value: before, yes: t("account.save") });
  if (!name) return;
  byId("me").textContent = (await call("PATCH", "/api/accounts/me", { name })).name;
});
press("end-others", async () => {
  await send("DELETE", "/api/sessions");
  await sessions(page);
  page.say(t("account.ended"));
});
showButtons(strings);
provesAgain(strings);
copyButtons(page.say, t("account.copied"), t("account.copy_failed"));
page.id = (await call("GET", "/api/accounts/me")).id;
await page.run(async () => {
  const parts = [passkeys, password, sessions, tokens, webhooks];
  if (document.getElementById("people")) parts.push(people);
  await Promise.all(parts.map((part) => part(page)));
});
