// The invitation itself: who asks whom to what, and when; and the answer. Before any microphone is asked for.

import { byId, setText, show } from "./console_dom.js";
import { moment } from "./console_times.js";

/** Longest public word, characters; the studio refuses more. */
const WORD = 280;

export class InvitationCard {
  /** @param {import("./console_context.js").Context} context @param {() => void} answered */
  constructor(context, answered) {
    this._context = context;
    this._answered = answered;
    this._filled = false;
    byId("accept").addEventListener("click", () => void this._answer("accept", "accepted"));
    byId("decline").addEventListener("click", () => void this._answer("decline", "declined"));
    byId("word-form").addEventListener("submit", (/** @type {Event} */ event) => {
      event.preventDefault();
      void this._word();
    });
    byId("calendar").addEventListener("click", (/** @type {Event} */ event) => void this._calendar(event));
    byId("word").maxLength = WORD;
  }

  draw() {
    const { t, strings, model: { room, me } } = this._context;
    const asked = ["offered", "seen", "declined", "accepted"].includes(me.invitation);
    const over = ["ended", "cancelled"].includes(room.status);
    show(byId("invitation"), asked && !me.conducts && !this.hidden);
    byId("invitation").classList.toggle("answered", me.invitation === "accepted");
    const host = room.participants.find(({ role }) => role === "host")?.name
      ?? room.invitations.find(({ role }) => role === "host")?.name;
    const places = { host: host ?? "", name: me.name };
    setText(byId("invitation-who"), host ? t("console.invitation.from", places) : t("console.invitation.from_nobody", places));
    setText(byId("invitation-role"), t(me.role === "cohost" ? "console.invitation.as_cohost" : "console.invitation.as_speaker"));
    this._when(room, strings.lang);
    setText(byId("invitation-state"), over ? t("console.invitation.over") : t(`console.invitation.is.${me.invitation || "offered"}`));
    show(byId("accept"), me.invitation !== "accepted" && !over);
    setText(byId("accept"), t(me.invitation === "declined" ? "console.invitation.after_all" : "console.invitation.accept"));
    show(byId("decline"), me.invitation !== "declined" && !over);
    byId("decline").classList.toggle("quiet", me.invitation === "accepted");
    show(byId("calendar"), Boolean(room.scheduled_at) && !over);
    if (!this._filled && me.id) {
      this._filled = true;
      byId("word").value = me.word;
      byId("proposed").value = me.proposed_at ? local(me.proposed_at) : "";
      byId("word-more").open = Boolean(me.word || me.proposed_at);
    }
  }

  /** @param {import("./console_model.js").Room} room @param {string} lang */
  _when(room, lang) {
    const { t } = this._context;
    if (!room.scheduled_at) {
      setText(byId("invitation-when"), t("state.when_ready"));
      show(byId("invitation-there"), false);
      return;
    }
    const { here, there, place } = moment(room.scheduled_at, lang, room.time_zone ?? "");
    setText(byId("invitation-when"), here);
    setText(byId("invitation-there"), there ? t("console.invitation.there", { time: there, place }) : "");
    show(byId("invitation-there"), Boolean(there));
  }

  /** @param {string} button @param {"accepted" | "declined"} answer */
  async _answer(button, answer) {
    const { api, model } = this._context;
    const done = await this._context.run(byId(button), () => api.post("/me/answer", { answer }));
    if (!done) return;
    model.self(done.body);
    this._answered();
  }

  async _word() {
    const { api, model, t } = this._context;
    const proposed = byId("proposed").value;
    const done = await this._context.run(byId("word-send"), () => api.post("/me/word", {
      word: byId("word").value.trim(), proposed_at: proposed ? new Date(proposed).toISOString() : null,
    }));
    if (!done) return;
    model.self(done.body);
    setText(byId("word-said"), t("console.invitation.word_said"));
    this._answered();
  }

  /** The file needs the ticket, which a plain link cannot send. @param {Event} event */
  async _calendar(event) {
    const { api, model: { room }, strings, t } = this._context;
    event.preventDefault();
    const answer = await fetch(`${api.base}/me/calendar.ics?lang=${strings.lang}`, { headers: api.headers }).catch(() => null);
    if (!answer?.ok) return this._context.complain(t("console.no_answer"));
    const link = document.createElement("a");
    link.href = URL.createObjectURL(await answer.blob());
    link.download = `${room.slug}.ics`;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
  }

  /** On the stage nobody needs it. */
  hidden = false;
}

/** @param {string} iso @returns {string} as <input type="datetime-local"> wants it */
function local(iso) {
  const at = new Date(iso);
  return new Date(at.getTime() - at.getTimezoneOffset() * 60_000).toISOString().slice(0, 16);
}
