// Who listened, out of audience.json (docs/audience.md) and a recording's timeline. Pure. Times are Unix seconds, or
// seconds since the broadcast went live where they say `offset`.

import { csv } from "./audience_csv.js";

/** Seconds of a row of figures. */
export const MINUTE = 60;
/** Doors in the order they are named; others that come up follow. */
const DOORS = ["push", "hls", "stream", "whep"];
/** So many minutes in which most left are shown. */
const PLACES = 5;
/** Fewer who leave in one minute are no place in which people stopped; nor are as many as usual. */
const FEWEST = 2;
const CLEARLY = 1.5;

/** @typedef {{at: string, final: boolean, concurrent: number, peak: number, listening_seconds: number, by_door: Record<string, number>,
 *   joined: number, left: number, unique: number, beacon: number, bots: number}} Minute */
/** @typedef {{peak: number, peak_at: string | null, average_hundredths: number, unique: number, listening_seconds: number}} Sums */
/** @typedef {Record<string, {listeners: number, listening_seconds: number}>} Countries by code, with "other" and "unknown" */
/** @typedef {{database: string, built: string, sha256: string, at_least: number}} Database */
/** @typedef {{net: Sums & {by_door: Record<string, {peak: number, unique: number, listening_seconds: number}>, countries?: Countries},
 *   apart: {beacon: Sums, bots: Sums}, gross: {requests: number, connections: number}, salts: number}} Totals */
/** @typedef {{broadcast: string, title: string, live_since: string, ended: string | null, totals: Totals, minutes: Minute[], minutes_left_out: number}} Broadcast */
/** @typedef {{day: string, recording: string, plays: number, listening_seconds: number, final: boolean}} Replayed */
/** @typedef {{v: number, room: string, as_of: string, method: {version: number, seconds: number, within: number, unique_error: number,
 *   lists: {agents: number, ranges: number}, countries?: Database, text: Record<string, string>}, broadcasts: Broadcast[], replay: Replayed[]}} Audience */
/** @typedef {{at: number, title: string}} Chapter `at`: offset */
/** @typedef {{name: string, spans: [number, number][]}} Voice spans: offsets */
/** @typedef {{chapters: Chapter[], voices: Voice[], recorded: boolean, begins: number}} Said what was said when; `recorded`: it can be heard again; `begins`: the player's 0, offset */

/** @type {Said} */
export const NOTHING_SAID = { chapters: [], voices: [], recorded: false, begins: 0 };

/** @param {string} iso @returns {number} */
export const seconds = (iso) => Date.parse(iso) / 1000;

/** Which broadcast to show: the one named, else the newest. @param {Audience} of @param {string} name */
export function chosen(of, name) {
  return of.broadcasts.find((each) => each.broadcast === name) ?? of.broadcasts[0] ?? null;
}

/** What was said when, of a recording's timeline.json. @param {any} timeline @returns {Said} */
export function saidIn(timeline) {
  return {
    chapters: timeline.chapters.map((/** @type {any} */ each) => ({ at: Math.max(0, each.at), title: each.title })),
    voices: timeline.speakers
      .filter((/** @type {any} */ each) => each.speaking.length)
      .map((/** @type {any} */ each) => ({ name: each.name, spans: each.speaking })),
    recorded: timeline.over,
    begins: timeline.begins,
  };
}

/** The same of state.json, which knows chapters only, and of one broadcast only. @param {any} state @param {string} broadcast @returns {Said} */
export function saidNow(state, broadcast) {
  if (state.broadcast !== broadcast) return NOTHING_SAID;
  const chapters = (state.chapters ?? []).map((/** @type {any} */ each) => ({ at: Math.max(0, each.media_time), title: each.title }));
  return { ...NOTHING_SAID, chapters };
}

/** @param {Minute[]} minutes @returns {string[]} doors there are figures of, the known ones first */
export function doors(minutes) {
  const found = new Set(minutes.flatMap((minute) => Object.keys(minute.by_door)));
  return [...DOORS.filter((door) => found.has(door)), ...[...found].filter((door) => !DOORS.includes(door)).sort()];
}

/** @typedef {{x: number[], minutes: (Minute | null)[], final: (number | null)[], open: (number | null)[], joined: (number | null)[], left: (number | null)[],
 *   doors: Record<string, (number | null)[]>, beacon: (number | null)[], bots: (number | null)[]}} Series */

/**
 * Columns to draw, one place for each minute; where minutes are missing there is one empty place. `open` is what goes
 * on being counted, begun at the last final minute so that the line hangs together.
 * @param {Minute[]} minutes @returns {Series}
 */
