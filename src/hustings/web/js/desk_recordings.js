// A room's recordings for its hosts: when, how long, how large; listening to one, deleting one.

import { byId, call } from "./desk_api.js";
import { clock, date as day, number, span } from "./format.js";

/** @typedef {{broadcast: string, state: "on_air" | "finishing" | "kept" | "deleting" | "deleted", recorded_at: string,
 *   seconds: number | null, bytes: number, whole: boolean, replay: string | null, listen: string | null,
 *   kept_until: string | null, problem: string, store_problem: string, public: boolean, edition_of: string | null, edition: number | null, deleted: {deleted_at: string, why: "host" | "retention" | "take_down"} | null}} Recording */

export class Recordings {
  /**
   * @param {import("./strings.js").Strings} strings @param {string} slug
   * @param {{ask: (title: string, text: string, yes: string) => Promise<boolean>, tell: (error: unknown) => void, drawn: () => void}} page
   */
  constructor(strings, slug, { ask, tell, drawn }) {
    this._strings = strings;
    this._base = `/api/rooms/${slug}/recordings`;
    this._page = `/rooms/${slug}/recordings`;
    this._ask = ask;
    this._tell = tell;
    this._drawn = drawn;
    this._list = byId("recordings");
    this._template = /** @type {HTMLTemplateElement} */ (byId("recording-template"));
    /** Those of the pages after the first, which stay as they were read. @type {Recording[]} */
    this._earlier = [];
    this._next = "";
    byId("recordings-more").addEventListener("click", () => void this._more());
    this._list.addEventListener("click", (event) => {
      const button = /** @type {HTMLElement} */ (event.target).closest("[data-part=delete]");
      const line = /** @type {HTMLElement | null} */ (button?.closest("[data-id]") ?? null);
      if (button && line) void this._delete(/** @type {HTMLButtonElement} */ (button), line);
    });
  }

  /** Asks the server anew. */
  async refresh() {
    const { recordings, next } = await call("GET", this._base);
    if (!this._earlier.length) this._next = next;
    const oldest = recordings.at(-1)?.broadcast ?? "";
    this._earlier = this._earlier.filter((one) => one.broadcast < oldest);
    this._show([...recordings, ...this._earlier]);
  }

  async _more() {
    try {
      const { recordings, next } = await call("GET", `${this._base}?after=${this._next}`);
      this._earlier.push(...recordings);
      this._next = next;
      await this.refresh();
      this._tell(null);
    } catch (error) {
      this._tell(error);
    }
  }

  /** @param {Recording[]} all */
  _show(all) {
    byId("recordings-card").hidden = !all.length;
    byId("recordings-more").hidden = !this._next;
    const known = new Map([...this._list.children].map((line) => [/** @type {HTMLElement} */ (line).dataset.id, line]));
    const there = new Set(all.filter((one) => one.state === "kept").map((one) => one.broadcast));
    for (const [place, one] of all.entries()) {
      let line = /** @type {HTMLElement | undefined} */ (known.get(one.broadcast));
      known.delete(one.broadcast);
      if (!line) {
        const fresh = /** @type {DocumentFragment} */ (this._template.content.cloneNode(true));
        line = /** @type {HTMLElement} */ (fresh.firstElementChild);
        this._list.insertBefore(line, this._list.children[place] ?? null);
      }
      // A version is edited where its original is, as long as there is one.
      this._fill(line, one, one.edition_of && there.has(one.edition_of) ? one.edition_of : one.broadcast);
    }
    for (const line of known.values()) line.remove();
    this._drawn();
  }

  /** @param {HTMLElement} line @param {Recording} one @param {string} edited which one is edited for it */
  _fill(line, one, edited) {
    const { t, lang } = this._strings;
    const when = `${day(one.recorded_at, lang)}, ${clock(one.recorded_at, lang)}`;
    line.dataset.id = one.broadcast;
    line.dataset.state = one.state;
    line.dataset.when = when;
    const size = one.bytes ? t("replay.mega", { n: number(one.bytes / 1e6, lang, 1) }) : "";
    const says = this._says(one);
    const texts = {
      when,
      size: [one.seconds === null ? "" : span(one.seconds), size].filter(Boolean).map((part) => `· ${part}`.replaceAll(" ", "\u00a0")).join(" "),
      says,
    };
    for (const [name, text] of Object.entries(texts)) {
      const element = part(line, name);
      if (element.textContent !== text) element.textContent = text;
    }
    part(line, "says").hidden = !says;
    const listen = /** @type {HTMLAnchorElement} */ (part(line, "listen"));
    const target = one.replay ?? one.listen ?? "";
    listen.hidden = !target;
    if (target) listen.href = target;
    const edit = /** @type {HTMLAnchorElement} */ (part(line, "edit"));
    edit.href = `${this._page}/${edited}`;
    edit.hidden = one.seconds === null;
    part(line, "actions").hidden = one.state !== "kept";
    for (const name of ["listen", "edit", "delete"]) {
      const element = part(line, name);
      element.setAttribute("aria-label", t("desk.recording_of", { action: element.textContent ?? "", date: when }));
    }
  }

  /** @param {Recording} one @returns {string} */
  _says(one) {
    const { t, lang } = this._strings;
    if (one.deleted) {
      return t(`desk.recording_deleted_${one.deleted.why}`, { date: day(one.deleted.deleted_at, lang) });
    }
    if (one.problem) return t("desk.recording_problem", { problem: one.problem });
    if (one.state !== "kept") return t(`desk.recording_${one.state}`);
    const cut = one.whole ? "" : t("desk.recording_cut");
    const version = one.edition ? t("edit.version", { n: one.edition }) : "";
    const hidden = one.public ? "" : t("desk.recording_hidden");
    const stored = one.store_problem ? t("desk.recording_store_problem", { problem: one.store_problem }) : "";
    const until = one.kept_until ? t("desk.recording_kept_until", { date: day(one.kept_until, lang) }) : "";
    return [version, hidden, cut, stored, until].filter(Boolean).join(" · ");
  }

  /** @param {HTMLButtonElement} button @param {HTMLElement} line */
  async _delete(button, line) {
    const { t } = this._strings;
    const date = line.dataset.when ?? "";
    if (button.getAttribute("aria-busy") === "true") return;
    if (!(await this._ask(t("desk.recording_ask", { date }), t("desk.recording_ask_text"), t("desk.recording_delete")))) return;
    button.setAttribute("aria-busy", "true");
    byId("recordings-says").textContent = "";
    try {
      await call("DELETE", `${this._base}/${line.dataset.id}`);
      // The button goes: who works by keyboard stays in the list.
      byId("recordings-card").focus();
      await this.refresh();
      byId("recordings-says").textContent = t("desk.recording_gone", { date });
      this._tell(null);
    } catch (error) {
      this._tell(error);
    } finally {
      button.removeAttribute("aria-busy");
    }
  }
}

/** @param {HTMLElement} line @param {string} name @returns {HTMLElement} */
function part(line, name) {
  return /** @type {HTMLElement} */ (line.querySelector(`[data-part=${name}]`));
}
