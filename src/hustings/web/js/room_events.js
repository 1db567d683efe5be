// The studio's WebSocket: the room's state, at once and whenever it changes. Comes back by itself. No UI.

import { Backoff } from "./backoff.js";

/** The studio pings every 15 s; without a word for this long the line is dead, s. */
const SILENCE = 35;

export class RoomEvents {
  /**
   * @param {string} path @param {string} ticket
   * @param {{state: (state: any, me: any) => void, bad: () => void, line: (up: boolean) => void}} listener
   */
  constructor(path, ticket, listener) {
    this._url = new URL(path, location.href.replace(/^http/, "ws")).href;
    this._ticket = ticket;
    this._listener = listener;
    this._backoff = new Backoff(0.8, 8);
    window.addEventListener("online", () => this._socket?.readyState !== WebSocket.OPEN && this._connect());
  }

  start() {
    this._connect();
  }

  _connect() {
    clearTimeout(this._retry);
    const before = this._socket;
    const socket = (this._socket = new WebSocket(this._url));
    before?.close();
    socket.addEventListener("open", () => {
      socket.send(JSON.stringify({ ticket: this._ticket }));
      this._listen();
    });
    socket.addEventListener("message", ({ data }) => {
      if (this._socket !== socket) return;
      this._listen();
      const message = JSON.parse(data);
      if (message.type !== "state") return;
      this._backoff.reset();
      this._listener.line(true);
      this._listener.state(message.state, message.me);
    });
    socket.addEventListener("close", ({ code }) => {
      if (this._socket !== socket) return;
      clearTimeout(this._silence);
      if (code === 4401 || code === 4404) return this._listener.bad();
      this._listener.line(false);
      this._retry = setTimeout(() => this._connect(), this._backoff.next() * 1000);
    });
  }

  _listen() {
    clearTimeout(this._silence);
    this._silence = setTimeout(() => this._connect(), SILENCE * 1000);
  }
}