export function series(minutes) {
  /** @type {Series} */
  const made = { x: [], minutes: [], final: [], open: [], joined: [], left: [], doors: {}, beacon: [], bots: [] };
  const names = doors(minutes);
  for (const name of names) made.doors[name] = [];
  const put = (/** @type {number} */ x, /** @type {Minute | null} */ minute) => {
    made.x.push(x);
    made.minutes.push(minute);
    made.final.push(minute?.final ? minute.concurrent : null);
    made.open.push(minute && !minute.final ? minute.concurrent : null);
    made.joined.push(minute && minute.joined);
    made.left.push(minute && -minute.left);
    made.beacon.push(minute && minute.beacon);
    made.bots.push(minute && minute.bots);
    for (const name of names) made.doors[name].push(minute && (minute.by_door[name] ?? 0));
  };
  let last = Number.NaN;
  for (const minute of minutes) {
    const x = seconds(minute.at) + MINUTE / 2;
    if (x - last > 1.5 * MINUTE) put(last + MINUTE, null);
    put(x, minute);
    last = x;
  }
  const begins = made.open.findIndex((value) => value !== null);
  if (begins > 0 && made.final[begins - 1] !== null) made.open[begins - 1] = made.final[begins - 1];
  return made;
}

/** The last minute whose figures are final, and which was over before the end. @param {Broadcast} of @returns {Minute | null} */
export function lastWhole(of) {
  return whole(of).at(-1) ?? null;
}

/** @param {Chapter[]} chapters @param {number} offset @returns {number} which chapter begins last before it, -1: none */
export function chapterAt(chapters, offset) {
  return chapters.findLastIndex((chapter) => chapter.at <= offset);
}

/** Names of those who spoke in a stretch, who spoke longest first. @param {Voice[]} voices @param {number} from @param {number} to offsets */
export function spoke(voices, from, to) {
  return voices
    .map(({ name, spans }) => ({ name, time: spans.reduce((sum, [a, b]) => sum + Math.max(0, Math.min(b, to) - Math.max(a, from)), 0) }))
    .filter(({ time }) => time > 0)
    .sort((a, b) => b.time - a.time)
    .map(({ name }) => name);
}

/** Minutes that were over before the end, the figures of which are final. @param {Broadcast} of */
function whole(of) {
  const end = of.ended === null ? Infinity : seconds(of.ended);
  return of.minutes.filter((minute) => minute.final && seconds(minute.at) + MINUTE <= end);
}

/** @typedef {{at: number, offset: number, left: number, of: number, chapter: string, speakers: string[]}} Stop `of`: who was there in that minute */

/**
 * The minutes in which clearly more left than usual, as long as it went on: that all leave at the end says nothing.
 * `usual`: the median of who left in a minute.
 * @param {Broadcast} of @param {Said} said @returns {{usual: number, stops: Stop[]}} the most first
 */
export function stops(of, said) {
  const since = seconds(of.live_since);
  // Who was handed his last second in the minute before the end stayed to the end.
  const minutes = of.ended === null ? whole(of) : whole(of).filter((minute) => seconds(minute.at) + 2 * MINUTE <= seconds(of.ended ?? ""));
  const sorted = minutes.map((minute) => minute.left).sort((a, b) => a - b);
  const usual = sorted[Math.floor(sorted.length / 2)] ?? 0;
  const found = minutes.flatMap((minute, i) => {
    if (minute.left < FEWEST || minute.left < CLEARLY * usual) return [];
    const at = seconds(minute.at);
    const offset = Math.max(0, at - since);
    const before = i && seconds(minutes[i - 1].at) + MINUTE === at ? minutes[i - 1].concurrent : 0;
    return [{
      at,
      offset,
      left: minute.left,
      of: Math.max(minute.left, before + minute.joined),
      chapter: said.chapters[chapterAt(said.chapters, offset + MINUTE / 2)]?.title ?? "",
      speakers: spoke(said.voices, at - since, at - since + MINUTE),
    }];
  });
  return { usual, stops: found.sort((a, b) => b.left - a.left || a.at - b.at).slice(0, PLACES) };
}

/** @typedef {{title: string, offset: number, begins: number, ends: number, peak: number, joined: number, left: number, minutes: number}} Part `begins`, `ends`: listeners then */

/**
 * What became of the listeners in each chapter: its minutes are those whose middle is in it, and that were over before
 * the end.
 * @param {Broadcast} of @param {Chapter[]} chapters @returns {Part[]} those that have such minutes
 */
export function parts(of, chapters) {
  const since = seconds(of.live_since);
  return chapters.flatMap((chapter, i) => {
    const next = chapters[i + 1]?.at ?? Infinity;
    const inside = whole(of).filter((minute) => {
      const middle = seconds(minute.at) + MINUTE / 2 - since;
      return chapter.at <= middle && middle < next;
    });
    if (!inside.length) return [];
    const sum = (/** @type {(minute: Minute) => number} */ one) => inside.reduce((all, minute) => all + one(minute), 0);
    return [{
      title: chapter.title,
      offset: chapter.at,
      begins: inside[0].concurrent,
      ends: inside[inside.length - 1].concurrent,
      peak: Math.max(...inside.map((minute) => minute.peak)),
      joined: sum((minute) => minute.joined),
      left: sum((minute) => minute.left),
      minutes: inside.length,
    }];
  });
}

