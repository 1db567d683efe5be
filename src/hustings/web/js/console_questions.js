// What the audience asks, and how it applauds. For those who conduct.

import { byId, el, keyed, part, say, setText, show } from "./console_dom.js";
import { number } from "./format.js";

const KINDS = ["applause", "heart", "laugh", "surprise", "agree", "disagree"];
/** Of reactions that are shown: the last minute. */
const WINDOW = 60_000;

/** @typedef {import("./console_model.js").Question} Question */

export class Questions {
  /** @param {import("./console_context.js").Context} context */
  constructor(context) {
    this._context = context;
    for (const [id, name] of [["questions-on", "questions"], ["questions-moderated", "moderated"]]) {
      byId(id).addEventListener("change", () => {
        const { api } = context;
        void context.run(byId(id), () => api.ask("PATCH", "", { [name]: byId(id).checked })).then(() => this.draw());
      });
    }
  }

  draw() {
    const { strings, t, model: { host, me, room } } = this._context;
    show(byId("questions"), me.conducts && room.status !== "cancelled");
    const questions = room.questions;
    const pending = host.questions_pending;
    byId("questions-on").checked = Boolean(questions?.open);
    byId("questions-moderated").checked = host.moderated;
    const open = questions?.list.filter(({ state }) => state === "open").length ?? 0;
    setText(byId("questions-count"), open ? strings.n("console.questions.count", open) : "");
    setText(byId("jump-questions"), pending.length + open ? String(pending.length + open) : "");
    const all = [...pending.map((question) => ({ ...question, state: "pending" })), ...(questions?.list ?? [])];
    show(byId("questions-empty"), !all.length);
    setText(byId("questions-empty"), t(questions?.open ? "console.questions.empty" : "console.questions.off"));
    keyed(byId("question-list"), all, ({ id }) => id, () => this._make(), (row, question) => this._fill(row, question));
  }

  _make() {
    const { t } = this._context;
    const row = el("li", { class: "asked" },
      el("p", { "data-part": "text" }),
      el("p", { class: "soft", "data-part": "says" }),
      el("div", { class: "comer-acts" },
        el("button", { class: "button main", type: "button", "data-part": "next" }),
        el("button", { class: "button", type: "button", "data-part": "back", text: t("console.questions.back") }),
        el("button", { class: "button", type: "button", "data-part": "hide", text: t("console.questions.hide") })));
    for (const name of ["next", "back", "hide"]) {
      part(row, name).addEventListener("click", () => void this._move(row, name));
    }
    return row;
  }

  /** @param {HTMLElement} row @param {string} name */
  async _move(row, name) {
    const { api } = this._context;
    const next = /** @type {Record<string, string>} */ ({ pending: "open", open: "chosen", chosen: "answered" })[row.dataset.state ?? ""];
    const state = name === "hide" ? "hidden" : name === "back" ? "open" : next;
    await this._context.run(part(row, name), () => api.post(`/questions/${row.dataset.key}`, { state }));
  }

  /** @param {HTMLElement} row @param {Question} question */
  _fill(row, question) {
    const { strings, t } = this._context;
    const state = question.state ?? "open";
    row.dataset.state = state;
    setText(part(row, "text"), question.text);
    const said = state === "pending" ? t("console.questions.pending") : state === "chosen" ? t("console.questions.chosen")
      : state === "answered" ? t("console.questions.answered") : "";
    say(row, "says", [said, question.votes === undefined ? "" : strings.n("console.questions.votes", question.votes), question.name ?? ""].filter(Boolean).join(" · "));
    const keys = /** @type {Record<string, string>} */ ({ pending: "let_through", open: "choose", chosen: "done" });
    say(row, "next", keys[state] ? t(`console.questions.${keys[state]}`) : "");
    show(part(row, "back"), state === "chosen" || state === "answered");
    for (const name of ["next", "back", "hide"]) {
      part(row, name).setAttribute("aria-label", t("console.of", { what: part(row, name).textContent, name: question.text }));
    }
  }
}

export class Reactions {
  /** @param {import("./console_context.js").Context} context */
  constructor(context) {
    this._context = context;
    /** What came since the page is open. @type {{at: number, counts: Record<string, number>}[]} */
    this._came = [];
  }

  /** @param {Record<string, number>} counts since the last */
  add(counts) {
    this._came.push({ at: performance.now(), counts });
    this.draw();
  }

  draw() {
    const { strings, t, model: { host, me } } = this._context;
    this._came = this._came.filter(({ at }) => at > performance.now() - WINDOW);
    const live = (/** @type {string} */ kind) => this._came.reduce((sum, { counts }) => sum + (counts[kind] ?? 0), 0);
    const now = KINDS.map((kind) => ({ kind, count: Math.max(live(kind), this._came.length ? 0 : host.reactions[kind] ?? 0) })).filter(({ count }) => count);
    show(byId("reactions"), me.conducts && now.length > 0);
    keyed(byId("reaction-list"), now, ({ kind }) => kind, ({ kind }) =>
      el("li", {}, el("strong", { class: "figures", "data-part": "count" }), ` ${t(`console.reaction.${kind}`)}`),
    (row, { count }) => setText(part(row, "count"), number(count, strings.lang)));
  }
}
