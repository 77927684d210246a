/** What a step proved, in tests; a check that is not a test suite counts as one. */
export type Counts = { readonly passed: number; readonly failed: number; readonly skipped: number };

/**
 * Reads the summary that `bun test` prints at its end. Null when there is none: the run crashed or was killed.
 */
export function countTests(output: string): Counts | null {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: colours are control characters
  const plain = output.replace(/\u001b\[[0-9;]*m/g, "");
  const summary = plain.lastIndexOf("\nRan ");
  if (summary < 0) return null;
  const tail = plain.slice(Math.max(0, summary - 600), summary);
  // The last line of its kind: tests may print anything before.
  const number = (what: string) =>
    Number([...tail.matchAll(new RegExp(`^\\s*(\\d+) ${what}$`, "gm"))].at(-1)?.[1] ?? 0);
  // A file that does not load is one `fail` and one `error` of the same cause.
  return { passed: number("pass"), failed: number("fail"), skipped: number("skip") + number("todo") };
}
