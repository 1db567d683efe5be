// The listener's page: one button, and a page that knows what is going on. What only some need (a hand, a question,
// the way back into what was said) is loaded when they do.

import { FocusKeeper } from "./focus.js";
import { memory } from "./listen_doors.js";
import { RoomFeed } from "./listen_feed.js";
import { Sound } from "./listen_sound.js";
import { drawAgenda } from "./room_agenda.js";
import { drawDoors, drawStateLine, Seats, setText } from "./room_view.js";
import { Strings } from "./strings.js";
import "./times.js";

/** Seconds between two looks at state.json: where events come in band only to be sure, elsewhere to know. */
const LOOK = { push: 60, hls: 5, idle: 7, waiting: 5 };
const HERE = ["open", "live", "paused"];
/** A room's listeners do not all ask for the page in the same second: so many per second at most, s at most. */
const PAGES_PER_SECOND = 200;
const REFRESH_WITHIN = 30;

/** @param {string} id */
const byId = (id) => /** @type {any} */ (document.getElementById(id));

class ListenerPage {
  /** @param {Strings} strings */
  constructor(strings) {
    this._strings = strings;
    this._seats = new Seats(byId("seats"), strings);
    this._feed = new RoomFeed(JSON.parse(byId("state").textContent), {
      changed: (now, before, happened) => this._changed(now, before, happened),
      line: (up) => (byId("stale").hidden = up || this._sound.pushed),
    });
    this._sound = new Sound(strings, {
      changed: (state) => this._soundChanged(state),
      event: (event) => this._happened(event),
      loudness: (level) => this._seats.loudness(level),
    });
    /** @type {import("./listen_hand.js").Hand | null} */
    this._hand = null;
    /** @type {import("./listen_questions.js").Questions | null} */
    this._questions = null;
    /** @type {import("./listen_clip.js").LiveClip | null} */
    this._clip = null;
    /** @type {Promise<Strings> | undefined} */
    this._clipTexts = undefined;
    /** @type {import("./listen_react.js").Reactions | null} */
    this._reactions = null;
    this._lastTick = performance.now();
    this._focus = new FocusKeeper();
  }

  run() {
    this._sound.run();
    this._draw();
    this._sound.tick();
    byId("clip").addEventListener("click", () => void this._withClip((clip) => clip.focus()));
    byId("hand").addEventListener("click", () => void this._withHand((hand) => hand.toggle()));
    byId("ask").addEventListener("click", () => void this._withQuestions((questions) => questions.ask()));
    byId("questions").addEventListener("pointerover", () => void this._withQuestions(() => undefined), { once: true });
    byId("questions").addEventListener("focusin", () => void this._withQuestions(() => undefined), { once: true });
    document.addEventListener("click", (event) => this._clicked(/** @type {Element} */ (event.target)));
    byId("show-keys").addEventListener("click", () => void this._keys());
    byId("show-keys").hidden = byId("show-share").hidden = false;
    document.addEventListener("keydown", (event) => this._key(event));
    setInterval(() => this._tick(), 500);
    document.addEventListener("visibilitychange", () => document.hidden || this._sound.pushed || void this._feed.look());
    window.addEventListener("online", () => void this._feed.look());
    if (memory.get(`hand ${this._room.slug}`)) void this._withHand((hand) => void hand.resume(this._room));
    this._pace();
  }

  /** What is drawn anew, or needs a script that is loaded only now. @param {Element} target */
  _clicked(target) {
    const button = /** @type {HTMLButtonElement} */ (target.closest("button"));
    if (!button) return;
    if (button.matches("[data-share], #show-share")) void this._share();
    else if (button.matches("#question-list [data-vote]")) void this._withQuestions((questions) => void questions.vote(button));
    else if (button.dataset.kind) void this._withReactions().then((reactions) => reactions.react(button));
  }

  /** @returns {import("./room_view.js").Room} */
  get _room() {
    return this._feed.state;
  }

  _pace() {
    const { state } = this._sound.player;
    const waiting = ["scheduled", "stalled", "reconnecting", "full"].includes(state) || this._room.status === "open";
    const every = this._sound.pushed ? LOOK.push : state === "playing" || this._hand?.step === "stage" ? LOOK.hls : waiting ? LOOK.waiting : LOOK.idle;
    this._feed.pace(every * (document.hidden && state === "idle" ? 4 : 1));
  }

