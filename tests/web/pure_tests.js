// Tests of the scripts' pure parts, run in Chromium by test_web_scripts.py. A test fails by throwing.

import { Backoff } from "/js/backoff.js";
import { clockTime, countdown, initials, span } from "/js/format.js";
import { FASTEST, Governor, SLOWEST } from "/js/governor.js";
import { decodeTime } from "/js/mp4_time.js";
import { Corrupt, readJson, RecordParser } from "/js/push.js";
import { describe } from "/js/room_view.js";
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

  "times read as people write them"() {
    equal([clockTime(0), clockTime(247.9), clockTime(3847)], ["0:00", "4:07", "1:04:07"]);
    equal([countdown(750), countdown(3900 * 3)], ["12:30", "3 h 15 min"]);
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
    equal(said("scheduled", {}, "19:47:30").mark, "state.starts_in 12:30");
    equal(said("scheduled", {}, "20:01:00").mark, "state.due");
    equal(said("ended", { started_at: "2026-11-22T20:00:00Z", ended_at: "2026-11-22T21:58:00Z" }, "22:00:00").when.endsWith("1 h 58 min"), true);
  },
};
