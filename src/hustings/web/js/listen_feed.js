// Keeps the room's state current: events that come with the sound, and a look at state.json where there are none,
// or where one is missing. No UI.

import { Backoff } from "./backoff.js";
import { RoomState } from "./room_state.js";

/** A gap is everybody's gap: the looks are spread over this long, s. */
const SPREAD = 2;

/**
 * @typedef {import("./room_view.js").Room} Room
 * @typedef {{what: string, data: Record<string, any>}} Happening
 * @typedef {object} FeedListener
 * @property {(now: Room, before: Room, happened: Happening | null) => void} changed
 * @property {(fresh: boolean) => void} line whether the last look was answered
 */

export class RoomFeed {
  /** @param {any} snapshot @param {FeedListener} listener */
  constructor(snapshot, listener) {
    this._room = new RoomState(snapshot);
    this._listener = listener;
    this._every = 7;
    this._backoff = new Backoff(1, 30);
    this._gap = false;
  }

  /** @returns {Room} */
  get state() {
    return this._room.state;
  }

  /** How often to look, s; at a time of this listener's own, so that a room's listeners do not come at once. @param {number} seconds */
  pace(seconds) {
    this._every = seconds;
    if (!this._gap) this._plan(seconds * (0.75 + Math.random() * 0.5));
  }

  /** @param {any} event a push record with kind "room" */
  take(event) {
    const before = this.state;
    const taken = this._room.take(event);
    if (taken === "applied") this._listener.changed(this.state, before, { what: event.what, data: event.data ?? {} });
    else if (taken === "gap" && !this._gap) {
      this._gap = true;
      this._plan(Math.random() * SPREAD);
    }
  }

  /** @param {string} id @param {boolean} speaking by the stage's own event, as it is heard */
  speaks(id, speaking) {
    const now = new Set(this.state.participants.filter((person) => person.speaking).map((person) => person.id));
    if (speaking) now.add(id);
    else now.delete(id);
    this._room.speaks(now);
  }

  /** Looks now. */
  async look() {
    clearTimeout(this._timer);
    if (this._looking) return;
    this._looking = true;
    const wait = await this._look();
    this._looking = false;
    if (wait === null) this.pace(this._every);
    else this._plan(wait);
  }

  /** @returns {Promise<number | null>} seconds to the next try; null: it is right now */
  async _look() {
    try {
      const answer = await fetch(`/r/${this.state.slug}/state.json`, { cache: "no-cache", signal: AbortSignal.timeout(8000) });
      if (!answer.ok) throw new Error(String(answer.status));
      const before = this.state;
      this._gap = this._room.replace(await answer.json()) === "gap";
      this._listener.line(true);
      if (this.state !== before) this._listener.changed(this.state, before, null);
      if (this._gap) return this._backoff.next();
      this._backoff.reset();
      return null;
    } catch {
      // The line is down; what stands on the page stays true as far as we know.
      this._listener.line(false);
      return this._backoff.next();
    }
  }

  /** @param {number} seconds */
  _plan(seconds) {
    clearTimeout(this._timer);
    this._timer = setTimeout(() => void this.look(), seconds * 1000);
  }
}
