// The player of a recording: play, go where one wants, who speaks; the picture of the whole and everybody's voice.

import { clockTime } from "./format.js";
import { Lanes, Overview } from "./replay_draw.js";
import { chapterAt, speakers } from "./replay_model.js";

const STEP = 15;

/** @template {HTMLElement} T @param {string} id @returns {T} */
const part = (id) => /** @type {T} */ (document.getElementById(id));

/** @param {HTMLElement} element @param {string} text */
function set(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

export class Deck {
  /** @param {import("./strings.js").Strings} strings @param {import("./replay_model.js").Recording} of @param {import("./replay_sound.js").Sound} sound */
  constructor(strings, of, sound) {
    this._strings = strings;
    this._of = of;
    this._sound = sound;
    this._held = false;
    this.overview = new Overview({ picture: part("overview"), marks: part("marks") }, of);
    this.lanes = new Lanes(
      { scroll: part("lane-scroll"), width: part("lane-width"), picture: part("lane-picture"), names: part("lane-names") },
      of,
      (at) => this.go(at),
    );
    this._chapters = document.getElementById("chapters");
    /** @type {[string, () => void][]} */
    const ways = [
      ["play", () => sound.toggle()],
      ["back", () => sound.move(-STEP)],
      ["forward", () => sound.move(STEP)],
      ["closer", () => this._zoom(1)],
      ["wider", () => this._zoom(-1)],
    ];
    for (const [id, act] of ways) part(id).addEventListener("click", act);
    this._zoom(null);
    this._slider();
    this._names();
  }

  /** @param {number} at */
  go(at) {
    this._sound.seek(at);
    this._sound.play();
  }

  /** @param {1 | -1 | null} by */
  _zoom(by) {
    if (by) this.lanes.zoom(by);
    /** @type {HTMLButtonElement} */ (part("closer")).disabled = this.lanes.closest;
    /** @type {HTMLButtonElement} */ (part("wider")).disabled = this.lanes.widest;
  }

  _slider() {
    const slider = /** @type {HTMLInputElement} */ (part("place"));
    slider.max = String(Math.floor(this._of.seconds));
    slider.addEventListener("input", () => {
      this._held = true;
      this.show();
    });
    slider.addEventListener("change", () => {
      this._held = false;
      this._sound.seek(Number(slider.value));
    });
  }

  _names() {
    const { t } = this._strings;
    const total = this._of.voices.reduce((sum, voice) => sum + voice.talked, 0) || 1;
    part("lane-names").replaceChildren(
      ...this._of.voices.map((voice) => {
        const line = document.createElement("li");
        line.dataset.id = voice.id;
        const name = document.createElement("strong");
        name.textContent = voice.name;
        name.dir = "auto";
        const talked = document.createElement("span");
        talked.textContent = t("replay.talked", { time: clockTime(voice.talked), percent: Math.round((100 * voice.talked) / total) });
        line.append(name, talked);
        return line;
      }),
    );
  }

  /** With every frame while it plays, and whenever something changed. */
  show() {
    const { t } = this._strings;
    const { _sound: sound, _of: of } = this;
    const slider = /** @type {HTMLInputElement} */ (part("place"));
    const at = this._held ? Number(slider.value) : sound.at;
    const speak = speakers(of, at).map((voice) => voice.name);
    const says = speak.length > 1 ? t("replay.together", { names: speak.join(", ") }) : speak.length ? t("replay.speaks", { name: speak[0] }) : t("replay.nobody");
    set(part("who"), sound.loading ? t("replay.loading") : says);
    set(part("at"), clockTime(at));
    const play = part("play");
    play.toggleAttribute("data-playing", sound.playing);
    const label = t(sound.playing ? "replay.pause" : "replay.play");
    if (play.getAttribute("aria-label") !== label) play.setAttribute("aria-label", label);
    if (!this._held && Number(slider.value) !== Math.round(at)) slider.value = String(Math.round(at));
    this._value(slider, at, speak);
    this.overview.draw(at);
    this.lanes.show(at, sound.playing);
    this._marks(at, speak);
  }

  /** What a screen reader says of the slider. @param {HTMLInputElement} slider @param {number} at @param {string[]} speak */
  _value(slider, at, speak) {
    const { t } = this._strings;
    const places = { at: clockTime(at), end: clockTime(this._of.seconds), name: speak.join(", ") };
    let text = t(speak.length ? "replay.place_speaks" : "replay.place_at", places);
    const chapter = this._of.chapters[chapterAt(this._of.chapters, at)];
    if (chapter) text = t("replay.place_chapter", { place: text, title: chapter.title });
    if (slider.getAttribute("aria-valuetext") !== text) slider.setAttribute("aria-valuetext", text);
    slider.title = clockTime(at);
  }

  /** @param {number} at @param {string[]} speak */
  _marks(at, speak) {
    const current = chapterAt(this._of.chapters, at);
    [...(this._chapters?.children ?? [])].forEach((line, i) => {
      if (i === current) line.setAttribute("aria-current", "true");
      else line.removeAttribute("aria-current");
    });
    for (const line of part("lane-names").children) {
      line.toggleAttribute("data-speaking", speak.includes(line.firstElementChild?.textContent ?? ""));
    }
  }

  /**
   * Does what a key is for. Keys work where no control wants them for itself.
   * @param {KeyboardEvent} event @param {(key: string) => (() => void) | undefined} more the page's own
   */
  key(event, more) {
    const on = /** @type {HTMLElement} */ (event.target);
    if (event.ctrlKey || event.metaKey || event.altKey || on.closest("dialog, select, textarea, input:not([type=range])")) return;
    /** @type {Record<string, () => void>} */
    const ways = { k: () => this._sound.toggle(), j: () => this._sound.move(-STEP), l: () => this._sound.move(STEP) };
    if (!on.closest("button, a, summary, [tabindex='0']")) ways[" "] = ways.k;
    if (!on.closest("input") && !on.closest("#lane-scroll")) {
      ways.ArrowLeft = ways.j;
      ways.ArrowRight = ways.l;
    }
    const act = ways[event.key] ?? ways[event.key.toLowerCase()] ?? more(event.key.toLowerCase());
    if (!act) return;
    event.preventDefault();
    act();
  }
}
