// The hosts' page for an edited version of a recording: what is cut out, how loud who is, what comes of it. All of it
// happens here until a version is ordered; the original is never touched, but when somebody's part is removed for good.

import { byId, call, tell } from "./desk_api.js";
import { answerOf } from "./dialog.js";
import { Drag } from "./edit_drag.js";
import { Cuts, Speakers } from "./edit_lists.js";
import { editOf, endMoved, kept, orderOf, timeOf, trouble, untouched, withCut } from "./edit_model.js";
import { EditSound } from "./edit_sound.js";
import { Versions } from "./edit_versions.js";
import { changes, exact, lasts, remains } from "./edit_words.js";
import { clock, clockTime, date } from "./format.js";
import { Deck } from "./replay_deck.js";
import { recording } from "./replay_model.js";
import { Strings } from "./strings.js";

/** Steps that can be taken back. */
const MOST_STEPS = 200;
/** Around a seam so much is heard, s. */
const AROUND = 3;

/** @typedef {import("./edit_model.js").Edit} Edit */

/** @template {HTMLElement} T @param {string} id @returns {T} */
const part = (id) => /** @type {T} */ (byId(id));

class EditPage {
  /**
   * @param {Strings} strings @param {import("./replay_model.js").Recording} of
   * @param {number} begins media time of the recording's beginning, s
   * @param {import("./edit_versions.js").Listing} listing @param {string} api
   */
  constructor(strings, of, begins, listing, api) {
    this._strings = strings;
    this._of = of;
    this._begins = begins;
    this._api = api;
    /** @type {Edit} */
    this._edit = untouched(of.seconds);
    /** @type {Edit[]} */
    this._before = [];
    /** The edit as it was before something is dragged. @type {Edit | undefined} */
    this._kept = undefined;
    /** Whether somebody's part is being removed. */
    this._removing = false;
    /** What was last ordered, or nothing changed: leaving then loses nothing. */
    this._saved = this._edit;
    /** The stretch that is marked. @type {{from: number | null, to: number | null}} */
    this._mark = { from: null, to: null };
    this._names = new Map(listing.speakers.map(({ id, name }) => [id, name]));
    this._voices = listing.speakers.filter(({ track }) => track).map(({ id }) => id);
    this.sound = new EditSound(part("audio"), of, { changed: () => this._deck?.show(), failed: () => this._failed() });
    this._deck = new Deck(strings, of, this.sound);
    part("whole").textContent = clockTime(of.seconds);
    this._cuts = new Cuts(strings, {
      moved: (which, end, at) => this._change(endMoved(this._edit, which, end, at, of.seconds)),
      kept: (edit) => this._change(edit),
      seam: (cut) => this.sound.hearSeam(cut, AROUND),
    });
    this._speakers = new Speakers(strings, listing.speakers, of, (edit) => this._change(edit));
    this._versions = new Versions(strings, api, listing, {
      names: this._names,
      seconds: of.seconds,
      begins,
      further: (edit) => this._further(edit),
      ask,
      tell: (text) => this._tell(text),
      shown: (now) => this._shown(now),
    });
    this._drag = new Drag(part("lane-scroll"), this._deck.lanes, { handles: () => this._handles(), marked: (from, to) => this._marked({ from, to }), done: () => this._dragged() });
    this._wire();
    this._frame = () => {
      if (this.sound.playing && !document.hidden) {
        this.sound.follow();
        this._deck.show();
      }
      requestAnimationFrame(this._frame);
    };
    requestAnimationFrame(this._frame);
    this._draw();
    this._shown(listing);
  }

