// The versions of a recording: which one everybody hears, how far the others are, and what can be done with each.

import { byId, call, Problem, send, tell } from "./desk_api.js";
import { editOf } from "./edit_model.js";
import { changes } from "./edit_words.js";
import { clock, clockTime, date } from "./format.js";

/** Between two looks while one is being made, and otherwise, ms. */
const SOON = 2000;
const LATER = 15_000;

/** @typedef {{id: string, name: string, track: boolean, speaking: number}} Speaker */
/** @typedef {import("./edit_model.js").Order & {number: number, edition: string, state: "waiting" | "making" | "made" | "failed", progress: number,
 *   problem: string, public: boolean, asked_at: string, asked_by: string, published_at: string | null, seconds: number, preview: string | null, replay: string | null}} Version */
/** @typedef {{broadcast: string, begins: number, ends: number, public: string | null, preview: string, speakers: Speaker[], edits: Version[]}} Listing */

/** @param {Element} line @param {string} name @returns {HTMLElement} */
const part = (line, name) => /** @type {HTMLElement} */ (line.querySelector(`[data-part="${name}"]`));
/** @param {Element} line @param {string} name @returns {HTMLButtonElement} */
const button = (line, name) => /** @type {HTMLButtonElement} */ (line.querySelector(`[data-do="${name}"]`));

export class Versions {
  /**
   * @param {import("./strings.js").Strings} strings @param {string} api @param {Listing} listing
   * @param {{names: Map<string, string>, seconds: number, begins: number, further: (order: Version) => void,
   *   ask: (title: string, text: string[], yes: string, ends?: boolean) => Promise<boolean>, tell: (text: string) => void, shown: (listing: Listing) => void}} page
   */
  constructor(strings, api, listing, page) {
    this._strings = strings;
    this._api = api;
    this._page = page;
    this._listing = listing;
    this._list = byId("versions");
    /** @type {Map<number, HTMLElement>} */
    this._lines = new Map();
    this._show(listing);
    this._soon();
  }

  /** Asks the server anew. */
  async refresh() {
    this._show(await call("GET", this._api));
    this._soon();
  }

  _soon() {
    clearTimeout(this._timer);
    const busy = this._listing.edits.some((each) => ["waiting", "making"].includes(each.state));
    this._timer = setTimeout(() => {
      if (document.hidden) this._soon();
      else this.refresh().catch((error) => this._lost(error));
    }, busy ? SOON : LATER);
  }

  /** No answer: what is gone is said, anything else is asked again. @param {unknown} error */
  _lost(error) {
    const { t } = this._strings;
    if (error instanceof Problem && [404, 410].includes(error.status)) {
      tell(this._strings, new Problem(error.status, { title: t("edit.gone"), detail: t("edit.gone_hint") }));
    } else {
      this._soon();
    }
  }

  /** @param {Listing} listing */
  _show(listing) {
    const before = new Map(this._listing.edits.map((each) => [each.number, each.state]));
    this._listing = listing;
    const { t } = this._strings;
    const numbers = [0, ...listing.edits.map((each) => each.number)];
    for (const [number, line] of this._lines) {
      if (numbers.includes(number)) continue;
      if (line.contains(document.activeElement)) byId("versions-card").focus();
      line.remove();
      this._lines.delete(number);
    }
    this._original(listing);
    for (const version of listing.edits) {
      this._fill(version);
      if (version.state === "made" && ["waiting", "making"].includes(before.get(version.number) ?? "")) this._page.tell(t("edit.ready", { n: version.number }));
    }
    this._page.shown(listing);
  }

  /** @param {number} number */
  _line(number) {
    const known = this._lines.get(number);
    if (known) return known;
    const copy = /** @type {DocumentFragment} */ (/** @type {HTMLTemplateElement} */ (byId("version-template")).content.cloneNode(true));
    const line = /** @type {HTMLElement} */ (copy.firstElementChild);
    this._lines.set(number, line);
    // The original stands last, the newest first.
    if (number) this._list.prepend(line);
    else this._list.append(line);
    button(line, "listen").addEventListener("click", () => this._listen(line));
    button(line, "publish").addEventListener("click", () => void this._publish(number));
    button(line, "delete").addEventListener("click", () => void this._delete(number));
    button(line, "further").addEventListener("click", () => {
      const version = this._listing.edits.find((each) => each.number === number);
      if (version) this._page.further(version);
    });
    return line;
  }

