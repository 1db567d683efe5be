// LL-HLS: native where the browser truly has it, else hls.js, which is loaded only now.

import { Backoff } from "./backoff.js";
import { Beacon } from "./listen_beacon.js";
import { toldToWait, withPlace } from "./lobby_place.js";

/** Closer to the newest sound than this is live, s. */
const LIVE_WITHIN = 6;
/** Where live is in a browser that does not say, s before the end. */
const BEHIND = 2.5;
/** How fast hls.js may play to be live again. */
const CATCH_UP = 1.06;

/** `canPlayType` answers "maybe" in browsers that then fail; ManagedMediaSource marks those that do it well. */
export function nativeHls() {
  return "ManagedMediaSource" in window;
}

export class HlsPlayer {
  /**
   * @param {HTMLAudioElement} audio
   * @param {string} url of the multivariant playlist
   * @param {import("./mse_player.js").PlayerListener} listener
   * @param {number} since Unix ms at which the broadcast began; 0 when not known
   */
  constructor(audio, url, listener, since = 0) {
    this._audio = audio;
    this._since = since;
    this._shifted = false;
    this._url = url;
    this._listener = listener;
    this._abort = new AbortController();
    this._backoff = new Backoff(1, 10);
    this._begunAt = performance.now();
    this._played = false;
    /** @type {import("./mse_player.js").PlayState} */
    this.playState = "connecting";
    this.stalls = 0;
    this.discontinuities = 0;
    /** @type {number | null} */
    this.firstAudio = null;
    /** @type {any} */
    this._hls = null;
    this._beacon = new Beacon(url.replace(/hls\/index\.m3u8.*$/, "beacon"), audio);
  }

  start() {
    this._begunAt = performance.now();
    const options = { signal: this._abort.signal };
    this._audio.addEventListener("playing", () => this._playing(), options);
    this._audio.addEventListener("waiting", () => this._waiting(), options);
    this._audio.addEventListener("ended", () => this._set("ended"), options);
    this._audio.addEventListener("pause", () => {
      if (this._played && !this._audio.ended && this.playState === "playing") this._listener.interrupted();
    }, options);
    if (nativeHls()) {
      this._audio.addEventListener("error", () => void this._retry(), options);
      this._audio.src = withPlace(this._url);
    } else {
      void this._load();
    }
    this._beacon.start();
    this._play();
  }

  stop() {
    this._beacon.stop();
    this._abort.abort();
    clearTimeout(this._timer);
    this._hls?.destroy();
    this._audio.pause();
    this._audio.removeAttribute("src");
    this._audio.load();
  }

  get ahead() {
    const ranges = this._audio.buffered;
    return ranges.length ? Math.max(0, ranges.end(ranges.length - 1) - this._audio.currentTime) : 0;
  }

  /** What is heard now, in 48 kHz samples since the broadcast began, by the playlist's dates; null: unknown. */
  get mediaTime() {
    const heard = this._heard;
    return heard === null || !this._since ? null : Math.max(0, ((heard - this._since) / 1000) * 48000);
  }

  /** The newest sound there is, seconds since the broadcast began. */
  get edge() {
    const { mediaTime } = this;
    return mediaTime === null ? null : mediaTime / 48000 + this._toEnd;
  }

  /** Seconds behind the newest sound because the listener wants it so. */
  get behind() {
    return this._shifted ? this._toEnd : 0;
  }

  /** @param {number} seconds since the broadcast began */
  seek(seconds) {
    const { edge } = this;
    if (edge === null) return;
    const { seekable } = this._audio;
    if (!seekable.length || seconds > edge - LIVE_WITHIN) return this.toLive();
    this._shifted = true;
    if (this._hls) this._hls.config.maxLiveSyncPlaybackRate = 1;
    this._audio.playbackRate = 1;
    this._audio.currentTime = Math.max(seekable.start(0) + 0.1, seekable.end(seekable.length - 1) - (edge - seconds));
  }

