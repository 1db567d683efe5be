// The speaker's page: from "does my microphone work?" to "you are heard", and back after every break.

import { clockTime, initials } from "./format.js";
import { cannotAsk, devices, Microphone, trouble } from "./microphone.js";
import { RoomEvents } from "./room_events.js";
import { inOrder, setText } from "./room_view.js";
import { Seat } from "./seat.js";
import { Strings } from "./strings.js";

/** Levels of the meter (0..1 over 60 dB): below, sound is too quiet; above, too loud. */
const TOO_QUIET = 0.42;
const TOO_LOUD = 0.95;
/** Below this it is the room and not a voice. */
const NOISE = 0.22;
const PROCESSING = /** @type {const} */ (["echoCancellation", "noiseSuppression", "autoGainControl"]);

/** @param {string} id */
const byId = (id) => /** @type {any} */ (document.getElementById(id));
const still = matchMedia("(prefers-reduced-motion: reduce)");

/** Takes the ticket out of the address, where others could read it, and keeps it for a reload. */
function takeTicket() {
  const key = `hustings ticket ${location.pathname}`;
  const inAddress = decodeURIComponent(location.hash.slice(1));
  try {
    if (inAddress) sessionStorage.setItem(key, inAddress);
    else return sessionStorage.getItem(key) ?? "";
    history.replaceState(null, "", location.pathname + location.search);
  } catch {
    // Without storage the ticket stays in the address, so that a reload still works.
  }
  return inAddress;
}

/** What this browser remembers of microphone and loudspeaker. */
const memory = {
  /** @param {string} name @param {string} otherwise */
  get(name, otherwise) {
    try {
      return localStorage.getItem(`hustings ${name}`) ?? otherwise;
    } catch {
      return otherwise;
    }
  },
  /** @param {string} name @param {string} value */
  set(name, value) {
    try {
      localStorage.setItem(`hustings ${name}`, value);
    } catch {
      // Not remembered, then.
    }
  },
};

class SpeakerPage {
  /** @param {Strings} strings */
  constructor(strings) {
    this._strings = strings;
    this._desk = byId("desk");
    this._room = JSON.parse(byId("state").textContent);
    this._me = { id: "", name: "", muted: false, muted_by_host: false, invitation: "" };
    this._ticket = takeTicket();
    this._wantMuted = false;
    this._micOpen = false;
    this._joined = false;
    this._left = false;
    this._peak = 0;
    this._loudest = 0;
    /** @type {number[]} */
    this._lately = [];
    this._everLoud = false;
    this._sound = byId("sound");
    this._microphone = new Microphone({ gone: () => this._unplugged() });
    this._seat = new Seat(this._desk.dataset.whip, this._ticket, {
      changed: (state, detail) => this._seatChanged(state, detail),
      sound: (stream) => this._hear(stream),
      line: (line) => this._line(line),
    });
  }

  async run() {
    this._bind();
    if (!this._ticket) return this._problem("ticket");
    const reason = cannotAsk();
    if (reason) this._problem(reason);
    this._draw();
    await this._introduce();
  }

  _bind() {
    byId("check").addEventListener("click", () => void this._check());
    byId("join").addEventListener("click", () => void this._join());
    byId("leave").addEventListener("click", () => this._leave());
    byId("decline").addEventListener("click", () => void this._decline());
    byId("mic").addEventListener("click", () => this._toggleMute());
    byId("unblock").addEventListener("click", () => void this._play());
    byId("input").addEventListener("change", () => void this._choose());
    byId("output").addEventListener("change", () => void this._output());
    for (const name of PROCESSING) {
      byId(name).checked = memory.get(name, "true") === "true";
      byId(name).addEventListener("change", () => void this._choose());
    }
    document.addEventListener("keydown", (event) => {
      const typing = event.target instanceof HTMLSelectElement || event.ctrlKey || event.metaKey || event.altKey;
      if (event.key.toLowerCase() === "m" && !typing && !event.repeat) this._toggleMute();
    });
    navigator.mediaDevices?.addEventListener?.("devicechange", () => this._micOpen && void this._listDevices());
    const meter = () => {
      this._meter();
      still.matches ? setTimeout(meter, 400) : requestAnimationFrame(meter);
    };
    meter();
    setInterval(() => this._words(), 500);
  }

