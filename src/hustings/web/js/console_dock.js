// What is always in view: am I heard, by whom, how loud, for how long still; and the button that mutes.

import { byId, setText, show } from "./console_dom.js";
import { turn } from "./console_times.js";
import { slowWay } from "./speaker_ways.js";

/** Share of packets lost, and round trip in ms, from which the connection is called weak. */
const WEAK_LOSS = 3;
const WEAK_MS = 300;

export class Dock {
  /** @param {import("./console_context.js").Context} context @param {import("./console_self.js").Self} self */
  constructor(context, self) {
    this._context = context;
    this._self = self;
    this._peak = 0;
    this._turn = "";
    byId("mic").addEventListener("click", () => self.toggleMute());
    byId("leave").addEventListener("click", () => self.leave());
    byId("back-on-air").addEventListener("click", () => {
      void context.run(byId("back-on-air"), () => context.api.post("/participants/me/aside", { guest_id: "" }));
    });
  }

  draw() {
    const { t, model: { me, room } } = this._context;
    const self = this._self;
    const now = self.situation;
    const heard = byId("heard");
    setText(heard, now.heard === "aside" ? (now.only ? t("console.heard.only", { name: now.only }) : t("console.heard.host_only"))
      : t(`speak.heard.${now.heard}`));
    heard.dataset.tone = now.tone;
    setText(byId("hint"), now.hint === "none" ? "" : now.hint === "declined" ? t("speak.declined") : t(`speak.hint.${now.hint}`));
    setText(byId("you"), me.name ? t("speak.you_named", { name: me.name }) : t("speak.you"));
    const over = self.dead || ["ended", "cancelled"].includes(room.status);
    show(byId("dock"), !self.dead && (me.id !== "" || self.joined));
    byId("dock").dataset.tone = now.tone;
    const mic = byId("mic");
    mic.disabled = !self.micOpen || over;
    mic.setAttribute("aria-pressed", String(self.muted));
    show(byId("dock-level"), self.micOpen && !over);
    show(byId("leave"), self.joined);
    setText(byId("leave"), t(me.place === "green" ? "console.leave_green" : "speak.leave"));
    show(byId("back-on-air"), me.aside && me.conducts && self.joined);
    show(byId("dock-keys"), self.joined);
    if (!self.joined) show(byId("unblock"), false);
    const on = self.seat?.state === "on";
    if (now.name !== "heard" && !on) setText(byId("line"), "");
    show(byId("slow-says"), self.joined && on && self.seat?.way === "socket");
    byId("desk").dataset.way = self.seat?.way ?? "";
    this.tick();
  }

  /** The clock that was set for oneself; told twice: when it runs out soon, and when it has. */
  tick() {
    const { t, model: { me } } = this._context;
    const left = turn(this._self.joined ? me.clock_until : null, Date.now());
    const element = byId("clock");
    element.dataset.state = left.state;
    show(element, Boolean(left.state));
    if (left.state) setText(element, t(left.state === "over" ? "console.clock.over" : "console.clock.left", { time: left.time }));
    if (left.state !== this._turn) {
      if (left.state === "soon") this._context.announce("clock", t("console.clock.soon"));
      if (left.state === "over") this._context.announce("clock", t("console.clock.ended"));
      if (left.state === "running") this._context.announce("clock", t("console.clock.set", { time: left.time }));
      this._turn = left.state;
    }
  }

  /** @param {number} level 0..1 */
  meter(level) {
    this._peak = Math.max(level, this._peak * 0.92);
    const value = this._peak.toFixed(3);
    byId("level").style.setProperty("--level", value);
    byId("dock-level").style.setProperty("--level", value);
  }

  /** @param {import("./seat.js").Line} line */
  line(line) {
    const { t } = this._context;
    if (line.rtt === null || this._self.seat?.state !== "on") return;
    const ms = Math.round(line.rtt * 1000);
    const loss = Math.round((line.loss ?? 0) * 100);
    const weak = loss >= WEAK_LOSS || ms > WEAK_MS;
    const element = byId("line");
    element.className = weak ? "warn" : "";
    setText(element, weak ? t("speak.line.weak", { ms, loss }) : t("speak.line.good", { ms }));
    if (line.extra !== undefined) setText(byId("slow-says"), slowWay(t, line.extra, this._self.seat.insists));
    Object.assign(byId("desk").dataset, { rttMs: String(ms), loss: String(loss) });
  }
}
