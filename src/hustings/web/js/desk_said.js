// Statements and corrections: what a host publishes on a room for ever.

import { byId, call, Problem } from "./desk_api.js";
import { clock, date as day } from "./format.js";

/** @typedef {{seq: number, kind: "statement" | "correction", who: string | null, text: string | null, now: string | null}} Published */

export class Said {
  /**
   * @param {import("./strings.js").Strings} strings @param {string} slug
   * @param {{ask: (title: string, text: string, yes: string) => Promise<boolean>, tell: (error: unknown) => void}} page
   */
  constructor(strings, slug, { ask, tell }) {
    this._strings = strings;
    this._base = `/api/rooms/${slug}`;
    this._ask = ask;
    this._tell = tell;
    /** The same as long as a form was not published: a repeated request publishes nothing twice. @type {Record<string, string>} */
    this._ids = {};
    this._form("statement", () => this._statement());
    this._form("correction", () => this._correction());
    byId("said-of").addEventListener("change", () => this._place());
  }

  /** What there is to speak of. */
  async refresh() {
    const { published, broadcasts } = await call("GET", `${this._base}/published`);
    const { t, lang } = this._strings;
    const past = broadcasts.map((/** @type {{broadcast: string, live_since: string}} */ one) =>
      option(`b:${one.broadcast}`, t("desk.said.broadcast", { date: `${day(one.live_since, lang)}, ${clock(one.live_since, lang)}` })));
    const entries = published.toReversed().map((/** @type {Published} */ one) =>
      option(`e:${one.seq}`, t("desk.said.entry", { n: one.seq, text: short(one.who ? `${one.who}: ${one.text}` : (one.now ?? "")) })));
    const to = /** @type {HTMLSelectElement} */ (byId("said-to"));
    to.replaceChildren(/** @type {HTMLOptionElement} */ (to.options[0]), ...past.map((/** @type {HTMLOptionElement} */ one) => one.cloneNode(true)));
    byId("said-of").replaceChildren(...past, ...entries);
    const nothing = !past.length && !entries.length;
    byId("nothing-said").hidden = !nothing;
    byId("correction").hidden = nothing;
    this._place();
  }

  /** Only a broadcast has a position. */
  _place() {
    byId("said-position-box").hidden = !value("said-of").startsWith("b:");
  }

  /** @param {"statement" | "correction"} name @param {() => Record<string, unknown> | null} read */
  _form(name, read) {
    const form = /** @type {HTMLFormElement} */ (byId(name));
    const button = /** @type {HTMLButtonElement} */ (form.querySelector("button"));
    button.disabled = false;
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      void this._publish(name, form, button, read);
    });
  }

  /** @param {"statement" | "correction"} name @param {HTMLFormElement} form @param {HTMLButtonElement} button @param {() => Record<string, unknown> | null} read */
  async _publish(name, form, button, read) {
    const { t } = this._strings;
    if (button.getAttribute("aria-busy") === "true") return;
    for (const each of form.querySelectorAll(".fault")) fault(each.id.replace("-fault", ""), "");
    const body = read();
    if (!body) return;
    if (!(await this._ask(t("desk.said.ask"), t("desk.said.ask_text"), t("desk.said.publish")))) return;
    button.setAttribute("aria-busy", "true");
    byId("said-says").textContent = "";
    this._ids[name] ??= crypto.getRandomValues(new Uint32Array(3)).reduce((text, part) => text + part.toString(36), "id");
    try {
      const { seq } = await call("POST", `${this._base}/${name}s`, { ...body, id: this._ids[name] });
      delete this._ids[name];
      form.reset();
      /** @type {HTMLDetailsElement} */ (byId(`${name}-box`)).open = false;
      byId("said-says").textContent = t("desk.said.done", { n: seq });
      byId("said-card").focus();
      this._tell(null);
      await this.refresh();
    } catch (error) {
      const faults = error instanceof Problem ? error.faults : [];
      const shown = faults.filter(({ where, detail }) => fault(`said-${where.replace(/^body: /, "")}`, detail));
      if (!shown.length) this._tell(error);
      // What was refused was not published, and another text is another statement.
      if (error instanceof Problem && error.status < 500) delete this._ids[name];
    } finally {
      button.removeAttribute("aria-busy");
    }
  }

  _statement() {
    const body = { who: value("said-who"), text: value("said-text") };
    const link = value("said-link");
    const to = value("said-to");
    if (!this._filled(["said-who", "said-text"])) return null;
    return { ...body, ...(link ? { link } : {}), ...(to ? { broadcast: to.slice(2) } : {}) };
  }

  _correction() {
    const of = value("said-of");
    if (!this._filled(["said-was", "said-now"])) return null;
    const body = { was: value("said-was"), now: value("said-now") };
    if (of.startsWith("e:")) return { ...body, entry: Number(of.slice(2)) };
    const at = value("said-position");
    const parts = /^(?:(\d{1,2}):)?(\d{1,3}):([0-5]\d)$/.exec(at);
    if (at && !parts) {
      fault("said-position", this._strings.t("desk.said.bad_position"));
      return null;
    }
    const position = parts ? Number(parts[1] ?? 0) * 3600 + Number(parts[2]) * 60 + Number(parts[3]) : null;
    return { ...body, broadcast: of.slice(2), ...(position === null ? {} : { position }) };
  }

  /** @param {string[]} ids @returns {boolean} whether all of them hold something; says where not */
  _filled(ids) {
    const empty = ids.filter((id) => !value(id));
    for (const id of empty) fault(id, this._strings.t("desk.said.missing"));
    if (empty[0]) byId(empty[0]).focus();
    return !empty.length;
  }
}

/** @param {string} id */
function value(id) {
  return /** @type {HTMLInputElement} */ (byId(id)).value.trim();
}

/** @param {string} id of a field @param {string} text "" clears @returns {boolean} whether there is such a field */
function fault(id, text) {
  const box = document.getElementById(`${id}-fault`);
  if (!box) return false;
  box.textContent = text;
  box.hidden = !text;
  if (text) byId(id).setAttribute("aria-invalid", "true");
  else byId(id).removeAttribute("aria-invalid");
  return true;
}

/** @param {string} name @param {string} text */
function option(name, text) {
  const made = document.createElement("option");
  made.value = name;
  made.textContent = text;
  return made;
}

/** @param {string} text */
function short(text) {
  return text.length > 60 ? `${text.slice(0, 59)}…` : text;
}
