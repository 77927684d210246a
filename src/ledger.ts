import { runLedger } from "./ledger/ledgerCommand.ts";
import { onTerminal } from "./replay/terminal.ts";

/** `bun run ledger`: what gateways paid and used. Resolves with the exit code. */
export function main(argv: readonly string[]): Promise<number> {
  return onTerminal((output) => runLedger(argv, output));
}

if (import.meta.main) process.exit(await main(process.argv.slice(2)));
