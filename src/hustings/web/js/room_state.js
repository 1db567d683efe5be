// A room's public state, kept current by events. Pure: no socket, no page. For all pages.
//
//   const room = new RoomState(snapshot);   // state.json, or the studio socket's "state"
//   room.take(event)                        // -> "applied" | "gap" | "old"
//   room.state                              // as a fresh snapshot would be; never changed in place
//   room.replace(snapshot)                  // -> "applied" | "gap" | "old"
//
// An event is {stream, seq, changed, ...}: from the studio socket, or in band by push (record 3 with
// kind "room"; what happened is its `what`). On "gap" fetch state.json ONCE, after a random moment (everybody
// else may have the same gap), and `replace`; events taken meanwhile wait here and are applied to it. When `replace`
// says "gap" the snapshot was older than the events: fetch again, by a growing back-off. Polled states go
// through `replace`, too: one that is older than what is known is left alone ("old").
//
// `changed` names members by paths: "status", or with "/" a member within ("listeners_by_door/hls"), elements of
// lists by their `id` ("participants/ab12/muted"). "questions/list/*" is a list's new order: the ids of what was there, and
// whole what is new. `touches(event, "participants")` says whether a member is concerned.
//
// Who is speaking is not in events, for it changes with the sound: by push it comes as the stage's own events
// ("speaking", at their media_time), by the studio socket beside the events. Whoever has it calls `speaks(ids)` or
// draws it apart; here it is kept over events, and ends with being connected or with being muted.

/** Events that wait for a snapshot; more than that and the oldest go, which is a gap again. */
const MAX_WAITING = 500;

/** @typedef {Record<string, any>} Json */
/** @typedef {{stream: string, seq: number, changed?: Json}} StateEvent */

/** Whether `one` was told before `other`. Streams sort by when they began: each start of the studio begins one. @param {{stream: string, seq: number}} one @param {{stream: string, seq: number}} other */
export function isOlder(one, other) {
  return one.stream < other.stream || (one.stream === other.stream && one.seq < other.seq);
}

/** @param {{changed?: Json}} event @param {string} member @returns {boolean} whether the top-level member changes */
export function touches(event, member) {
  return Object.keys(event.changed ?? {}).some((path) => path === member || path.startsWith(`${member}/`));
}

/**
 * `state` with the members of `changed` put in; `state` itself stays as it is.
 * @param {Json} state @param {Json} changed @returns {Json}
 * @throws {Missing} when a path leads nowhere: the state is not the one the change was made for
 */
export function apply(state, changed) {
  let next = state;
  for (const [path, value] of Object.entries(changed)) next = put(next, path.split("/"), value);
  return "participants" in next ? { ...next, participants: quiet(next.participants, state.participants) } : next;
}

/** A change that does not fit. */
export class Missing extends Error {}

/** @param {any} value @param {string[]} path @param {any} content @returns {any} */
function put(value, [name, ...rest], content) {
  if (Array.isArray(value) && name === "*") {
    const known = new Map(value.map((element) => [element?.id, element]));
    return content.map((/** @type {any} */ each) => {
      if (typeof each !== "string") return each;
      if (!known.has(each)) throw new Missing(each);
      return known.get(each);
    });
  }
  if (Array.isArray(value)) {
    const at = value.findIndex((element) => element?.id === name);
    if (at < 0) throw new Missing(name);
    return value.with(at, rest.length ? put(value[at], rest, content) : content);
  }
  if (typeof value !== "object" || value === null || (rest.length && !Object.hasOwn(value, name))) throw new Missing(name);
  return { ...value, [name]: rest.length ? put(value[name], rest, content) : content };
}

/** Speaking goes on over a change, but not without a line or when muted. @param {any[]} people @param {any[]} before */
function quiet(people, before) {
  const spoke = new Set((before ?? []).filter((person) => person.speaking).map((person) => person.id));
  return people.map((person) => {
    const speaking = Boolean(person.connected && !person.muted && (person.speaking ?? spoke.has(person.id)));
    return person.speaking === speaking ? person : { ...person, speaking };
  });
}

export class RoomState {
  /** @param {Json} snapshot */
  constructor(snapshot) {
    this._state = snapshot;
    /** @type {StateEvent[]} */
    this._waiting = [];
  }

  /** @returns {any} */
  get state() {
    return this._state;
  }

  /** @param {StateEvent} event @returns {"applied" | "gap" | "old"} */
  take(event) {
    const { stream, seq } = this._state;
    if (!isOlder(this._state, event)) return "old";
    if (event.stream === stream && event.seq === seq + 1 && event.changed) {
      try {
        this._state = { ...apply(this._state, event.changed), stream, seq: event.seq };
        return "applied";
      } catch (error) {
        if (!(error instanceof Missing)) throw error;
      }
    }
    this._waiting.push(event);
    if (this._waiting.length > MAX_WAITING) this._waiting.shift();
    return "gap";
  }

  /** @param {Json} snapshot @returns {"applied" | "gap" | "old"} */
  replace(snapshot) {
    const older = isOlder(/** @type {StateEvent} */ (snapshot), this._state);
    if (!older) this._state = snapshot;
    const waiting = this._waiting;
    this._waiting = [];
    let missing = false;
    for (const event of waiting) missing = this.take(event) === "gap" || missing;
    if (missing) return "gap";
    return older ? "old" : "applied";
  }

  /** Exactly these are speaking now. @param {Iterable<string>} ids @returns {boolean} whether that is new */
  speaks(ids) {
    const now = new Set(ids);
    let any = false;
    const participants = (this._state.participants ?? []).map((/** @type {any} */ person) => {
      const speaking = now.has(person.id) && person.connected && !person.muted;
      if (Boolean(person.speaking) === speaking) return person;
      any = true;
      return { ...person, speaking };
    });
    if (any) this._state = { ...this._state, participants };
    return any;
  }
}
