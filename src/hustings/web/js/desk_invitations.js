// Who is invited: offer a seat, show its link this once, see the answers, take an offer back.

import { asData } from "./desk_cover.js";
import { byId, call, Problem, send } from "./desk_api.js";
import { clock, date as day } from "./format.js";

/** @typedef {{id: string, name: string, role: string, public: boolean, state: string, since: string, word: string,
 *   proposed_at: string | null, expires_at: string | null, own: boolean, by_hand: boolean}} Invitation */

const GONE = ["withdrawn", "expired"];

export class Invitations {
  /**
   * @param {import("./strings.js").Strings} strings @param {string} slug
   * @param {{ask: (title: string, text: string, yes: string) => Promise<boolean>, tell: (error: unknown) => void, drawn: () => void}} page
   */
  constructor(strings, slug, { ask, tell, drawn }) {
    this._strings = strings;
    this._base = `/api/rooms/${slug}`;
    this._slug = slug;
    this._ask = ask;
    this._tell = tell;
    this._drawn = drawn;
    this._list = byId("invitations");
    this._template = /** @type {HTMLTemplateElement} */ (byId("invitation-template"));
    this._shown = "";
    this._name = /** @type {HTMLInputElement} */ (byId("invite-name"));
    const button = /** @type {HTMLButtonElement} */ (byId("invite-button"));
    button.disabled = false;
    byId("invite").addEventListener("submit", (event) => {
      event.preventDefault();
      void this._busy(button, () => this._invite());
    });
    this._list.addEventListener("click", (event) => this._pressed(/** @type {HTMLElement} */ (event.target)));
    byId("secret-copy").addEventListener("click", () => void copy(byId("secret-link"), byId("people-says"), strings));
    byId("secret-done").addEventListener("click", () => this._hide());
    byId("secret-calendar").addEventListener("click", () => void this._busy(null, () => this._calendar(this._shown)));
  }

  /** Draws what the room says; what is typed and what is shown once stays. @param {Invitation[]} all */
  show(all) {
    const others = all.filter((one) => !one.own && !one.by_hand);
    byId("nobody").hidden = others.length > 0;
    const known = new Map([...this._list.children].map((line) => [/** @type {HTMLElement} */ (line).dataset.id, line]));
    for (const one of others) {
      let line = /** @type {HTMLElement | undefined} */ (known.get(one.id));
      known.delete(one.id);
      if (!line) {
        const fresh = /** @type {DocumentFragment} */ (this._template.content.cloneNode(true));
        line = /** @type {HTMLElement} */ (fresh.firstElementChild);
        this._list.append(line);
      }
      this._fill(line, one);
    }
    for (const line of known.values()) line.remove();
    this._drawn();
  }

  /** @param {HTMLElement} line @param {Invitation} one */
  _fill(line, one) {
    const { t, lang } = this._strings;
    const holds = !GONE.includes(one.state);
    line.dataset.id = one.id;
    line.dataset.state = one.state;
    const moment = (/** @type {string | null} */ at) => (at ? `${day(at, lang)}, ${clock(at, lang)}` : "");
    const texts = {
      name: one.name,
      role: t(`role.${one.role}`),
      public: one.public ? t("desk.public_yes") : t("desk.public_no"),
      answer: t(`invitation.${one.state}`, { date: day(one.since, lang) }),
      word: one.word,
      proposed: one.proposed_at ? t("desk.proposes", { time: moment(one.proposed_at) }) : "",
      expires: one.expires_at && holds ? t("desk.expires_at", { time: moment(one.expires_at) }) : "",
    };
    for (const [name, text] of Object.entries(texts)) {
      const element = /** @type {HTMLElement} */ (line.querySelector(`[data-part=${name}]`));
      if (element.textContent !== text) element.textContent = text;
      if (["word", "proposed", "expires"].includes(name)) element.hidden = !text;
    }
    const actions = /** @type {HTMLElement} */ (line.querySelector("[data-part=actions]"));
    actions.hidden = !holds;
    for (const button of /** @type {NodeListOf<HTMLElement>} */ (actions.querySelectorAll("[data-do]"))) {
      button.setAttribute("aria-label", `${button.textContent}: ${one.name}`);
    }
  }

  async _invite() {
    const fault = byId("name-fault");
    const empty = !this._name.value.trim();
    fault.hidden = !empty;
    this._name.setAttribute("aria-invalid", String(empty));
    if (empty) {
      fault.textContent = this._strings.t("desk.name_missing");
      this._name.focus();
      return;
    }
    const days = Number(/** @type {HTMLSelectElement} */ (byId("invite-until")).value);
    const made = await call("POST", `${this._base}/invitations`, {
      name: this._name.value,
      role: /** @type {HTMLSelectElement} */ (byId("invite-role")).value,
      public: /** @type {HTMLInputElement} */ (byId("invite-public")).checked,
      ...(days ? { expires_at: new Date(Date.now() + days * 86_400_000).toISOString() } : {}),
    });
    this._name.value = "";
    await this.refresh();
    await this._reveal(made.id, made.name, made.link);
  }

