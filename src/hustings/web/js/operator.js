// The operator's page: asks how the server is every few seconds, as long as somebody looks.

import { byId, call, Problem } from "./desk_api.js";
import { clock, date, number, span } from "./format.js";
import { bytes, ceiling, hoursLeft, lasted, percent } from "./operator_model.js";
import { ago, bar, draw, items, make, strip, terms, write } from "./operator_parts.js";
import { Strings } from "./strings.js";

const EVERY = 3000;
const HISTORY = 15_000;
/** An answer that takes longer is none. */
const PATIENCE = 8000;

const strings = await Strings.load();
const { t, lang } = strings;

/** @type {any} */
let history = null;
let askedHistory = 0;
/** @type {any} */
let last = null;
let paused = false;
/** @type {number | undefined} */
let timer;

/** @param {number | null} value @param {(value: number) => string} say */
const known = (value, say) => (value === null ? t("operator.unknown") : say(value));
/** @param {number} value */
const share = (value) => percent(value, lang);
/** @param {number} value */
const whole = (value) => number(value, lang);
/** @param {number} value */
const large = (value) => bytes(value, lang);

const SUMMARY = { ok: "operator.well", warning: "operator.warnings", wrong: "operator.trouble" };

/** @param {any} state */
function summary(state) {
  const level = /** @type {"ok" | "warning" | "wrong"} */ (state.level);
  byId("health").dataset.level = level;
  write(byId("summary"), t(SUMMARY[level]));
  let hint = "";
  if (level === "ok") hint = state.roles.length ? t("operator.well_hint") : t("operator.no_supervisor");
  if (state.heard_seconds !== null && state.heard_seconds > 10) hint = t("operator.unheard", { time: span(state.heard_seconds) });
  write(byId("summary-hint"), hint);
  write(byId("as-of"), t("operator.as_of", { time: clock(state.at, lang, true) }));
  const list = byId("findings");
  list.hidden = !state.findings.length;
  items(list, state.findings, (one) => `${one.key} ${one.name}`, (item, one) => {
    item.dataset.level = one.level;
    if (!item.firstChild) item.append(make("strong"), make("span"));
    write(/** @type {Element} */ (item.children[0]), one.what);
    write(/** @type {Element} */ (item.children[1]), one.todo);
  });
}

/**
 * @param {string} name @param {string} value @param {string} hint
 * @param {{off?: boolean, alarm?: boolean, curve?: import("./operator_model.js").Curve, top?: number, say?: (value: number) => string}} [more]
 */
function tile(name, value, hint, { off = false, alarm = false, curve, top = 1, say = whole } = {}) {
  const box = /** @type {HTMLElement} */ (document.querySelector(`[data-tile="${name}"]`));
  box.toggleAttribute("data-off", off);
  box.toggleAttribute("data-alarm", alarm);
  write(/** @type {Element} */ (box.querySelector('[data-part="value"]')), value);
  write(/** @type {Element} */ (box.querySelector('[data-part="hint"]')), hint);
  const place = box.querySelector('[data-part="curve"]');
  if (place && curve) draw(place, curve, top, box.querySelector("dt")?.textContent ?? "", say, strings);
}

