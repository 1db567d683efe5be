// Who listened, as tables: everything the pictures show, for reading and for screen readers.

import { clock, clockTime, date, number, span } from "./format.js";
import { chapterAt, countries, doors, parts, seconds, spoke, stops } from "./audience_model.js";

/** @typedef {import("./audience_model.js").Broadcast} Broadcast */
/** @typedef {import("./audience_model.js").Said} Said */
/** @typedef {string | Node} Cell */

/** @param {string} id @returns {HTMLElement} */
const byId = (id) => /** @type {HTMLElement} */ (document.getElementById(id));

/** Time listened, in the unit that fits. @param {number} time s @param {string} lang */
export function listened(time, lang) {
  if (time < 3600) return span(time);
  return `${number(time / 3600, lang, time < 360_000 ? 1 : 0)} h`;
}

/** A share in words; what is little is not nothing. @param {number} part @param {number} whole @param {string} lang */
export function percent(part, whole, lang) {
  if (!whole) return "–";
  const share = (100 * part) / whole;
  return share > 0 && share < 1 ? `< 1 %` : `${number(share, lang)} %`;
}

/** A name as somebody wrote it. @param {string} text */
function written(text) {
  const element = document.createElement("span");
  element.dir = "auto";
  element.textContent = text;
  return element;
}

/** A name among other words: in whatever direction it is written, it does not turn theirs (Unicode TR 9, 2.4). @param {string} text */
export const isolated = (text) => `\u2068${text}\u2069`;

/** @param {string[]} names */
const listed = (names) => names.map(isolated).join(", ") || "–";

/**
 * Puts rows into a table; the first cell is each row's head. A row that is as it was stays.
 * @param {HTMLElement} table @param {Cell[][]} rows @param {Set<number>} words columns that are no figures
 */
function fill(table, rows, words) {
  const body = /** @type {HTMLTableElement} */ (table).tBodies[0];
  const fresh = rows.map((cells) => {
    const row = document.createElement("tr");
    row.append(
      ...cells.map((cell, i) => {
        const element = document.createElement(i ? "td" : "th");
        if (!i) element.scope = "row";
        if (!words.has(i)) element.className = "figures";
        element.append(cell);
        return element;
      }),
    );
    return row;
  });
  for (const [i, row] of fresh.entries()) {
    const old = body.rows[i];
    if (!old) body.append(row);
    else if (!old.isEqualNode(row)) old.replaceWith(row);
  }
  while (body.rows.length > fresh.length) body.rows[fresh.length].remove();
}

/** A share as a number and as a bar of it. @param {number} part @param {number} whole @param {string} lang */
function share(part, whole, lang) {
  const bar = document.createElement("span");
  bar.className = "share";
  const meter = document.createElement("meter");
  meter.max = Math.max(1, whole);
  meter.value = part;
  meter.setAttribute("aria-hidden", "true");
  bar.append(percent(part, whole, lang), meter);
  return bar;
}

/** So many countries are shown at first. */
const FIRST_COUNTRIES = 12;

export class Tables {
  /** @param {import("./strings.js").Strings} strings @param {string} base of the room */
  constructor(strings, base) {
    this._strings = strings;
    this._base = base;
    this._names = new Intl.DisplayNames([strings.lang], { type: "region", fallback: "code" });
    this._allCountries = false;
  }

  /** @param {string} name of a door @returns {string} */
  door(name) {
    const known = ["push", "hls", "stream", "whep"].includes(name);
    return known ? this._strings.t(`audience.door.${name}`) : name;
  }

  /** @param {Broadcast} of @param {Said} said */
  show(of, said) {
    this._stops(of, said);
    this._parts(of, said);
    this._doors(of);
    this.countries(of);
    this._apart(of);
  }

  /** @param {number} value */
  _n(value) {
    return number(value, this._strings.lang);
  }

  /** @param {Broadcast} of @param {Said} said */
  _stops(of, said) {
    const { t, lang } = this._strings;
    const { usual, stops: found } = stops(of, said);
    byId("stops-box").hidden = !found.length;
    byId("stops-says").textContent = t(found.length ? "audience.stops_text" : "audience.stops_none", { n: this._n(usual) });
    const rows = found.map((stop) => {
      const hear = said.recorded ? this._hear(of.broadcast, Math.max(0, Math.floor(stop.offset - said.begins))) : "–";
      const share = t("audience.of_them", { n: this._n(stop.left), of: this._n(stop.of), percent: percent(stop.left, stop.of, lang) });
      const at = clock(new Date(stop.at * 1000).toISOString(), lang);
      return [at, clockTime(stop.offset), share, written(stop.chapter || "–"), listed(stop.speakers), hear];
    });
    fill(byId("stops"), rows, new Set([3, 4, 5]));
  }

  /** @param {string} broadcast @param {number} place in its recording, s */
  _hear(broadcast, place) {
    const { t, lang } = this._strings;
    const link = document.createElement("a");
    link.href = `${this._base}/replay/${broadcast}/?lang=${lang}#t=${place}`;
    link.textContent = t("audience.hear");
    link.setAttribute("aria-label", t("audience.hear_from", { time: clockTime(place) }));
    return link;
  }