  /** Says who this is, which also tells the host that the invitation was read. */
  async _introduce() {
    for (let wait = 1; ; wait = Math.min(8, wait * 2)) {
      try {
        const answer = await this._post("me", undefined);
        if (answer.status === 401 || answer.status === 403 || answer.status === 404) return this._badTicket();
        if (answer.ok) {
          this._setMe(await answer.json());
          break;
        }
      } catch {
        // The studio is away for a moment.
      }
      const seconds = wait * (0.7 + 0.6 * Math.random());
      this._problem("server", { seconds: Math.ceil(seconds) });
      await new Promise((resolve) => setTimeout(resolve, seconds * 1000));
    }
    if (this._shown === "server") this._problem("");
    new RoomEvents(this._desk.dataset.events, this._ticket, {
      state: (state, me) => {
        this._room = state;
        this._setMe(me);
        if (state.status === "ended") this._over();
        else if (state.status !== "scheduled") this._seat.tryNow();
      },
      bad: () => this._badTicket(),
      line: () => undefined,
    }).start();
    this._draw();
  }

  /** @param {"me" | "answer" | "mute"} where @param {object | undefined} body */
  _post(where, body) {
    return fetch(this._desk.dataset[where], {
      method: "POST",
      headers: { Authorization: `Bearer ${this._ticket}`, ...(body ? { "Content-Type": "application/json" } : {}) },
      body: body ? JSON.stringify(body) : undefined,
      signal: AbortSignal.timeout(8000),
    });
  }

  /** @param {any} me */
  _setMe(me) {
    this._me = me;
    if (!this._sending) this._wantMuted = me.muted;
    this._microphone.muted = this._wantMuted;
    this._draw();
  }

  _over() {
    if (!this._joined) return;
    this._joined = false;
    this._seat.leave();
  }

  _badTicket() {
    this._seat.leave();
    this._joined = false;
    this._dead = true;
    this._problem("bad_ticket");
    this._draw();
  }

  async _check() {
    const reason = cannotAsk();
    if (reason) return this._problem(reason);
    this._desk.dataset.state = "asking";
    byId("check").disabled = true;
    try {
      this._settings();
      const track = await this._microphone.open();
      this._micOpen = true;
      this._problem("");
      await this._listDevices();
      if (this._joined) await this._seat.replace(track);
      memory.set("microphone", track.getSettings().deviceId ?? "");
    } catch (error) {
      this._problem(trouble(error));
    }
    byId("check").disabled = false;
    this._draw();
    if (this._micOpen) byId("join").focus();
  }

  _settings() {
    const settings = this._microphone.settings;
    settings.deviceId = byId("input").value || memory.get("microphone", "");
    for (const name of PROCESSING) {
      settings[name] = byId(name).checked;
      memory.set(name, String(byId(name).checked));
    }
  }

  /** Another microphone, or another treatment of it, while everything goes on. */
  async _choose() {
    this._settings();
    memory.set("microphone", this._microphone.settings.deviceId);
    try {
      const track = await this._microphone.open();
      await this._seat.replace(track);
      this._problem("");
    } catch (error) {
      this._problem(trouble(error));
    }
    this._draw();
  }

  _unplugged() {
    this._problem("unplugged");
    void this._listDevices();
  }

  async _listDevices() {
    const { t } = this._strings;
    const inputs = await devices("audioinput");
    fill(byId("input"), inputs.map((device, i) => ({ value: device.deviceId, label: device.label || t("speak.microphone_n", { n: i + 1 }) })),
      this._microphone.track?.getSettings().deviceId ?? "", t("speak.default_device"));
    const outputs = "setSinkId" in this._sound ? await devices("audiooutput") : [];
    byId("output-field").hidden = !outputs.length;
    fill(byId("output"), outputs.map((device, i) => ({ value: device.deviceId, label: device.label || t("speak.speaker_n", { n: i + 1 }) })),
      memory.get("output", ""), t("speak.default_device"));
    if (outputs.length) await this._output();
  }

  async _output() {
    memory.set("output", byId("output").value);
    await this._sound.setSinkId?.(byId("output").value).catch(() => undefined);
  }

  async _join() {
    const track = await this._microphone.settled;
    if (!track) return void this._check();
    if (this._joined) return;
    this._joined = true;
    this._left = false;
    this._problem("");
    this._seat.take(track);
    this._draw();
    byId("mic").focus();
  }

  _leave() {
    this._joined = false;
    this._left = true;
    this._seat.leave();
    this._sound.srcObject = null;
    this._draw();
    byId("join").focus();
  }

  async _decline() {
    const answer = await this._post("answer", { answer: "declined" }).catch(() => null);
    if (answer?.ok) this._setMe(await answer.json());
    else this._problem("server", { seconds: 1 });
  }

  _toggleMute() {
    if (byId("mic").disabled) return;
    this._wantMuted = !this._wantMuted;
    this._microphone.muted = this._wantMuted;
    this._draw();
    void this._tellMute();
  }

