// From what stands after the # of the address to a ticket. The address stays as it is: reloading it, or
// coming back to it, works. A one-time link is exchanged once; what it gave is kept in this browser.

/** What this browser remembers, where it may. */
export const memory = {
  /** @param {string} name @param {string} [otherwise] */
  get(name, otherwise = "") {
    try {
      return localStorage.getItem(`hustings ${name}`) ?? otherwise;
    } catch {
      return otherwise;
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

/**
 * A short name for a long secret, so that the secret itself is no key in the storage (cyrb53). Not
 * crypto.subtle: that exists only at secure addresses, and an invitation can be answered at any. Pure.
 * @param {string} text
 */
export function shortName(text) {
  let a = 0xdeadbeef;
  let b = 0x41c6ce57;
  for (let i = 0; i < text.length; i += 1) {
    const code = text.charCodeAt(i);
    a = Math.imul(a ^ code, 2654435761);
    b = Math.imul(b ^ code, 1597334677);
  }
  a = Math.imul(a ^ (a >>> 16), 2246822507) ^ Math.imul(b ^ (b >>> 13), 3266489909);
  b = Math.imul(b ^ (b >>> 16), 2246822507) ^ Math.imul(a ^ (a >>> 13), 3266489909);
  return (4294967296 * (2097151 & b) + (a >>> 0)).toString(36);
}

/** This browser, as a number by chance: limits and bans go by it, nothing else. */
export function device() {
  const known = memory.get("device");
  if (/^[\w-]{22}$/.test(known)) return known;
  const made = btoa(String.fromCharCode(...crypto.getRandomValues(new Uint8Array(16))))
    .replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
  memory.set("device", made);
  return made;
}

/** @typedef {{ticket: string, problem: string, me: any}} Arrival `problem`: what is wrong with the link, or "" */

/**
 * @param {string} fragment what stands after the #
 * @param {import("./console_api.js").Api} api
 * @returns {Promise<Arrival>}
 * @throws when the studio does not answer; then it can be tried again
 */
export async function arrive(fragment, api) {
  const secret = decodeURIComponent(fragment);
  if (!secret) return ownSeat(api);
  if (!secret.startsWith("l_")) return { ticket: secret, problem: "", me: null };
  const name = `ticket ${shortName(secret)}`;
  const kept = memory.get(name);
  if (kept) return { ticket: kept, problem: "", me: null };
  const answer = await api.ask("POST", "/redeem", { link: secret });
  if (answer.ok) {
    memory.set(name, answer.body.ticket);
    return { ticket: answer.body.ticket, problem: "", me: answer.body.me ?? null };
  }
  return { ticket: "", problem: reason(answer, "used"), me: null };
}

/** Whoever is logged in and owns the room needs no link. @param {import("./console_api.js").Api} api */
async function ownSeat(api) {
  const answer = await api.ask("POST", "/host-seat", {});
  if (answer.ok) return { ticket: String(answer.body.ticket), problem: "", me: null };
  return { ticket: "", problem: "ticket", me: null };
}

/** A ticket that no longer holds is not tried again. @param {string} fragment */
export function forget(fragment) {
  memory.set(`ticket ${shortName(decodeURIComponent(fragment))}`, "");
}

/**
 * What a refusal means for the invited. Pure.
 * @param {import("./console_api.js").Answer} answer @param {string} conflict what 409 means here
 * @returns {string} the end of a key console.problem.*, or "bad_ticket"
 */
export function reason(answer, conflict) {
  const said = String(answer.body?.state ?? answer.body?.reason ?? "");
  if (["used", "expired", "withdrawn", "removed", "banned"].includes(said)) return said;
  if (answer.status === 409 || answer.status === 410) return conflict;
  if (answer.status === 403) return "banned";
  return "bad_ticket";
}
