// What is cut out, as lines with times that can be typed; the speakers, with how loud each is.

import { byId } from "./desk_api.js";
import { evened, LOUDEST, SOFTEST, timeOf, usualLevel, withoutCut } from "./edit_model.js";
import { decibels, exact, lasts } from "./edit_words.js";
import { clockTime, number } from "./format.js";
import { height } from "./replay_model.js";

/** @typedef {import("./edit_model.js").Edit} Edit */

/** @param {Element} line @param {string} name @returns {HTMLElement} */
const part = (line, name) => /** @type {HTMLElement} */ (line.querySelector(`[data-part="${name}"]`));

/** @param {string} id @returns {HTMLElement} */
function fresh(id) {
  const copy = /** @type {DocumentFragment} */ (/** @type {HTMLTemplateElement} */ (byId(id)).content.cloneNode(true));
  return /** @type {HTMLElement} */ (copy.firstElementChild);
}

export class Cuts {
  /**
   * @param {import("./strings.js").Strings} strings
   * @param {{moved: (which: number, end: "from" | "to", at: number) => void, kept: (edit: Edit) => void, seam: (cut: import("./edit_model.js").Stretch) => void}} listener
   */
  constructor(strings, listener) {
    this._strings = strings;
    this._listener = listener;
    this._list = byId("cuts");
    /** @type {Edit | null} */
    this._edit = null;
  }

  /** @param {Edit} edit */
  show(edit) {
    this._edit = edit;
    byId("no-cuts").hidden = edit.cuts.length > 0;
    while (this._list.children.length > edit.cuts.length) this._drop();
    while (this._list.children.length < edit.cuts.length) this._list.append(this._line());
    edit.cuts.forEach((cut, i) => this._fill(this._list.children[i], cut, i));
  }

  /** Who works by keyboard does not fall out of the list with a line that goes. */
  _drop() {
    const last = /** @type {Element} */ (this._list.lastElementChild);
    const had = last.contains(document.activeElement);
    last.remove();
    if (had) (/** @type {HTMLElement | null} */ (this._list.lastElementChild?.querySelector('[data-do="keep"]')) ?? byId("parts")).focus();
  }

  _line() {
    const line = fresh("cut-template");
    const which = () => [...this._list.children].indexOf(line);
    for (const end of /** @type {const} */ (["from", "to"])) {
      const input = /** @type {HTMLInputElement} */ (part(line, end));
      input.addEventListener("change", () => {
        const at = timeOf(input.value);
        if (at !== null) this._listener.moved(which(), end, at);
        else if (this._edit) input.value = exact(this._edit.cuts[which()][end === "from" ? 0 : 1], this._strings.lang);
      });
    }
    line.querySelector('[data-do="seam"]')?.addEventListener("click", () => this._edit && this._listener.seam(this._edit.cuts[which()]));
    line.querySelector('[data-do="keep"]')?.addEventListener("click", () => this._edit && this._listener.kept(withoutCut(this._edit, which())));
    return line;
  }

  /** @param {Element} line @param {import("./edit_model.js").Stretch} cut @param {number} i */
  _fill(line, [from, to], i) {
    const { t, lang } = this._strings;
    /** @type {HTMLInputElement} */ (part(line, "from")).value = exact(from, lang);
    /** @type {HTMLInputElement} */ (part(line, "to")).value = exact(to, lang);
    part(line, "length").textContent = lasts(to - from, lang);
    for (const name of ["from", "to"]) part(line, name).setAttribute("aria-label", t(`edit.cut_${name}`, { n: i + 1 }));
    for (const button of line.querySelectorAll("button")) button.setAttribute("aria-label", t("edit.of_cut", { action: button.textContent ?? "", n: i + 1, from: exact(from, lang) }));
  }
}

export class Speakers {
  /**
   * @param {import("./strings.js").Strings} strings @param {import("./edit_versions.js").Speaker[]} speakers
   * @param {import("./replay_model.js").Recording} of @param {(edit: Edit) => void} changed
   */
  constructor(strings, speakers, of, changed) {
    this._strings = strings;
    this._changed = changed;
    /** @type {Edit | null} */
    this._edit = null;
    /** dBov, of those who can be heard. @type {Map<string, number>} */
    this._levels = new Map();
    for (const voice of of.voices) {
      const level = usualLevel(voice, of.step);
      if (level !== null) this._levels.set(voice.id, level);
    }
    this._lines = new Map(speakers.map((speaker) => [speaker.id, this._line(speaker)]));
    byId("speakers").replaceChildren(...this._lines.values());
    byId("even").hidden = this._levels.size < 2;
    byId("even").addEventListener("click", () => {
      if (!this._edit) return;
      const heard = new Map([...this._levels].filter(([id]) => !this._edit?.without.includes(id)));
      if (heard.size) this._changed({ ...this._edit, gains: { ...this._edit.gains, ...Object.fromEntries([...heard.keys()].map((id) => [id, 0])), ...evened(heard) } });
    });
  }

  /** @param {import("./edit_versions.js").Speaker} speaker */
  _line({ id, name, track, speaking }) {
    const { t } = this._strings;
    const line = fresh("speaker-template");
    part(line, "name").textContent = name;
    part(line, "talked").textContent = t("edit.spoke", { time: clockTime(speaking) });
    const gain = /** @type {HTMLInputElement} */ (part(line, "gain"));
    gain.min = String(SOFTEST);
    gain.max = String(LOUDEST);
    gain.disabled = !track;
    gain.setAttribute("aria-label", t("edit.gain", { name }));
    // While it is moved the line shows it; the edit changes once it stays.
    gain.addEventListener("input", () => this._gain(line, id, Number(gain.value)));
    gain.addEventListener("change", () => this._edit && this._changed({ ...this._edit, gains: { ...this._edit.gains, [id]: Number(gain.value) } }));
    const without = /** @type {HTMLInputElement} */ (part(line, "without"));
    without.addEventListener("change", () => {
      if (!this._edit) return;
      const others = this._edit.without.filter((each) => each !== id);
      this._changed({ ...this._edit, without: without.checked ? [...others, id] : others });
    });
    return line;
  }

  /** @param {Edit} edit */
  show(edit) {
    this._edit = edit;
    for (const [id, line] of this._lines) {
      const out = edit.without.includes(id);
      line.toggleAttribute("data-out", out);
      /** @type {HTMLInputElement} */ (part(line, "without")).checked = out;
      const gain = edit.gains[id] ?? 0;
      /** @type {HTMLInputElement} */ (part(line, "gain")).value = String(gain);
      this._gain(line, id, gain);
    }
  }

  /** @param {HTMLElement} line @param {string} id @param {number} gain dB */
  _gain(line, id, gain) {
    const { t, lang } = this._strings;
    const says = decibels(gain, lang);
    part(line, "gain-says").textContent = says;
    part(line, "gain").setAttribute("aria-valuetext", says);
    const level = this._levels.get(id);
    part(line, "loud").style.width = level === undefined ? "0" : `${100 * height(level - gain)}%`;
    part(line, "loud-says").textContent = level === undefined ? t("edit.never_heard") : t("edit.usual", { level: number(-level + gain, lang).replace("-", "−") });
  }
}
