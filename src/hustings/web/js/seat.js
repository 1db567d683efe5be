// A seat on the stage that holds: a session which is opened again whenever it breaks, on the way that works. No UI.

import { Backoff } from "./backoff.js";
import { Ways } from "./speaker_ways.js";
import { WhipRefused } from "./whip.js";

/** Between two looks at a session's figures, ms. */
const LOOK = 500;
/** The stage sends 50 packets a second, talking or not: none for this long and it has forgotten us, s. */
const SILENCE = 2;
/** A connection may recover by itself for this long, s. */
const PATIENCE = 2;
/** A session that is not connected after this long will not be, s. */
const SETTING_UP = 5;
/** Sessions lost this soon after they stood, so many times in a row, mean that somebody else takes the seat. */
const SHORT = 8;
const TAKEN_AFTER = 3;

/**
 * @typedef {"off" | "connecting" | "doors" | "on" | "reconnecting" | "server" | "bad_ticket" | "banned" | "removed" | "locked" | "rejected" | "elsewhere"} SeatState
 * @typedef {{rtt: number | null, loss: number | null, extra?: number}} Line
 */

export class Seat {
  /**
   * @param {string} url WHIP @param {string} ticket
   * @param {{changed: (state: SeatState, detail: {seconds?: number, reason?: string}) => void, sound: (stream: MediaStream) => void, line: (line: Line) => void}} listener
   * @param {string} [device] see WhipSession
   */
  constructor(url, ticket, listener, device = "") {
    this._ticket = ticket;
    this._listener = listener;
    this._ways = new Ways(url, ticket, device);
    /** How the sound goes now. @type {"webrtc" | "socket"} */
    this.way = "webrtc";
    this._backoff = new Backoff(0.6, 4);
    /** @type {import("./speaker_ways.js").Session | null} */
    this._session = null;
    /** @type {MediaStreamTrack | null} */
    this._track = null;
    this._was = false;
    this._shortLives = 0;
    /** @type {SeatState} */
    this.state = "off";
    // Another window of this browser that takes the seat says so; two must not fight for it.
    this._windows = "BroadcastChannel" in window ? new BroadcastChannel(`hustings seat ${url}`) : null;
    this._windows?.addEventListener("message", ({ data }) => {
      if (data === ticket && this.state !== "off") this._give("elsewhere");
    });
    window.addEventListener("pagehide", () => this._session?.close());
    window.addEventListener("pageshow", (event) => event.persisted && this._track && this._again(0));
    window.addEventListener("online", () => ["reconnecting", "server"].includes(this.state) && this._again(0));
  }

  /** @param {MediaStreamTrack} track */
  take(track) {
    this._track = track;
    this._shortLives = 0;
    this._was = false;
    this._windows?.postMessage(this._ticket);
    this._set("connecting");
    void this._open();
  }

  leave() {
    this._give("off");
  }

  /** The doors may have opened. */
  tryNow() {
    if (this.state === "doors" || this.state === "locked") this._again(0);
  }

  /** @param {MediaStreamTrack} track another microphone */
  async replace(track) {
    this._track = track;
    await this._session?.replace(track);
  }

  get insists() {
    return this._ways.forced;
  }

  /** @param {boolean} slow whether the speaker wants the slow way, whatever the network does */
  insist(slow) {
    this._ways.forced = slow;
    if (this._track && this.way !== this._ways.next) this._again(0, this._was ? "reconnecting" : undefined);
  }

  /** @param {SeatState} state @param {{seconds?: number, reason?: string}} [detail] */
  _give(state, detail) {
    this._ways.rest();
    clearTimeout(this._retry);
    clearInterval(this._watch);
    this._session?.close();
    this._session = null;
    this._track = null;
    this._set(state, detail);
  }

  async _open() {
    clearInterval(this._watch);
    this._session?.close();
    const track = this._track;
    if (!track) return;
    this._ways.rest();
    this.way = this._ways.next;
    /** @type {import("./speaker_ways.js").Session} */
    const session = (this._session = this._ways.session({
      sound: (stream) => this._session === session && this._listener.sound(stream),
      state: (state) => this._session === session && this._peerState(session, state),
    }));
    this._connectedAt = undefined;
    this._openedAt = this._heardAt = performance.now();
    try {
      await session.open(track);
      if (this._session === session) this._look(session);
    } catch (error) {
      session.close();
      if (this._session === session) this._failed(error);
    }
  }