  /** @param {import("./player.js").State} state */
  _soundChanged(state) {
    this._pace();
    if (["reconnecting", "stalled"].includes(state) || (state === "ended" && this._room.status !== "ended")) void this._feed.look();
    if (state === "playing") void this._withQuestions(() => undefined);
    this._drawHand();
    drawAgenda(this._room, this._strings, this._seeker());
  }

  /**
   * @param {import("./room_view.js").Room} now @param {import("./room_view.js").Room} before
   * @param {import("./listen_feed.js").Happening | null} happened
   */
  _changed(now, before, happened) {
    this._draw();
    if (happened) this._announce(happened);
    if (now.status !== before.status && HERE.includes(before.status) !== HERE.includes(now.status)) this._pace();
    void this._fresh(now, before);
  }

  /** What happened, once, for those who do not see it; kinds are in docs/api.md. @param {import("./listen_feed.js").Happening} happened */
  _announce({ what, data }) {
    const { t } = this._strings;
    if (what === "opened") this._tell(t("room.tell.opened"));
    else if (what === "live") this._tell(t("room.tell.live"));
    else if (what === "ended") this._tell(t("room.tell.ended"));
    else if (what === "cancelled") this._tell(t("room.tell.cancelled"));
    else if (what === "recording") this._tell(t(`room.tell.recording_${data.state}`), data.state === "off_record");
    else if (what === "topic" && data.title) this._tell(t("room.tell.topic", { title: data.title }));
    else if (what === "joined" && data.name) this._tell(t("room.tell.joined", { name: data.name }));
    else if (what === "question" && data.state === "chosen") this._tell(t("room.tell.chosen", { text: data.text }));
  }

  /** @param {import("./room_view.js").Room} now @param {import("./room_view.js").Room} before */
  async _fresh(now, before) {
    const { changedSeldom, refresh } = await import("./room_fresh.js");
    if (!changedSeldom(now, before)) return;
    clearTimeout(this._refresh);
    // How many they are may be for the hosts only: then it is taken to be many.
    const within = now.listeners === null ? REFRESH_WITHIN : Math.min(REFRESH_WITHIN, 1 + now.listeners / PAGES_PER_SECOND);
    this._refresh = setTimeout(async () => {
      await refresh();
      this._draw();
    }, 700 + Math.random() * within * 1000);
  }

  _draw() {
    const room = this._room;
    this._drawStateLine();
    drawDoors(room);
    this._seats.draw(room);
    this._sound.room(room);
    drawAgenda(room, this._strings, this._seeker());
    this._drawHand();
    byId("reactions").hidden = !["live", "paused"].includes(room.status);
    if (this._questions) this._questions.draw(room);
    else {
      byId("questions").hidden = !(room.questions.open || room.questions.list.length);
      byId("ask").hidden = !room.questions.open;
      // Votes wait for nothing but the script.
      for (const vote of document.querySelectorAll("#question-list [data-vote]")) {
        /** @type {HTMLButtonElement} */ (vote).disabled = !room.questions.open || vote.closest('[data-state="answered"]') !== null;
      }
      if (room.questions.list.length !== byId("question-list").children.length) void this._withQuestions(() => undefined);
    }
    for (const share of document.querySelectorAll("[data-share]")) /** @type {HTMLElement} */ (share).hidden = false;
    void this._drawPlan();
    this._focus.keep();
  }

  _seeker() {
    return { seekable: this._sound.seekable, goTo: (/** @type {number} */ seconds) => this._sound.goTo(seconds) };
  }

  async _drawPlan() {
    if (!["scheduled", "cancelled"].includes(this._room.status) || !this._room.scheduled_at) return;
    const { drawPlan } = await import("./room_plan.js");
    drawPlan(this._room, this._strings, new Date());
  }

  _drawHand() {
    const room = this._room;
    if (this._hand) return this._hand.room(room);
    byId("hand").hidden = !(HERE.includes(room.status) && room.hands.open);
  }

  _drawStateLine() {
    // The count comes some seconds late; whoever listens is at least one.
    const { listeners } = this._room;
    const shown = listeners === null ? null : Math.max(listeners, this._sound.player.state === "playing" ? 1 : 0);
    drawStateLine({ ...this._room, listeners: shown }, this._strings, new Date());
  }

