// Hold music for those who wait: a loop beside the player, gone within a second once there is sound.

/** How loud at most, and how long it takes to come and to go, s. */
const LEVEL = 0.7;
const COMES = 1.5;
const GOES = 0.6;
const STEP = 50;

export class Hold {
  constructor() {
    this._audio = new Audio();
    this._audio.loop = true;
    this._address = "";
    this._level = 0;
    this._volume = 1;
    this._wanted = false;
    /** @type {number | undefined} */
    this._timer = undefined;
  }

  /** @param {string} address of the loop, "" for nothing @param {boolean} waiting @param {number} volume 0..1 */
  async play(address, waiting, volume) {
    this._volume = volume;
    this._wanted = Boolean(address) && waiting;
    if (this._wanted && address !== this._address) await this._load(address);
    this._fade();
  }

  /** Whole, so that it goes round without asking anybody again. @param {string} address */
  async _load(address) {
    this._address = address;
    try {
      const answer = await fetch(address);
      if (!answer.ok) throw new Error(String(answer.status));
      const blob = await answer.blob();
      if (address !== this._address) return;
      if (this._audio.src) URL.revokeObjectURL(this._audio.src);
      this._audio.src = URL.createObjectURL(blob);
    } catch {
      this._address = ""; // another try with the next look
    }
  }

  _fade() {
    if (!this._audio.src) return;
    // A browser that lets no second sound begin is one without hold music.
    if (this._wanted && this._audio.paused) void this._audio.play().catch(() => undefined);
    this._timer ??= setInterval(() => this._step(), STEP);
  }

  _step() {
    const by = STEP / 1000 / (this._wanted ? COMES : -GOES);
    this._level = Math.min(1, Math.max(0, this._level + by));
    this._audio.volume = this._level * LEVEL * this._volume;
    if (this._wanted ? this._level < 1 : this._level > 0) return;
    clearInterval(this._timer);
    this._timer = undefined;
    if (!this._wanted) this._audio.pause();
  }
}
