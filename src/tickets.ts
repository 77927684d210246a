import { randomBytes } from "node:crypto";
import type { ImportPorts } from "./ledger/importTickets.ts";
import { onTerminal } from "./replay/terminal.ts";
import { runTickets } from "./ledger/ticketsCommand.ts";

/** `bun run tickets`: looks at winning tickets, takes them out and in. Resolves with the exit code. */
export function main(argv: readonly string[]): Promise<number> {
  return onTerminal((output) => runTickets(argv, output, openImportPorts));
}

/** Only an import checks signatures: the others run without our C library. */
async function openImportPorts(): Promise<ImportPorts> {
  const { recoverPersonalSigner } = await import("./native/ffi.ts");
  return {
    recoverSigner: recoverPersonalSigner,
    nowMs: () => Date.now(),
    randomBytes: (length) => new Uint8Array(randomBytes(length)),
  };
}

if (import.meta.main) process.exit(await main(process.argv.slice(2)));