  /** @param {Broadcast} of @param {Said} said */
  _parts(of, said) {
    const found = parts(of, said.chapters);
    byId("parts-box").hidden = !found.length;
    const rows = found.map((part) => [
      written(part.title), clockTime(part.offset), `${this._n(part.begins)} → ${this._n(part.ends)}`, this._n(part.peak), this._n(part.joined), this._n(part.left),
    ]);
    fill(byId("parts"), rows, new Set([0]));
  }

  /** @param {Broadcast} of */
  _doors(of) {
    const { lang } = this._strings;
    const { net } = of.totals;
    const names = [...new Set([...doors(of.minutes), ...Object.keys(net.by_door)])];
    const rows = names.flatMap((name) => {
      const door = net.by_door[name];
      if (!door) return [];
      const bar = share(door.listening_seconds, net.listening_seconds, lang);
      return [[this.door(name), this._n(door.peak), this._n(door.unique), listened(door.listening_seconds, lang), bar]];
    });
    fill(byId("doors"), rows, new Set([0]));
  }

  /** Where they listened from, if that was counted. @param {Broadcast} of */
  countries(of) {
    const { t, lang } = this._strings;
    const { rows, time } = countries(of);
    const named = rows.filter(({ code }) => code.length === 2);
    const shown = this._allCountries || named.length <= FIRST_COUNTRIES + 1 ? named : named.slice(0, FIRST_COUNTRIES);
    byId("countries-box").hidden = !rows.length;
    const button = byId("countries-all");
    button.hidden = named.length <= FIRST_COUNTRIES + 1;
    button.setAttribute("aria-expanded", String(this._allCountries));
    button.textContent = t(this._allCountries ? "audience.countries_fewer" : "audience.countries_all", { n: this._n(named.length) });
    const cells = [...shown, ...rows.slice(named.length)].map((row) => {
      const name = row.code.length === 2 ? (this._names.of(row.code) ?? row.code) : t(`audience.country.${row.code}`);
      return [name, share(row.time, time, lang), listened(row.time, lang), this._n(row.listeners)];
    });
    fill(byId("countries"), cells, new Set([0]));
  }

  /** All of them, or the first again. @param {Broadcast} of */
  toggleCountries(of) {
    this._allCountries = !this._allCountries;
    this.countries(of);
  }

  /** @param {Broadcast} of */
  _apart(of) {
    const { t, lang } = this._strings;
    const { beacon, bots } = of.totals.apart;
    const row = (/** @type {string} */ name, /** @type {import("./audience_model.js").Sums} */ sums) => [
      name, this._n(sums.peak), this._n(sums.unique), listened(sums.listening_seconds, lang),
    ];
    fill(byId("apart"), [row(t("audience.beacon"), beacon), row(t("audience.bots"), bots)], new Set([0]));
  }

  /** All minutes, the last first: while it is live that is what is looked for. @param {Broadcast} of @param {Said} said */
  minutes(of, said) {
    const { t, lang } = this._strings;
    const since = seconds(of.live_since);
    const names = doors(of.minutes);
    const columns = ["time", "listening_then", "peak", "joined", "left", "unique_so_far"].map((name) => t(`audience.col.${name}`));
    const heads = [...columns, ...names.map((name) => this.door(name)), t("audience.beacon"), t("audience.bots"), t("audience.col.chapter"), t("audience.col.speaking")];
    const row = document.createElement("tr");
    row.append(
      ...heads.map((text) => {
        const head = document.createElement("th");
        head.scope = "col";
        head.textContent = text;
        return head;
      }),
    );
    const table = /** @type {HTMLTableElement} */ (byId("minutes"));
    table.tHead?.replaceChildren(row);
    const rows = of.minutes.map((minute) => {
      const offset = seconds(minute.at) - since;
      const at = clock(minute.at, lang);
      const figures = [minute.concurrent, minute.peak, minute.joined, minute.left, minute.unique, ...names.map((name) => minute.by_door[name] ?? 0), minute.beacon, minute.bots];
      const chapter = said.chapters[chapterAt(said.chapters, offset + 30)]?.title ?? "–";
      const speakers = listed(spoke(said.voices, offset, offset + 60));
      return [minute.final ? at : t("audience.not_final", { time: at }), ...figures.map((value) => this._n(value)), written(chapter), speakers];
    });
    fill(table, rows.reverse(), new Set([heads.length - 2, heads.length - 1]));
  }

  /** @param {import("./audience_model.js").Audience} all */
  replays(all) {
    const { t, lang } = this._strings;
    const rows = all.replay.map((row) => {
      const link = document.createElement("a");
      link.href = `${this._base}/replay/${row.recording}/?lang=${lang}`;
      link.textContent = recordedAt(row.recording, lang);
      const day = date(`${row.day}T12:00:00Z`, lang);
      return [row.final ? day : t("audience.not_over", { day }), link, this._n(row.plays), listened(row.listening_seconds, lang)];
    });
    fill(byId("replays"), rows, new Set([0, 1]));
  }
}

/** When a broadcast began, out of its identifier. @param {string} broadcast "20261127T190000-0a1b2c" @param {string} lang */
export function recordedAt(broadcast, lang) {
  const found = /^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)-/.exec(broadcast);
  if (!found) return broadcast;
  const [, year, month, day, hour, minute, second] = found;
  const iso = `${year}-${month}-${day}T${hour}:${minute}:${second}Z`;
  return `${date(iso, lang)}, ${clock(iso, lang)}`;
}