  /** @param {unknown} error */
  _failed(error) {
    if (!(error instanceof WhipRefused) && this._session) this._ways.failed(this._session);
    if (!(error instanceof WhipRefused)) return this._again(this._backoff.next(), this._was ? "reconnecting" : "server");
    const { status, message, retryAfter } = error;
    if (status === 401) return this._give("bad_ticket");
    if (status === 403) return this._give("banned");
    if (status === 409 && error.state === "removed") return this._give("removed");
    if (status === 409 && error.state === "locked") return this._again(6 + Math.random() * 4, "locked");
    if (status === 409) return this._again(6 + Math.random() * 4, "doors");
    if (status >= 500 || status === 404 || status === 429) {
      return this._again(Math.max(retryAfter, this._backoff.next()), this._was ? "reconnecting" : "server");
    }
    this._give("rejected", { reason: message });
  }

  /** @param {import("./speaker_ways.js").Session} session @param {RTCPeerConnectionState} state */
  _peerState(session, state) {
    if (state === "connected") {
      this._ways.stood(session);
      if (this.way === "socket") this._watchFastWay();
      this._connectedAt = this._heardAt = performance.now();
      this._was = true;
      this._backoff.reset();
      this._set("on");
    } else if (state === "failed" || state === "closed") {
      // Replaced by a trial of the fast way that is about to say so.
      if ("replaced" in session && session.replaced && this._ways.trying) return;
      this._broken();
    } else if (state === "disconnected") {
      setTimeout(() => this._session === session && session.state !== "connected" && this._broken(), PATIENCE * 1000);
    }
  }

  /** WebRTC may work again one day; then it takes over, and nothing is missing. */
  _watchFastWay() {
    this._ways.watch(() => this._track, (trial, listener) => {
      const before = this._session;
      this._session = trial;
      this.way = "webrtc";
      listener.sound = (stream) => this._session === trial && this._listener.sound(stream);
      listener.state = (state) => this._session === trial && this._peerState(trial, state);
      before?.close();
      this._look(trial);
      this._peerState(trial, "connected");
    });
  }

  /** @param {import("./speaker_ways.js").Session} session */
  _look(session) {
    let received = 0;
    clearInterval(this._watch);
    this._watch = setInterval(async () => {
      const figures = await session.measure().catch(() => null);
      if (this._session !== session || !figures) return;
      const now = performance.now();
      if (figures.received > received) this._heardAt = now;
      received = figures.received;
      this._listener.line(figures);
      const connected = session.state === "connected";
      const quiet = (now - (this._heardAt ?? now)) / 1000;
      if (quiet > (connected ? SILENCE : SETTING_UP)) this._broken();
    }, LOOK);
  }

  _broken() {
    const session = this._session;
    if (session && !this._connectedAt && this._ways.failed(session)) return this._again(0);
    const lived = (performance.now() - (this._connectedAt ?? performance.now())) / 1000;
    this._shortLives = this._connectedAt && lived < SHORT ? this._shortLives + 1 : 0;
    this._connectedAt = undefined;
    if (this._shortLives >= TAKEN_AFTER) return this._give("elsewhere");
    this._again(this._was && this.state === "on" ? Math.random() * 0.4 : this._backoff.next(), this._was ? "reconnecting" : "server");
  }

  /** @param {number} seconds @param {SeatState} [state] */
  _again(seconds, state) {
    clearTimeout(this._retry);
    clearInterval(this._watch);
    this._ways.rest();
    this._session?.close();
    this._session = null;
    if (state) this._set(state, { seconds });
    this._retry = setTimeout(() => void this._open(), seconds * 1000);
  }

  /** @param {SeatState} state @param {{seconds?: number, reason?: string}} [detail] */
  _set(state, detail = {}) {
    this.state = state;
    this._listener.changed(state, detail);
  }
}