  /** Back to what is said now. */
  toLive() {
    this._shifted = false;
    if (this._hls) this._hls.config.maxLiveSyncPlaybackRate = CATCH_UP;
    this._audio.currentTime = this._hls?.liveSyncPosition ?? Math.max(0, this._audio.currentTime + this._toEnd - BEHIND);
  }

  get _toEnd() {
    const { seekable, currentTime } = this._audio;
    return seekable.length ? Math.max(0, seekable.end(seekable.length - 1) - currentTime) : 0;
  }

  /** When what is heard now was said, Unix ms. */
  get _heard() {
    if (!this._played) return null;
    const date = this._hls ? this._hls.playingDate : /** @type {any} */ (this._audio).getStartDate?.();
    if (!date || Number.isNaN(date.getTime())) return null;
    return this._hls ? date.getTime() : date.getTime() + this._audio.currentTime * 1000;
  }

  /** By EXT-X-PROGRAM-DATE-TIME, so between the mixer and the ear. */
  get latencyMs() {
    const heard = this._heard;
    if (heard === null) return null;
    const ms = Date.now() - heard;
    return ms > 0 && ms < 60_000 ? ms : null;
  }

  async _load() {
    try {
      const { default: Hls } = await import("../vendor/hls.light.min.mjs");
      if (this._abort.signal.aborted) return;
      if (!Hls.isSupported()) return this._set("failed");
      const hls = (this._hls = new Hls({
        // A worker would come from a blob: address, which the page's policy forbids on purpose.
        enableWorker: false, lowLatencyMode: true, backBufferLength: 30, maxLiveSyncPlaybackRate: CATCH_UP,
        liveDurationInfinity: true,
      }));
      hls.on(Hls.Events.ERROR, (/** @type {string} */ _name, /** @type {any} */ data) => this._error(Hls, data));
      hls.loadSource(withPlace(this._url));
      hls.attachMedia(this._audio);
    } catch {
      this._set("failed");
    }
  }

  /** @param {any} Hls @param {any} data */
  _error(Hls, data) {
    if (!data.fatal) return;
    const status = data.response?.code;
    if (data.type === Hls.ErrorTypes.MEDIA_ERROR && !this._recovered) {
      this._recovered = true;
      this._hls.recoverMediaError();
    } else if (status === 404 || status === 410) {
      this._set(this._played ? "ended" : "closed");
    } else {
      void this._retry();
    }
  }

  async _retry() {
    clearTimeout(this._timer);
    const told = await this._asked();
    const seconds = told?.seconds ?? this._backoff.next();
    if (this._abort.signal.aborted) return;
    this._set(told ? "full" : "reconnecting", told ?? { seconds });
    clearTimeout(this._timer);
    this._timer = setTimeout(() => {
      if (this._hls) {
        this._hls.loadSource(withPlace(this._url));
        this._hls.startLoad();
      } else {
        this._audio.src = withPlace(this._url);
      }
      this._play();
    }, seconds * 1000);
  }

  /** Media elements do not say why: whether there is a line before the door. */
  async _asked() {
    try {
      const answer = await fetch(withPlace(this._url), { signal: this._abort.signal, cache: "no-store" });
      if (answer.status === 503 || answer.status === 429) return await toldToWait(answer, () => this._set("full", { seconds: 2, testing: true }));
      void answer.body?.cancel();
    } catch {
      // Nobody answers: the next attempt follows as after any fault.
    }
    return null;
  }

  _play() {
    this._audio.play().catch((error) => {
      if (error?.name === "NotAllowedError") this._set("blocked");
    });
  }

  _playing() {
    this._played = true;
    this._recovered = false;
    this._backoff.reset();
    this.firstAudio ??= (performance.now() - this._begunAt) / 1000;
    this._set("playing");
  }

  _waiting() {
    if (!this._played || this._audio.seeking) return;
    this.stalls += 1;
    this._set("stalled");
  }

  /** @param {import("./mse_player.js").PlayState} state @param {import("./mse_player.js").Detail} [detail] */
  _set(state, detail) {
    if (this._abort.signal.aborted || (this.playState === state && state !== "full")) return;
    this.playState = state;
    this._listener.state(state, detail);
  }
}
