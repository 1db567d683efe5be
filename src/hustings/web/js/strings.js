// The page's texts, from the same catalogue the server uses (web/i18n). The page says in
// <html data-strings> where it is.

import { number } from "./format.js";

/** @typedef {(key: string, places?: Record<string, string | number>) => string} Translate */

export class Strings {
  /** @param {string} lang @param {Record<string, string>} catalogue */
  constructor(lang, catalogue) {
    this.lang = lang;
    this._catalogue = catalogue;
  }

  /** The page's own catalogue. A page without it keeps the words the server wrote. */
  static load() {
    return Strings.of(document.documentElement.dataset.strings ?? "");
  }

  /** The one at an address. @param {string} address */
  static async of(address) {
    const html = document.documentElement;
    const answer = await fetch(address);
    if (!answer.ok) throw new Error(`texts: ${answer.status}`);
    return new Strings(html.lang, await answer.json());
  }

  /** @type {Translate} */
  t = (key, places = {}) => {
    const text = this._catalogue[key];
    if (text === undefined) throw new Error(`no text for ${key}`);
    return text.replace(/\{(\w+)\}/g, (whole, name) => (name in places ? String(places[name]) : whole));
  };

  /**
   * The text for a number of things; `{n}` is the number, written as the language does.
   * @param {string} key @param {number} count
   */
  n(key, count) {
    return this.t(`${key}.${count === 1 ? "one" : "other"}`, { n: number(count, this.lang) });
  }
}