  /** The microphone is silent at once; the stage is told as well, until it knows. */
  async _tellMute() {
    if (this._sending) return;
    this._sending = true;
    let told = null;
    for (let tries = 0; told !== this._wantMuted && tries < 8; tries += 1) {
      /** @type {boolean} */
      const wanted = this._wantMuted;
      const answer = await this._post("mute", { muted: wanted }).catch(() => null);
      if (answer?.ok) {
        told = wanted;
        this._me = await answer.json();
      } else {
        if (answer && answer.status < 500 && answer.status !== 429) break;
        await new Promise((resolve) => setTimeout(resolve, 500 * (tries + 1)));
      }
    }
    this._sending = false;
    this._draw();
  }

  /** @param {MediaStream} stream the others */
  _hear(stream) {
    this._sound.srcObject = stream;
    void this._play();
  }

  async _play() {
    try {
      await this._sound.play();
      byId("unblock").hidden = true;
    } catch (error) {
      byId("unblock").hidden = /** @type {any} */ (error)?.name !== "NotAllowedError";
    }
  }

  /** @param {import("./seat.js").SeatState} state @param {{seconds?: number, reason?: string}} detail */
  _seatChanged(state, detail) {
    if (state === "server") this._problem("server", { seconds: Math.max(1, Math.ceil(detail.seconds ?? 1)) });
    else if (state === "bad_ticket") this._badTicket();
    else if (state === "rejected") this._problem("rejected", { reason: detail.reason ?? "" });
    else if (state === "elsewhere") this._problem("elsewhere");
    else if (state === "on" || state === "doors") this._problem("");
    if (["rejected", "elsewhere", "bad_ticket"].includes(state)) this._joined = false;
    if (state !== "on") setText(byId("line"), "");
    this._draw();
  }

  /** @param {import("./seat.js").Line} line */
  _line(line) {
    const { t } = this._strings;
    if (line.rtt === null || this._seat.state !== "on") return;
    const ms = Math.round(line.rtt * 1000);
    const loss = Math.round((line.loss ?? 0) * 100);
    const weak = loss >= 3 || ms > 300;
    const element = byId("line");
    element.className = weak ? "warn" : "";
    setText(element, weak ? t("speak.line.weak", { ms, loss }) : t("speak.line.good", { ms }));
    Object.assign(this._desk.dataset, { rttMs: String(ms), loss: String(loss) });
  }

  /** @param {string} name "" for none @param {Record<string, string | number>} [places] */
  _problem(name, places = {}) {
    const { t } = this._strings;
    this._shown = name;
    byId("problem").hidden = !name;
    if (!name) return;
    setText(byId("problem-title"), t(`speak.problem.${name}.title`));
    setText(byId("problem-text"), t(`speak.problem.${name}.text`, places));
    const action = byId("problem-action");
    const deeds = { refused: "again", missing: "again", busy: "again", unplugged: "again", rejected: "again", elsewhere: "elsewhere.action" };
    const deed = /** @type {Record<string, string>} */ (deeds)[name];
    action.hidden = !deed;
    if (deed) setText(action, t(`speak.problem.${deed}`));
    action.onclick = () => (["rejected", "elsewhere"].includes(name) ? this._join() : this._check());
    if (["ticket", "bad_ticket", "insecure", "old", "refused", "missing", "busy"].includes(name)) this._desk.dataset.state = name;
  }

  /** Everything that follows from what is known. */
  _draw() {
    const { t } = this._strings;
    const now = this._situation();
    this._desk.dataset.state = this._shown && !this._joined && this._shown !== "server" ? this._shown : now.name;
    const heard = byId("heard");
    setText(heard, t(`speak.heard.${now.heard}`));
    heard.dataset.tone = now.tone;
    setText(byId("hint"), now.hint === "declined" ? t("speak.declined") : t(`speak.hint.${now.hint}`));
    setText(byId("you"), this._me.name ? t("speak.you_named", { name: this._me.name }) : t("speak.you"));
    const ended = this._room.status === "ended" || this._dead;
    byId("check").hidden = this._micOpen || ended || !this._ticket;
    byId("join").hidden = !this._micOpen || this._joined || ended;
    setText(byId("join"), t(this._left ? "speak.rejoin" : "speak.join"));
    byId("leave").hidden = !this._joined;
    byId("decline").hidden = this._joined || ended || !["offered", "seen"].includes(this._me.invitation);
    byId("measure").hidden = byId("devices").hidden = !this._micOpen || ended;
    const mic = byId("mic");
    mic.disabled = !this._micOpen || ended;
    mic.setAttribute("aria-pressed", String(this._wantMuted));
    if (!this._joined) byId("unblock").hidden = true;
    this._voices();
    this._words();
  }

