// Marking a stretch with the pointer on the voices' picture, and dragging the ends of what is marked or cut. Fingers
// scroll there: they mark with the buttons.

/** So near to an end it is the end that is dragged; less than this is a click, px. */
const NEAR = 7;
const CLICK = 4;
/** Dragging near the border scrolls, px. */
const BORDER = 36;

/** @typedef {{at: number, move: (at: number) => void}} Handle */

export class Drag {
  /**
   * @param {HTMLElement} scroll @param {import("./replay_draw.js").Lanes} lanes
   * @param {{handles: () => Handle[], marked: (from: number, to: number) => void, done: () => void}} listener
   */
  constructor(scroll, lanes, listener) {
    this._scroll = scroll;
    this._lanes = lanes;
    this._listener = listener;
    /** @type {{x: number, at: number, handle: Handle | null, moved: boolean} | null} */
    this._held = null;
    scroll.addEventListener("pointerdown", (event) => this._down(event));
    scroll.addEventListener("pointermove", (event) => this._move(event));
    for (const kind of ["pointerup", "pointercancel"]) scroll.addEventListener(kind, () => this._up());
    // What ends a drag is no click.
    scroll.addEventListener("click", (event) => this._dragged && event.stopImmediatePropagation(), { capture: true });
  }

  /** @param {PointerEvent} event */
  _down(event) {
    this._dragged = false;
    // Beside the scroll bar only.
    if (event.pointerType === "touch" || event.button !== 0 || event.offsetY > this._scroll.clientHeight) return;
    const at = this._lanes.timeAt(event.clientX);
    this._held = { x: event.clientX, at, handle: this._handle(at), moved: false };
    this._scroll.setPointerCapture(event.pointerId);
  }

  /** @param {number} at */
  _handle(at) {
    const near = this._lanes.secondsOf(NEAR);
    const close = this._listener.handles().filter((handle) => Math.abs(handle.at - at) <= near);
    return close.sort((a, b) => Math.abs(a.at - at) - Math.abs(b.at - at))[0] ?? null;
  }

  /** @param {PointerEvent} event */
  _move(event) {
    const held = this._held;
    const at = this._lanes.timeAt(event.clientX);
    if (!held) {
      if (event.pointerType !== "touch") this._scroll.style.cursor = this._handle(at) ? "ew-resize" : "";
      return;
    }
    held.moved ||= Math.abs(event.clientX - held.x) > CLICK;
    if (!held.moved) return;
    this._dragged = true;
    const box = this._scroll.getBoundingClientRect();
    if (event.clientX > box.right - BORDER) this._scroll.scrollLeft += 12;
    else if (event.clientX < box.left + BORDER) this._scroll.scrollLeft -= 12;
    if (held.handle) held.handle.move(at);
    else this._listener.marked(Math.min(held.at, at), Math.max(held.at, at));
  }

  _up() {
    if (this._held?.moved) this._listener.done();
    this._held = null;
  }
}
