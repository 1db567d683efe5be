// A room's own hold music: a file is sent as soon as it is chosen.

import { byId, Problem, send } from "./desk_api.js";

const MAX_BYTES = 8 * 1024 * 1024;

/** @param {import("./strings.js").Strings} strings @param {string} slug */
export function watchHold({ t }, slug) {
  const file = /** @type {HTMLInputElement} */ (byId("hold-file"));
  const choice = /** @type {HTMLSelectElement} */ (byId("hold"));
  const own = /** @type {HTMLOptionElement} */ (byId("hold-own"));
  const say = (/** @type {string} */ text, warn = false) => {
    byId("hold-says").classList.toggle("warn", warn);
    byId("hold-says").textContent = text;
  };
  file.addEventListener("change", async () => {
    const chosen = file.files?.[0];
    file.value = "";
    if (!chosen) return;
    if (chosen.size > MAX_BYTES) return say(t("desk.hold_size"), true);
    say(t("desk.hold_sending"));
    try {
      // Browsers that do not know a kind say nothing; the server looks itself.
      const body = new Blob([chosen], { type: chosen.type.startsWith("audio/") ? chosen.type : "audio/x-unknown" });
      await send("PUT", `/api/rooms/${slug}/hold`, { body });
      own.hidden = own.disabled = false;
      choice.value = "own";
      say(t("desk.hold_kept"));
    } catch (error) {
      const status = error instanceof Problem ? error.status : 0;
      if (status === 413) say(t("desk.hold_size"), true);
      else say([415, 422].includes(status) ? t("desk.hold_bad") : t("desk.hold_failed"), true);
    }
  });
}