/** @param {any} state */
function tiles({ numbers: now }) {
  const curves = history?.curves ?? {};
  tile("on-air", whole(now.live), strings.n("operator.on_air_hint", now.speakers), { off: !now.live });
  const { push = 0, stream = 0, hls_waiting: hls = 0 } = now.listeners;
  tile("listeners", whole(push + stream + hls), t("operator.listeners_hint", { push: whole(push), stream: whole(stream), hls: whole(hls) }),
    { curve: curves.listeners, top: 5 });
  tile("used", known(now.used, share), now.places_free === null ? t("operator.used_unknown") : t("operator.used_hint", { n: whole(now.places_free) }),
    { off: now.used === null, alarm: now.places_free === 0, curve: curves.used, say: share });
  tile("gate", now.level === null ? t("operator.unknown") : t(`operator.level.${now.level}`),
    now.level === null ? t("operator.gate_none") : strings.n("operator.gate_hint", now.waiting),
    { off: now.level === null, alarm: now.level > 0, curve: curves.level, top: 4, say: (value) => t(`operator.level.${value}`) });
  tile("late", known(now.late, share), now.late_ms === null ? t("operator.late_none") : t("operator.late_hint", { n: number(now.late_ms, lang, now.late_ms % 1 ? 1 : 0) }),
    { off: now.late === null, alarm: now.late > 0.01, curve: curves.late, top: 0.02, say: share });
  tile("loss", known(now.loss, share), now.loss === null ? t("operator.loss_none") : t("operator.loss_hint"),
    { off: now.loss === null, alarm: now.loss > 0.05, curve: curves.loss, top: 0.1, say: share });
  tile("disk", known(now.disk_free, large), now.disk_free === null ? t("operator.disk_none") : t("operator.disk_hint", { n: whole(hoursLeft(now.disk_free)) }),
    { off: now.disk_free === null, alarm: now.disk_free !== null && now.disk_free < 5 * 1024 ** 3 });
  const days = now.certificate_ends === null ? null : Math.floor((Date.parse(now.certificate_ends) - Date.now()) / 86_400_000);
  tile("certificate", days === null ? t("operator.certificate_none") : strings.n("operator.days", days),
    days === null ? t("operator.certificate_none_hint") : t("operator.certificate_until", { date: date(now.certificate_ends, lang) }),
    { off: days === null, alarm: days !== null && days < 14 });
}

const DOORS = ["push", "hls", "stream", "whep", "replay"];

/** @param {any} state */
function rooms(state) {
  byId("rooms-none").hidden = state.rooms.length > 0;
  items(byId("rooms"), state.rooms, (room) => room.slug, (item, room) => {
    item.className = "plate";
    if (!item.firstChild) {
      const title = make("h3");
      const link = /** @type {HTMLAnchorElement} */ (title.appendChild(make("a")));
      link.href = `/rooms/${room.slug}`;
      link.dir = "auto";
      const top = make("div", "", "plate-top");
      top.classList.add("room-top");
      top.append(make("span", "", "badge"), title);
      item.append(top, make("dl"));
    }
    write(/** @type {Element} */ (item.querySelector("a")), room.title);
    const badge = /** @type {HTMLElement} */ (item.querySelector(".badge"));
    badge.dataset.status = room.status;
    write(badge, t(`status.${room.status}`));
    const doors = DOORS.filter((door) => room.listeners[door]).map((door) => `${door} ${whole(room.listeners[door])}`);
    const recording = room.recording;
    /** @type {[string, string, string?][]} */
    const rows = [
      [t("operator.by_door"), doors.join(", ") || t("operator.nobody")],
      [t("operator.speakers"), known(room.speakers, whole)],
      [t("operator.recording"), t(`operator.record.${recording.state}`, { bytes: large(recording.bytes) }), recording.state === "failing" ? "warn" : ""],
    ];
    if (room.live_since) rows.unshift([t("operator.since"), clock(room.live_since, lang)]);
    terms(/** @type {HTMLElement} */ (item.querySelector("dl")), rows);
  });
}

