import { runReplay } from "./replay/replay.ts";

/** `bun run replay`: looks into an event log. Resolves with the exit code. */
export function main(argv: readonly string[]): Promise<number> {
  return runReplay(argv, {
    print: (line) => {
      process.stdout.write(`${line}\n`);
    },
    printError: (line) => {
      process.stderr.write(`${line}\n`);
    },
  });
}

if (import.meta.main) process.exit(await main(process.argv.slice(2)));
