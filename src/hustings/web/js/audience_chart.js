// The pictures of who listened: the curve, what was said under it, and who came and went, all on one line of time.
// What they show is in the tables, too: they are for the eye only, and the slider over them is for everybody.

import { clock } from "./format.js";
import { chapterAt, MINUTE, seconds } from "./audience_model.js";

/** uPlot, a script of its own (vendor). @type {any} */
const { uPlot } = /** @type {any} */ (globalThis);

/** Left of the pictures are their figures, as wide as these are, right half a time, px. */
const AXIS = 44;
const LETTER = 7;
const ROOM = 18;
/** Heights, px: curve, comings, the line of times, a voice's lane. */
const TALL = 260;
const LOW = 130;
const TIMES = 34;
const LANE = 34;
/** A picture narrower than this is on a phone, px. */
const NARROW = 480;
/** Chapters closer than this have no words, px. */
const CROWDED = 70;
/** Bars more often than this as long as all others are cut off. */
const CUT = 1.5;
/** Whole numbers only: there is no half listener. */
const STEPS = Array.from({ length: 10 }, (_, power) => [1, 2, 5].map((each) => each * 10 ** power)).flat();
const DASHES = [[7, 4], [2, 3], [10, 3, 2, 3], [4, 4]];

/** @typedef {import("./audience_model.js").Series} Series */
/** @typedef {{series: Series, said: import("./audience_model.js").Said, since: number, from: number, to: number, end: number, names: {all: string, open: string, joined: string, left: string, door: (name: string) => string}}} View
 * all times Unix s; `end`: when it was over, Infinity: it goes on */

/** @param {string} name */
const color = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

/** @param {string} lang */
export function short(lang) {
  const format = new Intl.NumberFormat(lang === "en" ? "en-GB" : lang, { notation: "compact", maximumFractionDigits: 1 });
  return (/** @type {number} */ value) => format.format(value);
}

/**
 * How far the picture of comings and goings reaches: all come at once when it begins and leave when it ends, beside
 * which nothing else would be seen.
 * @param {Series} series @param {number} end Unix s
 */
export function reach(series, end) {
  const inner = (/** @type {number} */ x, /** @type {number} */ i) => i > 1 && x + 1.5 * MINUTE < end;
  const side = (/** @type {(number | null)[]} */ column) => {
    const all = Math.max(0, ...column.map((value) => Math.abs(value ?? 0)));
    const usual = Math.max(0, ...column.filter((_, i) => inner(series.x[i], i)).map((value) => Math.abs(value ?? 0)));
    return { all, limit: usual && all > CUT * usual ? 1.15 * usual : all };
  };
  const [up, down] = [side(series.joined), side(series.left)];
  return { up: Math.max(1, up.limit), down: Math.max(1, down.limit), cut: up.limit < up.all || down.limit < down.all, joined: up.all, left: down.all };
}

