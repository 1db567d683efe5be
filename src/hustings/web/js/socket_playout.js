// What is heard of sound that comes over TCP: a small buffer that grows when the network stalls and shrinks when
// it does not. Runs in an AudioWorklet. Pure: blocks of samples in, blocks out.

/** All in samples at 48 kHz. A block that comes is 20 ms; a block that goes out is 128. */
const BLOCK = 960;
const LEAST = 960;
const MOST = 9600;
const FIRST = 1920;
/** How often the buffer is looked at, and how often it may become smaller without a stall. */
const LOOK = 2 * 48_000;
const CALM = 30 * 48_000;
/** More than this to spare is what a stall held back: all of it is skipped at once. */
const BACKLOG = 9600;
/** Length of a fade, so that no cut clicks. */
const FADE = 240;
/** Room for two seconds; what is beyond is too old. */
const ROOM = 96_000;

export class Playout {
  constructor() {
    this._ring = new Float32Array(ROOM);
    this._read = 0;
    /** Samples that wait. */
    this.waiting = 0;
    /** How much there should be to spare at the worst moment. */
    this.wanted = FIRST;
    this.stalls = 0;
    this.skipped = 0;
    this._filling = true;
    this._spare = Infinity;
    this._looked = 0;
    this._calm = 0;
    this._last = 0;
    this._fade = 0;
  }

  /** @param {Float32Array} samples what was received */
  push(samples) {
    for (const sample of samples) this._ring[(this._read + this.waiting++) % ROOM] = sample;
    if (this.waiting > ROOM - BLOCK) this._skip(this.waiting - this.wanted - BLOCK);
    if (this._filling && this.waiting >= this.wanted + BLOCK) {
      this._filling = false;
      this._spare = Infinity;
      this._looked = 0;
      this._fade = FADE;
    }
  }

  /** Fills `out` with what is to be heard now. @param {Float32Array} out */
  pull(out) {
    if (!this._filling && this.waiting < out.length) this._stall();
    if (this._filling) {
      // Away softly from where it broke off.
      for (let i = 0; i < out.length; i += 1) out[i] = this._last *= 0.98;
      return;
    }
    for (let i = 0; i < out.length; i += 1) {
      out[i] = this._ring[this._read];
      this._read = (this._read + 1) % ROOM;
    }
    this.waiting -= out.length;
    for (let i = 0; i < out.length && this._fade > 0; i += 1) out[i] *= 1 - this._fade-- / FADE;
    this._last = out[out.length - 1];
    this._look(out.length);
  }

  _stall() {
    this.stalls += 1;
    this._filling = true;
    this._calm = 0;
    this.wanted = Math.min(MOST, this.wanted + BLOCK);
  }

  /** @param {number} passed samples */
  _look(passed) {
    this._spare = Math.min(this._spare, this.waiting);
    this._looked += passed;
    this._calm += passed;
    if (this._calm >= CALM) {
      this._calm = 0;
      this.wanted = Math.max(LEAST, this.wanted - BLOCK / 2);
    }
    if (this._looked < LOOK) return;
    const excess = this._spare - this.wanted;
    if (excess > BACKLOG) this._skip(excess);
    else if (excess >= BLOCK) this._skip(BLOCK);
    this._looked = 0;
    this._spare = Infinity;
  }

  /** Leaves so much out, one sound fading into the other. @param {number} samples */
  _skip(samples) {
    const count = Math.min(samples, this.waiting - FADE);
    if (count <= 0) return;
    for (let i = 0; i < FADE; i += 1) {
      const to = (this._read + count + i) % ROOM;
      const share = i / FADE;
      this._ring[to] = share * this._ring[to] + (1 - share) * this._ring[(this._read + i) % ROOM];
    }
    this._read = (this._read + count) % ROOM;
    this.waiting -= count;
    this.skipped += count;
  }
}
