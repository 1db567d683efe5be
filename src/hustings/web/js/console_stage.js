// Who is on the stage: rings that breathe with the voice, connection and mute in words, talk time, the clock,
// and for those who conduct what can be done.

import { byId, el, keyed, part, say, setText, show, shut } from "./console_dom.js";
import { connection } from "./console_model.js";
import { turn } from "./console_times.js";
import { clockTime, date, initials } from "./format.js";
import { inOrder } from "./room_view.js";

/** A turn on the speaking clock when the room names none, s. */
const TURN = 120;
const TURNS = [60, 180, 300];

/** @typedef {import("./console_model.js").Participant} Participant */

export class Stage {
  /** @param {import("./console_context.js").Context} context @param {import("./console_self.js").Self} self */
  constructor(context, self) {
    this._context = context;
    this._self = self;
    this._list = byId("voices");
    byId("lock").addEventListener("click", () => {
      const { api, model } = context;
      void context.run(byId("lock"), () => api.post("/lock", { locked: !model.room.locked }));
    });
  }

  draw() {
    const { strings, t, model: { room, me } } = this._context;
    const people = inOrder(room.participants);
    keyed(this._list, people, ({ id }) => id, () => this._make(), (row, person) => this._fill(row, person));
    keyed(byId("invited"), this._invited(), ({ id, name }) => id ?? name, () => this._makeInvited(), (row, one) => this._fillInvited(row, one));
    const connected = people.filter((person) => person.connected).length;
    show(byId("nobody"), !people.length);
    setText(byId("stage-count"), connected ? strings.n("speak.stage_count", connected) : "");
    show(byId("lock"), me.conducts && !["ended", "cancelled"].includes(room.status));
    byId("lock").setAttribute("aria-pressed", String(Boolean(room.locked)));
    show(byId("locked"), Boolean(room.locked));
    setText(byId("lock"), t(room.locked ? "console.stage.unlock" : "console.stage.lock"));
  }

  /** Public invitations are seats, too. */
  _invited() {
    const { me, host, room } = this._context.model;
    const all = me.conducts ? host.invitations.filter((one) => one.public && one.state !== "accepted") : room.invitations;
    return all.filter(({ state }) => state !== "withdrawn");
  }

  _make() {
    const row = byId("voice-template").content.firstElementChild.cloneNode(true);
    const on = (/** @type {string} */ name, /** @type {() => void} */ deed) => part(row, name).addEventListener("click", deed);
    on("mute", () => this._command(row, "mute", "mute", { muted: true }));
    on("clock", () => this._command(row, "clock", "clock", { seconds: row.dataset.clock ? 0 : this._turn }));
    on("send-back", () => this._command(row, "send-back", "send-back", {}));
    on("role", () => this._command(row, "role", "role", { role: row.dataset.role === "cohost" ? "speaker" : "cohost" }));
    on("hand-over", () => void this._handOver(row));
    on("remove", () => void this._remove(row));
    for (const seconds of TURNS) {
      const words = this._context.t("console.stage.clock", { time: clockTime(seconds) });
      const button = el("button", { class: "button", type: "button", text: clockTime(seconds), "aria-label": words });
      button.addEventListener("click", () => this._command(row, "clock", "clock", { seconds }));
      part(row, "turns").append(button);
    }
    return row;
  }

  get _turn() {
    return this._context.model.host.turn_seconds || TURN;
  }

  /** @param {HTMLElement} row @param {string} button @param {string} path @param {object} body */
  _command(row, button, path, body) {
    const { api } = this._context;
    shut(part(row, "more"));
    return this._context.run(part(row, button), () => api.post(`/participants/${row.dataset.key}/${path}`, body));
  }

  /** @param {HTMLElement} row */
  async _handOver(row) {
    const { t } = this._context;
    const answer = await this._context.ask(t("console.ask.hand_over", { name: row.dataset.name ?? "" }), t("console.ask.hand_over_text"), [
      { value: "no", text: t("console.ask.cancel") }, { value: "yes", text: t("console.stage.hand_over"), kind: "main" },
    ]);
    if (answer === "yes") await this._command(row, "hand-over", "hand-over", {});
  }

  /** @param {HTMLElement} row */
  async _remove(row) {
    const { t } = this._context;
    const answer = await this._context.ask(t("console.ask.remove", { name: row.dataset.name ?? "" }), t("console.ask.remove_text"), [
      { value: "no", text: t("console.ask.cancel") }, { value: "remove", text: t("console.stage.remove_now"), kind: "ends" },
      { value: "ban", text: t("console.stage.ban"), kind: "ends" },
    ]);
    if (answer === "remove" || answer === "ban") await this._command(row, "remove", "remove", { ban: answer === "ban" });
  }

