// Where a clip begins and ends, and its address. Pure. Times are seconds from the recording's beginning.

/** A clip lasts so long at most, s. */
export const LONGEST = 90;
/** Clips are cut at multiples of this, s: the program's frames. */
export const GRID = 0.02;

/** @typedef {{from: number | null, to: number | null}} Marks */

/** @param {number} at */
const onGrid = (at) => Math.round(at / GRID) * GRID;

/**
 * One end of a clip is put somewhere; the other one moves along where it has to.
 * @param {Marks} marks @param {"from" | "to"} end @param {number} at @param {number} seconds the recording's length
 * @returns {{marks: Marks, moved: boolean}} `moved`: the other end had to
 */
export function endsMoved(marks, end, at, seconds) {
  const last = Math.floor(seconds / GRID + 1e-6) * GRID;
  const place = Math.max(0, Math.min(last, onGrid(at)));
  if (end === "from") {
    const from = Math.min(place, last - GRID);
    const { to } = marks;
    if (to === null) return { marks: { from, to }, moved: false };
    const kept = to > from ? Math.min(to, from + LONGEST) : Math.min(last, from + (to - (marks.from ?? to) || LONGEST));
    return { marks: { from, to: kept }, moved: kept !== to };
  }
  const to = Math.max(place, GRID);
  const { from } = marks;
  if (from === null) return { marks: { from, to }, moved: false };
  const kept = from < to ? Math.max(from, to - LONGEST) : Math.max(0, to - ((marks.to ?? from) - from || LONGEST));
  return { marks: { from: kept, to }, moved: kept !== from };
}

/**
 * A clip as it stands in addresses.
 * @param {number} from @param {number} to @param {number} begins media time of the recording's beginning, s
 * @returns {string} "12000-34500": milliseconds of media time
 */
export function clipName(from, to, begins) {
  const name = (/** @type {number} */ at) => String(Math.round((at + begins) / GRID) * Math.round(GRID * 1000));
  return `${name(from)}-${name(to)}`;
}
