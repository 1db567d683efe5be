// Hearing a recording as its edited version will be, in the browser: what is cut out is passed over, and the loudness
// follows who speaks. An approximation: it is the old mix that is heard, so who speaks at the same time as others is
// as loud as before.

import { nextKept, previewGain } from "./edit_model.js";
import { speakers } from "./replay_model.js";
import { Sound } from "./replay_sound.js";

/** How long a change of loudness takes, s. */
const RAMP = 0.015;

export class EditSound extends Sound {
  /**
   * @param {HTMLAudioElement} audio @param {import("./replay_model.js").Recording} of
   * @param {{changed: () => void, failed: () => void}} listener
   */
  constructor(audio, of, listener) {
    super(audio, of, listener);
    /** Whether it is heard as edited, not as it was. */
    this.edited = true;
    /** @type {import("./edit_model.js").Edit | null} */
    this.edit = null;
    /** @type {import("./edit_model.js").Stretch[]} */
    this.kept = [];
    /** @type {GainNode | null} */
    this._gain = null;
    /** Whether a stretch is heard as it was, for the moment. */
    this.whole = false;
    audio.addEventListener("play", () => this._connect());
    audio.addEventListener("pause", () => (this.whole = false));
  }

  /** The element's sound goes through a gain from the first Play on: only then a browser lets it. */
  _connect() {
    if (this._gain) return;
    const context = new AudioContext();
    this._gain = new GainNode(context);
    context.createMediaElementSource(this._audio).connect(this._gain).connect(context.destination);
    void context.resume();
  }

  /** Called with each frame and each timeupdate. */
  _skip() {
    this.follow();
  }

  follow() {
    if (!this.playing || this._audio.seeking) return;
    const { at, edit } = this;
    if (this.edited && edit && !this.whole) {
      const next = nextKept(this.kept, at);
      if (next === -1) this._audio.pause();
      else if (next !== null) this._place(next);
    }
    const gain = this.edited && edit ? 10 ** (previewGain(edit, speakers(this._of, at)) / 20) : 1;
    this._gain?.gain.setTargetAtTime(gain, this._gain.context.currentTime, RAMP);
  }

  /** A stretch as it was, cuts and all. @param {number} from @param {number} to */
  hearWhole(from, to) {
    this.hear(from, to);
    this.whole = true;
  }

  /** The seam of a cut: a little before it, then a little after. @param {import("./edit_model.js").Stretch} cut @param {number} around seconds */
  hearSeam([from, to], around) {
    this.hear(Math.max(0, from - around), Math.min(this._of.seconds, to + around));
  }

  /** @param {number} at */
  seek(at) {
    this.whole = false;
    super.seek(at);
  }
}
