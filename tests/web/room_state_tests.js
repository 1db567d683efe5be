// Tests of room_state.js and of what room_events.js makes of messages, run in Chromium by test_room_state.py.

import { RoomMirror } from "/js/room_events.js";
import { apply, Missing, RoomState, touches } from "/js/room_state.js";

const show = (value) => JSON.stringify(value);

function equal(found, wanted) {
  if (show(found) !== show(wanted)) throw new Error(`${show(found)} is not ${show(wanted)}`);
}

const person = (id, more = {}) => ({ id, name: id, connected: true, muted: false, speaking: false, ...more });
const snapshot = (seq, more = {}) => ({ stream: "s1", seq, status: "live", participants: [person("a"), person("b")], ...more });
const event = (seq, changed, more = {}) => ({ stream: "s1", seq, changed, ...more });

/** A listener that writes down what it is told. */
function notes() {
  const said = [];
  return {
    said,
    state: (state, me, host, happening) => said.push({ state, me, host, event: happening }),
    levels: (levels) => said.push({ levels }),
    reactions: (counts) => said.push({ counts }),
  };
}

export const tests = {
  "events in order are put in, and nothing is changed in place"() {
    const first = snapshot(3);
    const before = show(first);
    const room = new RoomState(first);
    equal(room.take(event(4, { "participants/a/muted": true, status: "ended" })), "applied");
    equal(room.take(event(4, { status: "open" })), "old");
    equal([room.state.status, room.state.seq, room.state.participants[0].muted], ["ended", 4, true]);
    equal(room.state.participants[1] === first.participants[1], true);
    equal(show(first), before);
  },

  "a gap is filled by one snapshot, and what came meanwhile is put in"() {
    const room = new RoomState(snapshot(3));
    equal(room.take(event(6, { status: "six" })), "gap");
    equal(room.take(event(7, { title: "seven" })), "gap");
    equal(room.state.seq, 3);
    equal(room.replace(snapshot(5)), "applied");
    equal([room.state.status, room.state.title, room.state.seq], ["six", "seven", 7]);
    equal(room.take(event(8, {})), "applied");
  },

  "a snapshot from before the events does not do"() {
    const room = new RoomState(snapshot(3));
    room.take(event(6, { status: "six" }));
    equal(room.replace(snapshot(4)), "gap");
    equal(room.replace(snapshot(6, { status: "six" })), "applied");
    equal(room.replace(snapshot(5)), "old");
    equal(room.state.seq, 6);
  },

  "an event without its change, and one that only says where the room stands, are a gap or old"() {
    const room = new RoomState(snapshot(3));
    equal(room.take({ stream: "s1", seq: 3, what: "here" }), "old");
    equal(room.take({ stream: "s1", seq: 4, what: "here" }), "gap");
    equal(room.replace(snapshot(4)), "applied");
  },

  "another start of the studio is another stream"() {
    const room = new RoomState(snapshot(900));
    equal(room.take({ stream: "s0", seq: 901, changed: { status: "old" } }), "old");
    equal(room.take({ stream: "s2", seq: 2, changed: { status: "new" } }), "gap");
    equal(room.replace(snapshot(901)), "gap");
    equal(room.replace(snapshot(1, { stream: "s2" })), "applied");
    equal([room.state.status, room.state.seq, room.state.stream], ["new", 2, "s2"]);
    equal(room.replace(snapshot(999)), "old");
  },

  "a change that does not fit is a gap and not half a change"() {
    const room = new RoomState(snapshot(3));
    equal(room.take(event(4, { status: "x", "participants/zz/muted": true })), "gap");
    equal([room.state.status, room.state.seq], ["live", 3]);
    for (const path of ["nowhere/x", "status/x", "participants/a/name/x"]) {
      let refused = false;
      try {
        apply(snapshot(1), { [path]: 1 });
      } catch (error) {
        refused = error instanceof Missing;
      }
      equal([path, refused], [path, true]);
    }
  },

  "a list's new order keeps what is known and takes what is new"() {
    const room = new RoomState(snapshot(3));
    const [a] = room.state.participants;
    equal(room.take(event(4, { "participants/*": [person("c"), "a"], "participants/a/name": "A" })), "applied");
    equal(room.state.participants.map((each) => each.name), ["c", "A"]);
    equal(a.name, "a");
    equal(room.take(event(5, { "participants/*": ["zz"] })), "gap");
  },

  "events that wait for a snapshot are bounded"() {
    const room = new RoomState(snapshot(0));
    for (let seq = 2; seq < 700; seq += 1) room.take(event(seq, { status: String(seq) }));
    equal(room.replace(snapshot(1)), "gap");
    equal(room.replace(snapshot(650)), "applied");
    equal(room.state.status, "699");
  },

  "speaking goes on over events and ends with the line or the mute"() {
    const room = new RoomState(snapshot(1));
    equal(room.speaks(["a", "b", "nobody"]), true);
    equal(room.speaks(["b", "a"]), false);
    const bare = ({ speaking: _, ...rest }) => rest;
    room.take(event(2, { participants: [person("a"), person("c"), person("b")].map(bare) }));
    equal(room.state.participants.map((each) => each.speaking), [true, false, true]);
    room.take(event(3, { "participants/a/muted": true, "participants/b/connected": false }));
    equal(room.state.participants.map((each) => each.speaking), [false, false, false]);
    equal(room.speaks(["a", "b", "c"]), true);
    equal(room.state.participants.map((each) => each.speaking), [false, true, false]);
  },

  "which member an event touches"() {
    equal(touches(event(1, { "hands/queue": [] }), "hands"), true);
    equal(touches(event(1, { hands: {} }), "hands"), true);
    equal(touches(event(1, { handsome: 1 }), "hands"), false);
    equal(touches({}, "hands"), false);
  },

  "the socket's messages"() {
    const listener = notes();
    const mirror = new RoomMirror(listener);
    equal(mirror.position, {});
    mirror.take({ type: "ping" });
    mirror.take({ type: "state", stream: "s1", seq: 1, state: snapshot(1), me: { id: "a" }, host: { waiting: [], bans: [] } });
    equal(mirror.position, { stream: "s1", seq: 1 });
    equal(mirror.take({ type: "event", ...event(2, { status: "x" }), kind: "live", data: { at: "" }, at: 5, host: { waiting: [1] } }), true);
    equal(mirror.take({ type: "private", me: { id: "a", aside: true } }), true);
    equal(mirror.take({ type: "private", kind: "waiting", data: { name: "Ada" }, at: 6 }), true);
    equal(mirror.take({ type: "speaking", ids: ["b"] }), true);
    equal(mirror.take({ type: "levels", levels: { a: -20 } }), true);
    equal(mirror.take({ type: "reactions", counts: { heart: 2 } }), true);
    const { said } = listener;
    equal(said.map((each) => each.event?.kind ?? null), [null, "live", null, "waiting", null, null, null]);
    equal(said[1].host, { waiting: [1], bans: [] });
    equal(said[2].me, { id: "a", aside: true });
    equal(said[3].event.private, true);
    equal(said[4].state.participants[1].speaking, true);
    equal([said[5].levels, said[6].counts], [{ a: -20 }, { heart: 2 }]);
    equal(mirror.take({ type: "private", host: null }), true);
    equal(mirror.host, null);
    equal(mirror.take({ type: "event", ...event(9, {}) }), false);
    mirror.forget();
    equal(mirror.position, {});
  },
};

/** As a page would: a snapshot, then events; for comparison with the studio's own reducer. */
export function run(first, events) {
  const room = new RoomState(first);
  const taken = events.map((each) => room.take(each));
  return { state: room.state, taken };
}