export class Pictures {
  /**
   * @param {{curve: HTMLElement, plot: HTMLElement, marks: HTMLElement, voices: HTMLCanvasElement, comings: HTMLElement, minute: HTMLInputElement, at: HTMLElement, legend: HTMLElement}} parts
   * @param {string} lang @param {(index: number) => void} pointed a place in the series is looked at
   */
  constructor(parts, lang, pointed) {
    this._parts = parts;
    this._lang = lang;
    this._pointed = pointed;
    this.byDoor = false;
    /** @type {View | null} */
    this._view = null;
    this._width = 0;
    this._axis = AXIS;
    /** Chapters that have a mark. @type {import("./audience_model.js").Chapter[]} */
    this._shown = [];
    /** @type {any[]} */
    this._made = [];
    const { curve, minute } = parts;
    new ResizeObserver(() => this._resized()).observe(curve);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.draw());
    minute.addEventListener("input", () => this.point(Number(minute.value)));
    minute.addEventListener("pointermove", (event) => {
      if (event.pointerType === "mouse" && !event.buttons) this.point(this._timeAt(event.clientX));
    });
  }

  /** Takes other figures. The place looked at stays; at the newest it goes with it. @param {View} view @param {number} fresh where to look at first, Unix s */
  show(view, fresh) {
    const { minute } = this._parts;
    const before = this._view;
    const same = before?.since === view.since;
    const newest = same && this._looked >= before.to - MINUTE;
    this._view = view;
    minute.min = String(view.from + MINUTE / 2);
    minute.max = String(view.to - MINUTE / 2);
    this.draw();
    this.point(!same ? fresh : newest ? view.to : this._looked);
  }

  get _looked() {
    return Number(this._parts.minute.value);
  }

  /** @param {number} time Unix s */
  point(time) {
    const view = this._view;
    if (!view) return;
    const { minute, at } = this._parts;
    minute.value = String(time);
    const { x } = view.series;
    let index = 0;
    for (let i = 1; i < x.length; i += 1) if (Math.abs(x[i] - this._looked) < Math.abs(x[index] - this._looked)) index = i;
    at.style.left = `${this._x(this._looked)}px`;
    const current = chapterAt(this._shown, this._looked - view.since);
    for (const [i, mark] of [...this._parts.marks.children].entries()) mark.toggleAttribute("data-current", i === current);
    this._pointed(Math.abs(x[index] - this._looked) < MINUTE ? index : -1);
  }

  /** Where a time lies, px from the pictures' left edge. @param {number} time Unix s */
  _x(time) {
    const { from, to } = /** @type {View} */ (this._view);
    return this._axis + ((time - from) / (to - from)) * (this._width - this._axis - ROOM);
  }

  /** @param {number} clientX */
  _timeAt(clientX) {
    const { from, to } = /** @type {View} */ (this._view);
    const left = this._parts.curve.getBoundingClientRect().left + this._axis;
    return from + ((clientX - left) / (this._width - this._axis - ROOM)) * (to - from);
  }

  /** @param {Series} series */
  _figuresWide({ final, open, joined, left }) {
    const most = Math.max(1, ...[final, open, joined, left].flat().map((value) => Math.abs(value ?? 0)));
    const steps = STEPS.filter((step) => step <= 1.2 * most);
    return Math.max(AXIS, LETTER * Math.max(...steps.map((step) => short(this._lang)(step).length)) + 18);
  }

  get _tall() {
    return this._width < NARROW ? Math.round(TALL * 0.8) : TALL;
  }

  _resized() {
    const width = Math.floor(this._parts.curve.clientWidth);
    if (width && width !== this._width) this.draw();
  }

  /** Everything anew: it is a few hundred points. */
  draw() {
    const { curve, minute } = this._parts;
    this._width = Math.floor(curve.clientWidth);
    if (!this._view || this._width < 3 * AXIS) return;
    this._axis = this._figuresWide(this._view.series);
    for (const chart of this._made) chart.destroy();
    this._made = [this._curve(), this._comings()];
    this._marks();
    this._voices();
    const [first, last] = [Number(minute.min), Number(minute.max)].map((time) => this._x(time));
    // Its thumb is a line of 3 px, the middle of which is to lie on the minute.
    minute.style.left = `${first - 1.5}px`;
    minute.style.width = `${Math.max(44, last - first + 3)}px`;
    curve.style.setProperty("--tall", `${this._tall - TIMES}px`);
    this._parts.at.style.left = `${this._x(this._looked)}px`;
  }

  /** What both charts have in common. @param {number} height @param {any} y @param {string[]} hide */
  _options(height, y, hide = []) {
    const { from, to } = /** @type {View} */ (this._view);
    const axis = { stroke: color("--soft"), grid: { stroke: color("--line"), width: 1 }, ticks: { stroke: color("--line"), width: 1 }, font: "12px system-ui, sans-serif" };
    return {
      width: this._width,
      height,
      padding: [12, ROOM, hide.length ? 6 : 0, 0],
      legend: { show: false },
      cursor: { show: false },
      select: { show: false },
      scales: { x: { time: true, range: () => [from, to] }, y },
      axes: [
        { ...axis, show: !hide.length, space: 64, size: TIMES, incrs: [60, 300, 600, 900, 1800, 3600, 7200, 21_600, 43_200], values: (/** @type {any} */ _, /** @type {number[]} */ at) => at.map((each) => clock(new Date(each * 1000).toISOString(), this._lang)) },
        { ...axis, size: this._axis, incrs: STEPS, space: 32, values: (/** @type {any} */ _, /** @type {number[]} */ at) => at.map((each) => short(this._lang)(Math.abs(each))) },
      ],
    };
  }

  _curve() {
    const { series, said, since, names } = /** @type {View} */ (this._view);
    const act = color("--act");
    const doors = this.byDoor ? Object.entries(series.doors) : [];
    const lines = doors.map(([name], i) => ({ label: names.door(name), stroke: color(`--door-${(i % DASHES.length) + 1}`), width: 2, dash: DASHES[i % DASHES.length], points: { show: false } }));
    const few = series.x.length < 2;
    const options = {
      ...this._options(this._tall, { range: (/** @type {any} */ _, /** @type {number} */ __, /** @type {number | null} */ most) => [0, Math.max(4, 1.08 * (most ?? 0))] }),
      series: [
        {},
        { label: names.all, stroke: act, width: 2, fill: color("--halo"), points: { show: few, size: 8, fill: act } },
        { label: names.open, stroke: act, width: 2, dash: [4, 4], points: { show: few, size: 8 } },
        ...lines,
      ],
      hooks: { draw: [(/** @type {any} */ chart) => said.chapters.forEach((chapter) => this._rule(chart, since + chapter.at))] },
    };
    const kinds = doors.map(([name], i) => /** @type {[string, string]} */ ([`door-${(i % DASHES.length) + 1}`, names.door(name)]));
    this._legend([["all", names.all], ...kinds, ["joined", names.joined], ["left", names.left]]);
    return new uPlot(options, [series.x, series.final, series.open, ...doors.map(([, column]) => column)], this._parts.plot);
  }

  /** A chapter begins. @param {any} chart @param {number} time */
  _rule(chart, time) {
    const { from, to } = /** @type {View} */ (this._view);
    if (time <= from || time >= to) return;
    const { ctx, bbox } = chart;
    ctx.fillStyle = color("--edge");
    ctx.fillRect(Math.round(chart.valToPos(time, "x", true)), bbox.top, Math.max(1, devicePixelRatio), bbox.height);
  }

  _comings() {
    const { series, end } = /** @type {View} */ (this._view);
    const { up, down } = reach(series, end);
    const bars = uPlot.paths.bars({ size: [0.72, 24], align: 0 });
    const bar = (/** @type {string} */ name) => ({ stroke: color(name), fill: color(name), width: 0, paths: bars, points: { show: false } });
    const options = { ...this._options(LOW, { range: () => [-down, up] }, ["x"]), series: [{}, bar("--act"), bar("--warn")] };
    return new uPlot(options, [series.x, series.joined, series.left], this._parts.comings);
  }

  /** @param {[string, string][]} kinds what is drawn how (audience.css), and what it is */
  _legend(kinds) {
    this._parts.legend.replaceChildren(
      ...kinds.map(([kind, text]) => {
        const line = document.createElement("li");
        const swatch = document.createElement("i");
        swatch.dataset.kind = kind;
        line.append(swatch, text);
        return line;
      }),
    );
  }

  _marks() {
    const { said, since, from, to } = /** @type {View} */ (this._view);
    const { marks } = this._parts;
    const shown = (this._shown = said.chapters.filter((chapter, i) => since + (said.chapters[i + 1]?.at ?? Infinity) > from && since + chapter.at < to));
    marks.replaceChildren(
      ...shown.map((chapter, i) => {
        const left = this._x(Math.max(from, since + chapter.at));
        const room = this._x(Math.min(to, since + (shown[i + 1]?.at ?? Infinity))) - left;
        const mark = document.createElement("span");
        mark.style.left = `${left}px`;
        mark.style.width = `${Math.max(2, room)}px`;
        mark.textContent = room > CROWDED ? chapter.title : "";
        mark.dir = "auto";
        return mark;
      }),
    );
  }

  _voices() {
    const { said, since } = /** @type {View} */ (this._view);
    const { voices: picture } = this._parts;
    picture.hidden = !said.voices.length;
    const tall = said.voices.length * LANE + 4;
    const dense = Math.min(2, devicePixelRatio || 1);
    picture.width = Math.round(this._width * dense);
    picture.height = Math.round(tall * dense);
    picture.style.width = `${this._width}px`;
    picture.style.height = `${tall}px`;
    const pen = picture.getContext("2d");
    if (!pen) return;
    pen.scale(dense, dense);
    pen.font = "600 12px system-ui, sans-serif";
    pen.textBaseline = "middle";
    const [left, right] = [this._axis, this._width - ROOM];
    said.voices.forEach(({ name, spans }, lane) => {
      const top = lane * LANE + 2;
      pen.fillStyle = color("--ink");
      pen.fillText(name, left, top + 8, right - left);
      pen.fillStyle = color("--seat");
      pen.fillRect(left, top + 19, right - left, 9);
      pen.fillStyle = color("--act");
      for (const [a, b] of spans) {
        const [x, end] = [Math.max(left, this._x(since + a)), Math.min(right, this._x(since + b))];
        if (end > left && x < right) pen.fillRect(x, top + 19, Math.max(1, end - x), 9);
      }
    });
  }
}

/** The stretch of time that is drawn. @param {import("./audience_model.js").Broadcast} of */
export function stretch(of) {
  const from = seconds(of.minutes[0].at);
  const to = seconds(of.minutes[of.minutes.length - 1].at) + MINUTE;
  return { from, to, end: of.ended === null ? Infinity : seconds(of.ended) };
}
