// The operator's page: what of the server's health stands where. Pure.

import { number } from "./format.js";

/** @typedef {(number | null)[]} Curve oldest first; null: not known */

/** Points of a whole curve. */
export const POINTS = 120;

/** @param {Curve} curve @returns {{least: number, most: number, last: number | null} | null} null: nothing is known */
export function range(curve) {
  const known = curve.filter((value) => value !== null);
  if (!known.length) return null;
  return { least: Math.min(...known), most: Math.max(...known), last: curve.at(-1) ?? null };
}

/**
 * SVG paths of a curve that ends at the right edge, whatever its length; what is not known is a gap.
 * @param {Curve} curve @param {number} width @param {number} height @param {number} top value at the upper edge
 * @returns {{line: string, under: string}}
 */
export function paths(curve, width, height, top) {
  const points = curve.slice(-POINTS);
  const step = width / (POINTS - 1);
  const from = width - (points.length - 1) * step;
  let line = "";
  let under = "";
  /** Where the last known point lies; null: at a gap. @type {number | null} */
  let open = null;
  points.forEach((value, index) => {
    const x = round(from + index * step);
    if (value !== null) {
      const y = round(height - (Math.min(value, top) / top) * height);
      line += `${open === null ? "M" : "L"}${x} ${y}`;
      under += open === null ? `M${x} ${height}L${x} ${y}` : `L${x} ${y}`;
      // A lone point is a short stroke: a move alone draws nothing.
      if (open === null && (points[index + 1] ?? null) === null) line += `h${round(Math.min(step, width - x) || -step)}`;
      open = x;
    }
    if (open !== null && (value === null || index === points.length - 1)) {
      under += `L${value === null ? open : x} ${height}Z`;
      open = null;
    }
  });
  return { line, under };
}

/** @param {number} value */
function round(value) {
  return Math.round(value * 100) / 100;
}

/** The value at a curve's upper edge: so that little is little. @param {Curve} curve @param {number} least */
export function ceiling(curve, least) {
  return Math.max(least, range(curve)?.most ?? 0);
}

/** @param {number} value of 1 @param {string} lang @returns {string} "0.4 %", "12 %" */
export function percent(value, lang) {
  const hundred = value * 100;
  return `${number(hundred, lang, hundred && hundred < 10 ? 1 : 0)} %`;
}

/** @param {number} value @param {string} lang @returns {string} "290 MB", "1.5 GB" */
export function bytes(value, lang) {
  const mega = value / 1024 ** 2;
  if (mega < 1000) return `${number(mega, lang, mega < 10 ? 1 : 0)} MB`;
  const giga = mega / 1024;
  return giga < 1000 ? `${number(giga, lang, giga < 100 ? 1 : 0)} GB` : `${number(giga / 1024, lang, 1)} TB`;
}

/** GB that an hour of a recording with four voices takes (as the doctor reckons). */
const HOUR_GB = 0.105;

/** @param {number} free bytes @returns {number} whole hours of recordings */
export function hoursLeft(free) {
  return Math.floor(free / 1024 ** 3 / HOUR_GB);
}

/**
 * Where an incident lies in the last hour: from 0 (an hour ago) to 1 (now), never too narrow to be seen.
 * @param {{at: string, until: string | null, going: boolean}} incident @param {number} now ms
 * @returns {{from: number, to: number}}
 */
export function placeInHour(incident, now) {
  const hour = 3_600_000;
  const at = (Date.parse(incident.at) - (now - hour)) / hour;
  const end = incident.going ? now : incident.until ? Date.parse(incident.until) : Date.parse(incident.at);
  const from = Math.min(1, Math.max(0, at));
  const to = Math.min(1, Math.max(from, (end - (now - hour)) / hour));
  return { from: Math.min(from, 1 - 0.006), to: Math.max(to, Math.min(from, 1 - 0.006) + 0.006) };
}

/** Seconds an incident lasted, or has lasted; 0: a moment. @param {{at: string, until: string | null, going: boolean}} incident @param {number} now ms */
export function lasted(incident, now) {
  const end = incident.going ? now : incident.until ? Date.parse(incident.until) : Date.parse(incident.at);
  return Math.max(0, Math.round((end - Date.parse(incident.at)) / 1000));
}
