// Who listened: the room's figures from audience.json, asked for anew as long as somebody looks. What was said when
// comes from the recording, also while it is made; without one from state.json, which knows chapters only.

import { Pictures, reach, stretch } from "./audience_chart.js";
import { anybody, chapterAt, chosen, countriesCsv, lastWhole, minutesCsv, NOTHING_SAID, recorded, replayCsv, saidIn, saidNow, seconds, series, spoke, withEarlier } from "./audience_model.js";
import { isolated, listened, Tables } from "./audience_tables.js";
import { clock, date, number } from "./format.js";
import { Strings } from "./strings.js";

/** Until the next look, ms: while something is on air, and else. Somebody may come on air any time. */
const LIVE = 15_000;
const QUIET = 60_000;
/** What was said when is asked for as often as there is another minute, ms. */
const SAID_FOR = 50_000;
/** Free databases of countries whose licences want their makers named where their data is shown. */
const MAKERS = [
  { kind: /^GeoLite/, home: "https://www.maxmind.com", credit: "This product includes GeoLite Data created by MaxMind, available from https://www.maxmind.com." },
  { kind: /^DBIP/, home: "https://db-ip.com", credit: "IP Geolocation by DB-IP" },
];

/** @template {HTMLElement} T @param {string} id @returns {T} */
const byId = (id) => /** @type {T} */ (document.getElementById(id));

/** @typedef {import("./audience_model.js").Audience} Audience */
/** @typedef {import("./audience_model.js").Broadcast} Broadcast */

/** Something the server said instead. */
class Refused extends Error {
  /** @param {number} status */
  constructor(status) {
    super(`${status}`);
    this.status = status;
  }
}

/** @param {string} address @returns {Promise<any>} */
async function json(address) {
  const answer = await fetch(address);
  if (!answer.ok) throw new Refused(answer.status);
  return answer.json();
}

class AudiencePage {
  /** @param {Strings} strings */
  constructor(strings) {
    this._strings = strings;
    this._box = byId("counted");
    this._base = this._box.dataset.base ?? "";
    this._figures = this._box.dataset.figures ?? "";
    this._tables = new Tables(strings, this._base);
    this._said = NOTHING_SAID;
    /** The broadcast this is of, and when it was asked for. */
    this._saidFor = "";
    this._saidAt = 0;
    /** @type {Audience | null} */
    this._all = null;
    /** @type {import("./audience_model.js").Series | null} */
    this._series = null;
    this._timer = 0;
    /** What was fetched from the public record, by broadcast. @type {Map<string, import("./audience_model.js").Minute[]>} */
    this._earlier = new Map();
    const parts = {
      curve: byId("curve"), plot: byId("plot"), marks: byId("marks"), comings: byId("comings"), at: byId("at"), legend: byId("legend"),
      voices: /** @type {HTMLCanvasElement} */ (byId("voices")), minute: /** @type {HTMLInputElement} */ (byId("minute")),
    };
    this._pictures = new Pictures(parts, strings.lang, (index) => this._read(index));
    this._which = /** @type {HTMLSelectElement} */ (byId("which"));
    this._listen();
  }

  _listen() {
    this._which.addEventListener("change", () => (location.hash = this._which.value));
    window.addEventListener("hashchange", () => void this._other());
    document.addEventListener("visibilitychange", () => {
      if (!document.hidden) void this.look();
    });
    window.addEventListener("online", () => void this.look());
    byId("again").addEventListener("click", () => void this.look());
    byId("by-door").addEventListener("click", () => this._toggleDoors());
    byId("minutes-box").addEventListener("toggle", () => this._minutes());
    byId("left-out-fetch").addEventListener("click", () => void this._fetchEarlier());
    byId("csv").addEventListener("click", () => this._save("minutes"));
    byId("csv-countries").addEventListener("click", () => this._save("countries"));
    byId("countries-all").addEventListener("click", () => this._of && this._tables.toggleCountries(this._of));
    byId("csv-replay").addEventListener("click", () => this._save("replay"));
  }

  /** The broadcast that is shown. @returns {Broadcast | null} */
  get _of() {
    const of = this._all && chosen(this._all, location.hash.slice(1));
    const earlier = of && this._earlier.get(of.broadcast);
    return of && earlier ? withEarlier(of, earlier) : of;
  }

