// What a host wants to change in a recording, as values. Pure. All times are positions in the original, seconds from
// its beginning; gains are dB.

/** Cuts are made between the program's frames, s. */
export const GRID = 0.02;
/** So much must be left, s. */
export const LEAST = 1;
export const MOST_CUTS = 200;
export const [SOFTEST, LOUDEST] = [-30, 12];

/** @typedef {[number, number]} Stretch */
/** @typedef {{from: number, to: number, cuts: Stretch[], gains: Record<string, number>, without: string[]}} Edit */
/** @typedef {{from: number | null, to: number | null, cuts: Stretch[], gains: Record<string, number>, without: string[], take_down: boolean}} Order what the server takes: seconds of media time */

/** @param {number} at */
const onGrid = (at) => Number((Math.round(at / GRID) * GRID).toFixed(2));

/** Nothing is changed. @param {number} seconds the recording's length @returns {Edit} */
export function untouched(seconds) {
  return { from: 0, to: whole(seconds), cuts: [], gains: {}, without: [] };
}

/** @param {number} seconds */
function whole(seconds) {
  return Number((Math.floor(seconds / GRID + 1e-6) * GRID).toFixed(2));
}

/**
 * The same edit with cuts in order, none touching another, all of them inside what is kept at all; those at its ends
 * are its ends.
 * @param {Edit} edit @param {number} seconds @returns {Edit}
 */
export function normal(edit, seconds) {
  const last = whole(seconds);
  const inside = (/** @type {number} */ at) => Math.max(0, Math.min(last, onGrid(at)));
  let from = inside(edit.from);
  let to = Math.max(from, inside(edit.to));
  /** @type {Stretch[]} */
  const cuts = [];
  for (const [a, b] of edit.cuts.map(([a, b]) => /** @type {Stretch} */ ([inside(Math.min(a, b)), inside(Math.max(a, b))])).sort((x, y) => x[0] - y[0])) {
    const begins = Math.max(a, from);
    const ends = Math.min(b, to);
    if (begins >= ends) continue;
    const before = cuts.at(-1);
    if (before && begins <= before[1]) before[1] = Math.max(before[1], ends);
    else cuts.push([begins, ends]);
  }
  if (cuts[0]?.[0] === from) from = /** @type {Stretch} */ (cuts.shift())[1];
  if (cuts.at(-1)?.[1] === to) to = /** @type {Stretch} */ (cuts.pop())[0];
  return { ...edit, from, to: Math.max(from, to), cuts };
}

/** @param {Edit} edit @param {number} a @param {number} b @param {number} seconds */
export function withCut(edit, a, b, seconds) {
  return normal({ ...edit, cuts: [...edit.cuts, [a, b]] }, seconds);
}

/** @param {Edit} edit @param {number} which */
export function withoutCut(edit, which) {
  return { ...edit, cuts: edit.cuts.filter((_, i) => i !== which) };
}

/** One end of a cut, or of the whole, is put elsewhere. @param {Edit} edit @param {number} which -1: the whole @param {"from" | "to"} end @param {number} at @param {number} seconds */
export function endMoved(edit, which, end, at, seconds) {
  if (which < 0) return normal({ ...edit, [end]: at }, seconds);
  const cuts = edit.cuts.map(([a, b], i) => /** @type {Stretch} */ (i !== which ? [a, b] : end === "from" ? [at, b] : [a, at]));
  return normal({ ...edit, cuts }, seconds);
}

/** What is left, in order. @param {Edit} edit @returns {Stretch[]} */
export function kept(edit) {
  /** @type {Stretch[]} */
  const found = [];
  let at = edit.from;
  for (const [a, b] of [...edit.cuts, /** @type {Stretch} */ ([edit.to, edit.to])]) {
    if (a > at) found.push([at, a]);
    at = b;
  }
  return found;
}

/** @param {Stretch[]} stretches */
export function lengthOf(stretches) {
  return stretches.reduce((sum, [a, b]) => sum + b - a, 0);
}

/**
 * Where to go on when a moment is not in the edited version: the next one that is; null: it is; -1: nothing comes after.
 * @param {Stretch[]} stretches @param {number} at
 */
export function nextKept(stretches, at) {
  const next = stretches.find(([, b]) => at < b - 0.001);
  if (!next) return -1;
  return at < next[0] - 0.001 ? next[0] : null;
}