  /** @param {HTMLElement} row @param {Participant} person */
  _fill(row, person) {
    const { t, model: { me, host } } = this._context;
    const own = person.id === me.id;
    const muted = own && this._self.joined ? this._self.muted : person.muted;
    const speaking = person.speaking && !muted;
    Object.assign(row.dataset, { id: person.id, name: person.name, role: person.role, connected: person.connected ? "yes" : "no" });
    row.toggleAttribute("data-speaking", speaking);
    row.toggleAttribute("data-muted", muted);
    const line = person.connected && !own ? connection(host.quality[person.id], t) : { text: "", weak: false };
    setText(part(row, "initials"), initials(person.name));
    setText(part(row, "name"), own ? t("speak.is_you", { name: person.name }) : person.name);
    const silent = me.conducts && host.recording.on && host.recording.not_agreed.some(({ id }) => id === person.id);
    setText(part(row, "who"), [t(`role.${person.role}`), line.text, silent ? t("console.rec.has_not_agreed") : ""].filter(Boolean).join(" · "));
    part(row, "who").classList.toggle("warn", line.weak);
    setText(part(row, "says"), muted ? t(person.muted_by_host ? "seat.muted_by_host" : "seat.muted")
      : !person.connected ? t("seat.away") : speaking ? t("seat.speaking") : t("console.stage.listens"));
    this._commands(row, person, muted, own);
    this._tick(row, person);
  }

  /** @param {HTMLElement} row @param {Participant} person @param {boolean} muted @param {boolean} own */
  _commands(row, person, muted, own) {
    const { t, model: { me, room } } = this._context;
    const may = me.conducts && !own && !["ended", "cancelled"].includes(room.status);
    show(part(row, "acts"), may);
    if (!may) return;
    const named = (/** @type {string} */ name, /** @type {string} */ text) => {
      setText(part(row, name), text);
      part(row, name).setAttribute("aria-label", t("console.of", { what: text, name: person.name }));
    };
    named("mute", t("console.stage.mute"));
    part(row, "mute").disabled = muted;
    named("clock", person.clock_until ? t("console.stage.no_clock") : t("console.stage.clock", { time: clockTime(this._turn) }));
    part(row, "more-name").setAttribute("aria-label", t("console.of", { what: t("console.stage.more"), name: person.name }));
    row.toggleAttribute("data-host", person.role === "host");
    show(part(row, "role"), ["speaker", "cohost"].includes(person.role));
    setText(part(row, "role"), t(person.role === "cohost" ? "console.stage.make_speaker" : "console.stage.make_cohost"));
    setText(part(row, "send-back"), t(person.role === "listener" ? "console.stage.back_to_listeners" : "console.stage.send_back"));
    show(part(row, "send-back"), person.role !== "host");
    show(part(row, "remove"), person.role !== "host");
    show(part(row, "hand-over"), me.role === "host" && person.role !== "host");
  }

  /** What changes by itself with time, twice a second. */
  tick() {
    for (const person of this._context.model.room.participants) {
      const row = this._row(person.id);
      if (row) this._tick(row, person);
    }
  }

  /** @param {HTMLElement} row @param {Participant} person */
  _tick(row, person) {
    const { t, model } = this._context;
    const seconds = model.talked(person);
    setText(part(row, "talked"), seconds >= 1 ? t("seat.talked", { time: clockTime(seconds) }) : t("seat.silent"));
    const left = turn(person.clock_until, Date.now());
    row.dataset.clock = left.state;
    say(row, "left", left.state ? t(left.state === "over" ? "console.clock.over" : "console.clock.left", { time: left.time }) : "");
  }

  /** Rings and bars. @param {number} mine 0..1 @param {number} others 0..1, the sound that is heard, where nobody says more */
  levels(mine, others) {
    const { model } = this._context;
    for (const row of this._list.children) {
      const id = row.dataset.key ?? "";
      const own = id === model.me.id;
      const told = own && this._self.micOpen ? mine : model.level(id);
      const level = told ?? (row.hasAttribute("data-speaking") ? others : 0);
      row.style.setProperty("--level", (row.hasAttribute("data-muted") ? 0 : level).toFixed(2));
      row.toggleAttribute("data-metered", told !== null);
    }
  }

  /** @param {string} id @returns {HTMLElement | null} */
  _row(id) {
    return this._list.querySelector(`[data-key="${CSS.escape(id)}"]`);
  }

  _makeInvited() {
    return byId("invited-template").content.firstElementChild.cloneNode(true);
  }

  /** @param {HTMLElement} row @param {import("./console_model.js").Invitation} one */
  _fillInvited(row, one) {
    const { t, strings } = this._context;
    setText(part(row, "name"), one.name);
    setText(part(row, "who"), [t(`role.${one.role}`), t(`invitation.${one.state}`, { date: date(one.since, strings.lang) })].join(" · "));
    say(row, "word", one.word ? t("console.quoted", { text: one.word }) : "");
  }
}
