// Which way a speaker's sound takes: WebRTC, or a WebSocket where the network lets no UDP through. No UI.

import { canUseSocket, SocketSession } from "./socket_speaker.js";
import { reachable, WhipRefused, WhipSession } from "./whip.js";

/** Until WebRTC is tried again beside the socket, s: at first, and at most. */
const FIRST_TRY = 60;
const LAST_TRY = 600;
/** The network has just changed: it settles for so long, s. */
const SETTLES = 3;
/** A trial that has brought no sound by then will not, ms; and how often it is looked at. */
const TRIAL = 8000;
const LOOK = 250;
/** The same for a session beside one that has fallen silent, ms: the network may fail once more meanwhile. */
const BESIDE = 4000;
/** So many sockets in a row that never stood: then WebRTC is not the worse way. */
const SOCKETS_IN_VAIN = 2;

/** @typedef {WhipSession | SocketSession} Session */
/** @typedef {{sound: (stream: MediaStream) => void, state: (state: RTCPeerConnectionState) => void}} SessionListener */

export class Ways {
  /** @param {string} url of WHIP @param {string} ticket @param {string} device */
  constructor(url, ticket, device) {
    this._url = url;
    this._ticket = ticket;
    this._device = device;
    this._blocked = false;
    this._worked = false;
    this._inVain = 0;
    this._patience = FIRST_TRY;
    /** The speaker's own wish: always the slow way. */
    this.forced = wished();
    this._changed = () => this._soon();
    window.addEventListener("online", this._changed);
    /** @type {any} */ (navigator).connection?.addEventListener?.("change", this._changed);
  }

  /** @returns {"webrtc" | "socket"} */
  get next() {
    return (this.forced || this._blocked) && canUseSocket() ? "socket" : "webrtc";
  }

  /** @param {SessionListener} listener @returns {Session} */
  session(listener) {
    const Kind = this.next === "socket" ? SocketSession : WhipSession;
    return new Kind(this._url, this._ticket, listener, this._device);
  }

  /** The session stands. @param {Session} session */
  stood(session) {
    this._inVain = 0;
    if (session instanceof SocketSession) return;
    this._blocked = false;
    this._worked = true;
  }

  /** It was taken by the studio and yet never stood. @param {Session} session @returns {boolean} whether another way is to be tried at once */
  failed(session) {
    if (session instanceof WhipSession) {
      if (!session.answered || !canUseSocket()) return false;
      // Where it worked a moment ago, one failure is a server that begins anew; two are the network.
      if (this._worked) return (this._worked = false);
      this._blocked = true;
      this._patience = FIRST_TRY;
      return true;
    }
    this._inVain += 1;
    if (this._inVain >= SOCKETS_IN_VAIN && !this.forced) this._blocked = false;
    return false;
  }

  /**
   * From now on WebRTC is tried from time to time; the stage takes the seat over when its connection stands.
   * @param {() => MediaStreamTrack | null} track @param {(trial: WhipSession, listener: SessionListener) => void} stands
   */
  watch(track, stands) {
    this._try = async () => {
      const microphone = track();
      if (this.forced || !microphone || this._trial) return;
      if ((await this._attempt(microphone, stands)) !== "stands") this._later();
    };
    this._later();
  }

  /** No trial any more, nor the one that runs. */
  rest() {
    clearTimeout(this._timer);
    this._try = undefined;
    this._trial?.close();
    this._trial = undefined;
  }

  _later() {
    if (!this._try) return;
    clearTimeout(this._timer);
    this._timer = setTimeout(() => void this._try?.(), this._patience * 1000 * (0.8 + 0.4 * Math.random()));
    this._patience = Math.min(LAST_TRY, this._patience * 2);
  }

  /** The network is another one. */
  _soon() {
    this._patience = FIRST_TRY;
    if (!this._try || this._trial) return;
    clearTimeout(this._timer);
    this._timer = setTimeout(() => void this._try?.(), SETTLES * 1000);
  }

  /**
   * Another session beside the one there is, which has fallen silent: if it comes about, it has the seat.
   * @param {MediaStreamTrack} track @param {(trial: WhipSession, listener: SessionListener) => void} stands
   * @returns {Promise<"stands" | "refused" | "unconnected" | "nobody">} "nobody": there is no way to the studio
   */
  async beside(track, stands) {
    if (this._trial) return "nobody";
    if (!(await reachable(this._url))) return "nobody";
    return this._attempt(track, stands, BESIDE);
  }

  /**
   * @param {MediaStreamTrack} track @param {(trial: WhipSession, listener: SessionListener) => void} stands
   * @param {number} [patience] ms
   * @returns {Promise<"stands" | "refused" | "unconnected" | "nobody">}
   */
  async _attempt(track, stands, patience = TRIAL) {
    let how = /** @type {"refused" | "unconnected" | "nobody"} */ ("unconnected");
    /** @type {MediaStream | null} */
    let heard = null;
    const listener = { sound: (/** @type {MediaStream} */ stream) => void (heard = stream), state: () => undefined };
    const trial = (this._trial = new WhipSession(`${this._url}?when=connected`, this._ticket, listener, this._device));
    try {
      await trial.open(track);
      for (const end = performance.now() + patience; performance.now() < end && this._trial === trial;) {
        if (trial.state === "connected" && (await trial.measure()).received > 0) {
          this._trial = undefined;
          stands(trial, listener);
          if (heard) listener.sound(heard);
          return "stands";
        }
        if (["failed", "closed", "disconnected"].includes(trial.state)) break;
        await new Promise((resolve) => setTimeout(resolve, LOOK));
      }
    } catch (error) {
      // The next time, perhaps.
      how = error instanceof WhipRefused ? "refused" : "nobody";
    }
    trial.close();
    if (this._trial === trial) this._trial = undefined;
    return how;
  }

  /** Whether a trial runs: a socket that was replaced meanwhile was replaced by it. */
  get trying() {
    return Boolean(this._trial);
  }
}

const WISH = "hustings slow way";

/** @param {boolean} slow kept by this browser */
export function wish(slow) {
  try {
    if (slow) localStorage.setItem(WISH, "yes");
    else localStorage.removeItem(WISH);
  } catch {
    // Then only for now.
  }
}

/** By the address (`?way=socket`), or by an earlier choice. */
export function wished() {
  if (new URLSearchParams(location.search).get("way") === "socket") return canUseSocket();
  try {
    return localStorage.getItem(WISH) === "yes" && canUseSocket();
  } catch {
    return false;
  }
}

/**
 * What the slow way means for whoever is on it; in steps that do not change all the time.
 * @param {import("./strings.js").Translate} t @param {number} extra seconds @param {boolean} chosen by the speaker, not by the network
 */
export function slowWay(t, extra, chosen) {
  return t(chosen ? "speak.slow_way.chosen" : "speak.slow_way.says", { ms: Math.max(50, Math.round(extra * 20) * 50) });
}
