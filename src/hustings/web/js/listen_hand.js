// A raised hand, and what becomes of it: a place in the queue, being called, the microphone, the stage, listening again.
// The ticket is made here; only its hash is shown to anybody before it is used. Loaded when somebody wants to speak.

import { device, memory, random, send } from "./listen_doors.js";
import { isOlder } from "./room_state.js";
import { fromTemplate, setPart, setText } from "./room_view.js";

/** A hand that is not in the queue after so long did not arrive, s. */
const ARRIVES = 10;
/** Looks at the room's state, a second apart, before a hand raised before a reload counts as taken down. */
const LOOKS = 3;

/**
 * @typedef {"down" | "wish" | "sending" | "waiting" | "called" | "stage"} Step
 * @typedef {object} HandListener
 * @property {(on: boolean) => void} stage whether this listener is on the stage now: the broadcast is silent meanwhile
 * @property {(text: string) => void} tell says something aloud, and beside the player
 */

/** @param {string} text @returns {Promise<string>} SHA-256, hex */
async function digest(text) {
  const bytes = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(text));
  return [...new Uint8Array(bytes)].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

export class Hand {
  /**
   * @param {string} slug @param {HTMLElement} panel where to ask @param {HTMLButtonElement} button
   * @param {import("./strings.js").Strings} strings @param {HandListener} listener
   */
  constructor(slug, panel, button, strings, listener) {
    this._slug = slug;
    this._panel = panel;
    this._button = button;
    this._strings = strings;
    this._listener = listener;
    /** @type {Step} */
    this.step = "down";
    this._ticket = "";
    this._request = "";
    /** In which the request is known to be; one told later that lacks it says that it is gone. @type {import("./room_view.js").Room | null} */
    this._seen = null;
    this._back = false;
    /** Whether the room records, and this one agrees to it; null: not known. @type {{recording: boolean, agreed_at: string | null} | null} */
    this._me = null;
    /** @type {import("./room_view.js").Room | null} */
    this._room = null;
    /** @type {import("./listen_stage.js").OnStage | null} */
    this._stage = null;
    const form = (this._form = /** @type {HTMLFormElement} */ (fromTemplate("hand-template")));
    this._name = /** @type {HTMLInputElement} */ (form.elements.namedItem("name"));
    this._name.value = memory.get("name");
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      void this._raise();
    });
    form.addEventListener("keydown", (event) => event.key === "Escape" && this.step === "wish" && this._to("down"));
    form.addEventListener("click", (event) => {
      const deed = /** @type {Element} */ (event.target).closest("[data-do]")?.getAttribute("data-do");
      if (deed === "close") this._to("down");
      else if (deed === "lower") void this._lower();
      else if (deed === "speak") void this._speak(true);
      else if (deed === "without") void this._speak(false);
      else if (deed === "consent") void this._turn();
      else if (deed === "mute") this.mute();
      else if (deed === "leave") this._leave();
    });
    panel.replaceChildren(form);
    this._draw();
  }

  /** After a reload: what was raised before, if it still is. @param {import("./room_view.js").Room} room */
  async resume(room) {
    const ticket = memory.get(`hand ${this._slug}`);
    if (!ticket || this._ticket) return;
    const request = (await digest(ticket)).slice(0, 32);
    const known = (/** @type {import("./room_view.js").Room} */ { hands }) => hands.queue.includes(request) || hands.called.includes(request);
    let waits = known(room);
    const seat = !waits && (await this._hasSeat(ticket, room.links.whip));
    // The page a reload brings may be some seconds old, older than the hand: not forgotten before that is over.
    for (let looks = 0; !waits && !seat && looks < LOOKS; looks += 1) {
      if (looks) await new Promise((resolve) => setTimeout(resolve, 1000));
      const answer = await fetch(`/r/${this._slug}/state.json`, { cache: "no-cache" }).catch(() => null);
      if (answer?.ok) waits = known((room = await answer.json()));
      if (this._ticket) return;
    }
    // Answers may come in another order than they were told: what the page itself knows may be newer.
    const own = this._room ?? room;
    waits &&= known(own) || isOlder(own, room);
    if (!waits && !seat) {
      memory.set(`hand ${this._slug}`, "");
      if (["open", "live", "paused"].includes(room.status) && room.hands.open) this._listener.tell(this._strings.t("hand.gone"));
      return;
    }
    this._ticket = ticket;
    this._request = request;
    this._seen = room;
    if (seat) return this._called();
    this._to("waiting");
    if (known(own) || room.hands.called.includes(request)) this.room(known(own) ? own : room);
    else this._place(room.hands.queue.indexOf(request) + 1, room.hands.queue.length);
  }

  /** Whether this listener was on the stage before the page was loaded again. @param {string} ticket @param {string} whip */
  async _hasSeat(ticket, whip) {
    const me = await this._ask(ticket, whip, "/me");
    this._back = me !== null && !["removed", ""].includes(me.seat);
    return this._back;
  }

  /**
   * What the studio says of this listener. @param {string} ticket @param {string} whip @param {string} path @param {object} [body]
   * @returns {Promise<any>} null when it says nothing
   */
  async _ask(ticket, whip, path, body) {
    try {
      const answer = await fetch(new URL(`/api/rooms/${this._slug}${path}`, whip), {
        method: "POST", headers: { Authorization: `Bearer ${ticket}`, ...(body ? { "Content-Type": "application/json" } : {}) },
        body: body && JSON.stringify(body), signal: AbortSignal.timeout(8000),
      });
      if (!answer.ok) return null;
      const me = await answer.json();
      if (ticket === this._ticket || !this._ticket) this._me = me;
      return me;
    } catch {
      return null; // The studio is away; a hand can be raised again.
    }
  }

  /** Whether the room records and this one has not agreed to it. */
  get _open() {
    return Boolean(this._me?.recording && !this._me.agreed_at);
  }

  /** @param {boolean} agree @returns {Promise<boolean>} whether it was taken */
  async _agree(agree) {
    const done = await this._ask(this._ticket, this._room?.links.whip ?? "", "/me/consent", { agree });
    this._trouble(done ? "" : this._strings.t("hand.trouble.studio"));
    this._draw();
    return Boolean(done);
  }

  /** On the stage one changes one's mind. */
  async _turn() {
    if (await this._agree(this._open)) this._listener.tell(this._strings.t(this._open ? "hand.not_agreed" : "hand.agreed"));
  }

  /** The button and H: up, or down again. */
  toggle() {
    if (this.step === "down") this._wish();
    else if (this.step === "wish") this._to("down");
    else if (this.step === "waiting" || this.step === "called") void this._lower();
  }

  /** M on the stage. @returns {boolean} whether there was something to mute */
  mute() {
    if (this.step !== "stage" || !this._stage) return false;
    this._stage.mute(!this._stage.muted);
    return true;
  }

  /** @param {import("./room_view.js").Room} room as it is now */
  room(room) {
    this._room = room;
    const { queue, called } = room.hands;
    const place = queue.indexOf(this._request);
    this._stage?.room(room);
    if (this.step === "sending" || this.step === "waiting" || this.step === "called") {
      if (called.includes(this._request)) {
        if (this.step !== "called") this._called();
      } else if (place >= 0) {
        this._seen = room;
        if (this.step !== "waiting") this._to("waiting");
        this._back = false;
        this._place(place + 1, queue.length);
      } else if (this._seen && !isOlder(room, this._seen) && !this._back && this.step !== "sending") {
        this._forget();
        this._to("down");
        this._listener.tell(this._strings.t("hand.taken_down"));
      }
    }
    if (this.step === "wish" && !room.hands.open) this._to("down");
    this._draw();
  }

  async _wish() {
    const { cannotAsk } = await import("./microphone.js");
    const reason = cannotAsk();
    if (reason || !crypto.subtle) return this._listener.tell(this._strings.t(`hand.trouble.${reason ?? "insecure"}`));
    this._to("wish");
    this._name.focus();
  }

  async _raise() {
    const { t } = this._strings;
    const name = this._name.value.trim();
    if (this.step !== "wish") return;
    if (!name) {
      this._trouble(t("hand.no_name"));
      return this._name.focus();
    }
    memory.set("name", name);
    const ticket = `t_${random(24)}`;
    const hash = await digest(ticket);
    this._to("sending");
    const sent = await send(this._slug, "hand", { name, ticket_hash: hash, device: device() });
    if (!sent.ok) {
      this._to("wish");
      const seconds = Math.max(1, sent.wait);
      return this._trouble(sent.status === 429 ? t("hand.too_often", { seconds }) : sent.status === 409 ? t("hand.closed") : t("hand.not_sent"));
    }
    this._ticket = ticket;
    this._request = hash.slice(0, 32);
    this._seen = null;
    memory.set(`hand ${this._slug}`, ticket);
    setTimeout(() => {
      if (this.step !== "sending") return;
      this._forget();
      this._to("wish");
      this._trouble(t("hand.not_sent"));
    }, ARRIVES * 1000);
    if (this._room) this.room(this._room);
  }

  async _lower() {
    const ticket = this._ticket;
    this._forget();
    this._to("down");
    this._listener.tell(this._strings.t("hand.down"));
    // Said again until it is heard: a hand that stays up by mistake costs a room its patience.
    for (let tries = 0; ticket && tries < 4; tries += 1) {
      const sent = await send(this._slug, "hand", { lower: true, ticket });
      if (sent.ok || (sent.status >= 400 && sent.status < 500 && sent.status !== 429)) return;
      await new Promise((resolve) => setTimeout(resolve, 1000 * (1 + Math.max(tries, sent.wait))));
    }
  }

  _called() {
    this._to("called");
    const whip = this._room?.links.whip;
    if (whip) void this._ask(this._ticket, whip, "/me").then(() => this._draw());
    this._listener.tell(this._strings.t("hand.called"));
    /** @type {HTMLElement} */ (this._form.querySelector('[data-do="speak"]')).focus();
  }

  /** @param {boolean} agree where it is still open, to be recorded */
  async _speak(agree) {
    const { cannotAsk, Microphone, trouble } = await import("./microphone.js");
    const reason = cannotAsk();
    const whip = this._room?.links.whip;
    if (reason || !whip) return this._trouble(this._strings.t(`hand.trouble.${reason ?? "studio"}`));
    const microphone = new Microphone({ gone: () => this._trouble(this._strings.t("hand.trouble.unplugged")) });
    try {
      await microphone.open();
    } catch (error) {
      return this._trouble(this._strings.t(`hand.trouble.${trouble(error)}`));
    }
    const { OnStage } = await import("./listen_stage.js");
    if (agree && this._open && !(await this._agree(true))) return microphone.close();
    if (this.step !== "called") return microphone.close();
    this._stage = new OnStage({ whip, slug: this._slug, ticket: this._ticket, microphone, form: this._form, strings: this._strings }, {
      over: (says) => this._over(says),
      trouble: (text) => this._trouble(text),
    });
    this._to("stage");
    this._listener.stage(true);
    this._stage.start();
    if (this._room) this._stage.room(this._room);
    /** @type {HTMLElement} */ (this._form.querySelector('[data-do="mute"]')).focus();
  }

  _leave() {
    void this._lowerQuietly();
    this._over(this._strings.t("hand.back"));
  }

  /** Who leaves the stage by himself gives the seat up, too. */
  async _lowerQuietly() {
    await send(this._slug, "hand", { lower: true, ticket: this._ticket });
  }

  /** @param {string} says */
  _over(says) {
    this._stage?.end();
    this._stage = null;
    this._forget();
    this._to("down");
    this._listener.stage(false);
    this._listener.tell(says);
    this._button.focus();
  }

  _forget() {
    memory.set(`hand ${this._slug}`, "");
    this._ticket = this._request = "";
    this._me = null;
    this._seen = null;
    this._back = false;
  }

  /** @param {number} place @param {number} count */
  _place(place, count) {
    const { t } = this._strings;
    const said = place === 1 ? t("hand.next") : t("hand.place", { place, count });
    const line = /** @type {HTMLElement} */ (this._form.querySelector('[data-part="place"]'));
    if (line.textContent === said) return;
    setText(line, said);
    this._listener.tell(said);
  }

  /** @param {Step} step */
  _to(step) {
    this.step = step;
    this._trouble("");
    if (step === "sending") setPart(this._form, "place", this._strings.t("hand.sending"));
    const inside = this._panel.contains(document.activeElement);
    this._draw();
    // What was pressed is gone: back to the button, or on to what is said now.
    if (inside) (this._panel.hidden ? this._button : this._panel).focus();
  }

  _draw() {
    const { step } = this;
    const shown = step === "sending" ? "waiting" : step;
    for (const set of this._form.querySelectorAll("fieldset")) set.hidden = set.disabled = set.dataset.step !== shown;
    this._panel.hidden = step === "down";
    this._panel.dataset.step = step;
    const up = step === "waiting" || step === "sending" || step === "called";
    const room = this._room;
    const here = room !== null && ["open", "live", "paused"].includes(room.status);
    this._button.hidden = step === "stage" || !(up || (here && room.hands.open));
    this._button.setAttribute("aria-pressed", String(up));
    setText(this._button, this._strings.t(up ? "hand.lower" : "hand.raise"));
    this._drawConsent();
  }

  _drawConsent() {
    const { t } = this._strings;
    const open = this._open;
    const part = (/** @type {string} */ name) => /** @type {HTMLElement} */ (this._form.querySelector(`[data-part="${name}"], [data-do="${name}"]`));
    part("consent").hidden = part("without").hidden = !open;
    setPart(this._form, "speak", t(open ? "hand.agree_speak" : "hand.speak"));
    part("agreed").hidden = part("consent-turn").hidden = !this._me?.recording;
    setPart(this._form, "agreed", t(open ? "hand.not_agreed" : "hand.agreed"));
    setPart(this._form, "consent-turn", t(open ? "hand.agree" : "hand.take_back"));
  }

  /** @param {string} text */
  _trouble(text) {
    setPart(this._form, "trouble", text);
  }
}
