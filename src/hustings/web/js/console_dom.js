// Small help with the page's elements. Elements are made and kept, never written as text: nothing that
// somebody typed can become markup.

/** @param {string} id @returns {any} the element, which the template has */
export const byId = (id) => document.getElementById(id);

/** Touches the page only where something changes. @param {Element} element @param {string} text */
export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/** Shows or hides. @param {Element} element @param {boolean} shown */
export function show(element, shown) {
  element.toggleAttribute("hidden", !shown);
}

/**
 * @param {string} tag
 * @param {Record<string, any>} [has] attributes; `text` is its text, `on*` a listener, false or null leaves it out
 * @param {(Node | string | null | false)[]} children
 * @returns {any} the element
 */
export function el(tag, has = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(has)) {
    if (value === false || value === null || value === undefined) continue;
    if (name === "text") element.textContent = String(value);
    else if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value === true ? "" : String(value));
  }
  element.append(...children.filter((child) => child !== null && child !== false));
  return element;
}

/**
 * A list whose elements stay the same as long as their things do, so that nothing jumps, is read twice or
 * loses the focus.
 * @template T
 * @param {Element} list @param {T[]} things @param {(thing: T) => string} keyOf
 * @param {(thing: T) => HTMLElement} make @param {(element: HTMLElement, thing: T) => void} fill
 */
export function keyed(list, things, keyOf, make, fill) {
  const here = new Map([...list.children].map((child) => [/** @type {HTMLElement} */ (child).dataset.key, /** @type {HTMLElement} */ (child)]));
  const rows = things.map((thing) => {
    const key = keyOf(thing);
    const row = here.get(key) ?? make(thing);
    row.dataset.key = key;
    fill(row, thing);
    return row;
  });
  if (rows.length === list.children.length && rows.every((row, i) => list.children[i] === row)) return;
  const focused = /** @type {HTMLElement | null} */ (document.activeElement);
  list.replaceChildren(...rows);
  if (focused && focused !== document.body && list.contains(focused)) focused.focus();
}

/** Closes a menu; a focus in it goes to what opens it. @param {HTMLDetailsElement} menu */
export function shut(menu) {
  const inside = menu.contains(document.activeElement);
  menu.open = false;
  if (inside) menu.querySelector("summary")?.focus();
}

/** A part of a row, by its data-part. @param {Element} row @param {string} name @returns {any} */
export const part = (row, name) => row.querySelector(`[data-part="${name}"]`);

/** @param {Element} row @param {string} name @param {string} text also hides what has none */
export function say(row, name, text) {
  const element = part(row, name);
  setText(element, text);
  show(element, Boolean(text));
}
