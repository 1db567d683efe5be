// The console: the invitation, the check before the stage, one's own place, and for hosts everything they
// decide. One page, because a speaker may become host and the other way round. Here it is put together.

import { Agenda } from "./console_agenda.js";
import { Air } from "./console_air.js";
import { Api } from "./console_api.js";
import { Check } from "./console_check.js";
import { Consent } from "./console_consent.js";
import { closeMenus, Context } from "./console_context.js";
import { Dock } from "./console_dock.js";
import { byId, setText, show } from "./console_dom.js";
import { InvitationCard } from "./console_invitation.js";
import { Invite } from "./console_invite.js";
import { bindKeys } from "./console_keys.js";
import { arrive, device, forget, reason } from "./console_link.js";
import { Model } from "./console_model.js";
import { GreenRoom, Hands } from "./console_people.js";
import { Questions, Reactions } from "./console_questions.js";
import { RecordingPanel } from "./console_recording.js";
import { Self } from "./console_self.js";
import { Stage } from "./console_stage.js";
import { FocusKeeper } from "./focus.js";
import { watchStream } from "./loudness.js";
import { cannotAsk } from "./microphone.js";
import { RoomEvents } from "./room_events.js";
import { Strings } from "./strings.js";

/** What ends the page's work until somebody does something about it. */
const FATAL = ["ticket", "bad_ticket", "used", "expired", "withdrawn", "removed", "banned"];
/** What can be tried again, by the microphone or by the seat. */
const AGAIN = ["refused", "missing", "busy", "unplugged", "rejected", "elsewhere"];
/** Of who speaks others are told only so much: what a reader wants to know once. */
const TOLD = ["opened", "live", "ended", "joined", "left", "topic", "locked", "recording"];

/** Seconds after which a new pass is fetched: it holds for six hours. */
const PASS_AGAIN = 3600;

const still = matchMedia("(prefers-reduced-motion: reduce)");

class Console {
  /** @param {Strings} strings */
  constructor(strings) {
    const desk = byId("desk");
    this._device = device();
    this._fragment = location.hash.slice(1);
    const api = new Api(desk.dataset.api, this._device);
    const context = (this._context = new Context(strings, new Model(JSON.parse(byId("state").textContent)), api));
    this._others = 0;
    this._self = new Self(context, desk.dataset.whip, {
      changed: () => this._draw(),
      problem: (name, places) => this._problem(name, places),
      sound: (stream) => this._hear(stream),
      line: (line) => this._dock.line(line),
      opened: () => void this._check.list(),
    });
    const consent = new Consent(context, this._self);
    this._check = new Check(context, this._self, consent);
    this._recording = new RecordingPanel(context);
    this._dock = new Dock(context, this._self);
    this._invitation = new InvitationCard(context, () => this._answered());
    this._stage = new Stage(context, this._self);
    this._agenda = new Agenda(context);
    this._green = new GreenRoom(context, this._self);
    this._hands = new Hands(context);
    this._reactions = new Reactions(context);
    this._panels = [this._invitation, consent, this._check, this._dock, this._stage, new Air(context), this._recording, this._agenda, this._green, this._hands,
      new Questions(context), this._reactions, new Invite(context)];
    this._focus = new FocusKeeper();
    this._shown = "";
  }

  async run() {
    this._bind();
    this._draw();
    if (!(await this._arrive())) return;
    if (!(await this._introduce())) return;
    this._self.begin(this._device);
    void this._pass();
    this._follow();
    this._draw();
    const cannot = cannotAsk();
    if (cannot) this._problem(cannot);
    else await this._self.resume();
  }

