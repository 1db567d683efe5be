// Tables as other programs read them: comma-separated values (RFC 4180). Pure.

/** A text that a spreadsheet would take for a formula: names and titles are other people's. */
const FORMULA = /^[=+\-@\t\r]/;

/** One value (RFC 4180, 2.5 to 2.7). @param {string | number | boolean} value */
function cell(value) {
  if (typeof value !== "string") return String(value);
  const text = FORMULA.test(value) ? `'${value}` : value;
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

/**
 * A header line and the rows, each line with CRLF at its end (RFC 4180, 2.1).
 * @param {string[]} head @param {(string | number | boolean)[][]} rows
 */
export function csv(head, rows) {
  return [head, ...rows].map((row) => `${row.map(cell).join(",")}\r\n`).join("");
}
