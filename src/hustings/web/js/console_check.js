// The check before the stage: which microphone, which headphones, how loud, how does it sound, is there an echo?

import { byId, setText, show } from "./console_dom.js";
import { memory } from "./console_link.js";
import { LevelJudge } from "./console_level.js";
import { HEARD, findTone, RATE, slower, tone, wav } from "./console_echo.js";
import { devices } from "./microphone.js";
import { canUseSocket } from "./socket_speaker.js";
import { wish, wished } from "./speaker_ways.js";

const PROCESSING = /** @type {const} */ (["echoCancellation", "noiseSuppression", "autoGainControl"]);
/** What is worth a warning. */
const WRONG = ["clipped", "loud", "none", "quiet"];
/** Of the sample that one hears of oneself, s. */
const SAMPLE = 5;
/** The microphone is listened to for so long around the tone, s: headphones by radio are late. */
const LISTEN = 2.2;
const TONE_RATE = 44_100;

export class Check {
  /** @param {import("./console_context.js").Context} context @param {import("./console_self.js").Self} self @param {import("./console_consent.js").Consent} consent */
  constructor(context, self, consent) {
    this._context = context;
    this._self = self;
    this._consent = consent;
    this._judge = new LevelJudge();
    this._busy = false;
    this.says = "";
    this._joined = false;
    this._told = "";
    const heard = byId("test-sound");
    byId("check").addEventListener("click", () => void this._open());
    byId("join").addEventListener("click", () => void this._join(true));
    byId("join-without").addEventListener("click", () => void this._join(false));
    byId("input").addEventListener("change", () => void this._choose());
    byId("output").addEventListener("change", () => void this.output());
    byId("record").addEventListener("click", () => void this._record());
    byId("tone").addEventListener("click", () => void this._tone());
    for (const name of PROCESSING) {
      byId(name).checked = self.microphone.settings[name];
      byId(name).addEventListener("change", () => void this._choose());
    }
    byId("slow-way").checked = wished();
    byId("slow-way").disabled = !canUseSocket();
    byId("slow-way").addEventListener("change", () => {
      wish(byId("slow-way").checked);
      self.seat?.insist(byId("slow-way").checked);
    });
    navigator.mediaDevices?.addEventListener?.("devicechange", () => self.micOpen && void this.list());
    heard.addEventListener("ended", () => URL.revokeObjectURL(heard.src));
  }

  async _open() {
    byId("check").disabled = true;
    byId("desk").dataset.state = "asking";
    const open = await this._self.open();
    byId("check").disabled = false;
    if (open && !this._self.joined) byId("join").focus();
  }

  /** @param {boolean} agree where it is still open, to be recorded */
  async _join(agree) {
    if (agree && this._consent.open && !(await this._consent.agree(byId("join"), true))) return;
    await this._self.join();
    if (this._self.joined) byId("mic").focus();
  }

  async _choose() {
    this._judge.reset();
    await this._self.choose(byId("input").value, {
      echoCancellation: byId("echoCancellation").checked, noiseSuppression: byId("noiseSuppression").checked,
      autoGainControl: byId("autoGainControl").checked,
    });
  }

  /** Fills the choices. */
  async list() {
    const { t } = this._context;
    const inputs = await devices("audioinput");
    fill(byId("input"), inputs.map((device, i) => ({ value: device.deviceId, label: device.label || t("speak.microphone_n", { n: i + 1 }) })),
      this._self.microphone.track?.getSettings().deviceId ?? "", t("speak.default_device"));
    const outputs = "setSinkId" in byId("sound") ? await devices("audiooutput") : [];
    show(byId("output-field"), outputs.length > 0);
    fill(byId("output"), outputs.map((device, i) => ({ value: device.deviceId, label: device.label || t("speak.speaker_n", { n: i + 1 }) })),
      memory.get("output"), t("speak.default_device"));
    if (outputs.length) await this.output();
  }

  async output() {
    const { value } = byId("output");
    memory.set("output", value);
    for (const id of ["sound", "test-sound"]) await byId(id).setSinkId?.(value).catch(() => undefined);
  }

  draw() {
    const { t, model: { room, me } } = this._context;
    const self = this._self;
    const { name } = self.situation;
    const over = self.dead || ["ended", "cancelled"].includes(room.status);
    const due = me.conducts || me.invitation === "accepted";
    show(byId("sound-check"), !over && due);
    if (self.joined !== this._joined) byId("sound-check").open = !self.joined;
    this._joined = self.joined;
    byId("sound-check").classList.toggle("joined", self.joined);
    show(byId("check"), !self.micOpen);
    show(byId("check-lead"), !self.micOpen);
    show(byId("join"), self.micOpen && !self.joined);
    const waits = me.green_room && !me.conducts && me.seat !== "seated";
    const asks = this._consent.open;
    setText(byId("join"), asks ? t(waits ? "console.consent.agree_wait" : "console.consent.agree_join")
      : t(self.left ? "speak.rejoin" : waits ? "console.check.wait" : "speak.join"));
    show(byId("join-without"), asks && self.micOpen && !self.joined);
    show(byId("measure"), self.micOpen);
    show(byId("devices"), self.micOpen);
    // On air one does not play a tone to oneself.
    show(byId("tests"), self.micOpen && !["heard", "stage", "aside", "paused"].includes(name));
    for (const id of ["record", "tone"]) byId(id).disabled = this._busy || (self.joined && !self.muted && name !== "green");
  }

