// Push through Media Source Extensions: plays records as they come, a fraction of a second behind the stage.

import { Governor } from "./governor.js";
import { decodeTime } from "./mp4_time.js";
import { CHUNK, CLOCK, DISCONTINUITY, EVENT, INIT, readJson } from "./push.js";
import { PushSource } from "./push_source.js";

const RATE = 48000;
/** Sound must be buffered this far before the first note (less than 0.35 s stalls once; see FACTS 6). */
const START = 0.36;
/** Where to begin: this far before the end of what is buffered. */
const BEHIND = 0.4;
/** Nothing is ever buffered at position 0, so a play() made by the click waits until we choose a place. */
const OFFSET = 10;
/** What was heard stays this long, so that going back needs no network, s: 5 MB of Opus. */
const KEEP_BEHIND = 600;
/** Closer to the newest sound than this is live, s. */
const LIVE_WITHIN = 3;
/** Who listens further back than this has what comes live fetched when its time has come, s. */
const LIVE_AHEAD = 300;
/** Behind live, so much is fetched ahead, s. */
const FETCH_AHEAD = 12;
/** Behind live, this much is enough to play, s. */
const ENOUGH_BEHIND = 1;
/** The newest chunks at hand for the way back to live. */
const RECENT = 5;
const CHUNK_SECONDS = 0.2;
const MAX_QUEUE = 400;
const MAX_EVENTS = 500;
/** Times run backwards this far only when another broadcast has begun. */
const OTHER_BROADCAST = 60 * RATE;

/**
 * @typedef {"connecting" | "waiting" | "playing" | "seeking" | "stalled" | "reconnecting" | "full" | "blocked" | "ended" | "closed" | "failed"} PlayState
 * @typedef {{seconds?: number, swallowed?: boolean, ahead?: number, testing?: boolean}} Detail
 * @typedef {object} PlayerListener
 * @property {(state: PlayState, detail?: Detail) => void} state
 * @property {(event: Record<string, any>) => void} event what happened on the stage, at the moment it is heard; what
 *   happened in the room ("room", "reactions"), at once
 * @property {() => void} interrupted the system has paused the sound (a call, another player)
 */

/** @returns {"opus" | "aac" | null} what this browser takes through MSE */
export function mseCodec() {
  const source = /** @type {any} */ (window).ManagedMediaSource ?? window.MediaSource;
  if (!source?.isTypeSupported || typeof ReadableStream === "undefined") return null;
  if (source.isTypeSupported('audio/mp4; codecs="opus"')) return "opus";
  if (source.isTypeSupported('audio/mp4; codecs="mp4a.40.2"')) return "aac";
  return null;
}

export class MsePlayer {
  /**
   * @param {HTMLAudioElement} audio
   * @param {string} url of the push stream, without codec
   * @param {"opus" | "aac"} codec
   * @param {PlayerListener} listener
   * @param {string} past of the media playlist that reaches back; "" when there is none
   */
  constructor(audio, url, codec, listener, past = "") {
    this._audio = audio;
    this._past = past;
    this._shifted = false;
    this._skipped = false;
    /** @type {Uint8Array[]} */
    this._recent = [];
    this._url = `${url}${url.includes("?") ? "&" : "?"}codec=${codec}`;
    this._type = codec === "opus" ? 'audio/mp4; codecs="opus"' : 'audio/mp4; codecs="mp4a.40.2"';
    this._listener = listener;
    this._governor = new Governor();
    this._abort = new AbortController();
    /** @type {Uint8Array[]} */
    this._queue = [];
    /** @type {Record<string, any>[]} */
    this._events = [];
    /** @type {{media_time: number, wall_clock: number} | null} */
    this._clock = null;
    this._lastTime = -1;
    this._began = false;
    this._holding = false;
    this._finished = false;
    this._lost = false;
    this._begunAt = performance.now();
    /** @type {PlayState} */
    this.playState = "connecting";
    this.stalls = 0;
    this.discontinuities = 0;
    /** @type {number | null} seconds from start() to the first sound */
    this.firstAudio = null;
  }

