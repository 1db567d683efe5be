// Tests of the console's pure parts, run in Chromium by test_web_console.py. A test fails by throwing.

import { inWords } from "/js/console_api.js";
import { findTone, HEARD, RATE, slower, tone, wav } from "/js/console_echo.js";
import { LevelJudge } from "/js/console_level.js";
import { reason, shortName } from "/js/console_link.js";
import { connection, Model, share } from "/js/console_model.js";
import { inWords as problemInWords, sign } from "/js/console_recording.js";
import { situation } from "/js/console_situation.js";
import { ahead, moment, nextTopic, topicTimes, turn } from "/js/console_times.js";

const show = (value) => JSON.stringify(value);

function equal(found, wanted) {
  if (show(found) !== show(wanted)) throw new Error(`${show(found)} is not ${show(wanted)}`);
}

function ok(condition, what) {
  if (!condition) throw new Error(what);
}

/** Numbers in [-1, 1) by chance, the same every time. */
function noise(length, seed = 7) {
  let state = seed;
  return Float32Array.from({ length }, () => (state = (state * 48271) % 2147483647) / 1073741823.5 - 1);
}

/** Something like a voice: a fundamental that wanders, with overtones, in syllables. */
function voice(length) {
  let phase = 0;
  return Float32Array.from({ length }, (_, i) => {
    phase += (2 * Math.PI * (140 + 40 * Math.sin(i / 5000))) / RATE;
    const loud = Math.max(0, Math.sin(i / 900));
    return 0.2 * loud * (Math.sin(phase) + 0.6 * Math.sin(2 * phase) + 0.4 * Math.sin(5 * phase) + 0.3 * Math.sin(9 * phase));
  });
}

const me = (more = {}) => ({ id: "a", name: "Ada", role: "speaker", invitation: "accepted", muted: false, muted_by_host: false,
  place: "", aside: false, conducts: false, clock_until: null, word: "", proposed_at: null, seat: "", green_room: false, ...more });
const facts = (more = {}) => ({ status: "live", me: me(), seat: "on", joined: true, left: false, mic: true, muted: false, dead: false, only: "", ...more });
const room = (more = {}) => ({ status: "live", participants: [], invitations: [], links: {}, ended_at: null, ...more });
const t = (key, places = {}) => `${key} ${Object.values(places).join(" ")}`.trim();

