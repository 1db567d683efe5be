// Marking a clip while the broadcast goes on, live or further back: a panel over the player, loaded when it is asked
// for. Clips reach as far as the recording has finished segments, some seconds behind live.

import { ClipMaker } from "./clip_maker.js";
import { clipName } from "./clip_model.js";
import { Strings } from "./strings.js";

/** How often it is looked how far the recording has come, s. */
const AGAIN = 2000;

/** The texts of clips, which the page has not loaded before. */
export function clipTexts() {
  return Strings.of((document.documentElement.dataset.strings ?? "").replace("/listener.", "/replay."));
}

export class LiveClip {
  /**
   * @param {string} slug
   * @param {HTMLElement} before the panel comes here
   * @param {import("./strings.js").Strings} strings
   * @param {{sound: import("./listen_sound.js").Sound, tell: (text: string) => void, closed: () => void}} page
   */
  constructor(slug, before, strings, { sound, tell, closed }) {
    this._slug = slug;
    this._strings = strings;
    this._sound = sound;
    this._closed = closed;
    /** @type {{broadcast: string, begins: number, duration: number, over: boolean} | null} */
    this._recorded = null;
    const { t } = strings;
    this._box = document.createElement("section");
    this._box.className = "panel clip";
    this._box.tabIndex = -1;
    this._box.setAttribute("aria-labelledby", "clip-title");
    const head = document.createElement("div");
    head.className = "clip-head";
    const title = document.createElement("h2");
    title.id = "clip-title";
    title.textContent = t("clip.mark");
    const close = document.createElement("button");
    close.className = "button";
    close.type = "button";
    close.id = "clip-close";
    close.textContent = t("clip.close");
    close.addEventListener("click", () => this.close());
    head.append(title, close);
    this._box.append(head);
    before.before(this._box);
    this._maker = new ClipMaker(this._box, strings, {
      begins: 0,
      at: () => (sound.player.stats.mediaTime ?? 0) / 48000,
      seconds: () => sound.player.stats.edge ?? this._recorded?.duration ?? 0,
      hear: (from, to) => this._hear(from, to),
      clips: () => (this._recorded ? new URL(`/r/${slug}/clip/${this._recorded.broadcast}/`, location.href).href : ""),
      finished: (to) => this._recorded !== null && to <= this._recorded.duration,
      marked: (marks) => sound.band(marks),
      tell,
    });
    this._style();
    void this._look();
  }

  get open() {
    return this._box.isConnected;
  }

  focus() {
    this._box.focus();
  }

  /** @param {string} key */
  key(key) {
    return key === "escape" ? () => this.close() : this._maker.key(key);
  }

  close() {
    clearTimeout(this._again);
    this._stop();
    this._sound.band({ from: null, to: null });
    const had = this._box.contains(document.activeElement);
    this._box.remove();
    this._closed();
    if (had) document.getElementById("clip")?.focus();
  }

  /** Its looks come with it. */
  _style() {
    const own = "/static/css/clip_maker.css";
    if (document.querySelector(`link[href="${own}"]`)) return;
    const link = document.createElement("link");
    link.rel = "stylesheet";
    link.href = own;
    document.head.append(link);
  }

  /** How far it is recorded, now and again. */
  async _look() {
    const answer = await fetch(`/r/${this._slug}/replay/timeline.json`).catch(() => null);
    if (answer?.ok) this._recorded = await answer.json().catch(() => this._recorded);
    if (!this.open) return;
    this._maker.show();
    this._again = setTimeout(() => void this._look(), AGAIN);
  }

  /** The clip itself, as others will hear it; the broadcast goes on meanwhile, unheard. @param {number} from @param {number} to */
  _hear(from, to) {
    this._stop();
    const clip = new Audio(`/r/${this._slug}/replay/${this._recorded?.broadcast}/clip/${clipName(from, to, 0)}.m4a`);
    this._clip = clip;
    this._sound.aside(true);
    for (const kind of ["ended", "error", "pause"]) clip.addEventListener(kind, () => this._clip === clip && this._stop());
    void clip.play().catch(() => this._clip === clip && this._stop());
  }

  _stop() {
    const clip = this._clip;
    this._clip = undefined;
    if (!clip) return;
    clip.pause();
    this._sound.aside(false);
  }
}
