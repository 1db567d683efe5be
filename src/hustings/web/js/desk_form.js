// The form with everything a host says about a room, read for the API, and its faults shown where they are.

import { byId } from "./desk_api.js";
import { Lines, part } from "./desk_lines.js";

const CHECKS = ["green_room", "hands", "questions", "moderated", "equal_time", "queue_by_talk", "recording"];
const MAX_TOPICS = 50;
const MAX_LINKS = 10;

export class DeskForm {
  /** @param {import("./strings.js").Strings} strings @param {() => void} changed */
  constructor(strings, changed) {
    this._strings = strings;
    this.form = /** @type {HTMLFormElement} */ (byId("form"));
    const sum = () => {
      changed();
      this._sum();
    };
    this._topics = new Lines(byId("topics"), "topic-template", {
      max: MAX_TOPICS,
      changed: sum,
      moved: (place, count) => (byId("moved").textContent = strings.t("desk.moved", { place, count })),
    });
    this._links = new Lines(byId("links"), "link-template", { max: MAX_LINKS, changed });
    byId("add-topic").addEventListener("click", () => this._topics.add());
    byId("add-link").addEventListener("click", () => this._links.add());
    this.form.addEventListener("input", changed);
    this._sum();
  }

  /** For POST and PATCH. @returns {Record<string, unknown>} */
  read() {
    const fields = /** @type {Record<string, any>} */ (this.form.elements);
    /** @type {Record<string, unknown>} */
    const read = {
      title: fields.title.value,
      description: fields.description.value,
      language: fields.language.value,
      turn_seconds: Number(fields.turn_seconds.value),
      keep_days: Number(fields.keep_days.value),
      ...(fields.figures.disabled ? {} : { figures: fields.figures.value }),
      opens_itself: fields.doors.value !== "",
      ...(fields.doors.value === "" ? {} : { doors_minutes: Number(fields.doors.value) }),
      starts_itself: fields.starts.value !== "",
      ...(fields.hold.value === "own" ? {} : { hold: fields.hold.value }),
      topics: this._filled(this._topics, "title").map((line) => ({
        ...(line.dataset.id ? { id: line.dataset.id } : {}),
        title: part(line, "title").value,
        minutes: part(line, "minutes").value ? Math.round(Number(part(line, "minutes").value)) : null,
      })),
      links: this._filled(this._links, "label", "url").map((line) => ({
        label: part(line, "label").value || part(line, "url").value.slice(0, 140),
        url: part(line, "url").value.trim(),
      })),
    };
    for (const name of CHECKS) read[name] = fields[name].checked;
    if (fields.slug?.value) read.slug = fields.slug.value.trim();
    return read;
  }

  /** Topics that are new have got their names from the server. @param {{id: string}[]} topics */
  keep(topics) {
    this._filled(this._topics, "title").forEach((line, index) => {
      if (topics[index]) line.dataset.id = topics[index].id;
    });
  }

  /** What is missing before anything is sent. @returns {boolean} whether nothing is */
  complete() {
    this.clear();
    const title = /** @type {HTMLInputElement} */ (byId("title"));
    if (title.value.trim()) return true;
    this.fault("title", this._strings.t("desk.title_missing"));
    return false;
  }

  clear() {
    for (const fault of document.querySelectorAll(".fault")) /** @type {HTMLElement} */ (fault).hidden = true;
    for (const field of document.querySelectorAll("[aria-invalid]")) field.removeAttribute("aria-invalid");
  }

  /**
   * Shows what the API says of a field. @param {string} where "body: topics.1.title" or a field's name
   * @param {string} detail @returns {boolean} whether there is such a field
   */
  fault(where, detail) {
    const path = where.replace(/^(body|query): /, "").split(".");
    const name = path[0] === "local" || path[0] === "zone" ? "at" : path[0];
    const says = document.getElementById(`${name}-fault`);
    if (!says) return false;
    says.textContent = this._words(name, detail);
    says.hidden = false;
    const field = this._field(path);
    field?.setAttribute("aria-invalid", "true");
    if (field && !document.querySelector("[aria-invalid]:focus")) field.focus();
    return true;
  }

  /** @param {string} name @param {string} detail */
  _words(name, detail) {
    if (name === "slug" && detail.includes("taken")) return this._strings.t("desk.slug_taken");
    if (name === "slug") return this._strings.t("desk.slug_hint");
    if (name === "links") return this._strings.t("desk.link_fault");
    return detail.replace(/^Value error, /, "");
  }

  /** @param {string[]} path @returns {HTMLElement | null} */
  _field([name, index, of]) {
    const lists = { topics: ["title", this._topics], links: ["url", this._links] };
    if (name === "topics" || name === "links") {
      const [first, lines] = /** @type {[string, Lines]} */ (lists[name]);
      const keys = name === "topics" ? ["title"] : ["label", "url"];
      const line = this._filled(lines, ...keys)[Number(index)];
      return line ? part(line, of ?? first) ?? part(line, first) : null;
    }
    return document.getElementById(name === "at" ? "date" : name);
  }

  /** Lines somebody has written into. @param {Lines} lines @param {string[]} names */
  _filled(lines, ...names) {
    return lines.lines.filter((line) => names.some((name) => part(line, name).value.trim()));
  }

  /** How long the agenda is. */
  _sum() {
    const minutes = this._topics.lines.reduce((sum, line) => sum + (Number(part(line, "minutes").value) || 0), 0);
    byId("agenda-sum").textContent = minutes ? this._strings.t("desk.agenda_sum", { minutes }) : "";
  }
}
