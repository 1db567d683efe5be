// What set-up and log-in share: fields and their faults, passkeys or why not, what the studio refused.

import { byId, Problem } from "./desk_api.js";
import { pageByName, passkeysMissing } from "./passkey.js";

export const SHORTEST = 10;

/**
 * As `call` of desk_api, but a refusal stays on this page.
 * @param {string} path @param {unknown} [json] @returns {Promise<any>}
 */
export async function ask(path, json) {
  const headers = { "Hustings-CSRF": "1", "Content-Type": "application/json" };
  const response = await fetch(path, { method: "POST", headers, body: JSON.stringify(json ?? {}) });
  const answer = await response.json().catch(() => ({}));
  if (response.ok) return answer;
  const problem = new Problem(response.status, answer);
  problem.wait = Number(response.headers.get("Retry-After")) || 0;
  throw problem;
}

/** @param {string} id @param {string} text "" takes the fault away */
export function fault(id, text) {
  const field = byId(id);
  const says = byId(`${id}-fault`);
  says.textContent = text;
  says.hidden = !text;
  field.setAttribute("aria-invalid", String(Boolean(text)));
  if (text) field.focus();
}

/**
 * Checks that a field is filled in; says so when it is not.
 * @param {string} id @param {string} text @returns {string} what is in it
 */
export function filled(id, text) {
  const value = /** @type {HTMLInputElement} */ (byId(id)).value;
  fault(id, value.trim() ? "" : text);
  return value.trim() ? value : "";
}

/**
 * Checks a new password as far as a page can. @param {import("./strings.js").Strings} strings
 * @param {string} id @returns {string} the password, or "" when it will not do
 */
export function newPassword({ t }, id) {
  const value = /** @type {HTMLInputElement} */ (byId(id)).value;
  const short = [...value].length < SHORTEST;
  fault(id, short ? t("enter.password_short", { n: SHORTEST }) : "");
  return short ? "" : value;
}

/**
 * Says what went wrong, or takes it away (null).
 * @param {string} title @param {string} [text]
 */
export function trouble(title, text = "") {
  const box = byId("problem");
  box.hidden = !title;
  byId("problem-title").textContent = title;
  byId("problem-text").textContent = text;
  if (title) box.focus();
}

/** @param {import("./strings.js").Strings} strings @param {unknown} error */
export function refused({ t }, error) {
  if (!(error instanceof Problem)) {
    trouble(t("desk.offline"), t("desk.offline_hint"));
  } else if (error.status === 429) {
    trouble(t("enter.limited"), t("enter.limited_text", { n: error.wait || 30 }));
  } else {
    trouble(t("enter.failed"), t("enter.failed_text"));
  }
}

/** Buttons that show what is typed. @param {import("./strings.js").Strings} strings */
export function showButtons({ t }) {
  for (const button of /** @type {NodeListOf<HTMLElement>} */ (document.querySelectorAll("[data-show]"))) {
    button.addEventListener("click", () => {
      const field = /** @type {HTMLInputElement} */ (byId(button.dataset.show ?? ""));
      const shown = field.type === "password";
      field.type = shown ? "text" : "password";
      button.setAttribute("aria-pressed", String(shown));
      button.textContent = shown ? t("enter.hide") : t("enter.show");
    });
  }
}

/**
 * Says why there are no passkeys here, if so. @param {import("./strings.js").Strings} strings
 * @returns {boolean} whether there are
 */
export function passkeysHere({ t }) {
  const why = passkeysMissing();
  byId("no-passkey").hidden = !why;
  if (!why) return true;
  const there = why === "number" ? pageByName() : "";
  byId("no-passkey-why").textContent =
    why === "old" ? t("enter.no_passkey.old") : why === "number" ? t("enter.no_passkey.number") : t("enter.no_passkey.insecure");
  byId("no-passkey-what").textContent = t("enter.no_passkey.password");
  const link = /** @type {HTMLAnchorElement} */ (byId("no-passkey-there"));
  link.hidden = !there;
  if (there) {
    link.href = there;
    link.textContent = t("enter.no_passkey.there");
  }
  return false;
}

/**
 * Runs one thing at a time; all buttons wait meanwhile. @param {() => Promise<void>} work
 */
export async function oneAtATime(work) {
  // Not those of a dialog: the work may ask.
  const all = /** @type {NodeListOf<HTMLButtonElement>} */ (document.querySelectorAll("main button:not(dialog button)"));
  const buttons = [...all].filter((button) => !button.disabled);
  for (const button of buttons) button.disabled = true;
  try {
    await work();
  } finally {
    for (const button of buttons) button.disabled = false;
  }
}
