// What programs use: API tokens and webhooks.

import { draw, question, showOnce } from "./account_list.js";
import { byId, call, Problem, send } from "./desk_api.js";
import { fault, filled } from "./enter.js";

/** @typedef {import("./account.js").Page} Page */

/** What the server calls the token that lies in its data folder. */
const OWN = "data folder";

/** @param {Page} page */
export async function tokens(page) {
  const { t } = page.strings;
  /** @param {string} scope */
  const may = (scope) =>
    scope === "operator" ? t("account.scope.operator") : scope === "read" ? t("account.scope.read") : t("account.scope.rooms");
  const button = /** @type {HTMLButtonElement} */ (byId("token-make"));
  const name = /** @type {HTMLInputElement} */ (byId("token-name"));
  button.disabled = false;
  byId("token-form").addEventListener("submit", (event) => {
    event.preventDefault();
    void page.run(async () => {
      const called = filled("token-name", t("enter.name_missing"));
      if (!called) return;
      const scope = /** @type {HTMLSelectElement} */ (byId("token-scope")).value;
      const made = await call("POST", "/api/tokens", { name: called, scope });
      name.value = "";
      await show();
      showOnce("token-once", t("account.token_made", { name: made.name }), made.token);
    });
  });

  async function show() {
    const { tokens: all } = await call("GET", "/api/tokens");
    draw("tokens", all.map((/** @type {any} */ token) => ({
      name: token.name === OWN ? t("account.token_own") : token.name,
      lines: [may(token.scope), [t("account.made", { date: page.day(token.created_at) }),
        token.used_at ? t("account.used", { date: page.day(token.used_at) }) : t("account.unused")].join(" · ")],
      // The server's own is renewed by removing its file, not from a page.
      buttons: token.name === OWN ? [] : [{ text: t("account.revoke"), ends: true, press: async () => {
        const yes = await question({ title: t("account.token_revoke", { name: token.name }), text: t("account.token_revoke_text"), yes: t("account.revoke"), ends: true });
        if (!yes) return;
        await send("DELETE", `/api/tokens/${token.id}`);
        await show();
        page.say(t("account.removed"));
      } }],
    })), t("account.tokens_none"), page.run);
  }

  await show();
}

/** @param {Page} page */
export async function webhooks(page) {
  const { t } = page.strings;
  const button = /** @type {HTMLButtonElement} */ (byId("webhook-make"));
  const url = /** @type {HTMLInputElement} */ (byId("webhook-url"));
  const room = /** @type {HTMLSelectElement} */ (byId("webhook-room"));
  button.disabled = false;
  byId("webhook-form").addEventListener("submit", (event) => {
    event.preventDefault();
    void page.run(add);
  });

  async function add() {
    if (!filled("webhook-url", t("account.webhook_url_missing"))) return;
    const events = [.../** @type {NodeListOf<HTMLInputElement>} */ (byId("webhook-types").querySelectorAll("input:checked"))].map((box) => box.value);
    let made;
    try {
      made = await call("POST", "/api/webhooks", { url: url.value.trim(), events, ...(room.value ? { room: room.value } : {}) });
    } catch (error) {
      if (!(error instanceof Problem) || error.status !== 422) throw error;
      return fault("webhook-url", t("account.webhook_url_bad"));
    }
    url.value = "";
    await show();
    showOnce("webhook-once", t("account.webhook_made"), made.secret);
  }

  async function show() {
    const { webhooks: all, types } = await call("GET", "/api/webhooks");
    offer(Object.keys(types));
    draw("webhooks", all.map((/** @type {any} */ hook) => ({
      name: hook.url,
      lines: [
        [hook.room ?? t("account.webhook_rooms_all"), hook.events.length ? hook.events.join(", ") : t("account.webhook_all")].join(" · "),
        hook.last_at ? t("account.webhook_last", { date: page.moment(hook.last_at), what: hook.last_note }) : t("account.webhook_never"),
        hook.waiting ? t("account.webhook_waiting", { n: hook.waiting }) : "",
      ],
      warn: hook.disabled ? t("account.webhook_gone") : hook.given_up ? t("account.webhook_lost", { n: hook.given_up }) : "",
      buttons: [
        { text: t("account.test"), press: () => test(hook) },
        { text: t("account.remove"), ends: true, press: async () => {
          const yes = await question({ title: t("account.webhook_remove"), text: hook.url, yes: t("account.remove"), ends: true });
          if (!yes) return;
          await send("DELETE", `/api/webhooks/${hook.id}`);
          await show();
          page.say(t("account.removed"));
        } },
      ],
    })), t("account.webhooks_none"), page.run);
  }

  /** @param {{id: string}} hook */
  async function test(hook) {
    page.say(t("account.testing"));
    const { delivered, note } = await call("POST", `/api/webhooks/${hook.id}/test`);
    await show();
    page.say(delivered ? t("account.test_good") : t("account.test_bad", { why: note }));
  }

  /** @param {string[]} types */
  function offer(types) {
    const box = byId("webhook-types");
    if (box.childElementCount) return;
    box.append(...types.map((type) => {
      const label = document.createElement("label");
      label.className = "check";
      const input = document.createElement("input");
      input.type = "checkbox";
      input.value = type;
      const code = document.createElement("code");
      code.textContent = type;
      label.append(input, code);
      return label;
    }));
  }

  async function rooms() {
    const { rooms: all } = await call("GET", "/api/rooms");
    room.append(...all.map((/** @type {{slug: string, title: string}} */ one) => new Option(one.title, one.slug)));
  }

  await Promise.all([show(), rooms()]);
}
