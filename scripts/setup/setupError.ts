/** Set-up cannot go on; the message is for the operator and says what to do. */
export class SetupError extends Error {}

/** One progress line. To standard error, so that `replay --json` stays clean. */
export function tell(line: string): void {
  process.stderr.write(`reprise: ${line}\n`);
}
