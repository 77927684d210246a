/**
 * One line of CSV (RFC 4180): cells with a comma, a quote or a line break are quoted; null is an empty cell.
 *
 * Texts come from peers, and a sheet runs a cell that begins like a formula: those get an apostrophe in front.
 * Numbers, fractions and negative amounts stay as they are.
 */
export function csvLine(cells: readonly (string | number | null)[]): string {
  return cells.map((cell) => (cell === null ? "" : csvCell(String(cell)))).join(",");
}

function csvCell(text: string): string {
  const isNumber = /^-?[0-9]+(\/[0-9]+)?$/.test(text);
  const safe = !isNumber && /^[=+\-@\t\r]/.test(text) ? `'${text}` : text;
  return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}
