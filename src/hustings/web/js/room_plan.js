// When a room is planned for: in the reader's zone, in the room's own beside it where they differ, and how long until then.

import { countdown, dayAndTime, sameClock } from "./format.js";
import { setText } from "./room_view.js";

/** @param {string} id */
const byId = (id) => document.getElementById(id);

/** @param {import("./room_view.js").Room} room @param {import("./strings.js").Strings} strings @param {Date} now */
export function drawPlan(room, strings, now) {
  const { t, lang } = strings;
  const at = room.scheduled_at;
  const date = byId("plan-date");
  const zone = byId("plan-zone");
  const left = byId("plan-left");
  if (!at || !date || !zone) return;
  setText(date, dayAndTime(at, lang));
  const theirs = room.time_zone || "UTC";
  zone.hidden = sameClock(at, theirs);
  setText(zone, t("room.at_zone", { time: dayAndTime(at, lang, theirs), zone: theirs.replaceAll("_", " ") }));
  if (!left) return;
  const seconds = (Date.parse(at) - now.getTime()) / 1000;
  left.hidden = room.status !== "scheduled";
  setText(left, seconds > 0 ? t("room.left", { time: countdown(seconds, lang) }) : t("room.left_due"));
}
