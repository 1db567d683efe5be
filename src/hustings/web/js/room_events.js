// The studio's WebSocket: the room's state at once, then every change; after a break only what was missed. Comes
// back by itself. No UI.
//
//   new RoomEvents("/api/rooms/town-hall/events", { ticket, device }, {
//     state(state, me, host, event) {},  // whenever any of them changes; all whole, none changed in place
//     levels(levels) {},                 // {participant id: dBov}, up to 5 a second: all for conductors, else one's own
//     reactions(counts) {},              // {kind: how many since the last}, conductors only
//     line(up) {},                       // whether we hear from the studio
//     bad(code) {},                      // 4401: the ticket does not (or no longer) hold; 4404: no such room. No more attempts
//   }).start();
//
// `ticket` "" asks with the session cookie. `me` is null for who has no seat, `host` for who does not conduct.
// `event` is what happened, {kind, data, at, changed, private?}, to be announced or drawn with care: or null when
// there is nothing to announce (the first state, figures of the desk, who is speaking). `private: true` marks what only
// conductors are told (somebody waits, a hand with its name); its `changed` is empty. Kinds are in docs/api.md.

import { Backoff } from "./backoff.js";
import { RoomState } from "./room_state.js";

/** The studio pings every 15 s; without a word for this long the line is dead, s. */
const SILENCE = 35;
/** Close codes after which another attempt would end the same. */
const FINAL = [4401, 4403, 4404];

/**
 * @typedef {object} Happening
 * @property {string} kind
 * @property {Record<string, any>} data
 * @property {number} at Unix seconds
 * @property {Record<string, any>} changed see room_state.js
 * @property {boolean} [private]
 */
/**
 * @typedef {object} EventsListener
 * @property {(state: any, me: any, host: any, event: Happening | null) => void} state
 * @property {(levels: Record<string, number>) => void} [levels]
 * @property {(counts: Record<string, number>) => void} [reactions]
 * @property {(up: boolean) => void} [line]
 * @property {(code: number) => void} [bad]
 */

/** What the socket's messages make of the room. Pure. */
export class RoomMirror {
  /** @param {EventsListener} listener */
  constructor(listener) {
    this._listener = listener;
    /** @type {RoomState | null} */
    this._room = null;
    /** @type {any} */
    this.me = null;
    /** @type {any} */
    this.host = null;
  }

  /** What to tell the studio so that only what was missed comes. @returns {{stream: string, seq: number} | {}} */
  get position() {
    if (!this._room) return {};
    const { stream, seq } = this._room.state;
    return { stream, seq };
  }

  /** The next connection begins with the whole state. */
  forget() {
    this._room = null;
  }

  /** @param {any} message @returns {boolean} false when something is missing: connect again */
  take(message) {
    const { type } = message;
    if (type === "levels") this._listener.levels?.(message.levels);
    else if (type === "reactions") this._listener.reactions?.(message.counts);
    else if (type === "state") {
      this._room = new RoomState(message.state);
      this.me = message.me ?? null;
      this.host = message.host ?? null;
      this._tell(null);
    } else if (this._room) return this._change(this._room, message);
    return true;
  }

  /** @param {RoomState} room @param {any} message */
  _change(room, message) {
    const { type, kind, data, at } = message;
    if (type === "event") {
      const taken = room.take(message);
      if (taken !== "applied") return taken === "old";
      this._also(message);
      this._tell({ kind, data, at, changed: message.changed });
    } else if (type === "private") {
      this._also(message);
      this._tell(kind ? { kind, data, at, changed: {}, private: true } : null);
    } else if (type === "speaking") {
      if (room.speaks(message.ids)) this._tell(null);
    }
    return true;
  }

  /** @param {any} message */
  _also({ me, host }) {
    if (me !== undefined) this.me = me;
    // A host's desk comes in parts; null: conducts no longer.
    if (host !== undefined) this.host = host && { ...this.host, ...host };
  }

  /** @param {Happening | null} event */
  _tell(event) {
    this._listener.state(this._room?.state, this.me, this.host, event);
  }
}

export class RoomEvents {
  /** @param {string} path @param {{ticket?: string, device?: string}} who @param {EventsListener} listener */
  constructor(path, who, listener) {
    this._url = new URL(path, location.href.replace(/^http/, "ws")).href;
    this._who = who;
    this._listener = listener;
    this._mirror = new RoomMirror(listener);
    this._backoff = new Backoff(0.8, 8);
    /** @type {boolean | null} */
    this._up = null;
    this._stopped = false;
    this._awake = () => {
      if (!this._stopped && !document.hidden && this._socket?.readyState !== WebSocket.OPEN) this._connect();
    };
  }

  start() {
    window.addEventListener("online", this._awake);
    document.addEventListener("visibilitychange", this._awake);
    this._connect();
  }

  /** Ends for good; no callback comes after it. */
  stop() {
    this._stopped = true;
    window.removeEventListener("online", this._awake);
    document.removeEventListener("visibilitychange", this._awake);
    clearTimeout(this._retry);
    clearTimeout(this._silence);
    this._socket?.close();
  }

  _connect() {
    clearTimeout(this._retry);
    const before = this._socket;
    const socket = (this._socket = new WebSocket(this._url));
    before?.close();
    socket.addEventListener("open", () => {
      const { ticket, device } = this._who;
      socket.send(JSON.stringify({ ...(ticket ? { ticket } : {}), ...(device ? { device } : {}), ...this._mirror.position }));
      this._listen();
    });
    socket.addEventListener("message", ({ data }) => {
      if (this._socket !== socket || this._stopped) return;
      this._listen();
      this._heard();
      if (!this._mirror.take(JSON.parse(data))) {
        this._mirror.forget();
        this._connect();
      }
    });
    socket.addEventListener("close", ({ code }) => {
      if (this._socket !== socket || this._stopped) return;
      clearTimeout(this._silence);
      this._lost();
      if (FINAL.includes(code)) {
        this.stop();
        this._listener.bad?.(code);
      } else this._retry = setTimeout(() => this._connect(), this._backoff.next() * 1000);
    });
  }

  _heard() {
    this._backoff.reset();
    if (this._up) return;
    this._up = true;
    this._listener.line?.(true);
  }

  _lost() {
    if (this._up === false) return;
    this._up = false;
    this._listener.line?.(false);
  }

  /** A line that says nothing for too long is dead, whatever the browser thinks of it. */
  _listen() {
    clearTimeout(this._silence);
    this._silence = setTimeout(() => {
      this._lost();
      this._connect();
    }, SILENCE * 1000);
  }
}
