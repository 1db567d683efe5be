// One endless push connection that comes back by itself. No UI, no media: it hands out records.

import { Backoff } from "./backoff.js";
import { keepPlace, toldToWait, withPlace } from "./lobby_place.js";
import { BYE, Corrupt, MOVE, RecordParser, readJson } from "./push.js";

/** A record at least every second is promised (clock); silence this long means the line is dead. */
const SILENCE = 4;
/** A proxy that swallows the stream shows itself by an answer without any record for this long. */
const SWALLOWED = 6;

/**
 * @typedef {object} SourceListener
 * @property {(record: import("./push.js").PushRecord) => void} record
 * @property {() => void} connected the first record of a connection has come
 * @property {() => void} lost the connection is gone; another attempt follows by itself
 * @property {(told: {seconds: number, ahead?: number, testing?: boolean}) => void} full no place; the next attempt
 *   follows after so many seconds; `ahead`: how many came before; `testing`: the browser does the effort test
 * @property {(reason: "ended" | "closed" | "swallowed" | "corrupt") => void} over no further attempt is made
 */

export class PushSource {
  /** @param {string} url @param {SourceListener} listener */
  constructor(url, listener) {
    this._url = url;
    this._listener = listener;
    this._backoff = new Backoff(0.8, 8);
    this._corrupt = 0;
    /** @type {AbortController | null} */
    this._abort = null;
    /** Of a connection that we move to, as the server has asked, until it has brought something. @type {AbortController | null} */
    this._coming = null;
    /** What becomes of the connection that has taken the former's place. @type {Promise<number | null> | null} */
    this._successor = null;
    this._stopped = false;
  }

  start() {
    void this._run();
  }

  /** Ends for good; no callback comes after it. */
  stop() {
    this._stopped = true;
    clearTimeout(this._moving);
    this._coming?.abort();
    this._abort?.abort();
    this._wake?.();
  }

  async _run() {
    while (!this._stopped) {
      const abort = (this._abort = new AbortController());
      let wait = await this._connect(abort);
      for (let next = this._successor; next; next = this._successor) {
        this._successor = null;
        wait = await next;
      }
      if (this._stopped || wait === null) return;
      await this._sleep(wait);
    }
  }

  /** @param {AbortController} abort */
  _isOurs(abort) {
    return !this._stopped && this._abort === abort;
  }

  /** Another process has this door: joins there while this connection goes on. @param {unknown} within seconds */
  _moveSoon(within) {
    if (this._coming) return;
    const coming = (this._coming = new AbortController());
    const seconds = Math.random() * (typeof within === "number" ? Math.min(within, 60) : 5);
    this._moving = setTimeout(() => {
      const successor = this._connect(coming, () => {
        this._coming = null;
        this._successor = successor;
        const former = this._abort;
        this._abort = coming;
        former?.abort();
      });
      void successor.then(() => this._coming === coming && (this._coming = null));
    }, seconds * 1000);
  }

  /**
   * One connection from beginning to end.
   * @param {AbortController} abort
   * @param {() => void} [began] it has brought its first records, of a greeting with the newest sound
   * @returns {Promise<number | null>} seconds to wait, null: over, or it was not ours (any more)
   */
  async _connect(abort, began) {
    try {
      const answer = await fetch(withPlace(this._url), { signal: abort.signal, cache: "no-store" });
      if (began && !answer.ok) return null;
      if (answer.status === 503 || answer.status === 429) return await this._full(answer);
      if (answer.status === 404 || answer.status === 409 || answer.status === 410) return this._over("closed");
      if (!answer.ok || !answer.body) throw new Error(`push: ${answer.status}`);
      keepPlace(answer);
      return await this._read(answer.body.getReader(), abort, began);
    } catch (error) {
      abort.abort();
      if (!this._isOurs(abort)) return null;
      if (error instanceof Corrupt && ++this._corrupt > 2) return this._over("corrupt");
      this._listener.lost();
      return this._backoff.next();
    }
  }

  /**
   * @param {ReadableStreamDefaultReader<Uint8Array>} reader
   * @param {AbortController} abort
   * @param {() => void} [began]
   * @returns {Promise<number | null>}
   */
  async _read(reader, abort, began) {
    const parser = new RecordParser();
    let any = false;
    let timer = 0;
    let swallowed = false;
    const watch = (/** @type {number} */ seconds) => {
      clearTimeout(timer);
      timer = setTimeout(() => {
        swallowed = !any;
        abort.abort();
      }, seconds * 1000);
    };
    try {
      watch(SWALLOWED);
      for (;;) {
        const { done, value } = await reader.read();
        if (done) throw new Error("push: closed");
        for (const record of parser.push(value)) {
          if (!any) began?.();
          if (!this._isOurs(abort)) return null;
          if (!any) {
            any = true;
            this._backoff.reset();
            this._listener.connected();
          }
          if (record.type === BYE) {
            abort.abort();
            return this._bye(readJson(record.payload).reason);
          }
          if (record.type === MOVE) this._moveSoon(readJson(record.payload).within);
          else this._listener.record(record);
        }
        if (any) watch(SILENCE);
      }
    } catch (error) {
      if (swallowed && this._isOurs(abort)) return this._over("swallowed");
      throw error;
    } finally {
      clearTimeout(timer);
    }
  }

  /** @param {unknown} reason */
  _bye(reason) {
    if (reason === "ended") return this._over("ended");
    this._listener.lost();
    // A draining process has others beside it on the same port: come back soon, but not all at once.
    return reason === "draining" ? Math.random() * 0.8 : 1 + this._backoff.next();
  }

  /** @param {Response} answer */
  async _full(answer) {
    const told = await toldToWait(answer, () => this._stopped || this._listener.full({ seconds: 2, testing: true }));
    if (!this._stopped) this._listener.full(told);
    return told.seconds;
  }

  /** @param {"ended" | "closed" | "swallowed" | "corrupt"} reason */
  _over(reason) {
    this._stopped = true;
    this._listener.over(reason);
    return null;
  }

  /** @param {number} seconds */
  _sleep(seconds) {
    return new Promise((/** @type {(value: void) => void} */ resolve) => {
      const timer = setTimeout(resolve, seconds * 1000);
      this._wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }
}
