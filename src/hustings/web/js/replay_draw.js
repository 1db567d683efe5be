// Drawing a recording: the whole of it as one line of bars, and a lane for each voice that scrolls. Only what is in
// view is drawn, so two hours scroll like two minutes.

import { clockTime } from "./format.js";
import { chapterAt, loudest } from "./replay_model.js";

const BAR = 3;
const STEP = 5;
/** Chapters closer than this have no words, as a share of the width. */
const CROWDED = 0.08;
export const LANE = 60;
export const RULER = 26;
/** Widths of the lanes' picture, px a second. */
const ZOOMS = [0.25, 0.5, 1, 2.5, 6, 15, 40];
/** Seconds between the ruler's figures, the first that leaves room. */
const TICKS = [5, 10, 30, 60, 300, 600, 1800, 3600];
const TICK_ROOM = 70;

/** @typedef {{from: number, to: number, kind: "out" | "mark"}} Shade a stretch that is left out, or marked */

/**
 * @param {CanvasRenderingContext2D} pen @param {Shade[]} shades @param {(at: number) => number} x @param {number} top @param {number} tall
 * @param {(name: string) => string} color
 */
function shade(pen, shades, x, top, tall, color) {
  for (const { from, to, kind } of shades) {
    const [left, right] = [x(from), x(to)];
    pen.fillStyle = color(kind === "out" ? "--card" : "--act");
    pen.globalAlpha = kind === "out" ? 0.8 : 0.2;
    pen.fillRect(left, top, Math.max(1, right - left), tall);
    pen.globalAlpha = 1;
    pen.fillStyle = color(kind === "out" ? "--live" : "--ink");
    for (const at of [left, right]) pen.fillRect(Math.round(at) - 1, top, 2, tall);
    if (kind === "out") pen.fillRect(left, top + tall - 3, Math.max(1, right - left), 3);
  }
}

/** @param {HTMLCanvasElement} picture @param {number} width @param {number} height css px */
function prepare(picture, width, height) {
  const dense = Math.min(2, devicePixelRatio || 1);
  if (picture.width !== Math.round(width * dense) || picture.height !== Math.round(height * dense)) {
    picture.width = Math.round(width * dense);
    picture.height = Math.round(height * dense);
    picture.style.width = `${width}px`;
    picture.style.height = `${height}px`;
  }
  const pen = picture.getContext("2d");
  if (!pen) return null;
  pen.setTransform(dense, 0, 0, dense, 0, 0);
  pen.clearRect(0, 0, width, height);
  return pen;
}

export class Overview {
  /** @param {{picture: HTMLCanvasElement, marks: HTMLElement}} parts @param {import("./replay_model.js").Recording} of */
  constructor(parts, of) {
    this._parts = parts;
    this._of = of;
    this._at = 0;
    this._played = -1;
    /** @type {Shade[]} */
    this._shades = [];
    new ResizeObserver(() => this.draw(this._at, true)).observe(/** @type {HTMLElement} */ (parts.picture.parentElement));
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.draw(this._at, true));
  }

  /** @param {number} at seconds @param {boolean} anew even if it would look the same */
  draw(at, anew = false) {
    const { picture } = this._parts;
    const { width, height } = /** @type {HTMLElement} */ (picture.parentElement).getBoundingClientRect();
    if (!width || !height) return;
    const { program, step, seconds } = this._of;
    const count = Math.floor(width / STEP);
    const played = Math.floor((at / seconds) * count);
    if (!anew && played === this._played) return;
    this._played = played;
    this._at = at;
    const tall = Number.parseFloat(getComputedStyle(picture).height) || 52;
    const pen = prepare(picture, width, tall);
    if (!pen) return;
    const style = getComputedStyle(picture);
    const [heard, coming] = [style.getPropertyValue("--act"), style.getPropertyValue("--edge")];
    for (let bar = 0; bar < count; bar += 1) {
      const level = loudest(program, step, (bar / count) * seconds, ((bar + 1) / count) * seconds);
      const size = Math.max(2, level * tall);
      pen.fillStyle = bar <= played ? heard : coming;
      pen.beginPath();
      pen.roundRect(bar * STEP, (tall - size) / 2, BAR, size, 1.5);
      pen.fill();
    }
    shade(pen, this._shades, (place) => (place / seconds) * width, 0, tall, (name) => style.getPropertyValue(name));
    this._mark();
  }

  /** @param {Shade[]} shades */
  shade(shades) {
    this._shades = shades;
    this.draw(this._at, true);
  }

  _mark() {
    const { chapters, seconds } = this._of;
    const current = chapterAt(chapters, this._at);
    this._parts.marks.replaceChildren(
      ...chapters.map(({ title, at }, i) => {
        const mark = document.createElement("span");
        const room = ((chapters[i + 1]?.at ?? seconds) - at) / seconds;
        mark.style.left = `${(100 * at) / seconds}%`;
        mark.style.width = `${100 * room}%`;
        mark.textContent = room > CROWDED ? title : "";
        mark.dir = "auto";
        mark.toggleAttribute("data-current", i === current);
        return mark;
      }),
    );
  }
}

