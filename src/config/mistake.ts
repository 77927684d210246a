/** One thing that keeps the node from starting, and what to do about it. */
export type Mistake = {
  /** The flag it is about, without dash; null when it is about no flag or an unknown one. */
  readonly flag: string | null;
  /** What is wrong. go-livepeer's own words where it has a clean message, because scripts look for them. */
  readonly text: string;
  /** What to do now, one sentence. */
  readonly fix: string;
  /**
   * The exit status go-livepeer has for it: 2 for the command line and the service port, 1 for the rest. Where
   * go-livepeer ends with 0 in spite of the error, we end with 1, so that a supervisor notices.
   */
  readonly exitCode: 1 | 2;
};

/** The start-up text for all mistakes together. */
export function renderMistakes(mistakes: readonly Mistake[]): string {
  const things = mistakes.length === 1 ? "one setting needs" : `${mistakes.length} settings need`;
  const lines = [`Reprise did not start: ${things} a correction.`];
  for (const [index, mistake] of mistakes.entries()) {
    lines.push(`  ${index + 1}. ${mistake.text}`, `     Fix: ${mistake.fix}`);
  }
  return `${lines.join("\n")}\n`;
}
