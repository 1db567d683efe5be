// Questions to the stage: the list everybody sees, votes, and asking one. Loaded when somebody wants to, or when one comes.

import { clock } from "./format.js";
import { device, memory, send } from "./listen_doors.js";
import { fromTemplate, setPart, setText } from "./room_view.js";

const LONGEST = 280;
/** Votes remembered here so that a button shows what it did. */
const REMEMBERED = 200;

/** @param {string} id */
const byId = (id) => /** @type {any} */ (document.getElementById(id));

export class Questions {
  /** @param {string} slug @param {import("./strings.js").Strings} strings @param {(text: string) => void} tell */
  constructor(slug, strings, tell) {
    this._slug = slug;
    this._strings = strings;
    this._tell = tell;
    this._moderated = false;
    /** @type {import("./room_view.js").Room | null} */
    this._room = null;
    this._voted = new Set(memory.get(`votes ${slug}`).split(" ").filter(Boolean));
    /** @type {Map<string, number>} votes when this listener's own was not among them */
    this._without = new Map();
    /** @type {HTMLFormElement | null} */
    this._form = null;
  }

  /** @param {import("./room_view.js").Room} room */
  draw(room) {
    this._room = room;
    const { questions, links } = room;
    this._moderated = questions.moderated;
    byId("questions").hidden = !(questions.open || questions.list.length);
    byId("questions-none").hidden = questions.list.length > 0;
    byId("ask").hidden = !questions.open || Boolean(this._form);
    if (this._form && !questions.open) this._close(this._strings.t("ask.closed"));
    byId("question-log").hidden = !links.questions_log;
    if (links.questions_log) byId("question-log").firstElementChild.href = links.questions_log;
    const list = byId("question-list");
    const here = new Map([...list.children].map((item) => [item.dataset.id, item]));
    const items = questions.list.map((question) => this._item(here.get(question.id), question, questions.open, room.status === "ended"));
    if (items.length !== list.children.length || items.some((item, i) => list.children[i] !== item)) {
      const focused = document.activeElement;
      list.replaceChildren(...items);
      // The one that was being read or voted for keeps the focus when it moves.
      if (focused instanceof HTMLElement && list.contains(focused)) focused.focus({ preventScroll: true });
    }
  }

  /** @param {HTMLElement | undefined} known @param {import("./room_view.js").Question} question @param {boolean} open @param {boolean} over */
  _item(known, question, open, over) {
    const { t, n, lang } = { t: this._strings.t, n: this._strings.n.bind(this._strings), lang: this._strings.lang };
    const item = known ?? fromTemplate("question-template");
    const voted = this._voted.has(question.id);
    // One's own vote counts at once; the others' come together, every few seconds.
    const votes = Math.max(question.votes, (this._without.get(question.id) ?? -1) + 1);
    item.dataset.id = question.id;
    item.dataset.state = question.state;
    setPart(item, "votes", String(votes));
    setPart(item, "votes-word", n("ask.votes", votes));
    setPart(item, "text", question.text);
    const asked = t("ask.asked", { time: clock(question.asked_at, lang) });
    const done = question.state === "open" ? "" : t(question.state === "answered" ? "ask.answered" : over ? "ask.was_chosen" : "ask.chosen");
    const says = setPart(item, "says", done || [question.name, asked].filter(Boolean).join(" · "));
    says.classList.toggle("good", Boolean(done));
    const button = /** @type {HTMLButtonElement} */ (item.querySelector("[data-vote]"));
    button.disabled = !open || question.state === "answered";
    button.setAttribute("aria-pressed", String(voted));
    const label = `${votes} ${n("ask.votes", votes)}. ${t(voted ? "ask.voted_for" : "ask.vote_for", { text: question.text })}`;
    if (button.getAttribute("aria-label") !== label) button.setAttribute("aria-label", label);
    return item;
  }

  /** @param {HTMLButtonElement} button that was pressed */
  async vote(button) {
    const item = /** @type {HTMLElement} */ (button.closest("[data-id]"));
    const id = item.dataset.id ?? "";
    if (this._voted.has(id)) return;
    this._without.set(id, this._room?.questions.list.find((question) => question.id === id)?.votes ?? 0);
    this._mark(id, true);
    const sent = await send(this._slug, "vote", { question_id: id, device: device() });
    if (sent.ok) return;
    this._without.delete(id);
    this._mark(id, false);
    this._refused(sent);
  }

  /** @param {string} id @param {boolean} voted */
  _mark(id, voted) {
    if (voted) this._voted.add(id);
    else this._voted.delete(id);
    if (this._room) this.draw(this._room);
    memory.set(`votes ${this._slug}`, [...this._voted].slice(-REMEMBERED).join(" "));
  }

  /** @param {{status: number, wait: number}} sent */
  _refused(sent) {
    const { t } = this._strings;
    this._say(sent.status === 429 ? t("ask.too_often", { seconds: Math.max(1, sent.wait) })
      : sent.status === 409 ? t("ask.closed") : t("room.not_sent"), "warn");
  }

  /** Opens the form. */
  ask() {
    if (this._form) return;
    const form = (this._form = /** @type {HTMLFormElement} */ (fromTemplate("ask-template")));
    const text = /** @type {HTMLTextAreaElement} */ (form.elements.namedItem("text"));
    const name = /** @type {HTMLInputElement} */ (form.elements.namedItem("name"));
    name.value = memory.get("name");
    const left = () => setPart(form, "left", this._strings.n("ask.left", LONGEST - [...text.value].length));
    left();
    text.addEventListener("input", left);
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      void this._send(text, name.value.trim());
    });
    form.addEventListener("keydown", (event) => event.key === "Escape" && this._close(""));
    form.querySelector('[data-do="close"]')?.addEventListener("click", () => this._close(""));
    byId("ask").hidden = true;
    byId("ask-says")?.remove();
    byId("ask-box").prepend(form);
    text.focus();
  }

  /** @param {HTMLTextAreaElement} field @param {string} name */
  async _send(field, name) {
    const { t } = this._strings;
    const text = field.value.trim();
    if (!text) {
      this._say(t("ask.empty"), "warn");
      return field.focus();
    }
    const button = /** @type {HTMLButtonElement} */ (this._form?.querySelector('[type="submit"]'));
    button.disabled = true;
    const sent = await send(this._slug, "question", { text, device: device(), ...(name ? { name } : {}) });
    button.disabled = false;
    if (!sent.ok) return this._refused(sent);
    memory.set("name", name);
    this._close(t(this._moderated ? "ask.sent_moderated" : "ask.sent"));
  }

  /** @param {string} says */
  _close(says) {
    this._form?.remove();
    this._form = null;
    byId("ask").hidden = false;
    byId("ask").focus();
    this._say(says, "good");
  }

  /** @param {string} text @param {"good" | "warn"} tone */
  _say(text, tone) {
    let line = byId("ask-says");
    if (!line) {
      line = document.createElement("p");
      line.id = "ask-says";
      byId("ask-box").append(line);
    }
    line.className = tone;
    setText(line, text);
    if (text) this._tell(text);
  }
}
