import { relative } from "node:path";
import type { DevchainRecord } from "./folder.ts";
import type { ChainOptions } from "./options.ts";

/** What a newcomer is told about a chain that has just started. */
export function introduction(record: DevchainRecord, options: ChainOptions): readonly string[] {
  const config = shortPath(record.nodeConfig);
  const out = options.outDir.endsWith("/.build/devchain") ? "" : ` --out ${shortPath(options.outDir)}`;
  return [
    `A chain of your own: ${record.url}, chain id ${record.chainId}, network name devnet`,
    `  a block every ${record.blockTimeS} s, a round every ${record.roundLength} blocks${options.hasKeeper ? "" : "; nobody starts them"}`,
    `  Controller    ${record.controller}`,
    `  orchestrator  ${record.orchestrator.account}  100 ETH, ${options.isRegistered ? "5,000 LPT and 5,000 LPT of stake" : "10,000 LPT"}`,
    `  gateway       ${record.gateway.account}  90 ETH, 10 ETH deposit, 10 ETH reserve`,
    `  key files and their password (devchain) are in ${shortPath(options.outDir)}; never use these keys elsewhere`,
    "",
    "1. Start an orchestrator on it, in another terminal:",
    `     bun run orchestrator -- -config ${config}`,
    "   which stands for",
    ...commandLines(record.nodeFlags),
    "",
    ...(options.isRegistered
      ? ["2. It is registered already, and active. Look at it:"]
      : [
          "2. Register it, in a third terminal; it is active from the next round on:",
          `     bun run cli register 5000 --rewardCut 10 --feeCut 95 --serviceUri https://${record.serviceAddr} -config ${config}`,
        ]),
    `     bun run cli status -config ${config}`,
    "",
    "3. Let a gateway pay it:",
    `     bun run devchain stream 60${out}`,
    "   or with go-livepeer:",
    `     livepeer -gateway -network devnet -ethUrl ${record.url} -ethController ${record.controller} \\`,
    `       -ethKeystorePath ${shortPath(record.gateway.keystore)} -ethAcctAddr ${record.gateway.account} \\`,
    `       -ethPassword ${shortPath(record.passwordFile)} -blockPollingInterval 1 -dataDir ${shortPath(options.outDir)}/gateway \\`,
    `       -orchAddr https://${record.serviceAddr} -rtmpAddr 127.0.0.1:1935`,
    "",
    "4. Watch: what happens on the chain is said below; what the node makes of it:",
    `     bun run tickets list --dataDir ${shortPath(options.outDir)}/node`,
    `     bun run ledger --dataDir ${shortPath(options.outDir)}/node --by day`,
    "",
    "Ctrl-C ends the chain, and with it everything that is on it.",
    "",
  ];
}

function commandLines(flags: readonly string[]): readonly string[] {
  const pairs: string[] = [];
  for (let at = 0; at < flags.length; at += 2) {
    const value = flags[at + 1] ?? "";
    pairs.push(`${flags[at]} ${value.startsWith("/") ? shortPath(value) : value}`);
  }
  return [
    "     bun run orchestrator -- \\",
    ...pairs.map((pair, at) => `       ${pair}${at < pairs.length - 1 ? " \\" : ""}`),
  ];
}

/** A path as one would type it here. */
function shortPath(path: string): string {
  const short = relative(process.cwd(), path);
  return short.startsWith("..") ? path : short;
}
