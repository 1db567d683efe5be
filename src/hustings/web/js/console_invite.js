// Who was invited, with what came of it; links that work once; who was removed. For those who conduct.

import { byId, el, keyed, part, say, setText, show, shut } from "./console_dom.js";
import { moment } from "./console_times.js";
import { date } from "./format.js";

/** Those first of whom something is still to be expected. */
const ORDER = ["offered", "seen", "declined", "accepted", "expired"];

/** @typedef {import("./console_model.js").Invitation} Invitation */

export class Invite {
  /** @param {import("./console_context.js").Context} context */
  constructor(context) {
    this._context = context;
    byId("invite-form").addEventListener("submit", (/** @type {Event} */ event) => {
      event.preventDefault();
      void this._invite();
    });
    byId("copy").addEventListener("click", () => void this._copy());
  }

  draw() {
    const { strings, model: { host, me } } = this._context;
    show(byId("invitations"), me.conducts);
    const shown = host.invitations.filter(({ state }) => state !== "withdrawn").sort((a, b) => ORDER.indexOf(a.state) - ORDER.indexOf(b.state));
    const unanswered = shown.filter(({ state }) => state === "offered" || state === "seen").length;
    setText(byId("invitations-count"), unanswered ? strings.n("console.invite.count", unanswered) : "");
    keyed(byId("invitation-list"), shown, ({ id }) => id ?? "", () => this._make(), (row, one) => this._fill(row, one));
    show(byId("bans"), me.conducts && host.bans.length > 0);
    keyed(byId("ban-list"), host.bans, ({ participant_id: id }) => id, (ban) => this._makeBan(ban.name), () => undefined);
  }

  _make() {
    const { t } = this._context;
    const row = el("li", { class: "comer" },
      el("div", { class: "comer-who" }, el("strong", { "data-part": "name" }), el("span", { class: "soft", "data-part": "says" }),
        el("span", { class: "word", "data-part": "word" }), el("span", { class: "soft", "data-part": "proposed" })),
      el("details", { class: "menu", "data-part": "more" }, el("summary", { class: "button", "data-part": "more-name", text: t("console.stage.more") }),
        el("div", { class: "menu-list" },
          el("button", { class: "button", type: "button", "data-part": "link", text: t("console.invite.new_link") }),
          el("button", { class: "button ends", type: "button", "data-part": "withdraw", text: t("console.invite.withdraw") }))));
    part(row, "link").addEventListener("click", () => void this._newLink(row));
    part(row, "withdraw").addEventListener("click", () => void this._withdraw(row));
    return row;
  }

  /** @param {HTMLElement} row @param {Invitation} one */
  _fill(row, one) {
    const { strings, t, model: { me, room } } = this._context;
    row.dataset.name = one.name;
    setText(part(row, "name"), one.name);
    setText(part(row, "says"), [t(`role.${one.role}`), t(`invitation.${one.state}`, { date: date(one.since, strings.lang) }), one.public ? t("console.invite.is_public") : ""]
      .filter(Boolean).join(" · "));
    say(row, "word", one.word ? t("console.quoted", { text: one.word }) : "");
    say(row, "proposed", one.proposed_at ? t("console.invite.proposes", { time: moment(one.proposed_at, strings.lang, room.time_zone ?? "").here }) : "");
    show(part(row, "more"), one.participant_id !== me.id && one.state !== "expired");
    for (const name of ["link", "withdraw", "more-name"]) {
      part(row, name).setAttribute("aria-label", t("console.of", { what: part(row, name).textContent, name: one.name }));
    }
  }

  async _invite() {
    const { api } = this._context;
    const answer = await this._context.run(byId("invite-send"), () => api.post("/invitations", {
      name: byId("invite-name").value, role: byId("invite-role").value, public: byId("invite-public").checked,
    }));
    if (!answer) return;
    byId("invite-name").value = "";
    this._showLink(answer.body.name, answer.body.link);
  }

  /** @param {HTMLElement} row */
  async _newLink(row) {
    const { api } = this._context;
    shut(part(row, "more"));
    const answer = await this._context.run(part(row, "link"), () => api.post(`/invitations/${row.dataset.key}/link`));
    if (answer) this._showLink(row.dataset.name ?? "", answer.body.link);
  }

  /** The only time the link is seen. @param {string} name @param {string} link */
  _showLink(name, link) {
    const { t } = this._context;
    setText(byId("link-for"), t("console.invite.link_for", { name }));
    byId("link").value = link;
    setText(byId("copied"), "");
    show(byId("link-made"), true);
    byId("copy").focus();
    byId("link-made").scrollIntoView({ block: "nearest" });
  }

  async _copy() {
    const { t } = this._context;
    byId("link").select();
    let copied = true;
    try {
      await navigator.clipboard.writeText(byId("link").value);
    } catch {
      copied = document.execCommand("copy");
    }
    setText(byId("copied"), t(copied ? "console.invite.copied" : "console.invite.copy_yourself"));
  }

  /** @param {HTMLElement} row */
  async _withdraw(row) {
    const { api, t } = this._context;
    shut(part(row, "more"));
    const answer = await this._context.ask(t("console.ask.withdraw", { name: row.dataset.name ?? "" }), t("console.ask.withdraw_text"), [
      { value: "no", text: t("console.ask.cancel") }, { value: "yes", text: t("console.invite.withdraw"), kind: "ends" },
    ]);
    if (answer === "yes") await this._context.run(part(row, "withdraw"), () => api.post(`/invitations/${row.dataset.key}/withdraw`));
  }

  /** @param {string} name */
  _makeBan(name) {
    const { api, t } = this._context;
    const lift = el("button", { class: "button", type: "button", text: t("console.bans.lift"), "aria-label": t("console.of", { what: t("console.bans.lift"), name }) });
    const row = el("li", { class: "comer" }, el("div", { class: "comer-who" }, el("strong", { text: name })), el("div", { class: "comer-acts" }, lift));
    lift.addEventListener("click", () => void this._context.run(lift, () => api.post(`/bans/${row.dataset.key}/lift`)));
    return row;
  }
}