/** @typedef {{code: string, listeners: number, time: number}} Country `code`: also "other" and "unknown"; `time`: listened, s */

/** From where was listened, the longest first; last what is no country. @param {Broadcast} of @returns {{rows: Country[], time: number}} `time`: of all of them, s */
export function countries(of) {
  const found = Object.entries(of.totals.net.countries ?? {}).map(([code, each]) => ({ code, listeners: each.listeners, time: each.listening_seconds }));
  const last = (/** @type {Country} */ { code }) => ["other", "unknown"].indexOf(code) + 1;
  const rows = found.sort((a, b) => last(a) - last(b) || b.time - a.time || (a.code < b.code ? -1 : 1));
  return { rows, time: rows.reduce((sum, row) => sum + row.time, 0) };
}

/**
 * What the public record says of one broadcast (docs/record.md): audience.json has the newest minutes only. Nothing is
 * checked here: `hustings verify` does that.
 * @param {string} text record.jsonl @param {string} broadcast @param {string} opened openings of what is sealed there
 * @returns {{minutes: Minute[], chapters: {at: string, title: string}[]}}
 */
export function recorded(text, broadcast, opened = "") {
  /** @type {{minutes: Minute[], chapters: {at: string, title: string}[]}} */
  const found = { minutes: [], chapters: [] };
  for (const line of text.split("\n")) {
    // Most lines are of other broadcasts: they are not even parsed.
    if (!line.includes(broadcast)) continue;
    const { at, kind, data } = JSON.parse(line);
    if (data?.broadcast !== broadcast) continue;
    if (kind === "chapter") found.chapters.push({ at, title: data.title });
    if (kind === "audience" && !data.sealed) found.minutes.push(minuteOf(data));
  }
  for (const line of opened.split("\n")) {
    if (!line.includes(broadcast)) continue;
    const { data } = JSON.parse(line);
    if (data.broadcast === broadcast && data.minute) found.minutes.push(minuteOf(data));
  }
  return found;
}

/** @param {any} data of an entry "audience" @returns {Minute} */
function minuteOf({ minute, net, doors: by, beacon, bots }) {
  return {
    at: minute,
    final: true,
    concurrent: net.concurrent,
    peak: net.peak,
    listening_seconds: net.seconds,
    by_door: Object.fromEntries(DOORS.map((door) => [door, by[door]?.concurrent ?? 0])),
    joined: net.joined,
    left: net.left,
    unique: net.unique,
    beacon: beacon.concurrent,
    bots: bots.concurrent,
  };
}

/** The broadcast with the minutes of the record that it had left out. @param {Broadcast} of @param {Minute[]} minutes @returns {Broadcast} */
export function withEarlier(of, minutes) {
  const first = of.minutes[0]?.at ?? "\uffff";
  const earlier = minutes.filter((minute) => minute.at < first);
  return { ...of, minutes: [...earlier, ...of.minutes], minutes_left_out: Math.max(0, of.minutes_left_out - earlier.length) };
}

/** Whether anything at all was counted. @param {Broadcast} of */
export function anybody(of) {
  return of.minutes.some((minute) => minute.peak > 0) || of.totals.net.peak > 0;
}

/** A file of all minutes (RFC 4180). @param {Audience} all @param {Broadcast} of @param {Said} said */
export function minutesCsv(all, of, said) {
  const since = seconds(of.live_since);
  const named = [...new Set([...DOORS, ...doors(of.minutes)])];
  const head = [
    ...["room", "broadcast", "minute", "seconds_since_live", "final", "concurrent", "peak", "listening_seconds", "joined", "left", "unique_so_far"],
    ...named, "beacon_apart", "bots_apart", "chapter", "speakers",
  ];
  const rows = of.minutes.map((minute) => {
    const offset = seconds(minute.at) - since;
    const chapter = said.chapters[chapterAt(said.chapters, offset + MINUTE / 2)]?.title ?? "";
    return [
      all.room, of.broadcast, minute.at, Math.round(offset), minute.final, minute.concurrent, minute.peak, minute.listening_seconds,
      minute.joined, minute.left, minute.unique, ...named.map((door) => minute.by_door[door] ?? 0), minute.beacon, minute.bots,
      chapter, spoke(said.voices, offset, offset + MINUTE).join("; "),
    ];
  });
  return csv(head, rows);
}

/** A file of where was listened from (RFC 4180). @param {Audience} all @param {Broadcast} of */
export function countriesCsv(all, of) {
  const rows = countries(of).rows.map((row) => [all.room, of.broadcast, row.code, row.time, row.listeners]);
  return csv(["room", "broadcast", "country", "listening_seconds", "most_in_one_minute"], rows);
}

/** A file of what was heard again (RFC 4180). @param {Audience} all */
export function replayCsv(all) {
  const rows = all.replay.map((row) => [all.room, row.day, row.recording, row.final, row.plays, row.listening_seconds]);
  return csv(["room", "day", "recording", "final", "plays", "listening_seconds"], rows);
}
