// The small player on other sites' pages: what the room is, and its sound.

import { clockTime, dayAndTime } from "./format.js";
import { RoomFeed } from "./listen_feed.js";
import { Player } from "./player.js";
import { drawSign, setText } from "./room_view.js";
import { Strings } from "./strings.js";

/** Seconds between two looks at state.json. */
const LOOK = 15;

/** @param {string} id */
const byId = (id) => /** @type {any} */ (document.getElementById(id));
const strings = await Strings.load();
const { t, lang } = strings;

const feed = new RoomFeed(JSON.parse(byId("state").textContent), { changed: draw, line: () => undefined });
const player = new Player(byId("audio"), "", {
  changed: (state) => {
    const on = !["idle", "ended", "failed", "blocked"].includes(state);
    byId("player").dataset.state = state;
    byId("player").toggleAttribute("data-on", on);
    byId("play").setAttribute("aria-label", t(on ? "player.stop" : "player.play"));
    feed.pace(state === "scheduled" ? 5 : LOOK);
    draw();
  },
  event: (event) => {
    if (event.kind === "room") feed.take(event);
    else if (event.kind === "speaking") {
      feed.speaks(String(event.participant_id), Boolean(event.speaking));
      draw();
    }
  },
});

function draw() {
  const room = feed.state;
  const { state } = player;
  player.offer(room.links, room.started_at);
  const over = ["ended", "cancelled"].includes(room.status);
  if (over && state !== "idle" && state !== "playing") player.stop();
  setText(byId("title"), room.title);
  setText(byId("badge"), t(`status.${room.status}`));
  byId("badge").dataset.status = room.status;
  drawSign(room, strings);
  byId("play").hidden = over;
  const speaking = room.participants.filter((person) => person.speaking).map((person) => person.name);
  const planned = room.status === "scheduled" && room.scheduled_at ? dayAndTime(room.scheduled_at, lang) : "";
  setText(byId("who"), planned || speaking.join(", "));
  const { mediaTime } = player.stats;
  const words = state === "playing" ? clockTime((mediaTime ?? 0) / 48000) : state === "idle" ? "" : state === "scheduled" ? t("player.waiting") : t(`player.${state}`);
  setText(byId("says"), words);
}

byId("play").addEventListener("click", () => {
  if (["idle", "ended", "failed", "blocked"].includes(player.state)) player.start();
  else player.stop();
});
setInterval(() => player.state === "playing" && draw(), 1000);
feed.pace(LOOK);
draw();
