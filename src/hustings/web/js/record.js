// The page of a public record: checks the record in this browser and says what came of it.

import { clock, date, number } from "./format.js";
import { check, cryptoOf } from "./record_check.js";
import { Strings } from "./strings.js";
import "./times.js";

/** Bytes up to which it is checked without being asked. */
const AT_ONCE = 4_000_000;

/** @param {string} id */
const byId = (id) => /** @type {HTMLElement} */ (document.getElementById(id));

const strings = await Strings.load();
const { t, lang } = strings;
const box = byId("check");
const verdict = byId("verdict");
const more = byId("verdict-more");
const { record = "", room = "" } = box.dataset;
const bytes = Number(box.dataset.bytes);
const memory = `hustings-record:${room}`;
/** @type {import("./record_check.js").Verdict | null} */
let found = null;

byId("address").textContent = new URL(record.replace(/\/record\.jsonl$/, ""), location.href).href;

/** @param {"none" | "busy" | "whole" | "part" | "broken"} state @param {string} says @param {string} [hint] */
function say(state, says, hint = "") {
  verdict.dataset.state = state;
  verdict.textContent = says;
  more.textContent = hint;
  more.hidden = !hint;
}

/** @param {number} n */
const figure = (n) => number(n, lang);

async function run() {
  byId("check-now").hidden = true;
  if (!globalThis.crypto?.subtle) {
    say("part", t("record.unsafe"), t("record.unsafe_more"));
    return;
  }
  let text;
  try {
    const answer = await fetch(record, { cache: "no-cache" });
    if (!answer.ok) throw new Error(String(answer.status));
    text = await answer.text();
  } catch {
    say("none", t("record.unread"), t("record.unread_more"));
    byId("check-now").hidden = false;
    return;
  }
  const crypt = await cryptoOf(crypto.subtle);
  found = await check(text, crypt, (done, all) => say("busy", t("record.checking", { n: figure(done), all: figure(all) })));
  mark(found);
  show(found, text);
}

/** @param {import("./record_check.js").Verdict} of @param {string} text */
function show(of, text) {
  const other = shownOtherwise(of);
  if (!of.ok) {
    const last = of.bad === text.split("\n").length - 2;
    const says = last ? t("record.broken_head") : t("record.broken", { n: figure(of.bad ?? 0) });
    say("broken", says, t("record.broken_more", { why: t(`record.bad.${of.why}`) }));
  } else if (other !== null) {
    say("broken", t("record.broken", { n: figure(other) }), t("record.bad.shown"));
  } else if (of.signed) {
    say("whole", t("record.whole", { n: figure(of.entries) }), t("record.whole_more", { time: clock(new Date().toISOString(), lang, true) }));
  } else {
    say("part", t("record.chain_only", { n: figure(of.entries) }), t("record.chain_only_more"));
  }
  remembered(of);
}

/** Number of an entry on this page that is none of the record; null: all are. @param {import("./record_check.js").Verdict} of */
function shownOtherwise(of) {
  for (const line of /** @type {NodeListOf<HTMLElement>} */ (document.querySelectorAll("[data-hash]"))) {
    const seq = Number(line.id.slice(1));
    if (seq < of.entries && of.hashes[seq] !== line.dataset.hash) return seq;
  }
  return null;
}

/** What does not hold is marked in the list, too. @param {import("./record_check.js").Verdict} of */
function mark(of) {
  for (const line of /** @type {NodeListOf<HTMLElement>} */ (document.querySelectorAll("[data-hash]"))) {
    line.toggleAttribute("data-broken", of.hashes[Number(line.id.slice(1))] !== line.dataset.hash);
  }
}

// --- the state of an earlier visit, only if somebody has asked for it ------------------------------

/** @param {import("./record_check.js").Verdict} of */
function remembered(of) {
  const button = byId("keep");
  const says = byId("since-visit");
  /** @type {{n: number, hash: string, at: string} | null} */
  let before = null;
  try {
    before = JSON.parse(localStorage.getItem(memory) ?? "null");
    button.hidden = !of.ok;
  } catch {
    button.hidden = true;
  }
  says.hidden = !before;
  if (!before) return;
  const same = of.hashes[before.n] === before.hash;
  says.dataset.state = same ? "whole" : "broken";
  says.textContent = t(same ? "record.as_before" : "record.not_as_before", { n: figure(before.n), date: date(before.at, lang) });
}

byId("keep").addEventListener("click", () => {
  if (!found?.ok) return;
  const n = found.entries - 1;
  try {
    localStorage.setItem(memory, JSON.stringify({ n, hash: found.hashes[n], at: new Date().toISOString() }));
  } catch {
    return;
  }
  const says = byId("since-visit");
  says.hidden = false;
  says.dataset.state = "whole";
  says.textContent = t("record.kept", { n: figure(n) });
});

byId("check-now").addEventListener("click", () => void run());
if (bytes <= AT_ONCE) await run();
else {
  say("none", t("record.long", { size: number(bytes / 1e6, lang, 1) }));
  byId("check-now").hidden = false;
}
