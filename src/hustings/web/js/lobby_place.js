// The place in the line before the audience's door: kept in this tab, shown with each try. No UI.

const KEY = "hustings place";
let place = "";
let effort = "";

/** @param {string} token */
function keep(token) {
  place = token;
  effort = "";
  try {
    sessionStorage.setItem(KEY, token);
  } catch {
    // This page alone remembers it, then.
  }
}

try {
  place = sessionStorage.getItem(KEY) ?? "";
} catch {
  // Nothing is remembered here.
}
const here = new URL(location.href);
const given = here.searchParams.get("place");
if (given) {
  // From the lobby's page, or an invitation's: nobody shall share it with the address.
  keep(given);
  here.searchParams.delete("place");
  history.replaceState(history.state, "", here);
}

/** @param {string} url @returns {string} with the place, if there is one */
export function withPlace(url) {
  if (!place) return url;
  const what = new URLSearchParams({ place, ...(effort ? { effort } : {}) });
  return `${url}${url.includes("?") ? "&" : "?"}${what}`;
}

/** After a connection that worked: who comes back with this goes in before others. @param {Response} answer */
export function keepPlace(answer) {
  const token = answer.headers.get("Hustings-Place");
  if (token) keep(token);
}

/**
 * What a 503 or 429 says; does the effort test if there is one.
 * @param {Response} answer @param {() => void} testing the test has begun
 * @returns {Promise<{seconds: number, ahead?: number}>} seconds after which to try again
 */
export async function toldToWait(answer, testing) {
  const told = await answer.json().catch(() => ({}));
  if (typeof told.place === "string" && told.place) keep(told.place);
  if (told.effort && place) {
    testing();
    effort = await import("./lobby_effort.js").then(({ solve }) => solve(told.effort), () => "");
    if (effort) return { seconds: 0.3 + Math.random() * 0.7 };
  }
  // The server has chosen the moment so that not all come at once; where another one answers, we do.
  if (told.wait > 0) return { seconds: told.wait, ahead: told.ahead };
  const asked = Number(answer.headers.get("Retry-After"));
  return { seconds: (asked > 0 && asked < 600 ? asked : 5) * (1 + Math.random() * 0.3) };
}
