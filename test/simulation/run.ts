import { parseArgs } from "node:util";
import { reproductionLine, simulate } from "./simulate.ts";
import { isOnChain } from "./world.ts";

/*
 * Thousands of bad days, or one again:
 *
 *   bun --conditions=development test/simulation/run.ts --seeds 10000 [--from 1] [--on-chain]
 *   bun --conditions=development test/simulation/run.ts --seed 4711
 *
 * With `--on-chain` only the seeds between that are on-chain days. Exit status 1 when an invariant broke; each failing seed prints the line that reproduces it.
 */

const { values } = parseArgs({
  options: {
    seeds: { type: "string", default: "1000" },
    from: { type: "string", default: "1" },
    seed: { type: "string" },
    "on-chain": { type: "boolean", default: false },
  },
});
const isSingle = values.seed !== undefined;
const from = Number(isSingle ? values.seed : values.from);
const count = isSingle ? 1 : Number(values.seeds);
if (!Number.isSafeInteger(from) || !Number.isSafeInteger(count)) throw new Error("Seeds are whole numbers.");

const startedMs = performance.now();
const ends = new Map<string, number>();
const money = new Map<string, number>();
let lived = 0;
const totals = { steps: 0, events: 0, segments: 0, crashes: 0, refusals: 0, virtualMs: 0 };
const failing: number[] = [];
for (let seed = from; seed < from + count; seed++) {
  if (values["on-chain"] && !isOnChain(seed)) continue;
  const simulation = await simulate(seed);
  lived += 1;
  for (const [what, times] of simulation.money) money.set(what, (money.get(what) ?? 0) + times);
  for (const key of Object.keys(totals) as (keyof typeof totals)[]) totals[key] += simulation[key];
  for (const [end, times] of simulation.ends) ends.set(end, (ends.get(end) ?? 0) + times);
  if (simulation.problems.length > 0) {
    failing.push(seed);
    console.log(`seed ${seed} broke after ${simulation.steps} steps:`);
    for (const problem of simulation.problems.slice(0, 10)) console.log(`  ${problem}`);
    console.log(`  again: ${reproductionLine(seed)}`);
  }
  if (isSingle) console.log(`log hash ${simulation.logHash}`);
  else if ((seed - from + 1) % 1_000 === 0) console.log(`${seed - from + 1} seeds, ${failing.length} broken`);
}
const seconds = (performance.now() - startedMs) / 1_000;
const hours = totals.virtualMs / 3_600_000;
console.log(
  `${lived} seeds in ${seconds.toFixed(1)} s: ${totals.segments} segments, ${totals.events} events, ` +
    `${totals.steps} steps, ${totals.crashes} crashes, ${totals.refusals} refused commits, ` +
    `${hours.toFixed(1)} virtual hours; ${failing.length} seeds broke an invariant.`,
);
for (const counts of [ends, money]) {
  const sorted = [...counts].sort(([, left], [, right]) => right - left);
  console.log(sorted.map(([what, times]) => `${what} ${times}`).join(", "));
}
process.exit(failing.length === 0 ? 0 : 1);
