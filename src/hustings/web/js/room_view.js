// Draws a room's public state into the page: state line, seats, other doors. It draws what the server drew,
// with the server's own markup (the page's <template> elements).

import { clock, clockTime, countdown, date, initials, isToday, span } from "./format.js";

/**
 * @typedef {{id: string, name: string, role: string, connected: boolean, speaking: boolean, muted: boolean,
 *   muted_by_host: boolean, talked_seconds: number, clock_until?: string | null}} Participant
 * @typedef {{id: string, name: string, role: string, state: string, since: string, word: string,
 *   proposed_at: string | null}} Invitation
 * @typedef {{id: string, text: string, name: string, votes: number, state: string, asked_at: string}} Question
 * @typedef {{slug: string, title: string, status: string, scheduled_at: string | null, opened_at: string | null,
 *   started_at: string | null, ended_at: string | null, broadcast: string | null, listeners: number | null,
 *   time_zone: string, topics: {id: string, title: string, minutes: number | null}[], topic_id: string,
 *   chapters: {title: string, at: string, media_time: number}[], pinned: {label: string, url: string}[],
 *   hands: {open: boolean, queue: string[], called: string[]},
 *   questions: {open: boolean, moderated: boolean, asked: number, list: Question[]},
 *   recording?: {state: "on" | "off_record" | "off", since: string} | null, start?: {live_due: string | null} | null,
 *   participants: Participant[], invitations: Invitation[], links: Record<string, string>}} Room
 */

/** Seconds around the scheduled time that still count as punctual. */
const PUNCTUAL = 60;
/** Talk time that was counted here and is not in the figures yet, s at most. */
const COUNTED_ON = 20;
/** Further away than this a date says more than a countdown. */
const COUNT_DOWN_WITHIN = 36 * 3600;

/** @param {string} id */
const byId = (id) => /** @type {HTMLElement} */ (document.getElementById(id));

/**
 * The words after the badge, and the paragraph under the title. Pure.
 * @param {Room} room @param {import("./strings.js").Strings} strings @param {Date} now
 * @returns {{when: string, mark: string, tone: "" | "good" | "warn", lead: string}}
 */
export function describe(room, strings, now) {
  const { t, lang } = strings;
  const at = (/** @type {string} */ iso, withSeconds = false) =>
    (isToday(iso, now) ? "" : `${date(iso, lang)}, `) + clock(iso, lang, withSeconds);
  const said = { when: "", mark: "", tone: /** @type {"" | "good" | "warn"} */ (""), lead: "" };
  const planned = room.scheduled_at;
  const left = planned ? (Date.parse(planned) - now.getTime()) / 1000 : 0;
  if (room.status === "scheduled") {
    // Day, time and countdown have a place of their own (room_plan.js).
    if (!room.start?.live_due) said.lead = `${t("state.when_ready")}.`;
  } else if (room.status === "open") {
    if (planned) {
      said.when = t("state.scheduled_for", { time: at(planned) });
      if (left < COUNT_DOWN_WITHIN) said.mark = left > 0 ? t("state.starts_in", { time: countdown(left, lang) }) : t("state.due");
    }
    said.lead = t("state.open_lead");
  } else if (room.status === "cancelled") {
    said.lead = t("room.cancelled_lead");
  } else if (room.status === "ended") {
    const lasted = room.started_at && room.ended_at ? (Date.parse(room.ended_at) - Date.parse(room.started_at)) / 1000 : 0;
    said.when = [
      room.ended_at ? `${date(room.ended_at, lang)}, ${clock(room.ended_at, lang)}` : "",
      lasted > 0 ? t("state.ended_lasted", { time: span(lasted) }) : "",
    ].filter(Boolean).join(" · ");
    said.lead = t("state.ended_lead");
  } else if (room.started_at) {
    said.when = t("state.live_since", { time: at(room.started_at, true) });
    if (planned) Object.assign(said, punctuality((Date.parse(room.started_at) - Date.parse(planned)) / 1000, t));
    if (room.status === "paused") said.lead = t("state.paused_lead");
    else if (room.recording?.state === "off_record") said.lead = t("room.rec.off_record_lead");
  }
  return said;
}

