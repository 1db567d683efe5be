// The studio's API as the hosts' pages use it: with the session's cookie, which counts only with this header.

/** @typedef {{where: string, detail: string}} Fault */

/** What the API refused: problem+json (RFC 9457). */
export class Problem extends Error {
  /** @param {number} status @param {{title?: string, detail?: string, where?: string, errors?: Fault[]}} body */
  constructor(status, body) {
    super(body.title ?? String(status));
    this.status = status;
    /** Seconds to wait, when it was asked too often. */
    this.wait = 0;
    /** Whether it only takes a proof that it is still the same person. */
    this.unproved = false;
    this.title = body.title ?? "";
    this.detail = body.detail ?? "";
    /** @type {Fault[]} */
    this.faults = body.errors ?? (body.where ? [{ where: body.where, detail: body.detail || this.title }] : []);
  }
}

/** How a page has it proved again who is there; false when nobody wanted to. @type {() => Promise<boolean>} */
let prove = async () => false;

/** @param {() => Promise<boolean>} how */
export function onProof(how) {
  prove = how;
}

/**
 * Sends one request. Whoever is not logged in (any more) goes to the log-in.
 * @param {string} method @param {string} path
 * @param {{json?: unknown, body?: Blob}} [sent]
 * @returns {Promise<Response>} one that is ok
 */
export async function send(method, path, { json, body } = {}) {
  /** @type {Record<string, string>} */
  const headers = { "Hustings-CSRF": "1" };
  if (json !== undefined) headers["Content-Type"] = "application/json";
  else if (body) headers["Content-Type"] = body.type;
  const response = await fetch(path, { method, headers, body: json === undefined ? body : JSON.stringify(json) });
  if (response.status === 401) {
    location.assign("/login");
    await new Promise(() => {});
  }
  if (response.ok) return response;
  const problem = new Problem(response.status, await response.json().catch(() => ({})));
  problem.unproved = (response.headers.get("WWW-Authenticate") ?? "").includes("insufficient_user_authentication");
  if (problem.unproved && (await prove())) return send(method, path, { json, body });
  throw problem;
}

/**
 * As `send`; the answer's JSON.
 * @param {string} method @param {string} path @param {unknown} [json]
 * @returns {Promise<any>}
 */
export async function call(method, path, json) {
  return (await send(method, path, { json })).json();
}

/** Goes to one's own seat in the room. @param {string} slug */
export async function enter(slug) {
  const { link } = await call("POST", `/api/rooms/${slug}/host-seat`);
  location.assign(link);
}

/** @template {HTMLElement} T @param {string} id @returns {T} */
export function byId(id) {
  const element = document.getElementById(id);
  if (!element) throw new Error(`no #${id}`);
  return /** @type {T} */ (element);
}

/**
 * Says on the page what went wrong; clears it with null.
 * @param {import("./strings.js").Strings} strings @param {unknown} error
 */
export function tell(strings, error) {
  const box = byId("problem");
  box.hidden = error === null;
  if (error === null) return;
  const known = error instanceof Problem;
  byId("problem-title").textContent = known && error.title ? error.title : strings.t("desk.offline");
  byId("problem-text").textContent = known ? error.detail : strings.t("desk.offline_hint");
  box.scrollIntoView({ block: "nearest" });
}

/**
 * Makes every button with data-enter lead into the studio.
 * @param {import("./strings.js").Strings} strings
 */
export function enterButtons(strings) {
  for (const button of /** @type {NodeListOf<HTMLButtonElement>} */ (document.querySelectorAll("[data-enter]"))) {
    button.disabled = false;
    button.addEventListener("click", async () => {
      button.disabled = true;
      try {
        await enter(button.dataset.enter ?? "");
      } catch (error) {
        button.disabled = false;
        tell(strings, error);
      }
    });
  }
}
