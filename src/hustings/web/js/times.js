// Shows every <time data-show> in the reader's own zone. The server wrote it in UTC for those without script.

import { clock, date } from "./format.js";

/** @param {ParentNode} within */
export function showTimes(within) {
  const { lang } = document.documentElement;
  for (const element of within.querySelectorAll("time[data-show]")) {
    const iso = element.getAttribute("datetime");
    if (!iso) continue;
    const how = element.getAttribute("data-show");
    // To the tenth where that was measured.
    const tenth = how === "exact" ? (iso.match(/\.\d/)?.[0] ?? "").replace(".", lang === "de" ? "," : ".") : "";
    element.textContent = how === "date" ? date(iso, lang) : clock(iso, lang, how === "exact") + tenth;
  }
}

showTimes(document);
