// Waiting times between attempts: growing, and different for everybody. Pure.

export class Backoff {
  /**
   * @param {number} first seconds at most before the second attempt
   * @param {number} most seconds at most between any two
   * @param {() => number} random in [0, 1)
   */
  constructor(first, most, random = Math.random) {
    this._first = first;
    this._most = most;
    this._random = random;
    this._failures = 0;
  }

  /** Seconds to wait now: between a half and the whole of a time that doubles with every failure. */
  next() {
    const whole = Math.min(this._most, this._first * 2 ** this._failures);
    this._failures += 1;
    return whole * (0.5 + 0.5 * this._random());
  }

  /** It worked: start small again. */
  reset() {
    this._failures = 0;
  }
}
