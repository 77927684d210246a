import { runChain } from "./devchain/runChain.ts";
import { readOptions, usage } from "./devchain/options.ts";
import { streamAsGateway } from "./devchain/streamAsGateway.ts";

/*
 * A chain of one's own, with Livepeer's contracts as we wrote them for tests, accounts and key files:
 *
 *   bun run devchain                     the chain, until Ctrl-C
 *   bun run devchain stream [seconds]    a gateway that pays for a test picture
 */

/** Runs `bun run devchain`. Resolves with the exit code. */
export async function main(args: readonly string[]): Promise<number> {
  const read = readOptions(args);
  if (read.type === "help") {
    console.log(usage);
    return 0;
  }
  if (read.type === "mistake") {
    console.error(`devchain: ${read.text}\n\n${usage}`);
    return 2;
  }
  const stopped = new AbortController();
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => stopped.abort());
  const print = (line: string): void => console.log(line);
  try {
    if (read.type === "stream") await streamAsGateway(read.options, print, stopped.signal);
    else await runChain(read.options, print, stopped.signal);
    return 0;
  } catch (error) {
    console.error(`devchain: ${error instanceof Error ? error.message : String(error)}`);
    return 1;
  }
}