export class Lanes {
  /**
   * @param {{scroll: HTMLElement, width: HTMLElement, picture: HTMLCanvasElement, names: HTMLElement}} parts
   * @param {import("./replay_model.js").Recording} of
   * @param {(at: number) => void} seek
   */
  constructor(parts, of, seek) {
    this._parts = parts;
    this._of = of;
    this._at = 0;
    this._drawing = 0;
    /** @type {Shade[]} */
    this._shades = [];
    /** Since when a person has scrolled: the picture does not follow the sound then, ms. */
    this._scrolled = -Infinity;
    this._zoom = ZOOMS.findIndex((zoom) => zoom * of.seconds > 1400);
    if (this._zoom < 0) this._zoom = ZOOMS.length - 1;
    const { scroll } = parts;
    scroll.addEventListener("scroll", () => this._soon(), { passive: true });
    for (const kind of ["wheel", "touchmove", "pointerdown"]) {
      scroll.addEventListener(kind, () => (this._scrolled = performance.now()), { passive: true });
    }
    scroll.addEventListener("click", (event) => {
      this._scrolled = -Infinity;
      seek(this.timeAt(event.clientX));
    });
    new ResizeObserver(() => this._size()).observe(scroll);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this._soon());
    this._size();
  }

  get _px() {
    return ZOOMS[this._zoom];
  }

  /** What lies at a place of the window, s. @param {number} clientX */
  timeAt(clientX) {
    const { scroll } = this._parts;
    return (clientX - scroll.getBoundingClientRect().left + scroll.scrollLeft) / this._px;
  }

  /** @param {Shade[]} shades */
  shade(shades) {
    this._shades = shades;
    this._soon();
  }

  /** Seconds so many pixels are. @param {number} pixels */
  secondsOf(pixels) {
    return pixels / this._px;
  }

  /** @param {1 | -1} by */
  zoom(by) {
    const { scroll } = this._parts;
    const middle = (scroll.scrollLeft + scroll.clientWidth / 2) / this._px;
    this._zoom = Math.max(0, Math.min(ZOOMS.length - 1, this._zoom + by));
    this._size();
    scroll.scrollLeft = middle * this._px - scroll.clientWidth / 2;
    this._soon();
  }

  get closest() {
    return this._zoom === ZOOMS.length - 1;
  }

  get widest() {
    return this._zoom === 0;
  }

  /** @param {number} at seconds @param {boolean} playing */
  show(at, playing) {
    if (at === this._at) return;
    this._at = at;
    const { scroll } = this._parts;
    const x = at * this._px - scroll.scrollLeft;
    const away = x < 0 || x > scroll.clientWidth * 0.9;
    if (away && (!playing || performance.now() - this._scrolled > 5000)) {
      scroll.scrollLeft = at * this._px - scroll.clientWidth * 0.15;
    }
    this._soon();
  }

  _size() {
    const tall = RULER + LANE * Math.max(1, this._of.voices.length);
    this._parts.width.style.width = `${Math.ceil(this._of.seconds * this._px)}px`;
    this._parts.scroll.style.height = `${tall + 16}px`;
    this._soon();
  }

  _soon() {
    if (!this._drawing) this._drawing = requestAnimationFrame(() => this._draw());
  }

  _draw() {
    this._drawing = 0;
    const { scroll, picture, names } = this._parts;
    const { voices, seconds, step } = this._of;
    const width = Math.min(scroll.clientWidth, Math.ceil(seconds * this._px));
    const tall = RULER + LANE * Math.max(1, voices.length);
    const pen = width ? prepare(picture, width, tall) : null;
    if (!pen) return;
    const style = getComputedStyle(picture);
    const color = (/** @type {string} */ name) => style.getPropertyValue(name);
    const from = scroll.scrollLeft / this._px;
    const to = from + width / this._px;
    this._ruler(pen, from, to, width, color);
    // Bars lie on a grid of the recording, not of the window: they do not dance while it scrolls.
    const each = STEP / this._px;
    const first = Math.floor(from / each);
    const last = Math.min(Math.ceil(to / each), Math.ceil(seconds / each));
    const narrow = !names.clientWidth;
    voices.forEach((voice, lane) => {
      const top = RULER + lane * LANE;
      pen.fillStyle = color("--line");
      pen.fillRect(0, top, width, 1);
      for (let bar = first; bar < last; bar += 1) {
        const begins = bar * each;
        const level = loudest(voice.peaks, step, begins, begins + each);
        if (level <= 0) continue;
        const size = Math.max(2, level * (LANE - 14));
        pen.fillStyle = color(begins <= this._at ? "--act" : "--edge");
        pen.beginPath();
        pen.roundRect((begins - from) * this._px, top + (LANE - size) / 2, BAR, size, 1.5);
        pen.fill();
      }
      if (narrow) this._name(pen, voice.name, top, color);
    });
    shade(pen, this._shades, (at) => (at - from) * this._px, RULER, LANE * Math.max(1, voices.length), color);
    pen.fillStyle = color("--live");
    pen.fillRect(Math.round((this._at - from) * this._px) - 1, 0, 2, tall);
  }

  /**
   * @param {CanvasRenderingContext2D} pen @param {number} from @param {number} to @param {number} width
   * @param {(name: string) => string} color
   */
  _ruler(pen, from, to, width, color) {
    const tick = TICKS.find((seconds) => seconds * this._px >= TICK_ROOM) ?? 7200;
    pen.font = "12px system-ui, sans-serif";
    pen.textBaseline = "middle";
    for (const gap of this._of.gaps) {
      pen.fillStyle = color("--seat");
      pen.fillRect((gap.from - from) * this._px, RULER, Math.max(1, gap.seconds * this._px), LANE * this._of.voices.length);
    }
    for (let at = Math.floor(from / tick) * tick; at <= to; at += tick) {
      const x = (at - from) * this._px;
      if (x > width) break;
      pen.fillStyle = color("--line");
      pen.fillRect(x, 6, 1, RULER - 6);
      pen.fillStyle = color("--soft");
      pen.fillText(clockTime(at), x + 5, RULER / 2);
    }
  }

  /** @param {CanvasRenderingContext2D} pen @param {string} name @param {number} top @param {(name: string) => string} color */
  _name(pen, name, top, color) {
    pen.font = "600 12px system-ui, sans-serif";
    const size = Math.min(pen.measureText(name).width + 12, 220);
    pen.globalAlpha = 0.85;
    pen.fillStyle = color("--card");
    pen.fillRect(2, top + 3, size, 18);
    pen.globalAlpha = 1;
    pen.fillStyle = color("--ink");
    pen.fillText(name, 8, top + 12, 208);
  }
}
