// Is the microphone's level right? Judged by the last seconds, said in one word. Pure.

/** Levels are 0..1 over 60 dB. Below, it is the room and not a voice. */
const NOISE = 0.22;
const TOO_QUIET = 0.42;
const TOO_LOUD = 0.95;
/** Whoever was this loud once has a microphone that works. */
const ALIVE = 0.3;
/** Half seconds with torn sound: one may be a knock on the table. */
const TORN = 2;
/** Looks that are remembered, and how many before silence is called silence. A look is half a second. */
const LOOKS = 10;
const PATIENCE = 8;

/** @typedef {"wait" | "none" | "quiet" | "good" | "loud" | "clipped"} Verdict */

export class LevelJudge {
  constructor() {
    /** @type {{level: number, clipped: boolean}[]} */
    this._looks = [];
    this._level = 0;
    this._clipped = false;
    this._alive = false;
  }

  /** What the microphone gives at this moment. @param {number} level 0..1 @param {boolean} clipped at the end of the scale */
  hear(level, clipped) {
    this._level = Math.max(this._level, level);
    this._clipped ||= clipped;
    this._alive ||= level > ALIVE;
  }

  /** Once every half second. @returns {Verdict} */
  look() {
    this._looks.push({ level: this._level, clipped: this._clipped });
    if (this._looks.length > LOOKS) this._looks.shift();
    this._level = 0;
    this._clipped = false;
    const loud = Math.max(...this._looks.map(({ level }) => level));
    if (this._looks.filter(({ clipped }) => clipped).length >= TORN) return "clipped";
    if (loud > TOO_LOUD) return "loud";
    if (loud > TOO_QUIET) return "good";
    if (loud > NOISE) return "quiet";
    if (this._looks.length < PATIENCE) return "wait";
    return this._alive ? "wait" : "none";
  }

  /** Another microphone. */
  reset() {
    this._looks = [];
    this._level = 0;
    this._clipped = false;
    this._alive = false;
  }
}
