// A listener on the stage: the seat, the microphone's level, muted or not, and what the stage knows of it.

import { device } from "./listen_doors.js";
import { setPart } from "./room_view.js";
import { Seat } from "./seat.js";
import { slowWay } from "./speaker_ways.js";

const still = matchMedia("(prefers-reduced-motion: reduce)");

/**
 * @typedef {object} Means
 * @property {string} whip @property {string} slug @property {string} ticket
 * @property {import("./microphone.js").Microphone} microphone
 * @property {HTMLFormElement} form @property {import("./strings.js").Strings} strings
 */

export class OnStage {
  /** @param {Means} means @param {{over: (says: string) => void, trouble: (text: string) => void}} listener */
  constructor(means, listener) {
    this._means = means;
    this._listener = listener;
    this.muted = false;
    this._id = "";
    this._seated = false;
    this._live = false;
    this._byHost = false;
    this._sound = /** @type {HTMLAudioElement} */ (document.getElementById("stage-sound"));
    this._button = /** @type {HTMLButtonElement} */ (means.form.querySelector('[data-do="mute"]'));
    this._level = /** @type {HTMLElement} */ (means.form.querySelector('[data-part="level"]'));
    this._seat = new Seat(means.whip, means.ticket, {
      changed: (state) => this._changed(state),
      sound: (stream) => {
        this._sound.srcObject = stream;
        void this._sound.play().catch(() => undefined);
      },
      line: ({ extra }) => {
        const slow = extra === undefined ? "" : slowWay(means.strings.t, extra, this._seat.insists);
        if (slow !== this._slow) this._draw(slow);
      },
    }, device());
    this._ended = false;
    this._slow = "";
  }

  start() {
    const track = this._means.microphone.track;
    if (track) this._seat.take(track);
    this._meter = setInterval(() => this._level.style.setProperty("--level", this._means.microphone.level.toFixed(2)), still.matches ? 500 : 80);
    this._draw();
  }

  end() {
    this._ended = true;
    clearInterval(this._meter);
    this._seat.leave();
    this._means.microphone.close();
    this._sound.srcObject = null;
  }

  /** @param {boolean} muted the microphone is silent at once; the stage is told as well */
  mute(muted) {
    this.muted = muted;
    this._byHost = false;
    this._means.microphone.muted = muted;
    this._draw();
    void this._tell();
  }

  /** @param {import("./room_view.js").Room} room */
  room(room) {
    this._live = room.status === "live";
    const me = room.participants.find(({ id }) => id === this._id);
    // Sent back or removed: the seat is gone, so nobody has to wait until the line notices.
    if (this._seated && !me) return this._listener.over(this._means.strings.t("hand.back"));
    this._seated ||= Boolean(me);
    if (me?.muted_by_host && !this._telling && !this.muted) {
      this.muted = this._byHost = true;
      this._means.microphone.muted = true;
    }
    if (room.status === "ended") this._listener.over(this._means.strings.t("room.tell.ended"));
    else this._draw();
  }

  /** @param {import("./seat.js").SeatState} state */
  _changed(state) {
    const { t } = this._means.strings;
    if (this._ended) return;
    if (state === "on" && !this._id) void this._introduce();
    if (["bad_ticket", "banned", "removed", "rejected", "elsewhere"].includes(state)) return this._listener.over(t("hand.back"));
    this._listener.trouble(state === "server" ? t("hand.trouble.studio") : "");
    this._draw();
  }

  /** Which of the seats is this one: only then a host's mute can be seen. */
  async _introduce() {
    const answer = await this._post("me", undefined).catch(() => null);
    if (answer?.ok) this._id = (await answer.json()).id;
  }

  async _tell() {
    if (this._telling) return;
    this._telling = true;
    for (let tries = 0; tries < 6 && !this._ended; tries += 1) {
      const wanted = this.muted;
      const answer = await this._post("participants/me/mute", { muted: wanted }).catch(() => null);
      void answer?.arrayBuffer().catch(() => undefined);
      if (answer && answer.status < 500 && answer.status !== 429 && wanted === this.muted) break;
      if (wanted === this.muted) await new Promise((resolve) => setTimeout(resolve, 500 * (tries + 1)));
    }
    this._telling = false;
  }

  /** At the studio's door, beside WHIP. @param {string} what @param {object | undefined} body */
  _post(what, body) {
    const { whip, slug, ticket } = this._means;
    return fetch(new URL(`/api/rooms/${slug}/${what}`, whip), {
      method: "POST",
      headers: { Authorization: `Bearer ${ticket}`, ...(body ? { "Content-Type": "application/json" } : {}) },
      body: body && JSON.stringify(body),
      signal: AbortSignal.timeout(8000),
    });
  }

  /** @param {string} [slow] what is to be said of the slow way, "" on the fast one */
  _draw(slow = this._slow) {
    this._slow = slow;
    const { t } = this._means.strings;
    const { state } = this._seat;
    const on = state === "on";
    const heard = !on ? (state === "reconnecting" ? "reconnecting" : "nobody") : this._byHost ? "muted_by_host" : this.muted ? "muted" : this._live ? "heard" : "heard_stage";
    const hint = { nobody: "hand.connecting", reconnecting: "hand.reconnecting_hint", muted: "hand.muted_hint", muted_by_host: "hand.muted_hint", heard: "hand.heard_hint", heard_stage: "hand.heard_stage_hint" }[heard];
    const { form } = this._means;
    form.dataset.heard = heard;
    setPart(form, "heard", t(`hand.${heard}`));
    form.dataset.way = this._seat.way;
    setPart(form, "hint", [t(hint), on && this._seat.way === "socket" ? slow : ""].filter(Boolean).join(" "));
    this._button.setAttribute("aria-pressed", String(this.muted));
    this._button.textContent = t(this.muted ? "hand.unmute" : "hand.mute");
  }
}
