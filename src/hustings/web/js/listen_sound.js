// The player on the page: one button, what it says, the picture of what was heard, the way back and to live.

import { clockTime, number } from "./format.js";
import { watchLoudness } from "./loudness.js";
import { Player } from "./player.js";
import { setText } from "./room_view.js";

/** One step back, s. */
const BACK = 15;
/** How loud a second is drawn when this browser does not let us measure: by whether somebody spoke. */
const SPOKEN = 0.55;
const SILENT = 0.1;

/** @param {string} id */
const byId = (id) => /** @type {any} */ (document.getElementById(id));
const still = matchMedia("(prefers-reduced-motion: reduce)");
const OFF = ["idle", "ended", "failed", "blocked"];
const TROUBLE = ["stalled", "reconnecting", "full", "blocked", "failed"];

/**
 * @typedef {object} SoundListener
 * @property {(state: import("./player.js").State) => void} changed
 * @property {(event: Record<string, any>) => void} event
 * @property {(level: number) => void} loudness of what is heard, 0..1
 */

export class Sound {
  /** @param {import("./strings.js").Strings} strings @param {SoundListener} listener */
  constructor(strings, listener) {
    this._strings = strings;
    this._listener = listener;
    this._box = byId("player");
    this._audio = byId("audio");
    /** @type {import("./room_view.js").Room | null} */
    this._room = null;
    this._broadcast = "";
    const forced = new URLSearchParams(location.search).get("door") ?? "";
    this.player = new Player(this._audio, ["push", "hls"].includes(forced) ? forced : "", {
      changed: (state, detail) => this._changed(state, detail),
      event: (event) => listener.event(event),
    });
    /** @type {import("./listen_wave.js").Wave | null} */
    this._wave = null;
    /** @type {import("./listen_hold.js").Hold | null} */
    this._hold = null;
    this._fullUntil = 0;
    /** @type {import("./mse_player.js").Detail} */
    this._full = {};
    this._ended = false;
    this._onStage = false;
    this._measured = -Infinity;
    this._aside = false;
  }

  /** Wires the buttons; to be called once. */
  run() {
    byId("play").addEventListener("click", () => this.toggle());
    byId("back").addEventListener("click", () => this.back());
    byId("back").setAttribute("aria-label", this._strings.t("player.back_label"));
    byId("to-live").addEventListener("click", () => this.toLive());
    byId("volume").addEventListener("input", () => (this._audio.volume = byId("volume").value / 100));
    this._audio.addEventListener("volumechange", () => this.tick());
    if (!("mediaSession" in navigator)) return;
    /** @type {Record<string, (details: any) => void>} */
    const actions = {
      play: () => this.player.start(), pause: () => this.player.stop(), stop: () => this.player.stop(),
      seekbackward: ({ seekOffset }) => this.back(seekOffset || BACK),
      seekforward: ({ seekOffset }) => this.player.skip(seekOffset || BACK),
    };
    for (const [action, deed] of Object.entries(actions)) {
      try {
        navigator.mediaSession.setActionHandler(/** @type {any} */ (action), deed);
      } catch {
        // This browser has no such key.
      }
    }
  }

  /** @returns {boolean} whether room events come with the sound now */
  get pushed() {
    return this.player.stats.door === "push" && ["waiting", "playing", "seeking"].includes(this.player.state);
  }

  get _recorded() {
    return this._room?.recording != null && this._room.recording.state !== "off";
  }

  get seekable() {
    return this.player.seekable && !this._onStage;
  }

  /** @param {import("./room_view.js").Room} room as it is now */
  room(room) {
    this._room = room;
    if ((room.broadcast ?? "") !== this._broadcast) {
      this._broadcast = room.broadcast ?? "";
      this._wave?.heard.clear();
    }
    this.player.offer(room.links, room.started_at);
    const over = ["ended", "cancelled"].includes(room.status);
    const { state } = this.player;
    if (over && ["connecting", "waiting", "scheduled", "stalled", "reconnecting", "full"].includes(state)) this._end();
    else if (!over && this._ended) this.player.stop();
    else if (state === "idle" && !this._ended) this._sayIdle();
    this._box.hidden = over && state === "idle" && !this._ended;
    this._name(room.title, room.participants.map((person) => person.name).join(", ") || this._strings.t("app.name"));
  }

