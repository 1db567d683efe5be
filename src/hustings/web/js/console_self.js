// One's own place: the microphone, the seat on the stage, and being muted. No UI.

import { memory } from "./console_link.js";
import { situation } from "./console_situation.js";
import { cannotAsk, Microphone, trouble } from "./microphone.js";
import { Seat } from "./seat.js";

const PROCESSING = /** @type {const} */ (["echoCancellation", "noiseSuppression", "autoGainControl"]);
/** How often the stage is told about the mute before the page gives up, and ms between. */
const TELLINGS = 8;
const BETWEEN = 500;

/**
 * @typedef {{changed: () => void, problem: (name: string, places?: Record<string, string | number>) => void,
 *   sound: (stream: MediaStream | null) => void, line: (line: import("./seat.js").Line) => void,
 *   opened: () => void}} Listener
 */

export class Self {
  /** @param {import("./console_context.js").Context} context @param {string} whip @param {Listener} listener */
  constructor(context, whip, listener) {
    this._context = context;
    this._whip = whip;
    this._listener = listener;
    this.microphone = new Microphone({ gone: () => listener.problem("unplugged") });
    /** @type {Seat | null} */
    this.seat = null;
    this.joined = this.left = this.dead = this.micOpen = false;
    this.muted = false;
    this._doors = "";
    /** Space is held: heard for so long, muted again afterwards. */
    this.held = false;
    const settings = this.microphone.settings;
    settings.deviceId = memory.get("microphone");
    for (const name of PROCESSING) settings[name] = memory.get(name, "true") === "true";
  }

  /** The ticket is known: the seat can be taken. @param {string} device */
  begin(device) {
    this.seat = new Seat(this._whip, this._context.api.ticket, {
      changed: (state, detail) => this._seatChanged(state, detail),
      sound: (stream) => this._listener.sound(stream),
      line: (line) => this._listener.line(line),
    }, device);
  }

  get situation() {
    const { room, me, only } = this._context.model;
    return situation({
      status: room.status, me, only, seat: this.seat?.state ?? "off", joined: this.joined, left: this.left, mic: this.micOpen,
      muted: this.muted, dead: this.dead,
    });
  }

  /** Something new is known about the room or about oneself. */
  updated() {
    const { room, me } = this._context.model;
    if (!this._telling && !this.held) this.muted = me.muted;
    this.microphone.muted = this.muted;
    const doors = `${room.status} ${room.locked ?? false}`;
    if (room.status === "ended" || room.status === "cancelled") this.leave(false);
    else if (room.status !== "scheduled" && doors !== this._doors) this.seat?.tryNow();
    this._doors = doors;
  }

  /** Asks for the microphone, or for another one. @returns {Promise<boolean>} */
  async open() {
    const reason = cannotAsk();
    if (reason) {
      this._listener.problem(reason);
      return false;
    }
    try {
      const track = await this.microphone.open();
      this.micOpen = true;
      memory.set("microphone", track.getSettings().deviceId ?? "");
      this._listener.problem("");
      if (this.joined) await this.seat?.replace(track);
      this._listener.opened();
    } catch (error) {
      this._listener.problem(trouble(error));
    }
    this._listener.changed();
    return this.micOpen;
  }

  /** @param {string} deviceId @param {Record<"echoCancellation" | "noiseSuppression" | "autoGainControl", boolean>} processing */
  async choose(deviceId, processing) {
    Object.assign(this.microphone.settings, processing, { deviceId });
    memory.set("microphone", deviceId);
    for (const name of PROCESSING) memory.set(name, String(processing[name]));
    if (this.micOpen) await this.open();
  }

  /** On the stage, or into the green room. */
  async join() {
    const track = await this.microphone.settled;
    if (!track) return void this.open();
    if (this.joined || !this.seat) return;
    this.joined = true;
    this.left = false;
    remember(true);
    this._listener.problem("");
    this.seat.take(track);
    this._listener.changed();
  }

  /** @param {boolean} [wanted] by oneself, or because it is over */
  leave(wanted = true) {
    if (!this.joined) return;
    this.joined = false;
    this.left = wanted;
    remember(false);
    this.seat?.leave();
    this._listener.sound(null);
    this._listener.changed();
  }

  /** The ticket does not hold any more. */
  die() {
    this.dead = true;
    this.joined = false;
    remember(false);
    this.seat?.leave();
    this.microphone.close();
    this.micOpen = false;
    this._listener.sound(null);
  }

  /** After a reload of the page: back to where one was, if the browser still gives the microphone. */
  async resume() {
    if (!wasThere()) return;
    const allowed = await navigator.permissions?.query?.({ name: /** @type {PermissionName} */ ("microphone") }).catch(() => null);
    if (allowed?.state === "granted" && await this.open()) await this.join();
  }

  toggleMute() {
    if (!this.micOpen || this.dead) return;
    this._setMuted(!this.muted);
  }

  /** Space goes down or up. @param {boolean} down */
  hold(down) {
    if (down === this.held || !this.micOpen || this.dead) return;
    if (down && !this.muted) return;
    this.held = down;
    this._setMuted(!down);
  }

  /** @param {boolean} muted */
  _setMuted(muted) {
    this.muted = muted;
    this.microphone.muted = muted;
    this._listener.changed();
    void this._tell();
  }

  /** The microphone is silent at once; the stage is told as well, until it knows. */
  async _tell() {
    if (this._telling) return;
    this._telling = true;
    let told = null;
    for (let tries = 0; told !== this.muted && tries < TELLINGS; tries += 1) {
      /** @type {boolean} */
      const wanted = this.muted;
      const answer = await this._context.api.post("/participants/me/mute", { muted: wanted }).catch(() => null);
      if (answer?.ok) {
        told = wanted;
        this._context.model.self(answer.body);
      } else {
        // Nobody has a seat yet to be muted in: then the microphone alone is, and the stage hears of it on joining.
        if (answer && answer.status < 500 && answer.status !== 429) break;
        await new Promise((resolve) => setTimeout(resolve, BETWEEN * (tries + 1)));
      }
    }
    this._telling = false;
    this._listener.changed();
  }

  /** @param {import("./seat.js").SeatState} state @param {{seconds?: number, reason?: string}} detail */
  _seatChanged(state, detail) {
    if (state === "server") this._listener.problem("server", { seconds: Math.max(1, Math.ceil(detail.seconds ?? 1)) });
    else if (["bad_ticket", "banned", "removed"].includes(state)) this._listener.problem(state);
    else if (state === "rejected" || state === "locked") this._listener.problem(state, { reason: detail.reason ?? "" });
    else if (state === "elsewhere") this._listener.problem("elsewhere");
    else if (state === "on" || state === "doors") this._listener.problem("");
    if (["rejected", "elsewhere", "bad_ticket", "banned", "removed"].includes(state)) {
      this.joined = false;
      remember(false);
    }
    this._listener.changed();
  }
}

const THERE = `hustings there ${location.pathname}`;

/** @param {boolean} there kept for this tab only: another tab does not go on stage by itself */
function remember(there) {
  try {
    if (there) sessionStorage.setItem(THERE, "yes");
    else sessionStorage.removeItem(THERE);
  } catch {
    // Then a reload asks again.
  }
}

function wasThere() {
  try {
    return sessionStorage.getItem(THERE) === "yes";
  } catch {
    return false;
  }
}
