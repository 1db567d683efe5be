// A seat on the stage that holds: a session which is opened again whenever it breaks, on the way that works. No UI.

import { Backoff } from "./backoff.js";
import { Ways } from "./speaker_ways.js";
import { WhipRefused } from "./whip.js";

/** Between two looks at a session's figures, ms. */
const LOOK = 250;
/** The stage sends 50 packets a second, talking or not: none for this long and another session is opened beside, s. */
const SILENCE = 1.2;
/** ... and none for so long by a WebSocket, which waits for what was lost: begun anew, s. */
const SOCKET_SILENCE = 2;
/** A silent session is given up for so long that sessions beside it come to nothing, s. */
const SEEKING = 45;
/** Sessions beside it that the studio took and that never stood: then it is not the moment, but the way. */
const IN_VAIN = 2;
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
    /** The session that another one is being made beside. @type {import("./speaker_ways.js").Session | null} */
    this._seeking = null;
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
    window.addEventListener("online", () => this._anotherNetwork());
    const connection = /** @type {any} */ (navigator).connection;
    let kind = connection?.type;
    connection?.addEventListener?.("change", () => {
      // It also changes with every estimate of the line's speed.
      if (connection.type !== kind) this._anotherNetwork();
      kind = connection.type;
    });
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

  /** The machine has another address now, or one again: what stood may be dead without knowing it. */
  _anotherNetwork() {
    if (this._session && this._connectedAt && this.way === "webrtc") void this._seek(this._session);
    else if (["reconnecting", "server"].includes(this.state)) this._again(0);
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
    this._seeking = null;
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
      if (this._seeking !== session) this._broken();
    } else if (state === "disconnected" && this._connectedAt) {
      void this._seek(session);
    }
  }

  /** WebRTC may work again one day; then it takes over, and nothing is missing. */
  _watchFastWay() {
    this._ways.watch(() => this._track, (trial, listener) => this._follow(trial, listener));
  }

  /** Another session stands and has the seat. @param {import("./whip.js").WhipSession} trial @param {import("./speaker_ways.js").SessionListener} listener */
  _follow(trial, listener) {
    const before = this._session;
    this._session = trial;
    this._seeking = null;
    this.way = "webrtc";
    listener.sound = (stream) => this._session === trial && this._listener.sound(stream);
    listener.state = (state) => this._session === trial && this._peerState(trial, state);
    // The stage has closed it already.
    if (before && "abandon" in before) before.abandon();
    else before?.close();
    this._look(trial);
    this._peerState(trial, "connected");
  }

  /**
   * The session has fallen silent, or its network is another one: a new one is made beside it, again and again,
   * until one of the two is heard. The old one is not waited for, which would take half a minute, nor given up:
   * after a short black-out it is the first to be there again.
   * @param {import("./speaker_ways.js").Session} session
   */
  async _seek(session) {
    if (this._seeking === session || !this._track) return;
    this._seeking = session;
    this._set("reconnecting", { seconds: 0 });
    let inVain = 0;
    const sought = () => this._session === session && this._seeking === session && this._track;
    for (const end = performance.now() + SEEKING * 1000; performance.now() < end;) {
      const track = sought();
      if (!track) return;
      const how = await this._ways.beside(track, (trial, listener) => (sought() ? this._follow(trial, listener) : trial.close()));
      if (how === "unconnected") inVain += 1;
      if (how === "refused" || inVain >= IN_VAIN) break;
      await new Promise((resolve) => setTimeout(resolve, 100 + 200 * Math.random()));
    }
    if (!sought()) return;
    this._seeking = null;
    this._broken();
  }

  /** @param {import("./speaker_ways.js").Session} session */
  _look(session) {
    let received = 0;
    clearInterval(this._watch);
    this._watch = setInterval(async () => {
      const figures = await session.measure().catch(() => null);
      if (this._session !== session || !figures) return;
      const now = performance.now();
      if (figures.received > received) this._heard(session, now);
      received = figures.received;
      this._listener.line(figures);
      const connected = session.state === "connected";
      const quiet = (now - (this._heardAt ?? now)) / 1000;
      if (this._seeking === session) return;
      if (connected && this.way === "webrtc" && quiet > SILENCE) void this._seek(session);
      else if (quiet > (connected ? SOCKET_SILENCE : SETTING_UP)) this._broken();
    }, LOOK);
  }

  /** @param {import("./speaker_ways.js").Session} session @param {number} now */
  _heard(session, now) {
    this._heardAt = now;
    if (this._seeking !== session || session.state !== "connected") return;
    // It lives: what is being made beside it is not needed.
    this._seeking = null;
    this._ways.rest();
    this._set("on");
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