  /** The minutes that audience.json has left out. */
  async _fetchEarlier() {
    const of = this._of;
    const button = /** @type {HTMLButtonElement} */ (byId("left-out-fetch"));
    if (!of || button.disabled) return;
    button.disabled = true;
    try {
      const answer = await fetch(`${this._base}/record.jsonl`);
      if (!answer.ok) throw new Refused(answer.status);
      // What is sealed there hosts get from the studio.
      const { openings } = this._box.dataset;
      const opened = openings ? await (await fetch(openings)).text() : "";
      const { minutes, chapters } = recorded(await answer.text(), of.broadcast, opened);
      this._earlier.set(of.broadcast, minutes);
      const since = seconds(of.live_since);
      if (!this._said.chapters.length) this._said = { ...this._said, chapters: chapters.map(({ at, title }) => ({ at: Math.max(0, seconds(at) - since), title })) };
      this._show();
    } catch {
      byId("left-out").textContent = this._strings.t("audience.left_out_failed");
    } finally {
      button.disabled = false;
    }
  }

  /** Asks the server, shows what it says, and comes again. */
  async look() {
    clearTimeout(this._timer);
    try {
      const all = /** @type {Audience} */ (await json(this._figures));
      const of = chosen(all, location.hash.slice(1));
      this._said = of ? await this._saidOf(of) : NOTHING_SAID;
      this._all = all;
      this._show();
    } catch (error) {
      this._failed(error);
    }
    document.documentElement.dataset.ready = "";
    clearTimeout(this._timer);
    const wait = this._all?.broadcasts[0]?.ended === null ? LIVE : QUIET;
    // Not all at once: a thousand pages were opened in the same minute.
    this._timer = window.setTimeout(() => this._again(), wait * (0.9 + 0.2 * Math.random()));
  }

  _again() {
    if (!document.hidden) void this.look();
  }

  /** @param {Broadcast} of @returns {Promise<import("./audience_model.js").Said>} */
  async _saidOf(of) {
    const known = this._saidFor === of.broadcast && (this._said.recorded || performance.now() - this._saidAt < SAID_FOR);
    if (known) return this._said;
    this._saidFor = of.broadcast;
    this._saidAt = performance.now();
    return this._askSaid(of);
  }

  /** @param {Broadcast} of @returns {Promise<import("./audience_model.js").Said>} */
  async _askSaid(of) {
    try {
      return saidIn(await json(`${this._base}/replay/${of.broadcast}/timeline.json`));
    } catch {
      try {
        return saidNow(await json(`${this._base}/state.json`), of.broadcast);
      } catch {
        return NOTHING_SAID;
      }
    }
  }

  async _other() {
    const of = this._of;
    if (!of) return;
    this._said = await this._saidOf(of);
    this._show();
  }

  /** @param {unknown} error */
  _failed(error) {
    const { t, lang } = this._strings;
    const unpublished = error instanceof Refused && (error.status === 404 || error.status === 410);
    if (this._all && !unpublished) {
      byId("stale").hidden = false;
      byId("stale").textContent = t("audience.stale", { time: clock(this._all.as_of, lang, true) });
      return;
    }
    this._all = null;
    this._empty(t(unpublished ? "audience.unpublished" : "audience.unreachable"), unpublished ? "unpublished" : "unreachable");
    for (const id of ["which-box", "replay-box", "method-box"]) byId(id).hidden = true;
    byId("again").hidden = unpublished;
  }

  /** Says why there is nothing to see. @param {string} text @param {string} state */
  _empty(text, state) {
    byId("empty").hidden = false;
    byId("again").hidden = true;
    byId("empty-says").textContent = text;
    this._box.hidden = true;
    this._box.dataset.state = state;
  }

  _show() {
    const { t, lang } = this._strings;
    const all = /** @type {Audience} */ (this._all);
    byId("stale").hidden = true;
    byId("as-of").textContent = t("audience.as_of", { time: clock(all.as_of, lang, true) });
    this._choice(all);
    this._replay(all);
    this._method(all);
    const of = this._of;
    byId("csv").hidden = !of?.minutes.length;
    byId("csv-countries").hidden = !Object.keys(of?.totals.net.countries ?? {}).length;
    this._head(of);
    if (!of) return this._empty(t("audience.none"), "none");
    if (of.ended === null && !of.minutes.length && !of.minutes_left_out) return this._empty(t("audience.soon", { time: clock(of.live_since, lang) }), "soon");
    if (!anybody(of)) return this._empty(t(of.ended === null ? "audience.nobody" : "audience.nobody_came", { n: all.method.seconds }), "nobody");
    byId("empty").hidden = true;
    this._box.hidden = false;
    this._box.dataset.state = of.ended === null ? "live" : "ended";
    this._totals(all, of);
    byId("left-out-box").hidden = !of.minutes_left_out;
    byId("left-out").textContent = t("audience.left_out", { n: number(of.minutes_left_out, lang) });
    for (const id of ["curve-box", "stops-section", "by-door"]) byId(id).hidden = !of.minutes.length;
    if (of.minutes.length) this._draw(of);
    this._tables.show(of, this._said);
    this._minutes();
  }