  _wire() {
    /** @type {[string, () => void][]} */
    const ways = [
      ["edited", () => this._toggle()],
      ["undo", () => this._undo()],
      ["mark-from-here", () => this._here("from")],
      ["mark-to-here", () => this._here("to")],
      ["mark-hear", () => this._hear()],
      ["mark-cut", () => this._cut()],
      ["whole-from-here", () => this._end("from")],
      ["whole-to-here", () => this._end("to")],
      ["make", () => void this._make()],
      ["remove", () => void this._remove()],
    ];
    for (const [id, act] of ways) part(id).addEventListener("click", act);
    for (const end of /** @type {const} */ (["from", "to"])) {
      const mark = /** @type {HTMLInputElement} */ (part(`mark-${end}`));
      const take = () => this._typed(mark, (at) => this._put(end, at), () => this._marked({ ...this._mark, [end]: null }));
      mark.addEventListener("change", take);
      mark.addEventListener("keydown", (event) => {
        if (event.key === "Enter" && take()) this._cut();
      });
      const whole = /** @type {HTMLInputElement} */ (part(`whole-${end}`));
      whole.addEventListener("change", () => this._typed(whole, (at) => this._change(endMoved(this._edit, -1, end, at, this._of.seconds))));
    }
    const who = /** @type {HTMLSelectElement} */ (part("remove-who"));
    for (const [id, name] of this._names) who.add(new Option(name, id));
    document.addEventListener("keydown", (event) => {
      const typing = /** @type {Element} */ (event.target).closest("input:not([type=range], [type=checkbox])");
      if ((event.ctrlKey || event.metaKey) && event.key === "z" && !typing) this._undo();
      else this._deck.key(event, (key) => this._own(key));
    });
    addEventListener("beforeunload", (event) => {
      if (this._edit !== this._saved) event.preventDefault();
    });
  }

  /** @param {string} key */
  _own(key) {
    /** @type {Record<string, () => void>} */
    const ways = {
      i: () => this._here("from"), o: () => this._here("to"), x: () => this._cut(), h: () => this._hear(), u: () => this._undo(),
      b: () => this._end("from"), e: () => this._end("to"), v: () => this._toggle(),
    };
    return ways[key];
  }

  /**
   * A time that was typed; whether it is one, or none where that may be.
   * @param {HTMLInputElement} input @param {(at: number) => void} take @param {() => void} [none] when it was emptied
   */
  _typed(input, take, none) {
    const at = timeOf(input.value);
    const fault = part("mark-fault");
    const wrong = at === null && !(none && !input.value.trim());
    fault.hidden = !wrong;
    fault.textContent = wrong ? this._strings.t("edit.no_time", { text: input.value }) : "";
    input.toggleAttribute("aria-invalid", wrong);
    if (wrong) input.setAttribute("aria-invalid", "true");
    else if (at === null) none?.();
    else take(Math.min(at, this._of.seconds));
    return !wrong;
  }

  // --- a stretch that is marked ----------------------------------------------------------

  /** @param {{from: number | null, to: number | null}} mark */
  _marked({ from, to }) {
    this._mark = { from, to };
    this._draw();
  }

  /** One end of it; the other one goes where it would come before it. @param {"from" | "to"} end @param {number} at */
  _put(end, at) {
    const { from, to } = this._mark;
    if (end === "from") this._marked({ from: at, to: to !== null && to <= at ? null : to });
    else this._marked({ from: from !== null && from >= at ? null : from, to: at });
  }

  /** @param {"from" | "to"} end */
  _here(end) {
    this._put(end, this.sound.at);
    this._tell(this._strings.t(`edit.marked_${end}`, { at: exact(this.sound.at, this._strings.lang) }));
  }

  _hear() {
    const { from, to } = this._mark;
    if (from === null || to === null) this._tell(this._strings.t("edit.unmarked"));
    else this.sound.hearWhole(from, to);
  }

  _cut() {
    const { t, lang } = this._strings;
    const { from, to } = this._mark;
    if (from === null || to === null || to - from < 0.02) {
      this._tell(t("edit.unmarked"));
      return;
    }
    this._mark = { from: null, to: null };
    this._change(withCut(this._edit, from, to, this._of.seconds));
    this._tell(t("edit.was_cut", { from: exact(from, lang), to: exact(to, lang), time: lasts(to - from, lang) }));
  }

  /** What is heard now is where the version begins or ends. @param {"from" | "to"} end */
  _end(end) {
    const at = this.sound.at;
    this._change(endMoved(this._edit, -1, end, at, this._of.seconds));
    this._tell(this._strings.t(`edit.whole_${end}_at`, { at: exact(at, this._strings.lang) }));
  }

