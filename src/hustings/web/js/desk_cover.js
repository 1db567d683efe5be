// A room's picture: chosen or dropped; sent at once when the room exists, else kept until it does.

import { byId, Problem, send } from "./desk_api.js";

const TYPES = ["image/png", "image/jpeg", "image/webp", "image/avif"];
const MAX_BYTES = 8 * 1024 * 1024;

export class Cover {
  /** @param {import("./strings.js").Strings} strings @param {string} slug "" while there is no room */
  constructor(strings, slug) {
    this._t = strings.t;
    this._slug = slug;
    /** @type {File | null} */
    this._kept = null;
    this._box = byId("cover");
    this._image = /** @type {HTMLImageElement} */ (byId("cover-image"));
    this._drop = /** @type {HTMLButtonElement} */ (byId("cover-drop"));
    this._says = byId("cover-says");
    const file = /** @type {HTMLInputElement} */ (byId("cover-file"));
    file.addEventListener("change", () => {
      if (file.files?.[0]) void this._take(file.files[0]);
      file.value = "";
    });
    this._drop.addEventListener("click", () => void this._remove());
    this._box.addEventListener("dragover", (event) => {
      event.preventDefault();
      this._box.dataset.over = "";
    });
    for (const name of ["dragleave", "drop"]) this._box.addEventListener(name, () => delete this._box.dataset.over);
    this._box.addEventListener("drop", (event) => {
      event.preventDefault();
      const dropped = event.dataTransfer?.files[0];
      if (dropped) void this._take(dropped);
    });
  }

  /** Sends what was chosen before the room existed. @param {string} slug */
  async send(slug) {
    this._slug = slug;
    if (this._kept) await send("PUT", `/api/rooms/${slug}/cover`, { body: this._kept });
    this._kept = null;
  }

  /** @param {File} file */
  async _take(file) {
    if (!TYPES.includes(file.type)) return this._say("desk.cover_type");
    if (file.size > MAX_BYTES) return this._say("desk.cover_size");
    if (!this._slug) {
      this._kept = file;
      this._show(await asData(file));
      return this._say("");
    }
    this._say("desk.cover_sending");
    try {
      const room = await (await send("PUT", `/api/rooms/${this._slug}/cover`, { body: file })).json();
      this._show(`/covers/${room.details.cover}-small.webp`);
      this._say("desk.cover_kept");
    } catch (error) {
      this._failed(error);
    }
  }

  async _remove() {
    try {
      if (this._slug) await send("DELETE", `/api/rooms/${this._slug}/cover`);
      this._kept = null;
      this._show("");
      this._say("desk.cover_gone");
      byId("cover-file").focus();
    } catch (error) {
      this._failed(error);
    }
  }

  /** @param {unknown} error */
  _failed(error) {
    const known = error instanceof Problem;
    const key = known && error.status === 415 ? "desk.cover_type" : known && error.status === 413 ? "desk.cover_size" : "";
    if (key) this._say(key);
    else this._say(known && error.status === 422 ? "desk.cover_bad" : "desk.cover_failed");
    this._says.classList.add("warn");
  }

  /** @param {string} address */
  _show(address) {
    this._image.hidden = this._drop.hidden = !address;
    this._box.dataset.has = address ? "yes" : "no";
    if (address) this._image.src = address;
    else this._image.removeAttribute("src");
  }

  /** @param {string} key */
  _say(key) {
    this._says.classList.remove("warn");
    this._says.textContent = key ? this._t(key) : "";
  }
}

/** @param {Blob} blob @returns {Promise<string>} a data: address, which the page's policy lets show */
export function asData(blob) {
  return new Promise((resolve, reject) => {
    const reader = new FileReader();
    reader.onload = () => resolve(String(reader.result));
    reader.onerror = () => reject(reader.error);
    reader.readAsDataURL(blob);
  });
}
