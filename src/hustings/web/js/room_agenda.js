// The agenda: which point is spoken about, since when, and the way back to where one began.

import { clock } from "./format.js";
import { setPart } from "./room_view.js";

/**
 * @param {import("./room_view.js").Room} room @param {import("./strings.js").Strings} strings
 * @param {{seekable: boolean, goTo: (seconds: number) => void}} player
 */
export function drawAgenda(room, strings, player) {
  const { t, lang } = strings;
  const here = ["open", "live", "paused"].includes(room.status);
  for (const item of document.querySelectorAll("#agenda > li")) {
    const line = /** @type {HTMLElement} */ (item);
    const topic = room.topics.find(({ id }) => id === line.dataset.id);
    const now = here && line.dataset.id === room.topic_id;
    const chapter = room.chapters.findLast(({ title }) => title === topic?.title);
    const since = chapter ? clock(chapter.at, lang) : "";
    line.toggleAttribute("data-done", Boolean(chapter) && !now);
    if (now) line.setAttribute("aria-current", "step");
    else line.removeAttribute("aria-current");
    const says = now ? (since ? t("room.topic_now_since", { time: since }) : t("room.topic_now"))
      : since ? t("room.topic_at", { time: since }) : topic?.minutes ? t("room.minutes", { n: topic.minutes }) : "";
    setPart(line, "says", says);
    const button = /** @type {HTMLButtonElement} */ (line.querySelector("[data-from]"));
    button.hidden = !(chapter && player.seekable);
    button.onclick = () => chapter && player.goTo(chapter.media_time);
  }
}