/** @param {number} late seconds @param {import("./strings.js").Translate} t */
function punctuality(late, t) {
  if (Math.abs(late) < PUNCTUAL) return { mark: t("state.on_time"), tone: /** @type {const} */ ("good") };
  if (late < 0) return { mark: t("state.early", { time: span(-late) }), tone: /** @type {const} */ ("") };
  return { mark: t("state.late", { time: span(late) }), tone: /** @type {const} */ ("warn") };
}

/** @param {Room} room @param {import("./strings.js").Strings} strings @param {Date} now */
export function drawStateLine(room, strings, now) {
  const badge = byId("badge");
  badge.dataset.status = room.status;
  setText(badge, strings.t(`status.${room.status}`));
  const said = describe(room, strings, now);
  drawSign(room, strings);
  setText(byId("when"), said.when);
  const mark = byId("mark");
  setText(mark, said.mark);
  mark.className = said.tone;
  mark.hidden = !said.mark;
  setText(byId("lead"), said.lead);
  byId("lead").hidden = !said.lead;
  byId("listening").hidden = room.listeners === null || !["open", "live", "paused"].includes(room.status);
  if (room.listeners !== null) setText(byId("count"), strings.n("room.listening", room.listeners));
}

/** Whether what is heard is kept, in words. @param {Room} room @param {import("./strings.js").Strings} strings */
export function drawSign({ recording }, { t }) {
  const sign = byId("rec");
  sign.hidden = !recording;
  sign.dataset.state = recording?.state ?? "";
  setText(sign, recording ? t(`room.rec.${recording.state}`) : "");
}

/** @param {Room} room */
export function drawDoors(room) {
  for (const [id, name] of [["link-ogg", "stream_ogg"], ["link-aac", "stream_aac"], ["link-hls", "hls"]]) {
    const link = /** @type {HTMLAnchorElement} */ (byId(id));
    link.href = room.links[name] ?? "#";
    /** @type {HTMLElement} */ (link.closest("li")).hidden = !room.links[name];
  }
  byId("ways").hidden = !(room.links.stream_ogg || room.links.stream_aac || room.links.hls);
}

/** The seats; an element stays the same as long as its person does, so that nothing jumps or is read twice. */
export class Seats {
  /** @param {HTMLElement} list @param {import("./strings.js").Strings} strings */
  constructor(list, strings) {
    this._list = list;
    this._strings = strings;
    /** @type {Map<string, Participant>} */
    this._people = new Map();
    this._onStage = false;
  }

  /** @param {Room} room */
  draw(room) {
    const known = (/** @type {string} */ name) =>
      new Map([...this._list.querySelectorAll(`[${name}]`)].map((seat) => [seat.getAttribute(name), seat]));
    const here = known("data-id");
    const invited = known("data-invitation");
    /** @type {Element[]} */
    const seats = [];
    const before = new Map(this._people);
    this._people.clear();
    this._onStage = ["open", "live", "paused"].includes(room.status);
    for (const person of inOrder(room.participants)) {
      const seat = /** @type {HTMLElement} */ (here.get(person.id) ?? fromTemplate("seat-template"));
      // What has been counted here since the last figures is not taken back.
      const counted = before.get(person.id)?.talked_seconds ?? 0;
      const ahead = counted - person.talked_seconds;
      const shown = { ...person, talked_seconds: ahead > 0 && ahead < COUNTED_ON ? counted : person.talked_seconds };
      this._people.set(person.id, shown);
      seat.dataset.id = person.id;
      this._fill(seat, shown);
      seats.push(seat);
    }
    for (const invitation of room.invitations) seats.push(this._invited(invitation, invited));
    if (seats.length !== this._list.children.length || seats.some((seat, i) => this._list.children[i] !== seat)) {
      this._list.replaceChildren(...seats);
    }
    this._list.hidden = !seats.length;
    byId("nobody").hidden = Boolean(seats.length) || ["ended", "cancelled"].includes(room.status);
  }

  /** @param {Record<string, any>} event in band: speaking, muted, joined, left */
  happened(event) {
    const person = this._people.get(String(event.participant_id ?? ""));
    if (!person) return false;
    if (event.kind === "speaking") person.speaking = Boolean(event.speaking);
    else if (event.kind === "muted") person.muted = Boolean(event.muted);
    else if (event.kind === "joined") person.connected = true;
    else if (event.kind === "left") person.connected = person.speaking = false;
    else return false;
    this._redraw(person);
    return true;
  }

