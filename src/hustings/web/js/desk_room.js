// One room's page for its hosts: the form, the invitations, the addresses; also the page for a new room.

import { byId, call, enterButtons, Problem, tell } from "./desk_api.js";
import { Cover } from "./desk_cover.js";
import { DeskForm } from "./desk_form.js";
import { watchHold } from "./desk_hold.js";
import { copy, draw, Invitations } from "./desk_invitations.js";
import { Recordings } from "./desk_recordings.js";
import { Said } from "./desk_said.js";
import { DeskTime } from "./desk_time.js";
import { answerOf } from "./dialog.js";
import { FocusKeeper } from "./focus.js";
import { Strings } from "./strings.js";
import "./times.js";

const REFRESH = 10_000;

const strings = await Strings.load();
const { t } = strings;
const page = byId("room");
const slug = page.dataset.slug ?? "";
const saved = byId("save-says");
const button = /** @type {HTMLButtonElement} */ (byId("save"));

let dirty = false;
const changed = () => {
  dirty = true;
  saved.textContent = slug ? t("desk.unsaved") : "";
};

const focus = new FocusKeeper();
const cover = new Cover(strings, slug);
const form = new DeskForm(strings, changed);
const time = new DeskTime(strings, changed);
addEventListener("beforeunload", (event) => {
  if (dirty && slug) event.preventDefault();
});

form.form.addEventListener("submit", async (event) => {
  event.preventDefault();
  if (button.getAttribute("aria-busy") === "true") return;
  tell(strings, null);
  if (!form.complete()) return;
  if (time.half) {
    form.fault("at", t("desk.when_half"));
    return;
  }
  // Not `disabled`, which would take the focus away from it.
  button.setAttribute("aria-busy", "true");
  saved.textContent = t("desk.saving");
  try {
    await (slug ? keep() : create());
  } catch (error) {
    saved.textContent = t("desk.not_saved");
    const faults = error instanceof Problem ? error.faults : [];
    const shown = faults.filter((fault) => form.fault(fault.where, fault.detail));
    if (!shown.length) tell(strings, error);
  } finally {
    button.removeAttribute("aria-busy");
  }
});

async function create() {
  const when = await time.read();
  const room = await call("POST", "/api/rooms", { ...form.read(), ...(when.at ? when : { time_zone: when.time_zone }) });
  dirty = false;
  try {
    await cover.send(room.slug);
  } finally {
    // The room is there, with or without its picture.
    location.assign(`/rooms/${room.slug}`);
  }
}

async function keep() {
  const when = time.changed ? await time.read() : null;
  let room = await call("PATCH", `/api/rooms/${slug}`, form.read());
  if (when) room = await call("POST", `/api/rooms/${slug}/schedule`, when);
  time.kept();
  form.keep(room.details.topics);
  dirty = false;
  saved.textContent = t("desk.saved");
  show(room);
}

/** What others may have changed meanwhile, and what follows from saving. @param {any} room */
function show(room) {
  const badge = byId("badge");
  badge.dataset.status = room.status;
  badge.textContent = t(`status.${room.status}`);
  byId("heading").textContent = room.title;
  const on = ["open", "live", "paused"].includes(room.status);
  /** @type {HTMLFieldSetElement} */ (byId("when")).disabled = on;
  byId("share-calendar").hidden = !room.details.at;
  const enter = /** @type {HTMLElement | null} */ (document.querySelector("[data-enter]"));
  if (enter) enter.hidden = room.status === "cancelled";
  byId("cancel-card").hidden = on || room.status === "cancelled" || (room.status === "ended" && !room.details.weekly);
  people.show(room.invitations);
}

/** Asks once. @param {string} title @param {string} text @param {string} yes @returns {Promise<boolean>} */
async function ask(title, text, yes) {
  const answer = await answerOf(byId("ask"), () => {
    byId("ask-title").textContent = title;
    byId("ask-text").textContent = text;
    byId("ask-yes").textContent = yes;
  });
  return answer === "yes";
}

/** @type {Invitations} */
let people;
if (slug) {
  enterButtons(strings);
  watchHold(strings, slug);
  people = new Invitations(strings, slug, { ask, tell: (error) => tell(strings, error), drawn: () => focus.keep() });
  share();
  const recordings = new Recordings(strings, slug, { ask, tell: (error) => tell(strings, error), drawn: () => focus.keep() });
  const said = new Said(strings, slug, { ask, tell: (error) => tell(strings, error) });
  void said.refresh().catch(() => {});
  const cancel = /** @type {HTMLButtonElement} */ (byId("cancel"));
  cancel.disabled = false;
  cancel.addEventListener("click", async () => {
    if (!(await ask(t("desk.cancel_ask"), t("desk.cancel_hint"), t("desk.cancel")))) return;
    try {
      show(await call("POST", `/api/rooms/${slug}/cancel`));
      saved.textContent = t("desk.cancelled");
    } catch (error) {
      tell(strings, error);
    }
  });
  const refresh = () => {
    void people.refresh().then(show, () => {});
    void recordings.refresh().catch(() => {});
  };
  refresh();
  setInterval(() => {
    if (!document.hidden) refresh();
  }, REFRESH);
}

function share() {
  byId("share-copy").addEventListener("click", () => void copy(byId("share-link"), byId("share-says"), strings));
  const toggle = byId("share-qr");
  const image = /** @type {HTMLImageElement} */ (byId("share-image"));
  toggle.addEventListener("click", async () => {
    const open = toggle.getAttribute("aria-expanded") === "true";
    try {
      if (!open && !image.src) await draw(slug, page.dataset.public ?? "", image);
      image.hidden = open;
      toggle.setAttribute("aria-expanded", String(!open));
    } catch (error) {
      tell(strings, error);
    }
  });
}