  /** What can be dragged on the picture. @returns {import("./edit_drag.js").Handle[]} */
  _handles() {
    const { seconds } = this._of;
    const { from, to } = this._mark;
    /** @type {import("./edit_drag.js").Handle[]} */
    const found = [];
    // While it is dragged all is measured from how it was: a cut that is dragged over another does not swallow it.
    const edit = this._edit;
    const ends = /** @type {const} */ (["from", "to"]);
    if (from !== null) found.push({ at: from, move: (at) => this._marked({ ...this._mark, from: Math.min(at, this._mark.to ?? at) }) });
    if (to !== null) found.push({ at: to, move: (at) => this._marked({ ...this._mark, to: Math.max(at, this._mark.from ?? at) }) });
    edit.cuts.forEach((cut, which) => ends.forEach((end, i) => found.push({ at: cut[i], move: (at) => this._try(endMoved(edit, which, end, at, seconds)) })));
    for (const end of ends) found.push({ at: edit[end], move: (at) => this._try(endMoved(edit, -1, end, at, seconds)) });
    return found;
  }

  /** Shows what dragging would make of it. @param {Edit} edit */
  _try(edit) {
    this._kept ??= this._edit;
    this._edit = edit;
    this._draw();
  }

  _dragged() {
    const tried = this._edit;
    if (this._kept) {
      this._edit = this._kept;
      this._kept = undefined;
      this._change(tried);
    }
  }

  // --- the edit --------------------------------------------------------------------------

  /** @param {Edit} edit */
  _change(edit) {
    if (JSON.stringify(edit) === JSON.stringify(this._edit)) return this._draw();
    this._before.push(this._edit);
    if (this._before.length > MOST_STEPS) this._before.shift();
    this._edit = edit;
    this._draw();
  }

  _undo() {
    const before = this._before.pop();
    if (!before) return;
    this._edit = before;
    this._draw();
    this._tell(this._strings.t("edit.undone"));
  }

  _toggle() {
    this.sound.edited = !this.sound.edited;
    part("edited").setAttribute("aria-pressed", String(this.sound.edited));
    this._tell(this._strings.t(this.sound.edited ? "edit.hears_edited" : "edit.hears_original"));
  }

  /** An earlier version's changes, to go on from. @param {Omit<import("./edit_model.js").Order, "take_down">} order */
  _further(order) {
    this._change(editOf(order, this._of.seconds, this._begins));
    part("parts").focus();
  }

  _draw() {
    const { lang } = this._strings;
    const { seconds } = this._of;
    const { from, to } = this._mark;
    this.sound.edit = this._edit;
    this.sound.kept = kept(this._edit);
    /** @type {import("./replay_draw.js").Shade[]} */
    const shades = this._edit.cuts.map(([a, b]) => ({ from: a, to: b, kind: "out" }));
    if (this._edit.from > 0) shades.push({ from: 0, to: this._edit.from, kind: "out" });
    if (this._edit.to < seconds - 0.02) shades.push({ from: this._edit.to, to: seconds, kind: "out" });
    if (from !== null || to !== null) shades.push({ from: from ?? to ?? 0, to: to ?? from ?? 0, kind: "mark" });
    this._deck.lanes.shade(shades);
    this._deck.overview.shade(shades);
    for (const [id, at] of /** @type {[string, number | null][]} */ ([["mark-from", from], ["mark-to", to], ["whole-from", this._edit.from], ["whole-to", this._edit.to]])) {
      const input = /** @type {HTMLInputElement} */ (part(id));
      if (input !== document.activeElement || timeOf(input.value) !== null) input.value = at === null ? "" : exact(at, lang);
    }
    const marked = from !== null && to !== null && to > from;
    for (const id of ["mark-hear", "mark-cut"]) /** @type {HTMLButtonElement} */ (part(id)).disabled = !marked;
    /** @type {HTMLButtonElement} */ (part("undo")).disabled = !this._before.length;
    this._cuts.show(this._edit);
    this._speakers.show(this._edit);
    this._sum();
  }

  _sum() {
    const { t } = this._strings;
    const why = this._removing ? "removing" : trouble(this._edit, this._of.seconds, this._voices);
    const said = changes(this._edit, this._of.seconds, this._names, this._strings).join(" · ");
    const sum = part("sum");
    if (sum.textContent !== (said || t("edit.unchanged"))) sum.textContent = said || t("edit.unchanged");
    part("left").textContent = remains(this._edit, this._of.seconds, this._strings);
    part("why").hidden = !why || why === "nothing";
    part("why").textContent = why && why !== "nothing" ? t(`edit.why.${why}`) : "";
    /** @type {HTMLButtonElement} */ (part("make")).disabled = Boolean(why);
  }