  /** Talk time runs on while somebody speaks. @param {number} seconds since the last call */
  tick(seconds) {
    for (const person of this._people.values()) {
      const speaks = person.speaking && !person.muted;
      if (speaks) person.talked_seconds += seconds;
      if (speaks || person.clock_until) this._redraw(person);
    }
  }

  /** How loud the sound is that is heard now, for the rings of those who speak. @param {number} level 0..1 */
  loudness(level) {
    for (const ring of this._list.querySelectorAll("[data-speaking] .ring")) {
      /** @type {HTMLElement} */ (ring).style.setProperty("--level", level.toFixed(2));
    }
  }

  /** @param {Participant} person */
  _redraw(person) {
    const seat = this._list.querySelector(`[data-id="${CSS.escape(person.id)}"]`);
    if (seat) this._fill(/** @type {HTMLElement} */ (seat), person);
  }

  /** @param {HTMLElement} seat @param {Participant} person */
  _fill(seat, person) {
    const { t } = this._strings;
    const speaking = person.speaking && !person.muted;
    seat.toggleAttribute("data-speaking", speaking);
    seat.toggleAttribute("data-muted", person.muted && person.connected);
    seat.dataset.connected = person.connected ? "yes" : "no";
    const note = !person.connected ? (this._onStage ? t("seat.away") : "")
      : person.muted ? t(person.muted_by_host ? "seat.muted_by_host" : "seat.muted") : speaking ? t("seat.speaking") : "";
    setPart(seat, "role", t(`role.${person.role}`));
    setPart(seat, "note", note);
    setPart(seat, "initials", initials(person.name));
    setPart(seat, "name", person.name);
    const talked = person.talked_seconds >= 1 ? t("seat.talked", { time: clockTime(person.talked_seconds) }) : t("seat.silent");
    const left = person.clock_until ? (Date.parse(person.clock_until) - Date.now()) / 1000 : null;
    const limit = left === null ? "" : left > 0 ? t("room.clock_left", { time: clockTime(left) }) : t("room.clock_over");
    setPart(seat, "talked", limit ? `${talked} · ${limit}` : talked);
  }

  /** @param {Invitation} invitation @param {Map<string | null, Element>} here */
  _invited(invitation, here) {
    const { t, lang } = this._strings;
    const { id, state, word, proposed_at: proposed } = invitation;
    const seat = /** @type {HTMLElement} */ (here.get(id) ?? fromTemplate("invited-template"));
    seat.dataset.invitation = id;
    seat.dataset.answer = state;
    setPart(seat, "role", t(`role.${invitation.role}`));
    setPart(seat, "name", invitation.name);
    setPart(seat, "answer", t(`invitation.${state}`, { date: date(invitation.since, lang) }));
    setPart(seat, "word", word ?? "").hidden = !word;
    const other = proposed ? t("room.proposes", { time: `${date(proposed, lang)}, ${clock(proposed, lang)}` }) : "";
    setPart(seat, "proposed", other).hidden = !proposed;
    return seat;
  }
}

/** Those who lead first, else as they came. @template {{role: string}} T @param {T[]} people @returns {T[]} */
export function inOrder(people) {
  const roles = ["host", "cohost", "speaker", "listener"];
  return [...people].sort((a, b) => roles.indexOf(a.role) - roles.indexOf(b.role));
}

/** A copy of the first element of a <template>. @param {string} id */
export function fromTemplate(id) {
  const template = /** @type {HTMLTemplateElement} */ (byId(id));
  return /** @type {HTMLElement} */ (/** @type {Element} */ (template.content.firstElementChild).cloneNode(true));
}

/** @param {HTMLElement} element @param {string} part @param {string} text @returns {HTMLElement} the part */
export function setPart(element, part, text) {
  const target = /** @type {HTMLElement} */ (element.querySelector(`[data-part="${part}"]`));
  setText(target, text);
  return target;
}

/** Touches the page only where something changes. @param {Element} element @param {string} text */
export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}