/** @param {any} state */
function roles(state) {
  byId("roles-none").hidden = state.roles.length > 0;
  items(byId("roles"), state.roles, (role) => role.name, (item, role) => {
    item.className = "plate";
    if (!item.firstChild) {
      const top = make("div", "", "plate-top");
      top.append(make("h3", role.name), make("span", "", "role-state"));
      item.append(top, make("dl"), make("div", "", "bar-of"), make("div", "", "curve"));
    }
    const word = /** @type {HTMLElement} */ (item.querySelector(".role-state"));
    word.dataset.state = role.state;
    write(word, t(`operator.role_state.${role.state}`));
    const of = role.memory_limit ? ` ${t("operator.of", { n: large(role.memory_limit) })}` : "";
    terms(/** @type {HTMLElement} */ (item.querySelector("dl")), [
      [t("operator.since"), role.since ? `${clock(role.since, lang)}, ${span((Date.parse(state.at) - Date.parse(role.since)) / 1000)}` : "–"],
      [t("operator.restarts"), `${whole(role.restarts)}\u00d7`, role.restarts ? "warn" : ""],
      [t("operator.heard"), role.name === "bus" ? t("operator.silent_role") : ago(role.heard_seconds, strings)],
      [t("operator.cpu"), known(role.cpu, share)],
      [t("operator.memory"), role.memory ? large(role.memory) + of : "–"],
    ]);
    bar(/** @type {HTMLElement} */ (item.querySelector(".bar-of")), role.memory, role.memory_limit);
    const curve = history?.cpu?.[role.name] ?? [];
    draw(/** @type {Element} */ (item.querySelector(".curve")), curve, ceiling(curve, 0.25), `${role.name}, ${t("operator.cpu")}`, share, strings);
  });
}

/** @param {any} state */
function incidents(state) {
  const now = Date.parse(state.at);
  byId("incidents-none").hidden = state.incidents.length > 0;
  byId("hour-frame").hidden = !state.incidents.length;
  if (state.incidents.length) strip(byId("hour"), state.incidents, now);
  items(byId("incidents"), state.incidents, (one) => `${one.at} ${one.key} ${one.name}`, (item, one) => {
    item.dataset.level = one.level;
    if (!item.firstChild) item.append(document.createElement("time"), make("span", "", "what"), make("span", "", "how-long"));
    const [time, what, long] = /** @type {HTMLElement[]} */ ([...item.children]);
    if (!time || !what || !long) return;
    time.setAttribute("datetime", one.at);
    write(time, clock(one.at, lang, true));
    write(what, one.what);
    const seconds = lasted(one, now);
    long.toggleAttribute("data-going", one.going);
    write(long, one.going ? t("operator.still") : seconds ? t("operator.lasted", { time: span(seconds) }) : "");
  });
}

/** @param {any} state */
function show(state) {
  last = state;
  byId("shown").hidden = false;
  summary(state);
  tiles(state);
  rooms(state);
  roles(state);
  incidents(state);
}

/** The studio does not answer: what is known stays, and it is said how old it is. */
function lost() {
  byId("health").dataset.level = "lost";
  write(byId("summary"), t("operator.lost"));
  write(byId("summary-hint"), last ? t("operator.lost_hint", { time: clock(last.at, lang, true) }) : "");
  byId("findings").hidden = true;
}

async function look() {
  clearTimeout(timer);
  timer = undefined;
  if (paused || document.hidden) return;
  const curves = Date.now() - askedHistory >= HISTORY;
  try {
    const answer = call("GET", `/api/operator/health?lang=${lang}&history=${curves}`);
    const state = await Promise.race([answer, late()]);
    if (state.history) {
      history = state.history;
      askedHistory = Date.now();
    }
    show(state);
  } catch (error) {
    // Who is no operator any more has no such page any more.
    if (error instanceof Problem && error.status === 403) location.assign("/");
    lost();
  }
  if (timer === undefined) timer = setTimeout(() => void look(), EVERY);
}

/** @returns {Promise<never>} */
function late() {
  return new Promise((_, reject) => setTimeout(() => reject(new Error("no answer")), PATIENCE));
}

const pause = /** @type {HTMLButtonElement} */ (byId("pause"));
pause.disabled = false;
pause.addEventListener("click", () => {
  paused = !paused;
  pause.setAttribute("aria-pressed", String(paused));
  if (!paused) void look();
});
document.addEventListener("visibilitychange", () => void look());
void look();
