// Parts of the page that change seldom are drawn by the server alone: when they do, they are taken from the page anew.

import { showTimes } from "./times.js";

/** Members of the room's state that such parts show. */
const SELDOM = /** @type {const} */ ([
  "title", "description", "scheduled_at", "time_zone", "weekly", "cover", "topics", "pinned", "status", "language", "links", "start",
]);

/** @param {Record<string, any>} now @param {Record<string, any>} before */
export function changedSeldom(now, before) {
  return SELDOM.some((name) => now[name] !== before[name] && JSON.stringify(now[name]) !== JSON.stringify(before[name]));
}

/** Replaces every [data-fresh] by what it is now. Without a line all stays. */
export async function refresh() {
  try {
    const answer = await fetch(location.href, { cache: "no-cache", headers: { Accept: "text/html" } });
    if (!answer.ok) return;
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    for (const old of document.querySelectorAll("[data-fresh]")) {
      const next = page.getElementById(old.id);
      if (!next || next.outerHTML === old.outerHTML) continue;
      showTimes(next);
      old.replaceWith(document.adoptNode(next));
    }
    document.title = page.title;
  } catch {
    // Next time, then.
  }
}
