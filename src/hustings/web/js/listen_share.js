// Sheets over the page: share and embed, and the keys. Loaded when asked for.

import { clipName } from "./clip_model.js";
import { fromTemplate, setPart } from "./room_view.js";

/** @param {HTMLElement} root @param {string} part */
const field = (root, part) => /** @type {HTMLInputElement} */ (root.querySelector(`[data-part="${part}"]`));

/** @param {string} template @returns {HTMLDialogElement} */
function sheet(template) {
  const dialog = /** @type {HTMLDialogElement} */ (fromTemplate(template));
  document.body.append(dialog);
  dialog.addEventListener("close", () => dialog.remove());
  dialog.addEventListener("click", (event) => event.target === dialog && dialog.close());
  dialog.querySelector('[data-do="close"]')?.addEventListener("click", () => dialog.close());
  dialog.showModal();
  return dialog;
}

export function showKeys() {
  sheet("keys-template");
}

/** @param {string} title @param {string} slug @param {import("./strings.js").Strings} strings */
export function showShare(title, slug, strings) {
  const dialog = sheet("share-template");
  const address = new URL(`/r/${slug}`, location.href).href;
  const safe = title.replace(/[&<>"]/g, (char) => `&#${char.charCodeAt(0)};`);
  field(dialog, "link").value = address;
  field(dialog, "embed").value = `<iframe src="${address}/embed" title="${safe}" width="600" height="200" allow="autoplay" loading="lazy"></iframe>`;
  for (const button of dialog.querySelectorAll("[data-copy]")) {
    button.addEventListener("click", async () => {
      const source = field(dialog, /** @type {HTMLElement} */ (button).dataset.copy ?? "");
      source.select();
      // Without a secure address there is no clipboard; the old way still copies what is selected.
      const done = await (navigator.clipboard?.writeText(source.value).then(() => true, () => false) ?? document.execCommand("copy"));
      setPart(dialog, "done", done ? strings.t("room.copied") : "");
    });
  }
  void offerClip(/** @type {HTMLAnchorElement} */ (dialog.querySelector('[data-part="clip"]')), address);
  const send = /** @type {HTMLElement} */ (dialog.querySelector('[data-do="send"]'));
  send.hidden = !navigator.share;
  send.addEventListener("click", () => void navigator.share({ title, url: address }).catch(() => undefined));
}

/** What was said last, s, and how often it is looked where that is. */
const LAST = 60;
const AGAIN = 3000;

/**
 * Leads to a clip of the last minute that is recorded, as long as the broadcast goes on.
 * @param {HTMLAnchorElement} link @param {string} address the room's
 */
async function offerClip(link, address) {
  while (link.isConnected) {
    const answer = await fetch(`${address}/replay/timeline.json`).catch(() => null);
    const timeline = answer?.ok ? await answer.json().catch(() => null) : null;
    link.hidden = !timeline || timeline.over;
    if (timeline && !timeline.over) {
      // Rounded down: nothing is cut out of what is not there yet.
      const to = Math.floor((timeline.duration - timeline.begins) * 5) / 5;
      link.href = `${address}/clip/${timeline.broadcast}/${clipName(Math.max(0, to - LAST), to, timeline.begins)}`;
    }
    await new Promise((done) => setTimeout(done, AGAIN));
  }
}
