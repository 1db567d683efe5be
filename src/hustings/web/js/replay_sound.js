// Playing a recording: one <audio> with the whole file, so that it plays on with the screen locked.

import { afterSilence } from "./replay_model.js";

const BACK = 15;

export class Sound {
  /**
   * @param {HTMLAudioElement} audio
   * @param {import("./replay_model.js").Recording} of
   * @param {{changed: () => void, failed: () => void}} listener `changed`: position, or whether it plays
   */
  constructor(audio, of, listener) {
    this._audio = audio;
    this._of = of;
    this.skipping = false;
    /** Where to begin, when the browser does not know yet how long it is, s. */
    this._wanted = -1;
    /** Where playing stops by itself, s; null: nowhere. */
    this._until = /** @type {number | null} */ (null);
    const changed = () => listener.changed();
    for (const kind of ["play", "pause", "seeking", "seeked", "ended", "ratechange", "waiting", "playing"]) audio.addEventListener(kind, changed);
    audio.addEventListener("loadedmetadata", () => {
      if (this._wanted >= 0) audio.currentTime = this._wanted;
      this._wanted = -1;
    });
    const sources = audio.querySelectorAll("source");
    sources.item(sources.length - 1)?.addEventListener("error", () => listener.failed());
    audio.addEventListener("error", () => listener.failed());
    audio.addEventListener("timeupdate", () => this._skip());
    audio.addEventListener("pause", () => (this._until = null));
    this._stopThere = () => {
      if (this._until !== null && this.at >= this._until) audio.pause();
      if (this._until !== null) requestAnimationFrame(this._stopThere);
    };
    // A hidden page draws no frames.
    audio.addEventListener("timeupdate", () => this._until !== null && this.at >= this._until && audio.pause());
    this._announce();
  }

  get at() {
    return this._wanted >= 0 ? this._wanted : this._audio.currentTime;
  }

  get playing() {
    return !this._audio.paused && !this._audio.ended;
  }

  get loading() {
    return this.playing && this._audio.readyState < 3;
  }

  toggle() {
    if (this.playing) this._audio.pause();
    else void this._audio.play().catch(() => {});
  }

  play() {
    void this._audio.play().catch(() => {});
  }

  /** Where a person wants to be: a stretch that was being heard is left. @param {number} at seconds */
  seek(at) {
    this._until = null;
    this._place(at);
  }

  /** @param {number} at seconds */
  _place(at) {
    const place = Math.max(0, Math.min(this._of.seconds - 0.05, at));
    if (this._audio.readyState > 0) this._audio.currentTime = place;
    else this._wanted = place;
  }

  /** Plays a stretch and no more. @param {number} from @param {number} to seconds */
  hear(from, to) {
    this.seek(from);
    this._until = to;
    this.play();
    requestAnimationFrame(this._stopThere);
  }

  /** @param {number} seconds */
  move(seconds) {
    this.seek(this.at + seconds);
  }

  get speed() {
    return this._audio.playbackRate;
  }

  /** @param {number} speed */
  set speed(speed) {
    this._audio.defaultPlaybackRate = speed;
    this._audio.playbackRate = speed;
  }

  _skip() {
    if (!this.skipping || !this.playing || this._audio.seeking) return;
    const next = afterSilence(this._of, this.at);
    if (next !== null && next > this.at) this._place(next);
  }

  /** What the lock screen and the keys of a headset show and do. */
  _announce() {
    const session = navigator.mediaSession;
    if (!session) return;
    const { title = "", cover = "" } = this._audio.dataset;
    const artist = this._of.voices.map((voice) => voice.name).join(", ");
    session.metadata = new MediaMetadata({ title, artist, artwork: cover ? [{ src: cover }] : [] });
    /** @type {[MediaSessionAction, (details: MediaSessionActionDetails) => void][]} */
    const ways = [
      ["play", () => this.play()],
      ["pause", () => this._audio.pause()],
      ["seekbackward", (details) => this.move(-(details.seekOffset ?? BACK))],
      ["seekforward", (details) => this.move(details.seekOffset ?? BACK)],
      ["seekto", (details) => this.seek(details.seekTime ?? 0)],
    ];
    for (const [action, handler] of ways) {
      try {
        session.setActionHandler(action, handler);
      } catch {
        // A browser that does not know this one.
      }
    }
  }
}
