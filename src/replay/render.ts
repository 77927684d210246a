/** One line of a terminal table. */
export type TableRow = readonly string[];

/** Lays rows out in columns as wide as their widest cell. Control characters never reach the terminal. */
export function renderTable(head: TableRow, rows: readonly TableRow[]): string {
  const all = [head, ...rows].map((row) => row.map(printable));
  const widths = head.map((_, column) => Math.max(...all.map((row) => row[column]?.length ?? 0)));
  return all
    .map((row) =>
      row
        .map((cell, column) => (column === row.length - 1 ? cell : cell.padEnd(widths[column] ?? 0)))
        .join("  ")
        .trimEnd(),
    )
    .join("\n");
}

/** Text from a peer, safe to print. */
export function printable(text: string): string {
  let safe = "";
  for (const character of text) {
    const code = character.codePointAt(0) ?? 0;
    safe += code < 32 || (code >= 127 && code < 160) ? "\u00b7" : character;
  }
  return safe;
}

/** A moment as operators read it: UTC with milliseconds. */
export function renderTime(ms: number): string {
  return new Date(ms).toISOString().replace("T", " ").replace("Z", "");
}

/** JSON with bigint as decimal text: what `--json` prints. */
export function renderJson(value: unknown): string {
  return JSON.stringify(value, (_, inner: unknown) => (typeof inner === "bigint" ? inner.toString() : inner));
}

/** The fields of an event in one line, long values cut. */
export function renderFields(event: Readonly<Record<string, unknown>>): string {
  return Object.entries(event)
    .filter(([name]) => name !== "type")
    .map(([name, value]) => `${name}=${shorten(value)}`)
    .join(" ");
}

const valueLengthMax = 48;

function shorten(value: unknown): string {
  const text = typeof value === "object" ? renderJson(value) : String(value);
  return text.length <= valueLengthMax ? text : `${text.slice(0, valueLengthMax - 1)}…`;
}