  /** Asks the server anew. */
  async refresh() {
    const room = await call("GET", this._base);
    this.show(room.invitations);
    return room;
  }

  /** @param {HTMLElement} target */
  _pressed(target) {
    const button = /** @type {HTMLButtonElement | null} */ (target.closest("[data-do]"));
    const line = /** @type {HTMLElement | null} */ (target.closest("[data-id]"));
    if (!button || !line) return;
    const id = line.dataset.id ?? "";
    const name = line.querySelector("[data-part=name]")?.textContent ?? "";
    if (button.dataset.do === "withdraw") void this._busy(button, () => this._withdraw(id, name));
    else if (button.dataset.do === "link") void this._busy(button, () => this._renew(id, name));
    else void this._busy(button, () => this._calendar(id));
  }

  /** @param {string} id @param {string} name */
  async _withdraw(id, name) {
    const { t } = this._strings;
    if (!(await this._ask(t("desk.withdraw_title", { name }), t("desk.withdraw_text"), t("desk.withdraw")))) return;
    await call("POST", `${this._base}/invitations/${id}/withdraw`);
    if (this._shown === id) this._hide();
    await this.refresh();
    byId("people-says").textContent = t("desk.withdrawn", { name });
  }

  /** @param {string} id @param {string} name */
  async _renew(id, name) {
    const { link } = await call("POST", `${this._base}/invitations/${id}/link`);
    await this._reveal(id, name, link);
  }

  /** The link, this once. @param {string} id @param {string} name @param {string} link */
  async _reveal(id, name, link) {
    this._shown = id;
    const box = byId("secret");
    byId("secret-title").textContent = this._strings.t("desk.link_for", { name });
    /** @type {HTMLInputElement} */ (byId("secret-link")).value = link;
    box.hidden = false;
    box.focus();
    await draw(this._slug, link, byId("secret-qr"));
  }

  _hide() {
    byId("secret").hidden = true;
    /** @type {HTMLInputElement} */ (byId("secret-link")).value = "";
    byId("secret-qr").removeAttribute("src");
    this._shown = "";
    this._name.focus();
  }

  /** @param {string} id */
  async _calendar(id) {
    try {
      const file = await send("GET", `${this._base}/invitations/${id}/calendar.ics?lang=${this._strings.lang}`);
      save(await file.blob(), `${this._slug}.ics`);
    } catch (error) {
      if (!(error instanceof Problem) || error.status !== 404) throw error;
      byId("people-says").textContent = this._strings.t("desk.no_date");
    }
  }

  /** One at a time; what goes wrong is told. @param {HTMLButtonElement | null} button @param {() => Promise<void>} work */
  async _busy(button, work) {
    // Not `disabled`, which would take the focus away from it, and from a dialog the way back.
    if (button?.getAttribute("aria-busy") === "true") return;
    button?.setAttribute("aria-busy", "true");
    byId("people-says").textContent = "";
    try {
      await work();
      this._tell(null);
    } catch (error) {
      this._tell(error);
    } finally {
      button?.removeAttribute("aria-busy");
    }
  }
}

/** Draws a link as a QR code. @param {string} slug @param {string} link @param {HTMLElement} image */
export async function draw(slug, link, image) {
  const picture = await send("POST", `/api/rooms/${slug}/qr`, { json: { text: link } });
  /** @type {HTMLImageElement} */ (image).src = await asData(await picture.blob());
  image.hidden = false;
}

/** @param {HTMLElement} field @param {HTMLElement} says @param {import("./strings.js").Strings} strings */
export async function copy(field, says, strings) {
  const input = /** @type {HTMLInputElement} */ (field);
  input.select();
  try {
    await navigator.clipboard.writeText(input.value);
    says.textContent = strings.t("desk.copied");
  } catch {
    // Without TLS there is no clipboard; the link is selected for Ctrl+C.
    says.textContent = strings.t("desk.copy_by_hand");
  }
}

/** @param {Blob} blob @param {string} name */
function save(blob, name) {
  const anchor = document.createElement("a");
  anchor.href = URL.createObjectURL(blob);
  anchor.download = name;
  anchor.click();
  setTimeout(() => URL.revokeObjectURL(anchor.href), 10_000);
}
