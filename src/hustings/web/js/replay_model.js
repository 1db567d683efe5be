// What is known of a recording: how loud everybody was, who spoke when, chapters. Pure. All times are seconds from
// the recording's beginning: positions in the player.

/** Of a level, -dBov: this quiet is nothing, this loud is all. */
const QUIET = 60;
const LOUD = 8;
/** Silence shorter than this is left alone, s; of a longer one this much is left before the next word. */
export const SKIPPED_FROM = 1.2;
export const SKIP_LEAVES = 0.3;
/** Louder than this, -dBov, is no silence. */
const SOUND = 55;
/** Turns of one speaker closer than this are one, s. */
const BREATH = 1.5;

/** @typedef {{id: string, name: string, talked: number, peaks: Uint8Array, spans: [number, number][]}} Voice */
/** @typedef {{from: number, to: number, voice: Voice}} Turn */
/** @typedef {{at: number, title: string}} Chapter */
/** @typedef {{seconds: number, step: number, program: Uint8Array, voices: Voice[], turns: Turn[], chapters: Chapter[], gaps: {from: number, seconds: number, cause: string}[]}} Recording */

/** @param {string} text base64 @returns {Uint8Array} */
export function bytes(text) {
  return Uint8Array.from(atob(text), (char) => char.charCodeAt(0));
}

/**
 * A recording from its two files.
 * @param {any} peaks peaks.json @param {any} timeline timeline.json
 * @returns {Recording}
 */
export function recording(peaks, timeline) {
  const begins = timeline.begins;
  const seconds = timeline.duration - begins;
  const place = (/** @type {number} */ at) => Math.max(0, Math.min(seconds, at - begins));
  /** @type {Voice[]} */
  const voices = timeline.speakers.map((/** @type {any} */ speaker) => {
    const spans = speaker.speaking.map((/** @type {[number, number]} */ [from, to]) => [place(from), place(to)]);
    const talked = spans.reduce((/** @type {number} */ sum, /** @type {[number, number]} */ [from, to]) => sum + to - from, 0);
    const encoded = peaks.tracks[speaker.id];
    return { id: speaker.id, name: speaker.name, talked, spans, peaks: encoded ? bytes(encoded) : new Uint8Array(0) };
  });
  return {
    seconds,
    step: peaks.samples_per_peak / 48000,
    program: bytes(peaks.program),
    voices,
    turns: turns(voices),
    chapters: timeline.chapters.map((/** @type {any} */ each) => ({ at: place(each.at), title: each.title })),
    gaps: timeline.gaps.map((/** @type {any} */ gap) => ({ ...gap, from: place(gap.from) })),
  };
}

/** Who spoke after whom; a breath is no new turn. @param {Voice[]} voices @returns {Turn[]} */
export function turns(voices) {
  /** @type {Turn[]} */
  const found = [];
  for (const voice of voices) {
    /** @type {Turn | null} */
    let last = null;
    for (const [from, to] of voice.spans) {
      if (last && from - last.to < BREATH) last.to = Math.max(last.to, to);
      else found.push((last = { from, to, voice }));
    }
  }
  return found.sort((a, b) => a.from - b.from);
}

/** 0..1. @param {number} level -dBov */
export function height(level) {
  return Math.max(0, Math.min(1, (QUIET - level) / (QUIET - LOUD)));
}

/**
 * How loud it was at most in a stretch, 0..1.
 * @param {Uint8Array} peaks @param {number} step seconds of a peak @param {number} from @param {number} to seconds
 */
export function loudest(peaks, step, from, to) {
  const first = Math.max(0, Math.floor(from / step));
  const last = Math.min(peaks.length, Math.max(first + 1, Math.ceil(to / step)));
  let level = 127;
  for (let at = first; at < last; at += 1) if (peaks[at] < level) level = peaks[at];
  return height(level);
}

/** Those who speak at a moment. @param {Recording} of @param {number} at */
export function speakers(of, at) {
  return of.voices.filter((voice) => voice.spans.some(([from, to]) => from <= at && at < to));
}

/** Where the next one who is not speaking now begins, null: nobody. @param {Recording} of @param {number} at */
export function nextSpeaker(of, at) {
  const now = speakers(of, at).map((voice) => voice.id);
  return of.turns.find((turn) => turn.from > at + 0.05 && !now.includes(turn.voice.id))?.from ?? null;
}

/** Where to go on when nothing is to be heard at a moment and for a while after, else null. @param {Recording} of @param {number} at */
export function afterSilence(of, at) {
  const { program, step } = of;
  const first = Math.floor(at / step);
  let end = first;
  while (end < program.length && program[end] > SOUND) end += 1;
  const sound = end >= program.length ? of.seconds : end * step;
  return sound - at >= SKIPPED_FROM ? sound - SKIP_LEAVES : null;
}

/** @param {Chapter[]} chapters @param {number} at @returns {number} which chapter a moment is in, -1: none */
export function chapterAt(chapters, at) {
  return chapters.findLastIndex((chapter) => chapter.at <= at + 0.5);
}

/**
 * A moment out of an address: "#t=754", "#t=12:34", "#t=1:02:03", "#t=12m34s" (Media Fragments 4.2.1 and custom).
 * @param {string} hash @returns {number | null} seconds
 */
export function momentOf(hash) {
  const text = /[#&]t=([^&]+)/.exec(hash)?.[1] ?? "";
  if (/^\d+(\.\d+)?$/.test(text)) return Number(text);
  const clock = /^(?:(\d+):)?(\d{1,2}):(\d{2})$/.exec(text);
  if (clock) return Number(clock[1] ?? 0) * 3600 + Number(clock[2]) * 60 + Number(clock[3]);
  const words = /^(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?$/.exec(text);
  return words && text ? Number(words[1] ?? 0) * 3600 + Number(words[2] ?? 0) * 60 + Number(words[3] ?? 0) : null;
}
