// What was said before: finished segments of the broadcast, out of the live playlist, for the player's buffer.
// Push and playlist have one timeline, so a segment lies exactly where the live sound lay. Loaded when first needed.

import { Backoff } from "./backoff.js";

/** Two ranges closer than this are one, and a wish for their seam is one for what follows, s. */
const SEAM = 0.05;
/** How far what the playlist says by its dates may be from what the clock records say, s. */
const LOOSE = 1;
/** What is shorter is a part of a segment that is not finished, s. */
const WHOLE = 2;
/** What is asked for may be finished in a moment: look again after so many seconds. */
const SOON = 0.7;

/** @typedef {{uri: string, at: number, duration: number}} Piece `at`: Unix seconds of its first sample */

/**
 * The pieces of sound that a live playlist lists: whole segments, then the parts of the one that is not finished
 * (RFC 8216bis 4.4.4). Pure.
 * @param {string} text @param {string} base address of the playlist
 * @returns {Piece[]} in order; those that are missing (EXT-X-GAP) are left out
 */
export function pieces(text, base) {
  /** @type {Piece[]} */
  const found = [];
  /** @type {Piece[]} */
  let parts = [];
  let at = 0;
  let duration = 0;
  let gap = false;
  const partsEnd = () => parts.at(-1);
  for (const line of text.split(/\r?\n/)) {
    if (line.startsWith("#EXT-X-PROGRAM-DATE-TIME:")) at = Date.parse(line.slice(25)) / 1000;
    else if (line.startsWith("#EXTINF:")) duration = Number.parseFloat(line.slice(8));
    else if (line.startsWith("#EXT-X-GAP")) gap = true;
    else if (line.startsWith("#EXT-X-PART:")) {
      const uri = /URI="([^"]+)"/.exec(line)?.[1];
      const length = Number(/[:,]DURATION=([\d.]+)/.exec(line)?.[1]);
      const before = partsEnd();
      const begins = before ? before.at + before.duration : at;
      if (uri && length > 0) parts.push({ uri: /GAP=YES/.test(line) ? "" : new URL(uri, base).href, at: begins, duration: length });
    } else if (line && !line.startsWith("#")) {
      if (!gap) found.push({ uri: new URL(line, base).href, at, duration });
      at += duration;
      gap = false;
      parts = [];
    }
  }
  return [...found, ...parts.filter((part) => part.uri)];
}

/**
 * The piece with the sound of a moment, or the next one there is. Pure.
 * @param {Piece[]} list @param {number} at Unix seconds
 */
export function pieceAt(list, at) {
  return list.find((piece) => piece.at + piece.duration > at + SEAM);
}

export class Rewind {
  /**
   * @param {string} url of the media playlist
   * @param {{sound: (bytes: Uint8Array) => void, hole: (seconds: number) => void, gone: () => void}} listener
   *   `hole`: there is no sound for so long; `gone`: it cannot be had any more
   */
  constructor(url, listener) {
    this._url = url;
    this._listener = listener;
    this._abort = new AbortController();
    this._backoff = new Backoff(0.5, 4);
    /** @type {Piece[]} */
    this._list = [];
    this._busy = false;
    this._last = "";
  }

  stop() {
    this._abort.abort();
    clearTimeout(this._timer);
  }

  /**
   * Fetches the sound of a moment, unless something is being fetched already.
   * @param {number} at Unix seconds, by the server's clock
   */
  async want(at) {
    if (this._busy) return;
    this._busy = true;
    const wait = await this._fetch(at).catch(() => this._backoff.next());
    if (this._abort.signal.aborted) return;
    this._timer = setTimeout(() => (this._busy = false), wait * 1000);
  }

  /** @param {number} at @returns {Promise<number>} seconds to wait before the next wish */
  async _fetch(at) {
    let piece = this._next(at);
    // Parts are listed for a while only: what is not a whole segment is looked up each time.
    if (!piece || piece.duration < WHOLE) {
      this._list = pieces(await (await this._get(this._url)).text(), this._url);
      piece = this._next(at);
    }
    if (!piece) return SOON;
    const answer = await this._get(piece.uri);
    this._listener.sound(new Uint8Array(await answer.arrayBuffer()));
    if (piece.at - at > LOOSE) this._listener.hole(piece.at - at);
    this._last = piece.uri;
    this._backoff.reset();
    return 0;
  }

  /** What has been handed out just now is not handed out again: dates may be a little off. @param {number} at */
  _next(at) {
    const piece = pieceAt(this._list, at);
    return piece?.uri === this._last ? this._list[this._list.indexOf(piece) + 1] : piece;
  }

  /** @param {string} url */
  async _get(url) {
    const answer = await fetch(url, { signal: this._abort.signal });
    if (answer.status === 404 || answer.status === 410) {
      this._list = [];
      this._listener.gone();
    }
    if (!answer.ok) throw new Error(`rewind: ${answer.status}`);
    return answer;
  }
}
