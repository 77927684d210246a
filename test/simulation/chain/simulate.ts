import { settle } from "../../support/simulatedTime.ts";
import { LedgerChecker } from "./checker.ts";
import type { ClimateKind } from "./climate.ts";
import { Troubles } from "./troubles.ts";
import { LedgerWorld } from "./world.ts";

/** What one seed gave. */
export type LedgerSimulation = {
  readonly seed: number;
  readonly kind: ClimateKind;
  /** Broken invariants, in the order in which they showed; empty = all held. */
  readonly problems: readonly string[];
  readonly steps: number;
  readonly events: number;
  readonly polls: number;
  readonly crashes: number;
  readonly virtualMs: number;
  /** What happened, by name. */
  readonly tally: ReadonlyMap<string, number>;
  /** Hash over the whole log: the same seed gives the same bytes. */
  readonly logHash: string;
};

/** What reproduces a failing seed. */
export function reproductionLine(seed: number): string {
  return `bun --conditions=development test/simulation/chain/run.ts --seed ${seed}`;
}

const stepsMax = 400_000;
/** Rounds without any trouble at the end: the last tickets become due, end, and are confirmed. */
const calmRounds = 4;

/**
 * Lives through ten rounds or so of a node that spends, in virtual time, and checks what must hold. Must run alone: it
 * takes the global timers over.
 */
export async function simulateLedger(
  seed: number,
  onWorld?: (world: LedgerWorld) => void,
): Promise<LedgerSimulation> {
  const world = new LedgerWorld(seed);
  onWorld?.(world);
  const { time, climate, chain } = world;
  const giveBack = time.takeGlobalTimers();
  const troubles = new Troubles(world);
  const checker = new LedgerChecker(world);
  let steps = 0;
  try {
    const activeMs = climate.rounds * chain.roundMs;
    const runUntil = async (endMs: number): Promise<void> => {
      let isReached = false;
      time.schedule(endMs - time.nowMs, { isAlive: true }, () => {
        isReached = true;
      });
      let { commits } = world.disk;
      while (!isReached && steps < stepsMax && world.problems.length === 0 && time.step()) {
        steps += 1;
        await settle();
        if (world.disk.commits !== commits) world.moments += 1;
        commits = world.disk.commits;
        await troubles.afterStep();
      }
    };
    await world.start();
    troubles.begin(activeMs);
    checker.begin();
    await runUntil(activeMs);
    troubles.end();
    // In the middle of a round: what belongs to the one before has ended by then.
    const lastRound = world.round + BigInt(calmRounds);
    await runUntil(Math.round(chain.msOfL1(lastRound * BigInt(climate.roundLength)) + chain.roundMs * 0.6));
    if (steps >= stepsMax) world.problems.push("the simulation does not come to an end");
    if (world.problems.length === 0) checker.finish();
  } catch (error) {
    world.problems.push(`thrown: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`);
  } finally {
    world.process?.host.stop();
    giveBack();
  }
  const rows = world.disk.db.query("SELECT * FROM events ORDER BY seq").values();
  const tally = new Map([...troubles.tally, ...world.weather.tally, ...checker.tally]);
  const simulation: LedgerSimulation = {
    ...{ seed, kind: climate.kind, problems: world.problems, steps, events: rows.length, tally },
    ...{ polls: world.polls, crashes: world.crashes, virtualMs: time.nowMs },
    logHash: Bun.hash(JSON.stringify(rows)).toString(16),
  };
  world.disk.db.close();
  return simulation;
}