  /** To be called from the click, so that the browser lets the sound through. */
  start() {
    this._begunAt = performance.now();
    this._openMedia();
    this._audio.play().catch((error) => {
      if (error?.name === "NotAllowedError") this._set("blocked");
    });
    this._audio.addEventListener("ended", () => this._set("ended"), { signal: this._abort.signal });
    this._audio.addEventListener("pause", () => {
      if (this._began && !this._holding && !this._audio.ended) this._listener.interrupted();
    }, { signal: this._abort.signal });
    this._source = new PushSource(this._url, {
      record: (record) => this._record(record),
      connected: () => this._connected(),
      lost: () => this._lineLost(),
      full: (told) => this._set("full", told),
      over: (reason) => this._over(reason),
    });
    this._source.start();
    this._timer = setInterval(() => this._tick(), 100);
  }

  stop() {
    this._abort.abort();
    this._source?.stop();
    this._rewind?.stop();
    clearInterval(this._timer);
    this._audio.pause();
    this._audio.playbackRate = 1;
    this._audio.removeAttribute("src");
    this._audio.load();
    if (this._objectUrl) URL.revokeObjectURL(this._objectUrl);
  }

  /** Seconds of sound buffered ahead of the ear. */
  get ahead() {
    const at = this._audio.currentTime;
    const ranges = this._audio.buffered;
    for (let i = 0; i < ranges.length; i += 1) {
      if (ranges.start(i) - 0.05 <= at && at <= ranges.end(i)) return ranges.end(i) - at;
    }
    return 0;
  }

  /** What is heard now, in 48 kHz samples since the broadcast began; null before the first sound. */
  get mediaTime() {
    return this._began ? Math.max(0, (this._audio.currentTime - OFFSET) * RATE) : null;
  }

  /** Milliseconds between the mixer and the ear, by the server's clock and this machine's; null: unknown. */
  get latencyMs() {
    if (!this._clock || this.mediaTime === null) return null;
    const left = this._clock.wall_clock + (this.mediaTime - this._clock.media_time) / RATE;
    const ms = Date.now() - left * 1000;
    // Where the two clocks disagree, the buffer is the part of the truth that is known.
    return ms > 0 && ms < 30_000 ? ms : this.ahead * 1000 + 200;
  }

  /** The newest sound there is, seconds since the broadcast began; null before there was any. */
  get edge() {
    return this._lastTime < 0 ? null : this._lastTime / RATE + CHUNK_SECONDS;
  }

  /** Seconds behind the newest sound because the listener wants it so; 0 at the live edge. */
  get behind() {
    if (!this._shifted || this.edge === null) return 0;
    return Math.max(0, this.edge - (this.mediaTime ?? 0) / RATE);
  }

  /** @type {import("./listen_rewind.js").Rewind | undefined} */
  _rewind;

  /** Plays on from another moment of the broadcast. @param {number} seconds since it began */
  seek(seconds) {
    const { edge } = this;
    if (!this._began || edge === null) return;
    const to = Math.max(0, seconds);
    if (to > edge - LIVE_WITHIN) return this.toLive();
    this._shifted = true;
    this._audio.playbackRate = 1;
    this._audio.currentTime = OFFSET + to;
    if (this.ahead < ENOUGH_BEHIND) this._hold("seeking");
    else this._resume();
    void this._fetchAhead();
  }

  /** Back to what is said now. */
  toLive() {
    if (!this._shifted) return;
    this._shifted = false;
    this._rewind?.stop();
    this._rewind = undefined;
    if (this._skipped) this._queue.push(...this._recent);
    this._skipped = false;
    this._governor.restart();
    // A place near the end is chosen as at the beginning.
    this._began = false;
    this._holding = false;
    this._audio.play().catch(() => undefined);
    this._feed();
    this._place();
  }

  /** Behind live: what will be heard next, as far as it is not there. */
  async _fetchAhead() {
    const { ahead, edge } = this;
    if (!this._shifted || !this._past || edge === null || !this._clock || ahead > FETCH_AHEAD) return;
    const { Rewind } = await import("./listen_rewind.js");
    if (!this._shifted || this._abort.signal.aborted) return;
    this._rewind ??= new Rewind(this._past, {
      sound: (bytes) => this._shifted && this._append(bytes),
      hole: (seconds) => this._shifted && this.ahead < 0.1 && (this._audio.currentTime += seconds),
      gone: () => this._shifted && this.ahead < 0.1 && this.toLive(),
    });
    const next = this._audio.currentTime - OFFSET + this.ahead;
    if (next < edge - 0.1) void this._rewind.want(this._clock.wall_clock + next - this._clock.media_time / RATE);
  }

