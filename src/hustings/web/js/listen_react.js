// Reactions: six buttons, and how many of each there were in the last minute, from everybody together.

import { number } from "./format.js";
import { device, send } from "./listen_doors.js";
import { setText } from "./room_view.js";

/** What is shown is of the last so many seconds. */
const LATELY = 60;
const still = matchMedia("(prefers-reduced-motion: reduce)");

export class Reactions {
  /** @param {HTMLElement} box @param {string} slug @param {import("./strings.js").Strings} strings */
  constructor(box, slug, strings) {
    this._slug = slug;
    this._strings = strings;
    this._says = /** @type {HTMLElement} */ (box.querySelector("#reactions-says"));
    /** @type {Map<string, HTMLButtonElement>} */
    this._buttons = new Map();
    /** @type {{at: number, kind: string, count: number}[]} */
    this._lately = [];
    for (const button of box.querySelectorAll("button")) this._buttons.set(button.dataset.kind ?? "", button);
    setInterval(() => this._draw(), 2000);
  }

  /** @param {Record<string, number>} counts what came since the last time */
  came(counts) {
    for (const [kind, count] of Object.entries(counts)) {
      const button = this._buttons.get(kind);
      if (!button || !(count > 0)) continue;
      this._lately.push({ at: performance.now() / 1000, kind, count });
      if (!still.matches && !document.hidden) rise(button, `+${number(count, this._strings.lang)}`);
    }
    this._draw();
  }

  /** @param {HTMLButtonElement} button that was pressed */
  async react(button) {
    if (button.getAttribute("aria-disabled") === "true") return;
    const kind = button.dataset.kind ?? "";
    const sent = await send(this._slug, "reaction", { kind, device: device() });
    if (sent.ok) return setText(this._says, "");
    const { t } = this._strings;
    const seconds = Math.max(1, sent.wait);
    setText(this._says, sent.status === 429 ? t("room.react.again", { seconds }) : t("room.not_sent"));
    button.setAttribute("aria-disabled", "true");
    setTimeout(() => {
      button.removeAttribute("aria-disabled");
      setText(this._says, "");
    }, seconds * 1000);
  }

  _draw() {
    const since = performance.now() / 1000 - LATELY;
    while (this._lately.length && this._lately[0].at < since) this._lately.shift();
    for (const [kind, button] of this._buttons) {
      const sum = this._lately.reduce((all, each) => (each.kind === kind ? all + each.count : all), 0);
      const part = /** @type {HTMLElement} */ (button.querySelector('[data-part="count"]'));
      setText(part, sum ? number(sum, this._strings.lang) : "");
    }
  }
}

/** @param {HTMLElement} button @param {string} text */
function rise(button, text) {
  const sign = document.createElement("i");
  sign.className = "rise";
  sign.ariaHidden = "true";
  sign.textContent = text;
  sign.addEventListener("animationend", () => sign.remove());
  // At most a few at once: a crowd is one number, not a cloud.
  if (button.querySelectorAll(".rise").length < 3) button.append(sign);
}