  /** @param {Broadcast | null} of */
  _head(of) {
    const { t, lang } = this._strings;
    const live = of?.ended === null;
    byId("badge").dataset.status = live ? "live" : "ended";
    byId("badge").textContent = t(live ? "audience.badge_live" : "audience.badge");
    if (!of) byId("when").textContent = "";
    else if (of.ended === null) byId("when").textContent = t("audience.since", { time: clock(of.live_since, lang) });
    else byId("when").textContent = `${date(of.live_since, lang)}, ${clock(of.live_since, lang)}–${clock(of.ended, lang)}`;
  }

  /** @param {Audience} all */
  _choice(all) {
    const { t, lang } = this._strings;
    byId("which-box").hidden = all.broadcasts.length < 2;
    const texts = all.broadcasts.map((each) => {
      const when = `${date(each.live_since, lang)}, ${clock(each.live_since, lang)}`;
      return { value: each.broadcast, text: `${each.ended === null ? t("audience.on_air", { when }) : when} · ${each.title}` };
    });
    const before = [...this._which.options].map(({ value, text }) => ({ value, text }));
    if (JSON.stringify(before) !== JSON.stringify(texts)) this._which.replaceChildren(...texts.map(({ value, text }) => new Option(text, value)));
    this._which.value = this._of?.broadcast ?? "";
  }

  /** @param {string} name @param {string} value @param {string} more */
  _figure(name, value, more = "") {
    const box = /** @type {HTMLElement} */ (document.querySelector(`[data-figure="${name}"]`));
    const [shown, beside] = box.querySelectorAll("[data-part]");
    shown.textContent = value;
    beside.textContent = more;
  }

  /** @param {Audience} all @param {Broadcast} of */
  _totals(all, of) {
    const { t, lang } = this._strings;
    const { net, gross, salts } = of.totals;
    // As long as no minute is final there are no totals, and 0 would be none.
    const counted = of.ended !== null || of.minutes.some((minute) => minute.final);
    const n = (/** @type {number} */ value) => (counted ? number(value, lang) : "–");
    byId("net-text").textContent = t("audience.net_text", { n: all.method.seconds });
    const whole = lastWhole(of);
    const now = /** @type {HTMLElement} */ (document.querySelector('[data-figure="now"] dt'));
    now.textContent = t(of.ended === null ? "audience.now" : "audience.end");
    this._figure("now", whole ? n(whole.concurrent) : "–", whole ? t("audience.at_time", { time: clock(whole.at, lang) }) : "");
    this._figure("peak", n(net.peak), net.peak_at ? t("audience.at_time", { time: clock(net.peak_at, lang) }) : "");
    this._figure("average", !counted ? "–" : number(net.average_hundredths / 100, lang, net.average_hundredths < 10_000 && net.average_hundredths % 100 ? 1 : 0));
    const error = t("audience.unique_error", { percent: number(100 * all.method.unique_error, lang) });
    this._figure("unique", n(net.unique), !counted ? "" : salts > 1 ? `${error}; ${t("audience.unique_at_most")}` : error);
    this._figure("listening", counted ? listened(net.listening_seconds, lang) : "–");
    this._figure("requests", n(gross.requests));
    this._figure("connections", n(gross.connections));
  }

  /** @param {Broadcast} of */
  _draw(of) {
    const { t, lang } = this._strings;
    this._series = series(of.minutes);
    const { from, to, end } = stretch(of);
    const names = { all: t("audience.all_doors"), open: t("audience.open"), joined: t("audience.joined"), left: t("audience.left"), door: (/** @type {string} */ name) => this._tables.door(name) };
    const view = { series: this._series, said: this._said, since: seconds(of.live_since), from, to, end, names };
    const { peak_at } = of.totals.net;
    this._pictures.show(view, of.ended === null || !peak_at ? to : seconds(peak_at) + 30);
    const { cut, joined, left } = reach(this._series, end);
    byId("comings-cut").hidden = !cut;
    byId("comings-cut").textContent = t("audience.cut", { joined: number(joined, lang), left: number(left, lang) });
    byId("unsaid").hidden = this._said.voices.length > 0;
    byId("curve-says").textContent = t("audience.curve_says", {
      from: clock(of.minutes[0].at, lang), to: clock(new Date(to * 1000).toISOString(), lang), first: number(of.minutes[0].concurrent, lang),
      peak: number(of.totals.net.peak, lang), peak_at: peak_at ? clock(peak_at, lang) : "–", last: number((lastWhole(of) ?? of.minutes[0]).concurrent, lang),
    });
  }

