import { parseArgs } from "node:util";
import { allClimateKinds, faultsOf, kindOf } from "./climate.ts";
import { reproductionLine, simulateLedger } from "./simulate.ts";

/*
 * Thousands of bad weeks on the chain, or one again:
 *
 *   bun --conditions=development test/simulation/chain/run.ts --seeds 10000 [--from 1] [--kind "gas money"]
 *   bun --conditions=development test/simulation/chain/run.ts --seed 4711 [--log]
 *
 * `--kind` lives through those of the seeds that are of one kind. With `--log` the log of the seed is printed. Exit status 1 when an invariant broke; each failing seed prints the line
 * that reproduces it.
 */

const { values } = parseArgs({
  options: {
    seeds: { type: "string", default: "1000" },
    from: { type: "string", default: "1" },
    seed: { type: "string" },
    kind: { type: "string" },
    log: { type: "boolean", default: false },
  },
});
const isSingle = values.seed !== undefined;
const from = Number(isSingle ? values.seed : values.from);
const count = isSingle ? 1 : Number(values.seeds);
if (!Number.isSafeInteger(from) || !Number.isSafeInteger(count)) throw new Error("Seeds are whole numbers.");
if (values.kind !== undefined && !allClimateKinds.some((kind) => kind === values.kind)) {
  throw new Error(`Kinds are: ${allClimateKinds.join(", ")}.`);
}

const startedMs = performance.now();
const tally = new Map<string, number>();
const byKind = new Map<string, { seeds: number; ms: number; broken: number }>();
const totals = { steps: 0, events: 0, polls: 0, crashes: 0, virtualMs: 0 };
const failing: number[] = [];
let lived = 0;
for (let seed = from; seed < from + count; seed++) {
  if (values.kind !== undefined && kindOf(seed, faultsOf(seed)) !== values.kind) continue;
  const beganMs = performance.now();
  const simulation = await simulateLedger(seed, (world) => {
    if (!values.log) return;
    const { time } = world;
    world.onEvent = ({ stream, event }) => {
      const text = JSON.stringify(event, (_, value: unknown) =>
        typeof value === "bigint" ? `${value}` : value,
      );
      console.log(`${(time.nowMs / 1_000).toFixed(1)} ${world.round} ${stream} ${text.slice(0, 260)}`);
    };
  });
  lived += 1;
  const kind = byKind.get(simulation.kind) ?? { seeds: 0, ms: 0, broken: 0 };
  byKind.set(simulation.kind, kind);
  kind.seeds += 1;
  kind.ms += performance.now() - beganMs;
  for (const key of Object.keys(totals) as (keyof typeof totals)[]) totals[key] += simulation[key];
  for (const [what, times] of simulation.tally) tally.set(what, (tally.get(what) ?? 0) + times);
  if (simulation.problems.length > 0) {
    failing.push(seed);
    kind.broken += 1;
    console.log(`seed ${seed} (${simulation.kind}) broke after ${simulation.steps} steps:`);
    for (const problem of simulation.problems.slice(0, 10)) console.log(`  ${problem}`);
    console.log(`  again: ${reproductionLine(seed)}`);
  }
  if (isSingle) console.log(`log hash ${simulation.logHash}`);
  else if (lived % 1_000 === 0) console.log(`${lived} seeds, ${failing.length} broken`);
}
const seconds = (performance.now() - startedMs) / 1_000;
console.log(
  `${lived} seeds in ${seconds.toFixed(1)} s (${((seconds * 1_000) / lived).toFixed(0)} ms each): ` +
    `${totals.events} events, ${totals.steps} steps, ${totals.polls} polls, ${totals.crashes} crashes, ` +
    `${(totals.virtualMs / 86_400_000).toFixed(1)} virtual days; ${failing.length} seeds broke an invariant.`,
);
const kinds = [...byKind].map(
  ([kind, { seeds, ms, broken }]) => `${kind} ${seeds}/${(ms / seeds).toFixed(0)} ms/${broken}`,
);
console.log(`kinds (seeds/time/broken): ${kinds.join(", ")}`);
const sorted = [...tally].sort(([, left], [, right]) => right - left);
console.log(sorted.map(([what, times]) => `${what} ${times}`).join(", "));
process.exit(failing.length === 0 ? 0 : 1);