export const tests = {
  "who hears me is always exactly one answer"() {
    const says = (more) => situation(facts(more)).heard;
    equal(says({}), "air");
    equal(says({ status: "open" }), "stage");
    equal(says({ muted: true }), "muted");
    equal(says({ muted: true, me: me({ muted_by_host: true }) }), "muted_by_host");
    equal(says({ me: me({ place: "green" }) }), "nobody");
    equal(says({ me: me({ place: "green", aside: true }), only: "Eve" }), "aside");
    equal(says({ seat: "reconnecting" }), "nobody_now");
    equal(says({ seat: "doors" }), "nobody");
    equal(says({ joined: false, seat: "off" }), "nobody");
    equal(says({ status: "ended" }), "ended");
    equal(situation(facts({ me: me({ aside: true, conducts: true }), only: "Ben" })).only, "Ben");
  },

  "the sign says what is decided, and hosts what comes of it"() {
    const now = Date.parse("2026-12-01T20:00:10Z");
    const since = "2026-12-01T20:00:00Z";
    const says = (state, host, at = now) => sign(room({ recording: state ? { state, since } : null }), host, at);
    const host = (state, more = {}) => ({ on: true, off_record: false, state, since, problem: "", safe_seconds: 0, not_agreed: [], ...more });
    for (const state of ["on", "off_record", "off"]) equal(says(state, null), state);
    equal(says("on", host("on")), "on");
    equal(says("on", host("waiting")), "waiting");
    equal(says("on", host("failing")), "failing");
    equal(says("off_record", host("off_record")), "off_record");
    equal(says("off_record", host("failing")), "failing");
    equal(says("off", host("off")), "off");
    equal(says(null, null), "");
    // What the stage does not confirm is taken for true for a moment only.
    const soon = now - 8000;
    for (const state of ["", "off"]) {
      equal(says("on", host(state), soon), "on");
      equal(says("on", host(state)), "unknown");
      equal(says("off_record", host(state)), "unknown");
    }
    equal(says("off_record", host("on"), soon), "off_record");
    equal(says("off_record", host("on")), "unconfirmed");
    equal(says("off_record", host("waiting")), "unconfirmed");
    equal(says("on", host("off_record")), "unknown");
  },

  "before it is on air only hosts are told what will be"() {
    const open = room({ status: "open", recording: null });
    equal(sign(open, null, 0), "");
    equal(sign(open, { on: true, off_record: false }, 0), "will");
    equal(sign(open, { on: true, off_record: true }, 0), "will_off");
    equal(sign(open, { on: false, off_record: false }, 0), "will_not");
    equal(sign(room({ status: "ended", recording: null }), { on: true }, 0), "");
  },

  "the stage's words for what is wrong are translated, and unknown ones kept"() {
    equal(problemInWords("The disk is full.", t), "console.rec.problem.full");
    equal(problemInWords("The disk does not answer. The recording goes on in the spare folder.", t), "console.rec.problem.hung console.rec.problem.spare");
    equal(problemInWords("Something new.", t), "Something new.");
  },

  "muted in the green room is said as muted, and who waits is never told that he is heard"() {
    for (const status of ["open", "live", "paused"]) {
      for (const muted of [true, false]) {
        const said = situation(facts({ status, muted, me: me({ place: "green" }) }));
        ok(["muted", "nobody"].includes(said.heard), said.heard);
        ok(said.tone !== "good", "nothing good about it");
      }
    }
  },

  "an invitation comes before the microphone, but not for hosts"() {
    const before = { joined: false, seat: "off", mic: false, status: "scheduled" };
    equal(situation(facts({ ...before, me: me({ invitation: "seen" }) })).name, "invited");
    equal(situation(facts({ ...before, me: me({ invitation: "declined" }) })).name, "declined");
    equal(situation(facts({ ...before, me: me({ invitation: "offered", conducts: true }) })).name, "before");
    equal(situation(facts({ ...before, mic: true })).name, "ready");
    equal(situation(facts({ ...before, mic: true, me: me({ green_room: true }) })).hint, "ready_green");
  },

  "the tone is found in what the microphone hears, wherever it is and however soft"() {
    const played = tone(RATE);
    for (const [at, gain] of [[0, 0.3], [3000, 0.1], [7000, 0.03]]) {
      const heard = noise(17_000).map((sample) => sample * 0.005);
      played.forEach((sample, i) => (heard[at + i] += gain * sample));
      const found = findTone(heard);
      ok(found.match > HEARD, `${found.match} at gain ${gain}`);
      ok(Math.abs(found.at - at / RATE) < 0.002, `${found.at} is not ${at / RATE}`);
    }
  },

  "the tone is not found in a voice, in noise or in silence"() {
    for (const [name, heard] of Object.entries({ voice: voice(17_000), noise: noise(17_000), silence: new Float32Array(17_000), short: noise(100) })) {
      const { match } = findTone(heard);
      ok(match < HEARD / 2, `${name}: ${match}`);
    }
  },

  "the tone is found after another rate of samples"() {
    const fast = new Float32Array(100_000);
    tone(44_100).forEach((sample, i) => (fast[20_000 + i] = 0.2 * sample));
    const found = findTone(slower(fast, 44_100));
    ok(found.match > 0.9, String(found.match));
  },

  "a WAV file says what it is"() {
    equal(wav(new Float32Array(10), 8000).size, 64);
    equal(wav(new Float32Array(10), 8000).type, "audio/wav");
  },

  "a level is judged by the last seconds"() {
    const verdicts = (looks) => {
      const judge = new LevelJudge();
      return looks.map(([level, clipped]) => {
        judge.hear(level, clipped ?? false);
        return judge.look();
      }).at(-1);
    };
    equal(verdicts([[0.6], [0.1]]), "good");
    equal(verdicts([[0.3], [0.3]]), "quiet");
    equal(verdicts([[0.97]]), "loud");
    equal(verdicts([[0.1]]), "wait");
    equal(verdicts(Array(8).fill([0.05])), "none");
    equal(verdicts([[0.6, true], [0.6]]), "good");
    equal(verdicts([[0.6, true], [0.6], [0.6, true]]), "clipped");
    equal(verdicts([[0.6, true], [0.6, true], ...Array(10).fill([0.6])]), "good");
    equal(verdicts([[0.6], ...Array(12).fill([0.05])]), "wait");
  },

  "a refused link says why"() {
    const answer = (status, body = {}) => ({ ok: false, status, body, retryAfter: 0 });
    equal(reason(answer(409), "used"), "used");
    equal(reason(answer(401), "used"), "bad_ticket");
    equal(reason(answer(401, { state: "withdrawn" }), "used"), "withdrawn");
    equal(reason(answer(401, { state: "expired" }), "used"), "expired");
    equal(reason(answer(403), "used"), "banned");
    equal(reason(answer(401, { state: "<b>" }), "used"), "bad_ticket");
  },

  "links have different short names"() {
    const names = new Set(Array.from({ length: 5000 }, (_, i) => shortName(`l_${i}`)));
    equal(names.size, 5000);
  },

  "a problem is one line for a person"() {
    equal(inWords({ status: 409, body: { title: "Not possible now", detail: "It is scheduled." } }), "It is scheduled.");
    equal(inWords({ status: 422, body: { title: "Not valid", errors: [{ detail: "too long" }] } }), "Not valid too long");
    equal(inWords({ status: 502, body: {} }), "502");
  },

  "a moment is said in the reader's zone, and in the room's when the clocks differ"() {
    const both = moment("2026-11-24T19:00:00Z", "en", "America/New_York", "Europe/Berlin");
    ok(both.here.includes("20:00"), both.here);
    ok(both.there.includes("14:00"), both.there);
    equal(both.place, "New York");
    equal(moment("2026-11-24T19:00:00Z", "de", "Europe/Vienna", "Europe/Berlin").there, "");
    equal(moment("2026-11-24T19:00:00Z", "de", "No/Where", "Europe/Berlin").there, "");
    equal(moment("2026-11-24T19:00:00Z", "de", "", "Europe/Berlin").there, "");
  },

  "a turn runs, runs out soon, and is over"() {
    const now = Date.parse("2026-11-24T19:00:00Z");
    equal(turn(null, now), { state: "", time: "", seconds: 0 });
    equal(turn("2026-11-24T19:01:30Z", now), { state: "running", time: "1:30", seconds: 90 });
    equal(turn("2026-11-24T19:00:30Z", now).state, "soon");
    equal(turn("2026-11-24T19:00:00Z", now), { state: "over", time: "0:00", seconds: 0 });
    equal(turn("2026-11-24T18:59:00Z", now).time, "1:00");
  },

  "a topic's time is from its chapter to the next, twice if it came twice"() {
    const at = (minute) => `2026-11-24T19:${String(minute).padStart(2, "0")}:00Z`;
    const topics = [{ id: "1", title: "A" }, { id: "2", title: "B" }, { id: "3", title: "C" }];
    const chapters = [{ title: "A", at: at(0) }, { title: "B", at: at(10) }, { title: "A", at: at(12) }, { title: "gone", at: at(13) }];
    const taken = topicTimes(room({ topics, chapters }), Date.parse(at(20)));
    equal([...taken], [["1", 660], ["2", 120]]);
    equal(nextTopic(room({ topics, topic_id: "" })).id, "1");
    equal(nextTopic(room({ topics, topic_id: "2" })).id, "3");
    equal(nextTopic(room({ topics, topic_id: "3" })), null);
  },

  "who is a minute ahead is said"() {
    equal(ahead([{ name: "A", seconds: 100 }, { name: "B", seconds: 50 }]), null);
    equal(ahead([{ name: "A", seconds: 10 }, { name: "B", seconds: 200 }]), { name: "B", seconds: 190 });
    equal(ahead([{ name: "A", seconds: 1000 }]), null);
  },

  "talk time runs on between two states, and never twice"() {
    const clock = { now: 0 };
    const real = performance.now;
    performance.now = () => clock.now;
    try {
      const person = (more) => ({ id: "a", name: "A", connected: true, speaking: true, muted: false, talked_seconds: 10, ...more });
      const model = new Model(room());
      model.whole(room({ participants: [person()] }), null, null);
      clock.now = 3000;
      equal(model.talked(person()), 13);
      model.whole(room({ participants: [person()], listeners: 3 }), null, null);
      equal(model.talked(person()), 13);
      model.whole(room({ participants: [person({ speaking: false })] }), null, null);
      clock.now = 9000;
      equal(model.talked(person({ speaking: false })), 13);
      model.whole(room({ participants: [person({ speaking: false, talked_seconds: 13.2 })] }), null, null);
      equal(model.talked(person({ talked_seconds: 13.2 })), 13.2);
    } finally {
      performance.now = real;
    }
  },

  "a connection is said in words"() {
    equal(connection({ loss: 0.04, jitter_ms: 3, delay_ms: 40, level_dbov: -20 }, t), { text: "console.line.loss 4", weak: true });
    equal(connection({ loss: 0, jitter_ms: 90, delay_ms: 40, level_dbov: -20 }, t).text, "console.line.unsteady");
    equal(connection({ loss: 0, jitter_ms: 3, delay_ms: 400, level_dbov: -20 }, t).text, "console.line.late 400");
    equal(connection({ loss: 0, jitter_ms: 3, delay_ms: 40, level_dbov: -20 }, t), { text: "console.line.good", weak: false });
    equal(connection(undefined, t).text, "");
    equal([share(0), share(-60), share(-127), share(-30), share(30)], [1, 0, 0, 0.5, 0.5]);
  },
};
