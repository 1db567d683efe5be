// The relays (TURN) that the studio names to whoever may speak: RFC 9725 section 4.6, by OPTIONS with the ticket,
// before there is an offer. Names and passwords hold for hours; they are asked for once in half that time.

/** A studio that does not answer this is not waited for, ms. */
const PATIENCE = 3000;
/** Asked again after so long when the studio does not say, s. */
const HOLDS = 600;

/** @type {Map<string, {servers: RTCIceServer[], until: number}>} */
const known = new Map();

/**
 * What Link headers say (RFC 8288; several may have been joined by commas). Pure.
 * @param {string} header @returns {RTCIceServer[]}
 */
export function readLinks(header) {
  /** @type {RTCIceServer[]} */
  const servers = [];
  for (const [, url, rest] of header.matchAll(/<([^<>\s]{1,300})>((?:\s*;\s*[\w-]+=(?:"[^"]*"|[\w.-]+))*)/g)) {
    /** @type {Record<string, string>} */
    const says = {};
    for (const [, name, quoted, plain] of rest.matchAll(/;\s*([\w-]+)=(?:"([^"]*)"|([\w.-]+))/g)) says[name] = quoted ?? plain;
    if (says.rel !== "ice-server" || !/^(stun|turn)s?:/.test(url)) continue;
    servers.push(says.username === undefined ? { urls: url } : { urls: url, username: says.username, credential: says.credential ?? "" });
  }
  return servers;
}

/** How long what a relay was told holds: its name begins with the second it ends (coturn's REST scheme). Pure. @param {RTCIceServer[]} servers @param {number} now s since 1970 */
export function holdsFor(servers, now) {
  const ends = servers.map(({ username }) => Number(/^(\d{9,11}):/.exec(username ?? "")?.[1] ?? NaN)).filter((end) => end > now);
  return ends.length ? Math.min(...ends) - now : HOLDS;
}

/** @param {string} url of WHIP @param {string} ticket @returns {Promise<RTCIceServer[]>} none when there are none, or nobody says */
export async function iceServers(url, ticket) {
  const place = url.replace(/\?.*$/, "");
  const now = performance.now() / 1000;
  const before = known.get(place);
  if (before && now < before.until) return before.servers;
  const answer = await fetch(place, {
    method: "OPTIONS", headers: { Authorization: `Bearer ${ticket}` }, signal: AbortSignal.timeout(PATIENCE),
  }).catch(() => null);
  // On a network that is gone for the moment what was known is better than nothing.
  if (!answer?.ok) return before?.servers ?? [];
  const servers = readLinks(answer.headers.get("Link") ?? "");
  known.set(place, { servers, until: now + holdsFor(servers, Date.now() / 1000) / 2 });
  return servers;
}

/** By the address (`?relay=only`, for trying a relay out): nothing but relays is used. @returns {RTCIceTransportPolicy} */
export function policy() {
  return new URLSearchParams(location.search).get("relay") === "only" ? "relay" : "all";
}
