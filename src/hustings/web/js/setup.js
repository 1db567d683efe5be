// A one-time link: the first account, an invited one, or back into one. Its secret is in the fragment.

import { byId, Problem } from "./desk_api.js";
import { ask, fault, filled, newPassword, oneAtATime, passkeysHere, refused, showButtons, trouble } from "./enter.js";
import { declined, deviceName, hasOne, makePasskey } from "./passkey.js";
import { Strings } from "./strings.js";

const strings = await Strings.load();
const { t } = strings;
const secret = location.hash.slice(1);
const passkey = /** @type {HTMLButtonElement} */ (byId("passkey"));
const password = /** @type {HTMLButtonElement} */ (byId("with-password"));
const name = /** @type {HTMLInputElement} */ (byId("name"));
let back = false;

/** @param {string} title @param {string} lead */
function headline(title, lead) {
  byId("title").textContent = title;
  byId("lead").textContent = lead;
}

/** What the link is for. */
async function look() {
  if (!secret) return headline(t("enter.no_link"), t("enter.no_link_text"));
  let link;
  try {
    link = await ask("/api/setup/look", { secret });
  } catch (error) {
    const spent = error instanceof Problem && [410, 422].includes(error.status);
    headline(spent ? t("enter.spent") : t("enter.setup"), spent ? t("enter.spent_text") : "");
    if (!spent) refused(strings, error);
    return;
  }
  back = link.kind === "reset";
  if (link.kind === "first") headline(t("enter.first"), t("enter.first_lead"));
  else if (back) headline(t("enter.reset"), t("enter.reset_lead", { name: link.name }));
  else headline(t("enter.invited"), link.role === "operator" ? t("enter.invited_operator") : t("enter.invited_host"));
  name.value = link.name;
  byId("name-field").hidden = back;
  if (back) {
    passkey.textContent = t("enter.passkey_new");
    password.textContent = t("enter.password_new");
  }
  showButtons(strings);
  if (!passkeysHere(strings)) {
    byId("by-passkey").hidden = true;
    /** @type {HTMLDetailsElement} */ (byId("by-password")).open = true;
    password.classList.add("main");
  }
  byId("form").hidden = false;
  if (!back) name.focus();
}

/** @returns {string} the name, or "" when it is missing */
function named() {
  return filled("name", t("enter.name_missing"));
}

async function byPasskey() {
  trouble("");
  const who = named();
  if (!who) return;
  try {
    const { options } = await ask("/api/setup/passkey", { secret, name: who });
    const made = await makePasskey(options);
    await ask("/api/setup", { secret, name: who, passkey: made, passkey_name: deviceName() });
    location.replace("/");
  } catch (error) {
    if (declined(error)) trouble(t("enter.declined"), t("enter.declined_setup"));
    else if (hasOne(error)) trouble(t("enter.has_one"), t("enter.has_one_text"));
    else failed(error);
  }
}

async function byPassword() {
  trouble("");
  const who = named();
  if (!who) return;
  const typed = newPassword(strings, "password");
  if (!typed) return;
  try {
    await ask("/api/setup", { secret, name: who, password: typed });
    location.replace("/");
  } catch (error) {
    if (error instanceof Problem && error.faults.some((one) => one.where === "body: password")) {
      fault("password", t("enter.password_common"));
    } else failed(error);
  }
}

/** @param {unknown} error */
function failed(error) {
  const where = error instanceof Problem ? error.faults.map((one) => one.where) : [];
  if (where.includes("body: name")) {
    const taken = error instanceof Problem && error.status === 409;
    fault("name", taken ? t("enter.name_taken") : t("enter.name_bad"));
  } else if (error instanceof Problem && error.status === 410) trouble(t("enter.spent"), t("enter.spent_text"));
  else refused(strings, error);
}

passkey.addEventListener("click", () => void oneAtATime(byPasskey));
byId("form").addEventListener("submit", (event) => {
  event.preventDefault();
  const open = /** @type {HTMLDetailsElement} */ (byId("by-password")).open;
  void oneAtATime(open ? byPassword : byPasskey);
});
// The secret goes along to the page in the other language.
for (const link of /** @type {NodeListOf<HTMLAnchorElement>} */ (document.querySelectorAll(".langs a"))) link.hash = location.hash;
window.addEventListener("hashchange", () => location.reload());
await look();
