// Tests of the scripts' pure parts, run in Chromium by test_web_scripts.py. A test fails by throwing.

import { Backoff } from "/js/backoff.js";
import { clipName, endsMoved, LONGEST } from "/js/clip_model.js";
import {
  editOf, endMoved, evened, kept, lengthOf, nextKept, normal, orderOf, placeOf, previewGain, timeOf, trouble, untouched, usualLevel, withCut, withoutCut,
} from "/js/edit_model.js";
import { clockTime, countdown, dayAndTime, initials, sameClock, span } from "/js/format.js";
import { FASTEST, Governor, SLOWEST } from "/js/governor.js";
import { holdsFor, readLinks } from "/js/ice_servers.js";
import { pieceAt, pieces } from "/js/listen_rewind.js";
import { Heard } from "/js/listen_wave.js";
import { decodeTime } from "/js/mp4_time.js";
import { bytes, ceiling, hoursLeft, lasted, paths, percent, placeInHour, range } from "/js/operator_model.js";
import { Corrupt, readJson, RecordParser } from "/js/push.js";
import { afterSilence, chapterAt, height, loudest, momentOf, nextSpeaker, recording, speakers } from "/js/replay_model.js";
import { changedSeldom } from "/js/room_fresh.js";
import { describe } from "/js/room_view.js";
import { Playout } from "/js/socket_playout.js";
import { build, levelOf, parse } from "/js/socket_rtp.js";
import { Strings } from "/js/strings.js";
import { tuneOpus } from "/js/whip.js";

const show = (value) => JSON.stringify(value);

function equal(found, wanted) {
  if (show(found) !== show(wanted)) throw new Error(`${show(found)} is not ${show(wanted)}`);
}

function ok(condition, what) {
  if (!condition) throw new Error(what);
}

/** A random number generator that gives the same numbers every time. */
function seeded(seed) {
  let state = seed;
  return () => (state = (state * 48271) % 2147483647) / 2147483647;
}

function record(type, payload) {
  const bytes = new Uint8Array(8 + payload.length);
  bytes[0] = type;
  new DataView(bytes.buffer).setUint32(4, payload.length);
  bytes.set(payload, 8);
  return bytes;
}

function joined(parts) {
  return Uint8Array.from(parts.flatMap((part) => [...part]));
}

/** Chunks of 200 ms from a live stream through a network, played by the governor's advice. */
function simulate({ seconds, delay, batch = 1, skew = 0 }) {
  const governor = new Governor();
  let position = 0;
  let end = 0;
  let playing = false;
  let underruns = 0;
  let rate = 1;
  const rates = [];
  const behind = [];
  const arrivals = [];
  for (let i = 1; i * 0.2 < seconds + 5; i += 1) {
    const batchEnd = Math.ceil(i / batch) * batch * 0.2;
    arrivals.push({ at: batchEnd * (1 + skew) + delay(i), end: i * 0.2 });
  }
  arrivals.sort((a, b) => a.at - b.at);
  let next = 0;
  for (let now = 0; now < seconds; now += 0.01) {
    if (playing) position += 0.01 * rate;
    if (playing && position >= end) {
      position = end;
      playing = false;
      underruns += 1;
      governor.underrun(now);
    }
    while (next < arrivals.length && arrivals[next].at <= now) {
      if (!playing) governor.waited(now);
      else {
        const advice = governor.arrived(end - position, now);
        rate = advice.rate;
        position += advice.jump;
        rates.push(rate);
      }
      end = Math.max(end, arrivals[next].end);
      next += 1;
      if (!playing && end - position >= governor.enough) playing = true;
    }
    behind.push(now - position);
  }
  return { underruns, rates, behind, floor: governor.floor, last: behind.at(-1) };
}

