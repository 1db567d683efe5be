// The push protocol: records over one endless response. Pure: bytes in, records out.
//
// A record is: type u8, flags u8, reserved u16, length u32 (big endian), payload of that length.

export const INIT = 1;
export const CHUNK = 2;
export const EVENT = 3;
export const CLOCK = 4;
export const DISCONTINUITY = 5;
export const BYE = 6;
export const MOVE = 7;

const HEADER = 8;
/** Larger than any chunk of 200 ms at any bit rate; whatever claims more is not this protocol. */
const MAX_PAYLOAD = 1 << 20;

/** Bytes that do not follow the push protocol. */
export class Corrupt extends Error {}

/**
 * @typedef {{type: number, flags: number, payload: Uint8Array}} PushRecord
 */

/** Cuts a byte stream, however it is split, into records. Records of unknown types come out too. */
export class RecordParser {
  constructor() {
    /** @type {Uint8Array} */
    this._rest = new Uint8Array(0);
  }

  /**
   * @param {Uint8Array} bytes any piece of the stream
   * @returns {PushRecord[]} the records that are now complete; payloads are copies of their own
   * @throws {Corrupt} when a record claims more than 1 MiB
   */
  push(bytes) {
    let data = bytes;
    if (this._rest.length) {
      data = new Uint8Array(this._rest.length + bytes.length);
      data.set(this._rest);
      data.set(bytes, this._rest.length);
    }
    /** @type {PushRecord[]} */
    const records = [];
    const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
    let at = 0;
    while (data.length - at >= HEADER) {
      const length = view.getUint32(at + 4);
      if (length > MAX_PAYLOAD) throw new Corrupt(`a record of ${length} bytes`);
      if (data.length - at - HEADER < length) break;
      const start = at + HEADER;
      records.push({ type: data[at], flags: data[at + 1], payload: data.slice(start, start + length) });
      at = start + length;
    }
    this._rest = data.slice(at);
    return records;
  }
}

/**
 * The JSON object in an event, clock, discontinuity, bye or move record.
 * @param {Uint8Array} payload
 * @returns {Record<string, any>} an empty object for an empty payload
 * @throws {Corrupt} when it is not a JSON object
 */
export function readJson(payload) {
  if (!payload.length) return {};
  let value;
  try {
    value = JSON.parse(new TextDecoder().decode(payload));
  } catch {
    throw new Corrupt("a record that is not JSON");
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw new Corrupt("a record that is not a JSON object");
  }
  return value;
}
