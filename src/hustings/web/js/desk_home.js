// A host's rooms: into the studio with one press, also of a room that does not exist yet.

import { byId, call, enter, enterButtons, tell } from "./desk_api.js";
import { Strings } from "./strings.js";
import "./times.js";

const strings = await Strings.load();
enterButtons(strings);

const title = /** @type {HTMLInputElement} */ (byId("now-title"));
const button = /** @type {HTMLButtonElement} */ (byId("now"));
const fault = byId("now-fault");
button.disabled = false;

/** @param {string} text */
function wrong(text) {
  fault.textContent = text;
  fault.hidden = !text;
  title.setAttribute("aria-invalid", String(Boolean(text)));
  if (text) title.focus();
}

byId("now-form").addEventListener("submit", async (event) => {
  event.preventDefault();
  tell(strings, null);
  wrong(title.value.trim() ? "" : strings.t("desk.title_missing"));
  if (!title.value.trim()) return;
  button.disabled = true;
  try {
    const language = document.documentElement.lang;
    const room = await call("POST", "/api/rooms", { title: title.value, green_room: true, language });
    await call("POST", `/api/rooms/${room.slug}/open`);
    await enter(room.slug);
  } catch (error) {
    button.disabled = false;
    tell(strings, error);
  }
});

// What was typed is taken along into the form.
byId("plan").addEventListener("click", (event) => {
  if (!title.value.trim()) return;
  event.preventDefault();
  location.assign(`/rooms/new?title=${encodeURIComponent(title.value)}`);
});
