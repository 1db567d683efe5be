// Checks a public record (docs/record.md) in the browser: every entry follows the one before and is signed. Pure:
// what computes hashes and signatures is given, so it can be tested with and without signatures.

/** @typedef {{ok: boolean, entries: number, bad: number | null, why: string, signed: boolean, room: string, keys: string[], hashes: string[], asOf: string}} Verdict
 *  `bad`: number of the first entry that does not hold (as many as there are: the end); `why`: a word, as in the texts record.bad.*;
 *  `signed`: whether signatures were checked; `hashes`: of the entries that hold. */

const FIRST = "0".repeat(64);
const MEMBERS = "at,data,kind,prev,room,seq,sig,v";
const HEAD_MEMBERS = "at,hash,kind,room,seq,sig,v";
const LONGEST = 16_384;

// The first test vector of RFC 8032 (section 7.1): a browser that says it knows Ed25519 shows it.
const PROOF = {
  key: "11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=",
  sig: "5VZDAMNgrHKQhuLMgG6CioSHfx645dl02HPgZSJJAVVfuIIVkKM7rMYeOXAc+bRr0lv18FlbviRlUUFDjnoQCw==",
};

class Broken extends Error {}

/**
 * A value as RFC 8785 writes it. Throws for what has no one way to be written in a record.
 * @param {any} value @returns {string}
 */
export function canonical(value) {
  if (value === null || typeof value === "boolean" || typeof value === "string") return JSON.stringify(value);
  if (typeof value === "number") {
    if (!Number.isSafeInteger(value) || Object.is(value, -0)) throw new Broken("line");
    return String(value);
  }
  if (Array.isArray(value)) return `[${value.map(canonical).join(",")}]`;
  return `{${Object.keys(value).sort().map((key) => `${JSON.stringify(key)}:${canonical(value[key])}`).join(",")}}`;
}

/** @param {string} text base64 @param {number} length bytes there must be @returns {Uint8Array<ArrayBuffer> | null} */
function bytesOf(text, length) {
  if (typeof text !== "string" || !/^[A-Za-z0-9+/]*={0,2}$/.test(text) || text.length % 4) return null;
  const bytes = Uint8Array.from(atob(text), (char) => char.charCodeAt(0));
  return bytes.length === length ? bytes : null;
}

/** @param {string} text @param {number} length */
function must(text, length) {
  const bytes = bytesOf(text, length);
  if (!bytes) throw new Broken("key");
  return bytes;
}

/**
 * Web Crypto as the check needs it. `sign` is null where this browser knows no Ed25519.
 * @param {SubtleCrypto} subtle
 */
export async function cryptoOf(subtle) {
  const utf8 = new TextEncoder();
  /** @param {string} line */
  const hash = async (line) =>
    [...new Uint8Array(await subtle.digest("SHA-256", utf8.encode(line)))].map((byte) => byte.toString(16).padStart(2, "0")).join("");
  /** @type {Map<string, Promise<CryptoKey>>} */
  const keys = new Map();
  /** @param {string} key */
  const imported = (key) => {
    const known = keys.get(key) ?? subtle.importKey("raw", must(key, 32), "Ed25519", false, ["verify"]);
    keys.set(key, known);
    return known;
  };
  /** @type {((key: string, sig: Uint8Array<ArrayBuffer>, text: string) => Promise<boolean>) | null} */
  let sign = async (key, sig, text) => subtle.verify("Ed25519", await imported(key), sig, utf8.encode(text));
  try {
    if (!(await sign(PROOF.key, must(PROOF.sig, 64), ""))) sign = null;
  } catch {
    sign = null;
  }
  return { hash, sign };
}

/** @typedef {Awaited<ReturnType<typeof cryptoOf>>} Crypt */

/**
 * @param {string} text all of record.jsonl
 * @param {Crypt} crypt
 * @param {(done: number, all: number) => void} progress called now and then
 * @returns {Promise<Verdict>}
 */
export async function check(text, crypt, progress = () => {}) {
  /** @type {Verdict} */
  const verdict = { ok: false, entries: 0, bad: null, why: "", signed: crypt.sign !== null, room: "", keys: [], hashes: [], asOf: "" };
  const lines = text.split("\n");
  try {
    if (lines.pop() !== "") throw new Broken("end");
    if (!lines.length) throw new Broken("empty");
    const head = /** @type {string} */ (lines.pop());
    for (const line of lines) {
      await entry(line, verdict, crypt);
      if (verdict.entries % 250 === 0) {
        progress(verdict.entries, lines.length);
        // The page stays usable meanwhile.
        await new Promise((resolve) => setTimeout(resolve, 0));
      }
    }
    await end(head, verdict, crypt);
    verdict.ok = true;
  } catch (error) {
    if (!(error instanceof Broken)) throw error;
    verdict.bad = verdict.entries;
    verdict.why = error.message;
  }
  return verdict;
}

/** @param {string} line @param {string} members */
function read(line, members) {
  let found;
  try {
    found = JSON.parse(line);
  } catch {
    throw new Broken("line");
  }
  const object = found !== null && typeof found === "object" && !Array.isArray(found);
  if (!object || line.length > LONGEST || found.v !== 1 || Object.keys(found).sort().join() !== members || canonical(found) !== line) throw new Broken("line");
  return found;
}

/** @param {string} line @param {Verdict} verdict @param {Crypt} crypt */
async function entry(line, verdict, crypt) {
  const found = read(line, MEMBERS);
  if (typeof found.kind !== "string" || typeof found.at !== "string" || !found.data || typeof found.data !== "object") throw new Broken("line");
  verdict.room ||= found.room;
  if (found.seq !== verdict.entries) throw new Broken("seq");
  if (found.room !== verdict.room) throw new Broken("room");
  if (found.prev !== (verdict.hashes.at(-1) ?? FIRST)) throw new Broken("prev");
  const named = found.kind === "key" ? found.data.key : "";
  if ((!verdict.keys.length || named) && !bytesOf(named, 32)) throw new Broken("key");
  await signature(found, verdict.keys.at(-1) ?? named, crypt);
  if (named) verdict.keys.push(named);
  verdict.hashes.push(await crypt.hash(line));
  verdict.entries += 1;
}

/** @param {Record<string, any>} found @param {string} key @param {Crypt} crypt */
async function signature(found, key, crypt) {
  const { sig, ...rest } = found;
  const bytes = bytesOf(sig, 64);
  if (!bytes || (crypt.sign && !(await crypt.sign(key, bytes, canonical(rest))))) throw new Broken("sig");
}

/** @param {string} line @param {Verdict} verdict @param {Crypt} crypt */
async function end(line, verdict, crypt) {
  let head;
  try {
    head = read(line, HEAD_MEMBERS);
  } catch (error) {
    throw error instanceof Broken ? new Broken("head") : error;
  }
  if (head.kind !== "head" || head.room !== verdict.room || head.seq !== verdict.entries || head.hash !== verdict.hashes.at(-1)) throw new Broken("head");
  await signature(head, /** @type {string} */ (verdict.keys.at(-1)), crypt);
  verdict.asOf = head.at;
}
