// Shows every <time data-show> in the reader's own zone. The server wrote it in UTC for those without script.

import { clock, date } from "./format.js";

const lang = document.documentElement.lang;
for (const element of document.querySelectorAll("time[data-show]")) {
  const iso = element.getAttribute("datetime");
  if (!iso) continue;
  element.textContent = element.getAttribute("data-show") === "date" ? date(iso, lang) : clock(iso, lang);
}