  _bind() {
    closeMenus();
    byId("unblock").addEventListener("click", () => void this._play());
    byId("keys-button").addEventListener("click", () => this._keys());
    byId("complaint-close").addEventListener("click", () => this._context.complain(""));
    bindKeys({
      mute: () => this._self.toggleMute(),
      hold: (down) => this._self.hold(down),
      next: () => this._agenda.next(),
      record: () => void this._recording.turn(),
      hands: () => this._context.model.me.conducts && byId("hands").focus(),
      keys: () => this._keys(),
    }, byId("mic"));
    const frame = () => {
      this._frame();
      still.matches ? setTimeout(frame, 400) : requestAnimationFrame(frame);
    };
    frame();
    setInterval(() => {
      for (const panel of this._panels) if ("tick" in panel) panel.tick();
      this._focus.keep();
    }, 500);
    // Another invitation opened in this tab is another page.
    window.addEventListener("hashchange", () => location.reload());
  }

  /** From the link to a ticket. @returns {Promise<boolean>} */
  async _arrive() {
    const arrival = await this._insist(() => arrive(this._fragment, this._context.api));
    if (arrival.problem) {
      this._dead(arrival.problem);
      return false;
    }
    this._context.api.ticket = arrival.ticket;
    return true;
  }

  /** Says who this is, which also tells the host that the invitation was read. @returns {Promise<boolean>} */
  async _introduce() {
    const answer = await this._insist(async () => {
      const said = await this._context.api.post("/me");
      if (said.status >= 500 || said.status === 429) throw new Error(String(said.status));
      return said;
    });
    if (answer.ok) {
      this._context.model.self(answer.body);
      return true;
    }
    forget(this._fragment);
    this._dead(reason(answer, "bad_ticket"));
    return false;
  }

  /** Whoever is invited does not wait before the audience's door: the links to it say so, always anew. */
  async _pass() {
    const { api } = this._context;
    const answer = await api.post(api.ticket ? "/me/pass" : "/pass").catch(() => null);
    if (answer?.body.address) for (const id of ["public", "listen"]) byId(id).href = answer.body.address;
    setTimeout(() => void this._pass(), PASS_AGAIN * 1000);
  }

  /** Tries until the studio answers. @template T @param {() => Promise<T>} ask @returns {Promise<T>} */
  async _insist(ask) {
    for (let wait = 1; ; wait = Math.min(8, wait * 2)) {
      try {
        const answer = await ask();
        if (this._shown === "server") this._problem("");
        return answer;
      } catch {
        const seconds = wait * (0.7 + 0.6 * Math.random());
        this._problem("server", { seconds: Math.ceil(seconds) });
        await new Promise((resolve) => setTimeout(resolve, seconds * 1000));
      }
    }
  }

  _follow() {
    const { api, model } = this._context;
    this._events = new RoomEvents(byId("desk").dataset.events, { ticket: api.ticket, device: this._device }, {
      state: (room, me, host, event) => {
        model.whole(room, me ?? model.me, host);
        this._updated();
        if (event) this._tell(event);
      },
      levels: (levels) => model.levels(levels),
      reactions: (counts) => this._reactions.add(counts),
      line: (up) => show(byId("no-line"), !up),
      bad: () => void this._lost(),
    });
    this._events.start();
  }

  /** The socket says that the ticket does not hold: why, the API knows. */
  async _lost() {
    const answer = await this._context.api.post("/me").catch(() => null);
    const why = answer && !answer.ok ? reason(answer, "bad_ticket") : "bad_ticket";
    // Taken back from somebody who is here already is more than an invitation that no longer holds.
    this._dead(why === "withdrawn" && this._self.joined ? "removed" : why);
  }

  _updated() {
    const { me } = this._context.model;
    if (me.seat === "removed") return this._dead("removed");
    if (me.invitation === "withdrawn" || me.invitation === "expired") return this._dead(me.invitation);
    this._self.updated();
    this._draw();
  }

  /** After an answer to the invitation. */
  _answered() {
    const { me } = this._context.model;
    if (me.invitation === "declined") this._self.leave(false);
    this._draw();
    if (me.invitation === "accepted" && !this._self.micOpen) byId("check").focus();
  }