  /** @returns {{name: string, heard: string, tone: string, hint: string}} */
  _situation() {
    const { state } = this._seat;
    const live = this._room.status === "live";
    if (this._room.status === "ended") return { name: "ended", heard: "ended", tone: "", hint: "ended" };
    if (this._joined && state === "on") {
      if (this._wantMuted && this._me.muted_by_host) return { name: "muted-by-host", heard: "muted_by_host", tone: "warn", hint: "muted_by_host" };
      if (this._wantMuted) return { name: "muted", heard: "muted", tone: "warn", hint: "muted" };
      return live ? { name: "heard", heard: "air", tone: "good", hint: "air" } : { name: "stage", heard: "stage", tone: "good", hint: "stage" };
    }
    if (this._joined && state === "doors") return { name: "doors", heard: "nobody", tone: "", hint: "doors" };
    if (this._joined && state === "reconnecting") return { name: "reconnecting", heard: "nobody_now", tone: "warn", hint: "reconnecting" };
    if (this._joined) return { name: "connecting", heard: "nobody", tone: "", hint: "connecting" };
    if (this._left) return { name: "left", heard: "nobody_now", tone: "", hint: "left" };
    if (this._me.invitation === "declined") return { name: "declined", heard: "nobody", tone: "", hint: "declined" };
    return { name: this._micOpen ? "ready" : "before", heard: "nobody", tone: "", hint: this._micOpen ? "ready" : "before" };
  }

  _voices() {
    const { t } = this._strings;
    const list = byId("voices");
    const here = new Map([...list.children].map((item) => [item.dataset.id, item]));
    const rows = inOrder(this._room.participants).map((/** @type {any} */ person) => {
      const row = here.get(person.id) ?? byId("voice-template").content.firstElementChild.cloneNode(true);
      const own = person.id === this._me.id;
      const muted = own && this._joined ? this._wantMuted : person.muted;
      const speaking = person.speaking && !muted;
      row.dataset.id = person.id;
      row.toggleAttribute("data-speaking", speaking);
      const says = muted ? t(person.muted_by_host ? "seat.muted_by_host" : "seat.muted")
        : !person.connected ? t("seat.away") : speaking ? t("seat.speaking") : t("speak.here");
      setText(row.querySelector('[data-part="initials"]'), initials(person.name));
      setText(row.querySelector('[data-part="name"]'), own ? t("speak.is_you", { name: person.name }) : person.name);
      setText(row.querySelector('[data-part="says"]'), says);
      return row;
    });
    if (rows.length !== list.children.length || rows.some((/** @type {Element} */ row, /** @type {number} */ i) => list.children[i] !== row)) {
      list.replaceChildren(...rows);
    }
    const connected = this._room.participants.filter((/** @type {any} */ person) => person.connected).length;
    byId("nobody").hidden = rows.length > 0;
    setText(byId("stage-count"), connected ? this._strings.n("speak.stage_count", connected) : "");
  }

  /** What changes by itself with time. */
  _words() {
    const { t } = this._strings;
    const { status, started_at: started, listeners } = this._room;
    const onair = byId("onair");
    onair.dataset.status = status;
    const since = started ? (Date.now() - Date.parse(started)) / 1000 : 0;
    const keys = { live: "onair", open: "doors_open", paused: "paused", ended: "over" };
    setText(onair, t(`speak.${/** @type {Record<string, string>} */ (keys)[status] ?? "not_on_air"}`, { time: clockTime(since) }));
    setText(byId("audience"), status === "live" ? this._strings.n("speak.listening", listeners ?? 0) : "");
    if (!this._micOpen) return;
    // Judged by the loudest of the last seconds, so that a pause for breath is not called too quiet.
    this._lately.push(this._loudest);
    this._loudest = 0;
    if (this._lately.length > 10) this._lately.shift();
    const loud = Math.max(...this._lately);
    const silent = this._everLoud ? "" : this._lately.length < 8 ? "wait" : "none";
    const says = this._wantMuted ? "" : loud > TOO_LOUD ? "loud" : loud > TOO_QUIET ? "good" : loud > NOISE ? "quiet" : silent;
    setText(byId("level-says"), says ? t(`speak.level.${says}`) : "");
  }

  _meter() {
    if (!this._micOpen) return;
    const level = this._microphone.level;
    this._peak = Math.max(level, this._peak * 0.92);
    this._loudest = Math.max(this._loudest, level);
    this._everLoud ||= level > 0.3;
    byId("level").style.setProperty("--level", this._peak.toFixed(3));
    const own = byId("voices").querySelector(`[data-id="${CSS.escape(this._me.id)}"] .ring`);
    own?.style.setProperty("--level", level.toFixed(2));
  }
}

/** @param {HTMLSelectElement} select @param {{value: string, label: string}[]} choices @param {string} chosen @param {string} system */
function fill(select, choices, chosen, system) {
  select.replaceChildren(...[{ value: "", label: system }, ...choices].map(({ value, label }) => new Option(label, value)));
  select.value = choices.some((choice) => choice.value === chosen) ? chosen : "";
}

const page = new SpeakerPage(await Strings.load());
void page.run();
