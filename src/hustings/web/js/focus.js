// The focus of somebody without a mouse is not lost when what has it goes away: the part of the page it was in
// takes it. Not the next button: whoever presses a key twice would set off what he has not read.

export class FocusKeeper {
  constructor() {
    /** @type {HTMLElement | null} what had the focus last, outside of dialogs */
    this._last = null;
    /** @type {HTMLElement[]} the parts of the page around it, inner ones first: it may be out of the page by then */
    this._around = [];
    document.addEventListener("focusin", ({ target }) => this._remember(/** @type {HTMLElement} */ (target)));
    // Who clicks beside everything wants no focus.
    document.addEventListener("pointerdown", () => (this._last = null), true);
  }

  /** @param {HTMLElement} element */
  _remember(element) {
    // A dialog gives the focus back by itself.
    if (element.closest("dialog")) return;
    this._last = element;
    this._around = [];
    for (let up = element.parentElement; up; up = up.parentElement) if (up.tabIndex === -1 && up.hasAttribute("tabindex")) this._around.push(up);
  }

  /** To be called when something was drawn. */
  keep() {
    const { activeElement } = document;
    if (!this._last || there(this._last) || (activeElement !== document.body && activeElement !== this._last)) return;
    const home = this._around.find(there);
    this._last = null;
    home?.focus({ preventScroll: true });
  }
}

/** @param {HTMLElement} element @returns {boolean} whether it can have the focus */
function there(element) {
  return element.isConnected && element.checkVisibility() && !element.matches(":disabled");
}
