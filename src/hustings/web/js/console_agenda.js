// The agenda, with what each topic has taken, and how the talk time is shared out.

import { byId, el, keyed, part, say, setText, show } from "./console_dom.js";
import { ahead, nextTopic, topicTimes } from "./console_times.js";
import { clockTime } from "./format.js";
import { inOrder } from "./room_view.js";

/** Colours of the bar; more people share the last. */
const COLOURS = 5;
/** Shares below this have no room for a figure. */
const ROOM_FOR_FIGURE = 0.14;

export class Agenda {
  /** @param {import("./console_context.js").Context} context */
  constructor(context) {
    this._context = context;
    /** Topics asked for whose event has not come yet, in their order. @type {string[]} */
    this._asked = [];
    /** @type {string | null | undefined} */
    this._drawn = undefined;
    this._step = Promise.resolve();
    byId("next-topic").addEventListener("click", () => void this.next());
  }

  /** One topic on. Keys may come faster than answers: each step waits for the one before and goes on from there. */
  next() {
    this._step = this._step.then(async () => {
      const { room, me } = this._context.model;
      const topic = nextTopic(room, this._asked.at(-1) ?? room.topic_id);
      if (me.conducts && topic) await this._begin(byId("next-topic"), topic.id);
    });
  }

  /** @param {any} button @param {string} id */
  async _begin(button, id) {
    this._asked.push(id);
    const answer = await this._context.run(button, () => this._context.api.post("/topic", { topic_id: id }));
    if (!answer) this._asked = [];
  }

  /** What has come of what was asked for; a topic nobody here asked for comes from another host, and counts. @param {string | null | undefined} now */
  _arrived(now) {
    if (now === this._drawn) return;
    this._drawn = now;
    this._asked = this._asked.slice(this._asked.indexOf(now ?? "") + 1 || this._asked.length);
  }

  draw() {
    const { model: { room, me } } = this._context;
    const topics = room.topics ?? [];
    this._arrived(room.topic_id);
    const running = ["open", "live", "paused"].includes(room.status);
    show(byId("agenda"), topics.length > 0);
    show(byId("next-topic"), me.conducts && topics.length > 0 && running);
    byId("next-topic").disabled = !nextTopic(room);
    keyed(byId("topics"), topics, ({ id }) => id, () => this._make(), (row, topic) => {
      const now = topic.id === room.topic_id;
      const button = part(row, "begin");
      const may = me.conducts && running && !now;
      setText(part(row, "title"), topic.title);
      setText(button, topic.title);
      show(part(row, "title"), !may);
      show(button, may);
      button.setAttribute("aria-label", this._context.t("console.of", { what: this._context.t("console.agenda.begin"), name: topic.title }));
      row.toggleAttribute("data-now", now);
      if (now) row.setAttribute("aria-current", "step");
      else row.removeAttribute("aria-current");
    });
    show(byId("talk"), ["live", "paused", "ended"].includes(room.status) && room.participants.some((person) => person.talked_seconds >= 1 || person.speaking));
    this.tick();
  }

  _make() {
    const begin = el("button", { class: "topic-title", type: "button", "data-part": "begin" });
    const row = el("li", { class: "topic" }, el("span", { class: "topic-title", "data-part": "title" }), begin,
      el("span", { class: "topic-time figures", "data-part": "time" }));
    begin.addEventListener("click", () => void this._begin(begin, row.dataset.key));
    return row;
  }

  /** Times run on. */
  tick() {
    const { t, model: { room } } = this._context;
    const taken = topicTimes(room, Date.now());
    for (const topic of room.topics ?? []) {
      const row = byId("topics").querySelector(`[data-key="${CSS.escape(topic.id)}"]`);
      if (!row) continue;
      const seconds = taken.get(topic.id);
      const over = seconds !== undefined && Boolean(topic.minutes) && seconds > Number(topic.minutes) * 60;
      setText(part(row, "time"), seconds !== undefined ? clockTime(seconds) : topic.minutes ? t("console.agenda.minutes", { n: topic.minutes }) : "");
      part(row, "time").classList.toggle("warn", over && row.hasAttribute("data-now"));
      row.toggleAttribute("data-done", seconds !== undefined && !row.hasAttribute("data-now"));
    }
    this._shares();
  }

  _shares() {
    const { t, model } = this._context;
    if (byId("talk").hidden) return;
    const people = inOrder(model.room.participants);
    const talked = people.map((person, i) => ({ id: person.id, name: person.name, seconds: model.talked(person), colour: Math.min(i, COLOURS - 1) }))
      .filter(({ seconds }) => seconds >= 1);
    const all = talked.reduce((sum, { seconds }) => sum + seconds, 0) || 1;
    keyed(byId("shares"), talked, ({ id }) => id, () => el("span", { class: "share" }), (bar, { seconds, colour }) => {
      const share = seconds / all;
      bar.style.setProperty("--share", share.toFixed(3));
      bar.dataset.colour = String(colour);
      setText(bar, share >= ROOM_FOR_FIGURE ? t("console.talk.percent", { n: Math.round(share * 100) }) : "");
    });
    keyed(byId("talkers"), talked, ({ id }) => id, () => el("li", {}, el("i", { "aria-hidden": "true" }), el("span", { "data-part": "name" }),
      el("span", { class: "figures soft", "data-part": "time" })), (row, { name, seconds, colour }) => {
      row.dataset.colour = String(colour);
      setText(part(row, "name"), name);
      say(row, "time", clockTime(seconds));
    });
    const lead = model.room.equal_time ? ahead(people.filter(({ role, connected }) => role === "speaker" || connected)
      .map((person) => ({ name: person.name, seconds: model.talked(person) }))) : null;
    setText(byId("ahead"), lead ? t("console.talk.ahead", { name: lead.name, time: clockTime(lead.seconds) }) : "");
    show(byId("ahead"), Boolean(lead));
  }
}
