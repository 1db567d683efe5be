// The recording's page: a player, everybody's voice to go back in, links to moments. Without this script the page has
// a plain player and the files.

import { ClipMaker } from "./clip_maker.js";
import { clockTime, number } from "./format.js";
import { Deck } from "./replay_deck.js";
import { showDownloads } from "./replay_downloads.js";
import { momentOf, nextSpeaker, recording } from "./replay_model.js";
import { Sound } from "./replay_sound.js";
import { Strings } from "./strings.js";
import "./times.js";

/** @template {HTMLElement} T @param {string} id @returns {T} */
const part = (id) => /** @type {T} */ (document.getElementById(id));

class ReplayPage {
  /** @param {HTMLAudioElement} audio @param {Strings} strings @param {import("./replay_model.js").Recording} of @param {string} base @param {number} begins media time, s */
  constructor(audio, strings, of, base, begins) {
    this._strings = strings;
    this._of = of;
    this._base = base;
    this.sound = new Sound(audio, of, { changed: () => this._deck?.show(), failed: () => this._failed() });
    this._deck = new Deck(strings, of, this.sound);
    this._buttons();
    this._gaps();
    const clips = new URL(base.replace(/\/replay\/([^/]+\/)$/, "/clip/$1"), location.href).href;
    this._clip = new ClipMaker(part("clip"), strings, {
      begins,
      at: () => this.sound.at,
      seconds: () => of.seconds,
      hear: (from, to) => this.sound.hear(from, to),
      clips: () => clips,
      finished: () => true,
      marked: (marks) => this._band(marks),
      tell: (text) => this._tell(text),
    });
    document.addEventListener("keydown", (event) => this._deck.key(event, (key) => this._own(key)));
    window.addEventListener("hashchange", () => this._moment());
    part("turns-box").addEventListener("toggle", () => this._turns(), { once: true });
    this._moment();
    this._frame = () => {
      if (this.sound.playing && !document.hidden) this._deck.show();
      requestAnimationFrame(this._frame);
    };
    requestAnimationFrame(this._frame);
    this._deck.show();
  }

  _buttons() {
    const { sound } = this;
    /** @type {[string, () => void][]} */
    const ways = [
      ["next", () => this._next()],
      ["skip", () => this._toggleSkip()],
      ["link", () => void this._copy()],
    ];
    for (const [id, act] of ways) part(id).addEventListener("click", act);
    const speed = /** @type {HTMLSelectElement} */ (part("speed"));
    speed.addEventListener("change", () => (sound.speed = Number(speed.value)));
  }

  /** Everybody's turns as links, for who cannot see the picture; made when asked for. */
  _turns() {
    const { t } = this._strings;
    part("turns").replaceChildren(
      ...this._of.turns.map((turn) => {
        const line = document.createElement("li");
        const link = document.createElement("a");
        link.href = `#t=${Math.floor(turn.from)}`;
        const at = document.createElement("span");
        at.className = "figures soft";
        at.textContent = clockTime(turn.from);
        const who = document.createElement("span");
        who.dir = "auto";
        who.textContent = t("replay.turn", { name: turn.voice.name, time: clockTime(turn.to - turn.from) });
        link.append(at, who);
        line.append(link);
        return line;
      }),
    );
  }

  _gaps() {
    const { t } = this._strings;
    const { gaps } = this._of;
    part("gaps-box").hidden = !gaps.length;
    part("gaps").replaceChildren(
      ...gaps.slice(0, 200).map((gap) => {
        const line = document.createElement("li");
        const known = ["off_record", "no_consent", "lost", "disk"].includes(gap.cause);
        const cause = known ? t(`replay.gap.${gap.cause}`) : gap.cause;
        line.textContent = t("replay.gap_line", { at: clockTime(gap.from), time: `${number(gap.seconds, this._strings.lang, 1)} s`, cause });
        return line;
      }),
    );
  }

  /** The clip, on the picture of the whole. @param {import("./clip_model.js").Marks} marks */
  _band({ from, to }) {
    const band = part("clip-band");
    const { seconds } = this._of;
    band.hidden = from === null;
    band.style.left = `${(100 * (from ?? 0)) / seconds}%`;
    band.style.width = `${(100 * ((to ?? from ?? 0) - (from ?? 0))) / seconds}%`;
  }

  _next() {
    const at = nextSpeaker(this._of, this.sound.at);
    if (at === null) this._tell(this._strings.t("replay.nobody"));
    else this._deck.go(at);
  }

  _toggleSkip() {
    this.sound.skipping = !this.sound.skipping;
    part("skip").setAttribute("aria-pressed", String(this.sound.skipping));
  }

  /** The address's own moment; play is the reader's to press: no sound without being asked. */
  _moment() {
    const at = momentOf(location.hash);
    if (at === null) return;
    this.sound.seek(at);
    this._deck.show();
  }

  async _copy() {
    // The recording's own address: the room's next one will be at the other.
    const link = new URL(this._base, location.href);
    link.hash = `t=${Math.floor(this.sound.at)}`;
    history.replaceState(null, "", link.hash);
    try {
      await navigator.clipboard.writeText(link.href);
      this._tell(this._strings.t("replay.copied", { link: link.href }));
    } catch {
      this._tell(this._strings.t("replay.copy_failed"));
    }
  }

  /** @param {string} text */
  _tell(text) {
    const tell = part("tell");
    tell.textContent = text;
    tell.classList.remove("only-reader");
    clearTimeout(this._told);
    this._told = setTimeout(() => tell.classList.add("only-reader"), 4000);
  }

  _failed() {
    part("trouble").textContent = this._strings.t("replay.failed");
    part("trouble").hidden = false;
  }

  /** @param {string} key */
  _own(key) {
    /** @type {Record<string, () => void>} */
    const ways = { n: () => this._next(), s: () => this._toggleSkip(), "+": () => this._faster(1), "-": () => this._faster(-1) };
    return ways[key] ?? this._clip.key(key);
  }

  /** @param {1 | -1} by */
  _faster(by) {
    const speed = /** @type {HTMLSelectElement} */ (part("speed"));
    const next = speed.options.item(speed.selectedIndex + by);
    if (!next) return;
    speed.value = next.value;
    this.sound.speed = Number(next.value);
    this._tell(next.text);
  }
}

async function begin() {
  const audio = /** @type {HTMLAudioElement} */ (part("audio"));
  const base = audio.dataset.base ?? "";
  const json = async (/** @type {string} */ name) => {
    const answer = await fetch(base + name);
    if (!answer.ok) throw new Error(`${name}: ${answer.status}`);
    return answer.json();
  };
  const [strings, peaks, timeline] = await Promise.all([Strings.load(), json("peaks.json"), json("timeline.json")]);
  part("replay").hidden = false;
  audio.controls = false;
  audio.hidden = true;
  new ReplayPage(audio, strings, recording(peaks, timeline), base, timeline.begins);
  document.documentElement.dataset.ready = "";
  await showDownloads(part("files"), base, strings);
}

// Whatever fails, the plain player and the files stay.
void begin().catch((error) => console.warn(error));
