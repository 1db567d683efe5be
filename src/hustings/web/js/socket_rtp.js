// RTP packets (RFC 3550 section 5.1) with one Opus frame and its level (RFC 6464), for speakers whose network
// blocks UDP. Pure.

/** Nothing is negotiated on this way: payload type and extension id of the level are these. */
export const PAYLOAD_TYPE = 111;
const LEVEL_ID = 1;
const ONE_BYTE = 0xbede;
const HEADER = 12;

/** Level of a frame in -dBov as RFC 6464 has it: 0 loudest, 127 silence. @param {Float32Array} samples */
export function levelOf(samples) {
  let sum = 0;
  for (const sample of samples) sum += sample * sample;
  const dbov = 10 * Math.log10(sum / Math.max(1, samples.length) + 1e-13);
  return Math.max(0, Math.min(127, Math.round(-dbov)));
}

/**
 * @param {{sequence: number, timestamp: number, ssrc: number, level: number, payload: Uint8Array}} packet
 *   `sequence` and `timestamp` (48 kHz) wrap by themselves
 * @returns {Uint8Array<ArrayBuffer>}
 */
export function build({ sequence, timestamp, ssrc, level, payload }) {
  const bytes = new Uint8Array(HEADER + 8 + payload.length);
  const view = new DataView(bytes.buffer);
  view.setUint8(0, 0x90);
  view.setUint8(1, PAYLOAD_TYPE);
  view.setUint16(2, sequence & 0xffff);
  view.setUint32(4, timestamp % 2 ** 32);
  view.setUint32(8, ssrc);
  view.setUint16(12, ONE_BYTE);
  view.setUint16(14, 1);
  view.setUint8(16, LEVEL_ID << 4);
  // The V bit claims voice; a level above -50 dBov is taken as such.
  view.setUint8(17, level | (level < 50 ? 0x80 : 0));
  bytes.set(payload, HEADER + 8);
  return bytes;
}

/**
 * @param {ArrayBuffer} data
 * @returns {{sequence: number, timestamp: number, payload: Uint8Array<ArrayBuffer>} | null} null for what is no RTP packet
 */
export function parse(data) {
  const view = new DataView(data);
  const size = data.byteLength;
  if (size < HEADER || view.getUint8(0) >> 6 !== 2) return null;
  let start = HEADER + 4 * (view.getUint8(0) & 0x0f);
  if (view.getUint8(0) & 0x10) {
    if (start + 4 > size) return null;
    start += 4 + 4 * view.getUint16(start + 2);
  }
  const padding = view.getUint8(0) & 0x20 ? view.getUint8(size - 1) : 0;
  if (start + padding >= size) return null;
  return { sequence: view.getUint16(2), timestamp: view.getUint32(4), payload: new Uint8Array(data, start, size - padding - start) };
}