export const tests = {
  "records come out the same however the stream is cut"() {
    const random = seeded(7);
    const wanted = Array.from({ length: 200 }, (_, i) => [i % 7, Math.floor(random() * 300)]);
    const stream = joined(wanted.map(([type, length]) => record(type, new Uint8Array(length).fill(type))));
    for (let round = 0; round < 20; round += 1) {
      const parser = new RecordParser();
      const found = [];
      for (let at = 0; at < stream.length; ) {
        const size = 1 + Math.floor(random() * 700);
        found.push(...parser.push(stream.slice(at, at + size)));
        at += size;
      }
      equal(found.map(({ type, payload }) => [type, payload.length]), wanted);
      ok(found.every(({ type, payload }) => payload.every((byte) => byte === type)), "a payload was mixed up");
    }
  },

  "a record that claims too much is refused"() {
    const bytes = record(2, new Uint8Array(0));
    new DataView(bytes.buffer).setUint32(4, 2 ** 31);
    try {
      new RecordParser().push(bytes);
    } catch (error) {
      return ok(error instanceof Corrupt, `${error}`);
    }
    throw new Error("it was taken");
  },

  "only JSON objects are events"() {
    const encode = (text) => new TextEncoder().encode(text);
    equal(readJson(encode('{"reason":"ended"}')), { reason: "ended" });
    equal(readJson(new Uint8Array(0)), {});
    for (const bad of ["[]", "null", "1", "{", "\u0000"]) {
      let refused = false;
      try {
        readJson(encode(bad));
      } catch (error) {
        refused = error instanceof Corrupt;
      }
      ok(refused, `${bad} was taken`);
    }
  },

  "bytes that are no chunk have no decode time"() {
    const random = seeded(3);
    for (let i = 0; i < 500; i += 1) {
      const bytes = Uint8Array.from({ length: Math.floor(random() * 80) }, () => Math.floor(random() * 256));
      equal(decodeTime(bytes), null);
    }
  },

  "on a good line the player settles close behind and leaves the rate alone"() {
    const { underruns, rates, last } = simulate({ seconds: 60, delay: () => 0.03 });
    equal(underruns, 0);
    ok(last < 0.65, `${last} s behind`);
    ok(rates.slice(-150).every((rate) => rate === 1), "the rate is still changing");
  },

  "clocks that run apart are followed for hours without a gap"() {
    for (const skew of [-0.0002, 0.0002]) {
      const { underruns, behind } = simulate({ seconds: 3600, delay: () => 0.03, skew });
      equal(underruns, 0);
      const spread = behind.slice(-1000).map((value, i) => value - skew * (3600 - (1000 - i) * 0.01));
      ok(Math.max(...spread) < 0.75, `${Math.max(...spread)} s behind at ${skew}`);
    }
  },

  "a batch of 800 ms does not run dry"() {
    const { underruns, last } = simulate({ seconds: 60, delay: () => 0.03, batch: 4 });
    ok(underruns <= 2, `${underruns} underruns`);
    ok(last < 2, `${last} s behind`);
  },

  "on a bad line the margin grows until it holds, and the rate stays within bounds"() {
    const random = seeded(11);
    const { underruns, rates } = simulate({ seconds: 120, delay: () => (random() < 0.05 ? 0.6 : 0.05 * random()) });
    ok(underruns >= 1 && underruns <= 8, `${underruns} underruns`);
    ok(rates.every((rate) => rate >= SLOWEST && rate <= FASTEST), "out of bounds");
  },

  "after a long break the player jumps instead of catching up for minutes"() {
    const governor = new Governor();
    governor.arrived(0.2, 1);
    const advice = governor.arrived(9, 9);
    ok(advice.jump > 8 && advice.rate === 1, show(advice));
  },

  "waiting times grow, stay within bounds and differ"() {
    const backoff = new Backoff(1, 8, seeded(5));
    const waits = Array.from({ length: 8 }, () => backoff.next());
    ok(waits.every((wait, i) => wait >= Math.min(8, 2 ** i) / 2 && wait <= Math.min(8, 2 ** i)), show(waits));
    backoff.reset();
    ok(backoff.next() <= 1, "reset does nothing");
  },

  "Opus is asked for without gaps and with error correction, and nothing else changes"() {
    const sdp = "v=0\r\nm=audio 9 UDP/TLS/RTP/SAVPF 111 9\r\na=rtpmap:111 opus/48000/2\r\na=fmtp:111 minptime=10;useinbandfec=0\r\na=rtpmap:9 G722/8000\r\n";
    const tuned = tuneOpus(sdp).split("\r\n");
    equal(tuned[3], "a=fmtp:111 minptime=10;useinbandfec=1;usedtx=0;stereo=0;sprop-stereo=0;maxaveragebitrate=48000");
    equal(tuned.filter((_, i) => i !== 3), sdp.split("\r\n").filter((_, i) => i !== 3));
    const bare = tuneOpus(sdp.replace(/a=fmtp.*\r\n/, "")).split("\r\n");
    equal(bare[3], "a=fmtp:111 useinbandfec=1;usedtx=0;stereo=0;sprop-stereo=0;maxaveragebitrate=48000");
    equal(tuneOpus("v=0\r\n"), "v=0\r\n");
    const original = tuneOpus(sdp, true).split("\r\n");
    equal(original[3], "a=fmtp:111 minptime=10;useinbandfec=1;usedtx=0;stereo=1;sprop-stereo=0;maxaveragebitrate=96000");
  },

  "relays are read from Link headers, and nothing else is"() {
    const turn = '<turn:relay.example.org:3478?transport=udp>; rel="ice-server"; username="1764450000:a,b"; credential="x+/=,;"; credential-type="password"';
    const found = readLinks(`<https://example.org/>; rel="help", ${turn}, <stun:relay.example.org>; rel=ice-server, <javascript:alert(1)>; rel="ice-server"`);
    equal(found, [
      { urls: "turn:relay.example.org:3478?transport=udp", username: "1764450000:a,b", credential: "x+/=,;" },
      { urls: "stun:relay.example.org" },
    ]);
    equal([readLinks(""), readLinks("<turn:x"), readLinks('<turn:a>; rel="next"')], [[], [], []]);
    equal([holdsFor(found, 1764449000), holdsFor(found, 1764460000), holdsFor([], 0)], [1000, 600, 600]);
  },

  "times read as people write them"() {
    equal([clockTime(0), clockTime(247.9), clockTime(3847)], ["0:00", "4:07", "1:04:07"]);
    equal([countdown(750, "de"), countdown(3900 * 3, "de")], ["12:30", "3 h 15 min"]);
    equal([countdown(1857 * 86_400, "en"), countdown(1857 * 86_400, "de")], ["1,857 days", "1.857 Tagen"]);
    equal([span(45), span(125), span(7080), span(7200)], ["45 s", "2 min", "1 h 58 min", "2 h"]);
    equal([initials("Ada Byron King"), initials("élan"), initials("😀 b"), initials("")], ["AB", "É", "😀B", ""]);
  },

  "a punctual start is called so, and a late one too"() {
    const t = (key, places = {}) => [key, ...Object.values(places)].join(" ");
    const strings = Object.assign(new Strings("en", {}), { t });
    const room = (status, changes) => ({ status, scheduled_at: "2026-11-22T20:00:00Z", started_at: null, ended_at: null, ...changes });
    const at = (time) => new Date(`2026-11-22T${time}Z`);
    const said = (...args) => describe(room(...args.slice(0, 2)), strings, at(args[2]));
    equal(said("live", { started_at: "2026-11-22T20:00:31Z" }, "20:10:00").mark, "state.on_time");
    equal(said("live", { started_at: "2026-11-22T20:08:00Z" }, "20:10:00").mark, "state.late 8 min");
    equal(said("open", {}, "19:47:30").mark, "state.starts_in 12:30");
    equal(said("open", {}, "20:01:00").mark, "state.due");
    equal(said("scheduled", {}, "19:47:30").mark, "");
    equal(said("cancelled", {}, "19:47:30").lead, "room.cancelled_lead");
    equal(said("ended", { started_at: "2026-11-22T20:00:00Z", ended_at: "2026-11-22T21:58:00Z" }, "22:00:00").when.endsWith("1 h 58 min"), true);
  },

  "a day is written in the reader's zone or in the room's, which may show another"() {
    const at = "2026-12-24T23:30:00Z";
    equal(dayAndTime(at, "en", "Europe/Berlin").replaceAll(",", ""), "Friday 25 December 2026 00:30");
    ok(dayAndTime(at, "de", "America/New_York").endsWith("24. Dezember 2026, 18:30"), dayAndTime(at, "de", "America/New_York"));
    const here = Intl.DateTimeFormat().resolvedOptions().timeZone;
    ok(sameClock(at, here) && !sameClock(at, here === "Asia/Tokyo" ? "UTC" : "Asia/Tokyo"), "zones are not told apart");
    ok(sameClock(at, "Nowhere/Atall"), "an unknown zone is shown");
    ok(dayAndTime(at, "en", "Nowhere/Atall").length > 10, "an unknown zone breaks the page");
  },

  "a live playlist is read into pieces with their dates, holes left out, parts of the unfinished segment last"() {
    const list = [
      "#EXTM3U", "#EXT-X-PART-INF:PART-TARGET=0.60000", '#EXT-X-MAP:URI="opus/init.mp4"',
      "#EXT-X-PROGRAM-DATE-TIME:2026-11-22T20:00:00.000Z", "#EXTINF:6.00000,", "opus/0.m4s",
      "#EXT-X-GAP", "#EXTINF:6.00000,", "opus/1.m4s",
      "#EXT-X-PROGRAM-DATE-TIME:2026-11-22T20:00:12.000Z", '#EXT-X-PART:DURATION=0.60000,URI="opus/2.0.m4s",INDEPENDENT=YES',
      "#EXTINF:6.00000,", "opus/2.m4s",
      "#EXT-X-PROGRAM-DATE-TIME:2026-11-22T20:00:18.000Z", '#EXT-X-PART:DURATION=0.60000,URI="opus/3.0.m4s",INDEPENDENT=YES',
      '#EXT-X-PART:DURATION=0.60000,URI="opus/3.1.m4s",GAP=YES', '#EXT-X-PART:DURATION=0.60000,URI="opus/3.2.m4s"',
      '#EXT-X-PRELOAD-HINT:TYPE=PART,URI="opus/3.3.m4s"',
    ].join("\n");
    const begin = Date.parse("2026-11-22T20:00:00Z") / 1000;
    const found = pieces(list, "http://h/r/x/hls/opus.m3u8");
    equal(found.map(({ uri, at }) => [uri.split("/hls/")[1], Math.round((at - begin) * 10) / 10]),
      [["opus/0.m4s", 0], ["opus/2.m4s", 12], ["opus/3.0.m4s", 18], ["opus/3.2.m4s", 19.2]]);
    const name = (at) => pieceAt(found, begin + at)?.uri.split("/").at(-1);
    equal([name(0), name(5.9), name(5.98), name(12), name(18.1), name(18.6), name(19.9)],
      ["0.m4s", "0.m4s", "2.m4s", "2.m4s", "3.0.m4s", "3.2.m4s", undefined]);
    equal(pieces("", "http://h/"), []);
  },

  "the picture of what was heard tells silence from what was not heard, whatever the scale"() {
    const heard = new Heard();
    for (let second = 10; second < 20; second += 1) {
      heard.add(second + 0.1, 0.4);
      heard.add(second + 0.6, 0.8);
    }
    heard.add(20, 0);
    heard.add(-3, 1);
    heard.add(1e9, 1);
    const round = (bars) => bars.map((bar) => Math.round(bar * 100) / 100);
    equal(round(heard.bars(9, 22, 13)), [-1, ...Array(10).fill(0.6), 0, -1]);
    equal(round(heard.bars(0, 40, 4)), [-1, 0.6, 0, -1]);
    equal(heard.bars(0, 1, 200).length, 200);
    heard.clear();
    equal(heard.bars(0, 40, 4), [-1, -1, -1, -1]);
  },

  "only what changes seldom makes the page be asked for anew"() {
    const room = { title: "a", topics: [{ id: "1" }], status: "live", listeners: 3, participants: [] };
    ok(!changedSeldom({ ...room, topics: [{ id: "1" }], listeners: 4, participants: [{}] }, room), "figures count");
    ok(changedSeldom({ ...room, topics: [{ id: "2" }] }, room) && changedSeldom({ ...room, title: "b" }, room), "an edit is missed");
  },

  "a recording is read from its two files, with positions from its beginning"() {
    const of = talk();
    equal([of.seconds, of.step, of.voices.map((voice) => voice.name)], [40, 0.2, ["Ada", "Ben"]]);
    equal(of.voices[0].spans, [[0, 4], [5, 9], [20, 25]]);
    equal(of.voices[0].talked, 13);
    // A breath of a second is no new turn.
    equal(of.turns.map(({ from, to, voice }) => [from, to, voice.name]), [[0, 9, "Ada"], [10, 18, "Ben"], [20, 25, "Ada"], [24, 40, "Ben"]]);
    equal(of.chapters, [{ at: 0, title: "Welcome" }, { at: 19, title: "Rents" }]);
    equal([0, 18, 18.6, 39].map((at) => chapterAt(of.chapters, at)), [0, 0, 1, 1]);
  },

  "who speaks, and who speaks next"() {
    const of = talk();
    equal([2, 4.5, 24.5, 39].map((at) => speakers(of, at).map((voice) => voice.name)), [["Ada"], [], ["Ada", "Ben"], ["Ben"]]);
    equal([0, 5, 9.5, 12, 21, 24.5, 30].map((at) => nextSpeaker(of, at)), [10, 10, 10, 20, 24, null, null]);
  },

  "silence is skipped up to just before the next word, and only when it is long"() {
    const of = talk();
    equal(afterSilence(of, 2), null);
    equal(Math.round(afterSilence(of, 18.5) * 10) / 10, 19.7);
    // Too short already.
    equal(afterSilence(of, 19), null);
    equal(afterSilence(of, 4), null);
  },

  "levels become heights, and the loudest of a stretch counts"() {
    equal([127, 60, 8, 0].map(height), [0, 0, 1, 1]);
    const peaks = Uint8Array.from([127, 127, 34, 127]);
    equal([loudest(peaks, 0.2, 0, 0.4), loudest(peaks, 0.2, 0, 0.8), loudest(peaks, 0.2, 0.45, 0.5), loudest(peaks, 0.2, 5, 9)], [0, 0.5, 0.5, 0]);
  },

  "a moment is read out of an address in every usual form"() {
    const forms = { "#t=754": 754, "#t=12:34": 754, "#t=1:02:03": 3723, "#t=12m34s": 754, "#t=2h": 7200, "#a=1&t=7.5": 7.5 };
    for (const [hash, seconds] of Object.entries(forms)) equal([hash, momentOf(hash)], [hash, seconds]);
    for (const hash of ["", "#", "#t=", "#t=x", "#t=-4", "#t=1:2", "#time=4"]) equal([hash, momentOf(hash)], [hash, null]);
  },

  "a clip's ends are on the grid, in order, and at most 90 s apart, wherever they are put"() {
    let seed = 7;
    const chance = () => (seed = (seed * 48_271) % 2_147_483_647) / 2_147_483_647;
    for (const seconds of [0.5, 37.33, 600]) {
      /** @type {import("/js/clip_model.js").Marks} */
      let marks = { from: null, to: null };
      for (let i = 0; i < 400; i += 1) {
        const end = chance() < 0.5 ? "from" : "to";
        const other = end === "from" ? "to" : "from";
        const before = marks[other];
        const found = endsMoved(marks, end, chance() * 1.2 * seconds - 0.1 * seconds, seconds);
        marks = found.marks;
        equal(found.moved, before !== marks[other]);
        const { from, to } = marks;
        if (from === null || to === null) continue;
        const [a, b] = clipName(from, to, 6).split("-").map(Number);
        if (!(a >= 6000 && b > a && b - a <= 1000 * LONGEST && b <= (6 + seconds) * 1000 && a % 20 === 0 && b % 20 === 0)) throw new Error(`${a}-${b}`);
      }
    }
  },

  "the end that is put stays; the other one moves along only where it has to"() {
    equal(endsMoved({ from: 10, to: 30 }, "from", 20, 600), { marks: { from: 20, to: 30 }, moved: false });
    equal(endsMoved({ from: 10, to: 30 }, "to", 200, 600), { marks: { from: 110, to: 200 }, moved: true });
    equal(endsMoved({ from: 10, to: 30 }, "from", 50, 600), { marks: { from: 50, to: 70 }, moved: true });
    equal(endsMoved({ from: 10, to: 30 }, "to", 5, 600), { marks: { from: 0, to: 5 }, moved: true });
    equal(clipName(10, 30, 6.2), "16200-36200");
  },

  "an edit: cuts are put in order, joined where they touch, and become the ends where they reach them"() {
    const edit = untouched(60.013);
    equal([edit.from, edit.to], [0, 60]);
    const cut = normal({ ...edit, cuts: [[30, 40], [20, 10], [38, 45.011], [50, 50], [70, 80]] }, 60);
    equal(cut.cuts, [[10, 20], [30, 45.02]]);
    const ends = normal({ ...edit, cuts: [[55, 99], [0, 5], [5, 7]] }, 60);
    equal([ends.from, ends.to, ends.cuts], [7, 55, []]);
    equal(withCut(withCut(edit, 10, 20, 60), 20, 30, 60).cuts, [[10, 30]]);
    equal(withoutCut(cut, 0).cuts, [[30, 45.02]]);
    equal(endMoved(cut, 0, "to", 35, 60).cuts, [[10, 45.02]]);
    const shorter = endMoved(cut, -1, "from", 15, 60);
    equal([shorter.from, shorter.cuts], [20, [[30, 45.02]]]);
  },

  "an edit: what is left and what was cut make the whole, whatever is cut"() {
    const random = seeded(7);
    for (let round = 0; round < 300; round += 1) {
      const seconds = 5 + random() * 600;
      let edit = untouched(seconds);
      for (let i = 0; i < 12; i += 1) {
        const a = random() * seconds;
        edit = random() < 0.2 && edit.cuts.length ? withoutCut(edit, 0) : withCut(edit, a, a + random() * 40, seconds);
        if (random() < 0.1) edit = endMoved(edit, -1, random() < 0.5 ? "from" : "to", random() * seconds, seconds);
      }
      const left = kept(edit);
      const cut = lengthOf(edit.cuts);
      ok(Math.abs(lengthOf(left) + cut - (edit.to - edit.from)) < 1e-6, "something is lost");
      equal(normal(edit, seconds), edit);
      left.forEach(([a, b], i) => ok(a < b && (i === 0 || left[i - 1][1] < a), "stretches touch"));
      const at = random() * seconds;
      const next = nextKept(left, at);
      const inside = left.some(([a, b]) => a - 0.001 <= at && at < b - 0.001);
      ok((next === null) === inside, "a moment is in it or not");
      if (next !== null && next >= 0) ok(next > at && left.some(([a]) => a === next), "it goes on where a stretch begins");
    }
  },

  "an edit: moments of the original and of the edited version"() {
    const edit = withCut(withCut(endMoved(untouched(100), -1, "from", 10, 100), 20, 30, 100), 50, 55, 100);
    const left = kept(edit);
    equal(left, [[10, 20], [30, 50], [55, 100]]);
    equal([5, 15, 25, 30, 99.99].map((at) => nextKept(left, at)), [10, null, 30, null, null]);
    equal(nextKept(left, 100), -1);
    equal([0, 10, 15, 25, 40, 60, 100].map((at) => placeOf(left, at)), [0, 0, 5, 10, 20, 35, 75]);
  },

  "an edit: as it is sent, and back again"() {
    let edit = withCut(endMoved(untouched(100), -1, "to", 90, 100), 20, 30.5, 100);
    edit = { ...edit, gains: { a: 4.5, b: 0, c: 3 }, without: ["c"] };
    const order = orderOf(edit, 100, 6.2);
    equal(order, { from: null, to: 96.2, cuts: [[26.2, 36.7]], gains: { a: 4.5 }, without: ["c"], take_down: false });
    equal(editOf(order, 100, 6.2), { ...edit, gains: { a: 4.5 } });
    equal(orderOf(untouched(100.013), 100.013, 6.2).to, null);
  },

  "an edit: why it cannot be made"() {
    const edit = untouched(100);
    equal(trouble(edit, 100, ["a", "b"]), "nothing");
    equal(trouble({ ...edit, gains: { a: 0 } }, 100, ["a", "b"]), "nothing");
    equal(trouble({ ...edit, gains: { a: 1 } }, 100, ["a", "b"]), "");
    equal(trouble(withCut(edit, 3, 4, 100), 100, ["a", "b"]), "");
    equal(trouble({ ...edit, without: ["a", "b"] }, 100, ["a", "b"]), "nobody");
    equal(trouble({ ...edit, to: 0.5 }, 100, ["a", "b"]), "least");
    const many = { ...edit, cuts: Array.from({ length: 201 }, (_, i) => [i * 0.4 + 0.1, i * 0.4 + 0.2]) };
    equal(trouble(many, 100, ["a"]), "many");
  },

  "times as people type them"() {
    equal(["75", "1:15", "1:02:03.5", "41:12,5", " 0:07 ", "90:00"].map(timeOf), [75, 75, 3723.5, 2472.5, 7, 5400]);
    equal(["", "abc", "1:75", "1:60:00", "-3", "1::2", "1e3", "5:"].map(timeOf), Array(8).fill(null));
  },

  "an edit: how loud each is, and how loud the preview"() {
    const voice = (id, level) => ({ id, name: id, talked: 2, spans: [[0, 1], [2, 3]], peaks: Uint8Array.from({ length: 15 }, (_, i) => (i < 5 || i >= 10 ? level : 127)) });
    const [a, b] = [voice("a", 20), voice("b", 26)];
    ok(Math.abs((usualLevel(a, 0.2) ?? 0) - 20) < 0.01, "level");
    equal(usualLevel({ ...a, spans: [] }, 0.2), null);
    equal(evened(new Map([["a", 20], ["b", 26.1], ["c", 50]])), { b: 6, c: 12 });
    const edit = { ...untouched(10), gains: { a: 3, b: -6 }, without: ["c"] };
    const c = voice("c", 20);
    equal([[a], [b], [], [a, b], [a, c]].map((speaking) => previewGain(edit, speaking)), [3, -6, 0, 0, 0]);
    equal(previewGain(edit, [c]), -Infinity);
  },

  "a packet holds what RTP says, and is read back"() {
    const payload = new Uint8Array([0x78, 1, 2, 3]);
    const packet = build({ sequence: 0x1fffe, timestamp: 2 ** 32 + 960, ssrc: 0xfedcba98, level: 30, payload });
    equal([...packet], [0x90, 111, 0xff, 0xfe, 0, 0, 3, 0xc0, 0xfe, 0xdc, 0xba, 0x98, 0xbe, 0xde, 0, 1, 0x10, 30 | 0x80, 0, 0, 0x78, 1, 2, 3]);
    const read = parse(packet.buffer);
    equal([read.sequence, read.timestamp, [...read.payload]], [0xfffe, 960, [...payload]]);
    equal(build({ sequence: 1, timestamp: 1, ssrc: 1, level: 90, payload })[17], 90);
    const random = seeded(7);
    for (let i = 0; i < 3000; i += 1) {
      const junk = Uint8Array.from({ length: Math.floor(random() * 40) }, () => Math.floor(random() * 256));
      const found = parse(junk.buffer);
      ok(found === null || (found.payload.length > 0 && found.payload.length < junk.length), "nonsense is nothing, or a packet");
    }
  },

  "the level of a frame is that of RFC 6464"() {
    equal(levelOf(new Float32Array(960)), 127);
    equal(levelOf(new Float32Array(960).fill(1)), 0);
    equal(levelOf(Float32Array.from({ length: 960 }, (_, i) => 0.1 * Math.sin((2 * Math.PI * i) / 96))), 23);
  },

  "sound over TCP is played without a hole, and late only for as long as it has to be"() {
    // Blocks of a ramp, so that what is left out or repeated is seen; every 5th second the network stands still.
    const playout = new Playout();
    const out = new Float32Array(128);
    let pushed = 0;
    let held = 0;
    const late = [];
    for (let sample = 0; sample < 90 * 48_000; sample += 128) {
      const due = Math.floor(sample / 960);
      const second = sample / 48_000;
      const stands = second < 30 && second % 5 > 4.6;
      if (!stands) for (; pushed < due; pushed += 1) playout.push(new Float32Array(960).fill(pushed / 10_000));
      else held += 1;
      playout.pull(out);
      late.push(playout.waiting);
    }
    ok(held > 0 && playout.stalls >= 1 && playout.stalls <= 7, `${playout.stalls} stalls`);
    const last = late.slice(-48_000 / 128);
    ok(Math.max(...last) < 0.2 * 48_000, `${Math.max(...last) / 48} ms wait long after the last stall`);
    ok(playout.skipped > 0, "what a stall held back is skipped");
    ok(Math.abs(pushed * 960 - playout.skipped - playout.waiting - 90 * 48_000) < 2 * 48_000 + 7 * 9600, "nothing is played twice");
  },

  "a curve ends at the right edge, and what is not known is a gap"() {
    equal(range([null, 3, 1, null]), { least: 1, most: 3, last: null });
    equal(range([null]), null);
    const { line, under } = paths([0, 1, null, 0.5, 0.5], 119, 10, 1);
    equal(line, "M115 10L116 0M118 5L119 5");
    equal(under, "M115 10L115 10L116 0L116 10ZM118 10L118 5L119 5L119 10Z");
    equal(paths([1], 119, 10, 1).line, "M119 0h-1");
    equal(paths([1, null], 119, 10, 2).line, "M118 5h1");
    equal(paths([], 119, 10, 1), { line: "", under: "" });
    const long = Array.from({ length: 500 }, () => 2);
    ok(paths(long, 119, 10, 1).line.startsWith("M0 0L1 0"), "an hour at most, and never above the edge");
    equal([ceiling([0.2, null], 1), ceiling([7, 3], 1), ceiling([], 4)], [1, 7, 4]);
  },

  "figures of the server as people write them"() {
    equal([percent(0.0312, "de"), percent(0, "en"), percent(0.5, "en")], ["3,1 %", "0 %", "50 %"]);
    equal([bytes(96 * 1024 ** 2, "en"), bytes(1640 * 1024 ** 2, "de"), bytes(3.4 * 1024 ** 3, "en")], ["96 MB", "1,6 GB", "3.4 GB"]);
    equal([bytes(0, "en"), bytes(2 * 1024 ** 4, "en")], ["0.0 MB", "2.0 TB"]);
    equal(hoursLeft(2.1 * 1024 ** 3), 20);
  },

  "an incident lies where it was in the hour, and is never too narrow to see"() {
    const now = Date.parse("2026-11-29T12:00:00Z");
    const at = (minutes) => new Date(now - minutes * 60_000).toISOString();
    const half = placeInHour({ at: at(30), until: at(15), going: false }, now);
    equal(half, { from: 0.5, to: 0.75 });
    const moment = placeInHour({ at: at(60), until: null, going: false }, now);
    ok(moment.from === 0 && moment.to > 0.005, "a moment");
    const going = placeInHour({ at: at(90), until: null, going: true }, now);
    equal(going, { from: 0, to: 1 });
    const fresh = placeInHour({ at: at(0), until: null, going: true }, now);
    ok(fresh.from < 0.995 && fresh.to === 1, "the one that begins now");
    equal([lasted({ at: at(3), until: at(1), going: false }, now), lasted({ at: at(3), until: null, going: false }, now)], [120, 0]);
    equal(lasted({ at: at(3), until: null, going: true }, now), 180);
  },

  "a steady stream is never touched"() {
    const playout = new Playout();
    const out = new Float32Array(128);
    const heard = [];
    let block = 0;
    for (let sample = 0; sample < 60 * 48_000; sample += 128) {
      for (; block * 960 <= sample; block += 1) playout.push(new Float32Array(960).map((_, i) => ((block * 960 + i) % 1000) / 1000));
      playout.pull(out);
      if (playout.waiting && sample > 12_000) heard.push(...out);
    }
    equal([playout.stalls, playout.skipped], [0, 0]);
    const steps = heard.slice(1).filter((value, i) => Math.abs(((value - heard[i] + 1) % 1) - 0.001) > 1e-4);
    equal(steps.length, 0);
  },
};

/** 40 s of two voices from media time 100 s on; nothing is to be heard from 18 to 20 s. */
function talk() {
  const levels = Uint8Array.from({ length: 200 }, (_, i) => (i >= 90 && i < 100 ? 127 : 20));
  const encoded = btoa(String.fromCharCode(...levels));
  const spoke = (...spans) => spans.map(([from, to]) => [from + 100, to + 100]);
  return recording(
    { samples_per_peak: 9600, begins: 4_800_000, program: encoded, tracks: { a: encoded } },
    {
      begins: 100, duration: 140, gaps: [], chapters: [{ at: 90, title: "Welcome" }, { at: 119, title: "Rents" }],
      speakers: [
        { id: "a", name: "Ada", speaking: spoke([0, 4], [5, 9], [20, 25]) },
        { id: "b", name: "Ben", speaking: spoke([10, 18], [24, 50]) },
      ],
    },
  );
}
