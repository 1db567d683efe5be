// The studio's API for one room. No UI.

/** Seconds after which an answer will not come any more. */
const PATIENCE = 10;

/**
 * @typedef {{ok: boolean, status: number, body: any, retryAfter: number}} Answer `body`: the answer, or the problem
 */

export class Api {
  /** @param {string} base /api/rooms/{slug} @param {string} device see console_link.js */
  constructor(base, device) {
    this.base = base;
    this._device = device;
    /** Empty: then the browser's session counts. */
    this.ticket = "";
  }

  /** @returns {Record<string, string>} what says who asks */
  get headers() {
    /** @type {Record<string, string>} */
    const who = this.ticket ? { Authorization: `Bearer ${this.ticket}` } : { "Hustings-CSRF": "1" };
    return this._device ? { ...who, "Hustings-Device": this._device } : who;
  }

  /**
   * @param {"GET" | "POST" | "PATCH" | "PUT" | "DELETE"} method @param {string} path after the base
   * @param {object} [body]
   * @returns {Promise<Answer>}
   * @throws when the studio does not answer
   */
  async ask(method, path, body) {
    const answer = await fetch(this.base + path, {
      method,
      headers: { ...this.headers, Accept: "application/json", ...(body ? { "Content-Type": "application/json" } : {}) },
      body: body ? JSON.stringify(body) : undefined,
      signal: AbortSignal.timeout(PATIENCE * 1000),
    });
    const text = await answer.text();
    return { ok: answer.ok, status: answer.status, body: parsed(text), retryAfter: Number(answer.headers.get("Retry-After")) || 0 };
  }

  /** @param {string} path @param {object} [body] */
  post(path, body = {}) {
    return this.ask("POST", path, body);
  }
}

/** @param {string} text */
function parsed(text) {
  try {
    return JSON.parse(text);
  } catch {
    return {};
  }
}

/** What a problem document says to a person. Pure. @param {Answer} answer */
export function inWords({ status, body }) {
  const faults = Array.isArray(body?.errors) ? body.errors.map((/** @type {any} */ fault) => fault.detail ?? fault.title ?? "") : [];
  return [body?.detail || body?.title || String(status), ...faults].filter(Boolean).join(" ");
}
