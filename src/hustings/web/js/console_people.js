// Those who come: the green room, and the hands that are raised. For those who conduct.

import { byId, el, keyed, part, say, setText, show } from "./console_dom.js";
import { share } from "./console_model.js";
import { clockTime, initials } from "./format.js";

/** Quieter than this it is the room and not a voice (0..1 over 60 dB). */
const VOICE = 0.3;

/** @typedef {import("./console_model.js").Waiting} Waiting @typedef {import("./console_model.js").Asking} Asking */

export class GreenRoom {
  /** @param {import("./console_context.js").Context} context @param {import("./console_self.js").Self} self */
  constructor(context, self) {
    this._context = context;
    this._self = self;
    /** Those a host does not want yet; they go on waiting. @type {Set<string>} */
    this._later = new Set();
    /** Who was heard at least once while waiting. @type {Set<string>} */
    this._heard = new Set();
    byId("green-on").addEventListener("change", () => {
      const { api } = context;
      void context.run(byId("green-on"), () => api.ask("PATCH", "", { green_room: byId("green-on").checked })).then(() => this.draw());
    });
  }

  draw() {
    const { strings, t, model: { host, me, room } } = this._context;
    show(byId("green"), me.conducts && room.status !== "cancelled");
    byId("green-on").checked = host.green_room;
    const waiting = [...host.waiting].sort((a, b) => Number(this._later.has(a.id)) - Number(this._later.has(b.id)));
    setText(byId("green-count"), waiting.length ? strings.n("console.green.count", waiting.length) : "");
    setText(byId("jump-green"), waiting.length ? String(waiting.length) : "");
    setText(byId("green-empty"), t(host.green_room ? "console.green.empty" : "console.green.off"));
    show(byId("green-empty"), !waiting.length);
    keyed(byId("waiting"), waiting, ({ id }) => id, () => this._make(), (row, person) => this._fill(row, person));
  }

  _make() {
    const { api, t } = this._context;
    const row = el("li", { class: "comer" },
      el("span", { class: "ring", "aria-hidden": "true", "data-part": "initials" }),
      el("div", { class: "comer-who" }, el("strong", { "data-part": "name" }), el("span", { class: "soft", "data-part": "says" })),
      el("div", { class: "comer-acts" },
        el("button", { class: "button main", type: "button", "data-part": "admit", text: t("console.green.admit") }),
        el("button", { class: "button", type: "button", "data-part": "aside" }),
        el("button", { class: "button", type: "button", "data-part": "later" }),
        el("button", { class: "button ends", type: "button", "data-part": "remove", text: t("console.stage.remove") })));
    const on = (/** @type {string} */ name, /** @type {() => Promise<import("./console_api.js").Answer>} */ deed) =>
      part(row, name).addEventListener("click", () => void this._context.run(part(row, name), deed));
    on("admit", () => api.post(`/participants/${row.dataset.key}/admit`));
    on("aside", () => api.post("/participants/me/aside", { guest_id: row.hasAttribute("data-aside") ? "" : row.dataset.key }));
    part(row, "later").addEventListener("click", () => {
      const id = row.dataset.key ?? "";
      if (!this._later.delete(id)) this._later.add(id);
      this.draw();
    });
    part(row, "remove").addEventListener("click", () => void this._remove(row));
    return row;
  }

  /** @param {HTMLElement} row */
  async _remove(row) {
    const { api, t } = this._context;
    const answer = await this._context.ask(t("console.ask.remove", { name: row.dataset.name ?? "" }), t("console.ask.remove_text"), [
      { value: "no", text: t("console.ask.cancel") }, { value: "remove", text: t("console.stage.remove_now"), kind: "ends" },
      { value: "ban", text: t("console.stage.ban"), kind: "ends" },
    ]);
    if (answer !== "remove" && answer !== "ban") return;
    await this._context.run(part(row, "remove"), () => api.post(`/participants/${row.dataset.key}/remove`, { ban: answer === "ban" }));
  }

  /** @param {HTMLElement} row @param {Waiting} person */
  _fill(row, person) {
    const { t } = this._context;
    const later = this._later.has(person.id);
    row.dataset.name = person.name;
    row.toggleAttribute("data-later", later);
    const aside = person.aside !== "" && person.aside === this._context.model.me.id;
    row.toggleAttribute("data-aside", aside);
    setText(part(row, "initials"), initials(person.name));
    setText(part(row, "name"), person.name);
    setText(part(row, "says"), this._says(person));
    setText(part(row, "aside"), t(aside ? "console.green.aside_end" : "console.green.aside"));
    part(row, "aside").disabled = !aside && (person.aside !== "" || !person.connected || this._self.situation.name === "before" || !this._self.joined);
    part(row, "aside").title = part(row, "aside").disabled ? t("console.green.aside_needs") : "";
    show(part(row, "admit"), !later);
    show(part(row, "remove"), later);
    setText(part(row, "later"), t(later ? "console.green.after_all" : "console.green.later"));
    for (const name of ["admit", "aside", "later", "remove"]) {
      part(row, name).setAttribute("aria-label", t("console.of", { what: part(row, name).textContent, name: person.name }));
    }
  }

