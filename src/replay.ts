import { runReplay } from "./replay/replay.ts";
import { onTerminal } from "./replay/terminal.ts";

/** `bun run replay`: looks into an event log. Resolves with the exit code. */
export function main(argv: readonly string[]): Promise<number> {
  return onTerminal((output) => runReplay(argv, output));
}

if (import.meta.main) process.exit(await main(process.argv.slice(2)));
