// Reads the one thing the player must know of a chunk: when it begins. Pure.

/**
 * The base media decode time of a CMAF chunk (moof/traf/tfdt, ISO/IEC 14496-12 8.8.12).
 * @param {Uint8Array} chunk moof + mdat, perhaps with boxes before
 * @returns {number | null} in the track's timescale (48 kHz here); null when there is none
 */
export function decodeTime(chunk) {
  const view = new DataView(chunk.buffer, chunk.byteOffset, chunk.byteLength);
  const moof = find(view, 0, chunk.byteLength, "moof");
  const traf = moof && find(view, moof.start, moof.end, "traf");
  const tfdt = traf && find(view, traf.start, traf.end, "tfdt");
  if (!tfdt || tfdt.end - tfdt.start < 8) return null;
  if (view.getUint8(tfdt.start) === 0) return view.getUint32(tfdt.start + 4);
  if (tfdt.end - tfdt.start < 12) return null;
  return view.getUint32(tfdt.start + 4) * 2 ** 32 + view.getUint32(tfdt.start + 8);
}

/**
 * @param {DataView} view
 * @param {number} from
 * @param {number} to
 * @param {string} name four letters
 * @returns {{start: number, end: number} | null} the box's content
 */
function find(view, from, to, name) {
  let at = from;
  while (to - at >= 8) {
    const size = view.getUint32(at);
    if (size < 8 || at + size > to) return null;
    const type = String.fromCharCode(
      view.getUint8(at + 4), view.getUint8(at + 5), view.getUint8(at + 6), view.getUint8(at + 7));
    if (type === name) return { start: at + 8, end: at + size };
    at += size;
  }
  return null;
}
