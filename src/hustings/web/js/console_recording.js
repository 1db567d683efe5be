// Is it recorded? A sign for everybody on the page; for hosts also how it goes, who has not agreed, an alarm with what to
// do, and the way off the record and back.

import { byId, setText, show } from "./console_dom.js";
import { clock, clockTime } from "./format.js";

/** How long the stage may take to do what was decided, ms. */
const PATIENCE = 5000;
/** The stage's words for what is wrong. */
const PROBLEMS = /** @type {Record<string, string>} */ ({
  "The disk is full.": "full",
  "The disk can only be read.": "read_only",
  "The folder may not be written to.": "forbidden",
  "The disk fails.": "broken",
  "The disk does not answer.": "hung",
});
const SPARE = "The recording goes on in the spare folder.";

/**
 * @typedef {"" | "on" | "off" | "off_record" | "will" | "will_not" | "will_off" | "waiting" | "failing" | "unknown" | "unconfirmed"} Sign
 */

/**
 * What the sign says. Pure.
 * @param {import("./console_model.js").Room} room @param {import("./console_model.js").Recording | null} host null: does not conduct
 * @param {number} now ms
 * @returns {Sign}
 */
export function sign(room, host, now) {
  const shown = room.recording;
  if (!shown) {
    if (room.status !== "open" || !host) return "";
    return !host.on ? "will_not" : host.off_record ? "will_off" : "will";
  }
  if (!host || shown.state === "off") return shown.state;
  const late = now - Date.parse(shown.since) > PATIENCE;
  if (host.state === "failing") return "failing";
  if (!["on", "off_record", "waiting"].includes(host.state)) return late ? "unknown" : shown.state;
  if (shown.state === "off_record") return host.state !== "off_record" && late ? "unconfirmed" : "off_record";
  if (host.state === "off_record") return late ? "unknown" : "on";
  return host.state === "waiting" ? "waiting" : "on";
}

/**
 * What is wrong, in the reader's language where the words are known. Pure.
 * @param {string} problem as the stage says it @param {import("./strings.js").Translate} t
 */
export function inWords(problem, t) {
  const spare = problem.endsWith(SPARE);
  const rest = spare ? problem.slice(0, -SPARE.length).trim() : problem;
  const known = PROBLEMS[rest];
  return [known ? t(`console.rec.problem.${known}`) : rest, spare ? t("console.rec.problem.spare") : ""].filter(Boolean).join(" ");
}

export class RecordingPanel {
  /** @param {import("./console_context.js").Context} context */
  constructor(context) {
    this._context = context;
    byId("off-record").addEventListener("click", () => void this.turn());
  }

  /** Off the record at once; back on it after a question, for that is what cannot be taken back. */
  async turn() {
    const { api, model: { host, me }, t } = this._context;
    if (!me.conducts || byId("off-record").hidden) return;
    const off = !host.recording.off_record;
    if (!off) {
      const answer = await this._context.ask(t("console.ask.on_record"), t("console.ask.on_record_text"), [
        { value: "no", text: t("console.ask.stay_off") }, { value: "on", text: t("console.rec.back"), kind: "main" },
      ]);
      if (answer !== "on") return;
    }
    await this._context.run(byId("off-record"), () => api.post("/off-record", { off }));
  }

  draw() {
    const { t, model: { host, me, room } } = this._context;
    const { on, off_record: off } = host.recording;
    const button = byId("off-record");
    show(button, me.conducts && on && ["open", "live", "paused"].includes(room.status));
    setText(button, t(off ? "console.rec.back" : "console.rec.off_it"));
    button.setAttribute("aria-pressed", String(off));
    button.classList.toggle("main", off);
    this.tick();
  }

  tick() {
    const { strings, t, model: { host, me, room } } = this._context;
    const says = sign(room, me.conducts ? host.recording : null, Date.now());
    const element = byId("rec");
    element.dataset.state = says;
    const since = says === "on" && room.recording ? clock(room.recording.since, strings.lang) : "";
    setText(element, says ? t(since ? "console.rec.since" : `console.rec.${says}`, { time: since }) : "");
    show(element, Boolean(says));
    this._more(says);
    this._alarm(says);
  }

  /** @param {Sign} says */
  _more(says) {
    const { t, model: { host: { recording }, me } } = this._context;
    const recorded = ["on", "waiting", "off_record", "failing"].includes(says);
    const safe = recorded && recording.safe_seconds ? t("console.rec.safe", { time: clockTime(recording.safe_seconds) }) : "";
    const names = recording.not_agreed.map(({ name }) => name).join(", ");
    const missing = names && ["on", "waiting", "will"].includes(says) ? t("console.rec.not_agreed", { names }) : "";
    setText(byId("rec-safe"), me.conducts ? safe : "");
    setText(byId("rec-missing"), me.conducts ? missing : "");
    byId("rec-missing").className = says === "waiting" ? "warn" : "soft";
  }

  /** @param {Sign} says */
  _alarm(says) {
    const { t, model: { host: { recording } } } = this._context;
    const spare = !["failing", "unknown", "unconfirmed"].includes(says) && recording.problem !== "" && ["on", "waiting", "off_record"].includes(says);
    const kind = spare ? "spare" : ["failing", "unknown", "unconfirmed"].includes(says) ? says : "";
    show(byId("rec-alarm"), kind !== "");
    if (!kind) return;
    setText(byId("rec-alarm-title"), t(`console.rec.alarm.${kind}`));
    setText(byId("rec-alarm-why"), recording.problem ? inWords(recording.problem, t) : "");
    setText(byId("rec-alarm-do"), t(`console.rec.do.${kind}`));
  }
}
