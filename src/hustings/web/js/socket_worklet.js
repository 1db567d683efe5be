// The two ends of a speaker's sound without WebRTC, in the audio thread: the microphone in frames of 20 ms, and
// the others through a small buffer.

import { Playout } from "./socket_playout.js";

/** An audio thread's own globals, which the type checker does not know. */
const { registerProcessor: register, AudioWorkletProcessor: Processor } = /** @type {any} */ (globalThis);
const FRAME = 960;
/** Between two words about the buffer, in blocks of 128 samples: about half a second. */
const REPORT = 188;

register("hustings-capture", class extends Processor {
  constructor() {
    super();
    this._frame = new Float32Array(FRAME);
    this._filled = 0;
  }

  /** @param {Float32Array[][]} inputs */
  process([channels]) {
    const length = channels[0]?.length ?? 128;
    for (let i = 0; i < length; i += 1) {
      // No channel: there is no microphone at this moment, which is silence and not a pause.
      let sum = 0;
      for (const channel of channels) sum += channel[i];
      this._frame[this._filled++] = channels.length ? sum / channels.length : 0;
      if (this._filled === FRAME) {
        this.port.postMessage(this._frame, [this._frame.buffer]);
        this._frame = new Float32Array(FRAME);
        this._filled = 0;
      }
    }
    return true;
  }
});

register("hustings-playout", class extends Processor {
  constructor() {
    super();
    this._playout = new Playout();
    this._blocks = 0;
    this.port.onmessage = (/** @type {MessageEvent<Float32Array>} */ { data }) => this._playout.push(data);
  }

  /** @param {Float32Array[][]} _inputs @param {Float32Array[][]} outputs */
  process(_inputs, [[out]]) {
    this._playout.pull(out);
    if (++this._blocks % REPORT === 0) {
      const { waiting, wanted, stalls, skipped } = this._playout;
      this.port.postMessage({ waiting, wanted, stalls, skipped });
    }
    return true;
  }
});
