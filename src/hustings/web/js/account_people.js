// Other people's accounts: for operators.

import { draw, question, showOnce } from "./account_list.js";
import { byId, call, send } from "./desk_api.js";
import { filled } from "./enter.js";

/** @typedef {import("./account.js").Page} Page */

/** @param {Page} page */
export async function people(page) {
  const { t } = page.strings;
  const form = byId("invite-form");
  const button = /** @type {HTMLButtonElement} */ (byId("invite"));
  const name = /** @type {HTMLInputElement} */ (byId("invite-name"));
  button.disabled = false;
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    void page.run(async () => {
      const who = filled("invite-name", t("enter.name_missing"));
      if (!who) return;
      const role = /** @type {HTMLSelectElement} */ (byId("invite-role")).value;
      const made = await call("POST", "/api/accounts/invitations", { name: who, role });
      name.value = "";
      await invited();
      showOnce("link-once", t("account.link_for", { name: made.name, date: page.day(made.expires_at) }), made.link);
    });
  });

  async function accounts() {
    const { accounts: all } = await call("GET", "/api/accounts");
    draw("people", all.map((/** @type {any} */ one) => ({
      name: one.name,
      tag: one.disabled ? t("account.disabled") : one.role === "operator" ? t("account.role.operator") : t("account.role.host"),
      off: one.disabled,
      lines: [t("account.since", { date: page.day(one.created_at) })],
      buttons: one.id === page.id ? [] : one.disabled
        ? [{ text: t("account.enable"), press: () => disable(one, false) },
          { text: t("account.remove"), ends: true, press: () => remove(one) }]
        : [{ text: one.role === "operator" ? t("account.make_host") : t("account.make_operator"), press: () => change(one) },
          { text: t("account.new_way"), press: () => reset(one) },
          { text: t("account.disable"), ends: true, press: () => disable(one, true) }],
    })), "", page.run);
  }

  async function invited() {
    const { invitations } = await call("GET", "/api/accounts/invitations");
    byId("invited-title").hidden = !invitations.length;
    draw("invited", invitations.map((/** @type {any} */ one) => ({
      name: one.name,
      tag: one.role === "operator" ? t("account.role.operator") : t("account.role.host"),
      lines: [t("account.until", { date: page.day(one.expires_at) })],
      buttons: [{ text: t("account.take_back"), ends: true, press: async () => {
        await send("DELETE", `/api/accounts/invitations/${one.id}`);
        await invited();
        page.say(t("account.removed"));
      } }],
    })), "", page.run);
  }

  /** @param {{id: string, name: string}} one */
  async function reset(one) {
    const yes = await question({ title: t("account.new_way_for", { name: one.name }), text: t("account.new_way_text"), yes: t("account.new_way_make") });
    if (!yes) return;
    const made = await call("POST", `/api/accounts/${one.id}/reset`);
    showOnce("link-once", t("account.link_for", { name: one.name, date: page.day(made.expires_at) }), made.link);
  }

  /** @param {{id: string, name: string, role: string}} one */
  async function change(one) {
    const up = one.role !== "operator";
    const yes = await question({
      title: t(up ? "account.make_operator_one" : "account.make_host_one", { name: one.name }),
      text: t(up ? "account.make_operator_text" : "account.make_host_text"),
      yes: up ? t("account.make_operator") : t("account.make_host"),
      ends: !up,
    });
    if (!yes) return;
    await call("POST", `/api/accounts/${one.id}/role`, { role: up ? "operator" : "host" });
    await accounts();
  }

  /** @param {{id: string, name: string}} one */
  async function remove(one) {
    const yes = await question({ title: t("account.remove_one", { name: one.name }), text: t("account.remove_text"), yes: t("account.remove"), ends: true });
    if (!yes) return;
    await send("DELETE", `/api/accounts/${one.id}`);
    await accounts();
    page.say(t("account.removed"));
  }

  /** @param {{id: string, name: string}} one @param {boolean} disabled */
  async function disable(one, disabled) {
    if (disabled) {
      const yes = await question({ title: t("account.disable_one", { name: one.name }), text: t("account.disable_text"), yes: t("account.disable"), ends: true });
      if (!yes) return;
    }
    await call("POST", `/api/accounts/${one.id}/disable`, { disabled });
    await accounts();
  }

  await Promise.all([accounts(), invited()]);
}
