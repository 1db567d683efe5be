// Keeps the listener as close behind the newest chunk as the network allows, by playback rate. Pure.
//
// What counts is the lowest point of the saw-tooth: how much sound is still buffered just before the next
// chunk arrives. It is the same margin whether chunks come every 200 ms or in batches of 800 ms.

export const SLOWEST = 0.97;
export const FASTEST = 1.08;
/** Seconds that should still be buffered when the next chunk arrives. */
const FLOOR = 0.2;
const FLOOR_MAX = 1.2;
/** How much the floor grows at an underrun, and shrinks per second without one. */
const FLOOR_STEP = 0.12;
const FLOOR_DECAY = 0.004;
/** The floor is let down only this long after the last underrun. */
const CALM = 30;
/** Arrivals this old are forgotten. */
const MEMORY = 2.5;
/** Between two arrivals, unless seen otherwise; and the longest that is prepared for. */
const GAP = 0.2;
const GAP_MAX = 1;
/** Within this distance of the floor the rate stays exactly 1, so that sound is left alone. */
const DEAD_ZONE = 0.06;
/** This much too far behind is jumped, not caught up with. */
const JUMP = 3;

export class Governor {
  constructor() {
    this.floor = FLOOR;
    this._rate = 1;
    /** @type {{at: number, ahead: number}[]} */
    this._troughs = [];
    this._lastUnderrun = -Infinity;
    this._lastArrival = 0;
    this._gap = GAP;
  }

  /**
   * A chunk has arrived; called before it is appended.
   * @param {number} ahead seconds buffered ahead of the ear at this moment
   * @param {number} now monotonic seconds
   * @returns {{rate: number, jump: number}} the rate to play at; seconds to jump forwards, 0 for none
   */
  arrived(ahead, now) {
    this._decay(now);
    this._measureGap(now);
    this._troughs.push({ at: now, ahead });
    while (this._troughs.length && now - this._troughs[0].at > MEMORY) this._troughs.shift();
    const margin = Math.min(...this._troughs.map((trough) => trough.ahead));
    const error = margin - this.floor;
    if (error > JUMP) {
      this.restart();
      return { rate: 1, jump: error };
    }
    this._rate = this._next(error);
    return { rate: this._rate, jump: 0 };
  }

  /**
   * Playback ran dry: ask for a larger margin from now on.
   * @param {number} now monotonic seconds
   */
  underrun(now) {
    this.floor = Math.min(FLOOR_MAX, this.floor + FLOOR_STEP);
    this._lastUnderrun = now;
    this.restart();
  }

  /**
   * A chunk has arrived while nothing was playing.
   * @param {number} now monotonic seconds
   */
  waited(now) {
    this._measureGap(now);
  }

  /** Forgets the arrivals seen, after a jump or a new start; the floor stays. */
  restart() {
    this._troughs = [];
    this._rate = 1;
  }

  /** Seconds that must be buffered before playing begins or goes on: the floor, and what is played until the next. */
  get enough() {
    return this.floor + this._gap;
  }

  /** @param {number} error seconds too much (positive) or too little (negative) */
  _next(error) {
    // Once under way, a correction goes on to the middle of the dead zone, or it would start again at once.
    const speeding = this._rate > 1 && error > 0.01;
    const slowing = this._rate < 1 && error < -0.01;
    if (error > DEAD_ZONE || speeding) return Math.min(FASTEST, 1.01 + error * 0.12);
    if (error < -DEAD_ZONE || slowing) return Math.max(SLOWEST, 0.99 + error * 0.12);
    return 1;
  }

  /** @param {number} now */
  _decay(now) {
    const passed = this._lastArrival ? now - this._lastArrival : 0;
    if (now - this._lastUnderrun > CALM) this.floor = Math.max(FLOOR, this.floor - passed * FLOOR_DECAY);
  }

  /** The longest pause between arrivals, forgotten slowly. @param {number} now */
  _measureGap(now) {
    const gap = this._lastArrival ? now - this._lastArrival : GAP;
    this._lastArrival = now;
    this._gap = Math.max(GAP, Math.min(GAP_MAX, gap), this._gap * 0.995);
  }
}
