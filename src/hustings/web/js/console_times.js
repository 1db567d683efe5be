// Times as the console says them: in the reader's zone, with the room's beside; clocks that run out. Pure.

import { clockTime } from "./format.js";

/** Seconds before the end of a turn at which the speaker is told. */
export const SOON = 30;

/** @param {string} zone @returns {boolean} whether this browser knows it */
function known(zone) {
  try {
    new Intl.DateTimeFormat("en", { timeZone: zone });
    return Boolean(zone);
  } catch {
    return false;
  }
}

/**
 * A moment for the invited: "Tue, 24 Nov 2026, 20:00 CET", and in the room's zone when its clocks say otherwise.
 * @param {string} iso @param {string} lang @param {string} roomZone IANA name or ""
 * @param {string} [ownZone] the reader's
 * @returns {{here: string, there: string, place: string}} `there`: "" when the clocks say the same; `place`: the zone's city
 */
export function moment(iso, lang, roomZone, ownZone = Intl.DateTimeFormat().resolvedOptions().timeZone) {
  const say = (/** @type {string} */ timeZone, /** @type {"short" | undefined} */ timeZoneName) => new Intl.DateTimeFormat(lang === "en" ? "en-GB" : lang, {
    weekday: "short", day: "numeric", month: "short", year: "numeric", hour: "2-digit", minute: "2-digit", hour12: false, timeZoneName, timeZone,
  }).format(new Date(iso));
  const wall = (/** @type {string} */ timeZone) => new Intl.DateTimeFormat("sv", { dateStyle: "short", timeStyle: "short", timeZone }).format(new Date(iso));
  const differs = known(roomZone) && wall(roomZone) !== wall(ownZone);
  const place = (roomZone.split("/").at(-1) ?? "").replaceAll("_", " ");
  return { here: say(ownZone, "short"), there: differs ? say(roomZone, undefined) : "", place };
}

/**
 * The speaking clock. @param {string | null | undefined} until ISO 8601 @param {number} now ms
 * @returns {{state: "" | "running" | "soon" | "over", time: string, seconds: number}}
 */
export function turn(until, now) {
  if (!until) return { state: "", time: "", seconds: 0 };
  const seconds = Math.ceil((Date.parse(until) - now) / 1000);
  if (seconds <= 0) return { state: "over", time: clockTime(-seconds), seconds };
  return { state: seconds <= SOON ? "soon" : "running", time: clockTime(seconds), seconds };
}

/**
 * How long each topic has taken. A topic is over when the next chapter begins.
 * @param {import("./console_model.js").Room} room @param {number} now ms
 * @returns {Map<string, number>} seconds by topic id, of those that were begun
 */
export function topicTimes(room, now) {
  const chapters = room.chapters ?? [];
  const end = room.ended_at ? Date.parse(room.ended_at) : now;
  /** @type {Map<string, number>} */
  const taken = new Map();
  chapters.forEach((chapter, i) => {
    const topic = room.topics?.find(({ title }) => title === chapter.title);
    if (!topic) return;
    const over = i + 1 < chapters.length ? Date.parse(chapters[i + 1].at) : end;
    taken.set(topic.id, (taken.get(topic.id) ?? 0) + Math.max(0, over - Date.parse(chapter.at)) / 1000);
  });
  return taken;
}

/**
 * What follows on the agenda. @param {import("./console_model.js").Room} room @param {string | null | undefined} after a topic's id; none: the first follows
 * @returns {import("./console_model.js").Topic | null}
 */
export function nextTopic(room, after = room.topic_id) {
  const topics = room.topics ?? [];
  return topics[topics.findIndex(({ id }) => id === after) + 1] ?? null;
}

/**
 * Who is ahead of whom, where time is to be shared equally.
 * @param {{name: string, seconds: number}[]} talked @returns {{name: string, seconds: number} | null} a minute or more ahead of the one with least
 */
export function ahead(talked) {
  if (talked.length < 2) return null;
  const sorted = [...talked].sort((a, b) => b.seconds - a.seconds);
  const lead = sorted[0].seconds - sorted[sorted.length - 1].seconds;
  return lead >= 60 ? { name: sorted[0].name, seconds: lead } : null;
}
