// What a listener sends to the audience door: hands, reactions, questions, votes. No UI.

/** @typedef {{ok: true} | {ok: false, status: number, wait: number}} Sent `wait`: seconds to wait, 0 when not said */

/** What this browser remembers; nothing where it may not. */
export const memory = {
  /** @param {string} name @returns {string} */
  get(name) {
    try {
      return localStorage.getItem(`hustings ${name}`) ?? "";
    } catch {
      return "";
    }
  },
  /** @param {string} name @param {string} value "" forgets */
  set(name, value) {
    try {
      if (value) localStorage.setItem(`hustings ${name}`, value);
      else localStorage.removeItem(`hustings ${name}`);
    } catch {
      // Not remembered, then.
    }
  },
};

/** @param {number} bytes @returns {string} that many random bytes, base64url */
export function random(bytes) {
  const raw = crypto.getRandomValues(new Uint8Array(bytes));
  return btoa(String.fromCharCode(...raw)).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
}

let made = "";

/** A number of this browser's own, which says nothing about anybody: a key for limits and bans. */
export function device() {
  const known = memory.get("device") || made;
  if (known) return known;
  made = random(16);
  memory.set("device", made);
  return made;
}

/**
 * @param {string} slug @param {"hand" | "reaction" | "question" | "vote"} what @param {object} body
 * @returns {Promise<Sent>} never throws
 */
export async function send(slug, what, body) {
  try {
    const answer = await fetch(`/r/${slug}/${what}`, {
      method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body), signal: AbortSignal.timeout(8000),
    });
    await answer.arrayBuffer();
    if (answer.ok) return { ok: true };
    return { ok: false, status: answer.status, wait: Number(answer.headers.get("Retry-After")) || 0 };
  } catch {
    return { ok: false, status: 0, wait: 0 };
  }
}
