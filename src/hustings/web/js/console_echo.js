// Does the microphone hear the loudspeaker? A short sound is played, and looked for in what comes in. Pure.

/** Samples a second at which the sounds are compared; enough for the tone, and quick. */
export const RATE = 8000;
/** Of the sound, s. */
export const LENGTH = 0.9;
const LOW = 450;
const HIGH = 2200;
/** Correlation above which it is the sound that was played and not chance. Speech against this sweep stays
    below 0.1 (pure_tests.js), what a laptop's loudspeaker sends into its microphone is 0.3 and more. */
export const HEARD = 0.2;

/** The sound: a tone that rises, softly begun and ended. @param {number} rate samples a second @returns {Float32Array<ArrayBuffer>} */
export function tone(rate) {
  const samples = new Float32Array(Math.round(LENGTH * rate));
  const soft = 0.04 * rate;
  for (let i = 0; i < samples.length; i += 1) {
    const s = i / rate;
    const edge = Math.min(1, i / soft, (samples.length - i) / soft);
    samples[i] = 0.35 * edge * Math.sin(2 * Math.PI * (LOW * s + ((HIGH - LOW) * s * s) / (2 * LENGTH)));
  }
  return samples;
}

/** Mean over neighbours, so that little folds back. @param {Float32Array} samples @param {number} from samples a second */
export function slower(samples, from) {
  const step = from / RATE;
  const slow = new Float32Array(Math.floor(samples.length / step));
  for (let i = 0; i < slow.length; i += 1) {
    const begin = Math.floor(i * step);
    const end = Math.max(begin + 1, Math.floor((i + 1) * step));
    let sum = 0;
    for (let j = begin; j < end; j += 1) sum += samples[j];
    slow[i] = sum / (end - begin);
  }
  return slow;
}

/**
 * The best match of the tone in what was heard.
 * @param {Float32Array} heard at RATE
 * @returns {{match: number, at: number}} normalised correlation 0..1, and where it begins, s
 */
export function findTone(heard) {
  const wanted = tone(RATE);
  let own = 0;
  for (const sample of wanted) own += sample * sample;
  let energy = 0;
  for (let i = 0; i < wanted.length && i < heard.length; i += 1) energy += heard[i] * heard[i];
  let best = { match: 0, at: 0 };
  for (let lag = 0; lag + wanted.length <= heard.length; lag += 1) {
    if (lag) energy += heard[lag + wanted.length - 1] ** 2 - heard[lag - 1] ** 2;
    let sum = 0;
    for (let i = 0; i < wanted.length; i += 1) sum += heard[lag + i] * wanted[i];
    const match = energy > 1e-7 ? Math.abs(sum) / Math.sqrt(own * energy) : 0;
    if (match > best.match) best = { match, at: lag / RATE };
  }
  return best;
}

/** A sound as a WAV file, for an audio element: only that can be sent to a chosen output. @param {Float32Array} samples @param {number} rate */
export function wav(samples, rate) {
  const view = new DataView(new ArrayBuffer(44 + 2 * samples.length));
  const text = (/** @type {number} */ at, /** @type {string} */ word) => [...word].forEach((char, i) => view.setUint8(at + i, char.charCodeAt(0)));
  text(0, "RIFF");
  view.setUint32(4, 36 + 2 * samples.length, true);
  text(8, "WAVEfmt ");
  view.setUint32(16, 16, true);
  view.setUint16(20, 1, true);
  view.setUint16(22, 1, true);
  view.setUint32(24, rate, true);
  view.setUint32(28, 2 * rate, true);
  view.setUint16(32, 2, true);
  view.setUint16(34, 16, true);
  text(36, "data");
  view.setUint32(40, 2 * samples.length, true);
  samples.forEach((sample, i) => view.setInt16(44 + 2 * i, Math.round(32767 * Math.max(-1, Math.min(1, sample))), true));
  return new Blob([view.buffer], { type: "audio/wav" });
}