/** Where a moment lies in the edited version. @param {Stretch[]} stretches @param {number} at */
export function placeOf(stretches, at) {
  return stretches.reduce((sum, [a, b]) => sum + Math.max(0, Math.min(at, b) - a), 0);
}

/** Why this cannot be made; "": it can. @param {Edit} edit @param {number} seconds @param {string[]} voices those with sound of their own @returns {"" | "nothing" | "least" | "many" | "nobody"} */
export function trouble(edit, seconds, voices) {
  const order = orderOf(edit, seconds, 0);
  const mixes = order.without.length > 0 || Object.keys(order.gains).length > 0;
  if (lengthOf(kept(edit)) < LEAST) return "least";
  if (edit.cuts.length > MOST_CUTS) return "many";
  if (mixes && voices.every((id) => edit.without.includes(id))) return "nobody";
  return mixes || order.cuts.length || order.from !== null || order.to !== null ? "" : "nothing";
}

/** As it is sent. @param {Edit} edit @param {number} seconds @param {number} begins media time of the recording's beginning, s @returns {Order} */
export function orderOf(edit, seconds, begins) {
  const out = (/** @type {number} */ at) => Number((at + begins).toFixed(3));
  const gains = Object.entries(edit.gains).filter(([id, gain]) => gain && !edit.without.includes(id));
  return {
    from: edit.from > 0 ? out(edit.from) : null,
    to: edit.to < whole(seconds) ? out(edit.to) : null,
    cuts: edit.cuts.map(([a, b]) => [out(a), out(b)]),
    gains: Object.fromEntries(gains),
    without: [...edit.without],
    take_down: false,
  };
}

/** What was ordered before, to go on from. @param {Omit<Order, "take_down">} order @param {number} seconds @param {number} begins @returns {Edit} */
export function editOf(order, seconds, begins) {
  const place = (/** @type {number | null} */ at, /** @type {number} */ otherwise) => (at === null ? otherwise : at - begins);
  return normal(
    {
      from: place(order.from, 0),
      to: place(order.to, seconds),
      cuts: order.cuts.map(([a, b]) => [a - begins, b - begins]),
      gains: { ...order.gains },
      without: [...order.without],
    },
    seconds,
  );
}

/**
 * A time as people type it: "75", "1:15", "1:02:03.5", "41:12,5".
 * @param {string} text @returns {number | null} seconds; null: it is none
 */
export function timeOf(text) {
  const found = /^\s*(?:(?:(\d{1,3}):)?(\d{1,3}):)?(\d{1,6}(?:[.,]\d{1,3})?)\s*$/.exec(text);
  if (!found) return null;
  const [hours, minutes, seconds] = [found[1], found[2], found[3].replace(",", ".")].map((part) => Number(part ?? 0));
  if ((found[2] !== undefined && seconds >= 60) || (found[1] !== undefined && minutes >= 60)) return null;
  return hours * 3600 + minutes * 60 + seconds;
}

/** How loud one speaks as a rule, -dBov: the mean of what is heard while one speaks. @param {import("./replay_model.js").Voice} voice @param {number} step seconds of a peak @returns {number | null} */
export function usualLevel(voice, step) {
  let [power, count] = [0, 0];
  for (const [from, to] of voice.spans) {
    for (let at = Math.floor(from / step); at < Math.min(voice.peaks.length, Math.ceil(to / step)); at += 1) {
      if (voice.peaks[at] > 60) continue;
      power += 10 ** (-voice.peaks[at] / 10);
      count += 1;
    }
  }
  return count ? -10 * Math.log10(power / count) : null;
}

/** Gains with which everybody is as loud as the loudest, in half dB. @param {Map<string, number>} levels -dBov @returns {Record<string, number>} */
export function evened(levels) {
  const loudest = Math.min(...levels.values());
  const gains = [...levels].map(([id, level]) => [id, Math.min(LOUDEST, Math.round((level - loudest) * 2) / 2)]);
  return Object.fromEntries(gains.filter(([, gain]) => gain));
}

/**
 * How loud the program is played to sound as the edited version does, dB: exact as long as one speaks alone; where
 * several do, as it was. -Infinity: only those who are left out speak.
 * @param {Edit} edit @param {import("./replay_model.js").Voice[]} speaking
 */
export function previewGain(edit, speaking) {
  const heard = speaking.filter((voice) => !edit.without.includes(voice.id));
  if (speaking.length && !heard.length) return -Infinity;
  return speaking.length === 1 ? (edit.gains[heard[0].id] ?? 0) : 0;
}