  /** What is known of the waiting, in words. @param {Waiting} person */
  _says(person) {
    const { t } = this._context;
    if (person.aside) return t(person.aside === this._context.model.me.id ? "console.green.is_aside" : "console.green.aside_other");
    if (!person.connected) return t("seat.away");
    const loss = Math.round(person.loss * 100);
    const says = [];
    if (person.since) says.push(t("console.green.since", { time: clockTime((Date.now() - Date.parse(person.since)) / 1000) }));
    says.push(t(person.muted ? "seat.muted" : this._heard.has(person.id) || share(person.level_dbov) > VOICE ? "console.green.level_good" : "console.green.silent"));
    if (loss >= 2) says.push(t("console.line.loss", { loss }));
    if (this._context.model.host.recording.on && person.agreed === false) says.push(t("console.rec.has_not_agreed"));
    return says.join(", ");
  }

  levels() {
    const { model } = this._context;
    for (const row of /** @type {Iterable<HTMLElement>} */ (byId("waiting").children)) {
      const level = model.level(row.dataset.key ?? "") ?? 0;
      if (level > VOICE) this._heard.add(row.dataset.key ?? "");
      row.style.setProperty("--level", level.toFixed(2));
      row.toggleAttribute("data-speaking", level > VOICE);
    }
  }

  tick() {
    for (const person of this._context.model.host.waiting) {
      const row = byId("waiting").querySelector(`[data-key="${CSS.escape(person.id)}"]`);
      if (row) setText(part(row, "says"), this._says(person));
    }
  }
}

export class Hands {
  /** @param {import("./console_context.js").Context} context */
  constructor(context) {
    this._context = context;
    for (const [id, name] of [["hands-on", "hands"], ["hands-order", "queue_by_talk"]]) {
      byId(id).addEventListener("change", () => {
        const { api } = context;
        void context.run(byId(id), () => api.ask("PATCH", "", { [name]: byId(id).checked })).then(() => this.draw());
      });
    }
  }

  draw() {
    const { strings, t, model: { host, me, room } } = this._context;
    show(byId("hands"), me.conducts && room.status !== "cancelled");
    byId("hands-on").checked = host.hands;
    byId("hands-order").checked = host.queue_by_talk;
    const { requests } = host;
    const waiting = requests.filter(({ state }) => state === "waiting").length;
    setText(byId("hands-count"), waiting ? strings.n("console.hands.count", waiting) : "");
    setText(byId("jump-hands"), waiting ? String(waiting) : "");
    setText(byId("hands-empty"), t(host.hands ? "console.hands.empty" : "console.hands.off"));
    show(byId("hands-empty"), !requests.length);
    keyed(byId("requests"), requests, ({ id }) => id, () => this._make(), (row, request) => {
      const called = request.state === "called";
      setText(part(row, "name"), request.name);
      show(part(row, "bring"), !called);
      part(row, "bring").setAttribute("aria-label", t("console.of", { what: t("console.hands.bring"), name: request.name }));
      part(row, "lower").setAttribute("aria-label", t("console.of", { what: t("console.hands.lower"), name: request.name }));
      say(row, "says", this._says(request));
    });
  }

  _make() {
    const { api, t } = this._context;
    const row = el("li", { class: "comer" },
      el("div", { class: "comer-who" }, el("strong", { "data-part": "name" }), el("span", { class: "soft", "data-part": "says" })),
      el("div", { class: "comer-acts" },
        el("button", { class: "button main", type: "button", "data-part": "bring", text: t("console.hands.bring") }),
        el("button", { class: "button", type: "button", "data-part": "lower", text: t("console.hands.lower") })));
    for (const [name, path] of [["bring", "bring-up"], ["lower", "lower"]]) {
      part(row, name).addEventListener("click", () => void this._context.run(part(row, name), () => api.post(`/requests/${row.dataset.key}/${path}`)));
    }
    return row;
  }

  /** @param {Asking} request */
  _says(request) {
    const { t } = this._context;
    if (request.state === "called") return t("console.hands.called");
    const waited = clockTime((Date.now() - Date.parse(request.asked_at)) / 1000);
    const talked = request.talked_seconds >= 1 ? t("seat.talked", { time: clockTime(request.talked_seconds) }) : t("seat.silent");
    return `${t("console.hands.waits", { time: waited })} · ${talked}`;
  }

  tick() {
    for (const request of this._context.model.host.requests) {
      const row = byId("requests").querySelector(`[data-key="${CSS.escape(request.id)}"]`);
      if (row) say(row, "says", this._says(request));
    }
  }
}
