// The listener's page: one button, and a page that knows what is going on.

import { clockTime, number } from "./format.js";
import { watchLoudness } from "./loudness.js";
import { Player } from "./player.js";
import { drawDoors, drawStateLine, Seats, setText } from "./room_view.js";
import { Strings } from "./strings.js";

/** Seconds between two looks at state.json: with sound (events come in band by push), and without. */
const LOOK = { push: 12, hls: 5, idle: 7, waiting: 5 };

/** @param {string} id */
const byId = (id) => /** @type {any} */ (document.getElementById(id));

class ListenerPage {
  /** @param {Strings} strings */
  constructor(strings) {
    this._strings = strings;
    /** @type {import("./room_view.js").Room} */
    this._room = JSON.parse(byId("state").textContent);
    this._seats = new Seats(byId("seats"), strings);
    this._box = byId("player");
    const forced = new URLSearchParams(location.search).get("door") ?? "";
    this._player = new Player(byId("audio"), ["push", "hls"].includes(forced) ? forced : "", {
      changed: (state, detail) => this._playerChanged(state, detail),
      event: (event) => this._happened(event),
    });
    this._fullUntil = 0;
    this._ended = false;
    this._lastTick = performance.now();
  }

  run() {
    this._draw();
    this._player.offer(this._room.links);
    this._playerChanged("idle", {});
    byId("play").addEventListener("click", () => this._toggle());
    byId("volume").addEventListener("input", () => (byId("audio").volume = byId("volume").value / 100));
    if ("mediaSession" in navigator) {
      navigator.mediaSession.setActionHandler("play", () => this._player.start());
      for (const action of /** @type {const} */ (["pause", "stop"])) {
        navigator.mediaSession.setActionHandler(action, () => this._player.stop());
      }
    }
    setInterval(() => this._tick(), 500);
    document.addEventListener("visibilitychange", () => document.hidden || void this._look());
    window.addEventListener("online", () => void this._look());
    this._plan();
  }

  _toggle() {
    if (["idle", "ended", "failed", "blocked"].includes(this._player.state)) this._player.start();
    else this._player.stop();
  }

  /** Next look at the state, at a time of this listener's own, so that a room's listeners do not come at once. */
  _plan() {
    clearTimeout(this._timer);
    const { state } = this._player;
    const waiting = ["scheduled", "stalled", "reconnecting", "full"].includes(state) || this._room.status === "open";
    const every = state === "playing" ? (this._player.stats.door === "push" ? LOOK.push : LOOK.hls) : waiting ? LOOK.waiting : LOOK.idle;
    const hidden = document.hidden && state === "idle" ? 4 : 1;
    this._timer = setTimeout(() => void this._look(), every * hidden * (0.75 + Math.random() * 0.5) * 1000);
  }

  async _look() {
    clearTimeout(this._timer);
    try {
      const answer = await fetch(`/r/${this._room.slug}/state.json`, { cache: "no-cache" });
      if (answer.ok) this._take(await answer.json());
    } catch {
      // The line is down; what stands on the page stays true as far as we know.
    }
    this._plan();
  }

  /** @param {import("./room_view.js").Room} room */
  _take(room) {
    this._room = room;
    this._draw();
    this._player.offer(room.links);
    const { state } = this._player;
    if (room.status === "ended" && ["connecting", "waiting", "scheduled", "stalled", "reconnecting", "full"].includes(state)) this._end();
    else if (room.status !== "ended" && this._ended) this._player.stop();
    else if (state === "idle" && !this._ended) this._sayIdle();
  }

  _end() {
    this._player.stop();
    this._playerChanged("ended", {});
  }

  _draw() {
    this._drawStateLine();
    drawDoors(this._room);
    this._seats.draw(this._room);
    byId("player").hidden = this._room.status === "ended" && this._player.state === "idle" && !this._ended;
    if ("mediaSession" in navigator && "MediaMetadata" in window) {
      const artist = this._room.participants.map((person) => person.name).join(", ") || this._strings.t("app.name");
      navigator.mediaSession.metadata = new MediaMetadata({ title: this._room.title, artist });
    }
  }

  _drawStateLine() {
    // The count comes some seconds late; whoever listens is at least one.
    const listeners = Math.max(this._room.listeners, this._player.state === "playing" ? 1 : 0);
    drawStateLine({ ...this._room, listeners }, this._strings, new Date());
  }