  async _make() {
    const button = part("make");
    if (button.getAttribute("aria-busy") === "true") return;
    button.setAttribute("aria-busy", "true");
    try {
      await call("POST", this._api, orderOf(this._edit, this._of.seconds, this._begins));
      this._saved = this._edit;
      part("versions-card").focus();
      await this._versions.refresh();
      this._tell(this._strings.t("edit.ordered"));
      tell(this._strings, null);
    } catch (error) {
      tell(this._strings, error);
    } finally {
      button.removeAttribute("aria-busy");
    }
  }

  /** Somebody's part, for good. */
  async _remove() {
    const { t } = this._strings;
    const who = /** @type {HTMLSelectElement} */ (part("remove-who")).value;
    const name = this._names.get(who) ?? who;
    const text = ["at_once", "instead", "deleted", "others"].map((which) => t(`edit.remove_${which}`, { name }));
    if (!(await ask(t("edit.remove_ask", { name }), text, t("edit.remove_yes")))) return;
    try {
      await call("POST", this._api, { without: [who], take_down: true });
      part("versions-card").focus();
      await this._versions.refresh();
      this._tell(t("edit.removing", { name }));
      tell(this._strings, null);
    } catch (error) {
      tell(this._strings, error);
    }
  }

  /** What everybody hears now. @param {import("./edit_versions.js").Listing} listing */
  _shown(listing) {
    const { t } = this._strings;
    const edit = listing.edits.find((each) => each.edition === listing.public);
    const which = edit ? t("edit.public_edit", { n: edit.number }) : t(listing.public ? "edit.public_original" : "edit.public_none");
    part("which").textContent = which;
    // The server takes nothing else meanwhile.
    const removing = listing.edits.some((each) => each.take_down && !each.public);
    /** @type {HTMLButtonElement} */ (part("remove")).disabled = removing || this._names.size < 2;
    if (removing !== this._removing) {
      this._removing = removing;
      this._sum();
    }
  }

  _failed() {
    part("trouble").textContent = this._strings.t("replay.failed");
    part("trouble").hidden = false;
  }

  /** @param {string} text */
  _tell(text) {
    const box = part("tell");
    box.textContent = text;
    box.classList.remove("only-reader");
    clearTimeout(this._told);
    this._told = setTimeout(() => box.classList.add("only-reader"), 4000);
  }
}

/** Asks once. @param {string} title @param {string[]} text @param {string} yes @param {boolean} [ends] whether that ends something @returns {Promise<boolean>} */
async function ask(title, text, yes, ends = true) {
  const answer = await answerOf(byId("ask"), () => {
    byId("ask-title").textContent = title;
    byId("ask-text").replaceChildren(
      ...text.map((each) => {
        const line = document.createElement("p");
        line.textContent = each;
        return line;
      }),
    );
    byId("ask-yes").textContent = yes;
    byId("ask-yes").className = `button ${ends ? "ends" : "main"}`;
  });
  return answer === "yes";
}

async function begin() {
  const strings = await Strings.load();
  const editor = byId("editor");
  const { slug = "", broadcast = "" } = editor.dataset;
  const api = `/api/rooms/${slug}/recordings/${broadcast}/edits`;
  try {
    const [listing, peaks, timeline] = await Promise.all([call("GET", api), call("GET", `${api}/0/peaks.json`), call("GET", `${api}/0/timeline.json`)]);
    const at = new Date((timeline.live_since + timeline.begins) * 1000).toISOString();
    byId("what").textContent = `${date(at, strings.lang)} · ${clock(at, strings.lang)}`;
    /** @type {HTMLAudioElement} */ (byId("audio")).src = listing.preview;
    editor.hidden = false;
    new EditPage(strings, recording(peaks, timeline), timeline.begins, listing, api);
    document.documentElement.dataset.ready = "";
  } catch (error) {
    tell(strings, error);
    throw error;
  } finally {
    byId("loading").hidden = true;
  }
}

void begin().catch((error) => console.warn(error));
