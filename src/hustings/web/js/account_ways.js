// One's ways into the account: passkeys, password, sessions.

import { draw, question } from "./account_list.js";
import { byId, call, send } from "./desk_api.js";
import { fault, filled, newPassword, passkeysHere } from "./enter.js";
import { Problem } from "./desk_api.js";
import { deviceName, makePasskey } from "./passkey.js";

/** @typedef {import("./account.js").Page} Page */

/** @param {Page} page */
export async function passkeys(page) {
  const { t } = page.strings;
  const add = /** @type {HTMLButtonElement} */ (byId("add-passkey"));
  add.hidden = !passkeysHere(page.strings);
  add.disabled = false;
  add.addEventListener("click", () => void page.run(async () => {
    const { options } = await call("POST", "/api/passkeys/options");
    const passkey = await makePasskey(options);
    await call("POST", "/api/passkeys", { name: deviceName(), passkey });
    await show();
    page.say(t("account.passkey_added"));
  }));

  async function show() {
    const { passkeys: all } = await call("GET", "/api/passkeys");
    draw("passkeys", all.map((/** @type {any} */ key) => ({
      name: key.name,
      tag: key.host === location.hostname ? "" : t("account.passkey_for", { host: key.host }),
      lines: [[t("account.made", { date: page.day(key.created_at) }),
        key.used_at ? t("account.used", { date: page.day(key.used_at) }) : t("account.unused")].join(" · ")],
      buttons: [
        { text: t("account.rename"), press: () => rename(key) },
        { text: t("account.remove"), ends: true, press: () => remove(key) },
      ],
    })), t("account.passkeys_none"), page.run);
  }

  /** @param {{id: string, name: string}} key */
  async function rename(key) {
    const name = await question({ title: t("account.passkey_rename"), field: t("account.passkey_name"), value: key.name, yes: t("account.save") });
    if (!name) return;
    await send("PATCH", `/api/passkeys/${key.id}`, { json: { name } });
    await show();
  }

  /** @param {{id: string, name: string}} key */
  async function remove(key) {
    const yes = await question({ title: t("account.passkey_remove", { name: key.name }), text: t("account.passkey_remove_text"), yes: t("account.remove"), ends: true });
    if (!yes) return;
    await send("DELETE", `/api/passkeys/${key.id}`);
    await show();
    page.say(t("account.removed"));
  }

  await show();
}

/** @param {Page} page */
export async function password(page) {
  const { t } = page.strings;
  const save = /** @type {HTMLButtonElement} */ (byId("password-save"));
  const remove = /** @type {HTMLButtonElement} */ (byId("password-remove"));
  const current = /** @type {HTMLInputElement} */ (byId("current"));
  const fresh = /** @type {HTMLInputElement} */ (byId("password"));
  save.disabled = remove.disabled = false;

  /** @param {boolean} has */
  function now(has) {
    byId("current-field").hidden = !has;
    remove.hidden = !has;
    byId("password-says").textContent = has ? t("account.password_has") : t("account.password_none");
    byId("password-open").textContent = has ? t("account.password_change") : t("account.password_set");
    /** @type {HTMLDetailsElement} */ (byId("password-more")).open = false;
    current.value = fresh.value = "";
  }

  byId("password-form").addEventListener("submit", (event) => {
    event.preventDefault();
    void page.run(async () => {
      const had = !byId("current-field").hidden;
      fault("current", "");
      if (had && !filled("current", t("enter.password_missing"))) return;
      const typed = newPassword(page.strings, "password");
      if (!typed) return;
      try {
        await send("PUT", "/api/accounts/me/password", { json: { password: typed, ...(had ? { current: current.value } : {}) } });
      } catch (error) {
        const where = error instanceof Problem ? error.faults.map((one) => one.where) : [];
        if (where.includes("body: current")) return fault("current", t("account.password_other"));
        if (where.includes("body: password")) return fault("password", t("enter.password_common"));
        throw error;
      }
      now(true);
      page.say(t("account.password_saved"));
      await page.sessions();
    });
  });
  remove.addEventListener("click", () => void page.run(async () => {
    const yes = await question({ title: t("account.password_remove"), text: t("account.password_remove_text"), yes: t("account.remove"), ends: true });
    if (!yes) return;
    await send("DELETE", "/api/accounts/me/password");
    now(false);
    page.say(t("account.removed"));
  }));
}

/** @param {Page} page */
export async function sessions(page) {
  const { t } = page.strings;
  const { sessions: all } = await call("GET", "/api/sessions");
  draw("sessions", all.map((/** @type {any} */ session) => ({
    name: session.browser
      ? session.system ? t("account.browser_on", { browser: session.browser, system: session.system }) : session.browser
      : t("account.browser_unknown"),
    tag: session.current ? t("account.here") : "",
    here: true,
    lines: [[t("account.since", { date: page.day(session.created_at) }), t("account.used", { date: page.moment(session.used_at) })].join(" · ")],
    buttons: session.current ? [] : [{ text: t("account.end"), ends: true, press: async () => {
      await send("DELETE", `/api/sessions/${session.id}`);
      await sessions(page);
      page.say(t("account.ended"));
    } }],
  })), "", page.run);
  byId("end-others").hidden = all.length < 2;
}
