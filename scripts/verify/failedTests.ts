/** A test that failed, as `bun test` reports it. */
export type FailedTest = {
  /** Path of the file, from the repository's root; "" when the report does not say. */
  readonly file: string;
  readonly name: string;
  /** What went wrong, at most {@link REASON_LINES_MAX} lines. */
  readonly reason: readonly string[];
};

const REASON_LINES_MAX = 14;

/** Reads the failed tests out of what `bun test` printed, in its order. */
export function failedTests(output: string): readonly FailedTest[] {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: colours are control characters
  const lines = output.replace(/\u001b\[[0-9;]*m/g, "").split("\n");
  const failed: { file: string; name: string; reason: string[] }[] = [];
  let file = "";
  let reason: string[] = [];
  let isBetween = false;
  for (const line of lines) {
    const header = /^(\S+\.test\.tsx?):$/.exec(line)?.[1];
    const name = /^\(fail\) (.*?)(?: \[[\d.]+m?s\])?$/.exec(line)?.[1];
    if (header !== undefined) {
      file = header;
      reason = [];
    } else if (name !== undefined) {
      failed.push({ file, name, reason: reason.slice(0, REASON_LINES_MAX) });
      reason = [];
    } else if (/^ +\^ this test timed out/.test(line)) {
      failed.at(-1)?.reason.push(line.replace(/^ +\^ /, ""));
    } else if (/^error: |^\w*Error: /.test(line)) {
      // The last error before the verdict is the test's own.
      reason = [line];
    } else if (line === "# Unhandled error between tests") isBetween = true;
    else if (isBetween && /^-+$/.test(line)) {
      if (reason.length === 0) continue;
      failed.push({ file, name: "outside of any test", reason: reason.slice(0, REASON_LINES_MAX) });
      reason = [];
      isBetween = false;
    } else if (reason.length > 0 && line.trim() !== "") reason.push(line);
  }
  return failed;
}

/** For people: one paragraph a test. */
export function describeFailures(failed: readonly FailedTest[]): readonly string[] {
  return failed.flatMap(({ file, name, reason }) => [
    `${file === "" ? "" : `${file}: `}${name}`,
    ...reason.map((line) => `    ${line}`),
  ]);
}
