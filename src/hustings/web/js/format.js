// Times and numbers as people of a language write them. Pure (Intl only).

/** @param {number} seconds @returns {string} "4:07", "1:04:07" */
export function clockTime(seconds) {
  const whole = Math.max(0, Math.floor(seconds));
  const h = Math.floor(whole / 3600);
  const m = Math.floor(whole / 60) % 60;
  const s = String(whole % 60).padStart(2, "0");
  return h ? `${h}:${String(m).padStart(2, "0")}:${s}` : `${m}:${s}`;
}

/** @param {number} seconds @returns {string} "12:30", "3 h 05 min", "2 d" for longer waits */
export function countdown(seconds) {
  const whole = Math.max(0, Math.round(seconds));
  if (whole < 3600) return clockTime(whole);
  return span(whole);
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
 * The reader's own clock time of a moment.
 * @param {string} iso
 * @param {string} lang
 * @param {boolean} withSeconds
 */
export function clock(iso, lang, withSeconds = false) {
  return new Intl.DateTimeFormat(locale(lang), {
    hour: "2-digit", minute: "2-digit", hour12: false, ...(withSeconds ? { second: "2-digit" } : {}),
  }).format(new Date(iso));
}

/** @param {string} iso @param {string} lang */
export function date(iso, lang) {
  return new Intl.DateTimeFormat(locale(lang), { day: "numeric", month: "short", year: "numeric" }).format(new Date(iso));
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
