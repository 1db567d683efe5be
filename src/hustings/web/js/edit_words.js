// An edited version in words. Pure.

import { kept, lengthOf } from "./edit_model.js";
import { clockTime, number } from "./format.js";

/** A moment, to a hundredth of a second. @param {number} at @param {string} lang @returns {string} "4:07.30", "4:07,30" */
export function exact(at, lang) {
  const whole = Math.round(at * 100) / 100;
  return clockTime(whole + 1e-6) + number((whole + 1e-6) % 1, lang, 2).slice(1);
}

/** How long something lasts, short. @param {number} seconds @param {string} lang @returns {string} "0.4 s", "34 s", "12.5 s", "41:12" */
export function lasts(seconds, lang) {
  const tenths = Math.round(seconds * 10) / 10;
  return tenths < 60 ? `${number(tenths, lang, tenths % 1 ? 1 : 0)} s` : clockTime(Math.round(seconds));
}

/** @param {number} gain dB @param {string} lang @returns {string} "+4.5 dB", "−3 dB" */
export function decibels(gain, lang) {
  const size = number(Math.abs(gain), lang, gain % 1 ? 1 : 0);
  return `${gain > 0 ? "+" : gain < 0 ? "−" : "±"}${size} dB`;
}

/**
 * What is changed, one thing after another; empty: nothing.
 * @param {import("./edit_model.js").Edit} edit @param {number} seconds the original's length
 * @param {Map<string, string>} names @param {import("./strings.js").Strings} strings
 * @returns {string[]}
 */
export function changes(edit, seconds, names, strings) {
  const { t, lang } = strings;
  const name = (/** @type {string} */ id) => names.get(id) ?? id;
  const found = [];
  if (edit.from > 0) found.push(t("edit.off_start", { time: lasts(edit.from, lang) }));
  if (seconds - edit.to >= 0.02) found.push(t("edit.off_end", { time: lasts(seconds - edit.to, lang) }));
  if (edit.cuts.length) found.push(t(edit.cuts.length === 1 ? "edit.cuts.one" : "edit.cuts.other", { n: number(edit.cuts.length, lang), time: lasts(lengthOf(edit.cuts), lang) }));
  for (const [id, gain] of Object.entries(edit.gains)) {
    if (gain && !edit.without.includes(id)) found.push(`${name(id)} ${decibels(gain, lang)}`);
  }
  if (edit.without.length) found.push(t("edit.without", { names: edit.without.map(name).join(", ") }));
  return found;
}

/** @param {import("./edit_model.js").Edit} edit @param {number} seconds @param {import("./strings.js").Strings} strings */
export function remains(edit, seconds, { t }) {
  return t("edit.remains", { left: clockTime(lengthOf(kept(edit))), whole: clockTime(seconds) });
}