  _openMedia() {
    const Source = /** @type {typeof MediaSource} */ (/** @type {any} */ (window).MediaSource ?? /** @type {any} */ (window).ManagedMediaSource);
    if (this._objectUrl) URL.revokeObjectURL(this._objectUrl);
    const media = (this._media = new Source());
    this._buffer = null;
    this._queue = [];
    this._lastTime = -1;
    this._began = this._shifted = this._skipped = false;
    this._rewind?.stop();
    this._rewind = undefined;
    this._holding = false;
    this._audio.disableRemotePlayback = true;
    this._objectUrl = URL.createObjectURL(media);
    this._audio.src = this._objectUrl;
    media.addEventListener("sourceopen", () => {
      if (media !== this._media || this._buffer) return;
      this._buffer = media.addSourceBuffer(this._type);
      this._buffer.timestampOffset = OFFSET;
      this._buffer.addEventListener("updateend", () => this._feed());
      this._feed();
    }, { signal: this._abort.signal });
  }

  /** @param {import("./push.js").PushRecord} record */
  _record(record) {
    switch (record.type) {
      case INIT: {
        this._init = record.payload;
        this._append(record.payload);
        break;
      }
      case CHUNK: {
        this._chunk(record.payload);
        break;
      }
      case EVENT: {
        this._event(readJson(record.payload));
        break;
      }
      case CLOCK: {
        const clock = readJson(record.payload);
        if (Number.isFinite(clock.media_time) && Number.isFinite(clock.wall_clock)) {
          this._clock = /** @type {{media_time: number, wall_clock: number}} */ (clock);
        }
        break;
      }
      case DISCONTINUITY: {
        this.discontinuities += 1;
        this._governor.restart();
        break;
      }
    }
  }

  /** @param {Record<string, any>} event */
  _event(event) {
    if (event.kind === "room" || event.kind === "reactions") return this._listener.event(event);
    this._events.push(event);
    if (this._events.length > MAX_EVENTS) this._events.shift();
  }

  /** @param {Uint8Array} payload */
  _chunk(payload) {
    const time = decodeTime(payload);
    if (time === null) return;
    if (time <= this._lastTime) {
      // After a reconnection the last chunks come once more.
      if (this._lastTime - time < OTHER_BROADCAST) return;
      this._restartMedia();
    }
    this._lastTime = time;
    this._recent.push(payload);
    if (this._recent.length > RECENT) this._recent.shift();
    if (this._shifted) {
      this._skipped ||= this.behind > LIVE_AHEAD;
      if (!this._skipped) this._append(payload);
      return;
    }
    if (this._began && !this._holding) {
      const advice = this._governor.arrived(this.ahead, performance.now() / 1000);
      if (advice.jump) this._audio.currentTime += advice.jump;
      if (this._audio.playbackRate !== advice.rate) this._audio.playbackRate = advice.rate;
    } else {
      this._governor.waited(performance.now() / 1000);
    }
    this._append(payload);
  }

  _restartMedia() {
    this._openMedia();
    if (this._init) this._append(this._init);
    void this._audio.play().catch(() => undefined);
  }

  /** @param {Uint8Array} bytes */
  _append(bytes) {
    this._queue.push(bytes);
    if (this._queue.length > MAX_QUEUE) this._queue.splice(0, this._queue.length - MAX_QUEUE);
    this._feed();
  }

  _feed() {
    const buffer = this._buffer;
    if (!buffer || buffer.updating || this._media?.readyState !== "open" || this._audio.error) return;
    try {
      const old = this._audio.currentTime - KEEP_BEHIND;
      if (buffer.buffered.length && buffer.buffered.start(0) < old - 10) {
        buffer.remove(0, old);
        return;
      }
      const next = this._queue.shift();
      if (next) buffer.appendBuffer(/** @type {Uint8Array<ArrayBuffer>} */ (next));
      else if (this._finished && !this._shifted) this._media.endOfStream();
      else this._place();
    } catch (error) {
      if (/** @type {any} */ (error)?.name === "QuotaExceededError") buffer.remove(0, this._audio.currentTime - 1);
      else this._set("failed");
    }
  }

