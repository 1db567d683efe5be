// The files the scribe makes, on the recording's page: links to what there is, how far the others are.

import { number } from "./format.js";

const AGAIN = 3000;
const NAMES = { mp3: "replay.file_mp3", m4a: "replay.file_made_m4a", flac: "replay.file_flac" };

/** @typedef {{ kind: keyof typeof NAMES, url: string, bytes: number }} Made */
/** @typedef {{ kind: keyof typeof NAMES, state: "waiting" | "making" | "failed", progress: number }} Making */

/** Shows them at the top of `list`, and goes on as long as something is being made.
 * @param {HTMLElement} list @param {string} base @param {import("./strings.js").Strings} strings */
export async function showDownloads(list, base, strings) {
  /** @type {Map<string, HTMLLIElement>} */
  const lines = new Map();
  for (;;) {
    const answer = await fetch(`${base}downloads.json`);
    if (!answer.ok) return;
    /** @type {{ downloads: Made[], making: Making[] }} */
    const { downloads, making } = await answer.json();
    const pending = making.filter((each) => each.state !== "failed" && NAMES[each.kind]);
    for (const kind of /** @type {(keyof typeof NAMES)[]} */ (Object.keys(NAMES)).reverse()) {
      const made = downloads.find((each) => each.kind === kind);
      const coming = pending.find((each) => each.kind === kind);
      const line = lines.get(kind) ?? document.createElement("li");
      if (made && line.dataset.state !== "made") line.replaceChildren(link(made, base, strings));
      else if (!made && coming) show(line, coming, strings);
      else if (!made) line.remove();
      line.dataset.state = made ? "made" : "coming";
      if ((made || coming) && !line.isConnected) list.prepend(line);
      lines.set(kind, line);
    }
    if (!pending.length) return;
    await new Promise((done) => setTimeout(done, AGAIN));
  }
}

/** @param {Made} made @param {string} base @param {import("./strings.js").Strings} strings */
function link(made, base, strings) {
  const to = document.createElement("a");
  to.href = base + made.url;
  to.download = "";
  to.textContent = `${strings.t(NAMES[made.kind])} `;
  const size = document.createElement("span");
  size.className = "soft";
  size.textContent = strings.t("replay.mega", { n: number(made.bytes / 1e6, strings.lang, 1) });
  to.append(size);
  return to;
}

/** The bar stays the same one while it grows: nothing is read out again.
 * @param {HTMLLIElement} line @param {Making} coming @param {import("./strings.js").Strings} strings */
function show(line, coming, strings) {
  let bar = line.querySelector("progress");
  if (!bar) {
    const label = document.createElement("label");
    bar = document.createElement("progress");
    bar.max = 1;
    label.append(`${strings.t("replay.making", { name: strings.t(NAMES[coming.kind]) })} `, bar);
    line.replaceChildren(label);
  }
  bar.value = coming.progress;
}
