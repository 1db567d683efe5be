// Lists of an account's page: entries with words and buttons, what is shown once, questions.

import { byId } from "./desk_api.js";
import { answerOf } from "./dialog.js";

/**
 * @typedef {{text: string, press: () => Promise<void> | void, ends?: boolean, label?: string}} Button
 * @typedef {{name: string, tag?: string, here?: boolean, off?: boolean, lines: string[], warn?: string, buttons: Button[]}} Entry
 */

/**
 * Draws `entries` into the list `id`. The focus stays on the button it was on, or goes to the list's heading.
 * @param {string} id @param {Entry[]} entries @param {string} empty said instead of no entry; "" says nothing
 * @param {(work: () => Promise<void> | void) => Promise<void>} run
 */
export function draw(id, entries, empty, run) {
  const list = byId(id);
  const focused = list.contains(document.activeElement) ? [...list.querySelectorAll("button")].indexOf(
    /** @type {HTMLButtonElement} */ (document.activeElement)) : -1;
  list.replaceChildren(...entries.map((entry) => line(entry, run)));
  if (!entries.length && empty) {
    const item = document.createElement("li");
    item.className = "entry soft";
    item.textContent = empty;
    list.append(item);
  }
  if (focused >= 0) {
    const buttons = list.querySelectorAll("button");
    (buttons[Math.min(focused, buttons.length - 1)] ?? byId("content")).focus();
  }
}

/** @param {Entry} entry @param {(work: () => Promise<void> | void) => Promise<void>} run */
function line(entry, run) {
  const item = document.createElement("li");
  item.className = "entry";
  item.toggleAttribute("data-off", Boolean(entry.off));
  const says = document.createElement("div");
  says.className = "entry-says";
  says.append(element("strong", entry.name));
  /** @type {HTMLElement} */ (says.firstChild).dir = "auto";
  if (entry.tag) says.append(element("span", entry.tag, entry.here ? "tag here" : "tag"));
  for (const text of entry.lines.filter(Boolean)) says.append(element("p", text));
  if (entry.warn) says.append(element("p", entry.warn, "warn"));
  const actions = element("p", "", "actions");
  for (const { text, press, ends, label } of entry.buttons) {
    const button = /** @type {HTMLButtonElement} */ (element("button", text, ends ? "button ends" : "button"));
    button.type = "button";
    button.setAttribute("aria-label", label ?? `${text}: ${entry.name}`);
    button.addEventListener("click", () => void run(press));
    actions.append(button);
  }
  item.append(says, ...(entry.buttons.length ? [actions] : []));
  return item;
}

/** @param {string} tag @param {string} text @param {string} [name] */
function element(tag, text, name = "") {
  const made = document.createElement(tag);
  made.textContent = text;
  if (name) made.className = name;
  return made;
}

/** Shows a secret, this once. @param {string} id @param {string} title @param {string} value */
export function showOnce(id, title, value) {
  byId(`${id}-title`).textContent = title;
  const field = /** @type {HTMLInputElement} */ (byId(`${id}-value`));
  field.value = value;
  const box = byId(id);
  box.hidden = false;
  box.focus();
  box.scrollIntoView({ block: "nearest" });
}

/** @param {(said: string) => void} say @param {string} copied @param {string} failed */
export function copyButtons(say, copied, failed) {
  for (const button of /** @type {NodeListOf<HTMLElement>} */ (document.querySelectorAll("[data-copy]"))) {
    button.addEventListener("click", async () => {
      const field = /** @type {HTMLInputElement} */ (byId(button.dataset.copy ?? ""));
      field.select();
      try {
        await navigator.clipboard.writeText(field.value);
        say(copied);
      } catch {
        say(failed);
      }
    });
  }
  for (const button of /** @type {NodeListOf<HTMLElement>} */ (document.querySelectorAll("[data-close]"))) {
    button.addEventListener("click", () => {
      const box = byId(button.dataset.close ?? "");
      /** @type {HTMLInputElement} */ (byId(`${box.id}-value`)).value = "";
      box.hidden = true;
      byId("content").focus();
    });
  }
}

/**
 * Asks before something ends, or for a name. Resolves with what was typed (or "yes"), or "" for no.
 * @param {{title: string, text?: string, yes: string, ends?: boolean, field?: string, value?: string}} question
 * @returns {Promise<string>}
 */
export async function question({ title, text = "", yes, ends = false, field = "", value = "" }) {
  const dialog = /** @type {HTMLDialogElement} */ (byId("ask"));
  const input = /** @type {HTMLInputElement} */ (byId("ask-value"));
  const fill = () => {
    byId("ask-title").textContent = title;
    byId("ask-text").textContent = text;
    byId("ask-field").hidden = !field;
    byId("ask-label").textContent = field;
    input.value = value;
    const button = byId("ask-yes");
    button.textContent = yes;
    button.className = ends ? "button ends" : "button main";
    // Enter in the field presses the first button of a form, which says no.
    input.onkeydown = (event) => {
      if (event.key !== "Enter") return;
      event.preventDefault();
      dialog.close("yes");
    };
  };
  const answer = await answerOf(dialog, fill, () => field && input.select());
  return answer !== "yes" ? "" : field ? input.value.trim() : "yes";
}
