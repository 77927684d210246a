import type { Figure } from "./chain/benchChain.ts";
import { defaultPoll, fastPoll } from "./chain/fastBlocks.ts";
import { gas } from "./chain/gas.ts";
import { outage } from "./chain/outage.ts";
import { rhythm } from "./chain/rhythm.ts";
import { serving } from "./chain/serving.ts";
import { starts } from "./chain/starts.ts";
import { argument, isSmall, printFigure, printHeader } from "./support.ts";

/*
 * Question: what does a node cost and how soon does it act, where it meets a chain: gas, requests, seconds to the
 * reward and to redemption, and what gateways notice of a slow or dead RPC endpoint?
 *
 * Method: a local chain with contracts of ours, real node processes behind an endpoint that counts, delays and dies.
 * Nothing is asked of the endpoint but by the node: what the bench itself wants to know it asks the chain.
 *
 * Bound: gas is what the contract takes: 134.6k + 80.55k a ticket in a batch, 198k alone. A poll each 12 s is 5
 * requests a minute, and the fees and logs 1 to 2 more. A reward waits for the poll that sees the round (3 s near a
 * boundary), three round trips and a block; winners wait 2.5 s for company.
 *
 * Wanted: in the lines themselves. go-livepeer's figures, measured on Livepeer's contracts, stand beside them.
 *
 *   --only gas,outage      some parts only: gas, rhythm, slow, fast, starts, serving, outage
 *   --outage SECONDS       length of the outage; default 120
 *
 * Last, 2 × AMD EPYC with other programs on both cores: gas 0.52 × at 5, 0.42 × at 20, 0.40 × at 40. Idle 5.5 requests
 * with 6.8 calls a minute; a start 2, a new sender 1; a round change 5 requests to the mined reward, 0.7 to 2.3 s after
 * the start of the round; 20 winners 4.8 to 6.9 s in 8 requests. GetOrchestrator p99 8.8 ms with an RPC of 5 s, 7.0 ms
 * with a dead one. Port open after 0.6 to 0.9 s with a light key whatever the RPC does, 0.9 to 2 s with a standard one,
 * whose scrypt takes 0.5 to 0.8 s by itself there. A stream with 120 s of outage in it lost no segment, and its 150
 * winners were redeemed afterwards in 4 transactions and 12 s.
 */

const only = argument("only")?.split(",") ?? null;

/** Those that only count may run beside each other; those that time a process run alone. */
const groups: readonly Readonly<Record<string, () => Promise<readonly Figure[]>>>[] = [
  { gas },
  { starts },
  { serving },
  // A round of the slow one takes a minute, and says little.
  isSmall ? { rhythm, fast: fastPoll } : { rhythm, slow: defaultPoll, fast: fastPoll },
  { outage },
];

printHeader("What does a node cost, and how soon does it act, where it meets a chain?");
for (const group of groups) {
  const parts = Object.entries(group).filter(([name]) => only === null || only.includes(name));
  for (const figures of await Promise.all(parts.map(([, part]) => part()))) {
    for (const [name, value] of figures) printFigure(name, value);
  }
}
