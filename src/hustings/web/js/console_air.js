// One row that answers: are we on air, since when, does it reach people, is it recorded? And what begins and
// ends it.

import { byId, setText, show } from "./console_dom.js";
import { moment } from "./console_times.js";
import { clock, clockTime, countdown, date, isToday, span } from "./format.js";

/** Seconds around the scheduled time that still count as punctual. */
const PUNCTUAL = 60;

export class Air {
  /** @param {import("./console_context.js").Context} context */
  constructor(context) {
    this._context = context;
    const { api } = context;
    for (const [id, path] of [["open-doors", "/open"], ["go-live", "/start"]]) {
      byId(id).addEventListener("click", () => void context.run(byId(id), () => api.post(path)));
    }
    byId("end").addEventListener("click", () => void this.end());
  }

  /** Asks once. */
  async end() {
    const { api, model: { room, host }, strings, t } = this._context;
    if (byId("end").hidden) return;
    const live = room.status !== "open";
    const answer = await this._context.ask(
      t(live ? "console.ask.end" : "console.ask.close"),
      live ? strings.n("console.ask.end_text", room.listeners ?? host.listeners) : t("console.ask.close_text"),
      [{ value: "no", text: t(live ? "console.ask.go_on" : "console.ask.cancel") }, { value: "end", text: t(live ? "console.air.end_now" : "console.air.close_now"), kind: "ends" }],
    );
    if (answer === "end") await this._context.run(byId("end"), () => api.post("/stop"));
  }

  draw() {
    const { strings, t, model: { room, me, host } } = this._context;
    const { status } = room;
    const on = status === "live" || status === "paused";
    byId("onair").dataset.status = byId("jump-air").dataset.status = status;
    show(byId("air-acts"), me.conducts);
    show(byId("open-doors"), status === "scheduled" || status === "ended");
    setText(byId("open-doors"), t(status === "ended" ? "console.air.open_again" : "console.air.open"));
    show(byId("go-live"), status === "open");
    show(byId("end"), on || status === "open");
    setText(byId("end"), t(on ? "console.air.end" : "console.air.close"));
    show(byId("air-figures"), on || status === "open");
    // null: for those who conduct only.
    setText(byId("audience"), room.listeners === null && !me.conducts ? "" : strings.n("speak.listening", room.listeners ?? host.listeners));
    this.tick();
  }

  tick() {
    const { t, model: { room } } = this._context;
    const { status, started_at: started } = room;
    const since = started ? Math.max(0, (Date.now() - Date.parse(started)) / 1000) : 0;
    const keys = /** @type {Record<string, string>} */ ({ live: "onair", open: "doors_open", paused: "paused", ended: "over", cancelled: "cancelled" });
    setText(byId("onair"), t(`speak.${keys[status] ?? "not_on_air"}`, { time: hours(since) }));
    setText(byId("jump-air"), status === "live" ? hours(since) : t(`status.${status}`));
    setText(byId("when"), this._when());
  }

  /** When it began, or is to begin. */
  _when() {
    const { strings, t, model: { room } } = this._context;
    const { status, started_at: started, scheduled_at: planned, ended_at: ended } = room;
    const at = (/** @type {string} */ iso, withSeconds = false) =>
      (isToday(iso, new Date()) ? "" : `${date(iso, strings.lang)}, `) + clock(iso, strings.lang, withSeconds);
    if ((status === "live" || status === "paused") && started) return `${t("console.air.started", { time: at(started, true) })}${this._punctual(started, planned)}`;
    if (status === "ended") return started && ended ? t("state.ended_lasted", { time: span((Date.parse(ended) - Date.parse(started)) / 1000) }) : "";
    if (status === "cancelled" || !planned) return "";
    const left = (Date.parse(planned) - Date.now()) / 1000;
    const { there, place } = moment(planned, strings.lang, room.time_zone ?? "");
    const says = left > 0 ? t("state.starts_in", { time: countdown(left, strings.lang) }) : t("state.due");
    const itself = room.start?.live_due ? t("console.air.by_itself") : "";
    return [t("state.scheduled_for", { time: at(planned) }), says, itself, there ? t("console.invitation.there", { time: there, place }) : ""].filter(Boolean).join(" · ");
  }

  /** @param {string} started @param {string | null} planned */
  _punctual(started, planned) {
    const { t } = this._context;
    if (!planned) return "";
    const late = (Date.parse(started) - Date.parse(planned)) / 1000;
    if (Math.abs(late) < PUNCTUAL) return `, ${t("state.on_time")}`;
    return `, ${late > 0 ? t("state.late", { time: span(late) }) : t("state.early", { time: span(-late) })}`;
  }
}

/** @param {number} seconds @returns {string} "00:32:17": it does not jump when an hour is full */
function hours(seconds) {
  return seconds >= 3600 ? clockTime(seconds).padStart(8, "0") : `00:${clockTime(seconds).padStart(5, "0")}`;
}
