// Times and numbers as people of a language write them. Pure (Intl only).

/** @param {number} seconds @returns {string} "4:07", "1:04:07" */
export function clockTime(seconds) {
  const whole = Math.max(0, Math.floor(seconds));
  const h = Math.floor(whole / 3600);
  const m = Math.floor(whole / 60) % 60;
  const s = String(whole % 60).padStart(2, "0");
  return h ? `${h}:${String(m).padStart(2, "0")}:${s}` : `${m}:${s}`;
}

/** What follows "in". @param {number} seconds @param {string} lang @returns {string} "12:30", "3 h 5 min", "12 days" for longer waits */
export function countdown(seconds, lang) {
  const whole = Math.max(0, Math.round(seconds));
  if (whole < 3600) return clockTime(whole);
  if (whole < 48 * 3600) return span(whole);
  // Relative, so that German has its dative: "in 12 Tagen".
  return new Intl.RelativeTimeFormat(locale(lang)).format(Math.round(whole / 86_400), "day").replace(/^in /, "");
}

/** @param {number} seconds @returns {string} "45 s", "12 min", "1 h 58 min"; the same in German and English */
export function span(seconds) {
  const whole = Math.max(0, Math.round(seconds));
  if (whole < 60) return `${whole} s`;
  const minutes = Math.round(whole / 60);
  if (minutes < 60) return `${minutes} min`;
  const hours = Math.floor(minutes / 60);
  if (hours >= 48) return `${Math.round(hours / 24)} d`;
  return minutes % 60 ? `${hours} h ${minutes % 60} min` : `${hours} h`;
}

/**
 * The clock time of a moment, in the reader's zone unless another is named.
 * @param {string} iso
 * @param {string} lang
 * @param {boolean} withSeconds
 * @param {string} [zone] IANA
 */
export function clock(iso, lang, withSeconds = false, zone = undefined) {
  return new Intl.DateTimeFormat(locale(lang), {
    hour: "2-digit", minute: "2-digit", hour12: false, timeZone: zone || undefined, ...(withSeconds ? { second: "2-digit" } : {}),
  }).format(new Date(iso));
}

/** @param {string} iso @param {string} lang */
export function date(iso, lang) {
  return new Intl.DateTimeFormat(locale(lang), { day: "numeric", month: "short", year: "numeric" }).format(new Date(iso));
}

/**
 * Day and time in words, in the reader's zone or in another one.
 * @param {string} iso @param {string} lang @param {string} [zone] IANA
 * @returns {string} "Thursday, 24 December 2026, 20:00"; in the reader's zone when the other one is not known here
 */
export function dayAndTime(iso, lang, zone) {
  /** @type {Intl.DateTimeFormatOptions} */
  const wanted = { weekday: "long", day: "numeric", month: "long", year: "numeric", timeZone: zone || undefined };
  const at = new Date(iso);
  try {
    return `${new Intl.DateTimeFormat(locale(lang), wanted).format(at)}, ${clock(iso, lang, false, zone)}`;
  } catch {
    return `${date(iso, lang)}, ${clock(iso, lang)}`;
  }
}

/** Whether clocks in `zone` show the same as the reader's at this moment. @param {string} iso @param {string} zone IANA */
export function sameClock(iso, zone) {
  try {
    const at = new Date(iso);
    const shown = (/** @type {string | undefined} */ timeZone) => at.toLocaleString("en", { timeZone });
    return shown(zone || "UTC") === shown(undefined);
  } catch {
    return true;
  }
}

/** @param {string} iso @param {Date} now @returns {boolean} whether it is on the reader's present day */
export function isToday(iso, now) {
  return new Date(iso).toDateString() === now.toDateString();
}

/** @param {number} value @param {string} lang @param {number} digits after the decimal sign */
export function number(value, lang, digits = 0) {
  return new Intl.NumberFormat(locale(lang), { minimumFractionDigits: digits, maximumFractionDigits: digits }).format(value);
}

/** @param {string} name @returns {string} "Ada Byron King" -> "AB" */
export function initials(name) {
  return name.trim().split(/\s+/).slice(0, 2).map((word) => [...word][0] ?? "").join("").toUpperCase();
}

/** @param {string} lang */
function locale(lang) {
  return lang === "en" ? "en-GB" : lang;
}