  /** Begins, or goes on after running dry or over a hole, as soon as enough is there. */
  _place() {
    const ranges = this._audio.buffered;
    if (!ranges.length) return;
    const last = ranges.length - 1;
    const end = ranges.end(last);
    if (!this._began) {
      if (end - ranges.start(last) < START) return;
      this._audio.currentTime = Math.max(ranges.start(last), end - BEHIND);
      this._began = true;
      this._governor.restart();
      return;
    }
    if (this._shifted) {
      if (this._holding && this.ahead >= Math.min(ENOUGH_BEHIND, this.behind)) this._resume();
      return;
    }
    const margin = this._governor.enough;
    const at = this._audio.currentTime;
    // Held, the little that is left before the hole is given up for what comes after it.
    const inHole = ranges.start(last) > at + 0.02 && (this._holding || this.ahead < 0.06);
    if (inHole && end - ranges.start(last) >= margin) {
      this._audio.currentTime = Math.max(ranges.start(last), end - margin - 0.04);
      this._governor.restart();
      this._resume();
    } else if (this._holding && this.ahead >= margin) {
      this._resume();
    }
  }

  _resume() {
    if (!this._holding) return;
    this._holding = false;
    this._audio.playbackRate = 1;
    this._audio.play().catch((error) => {
      if (error?.name === "NotAllowedError") this._set("blocked");
    });
  }

  _tick() {
    if (this._audio.error) return this._set("failed");
    if (!this._began || this.playState === "ended") return;
    this._place();
    if (this._shifted) void this._fetchAhead();
    const ahead = this.ahead;
    // The browser runs dry a little before the last sample: then its readyState falls (HAVE_CURRENT_DATA).
    const dry = ahead < 0.02 || (this.firstAudio !== null && this._audio.readyState < 3);
    if (!this._holding && !this._audio.paused && !this._audio.seeking && dry) this._ranDry();
    if (!this._holding && !this._audio.paused && this._audio.readyState >= 3 && ahead > 0.02) {
      if (this.firstAudio === null) this.firstAudio = (performance.now() - this._begunAt) / 1000;
      this._set("playing");
    }
    this._happen();
  }

  _ranDry() {
    if (this._finished && this.behind < 0.5) return this._set("ended");
    if (this._shifted) return this._hold(this._lost ? "reconnecting" : "seeking");
    this._hold(this._lost ? "reconnecting" : "stalled");
    this.stalls += 1;
    this._governor.underrun(performance.now() / 1000);
  }

  /** Silence until there is enough again. @param {PlayState} state */
  _hold(state) {
    this._holding = true;
    this._audio.pause();
    this._set(state);
  }

  /** Tells what has happened up to what is heard now. */
  _happen() {
    const now = this.mediaTime ?? Infinity;
    while (this._events.length && (this._events[0].media_time ?? 0) <= now) {
      const event = this._events.shift();
      if (event) this._listener.event(event);
    }
  }

  _connected() {
    this._lost = false;
    if (!this._began) this._set("waiting");
  }

  _lineLost() {
    this._lost = true;
    // While there is sound in the buffer nothing is said: most breaks heal unheard.
    if (!this._began || this._holding || this.ahead < 0.05) this._set("reconnecting");
  }

  /** @param {"ended" | "closed" | "swallowed" | "corrupt"} reason */
  _over(reason) {
    if (reason === "ended") {
      this._finished = true;
      if (this._shifted) return;
      if (!this._began || this._holding || this.ahead < 0.05) this._set("ended");
      else this._feed();
    } else if (reason === "closed") {
      this._set("closed");
    } else {
      this._set("failed", { swallowed: reason === "swallowed" });
    }
  }

  /** @param {PlayState} state @param {Detail} [detail] */
  _set(state, detail) {
    if (this._abort.signal.aborted || (this.playState === state && state !== "full")) return;
    this.playState = state;
    this._listener.state(state, detail);
  }
}