  /** @param {string} problem */
  _dead(problem) {
    this._events?.stop();
    this._self.die();
    this._problem(problem);
    this._draw();
  }

  /** @param {{kind: string, data: Record<string, any>, changed: Record<string, any>}} event */
  _tell({ kind, data }) {
    const { t, model } = this._context;
    if (!TOLD.includes(kind) && !(model.me.conducts && ["hand", "lapsed"].includes(kind))) return;
    const name = String(data?.name ?? model.room.participants.find(({ id }) => id === data?.participant_id)?.name ?? "");
    if (["joined", "left", "hand", "lapsed"].includes(kind) && (!name || data?.participant_id === model.me.id)) return;
    if (kind === "topic" && !data?.title) return;
    if (kind === "recording") return this._context.announce(kind, t(`console.told.recording_${data.state}`));
    this._context.announce(kind, t(`console.told.${kind === "locked" && !model.room.locked ? "unlocked" : kind}`, { name, title: String(data?.title ?? "") }));
  }

  /** @param {MediaStream | null} stream the others */
  _hear(stream) {
    byId("sound").srcObject = stream;
    this._unwatch?.();
    this._others = 0;
    if (!stream) return;
    this._unwatch = watchStream(stream, (level) => (this._others = level));
    void this._play();
  }

  async _play() {
    try {
      await byId("sound").play();
      show(byId("unblock"), false);
    } catch (error) {
      show(byId("unblock"), /** @type {any} */ (error)?.name === "NotAllowedError");
    }
  }

  /** @param {string} name "" for none @param {Record<string, string | number>} [places] */
  _problem(name, places = {}) {
    const { t } = this._context;
    this._shown = name;
    show(byId("problem"), Boolean(name));
    if (name) {
      setText(byId("problem-title"), t(`speak.problem.${name}.title`));
      setText(byId("problem-text"), t(`speak.problem.${name}.text`, places));
      const action = byId("problem-action");
      show(action, AGAIN.includes(name));
      show(byId("listen"), FATAL.includes(name) && Boolean(byId("listen").getAttribute("href")));
      setText(action, t(name === "elsewhere" ? "speak.problem.elsewhere.action" : "speak.problem.again"));
      action.onclick = () => void (["rejected", "elsewhere"].includes(name) ? this._self.join() : this._self.open());
    }
    this._state();
  }

  /** Where one is, in one word: for the page's looks, and for tests. */
  _state() {
    const desk = byId("desk");
    const shown = this._shown;
    const overrules = FATAL.includes(shown) || (shown && !this._self.joined && shown !== "server");
    desk.dataset.state = overrules ? shown : this._context.model.me.id ? this._self.situation.name : "loading";
  }

  _keys() {
    const dialog = byId("keys");
    if (dialog.open) dialog.close();
    else dialog.showModal();
  }

  /** Everything that follows from what is known. */
  _draw() {
    const { model: { me, room } } = this._context;
    const desk = byId("desk");
    const before = ["offered", "seen", "declined"].includes(me.invitation) && !me.conducts;
    desk.dataset.conducts = me.conducts ? "yes" : "no";
    desk.toggleAttribute("data-green", me.place === "green" && this._self.joined);
    this._invitation.hidden = this._self.joined || this._self.dead;
    show(desk, !this._self.dead);
    show(byId("jump"), me.conducts && !this._self.dead);
    show(byId("stage-card"), !before && !["cancelled"].includes(room.status));
    for (const panel of this._panels) panel.draw();
    this._focus.keep();
    this._state();
  }

  /** What follows the sound. */
  _frame() {
    const { microphone, micOpen } = this._self;
    const mine = micOpen ? microphone.level : 0;
    if (micOpen) this._check.hear(mine, microphone.clipped);
    this._dock.meter(mine);
    this._stage.levels(mine, this._others);
    this._green.levels();
  }
}

const page = new Console(await Strings.load());
void page.run();