  /** For the lock screen. @param {string} title @param {string} artist */
  _name(title, artist) {
    const known = navigator.mediaSession?.metadata;
    if (!("MediaMetadata" in window) || (known?.title === title && known.artist === artist)) return;
    const artwork = [{ src: new URL("/static/img/icon-512.png", location.href).href, sizes: "512x512", type: "image/png" }];
    navigator.mediaSession.metadata = new MediaMetadata({ title, artist, artwork });
  }

  toggle() {
    if (OFF.includes(this.player.state)) this.player.start();
    else this.player.stop();
  }

  back(seconds = BACK) {
    if (this.seekable) this.player.skip(-seconds);
    this.tick();
  }

  toLive() {
    this.player.toLive();
    this.tick();
  }

  /** @param {number} seconds since the broadcast began */
  goTo(seconds) {
    this.player.seek(seconds);
    this.tick();
  }

  /** Sound off and on again; the line stays. */
  mute() {
    if (!this._onStage) this._audio.muted = !this._audio.muted;
  }

  /** On the stage the others are heard directly; the broadcast, which comes later, would be an echo. @param {boolean} on */
  onStage(on) {
    this._onStage = on;
    this._audio.muted = on;
    this._box.toggleAttribute("data-stage", on);
    if (!on) this.toLive();
    this.tick();
  }

  /** Something else is heard here for a while; the line stays. @param {boolean} on */
  aside(on) {
    if (on === this._aside) return;
    this._aside = on;
    if (on) this._before = this._audio.muted;
    this._audio.muted = on || this._onStage || Boolean(this._before);
  }

  /** Where a clip lies in the picture. @param {import("./clip_model.js").Marks} marks */
  band(marks) {
    this._wave?.mark(marks);
  }

  /** Who waits hears the room's hold music, if it has any. */
  async _holdOn() {
    const address = this._room?.links.hold ?? "";
    const waiting = ["waiting", "scheduled", "connecting"].includes(this.player.state) && this._room?.status === "open";
    if (!this._hold && !(address && waiting)) return;
    const { Hold } = await import("./listen_hold.js");
    this._hold ??= new Hold();
    void this._hold.play(address, waiting && !this._onStage, this._audio.muted ? 0 : this._audio.volume);
  }

  _end() {
    this.player.stop();
    this._changed("ended", {});
  }

  /** @param {import("./player.js").State} state @param {import("./mse_player.js").Detail} detail */
  _changed(state, detail) {
    const { t } = this._strings;
    const on = !OFF.includes(state);
    this._ended = state === "ended";
    byId("play").disabled = this._ended;
    this._box.toggleAttribute("data-on", on);
    this._box.dataset.state = state;
    byId("play").setAttribute("aria-label", t(on ? "player.stop" : "player.play"));
    byId("says").classList.toggle("trouble", TROUBLE.includes(state));
    this._watch(state === "playing");
    if ("mediaSession" in navigator) navigator.mediaSession.playbackState = on ? "playing" : "paused";
    if (state === "full") this._fullUntil = performance.now() + ((this._full = detail).seconds ?? 5) * 1000;
    if (state === "idle") this._sayIdle();
    else if (state === "scheduled") this._say(t("player.waiting"), t("player.waiting_hint"));
    else if (state === "connecting") this._say(t("player.connecting"), "");
    else if (state !== "playing" && state !== "full") this._say(t(`player.${state}`), t(`player.${state}_hint`));
    this.tick();
    this._listener.changed(state);
  }

