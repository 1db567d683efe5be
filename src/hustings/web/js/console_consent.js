// To be recorded or not: everybody says so for himself, before the stage, and may change his mind.

import { byId, setText, show } from "./console_dom.js";

export class Consent {
  /** @param {import("./console_context.js").Context} context @param {import("./console_self.js").Self} self */
  constructor(context, self) {
    this._context = context;
    this._self = self;
    byId("consent-agree").addEventListener("click", () => void this.agree(byId("consent-agree"), true));
    byId("consent-back").addEventListener("click", () => void this.agree(byId("consent-back"), false));
  }

  /** Whether the room records and this one has not agreed to it. */
  get open() {
    const { me } = this._context.model;
    return me.recording && !me.agreed_at;
  }

  /** @param {HTMLButtonElement} button @param {boolean} agree @returns {Promise<boolean>} whether it was taken */
  async agree(button, agree) {
    const { api, model, t } = this._context;
    const done = await this._context.run(button, () => api.post("/me/consent", { agree }));
    if (!done) return false;
    model.self(done.body);
    const inside = byId("consent-card").contains(document.activeElement);
    this.draw();
    if (inside) byId(agree ? "consent-back" : "consent-agree").focus();
    this._context.announce("consent", t(agree ? "console.consent.agreed" : "console.consent.not_agreed"));
    return true;
  }

  draw() {
    const { t, model: { me, room } } = this._context;
    const over = this._self.dead || ["ended", "cancelled"].includes(room.status);
    // Before the stage the choice is made by the button one goes there with.
    const asks = this.open && !this._self.joined;
    show(byId("consent"), asks);
    show(byId("consent-card"), me.recording && !asks && !over);
    byId("consent-card").toggleAttribute("data-agreed", !this.open);
    setText(byId("consent-says"), t(this.open ? "console.consent.not_agreed" : "console.consent.agreed"));
    show(byId("consent-agree"), this.open);
    show(byId("consent-back"), !this.open);
  }
}