  /** @param {Record<string, any>} event by push: of the stage when it is heard, of the room at once */
  _happened(event) {
    if (event.kind === "room") this._feed.take(event);
    else if (event.kind === "reactions") void this._react(event.counts ?? {});
    else {
      if (event.kind === "speaking") this._feed.speaks(String(event.participant_id), Boolean(event.speaking));
      // Somebody new: who it is stands in the state.
      if (!this._seats.happened(event) && event.kind === "joined" && !this._sound.pushed) void this._feed.look();
    }
  }

  /** @param {Record<string, number>} counts */
  async _react(counts) {
    const reactions = await this._withReactions();
    reactions.came(counts);
  }

  async _withReactions() {
    const { Reactions } = await import("./listen_react.js");
    return (this._reactions ??= new Reactions(byId("reactions"), this._room.slug, this._strings));
  }

  /** @param {(questions: import("./listen_questions.js").Questions) => void} then */
  async _withQuestions(then) {
    const { Questions } = await import("./listen_questions.js");
    if (!this._questions) {
      this._questions = new Questions(this._room.slug, this._strings, (text) => this._tell(text));
      this._questions.draw(this._room);
    }
    then(this._questions);
  }

  /** @param {(hand: import("./listen_hand.js").Hand) => void} then */
  async _withHand(then) {
    const { Hand } = await import("./listen_hand.js");
    this._hand ??= new Hand(this._room.slug, byId("panel"), byId("hand"), this._strings, {
      stage: (on) => {
        this._sound.onStage(on);
        this._pace();
      },
      tell: (text) => this._tell(text, byId("panel").hidden),
    });
    this._hand.room(this._room);
    then(this._hand);
  }

  /** @param {(clip: import("./listen_clip.js").LiveClip) => void} then */
  async _withClip(then) {
    const { LiveClip, clipTexts } = await import("./listen_clip.js");
    this._clipTexts ??= clipTexts();
    const texts = await this._clipTexts;
    this._clip ??= new LiveClip(this._room.slug, byId("player"), texts, {
      sound: this._sound,
      tell: (text) => this._tell(text, true),
      closed: () => (this._clip = null),
    });
    then(this._clip);
  }

  async _share() {
    const { showShare } = await import("./listen_share.js");
    showShare(this._room.title, this._room.slug, this._strings);
  }

  async _keys() {
    const { showKeys } = await import("./listen_share.js");
    showKeys();
  }

  /** Keys work where no control wants them for itself. @param {KeyboardEvent} event */
  _key(event) {
    const target = /** @type {Element} */ (event.target);
    if (event.ctrlKey || event.metaKey || event.altKey || event.repeat || event.defaultPrevented) return;
    if (target.closest("input:not([type=range]), textarea, select, dialog")) return;
    const space = event.key === " ";
    if (space && target.closest("button, a, summary, input")) return;
    const key = event.key.toLowerCase();
    const deed = this._clip?.key(key) ?? /** @type {Record<string, () => void>} */ ({
      " ": () => byId("player").hidden || this._sound.toggle(),
      b: () => this._sound.back(),
      l: () => this._sound.toLive(),
      h: () => byId("hand").hidden || byId("hand").click(),
      m: () => this._hand?.mute() || this._sound.mute(),
      i: () => this._mark("i"),
      o: () => this._mark("o"),
      "?": () => void this._keys(),
    })[key];
    if (!deed) return;
    event.preventDefault();
    deed();
  }

  /** @param {string} key */
  _mark(key) {
    if (!byId("clip").hidden) void this._withClip((clip) => clip.key(key)?.());
  }

  _tick() {
    const passed = (performance.now() - this._lastTick) / 1000;
    this._lastTick = performance.now();
    this._drawStateLine();
    this._seats.tick(passed);
    this._sound.tick();
    void this._drawPlan();
    this._focus.keep();
  }

  /** @param {string} text @param {boolean} [shown] beside the player, too, for a while */
  _tell(text, shown = false) {
    setText(byId("tell"), text);
    byId("tell").classList.toggle("only-reader", !shown);
    clearTimeout(this._told);
    this._told = setTimeout(() => {
      setText(byId("tell"), "");
      byId("tell").classList.add("only-reader");
    }, 8000);
  }
}

const page = new ListenerPage(await Strings.load());
page.run();
performance.mark("play-ready");