  /** Says what is at a place of the pictures. @param {number} index -1: nothing */
  _read(index) {
    const { t, lang } = this._strings;
    const of = this._of;
    const minute = this._series?.minutes[index];
    const looked = new Date(Number(/** @type {HTMLInputElement} */ (byId("minute")).value) * 1000 - 30_000).toISOString();
    let says = t("audience.at_gap", { time: clock(looked, lang) });
    if (minute && of) {
      const n = (/** @type {number} */ value) => number(value, lang);
      says = t("audience.at", { time: clock(minute.at, lang), listening: n(minute.concurrent), joined: n(minute.joined), left: n(minute.left) });
      if (!minute.final) says = t("audience.at_open", { minute: says });
      const offset = seconds(minute.at) - seconds(of.live_since);
      const chapter = this._said.chapters[chapterAt(this._said.chapters, offset + 30)];
      if (chapter) says = t("audience.at_chapter", { minute: says, title: isolated(chapter.title) });
      const names = spoke(this._said.voices, offset, offset + 60);
      if (names.length) says = t("audience.at_speakers", { minute: says, names: names.map(isolated).join(", ") });
    }
    byId("readout").textContent = says;
    byId("minute").setAttribute("aria-valuetext", says);
  }

  _toggleDoors() {
    this._pictures.byDoor = !this._pictures.byDoor;
    byId("by-door").setAttribute("aria-pressed", String(this._pictures.byDoor));
    this._pictures.draw();
  }

  /** The table is made when somebody opens it. */
  _minutes() {
    const box = /** @type {HTMLDetailsElement} */ (byId("minutes-box"));
    const of = this._of;
    if (box.open && of) this._tables.minutes(of, this._said);
  }

  /** @param {Audience} all */
  _replay(all) {
    const { t, lang } = this._strings;
    byId("replay-box").hidden = !all.replay.length;
    byId("csv-replay").hidden = !all.replay.length;
    if (!all.replay.length) return;
    const sum = (/** @type {"plays" | "listening_seconds"} */ name) => all.replay.reduce((whole, row) => whole + row[name], 0);
    byId("replay-text").textContent = t("audience.replay_text", { plays: number(sum("plays"), lang), time: listened(sum("listening_seconds"), lang), n: all.method.seconds });
    this._tables.replays(all);
  }

  /** @param {Audience} all */
  _method({ method }) {
    const { t, lang } = this._strings;
    byId("method-box").hidden = false;
    byId("method").textContent = method.text[lang] ?? method.text.en;
    byId("method-more").textContent = t("audience.method_more", {
      version: method.version, percent: number(100 * method.unique_error, lang), agents: number(method.lists.agents, lang), ranges: number(method.lists.ranges, lang),
    });
    this._database(method.countries);
  }

  /** Which database, or that there is none; and whose it is, as licences want it said. @param {import("./audience_model.js").Database | undefined} database */
  _database(database) {
    const { t, lang } = this._strings;
    const box = byId("method-countries");
    if (!database) {
      box.textContent = t("audience.method_countries_none");
      return;
    }
    const says = t("audience.method_countries", { database: isolated(database.database), date: date(`${database.built}T12:00:00Z`, lang) });
    const maker = MAKERS.find(({ kind }) => kind.test(database.database));
    const link = document.createElement("a");
    link.href = maker?.home ?? "";
    link.textContent = maker?.credit ?? "";
    box.replaceChildren(says, ...(maker ? [" ", link] : []));
  }

  /** @param {"minutes" | "countries" | "replay"} what */
  _save(what) {
    const all = this._all;
    const of = this._of;
    if (!all || (what !== "replay" && !of)) return;
    const text = !of || what === "replay" ? replayCsv(all) : what === "minutes" ? minutesCsv(all, of, this._said) : countriesCsv(all, of);
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([text], { type: "text/csv;charset=utf-8" }));
    const names = { minutes: of?.broadcast, countries: `${of?.broadcast}-countries`, replay: "replay" };
    link.download = `${all.room}-${names[what]}.csv`;
    link.click();
    // When the browser has taken it.
    setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
  }
}

async function begin() {
  byId("empty").hidden = false;
  const strings = await Strings.load();
  await new AudiencePage(strings).look();
}

void begin().catch((error) => console.warn(error));
