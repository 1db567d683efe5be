// Marking a clip: where it begins and ends, hear it, its link; on the recording's page and while it goes on. A clip is
// an address: nothing is sent anywhere.

import { clipName, endsMoved } from "./clip_model.js";
import { clockTime, number } from "./format.js";

const NUDGE = 0.5;

/**
 * What a clip is cut out of. Times are seconds from its beginning.
 * @typedef {object} Whole
 * @property {number} begins media time of its beginning, s
 * @property {() => number} at what is heard now
 * @property {() => number} seconds how long it is
 * @property {(from: number, to: number) => void} hear
 * @property {() => string} clips the address below which clips are; "" while nobody knows
 * @property {(to: number) => boolean} finished whether clips reach that far by now
 * @property {(marks: import("./clip_model.js").Marks) => void} marked
 * @property {(text: string) => void} tell
 */

/** @template {keyof HTMLElementTagNameMap} K @param {K} tag @param {Record<string, string>} [set] @param {(Node | string)[]} inside @returns {HTMLElementTagNameMap[K]} */
function make(tag, set = {}, ...inside) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(set)) element.setAttribute(name, value);
  element.append(...inside);
  return element;
}

export class ClipMaker {
  /**
   * @param {HTMLElement} box is filled; has a heading, and says what it is
   * @param {import("./strings.js").Strings} strings
   * @param {Whole} of
   */
  constructor(box, strings, of) {
    this._strings = strings;
    this._of = of;
    /** @type {import("./clip_model.js").Marks} */
    this._marks = { from: null, to: null };
    const { t } = strings;
    const ends = /** @type {const} */ ([["begin", "from"], ["end", "to"]]).map(([end, mark]) => this._end(end, mark));
    this._hear = this._button("clip-hear", t("clip.hear"), () => this.hear());
    this._link = this._button("clip-link", t("clip.link"), () => void this.copy());
    this._link.classList.add("main");
    this._page = make("a", { class: "button", id: "clip-page" }, t("clip.page"));
    this._says = make("span", { class: "soft", id: "clip-is" });
    box.append(
      make("p", { class: "soft small" }, t("clip.hint")),
      make("div", { class: "clip-ends" }, ...ends),
      make("div", { class: "clip-does" }, this._hear, this._link, this._page, this._says),
    );
    this.show();
  }

  /** @param {"begin" | "end"} end @param {"from" | "to"} mark */
  _end(end, mark) {
    const { t } = this._strings;
    const at = make("strong", { class: "figures", id: `clip-${mark}` }, t("clip.unset"));
    const nudge = (/** @type {string} */ name, /** @type {string} */ text, /** @type {number} */ by) => {
      const button = this._button(`clip-${end}-${name}`, text, () => this._set(mark, (this._marks[mark] ?? this._of.at()) + by));
      button.setAttribute("aria-label", t(`clip.${end}_${name}`));
      return button;
    };
    return make(
      "div",
      { class: "clip-end", role: "group", "aria-label": t(`clip.${end}`) },
      this._button(`clip-${end}`, t(`clip.${end}`), () => this.mark(mark)),
      make("span", { class: "clip-at" }, make("span", { class: "soft" }, t(`clip.${end}s`)), " ", at),
      nudge("earlier", "−½ s", -NUDGE),
      nudge("later", "+½ s", NUDGE),
    );
  }

  /** @param {string} id @param {string} text @param {() => void} act */
  _button(id, text, act) {
    const button = make("button", { class: "button", type: "button", id }, text);
    button.addEventListener("click", act);
    return button;
  }

  /** What a key does. @param {string} key @returns {(() => void) | undefined} */
  key(key) {
    /** @type {Record<string, () => void>} */
    const ways = { i: () => this.mark("from"), o: () => this.mark("to"), h: () => this.hear(), c: () => void this.copy() };
    return ways[key];
  }

  /** What is heard now is an end of the clip. @param {"from" | "to"} end */
  mark(end) {
    this._set(end, this._of.at());
  }

  /** @param {"from" | "to"} end @param {number} at */
  _set(end, at) {
    const { t } = this._strings;
    const { marks, moved } = endsMoved(this._marks, end, at, this._of.seconds());
    this._marks = marks;
    this.show();
    this._of.marked(marks);
    const said = t(end === "from" ? "clip.begins_at" : "clip.ends_at", { at: clockTime(marks[end] ?? 0) });
    this._of.tell(moved ? `${said} ${t("clip.moved")}` : said);
  }

  hear() {
    const { from, to } = this._marks;
    const wait = this._wait();
    if (from === null || to === null || wait) this._of.tell(wait || this._strings.t("clip.unmarked"));
    else this._of.hear(from, to);
  }

  async copy() {
    const { t } = this._strings;
    const link = this.link;
    if (!link) {
      this._of.tell(this._wait() || t("clip.unmarked"));
      return;
    }
    try {
      await navigator.clipboard.writeText(link);
      this._of.tell(t("clip.link_copied", { link }));
    } catch {
      this._of.tell(t("clip.link_by_hand"));
    }
  }

  /** The address of the clip's page; "" as long as there is none. */
  get link() {
    const { from, to } = this._marks;
    const clips = this._of.clips();
    return from === null || to === null || !clips || !this._of.finished(to) ? "" : clips + clipName(from, to, this._of.begins);
  }

  /** Why a clip that is marked is not there yet; "": it is. */
  _wait() {
    const { from, to } = this._marks;
    return from !== null && to !== null && !this.link ? this._strings.t("clip.not_yet") : "";
  }

  /** Draws it as it is now. */
  show() {
    const { t, lang } = this._strings;
    const { from, to } = this._marks;
    const words = (/** @type {number | null} */ at) => (at === null ? t("clip.unset") : `${clockTime(at)}${number(at % 1, lang, 1).slice(1)}`);
    for (const [mark, at] of Object.entries({ from, to })) {
      const shown = /** @type {HTMLElement} */ (document.getElementById(`clip-${mark}`));
      if (shown) shown.textContent = words(at === null ? null : Math.floor(at * 10) / 10);
    }
    const { link } = this;
    this._hear.disabled = this._link.disabled = !link;
    this._page.hidden = !link;
    this._page.href = link;
    const is = from !== null && to !== null ? t("clip.is", { from: clockTime(from), to: clockTime(to), length: number(to - from, lang, 1) }) : "";
    const says = [is, this._wait()].filter(Boolean).join(". ");
    if (this._says.textContent !== says) this._says.textContent = says;
  }
}
