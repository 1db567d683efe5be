// Chooses the door to the sound and stays with it: push, or HLS where push cannot be. No UI.

import { MsePlayer, mseCodec } from "./mse_player.js";

/**
 * @typedef {"idle" | "scheduled" | import("./mse_player.js").PlayState} State
 * @typedef {{live?: string, hls?: string}} Doors
 * @typedef {{door: string, firstAudio: number | null, ahead: number, latencyMs: number | null, stalls: number,
 *   discontinuities: number, mediaTime: number | null, edge: number | null, behind: number}} Stats
 */

export class Player {
  /**
   * @param {HTMLAudioElement} audio
   * @param {string} forced "push", "hls" or "" for the best this browser has
   * @param {{changed: (state: State, detail: import("./mse_player.js").Detail) => void, event: (event: Record<string, any>) => void}} listener
   */
  constructor(audio, forced, listener) {
    this._audio = audio;
    this._forced = forced;
    this._listener = listener;
    /** @type {Doors} */
    this._doors = {};
    /** @type {MsePlayer | import("./hls_player.js").HlsPlayer | null} */
    this._inner = null;
    this._wanted = false;
    this._attempt = 0;
    this._pushFailed = false;
    this._since = 0;
    /** @type {State} */
    this.state = "idle";
  }

  /**
   * @param {Doors} doors what the room offers now; a waiting player goes in as soon as there is one
   * @param {string | null} [since] when the broadcast went live, ISO 8601
   */
  offer(doors, since) {
    const before = this._doors;
    this._doors = doors;
    this._since = since ? Date.parse(since) : 0;
    if (!this._wanted || this.state === "ended") return;
    if (this.state === "scheduled" && this._choose()) void this._connect();
    else if (this._inner && this._door === "hls" && !before.hls && doors.hls) void this._connect();
  }

  /** From a click: the browser lets sound through only then. */
  start() {
    this._wanted = true;
    void this._connect();
  }

  stop() {
    this._wanted = false;
    this._attempt += 1;
    this._inner?.stop();
    this._inner = null;
    this._set("idle");
  }

  /** @returns {Stats} */
  get stats() {
    const inner = this._inner;
    return {
      door: this._door ?? "",
      firstAudio: inner?.firstAudio ?? null,
      ahead: inner?.ahead ?? 0,
      latencyMs: inner?.latencyMs ?? null,
      stalls: inner?.stalls ?? 0,
      discontinuities: inner?.discontinuities ?? 0,
      mediaTime: inner?.mediaTime ?? null,
      edge: inner?.edge ?? null,
      behind: inner?.behind ?? 0,
    };
  }

  /** Whether there is sound to go back in. */
  get seekable() {
    return ["playing", "seeking", "stalled", "reconnecting"].includes(this.state) && this.stats.edge !== null;
  }

  /** @param {number} seconds since the broadcast began; at the end it is live again */
  seek(seconds) {
    if (this.seekable) this._inner?.seek(seconds);
  }

  /** @param {number} seconds forwards, or back when negative */
  skip(seconds) {
    const { mediaTime, edge } = this.stats;
    if (edge !== null) this.seek((mediaTime ?? edge * 48000) / 48000 + seconds);
  }

  toLive() {
    this._inner?.toLive();
  }

  /** @returns {"push" | "hls" | null} */
  _choose() {
    const { live, hls } = this._doors;
    if (this._forced === "hls") return hls ? "hls" : null;
    if (this._forced === "push") return live ? "push" : null;
    // iPhones stop everything but a plain media element when the screen locks, so they get HLS.
    const phone = /iPhone|iPad|iPod/.test(navigator.userAgent) || !("MediaSource" in window);
    if (!phone && !this._pushFailed && mseCodec()) return live ? "push" : null;
    return hls ? "hls" : null;
  }

  async _connect() {
    const attempt = ++this._attempt;
    this._inner?.stop();
    this._inner = null;
    this._door = this._choose();
    if (!this._door) {
      this._unlock();
      return this._set("scheduled");
    }
    this._set("connecting");
    const listener = {
      state: (/** @type {State} */ state, /** @type {any} */ detail) => this._inner && attempt === this._attempt && this._inside(state, detail),
      event: (/** @type {Record<string, any>} */ event) => this._listener.event(event),
      interrupted: () => attempt === this._attempt && this.stop(),
    };
    if (this._door === "push") {
      const codec = mseCodec() ?? "opus";
      // The playlist stands beside the push; while doors are open only, there is no past.
      const past = new URL(`hls/${codec}.m3u8`, new URL(this._doors.live ?? "", location.href)).href;
      this._inner = new MsePlayer(this._audio, this._doors.live ?? "", codec, listener, past);
    } else {
      this._unlock();
      const { HlsPlayer } = await import("./hls_player.js");
      if (attempt !== this._attempt) return;
      this._inner = new HlsPlayer(this._audio, this._doors.hls ?? "", listener, this._since);
    }
    this._inner.start();
  }

  /** The click's permission is kept by starting the element at once, although there is nothing to play yet. */
  _unlock() {
    this._audio.play().catch(() => undefined);
  }

  /** @param {State} state @param {import("./mse_player.js").Detail} [detail] */
  _inside(state, detail = {}) {
    if (state === "failed" && this._door === "push" && !this._forced) {
      this._pushFailed = true;
      void this._connect();
    } else if (state === "closed") {
      this._inner?.stop();
      this._inner = null;
      this._doors = {};
      this._set("scheduled");
    } else {
      this._set(state, detail);
    }
  }

  /** @param {State} state @param {import("./mse_player.js").Detail} [detail] */
  _set(state, detail = {}) {
    this.state = state;
    this._listener.changed(state, detail);
  }
}
