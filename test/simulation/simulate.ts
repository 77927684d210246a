import { settle } from "../support/simulatedTime.ts";
import { Checker } from "./checker.ts";
import { Gateway } from "./gateway.ts";
import { isOnChain, World } from "./world.ts";

/** What one seed gave. */
export type Simulation = {
  readonly seed: number;
  /** Broken invariants, in the order in which they showed; empty = all held. */
  readonly problems: readonly string[];
  readonly steps: number;
  readonly events: number;
  readonly segments: number;
  readonly crashes: number;
  readonly refusals: number;
  readonly virtualMs: number;
  /** How segments ended, by kind of end. */
  readonly ends: ReadonlyMap<string, number>;
  /** What happened to money, by kind; empty off-chain. */
  readonly money: ReadonlyMap<string, number>;
  /** Hash over the whole log: the same seed gives the same bytes. */
  readonly logHash: string;
};

/** What reproduces a failing seed. */
export function reproductionLine(seed: number): string {
  return `bun --conditions=development test/simulation/run.ts --seed ${seed}`;
}

/** After the last gateway has gone: longer than a session idles and a segment or a full disk lasts. */
const quietMs = 200_000;
const stepsMax = 200_000;

/**
 * Lives through some minutes of a node in virtual time: gateways come and go, workers die, the disk fills, the clock
 * jumps, the process crashes between any two steps and starts again from what is durable. Checks the invariants
 * after every step. Must run alone: it takes the global timers over.
 */
export async function simulate(seed: number): Promise<Simulation> {
  const world = new World(seed, {}, isOnChain(seed));
  const { time, climate } = world;
  const giveBack = time.takeGlobalTimers();
  let steps = 0;
  const gateways: Gateway[] = [];
  const checker = new Checker(world, gateways);
  try {
    await world.start();
    for (let index = 0; index < climate.gateways; index++) gateways.push(new Gateway(world, `g${index}`));
    const weather = new Weather(world, checker, gateways);
    const isOver = (): boolean => world.problems.length > 0 || steps >= stepsMax;
    const runUntil = async (endMs: number): Promise<void> => {
      let isReached = false;
      time.schedule(endMs - time.nowMs, { isAlive: true }, () => {
        isReached = true;
      });
      while (!isReached && !isOver() && time.step()) {
        steps += 1;
        await settle();
        checker.step();
        await weather.afterStep();
      }
    };
    weather.begin();
    await runUntil(climate.activeMs);
    for (const gateway of gateways) gateway.stop();
    await weather.end();
    // Mostly the node is at rest long before that; what is left then is never cleared up.
    let restMs = time.nowMs + quietMs;
    if (world.money !== null) {
      // Accounts are forgotten after a quarter of an hour: only the clock on the wall waits that long.
      await runUntil(time.nowMs + 60_000);
      time.jumpWall(16 * 60_000);
      world.excuse(5_000);
      restMs = time.nowMs + quietMs + 5 * world.money.world.l1.roundMs;
    }
    while (time.nowMs < restMs && !isOver() && !world.isAtRest) await runUntil(time.nowMs + 10_000);
    await runUntil(time.nowMs + 10_000);
    if (!isOver()) checker.checkQuiet();
    if (steps >= stepsMax) world.problems.push("the simulation does not come to rest");
  } catch (error) {
    world.problems.push(`thrown: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`);
  } finally {
    world.process?.node.stop();
    giveBack();
  }
  const rows = world.disk.db.query("SELECT * FROM events ORDER BY seq").values();
  const simulation: Simulation = {
    seed,
    problems: world.problems,
    steps,
    events: checker.events,
    segments: checker.segments,
    crashes: world.crashes,
    refusals: world.disk.refusals,
    virtualMs: time.nowMs,
    ends: checker.tally(),
    money: world.money?.checker.tally ?? new Map(),
    logHash: Bun.hash(JSON.stringify(rows)).toString(16),
  };
  world.disk.db.close();
  return simulation;
}

/** What happens to the node as a whole. Each virtual second brings a chance of each. */
class Weather {
  readonly #world: World;
  readonly #checker: Checker;
  readonly #gateways: readonly Gateway[];
  readonly #owner = { isAlive: true };
  #isEnding = false;
  #crashIn: number | null = null;
  #startAgain = false;

  constructor(world: World, checker: Checker, gateways: readonly Gateway[]) {
    this.#world = world;
    this.#checker = checker;
    this.#gateways = gateways;
  }

  begin(): void {
    const { time, chance, climate, disk } = this.#world;
    time.schedule(1_000, this.#owner, () => {
      if (this.#isEnding) return;
      // A crash comes after some more steps, so that it falls between any two of them.
      if (this.#crashIn === null && chance.isTrue(climate.crash)) this.#crashIn = chance.between(0, 30);
      if (chance.isTrue(climate.fullDisk)) {
        const forMs = chance.between(100, 12_000);
        disk.fullUntilMs = time.nowMs + forMs;
        this.#world.excuse(forMs + 3_000);
      }
      if (chance.isTrue(climate.clockJump)) {
        const farMs = chance.pick([
          chance.between(-60_000, 60_000),
          chance.between(-2_000, 2_000),
          3_600_000,
        ]);
        // Long enough for accounts to be forgotten, and short enough for tokens to stay good.
        const isForgetful = this.#world.money !== null && chance.isTrue(0.5);
        time.jumpWall(isForgetful ? 16 * 60_000 : farMs);
        if (isForgetful) for (const gateway of this.#gateways) gateway.hurry();
        this.#world.excuse(5_000);
        this.#world.clockJumps += 1;
      }
      this.#world.money?.world.move(this.#world.process?.money ?? null);
      this.begin();
    });
  }

  /** No more bad luck; a node that is down starts. */
  async end(): Promise<void> {
    this.#isEnding = true;
    this.#crashIn = null;
    this.#world.disk.fullUntilMs = 0;
    if (this.#world.money !== null) this.#world.money.world.l1.outageUntilMs = 0;
    this.#world.excuse(5_000);
    if (this.#world.process === null) this.#startAgain = true;
    await this.afterStep();
  }

  async afterStep(): Promise<void> {
    if (this.#crashIn !== null && this.#world.process !== null) {
      if (this.#crashIn === 0) this.#crash();
      else this.#crashIn -= 1;
    }
    if (!this.#startAgain) return;
    this.#startAgain = false;
    if (this.#world.process !== null) return;
    this.#checker.step();
    await this.#world.start();
    this.#checker.checkLoaded();
    this.#checker.checkLog();
    this.#world.excuse(5_000);
  }

  #crash(): void {
    const { time, chance } = this.#world;
    this.#crashIn = null;
    this.#world.crash();
    const downMs = chance.pick([0, chance.between(0, 2_000), chance.between(0, 30_000)]);
    this.#world.excuse(downMs + 5_000);
    time.schedule(downMs, this.#owner, () => {
      this.#startAgain = true;
    });
  }
}