  /** The meter. @param {number} level 0..1 @param {boolean} clipped */
  hear(level, clipped) {
    this._judge.hear(level, clipped);
  }

  /** Every half second. */
  tick() {
    const { t } = this._context;
    if (!this._self.micOpen) return;
    const verdict = this._judge.look();
    this.says = this._self.muted ? "" : t(`speak.level.${verdict}`);
    const element = byId("level-says");
    setText(element, this.says);
    const wrong = WRONG.includes(verdict) && !this._self.muted;
    element.className = wrong ? "warn" : "";
    // Once, and not each time that the voice rises and falls.
    if (wrong && verdict !== this._told) this._context.announce("level", this.says);
    this._told = wrong ? verdict : this._told;
  }

  async _record() {
    const { t } = this._context;
    const track = this._self.microphone.track;
    if (!track || this._busy) return;
    await this._alone(async () => {
      const own = track.clone();
      own.enabled = true;
      const recording = capture(own, SAMPLE);
      for (let left = SAMPLE; left > 0; left -= 1) {
        setText(byId("test-says"), t("console.check.recording", { seconds: left }));
        await new Promise((resolve) => setTimeout(resolve, 1000));
      }
      const blob = await recording;
      own.stop();
      setText(byId("test-says"), t("console.check.playing"));
      await this._play(blob);
      setText(byId("test-says"), t("console.check.played"));
    });
  }

  /** Plays a tone, and looks for it in what the microphone hears meanwhile. */
  async _tone() {
    const { t } = this._context;
    const track = this._self.microphone.track;
    if (!track || this._busy) return;
    await this._alone(async () => {
      setText(byId("test-says"), t("console.check.listening"));
      const own = track.clone();
      own.enabled = true;
      const recording = capture(own, LISTEN);
      await this._play(wav(tone(TONE_RATE), TONE_RATE));
      const blob = await recording;
      own.stop();
      const { match } = findTone(await samplesOf(blob));
      byId("tests").dataset.match = match.toFixed(2);
      const says = byId("test-says");
      says.className = match > HEARD ? "warn" : "good";
      setText(says, t(match > HEARD ? "console.check.echo" : "console.check.no_echo"));
    });
  }

  /** One test after the other. @param {() => Promise<void>} test */
  async _alone(test) {
    this._busy = true;
    byId("test-says").className = "";
    this.draw();
    try {
      await test();
    } catch {
      setText(byId("test-says"), this._context.t("console.check.cannot"));
    }
    this._busy = false;
    this.draw();
  }

  /** @param {Blob} blob */
  async _play(blob) {
    const sound = byId("test-sound");
    sound.src = URL.createObjectURL(blob);
    await sound.play();
    await new Promise((resolve) => {
      sound.addEventListener("ended", resolve, { once: true });
      setTimeout(resolve, (SAMPLE + 2) * 1000);
    });
  }
}

/** @param {MediaStreamTrack} track @param {number} seconds @returns {Promise<Blob>} */
function capture(track, seconds) {
  const recorder = new MediaRecorder(new MediaStream([track]));
  /** @type {Blob[]} */
  const parts = [];
  return new Promise((resolve, reject) => {
    recorder.addEventListener("dataavailable", ({ data }) => parts.push(data));
    recorder.addEventListener("stop", () => resolve(new Blob(parts, { type: recorder.mimeType })));
    recorder.addEventListener("error", () => reject(new Error("recorder")));
    recorder.start();
    setTimeout(() => recorder.state === "recording" && recorder.stop(), seconds * 1000);
  });
}

/** @param {Blob} blob @returns {Promise<Float32Array>} one channel at RATE */
async function samplesOf(blob) {
  const context = new OfflineAudioContext(1, RATE, 48_000);
  const sound = await context.decodeAudioData(await blob.arrayBuffer());
  return slower(sound.getChannelData(0), sound.sampleRate);
}

/** @param {HTMLSelectElement} select @param {{value: string, label: string}[]} choices @param {string} chosen @param {string} system */
function fill(select, choices, chosen, system) {
  select.replaceChildren(...[{ value: "", label: system }, ...choices].map(({ value, label }) => new Option(label, value)));
  select.value = choices.some((choice) => choice.value === chosen) ? chosen : "";
}
