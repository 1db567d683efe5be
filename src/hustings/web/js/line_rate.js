// How many bits a speaker's browser spends as its line allows, from what the stage says of it. Pure.
//
// Loss alone says little: a radio link loses packets whatever their size. Loss together with a round trip that
// grows is a queue that overflows; heavy loss is taken as one, too. Then one step down; and one up after a while
// without either, which becomes longer each time it was too early. audio/line_rate.py does the same.

/** Bit/s. Error correction in band needs about 24,000 to say anything. */
const STEPS = [64_000, 48_000, 32_000, 24_000];
const LOSS = 0.03;
const HEAVY = 0.15;
/** Beyond the shortest round trip that means a queue, s. */
const GROWN = 0.1;
/** So many bad reports in a row for a step down. */
const REPORTS = 2;
/** Without trouble for a step up, s: at first, and at most. */
const CALM = 10;
const LONGEST_CALM = 120;

export class LineRate {
  /** @param {number} most bit/s on a good line */
  constructor(most) {
    this._steps = [most, ...STEPS.filter((step) => step < most)];
    this._at = 0;
    this._bad = 0;
    this._shortest = Infinity;
    this._calm = CALM;
    this._since = NaN;
    this._raised = -Infinity;
  }

  get bitrate() {
    return this._steps[this._at];
  }

  /**
   * One report.
   * @param {number} lost share 0..1 @param {number | null} roundTrip s @param {number} now s
   * @returns {boolean} whether `bitrate` changed by it
   */
  take(lost, roundTrip, now) {
    if (roundTrip !== null) this._shortest = Math.min(this._shortest, roundTrip);
    const queue = roundTrip !== null && roundTrip > this._shortest + GROWN;
    if (lost < HEAVY && !(lost >= LOSS && queue)) {
      this._bad = 0;
      if (Number.isNaN(this._since)) this._since = now;
      return lost < LOSS && !queue && this._rise(now);
    }
    this._since = NaN;
    this._bad += 1;
    if (this._bad < REPORTS || this._at === this._steps.length - 1) return false;
    this._bad = 0;
    if (now - this._raised < CALM) this._calm = Math.min(2 * this._calm, LONGEST_CALM);
    this._at += 1;
    return true;
  }

  /** @param {number} now */
  _rise(now) {
    if (this._at === 0 || now - this._since < this._calm) return false;
    this._at -= 1;
    this._since = this._raised = now;
    return true;
  }
}
