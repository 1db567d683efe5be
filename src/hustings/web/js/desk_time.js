// Date, time and time zone of a room. What a local time is in UTC is worked out by the server, which knows
// the clocks' changes; it says so, too, when the clocks skip that time.

import { byId, call } from "./desk_api.js";
import { clock } from "./format.js";

/** @typedef {{at: string | null, time_zone: string, weekly: boolean}} When */

export class DeskTime {
  /** @param {import("./strings.js").Strings} strings @param {() => void} changed */
  constructor(strings, changed) {
    this._strings = strings;
    this._date = /** @type {HTMLInputElement} */ (byId("date"));
    this._time = /** @type {HTMLInputElement} */ (byId("time"));
    this._zone = /** @type {HTMLSelectElement} */ (byId("zone"));
    this._weekly = /** @type {HTMLInputElement} */ (byId("weekly"));
    this._says = byId("when-says");
    this._asked = 0;
    if (!this._zone.dataset.chosen) this._choose(Intl.DateTimeFormat().resolvedOptions().timeZone || "UTC");
    this._first = this._key();
    for (const field of [this._date, this._time, this._zone, this._weekly]) {
      field.addEventListener("change", () => {
        void this._show();
        changed();
      });
    }
    void this._show();
  }

  /** Whether another time was chosen than the room has. */
  get changed() {
    return this._key() !== this._first;
  }

  /** What was chosen is what the room has now. */
  kept() {
    this._first = this._key();
  }

  /** Whether one of date and time is missing. */
  get half() {
    return Boolean(this._date.value) !== Boolean(this._time.value);
  }

  /** For the API. Problem when there is no such time. @returns {Promise<When>} */
  async read() {
    const zone = this._zone.value;
    if (!this._date.value) return { at: null, time_zone: zone, weekly: false };
    const { at } = await this._ask();
    return { at, time_zone: zone, weekly: this._weekly.checked };
  }

  /** @returns {Promise<{at: string, local: string, offset: string, moved: boolean}>} */
  _ask() {
    const asked = new URLSearchParams({ local: `${this._date.value}T${this._time.value.slice(0, 5)}`, zone: this._zone.value });
    return call("GET", `/api/times?${asked}`);
  }

  /** In words: when that is here, how long until then, and whether the clocks skip it. */
  async _show() {
    const mine = ++this._asked;
    const { t, lang } = this._strings;
    this._weekly.disabled = !this._date.value;
    if (!this._date.value || !this._time.value) {
      this._says.textContent = this.half ? t("desk.when_half") : t("desk.when_none");
      this._says.classList.remove("warn");
      return;
    }
    try {
      const found = await this._ask();
      if (mine !== this._asked) return;
      const wait = (Date.parse(found.at) - Date.now()) / 1000;
      const places = { date: longDay(found.at, lang), time: clock(found.at, lang), until: until(wait, lang) };
      const there = { time_there: found.local.slice(11), zone: this._zone.value };
      const words = [
        found.moved ? t("desk.when_moved", there) : "",
        t("desk.when_here", places),
        wait > 0 ? "" : t("desk.when_past"),
        this._weekly.checked ? t("desk.when_weekly", { time: found.local.slice(11) }) : "",
      ];
      this._says.textContent = words.filter(Boolean).join(" ");
      this._says.classList.toggle("warn", found.moved || wait <= 0);
    } catch {
      if (mine === this._asked) this._says.textContent = t("desk.when_unknown");
    }
  }

  /** @param {string} zone */
  _choose(zone) {
    if (![...this._zone.options].some((option) => option.value === zone)) this._zone.add(new Option(zone, zone), 0);
    this._zone.value = zone;
  }

  _key() {
    return [this._date.value, this._time.value, this._date.value && this._zone.value, this._weekly.checked].join(" ");
  }
}

/** @param {string} iso @param {string} lang @returns {string} "Wednesday, 3 March 2027" */
function longDay(iso, lang) {
  const format = new Intl.DateTimeFormat(lang === "en" ? "en-GB" : lang, { dateStyle: "full" });
  return format.format(new Date(iso));
}

/** @param {number} seconds @param {string} lang @returns {string} "in 3 days", "in 20 minutes", "2 hours ago" */
function until(seconds, lang) {
  const format = new Intl.RelativeTimeFormat(lang);
  const away = Math.abs(seconds);
  if (away >= 48 * 3600) return format.format(Math.round(seconds / 86_400), "day");
  if (away >= 5400) return format.format(Math.round(seconds / 3600), "hour");
  return format.format(Math.round(seconds / 60), "minute");
}
