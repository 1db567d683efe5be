// A list of lines in a form: the agenda, the pinned links. Moved by buttons or Alt and the arrow keys.

import { byId } from "./desk_api.js";

export class Lines {
  /**
   * @param {HTMLElement} list @param {string} template id of the template of one line
   * @param {{max: number, changed: () => void, moved?: (place: number, count: number) => void}} options
   */
  constructor(list, template, { max, changed, moved }) {
    this._list = list;
    this._template = /** @type {HTMLTemplateElement} */ (byId(template));
    this._max = max;
    this._changed = changed;
    this._moved = moved;
    list.addEventListener("click", (event) => this._pressed(/** @type {HTMLElement} */ (event.target)));
    list.addEventListener("keydown", (event) => this._key(event));
    list.addEventListener("input", changed);
    this._ends();
  }

  /** @returns {HTMLElement[]} */
  get lines() {
    return /** @type {HTMLElement[]} */ ([...this._list.children]);
  }

  /** One more, empty, with the cursor in it. */
  add() {
    if (this.lines.length >= this._max) return;
    this._list.append(this._template.content.cloneNode(true));
    this._ends();
    this.lines.at(-1)?.querySelector("input")?.focus();
  }

  /** @param {HTMLElement} target */
  _pressed(target) {
    const button = /** @type {HTMLElement | null} */ (target.closest("[data-do]"));
    const line = /** @type {HTMLElement | null} */ (target.closest(".line"));
    if (!button || !line) return;
    if (button.dataset.do === "drop") this._drop(line);
    else this._move(line, button.dataset.do === "up" ? -1 : 1, button);
  }

  /** @param {KeyboardEvent} event */
  _key(event) {
    const target = /** @type {HTMLElement} */ (event.target);
    const line = /** @type {HTMLElement | null} */ (target.closest(".line"));
    if (!line) return;
    const step = { ArrowUp: -1, ArrowDown: 1 }[event.key];
    if (step && event.altKey && this._moved) {
      event.preventDefault();
      this._move(line, step, target);
    } else if (event.key === "Enter" && target instanceof HTMLInputElement) {
      event.preventDefault(); // the next line, not the whole form
      const next = /** @type {HTMLElement | null} */ (line.nextElementSibling);
      if (next) next.querySelector("input")?.focus();
      else this.add();
    }
  }

  /** @param {HTMLElement} line */
  _drop(line) {
    const near = line.nextElementSibling ?? line.previousElementSibling;
    line.remove();
    this._ends();
    /** @type {HTMLElement | null | undefined} */ (near?.querySelector("input"))?.focus();
    this._changed();
  }

  /** @param {HTMLElement} line @param {number} step @param {HTMLElement} focused */
  _move(line, step, focused) {
    const other = step < 0 ? line.previousElementSibling : line.nextElementSibling;
    if (!other) return;
    if (step < 0) other.before(line);
    else other.after(line);
    this._ends();
    if (focused instanceof HTMLButtonElement && focused.disabled) line.querySelector("input")?.focus();
    else focused.focus();
    this._moved?.(this.lines.indexOf(line) + 1, this.lines.length);
    this._changed();
  }

  /** The first has no way up, the last none down. */
  _ends() {
    this.lines.forEach((line, index, all) => {
      for (const [name, end] of /** @type {const} */ ([["up", 0], ["down", all.length - 1]])) {
        const button = /** @type {HTMLButtonElement | null} */ (line.querySelector(`[data-do=${name}]`));
        if (button) button.disabled = index === end;
      }
    });
  }
}

/** @param {HTMLElement} line @param {string} name @returns {HTMLInputElement} */
export function part(line, name) {
  return /** @type {HTMLInputElement} */ (line.querySelector(`[data-part=${name}]`));
}