  /** Measures what is heard, for the picture and the rings. @param {boolean} on */
  _watch(on) {
    if (on === Boolean(this._unwatch)) return;
    if (on) {
      void this._withWave();
      this._unwatch = watchLoudness(this._audio, (level) => {
        const { mediaTime } = this.player.stats;
        this._measured = performance.now();
        if (mediaTime !== null) this._wave?.heard.add(mediaTime / 48000, level);
        if (!still.matches) this._listener.loudness(level);
      });
    } else {
      this._unwatch?.();
      this._unwatch = undefined;
      this._listener.loudness(0);
    }
  }

  async _withWave() {
    const { Wave } = await import("./listen_wave.js");
    const parts = { box: byId("wave"), picture: byId("wave-picture"), slider: byId("wave-at"), marks: byId("marks") };
    this._wave ??= new Wave(parts, this._strings, (seconds) => this.goTo(seconds));
  }

  _sayIdle() {
    const { t } = this._strings;
    const status = this._room?.status ?? "";
    if (status === "scheduled") this._say(t("player.idle_scheduled"), t("player.idle_scheduled_hint"));
    else if (status === "open") this._say(t("player.idle_open"), t("player.idle_open_hint"));
    else this._say(t("player.idle"), t("player.idle_live_hint"));
  }

  /** What changes by itself with time; twice a second. */
  tick() {
    const { t } = this._strings;
    const { state, stats } = this.player;
    const behind = stats.behind > 0;
    if (state === "full") {
      const left = Math.max(1, Math.ceil((this._fullUntil - performance.now()) / 1000));
      const { ahead, testing } = this._full;
      if (testing) this._say(t("player.full"), t("player.full_test"));
      else if (ahead) this._say(t("player.full"), t("player.full_ahead", { seconds: left, ahead: number(ahead, this._strings.lang) }));
      else this._say(t("player.full"), t("player.full_hint", { seconds: left }));
    } else if (state === "playing") {
      this._sayPlaying(stats);
    }
    const back = byId("back");
    back.hidden = !this.seekable;
    byId("clip").hidden = !this.seekable || !this._recorded;
    byId("to-live").hidden = !behind || this._onStage;
    if (behind) setText(byId("to-live"), t("player.to_live_from", { behind: clockTime(stats.behind) }));
    this._picture(stats);
    this._publish(stats);
    void this._holdOn();
  }

  /** @param {import("./player.js").Stats} stats */
  _sayPlaying(stats) {
    const { t, lang } = this._strings;
    const started = this._room?.started_at ? (Date.now() - Date.parse(this._room.started_at)) / 1000 : 0;
    const at = clockTime(stats.mediaTime !== null ? stats.mediaTime / 48000 : started);
    if (this._onStage) this._say(t("player.on_stage"), t("player.on_stage_hint"));
    else if (this._audio.muted) this._say(t("player.playing"), t("player.muted_hint"));
    else if (stats.behind > 0) this._say(t("player.behind"), t("player.behind_hint", { at, end: clockTime(stats.edge ?? 0) }));
    else if (stats.latencyMs === null) this._say(t("player.playing"), t("player.playing_hint_short", { elapsed: at }));
    else this._say(t("player.playing"), t("player.playing_hint", { elapsed: at, delay: number(stats.latencyMs / 1000, lang, 1) }));
  }

  /** @param {import("./player.js").Stats} stats */
  _picture({ mediaTime, edge, behind }) {
    const shown = this.seekable && edge !== null && this._wave !== null;
    byId("wave").hidden = !shown;
    this._box.toggleAttribute("data-wave", shown);
    if (!shown || mediaTime === null) return;
    const at = mediaTime / 48000;
    if (performance.now() - this._measured > 3000 && this.player.state === "playing") {
      this._wave?.heard.add(at, this._room?.participants.some((person) => person.speaking) ? SPOKEN : SILENT);
    }
    this._wave?.show({ at, edge, behind, recorded: this._recorded, chapters: this._room?.chapters ?? [] });
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
    data.behind = stats.behind.toFixed(1);
    data.rate = String(this._audio.playbackRate);
  }

  /** @param {string} what @param {string} more */
  _say(what, more) {
    setText(byId("says"), what);
    setText(byId("says-more"), more);
  }
}
