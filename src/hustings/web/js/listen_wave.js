// The picture of what has been heard, to go back in: bars of loudness, chapters under them, a slider over them.

import { clockTime } from "./format.js";

/** The window the edge keeps, s: further back there is nothing to hear, unless it is recorded. */
const WINDOW = 3600;
const LONGEST = 6 * 3600;
/** A broadcast that has just begun is drawn on this long a line, s. */
const SHORTEST = 60;
/** A bar and the air after it, px. */
const BAR = 3;
const STEP = 5;
/** Chapters closer than this have no words, as a share of the width. */
const CROWDED = 0.08;

/** How loud each second was on the whole, as it was heard. Pure. */
export class Heard {
  constructor() {
    this._sums = new Float32Array(LONGEST);
    this._counts = new Uint16Array(LONGEST);
  }

  /** @param {number} second since the broadcast began @param {number} level 0..1 */
  add(second, level) {
    const at = Math.floor(second);
    if (!(at >= 0 && at < LONGEST) || this._counts[at] > 1000) return;
    this._sums[at] += level;
    this._counts[at] += 1;
  }

  clear() {
    this._sums.fill(0);
    this._counts.fill(0);
  }

  /**
   * How loud each of `count` equal parts of a time was.
   * @param {number} from @param {number} to seconds @param {number} count
   * @returns {number[]} 0..1; -1 where nothing was heard
   */
  bars(from, to, count) {
    const each = (to - from) / count;
    return Array.from({ length: count }, (_, i) => {
      const first = Math.max(0, Math.floor(from + i * each));
      const last = Math.min(LONGEST, Math.max(first + 1, Math.floor(from + (i + 1) * each)));
      let [sum, n] = [0, 0];
      for (let at = first; at < last; at += 1) [sum, n] = [sum + this._sums[at], n + this._counts[at]];
      return n ? sum / n : -1;
    });
  }
}

export class Wave {
  /**
   * @param {{box: HTMLElement, picture: HTMLCanvasElement, slider: HTMLInputElement, marks: HTMLElement}} parts
   * @param {import("./strings.js").Strings} strings
   * @param {(seconds: number) => void} seek
   */
  constructor(parts, strings, seek) {
    this._parts = parts;
    this._strings = strings;
    this.heard = new Heard();
    this._held = false;
    this._drawn = "";
    /** @type {{at: number, edge: number, behind: number, recorded: boolean, chapters: {title: string, media_time: number}[]} | null} */
    this._now = null;
    /** @type {import("./clip_model.js").Marks} */
    this._clip = { from: null, to: null };
    const { slider } = parts;
    slider.addEventListener("input", () => {
      this._held = true;
      this._say(Number(slider.value));
      this._paint();
    });
    slider.addEventListener("change", () => {
      this._held = false;
      seek(Number(slider.value));
    });
    new ResizeObserver(() => this._paint()).observe(parts.box);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this._paint());
  }

  /** @param {{at: number, edge: number, behind: number, recorded: boolean, chapters: {title: string, media_time: number}[]}} now seconds since the broadcast began */
  show(now) {
    this._now = now;
    const { slider } = this._parts;
    const from = Math.max(0, now.edge - (now.recorded ? LONGEST : WINDOW));
    slider.min = String(Math.ceil(from));
    slider.max = String(Math.ceil(now.edge));
    if (!this._held) {
      slider.value = String(Math.round(now.at));
      this._say(now.at);
    }
    const drawn = `${Math.floor(now.edge)} ${Math.floor(now.at)} ${now.chapters.length}`;
    if (drawn === this._drawn || document.hidden) return;
    this._drawn = drawn;
    this._paint();
  }

  /** A clip that is marked. @param {import("./clip_model.js").Marks} marks */
  mark(marks) {
    this._clip = marks;
    this._paint();
  }

  /** @param {number} at */
  _say(at) {
    if (!this._now) return;
    const { t } = this._strings;
    const { edge } = this._now;
    const places = { at: clockTime(at), end: clockTime(edge), behind: clockTime(edge - at) };
    const text = t(edge - at < 3 ? "player.place_live" : "player.place_at", places);
    const { slider } = this._parts;
    if (slider.getAttribute("aria-valuetext") !== text) slider.setAttribute("aria-valuetext", text);
    slider.title = text;
  }

  _paint() {
    const now = this._now;
    const { picture, slider } = this._parts;
    const { clientWidth: width, clientHeight: height } = picture;
    const pen = picture.getContext("2d");
    if (!now || !pen || !width) return;
    const dense = Math.min(2, devicePixelRatio || 1);
    picture.width = width * dense;
    picture.height = height * dense;
    pen.scale(dense, dense);
    const style = getComputedStyle(picture);
    const [heard, coming] = [style.getPropertyValue("--act"), style.getPropertyValue("--edge")];
    const from = Math.max(0, now.edge - (now.recorded ? LONGEST : WINDOW));
    const to = Math.max(now.edge, from + SHORTEST);
    const at = this._held ? Number(slider.value) : now.at;
    const bars = this.heard.bars(from, to, Math.floor(width / STEP));
    bars.forEach((level, i) => {
      const time = from + ((i + 0.5) / bars.length) * (to - from);
      if (time > now.edge + 1) return;
      const tall = level < 0 ? 2 : Math.max(3, level * level * height);
      pen.fillStyle = time <= at ? heard : coming;
      pen.globalAlpha = level < 0 ? 0.5 : 1;
      pen.beginPath();
      pen.roundRect(i * STEP, (height - tall) / 2, BAR, tall, 1.5);
      pen.fill();
    });
    this._band(pen, from, to, width, height, style.getPropertyValue("--ink"));
    // The slider covers what there is to hear, not the empty rest of a young broadcast's line.
    slider.style.width = `${(100 * Math.max(1, now.edge - from)) / (to - from)}%`;
    this._mark(now.chapters, from, to, at);
  }

  /** @param {CanvasRenderingContext2D} pen @param {number} from @param {number} to @param {number} width @param {number} height @param {string} ink */
  _band(pen, from, to, width, height, ink) {
    const { from: begin, to: end } = this._clip;
    if (begin === null && end === null) return;
    const x = (/** @type {number | null} */ at) => (((at ?? 0) - from) / (to - from)) * width;
    const left = x(begin ?? end);
    const wide = Math.max(2, x(end ?? begin) - left);
    pen.fillStyle = ink;
    pen.globalAlpha = 0.18;
    pen.fillRect(left, 0, wide, height);
    pen.globalAlpha = 1;
    pen.fillRect(left - 1, 0, 2, height);
    pen.fillRect(left + wide - 1, 0, 2, height);
  }

  /** @param {{title: string, media_time: number}[]} chapters @param {number} from @param {number} to @param {number} at */
  _mark(chapters, from, to, at) {
    const inside = chapters.filter((chapter) => chapter.media_time >= from - 1);
    const current = inside.findLastIndex((chapter) => chapter.media_time <= at + 0.5);
    const marks = inside.map(({ title, media_time: begins }, i) => {
      const mark = document.createElement("span");
      const share = (begins - from) / (to - from);
      const room = ((inside[i + 1]?.media_time ?? to) - begins) / (to - from);
      mark.style.left = `${100 * Math.max(0, share)}%`;
      mark.style.width = `${100 * Math.min(room, 1 - share)}%`;
      mark.textContent = room > CROWDED ? title : "";
      mark.dir = "auto";
      mark.toggleAttribute("data-current", i === current);
      return mark;
    });
    this._parts.marks.replaceChildren(...marks);
  }
}
