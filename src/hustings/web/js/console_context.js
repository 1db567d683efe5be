// What every panel of the console is given: texts, the room's model, the studio's API, and how to run a
// command, ask a question and say something.

import { byId, el, setText, show } from "./console_dom.js";
import { inWords } from "./console_api.js";
import { answerOf } from "./dialog.js";

/** Between two announcements, ms: a screen reader must be able to finish. */
const PAUSE = 1500;
/** Announcements that may wait; older ones are no news. */
const WAITING = 3;

/** @typedef {{value: string, text: string, kind?: "main" | "ends"}} Choice */

export class Context {
  /**
   * @param {import("./strings.js").Strings} strings @param {import("./console_model.js").Model} model
   * @param {import("./console_api.js").Api} api
   */
  constructor(strings, model, api) {
    this.strings = strings;
    this.t = strings.t;
    this.model = model;
    this.api = api;
    /** @type {{topic: string, text: string}[]} */
    this._news = [];
    this._saidAt = 0;
  }

  /**
   * Runs a command of a button, which cannot be pressed again meanwhile. What went wrong is said.
   * @param {HTMLButtonElement | HTMLInputElement | null} button @param {() => Promise<import("./console_api.js").Answer>} deed
   * @returns {Promise<import("./console_api.js").Answer | null>} null when it did not work
   */
  async run(button, deed) {
    if (button?.getAttribute("aria-busy") === "true") return null;
    button?.setAttribute("aria-busy", "true");
    try {
      const answer = await deed();
      this.complain(answer.ok ? "" : inWords(answer));
      return answer.ok ? answer : null;
    } catch {
      this.complain(this.t("console.no_answer"));
      return null;
    } finally {
      button?.removeAttribute("aria-busy");
    }
  }

  /** @param {string} text "" takes it away */
  complain(text) {
    setText(byId("complaint-text"), text ? this.t("console.did_not_work", { reason: text }) : "");
    show(byId("complaint"), Boolean(text));
  }

  /**
   * One question in a dialog. @param {string} title @param {string} text @param {Choice[]} choices the first has the focus
   * @returns {Promise<string>} "" when it was closed
   */
  async ask(title, text, choices) {
    return answerOf(byId("ask"), () => {
      setText(byId("ask-title"), title);
      setText(byId("ask-text"), text);
      byId("ask-choices").replaceChildren(...choices.map(({ value, text: words, kind }) =>
        el("button", { class: `button ${kind ?? ""}`.trim(), type: "submit", value, text: words })));
    });
  }

  /** For those who do not see it. The latest of a topic counts. @param {string} topic @param {string} text */
  announce(topic, text) {
    this._news = [...this._news.filter((news) => news.topic !== topic), { topic, text }].slice(-WAITING);
    this._speak();
  }

  _speak() {
    clearTimeout(this._timer);
    if (!this._news.length) return;
    const wait = this._saidAt + PAUSE - performance.now();
    if (wait > 0) {
      this._timer = setTimeout(() => this._speak(), wait);
      return;
    }
    this._saidAt = performance.now();
    byId("announce").textContent = this._news.shift()?.text ?? "";
    this._timer = setTimeout(() => this._speak(), PAUSE);
  }
}

/** Menus (details) close when one looks elsewhere. */
export function closeMenus() {
  /** @param {EventTarget | null} except */
  const close = (except) => {
    for (const menu of document.querySelectorAll("details.menu[open]")) {
      if (!(except instanceof Node && menu.contains(except))) menu.removeAttribute("open");
    }
  };
  document.addEventListener("pointerdown", ({ target }) => close(target));
  document.addEventListener("keydown", (event) => {
    // That of a dialog out of a menu closes the dialog, which gives the focus back into the menu.
    if (event.key !== "Escape" || document.querySelector("dialog[open]")) return;
    const menu = /** @type {Element | null} */ (event.target)?.closest?.("details.menu[open]");
    close(null);
    menu?.querySelector("summary")?.focus();
  });
}
