// Pieces of the operator's page.

import { span } from "./format.js";
import { bytes, ceiling, paths, percent, placeInHour, range } from "./operator_model.js";

const SVG = "http://www.w3.org/2000/svg";
const WIDTH = 240;
const HEIGHT = 32;

/**
 * @typedef {import("./strings.js").Strings} Strings
 * @typedef {import("./operator_model.js").Curve} Curve
 * @typedef {{at: string, until: string | null, going: boolean, level: string, what: string, key: string, name: string}} Incident
 */

/** @param {string} name @param {Record<string, string | number>} attributes */
function svg(name, attributes = {}) {
  const made = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, String(value));
  return made;
}

/** @param {string} tag @param {string} [text] @param {string} [kind] class */
export function make(tag, text = "", kind = "") {
  const made = document.createElement(tag);
  made.textContent = text;
  if (kind) made.className = kind;
  return made;
}

/** Only what differs is written: who reads the page by ear is not told the same again. @param {Element} element @param {string} text */
export function write(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/**
 * A list's items by key: those that stay, stay the same elements, so that nobody loses the place.
 * @template T
 * @param {HTMLElement} list @param {T[]} entries @param {(entry: T) => string} key
 * @param {(item: HTMLElement, entry: T) => void} fill
 */
export function items(list, entries, key, fill) {
  const known = new Map([...list.children].map((item) => [/** @type {HTMLElement} */ (item).dataset.key, item]));
  const wanted = entries.map((entry) => {
    const item = /** @type {HTMLElement} */ (known.get(key(entry)) ?? document.createElement("li"));
    item.dataset.key = key(entry);
    fill(item, entry);
    return item;
  });
  for (const [name, item] of known) if (!wanted.some((each) => each.dataset.key === name)) item.remove();
  wanted.forEach((item, index) => {
    if (list.children[index] !== item) list.insertBefore(item, list.children[index] ?? null);
  });
}

/**
 * A curve of the last hour, in words for those who do not see it.
 * @param {Element} place @param {Curve} curve @param {number} least the upper edge at least
 * @param {string} label @param {(value: number) => string} say @param {Strings} strings
 */
export function draw(place, curve, least, label, say, strings) {
  const { t } = strings;
  let picture = place.querySelector("svg");
  if (!picture) {
    picture = /** @type {SVGSVGElement} */ (svg("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: "none", role: "img" }));
    picture.append(svg("line", { x1: 0, x2: WIDTH, y1: HEIGHT, y2: HEIGHT }), svg("path", { class: "under" }), svg("path"));
    place.append(picture);
  }
  const known = range(curve);
  const now = known === null || known.last === null ? t("operator.unknown") : say(known.last);
  const text = known === null ? t("operator.curve_none") : t("operator.curve", { least: say(known.least), most: say(known.most), now });
  picture.setAttribute("aria-label", `${label}, ${t("operator.hour", { text })}`);
  const { line, under } = paths(curve, WIDTH, HEIGHT, ceiling(curve, least));
  const [, below, above] = picture.children;
  below?.setAttribute("d", under);
  above?.setAttribute("d", line);
}

/** Terms and what is said of them. @param {HTMLElement} list @param {[string, string, string?][]} rows term, text, class */
export function terms(list, rows) {
  const text = rows.map((row) => row.join("\u0000")).join("\u0001");
  if (list.dataset.said === text) return;
  list.dataset.said = text;
  list.replaceChildren(...rows.flatMap(([term, said, kind]) => [make("dt", term), make("dd", said, kind ?? "")]));
}

/** The hour as a strip: what happened when. @param {HTMLElement} place @param {Incident[]} incidents @param {number} now ms */
export function strip(place, incidents, now) {
  const picture = svg("svg", { viewBox: "0 0 1000 40", preserveAspectRatio: "none" });
  for (let quarter = 0; quarter <= 4; quarter++) {
    const x = Math.min(999, quarter * 250);
    picture.append(svg("line", { x1: x, x2: x, y1: 4, y2: 40 }));
  }
  picture.append(svg("line", { x1: 0, x2: 1000, y1: 39.5, y2: 39.5 }));
  const heights = { wrong: 30, warning: 20, note: 10 };
  for (const incident of [...incidents].reverse()) {
    const { from, to } = placeInHour(incident, now);
    const high = heights[/** @type {keyof typeof heights} */ (incident.level)] ?? 20;
    picture.append(svg("rect", { x: from * 1000, y: 39 - high, width: (to - from) * 1000, height: high, rx: 2, "data-level": incident.level }));
  }
  place.replaceChildren(picture);
}

/** @param {number | null} seconds @param {Strings} strings */
export function ago(seconds, { t }) {
  return seconds === null ? t("operator.silent_role") : t("operator.ago", { time: span(seconds) });
}

/** Memory against its bound. @param {HTMLElement} place @param {number} has @param {number} may */
export function bar(place, has, may) {
  place.hidden = !may;
  if (!may) return;
  const filled = /** @type {HTMLElement} */ (place.firstElementChild ?? place.appendChild(make("span")));
  const share = Math.min(1, has / may);
  filled.style.width = `${share * 100}%`;
  place.toggleAttribute("data-alarm", share > 0.9);
}

export { bytes, percent, span };
