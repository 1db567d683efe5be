// What the page knows of the room: the public state, one's own seat, and for those who conduct, what hosts see.
// Applies what the studio says has changed. No UI.

/**
 * @typedef {{id: string, name: string, role: string, connected: boolean, speaking: boolean, muted: boolean,
 *   muted_by_host: boolean, talked_seconds: number, clock_until?: string | null}} Participant
 * @typedef {{name: string, role: string, state: string, since: string, id?: string, participant_id?: string,
 *   public?: boolean, word?: string, proposed_at?: string | null}} Invitation
 * @typedef {{id: string, title: string, minutes?: number | null}} Topic
 * @typedef {{id: string, text: string, name?: string, votes?: number, state?: string, asked_at?: string}} Question
 * @typedef {{slug: string, title: string, status: string, description?: string, time_zone?: string, scheduled_at: string | null, start?: {live_due: string | null} | null,
 *   opened_at: string | null, started_at: string | null, ended_at: string | null, listeners: number | null,
 *   listeners_by_door?: Record<string, number> | null, participants: Participant[], invitations: Invitation[],
 *   links: Record<string, string>, topics?: Topic[], topic_id?: string, chapters?: {title: string, at: string}[],
 *   locked?: boolean, equal_time?: boolean, hands?: {open: boolean},
 *   questions?: {open: boolean, moderated: boolean, asked: number, list: Question[]},
 *   recording?: {state: "on" | "off_record" | "off", since: string} | null}} Room
 * @typedef {{id: string, name: string, role: string, invitation: string, muted: boolean, muted_by_host: boolean,
 *   place: string, aside: boolean, conducts: boolean, clock_until: string | null, word: string,
 *   proposed_at: string | null, seat: string, green_room: boolean, recording: boolean, agreed_at: string | null}} Me
 * @typedef {{id: string, name: string, connected: boolean, muted: boolean, level_dbov: number, loss: number, since: string | null, aside: string, agreed?: boolean}} Waiting `aside`: the host who talks with them off air, or ""
 * @typedef {{id: string, name: string, state: string, asked_at: string, talked_seconds: number}} Asking
 * @typedef {{level_dbov: number, loss: number, jitter_ms: number, delay_ms: number, way?: string}} Quality
 * @typedef {{on: boolean, off_record: boolean, state: string, since: string | null, problem: string, safe_seconds: number,
 *   not_agreed: {id: string, name: string, silences: boolean}[]}} Recording
 * @typedef {{waiting: Waiting[], requests: Asking[], quality: Record<string, Quality>, invitations: Invitation[],
 *   questions_pending: Question[], bans: {participant_id: string, name: string, at: string}[], green_room: boolean,
 *   hands: boolean, moderated: boolean, queue_by_talk: boolean, turn_seconds: number | null,
 *   reactions: Record<string, number>, recording: Recording, listeners: number}} Host
 * @typedef {{told: number, more: number, running: boolean, since: number}} Talk seconds told by the studio, and ours since
 */

/** @type {Me} */
const NOBODY = {
  id: "", name: "", role: "speaker", invitation: "", muted: false, muted_by_host: false, place: "", aside: false,
  conducts: false, clock_until: null, word: "", proposed_at: null, seat: "", green_room: false,
  recording: false, agreed_at: null,
};
/** @type {Host} */
const NOTHING = {
  waiting: [], requests: [], quality: {}, invitations: [], questions_pending: [], bans: [], green_room: false,
  hands: false, moderated: false, queue_by_talk: false, turn_seconds: null, reactions: {}, listeners: 0,
  recording: { on: false, off_record: false, state: "", since: null, problem: "", safe_seconds: 0, not_agreed: [] },
};
/** dBov at which a meter stands empty. */
const QUIETEST = -60;
/** A level older than this says nothing any more, ms. */
const STALE = 1200;

export class Model {
  /** @param {Room} room */
  constructor(room) {
    this.room = room;
    this.me = NOBODY;
    this.host = NOTHING;
    /** @type {Map<string, Talk>} */
    this._talk = new Map();
    /** @type {Record<string, number>} */
    this._levels = {};
    this._levelsAt = 0;
  }

  /** All of it, as it is now. @param {Room} room @param {Partial<Me> | null} me @param {Partial<Host> | null} host */
  whole(room, me, host) {
    for (const person of room.participants) this._run(person);
    this.room = room;
    this.me = { ...NOBODY, ...me };
    this.host = { ...NOTHING, ...host };
  }

  /** What the studio answers about oneself. @param {Partial<Me>} me */
  self(me) {
    this.me = { ...this.me, ...me };
  }

  /** Notes since when somebody has been speaking with the talk time that is told. @param {Participant} person */
  _run(person) {
    const known = this._talk.get(person.id);
    const running = person.speaking && !person.muted && person.connected;
    if (known && known.told === person.talked_seconds && known.running === running) return;
    const more = known && known.told === person.talked_seconds ? this._more(known) : 0;
    this._talk.set(person.id, { told: person.talked_seconds, more, running, since: performance.now() });
  }

  /** @param {Talk} talk */
  _more({ more, running, since }) {
    return more + (running ? (performance.now() - since) / 1000 : 0);
  }

  /** @param {Record<string, number>} levels dBov by participant */
  levels(levels) {
    this._levels = levels;
    this._levelsAt = performance.now();
  }

  /** How loud somebody is now, 0..1, or null when nobody says. @param {string} id */
  level(id) {
    if (performance.now() - this._levelsAt > STALE || !(id in this._levels)) return null;
    return share(this._levels[id]);
  }

  /** Seconds somebody has talked by now. @param {Participant} person */
  talked(person) {
    const talk = this._talk.get(person.id);
    return person.talked_seconds + (talk ? this._more(talk) : 0);
  }

  /** Who else is heard while one talks off air. */
  get only() {
    if (!this.me.aside) return "";
    const guest = this.host.waiting.find((waiting) => waiting.aside === this.me.id);
    if (guest) return guest.name;
    return this.room.participants.find((person) => person.role === "host" && person.id !== this.me.id)?.name ?? "";
  }
}

/** @param {number} dbov 0 is the loudest; also RFC 6464's positive writing @returns {number} 0..1 */
export function share(dbov) {
  return Math.max(0, Math.min(1, 1 - -Math.abs(dbov) / QUIETEST));
}

/**
 * A connection in words. Pure.
 * @param {Quality | undefined} quality @param {import("./strings.js").Translate} t
 * @returns {{text: string, weak: boolean}}
 */
export function connection(quality, t) {
  if (!quality) return { text: "", weak: false };
  const loss = Math.round(quality.loss * 100);
  if (loss >= 2) return { text: t("console.line.loss", { loss }), weak: true };
  if (quality.jitter_ms > 60) return { text: t("console.line.unsteady"), weak: true };
  if (quality.delay_ms > 250) return { text: t("console.line.late", { ms: Math.round(quality.delay_ms) }), weak: true };
  return { text: t(quality.way === "socket" ? "console.line.socket" : "console.line.good"), weak: false };
}