  /** @param {Listing} listing */
  _original(listing) {
    const { t } = this._strings;
    const line = this._line(0);
    const on = listing.public === listing.broadcast;
    const removing = listing.edits.some((each) => each.take_down);
    line.dataset.number = "0";
    set(part(line, "name"), t("edit.original"));
    set(part(line, "when"), `· ${clockTime(listing.ends - listing.begins)}`);
    set(part(line, "says"), t(removing ? "edit.original_goes" : "edit.original_stays"));
    part(line, "public").hidden = !on;
    this._sound(line, listing.preview);
    for (const name of ["further", "delete", "page"]) button(line, name).hidden = true;
    button(line, "publish").hidden = on || removing;
    this._label(line, t("edit.original"));
  }

  /** @param {Version} version */
  _fill(version) {
    const { t, lang } = this._strings;
    const line = this._line(version.number);
    const name = t("edit.version", { n: version.number });
    line.dataset.number = String(version.number);
    line.dataset.state = version.state;
    set(part(line, "name"), name);
    const asked = `${date(version.asked_at, lang)}, ${clock(version.asked_at, lang)}`;
    set(part(line, "when"), [clockTime(version.seconds), asked, version.asked_by].filter(Boolean).map((each) => `· ${each}`).join(" "));
    const said = changes(editOf(version, this._page.seconds, this._page.begins), this._page.seconds, this._page.names, this._strings);
    if (version.take_down) said.push(t("edit.for_good"));
    set(part(line, "says"), said.join(" · "));
    part(line, "public").hidden = !version.public;
    const problem = version.problem ? t(version.state === "failed" ? "edit.failed" : "edit.again", { problem: version.problem }) : "";
    set(part(line, "problem"), problem);
    part(line, "problem").hidden = !problem;
    const making = ["waiting", "making"].includes(version.state);
    part(line, "progress").hidden = !making;
    const percent = Math.floor(version.progress * 100);
    set(part(line, "progress-says"), version.state === "waiting" ? t("edit.waiting") : t("edit.making", { percent }));
    /** @type {HTMLProgressElement} */ (line.querySelector("progress")).value = version.progress;
    this._sound(line, version.preview);
    button(line, "publish").hidden = version.state !== "made" || version.public;
    button(line, "publish").classList.add("main");
    button(line, "further").hidden = version.take_down;
    button(line, "delete").hidden = version.public || version.take_down;
    const page = /** @type {HTMLAnchorElement} */ (/** @type {unknown} */ (button(line, "page")));
    page.hidden = !version.replay;
    if (version.replay) page.href = version.replay;
    this._label(line, name);
  }

  /** @param {HTMLElement} line @param {string} of */
  _label(line, of) {
    for (const each of line.querySelectorAll("[data-do]")) each.setAttribute("aria-label", this._strings.t("edit.of_version", { action: each.textContent ?? "", name: of }));
    part(line, "sound").setAttribute("aria-label", of);
    line.querySelector("progress")?.setAttribute("aria-label", of);
  }

  /** @param {HTMLElement} line @param {string | null} preview */
  _sound(line, preview) {
    button(line, "listen").hidden = !preview || !part(line, "sound").hidden;
    const sound = /** @type {HTMLAudioElement} */ (part(line, "sound"));
    if (preview && sound.dataset.src !== preview) sound.dataset.src = preview;
  }

  /** @param {HTMLElement} line */
  _listen(line) {
    const sound = /** @type {HTMLAudioElement} */ (part(line, "sound"));
    sound.src = sound.dataset.src ?? "";
    sound.hidden = false;
    button(line, "listen").hidden = true;
    sound.focus();
    void sound.play().catch(() => {});
  }

  /** @param {number} number */
  async _publish(number) {
    const { t } = this._strings;
    const name = number ? t("edit.version", { n: number }) : t("edit.original");
    if (!(await this._page.ask(t("edit.publish_ask", { name }), [t("edit.publish_text")], t("edit.publish"), false))) return;
    await this._done(async () => {
      this._show(await call("POST", `${this._api}/${number}/publish`));
      return t("edit.published", { name });
    });
  }

  /** @param {number} number */
  async _delete(number) {
    const { t } = this._strings;
    const name = t("edit.version", { n: number });
    if (!(await this._page.ask(t("edit.delete_ask", { name }), [t("edit.delete_text")], t("desk.recording_delete")))) return;
    await this._done(async () => {
      await send("DELETE", `${this._api}/${number}`);
      byId("versions-card").focus();
      await this.refresh();
      return t("edit.deleted", { name });
    });
  }

  /** @param {() => Promise<string>} act what is to be said then */
  async _done(act) {
    try {
      byId("versions-says").textContent = await act();
      tell(this._strings, null);
    } catch (error) {
      tell(this._strings, error);
    }
  }
}

/** @param {HTMLElement} element @param {string} text */
function set(element, text) {
  if (element.textContent !== text) element.textContent = text;
}