  /** @param {Record<string, any>} event heard now */
  _happened(event) {
    // Somebody new: who it is stands in the state.
    if (!this._seats.happened(event) && event.kind === "joined") void this._look();
  }

  /** @param {import("./player.js").State} state @param {{seconds?: number}} detail */
  _playerChanged(state, detail) {
    const { t } = this._strings;
    const on = !["idle", "ended", "failed", "blocked"].includes(state);
    this._ended = state === "ended";
    byId("play").disabled = this._ended;
    this._box.toggleAttribute("data-on", on);
    this._box.dataset.state = state;
    byId("play").setAttribute("aria-label", t(on ? "player.stop" : "player.play"));
    byId("says").classList.toggle("trouble", ["stalled", "reconnecting", "full", "blocked", "failed"].includes(state));
    this._watch(state === "playing");
    if ("mediaSession" in navigator) navigator.mediaSession.playbackState = on ? "playing" : "paused";
    if (state === "full") this._fullUntil = performance.now() + (detail.seconds ?? 5) * 1000;
    if (state === "idle") this._sayIdle();
    else if (state === "scheduled") this._say(t("player.waiting"), t("player.waiting_hint"));
    else if (state === "playing" || state === "full") this._tick();
    else if (state === "connecting") this._say(t("player.connecting"), "");
    else this._say(t(`player.${state}`), t(`player.${state}_hint`));
    if (state === "reconnecting" || state === "stalled" || (state === "ended" && this._room.status !== "ended")) void this._look();
  }

  /** Lets the rings of those who speak breathe with what is heard. @param {boolean} on */
  _watch(on) {
    if (on === Boolean(this._unwatch) || (on && matchMedia("(prefers-reduced-motion: reduce)").matches)) return;
    if (on) {
      this._unwatch = watchLoudness(byId("audio"), (level) => this._seats.loudness(level));
    } else {
      this._unwatch?.();
      this._unwatch = undefined;
      this._seats.loudness(0);
    }
  }

  _sayIdle() {
    const { t } = this._strings;
    const { status } = this._room;
    byId("player").hidden = status === "ended";
    if (status === "scheduled") this._say(t("player.idle_scheduled"), t("player.idle_scheduled_hint"));
    else if (status === "open") this._say(t("player.idle_open"), t("player.idle_open_hint"));
    else this._say(t("player.idle"), t("player.idle_live_hint"));
  }

  _tick() {
    const { t, lang } = this._strings;
    const passed = (performance.now() - this._lastTick) / 1000;
    this._lastTick = performance.now();
    this._drawStateLine();
    this._seats.tick(passed);
    const stats = this._player.stats;
    this._publish(stats);
    if (this._player.state === "full") {
      const left = Math.max(1, Math.ceil((this._fullUntil - performance.now()) / 1000));
      this._say(t("player.full"), t("player.full_hint", { seconds: left }));
    } else if (this._player.state === "playing") {
      const started = this._room.started_at ? (Date.now() - Date.parse(this._room.started_at)) / 1000 : 0;
      const elapsed = clockTime(stats.mediaTime !== null ? stats.mediaTime / 48000 : started);
      const more = stats.latencyMs === null ? t("player.playing_hint_short", { elapsed })
        : t("player.playing_hint", { elapsed, delay: number(stats.latencyMs / 1000, lang, 1) });
      this._say(t("player.playing"), more);
    }
  }

  /** For people who look closely, and for tests. @param {import("./player.js").Stats} stats */
  _publish(stats) {
    const data = this._box.dataset;
    data.door = stats.door;
    data.firstAudio = stats.firstAudio === null ? "" : stats.firstAudio.toFixed(3);
    data.buffered = stats.ahead.toFixed(2);
    data.latencyMs = stats.latencyMs === null ? "" : stats.latencyMs.toFixed(0);
    data.stalls = String(stats.stalls);
    data.discontinuities = String(stats.discontinuities);
    data.mediaTime = stats.mediaTime === null ? "" : stats.mediaTime.toFixed(0);
    data.rate = String(byId("audio").playbackRate);
  }

  /** @param {string} what @param {string} more */
  _say(what, more) {
    setText(byId("says"), what);
    setText(byId("says-more"), more);
  }
}

const page = new ListenerPage(await Strings.load());
page.run();
