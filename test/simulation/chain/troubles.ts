import type { Hex } from "../../../src/shared/brand.ts";
import type { AimedTrouble, Trouble } from "./climate.ts";
import { troubles } from "./climate.ts";
import { redeemGas } from "./process.ts";
import { LaterTroubles } from "./laterTroubles.ts";
import type { LedgerWorld } from "./world.ts";

const minute = 60_000;
const hour = 60 * minute;

/** What a broker will never take. Source: payments sheet 6.3. */
const flaws = [
  "invalid signature over ticket hash",
  "ticket did not win",
  "recipientRand does not match recipientRandHash",
] as const;

/**
 * Everything that happens to a node from outside: rounds, tickets, fees, and whatever goes wrong. All of it is drawn
 * before the first moment, so that what the node does does not change what happens to it.
 */
export class Troubles {
  /** How often each trouble came. */
  readonly tally = new Map<string, number>();
  readonly #world: LedgerWorld;
  #crashIn: number | null = null;
  #crashesLeft = 0;
  #downUntilMs = 0;
  #isOver = false;
  #names = 0;
  readonly #later: LaterTroubles;

  constructor(world: LedgerWorld) {
    this.#world = world;
    this.#later = new LaterTroubles(world, {
      count: (what) => this.#count(what),
      crash: () => this.#crash(),
    });
  }

  /** Draws the time from now to `endMs`. */
  begin(endMs: number): void {
    const { chance, climate, chain } = this.#world;
    chain.onOurs = (what, { from, hash }) => {
      this.#aim(what, from);
      this.#later.aim(what, from, hash);
    };
    // Whatever goes wrong while nothing is under way does no harm: half of it comes when something is.
    const busy = this.#boundaries(endMs);
    for (let left = climate.tickets; left > 0; left--) busy.push(this.#plan(chance.next() * endMs, 1));
    for (let left = climate.often.burst; left > 0; left--) {
      busy.push(this.#plan(chance.next() * endMs, chance.pick([3, 8, 25])));
    }
    for (const trouble of troubles) {
      if (trouble === "late start" || trouble === "no start" || trouble === "rollover outage") continue;
      if (trouble === "burst") continue;
      const often = climate.often[trouble];
      let count = Math.floor(often);
      if (chance.isTrue(often - count)) count += 1;
      for (; count > 0; count--) {
        const nearMs = busy[chance.between(0, busy.length - 1)] ?? 0;
        const atMs = nearMs + chance.pick([chance.between(-30_000, 60_000), chance.between(0, 10 * minute)]);
        this.#at(chance.isTrue(0.5) ? Math.min(endMs, Math.max(0, atMs)) : chance.next() * endMs, trouble);
      }
    }
    this.#later.begin(endMs, busy);
  }

  /** What comes when it hurts most: with a transaction on its way, or just mined. */
  #aim(what: "taken" | "mined", from: Hex): void {
    const { chance, climate, chain } = this.#world;
    for (const [trouble, probability] of Object.entries(climate.aimed) as [AimedTrouble, number][]) {
      if (this.#isOver || !chance.isTrue(probability)) continue;
      const blocks = chance.between(0, what === "mined" ? climate.reorgMax : 2);
      const delayMs = blocks * climate.terms.blockMs + chance.between(0, climate.terms.blockMs);
      this.#world.schedule(delayMs, () => {
        if (this.#isOver) return;
        this.#count(`aimed ${trouble}`);
        if (trouble === "re-org") {
          this.#world.onDisturbed(0);
          chain.reorg(chance.between(Math.min(blocks + 1, climate.reorgMax), climate.reorgMax));
        } else if (trouble === "gas out") this.#gasOut(from);
        else if (trouble === "outage") this.#outage(chance.between(1, 90) * minute);
        else this.#happen(trouble);
        this.#world.stir();
      });
    }
  }

  /** Tickets that win at a moment. Returns when they may be redeemed. */
  #plan(atMs: number, tickets: number): number {
    this.#world.schedule(atMs, () => this.#win(tickets));
    return Math.round(atMs) + 40 * 12_000;
  }

  /** No more bad luck. Whatever is broken is mended; the world goes on. */
  end(): void {
    const { weather, chain, climate, disk, process, held } = this.#world;
    this.#isOver = true;
    this.#later.end();
    this.#crashIn = null;
    this.#crashesLeft = 0;
    this.#downUntilMs = 0;
    weather.downUntilMs = 0;
    weather.lagUntilMs = 0;
    weather.slowUntilMs = 0;
    weather.fail = 0;
    weather.failIn = -1;
    weather.unknown = 0;
    weather.tightGas = 0;
    weather.duplicateLogs = 0;
    disk.fullUntilMs = 0;
    for (const hash of held) process?.office.redemption.hold(hash, false);
    chain.dropNext = 0;
    chain.setBaseFee(climate.baseFee);
    this.#mend();
    // Again: a re-org may have put off what was to be mended until after it.
    this.#world.schedule(100 * climate.terms.blockMs, () => this.#mend());
  }

  #mend(): void {
    const { chain, everKeys, richBalance } = this.#world;
    for (const account of everKeys) this.#world.setBalance(account, richBalance);
    chain.act(({ store }) => store.put("paused", 0n), chain.contracts.terms.orchestrator);
    this.#activate();
    this.#world.stir();
  }

  /** After every step: a crash that is due falls between two moments of the process; a process that is down starts. */
  async afterStep(): Promise<void> {
    const world = this.#world;
    if (world.process !== null && this.#crashIn !== null && world.moments >= this.#crashIn) {
      this.#crashIn = null;
      this.#crash();
    }
    if (world.process !== null || world.time.nowMs < this.#downUntilMs) return;
    await world.start();
    if (this.#crashesLeft > 0) {
      this.#crashesLeft -= 1;
      this.#crashIn = world.moments + world.chance.between(0, 12);
    }
  }

  #crash(): void {
    const { chance, time } = this.#world;
    this.#count("crashed");
    this.#world.crash();
    const downMs = chance.pick([0, chance.between(0, 5_000), chance.between(0, 10 * minute)]);
    this.#downUntilMs = Math.max(this.#downUntilMs, time.nowMs + downMs);
    this.#world.schedule(downMs, () => {});
  }

  #at(ms: number, trouble: Trouble): void {
    this.#world.schedule(ms, () => {
      if (this.#isOver) return;
      this.#count(trouble);
      this.#happen(trouble);
      this.#world.stir();
    });
  }

  /**
   * Rounds begin by the block number; somebody starts them, sooner or later or never. Returns when the rounds until
   * `endMs` are started.
   */
  #boundaries(endMs: number): number[] {
    const { chance, climate, chain, time } = this.#world;
    const perRound = (trouble: Trouble): number => climate.often[trouble] / climate.rounds;
    const first = chain.msOfL1((this.#world.round + 1n) * BigInt(climate.roundLength));
    const startedMs: number[] = [];
    // Beyond the end too: the calm time has rounds as well.
    for (let atMs = first; atMs < endMs + 8 * chain.roundMs; atMs += chain.roundMs) {
      const isCalm = atMs >= endMs;
      let delayMs = chance.between(1, 8) * 12_000;
      if (climate.initializes) delayMs *= chance.pick([1, 10]);
      if (!isCalm && chance.isTrue(perRound("late start"))) {
        delayMs = chain.roundMs * (0.05 + 0.6 * chance.next());
        this.#count("late start");
      }
      const isStarted = isCalm || !chance.isTrue(perRound("no start"));
      if (!isStarted) this.#count("no start");
      const name = this.#name("start");
      if (!isCalm) startedMs.push(Math.round(atMs + delayMs));
      if (isStarted) this.#world.schedule(atMs - time.nowMs + delayMs, () => this.#initialize(name));
      this.#world.schedule(atMs - time.nowMs + climate.terms.blockMs, () => this.#world.stir());
      if (!isCalm && chance.isTrue(perRound("rollover outage"))) {
        const beforeMs = chance.between(0, 20) * minute;
        const forMs = beforeMs + chance.between(1, 40) * minute;
        this.#world.schedule(atMs - time.nowMs - beforeMs, () => {
          this.#count("rollover outage");
          this.#outage(forMs);
        });
      }
      if (!isCalm && climate.kind === "single failures") {
        const calls = chance.between(0, 40);
        this.#world.schedule(atMs - time.nowMs, () => {
          this.#world.weather.failIn = calls;
        });
      }
    }
    return startedMs;
  }

  #initialize(hash: Hex): void {
    const { chain } = this.#world;
    chain.submitOther({ hash, from: `0x${"99".repeat(20)}`, call: { type: "initialize" } });
    this.#world.schedule(5 * 12_000, () => this.#world.stir());
  }

  #outage(forMs: number): void {
    const { weather, time } = this.#world;
    weather.downUntilMs = Math.max(weather.downUntilMs, time.nowMs + forMs);
    this.#world.onChanged();
    this.#after(forMs);
  }

  /** The world looks again when something is over. */
  #after(ms: number, run: () => void = () => {}): void {
    this.#world.schedule(ms + 1, () => {
      if (!this.#isOver) run();
      this.#world.stir();
    });
  }

  #happen(trouble: Trouble): void {
    switch (trouble) {
      case "outage":
        this.#outage(6 * hour);
        return;
      case "crash":
      case "long crash":
      case "crash in a row":
        this.#planCrash(trouble);
        return;
      case "gas spike":
      case "gas walk":
      case "gas out":
        this.#gas(trouble);
        return;
      case "full disk":
      case "clock jump":
      case "hold":
        this.#machine(trouble);
        return;
      case "re-org":
      case "storm":
      case "drop":
      case "foreign nonce":
      case "foreign pending":
        this.#chain(trouble);
        return;
      case "single failure":
      case "stale":
      case "slow":
      case "flaky":
      case "silent broadcasts":
        this.#endpoints(trouble);
        return;
      default:
        this.#others(trouble);
        return;
    }
  }

  /** What the node's own machine and its operator do. */
  #machine(trouble: Trouble): void {
    const { chance, disk, time, process, tickets } = this.#world;
    if (trouble === "clock jump") {
      time.jumpWall(chance.pick([-3_600_000, -60_000, 60_000, 86_400_000]));
      return;
    }
    if (trouble === "full disk") {
      const forMs = chance.between(1, 1_800) * 1_000;
      disk.fullUntilMs = time.nowMs + forMs;
      this.#after(forMs + 1_000);
      return;
    }
    const hashes = [...tickets.keys()].slice(-5);
    for (const hash of hashes) {
      this.#world.held.add(hash);
      process?.office.redemption.hold(hash, true);
    }
    this.#after(chance.between(1, 90) * minute, () => {
      for (const hash of hashes) this.#world.process?.office.redemption.hold(hash, false);
    });
  }

  #planCrash(trouble: Trouble): void {
    const { chance, moments, time } = this.#world;
    if (trouble === "long crash") {
      this.#count("crashed");
      this.#world.crash();
      const downMs = chance.pick([hour, 6 * hour, this.#world.chain.roundMs * 1.5]);
      this.#downUntilMs = Math.max(this.#downUntilMs, time.nowMs + downMs);
      this.#world.schedule(downMs, () => {});
      return;
    }
    this.#crashIn = moments + chance.between(0, 25);
    if (trouble === "crash in a row") this.#crashesLeft = chance.between(2, 6);
  }

  #gas(trouble: Trouble): void {
    const { chance, chain, climate } = this.#world;
    if (trouble === "gas walk") {
      chain.setBaseFee((climate.baseFee * BigInt(chance.between(30, 250))) / 100n);
      return;
    }
    if (trouble === "gas spike") {
      chain.setBaseFee(climate.baseFee * BigInt(chance.between(10, 200)));
      this.#after(10 * hour, () => chain.setBaseFee(climate.baseFee));
      return;
    }
    this.#gasOut(chance.isTrue(0.5) ? this.#world.accounts.redeemer : this.#world.accounts.rewardCaller);
  }

  #gasOut(account: Hex): void {
    const { chance, climate } = this.#world;
    const price = climate.baseFee + (climate.tip ?? 0n);
    this.#world.setBalance(account, chance.pick([0n, 400_000n * price, 1_500_000n * price]));
    const enough = chance.pick([this.#world.richBalance, redeemGas * price * 100n]);
    this.#after(chance.between(5, 900) * minute, () => this.#world.setBalance(account, enough));
  }

  #chain(trouble: Trouble): void {
    const { chance, chain, climate, keys, onDisturbed } = this.#world;
    const depth = (): number => chance.between(1, climate.reorgMax);
    const account = keys[chance.between(0, keys.length - 1)] as Hex;
    switch (trouble) {
      case "re-org":
        onDisturbed(0);
        chain.reorg(depth());
        return;
      case "storm":
        for (let index = 0; index < 8; index++) {
          this.#after(chance.between(0, 30) * minute, () => {
            this.#world.onDisturbed(0);
            chain.reorg(depth());
          });
        }
        return;
      case "drop":
        onDisturbed(0);
        chain.dropAll();
        chain.dropNext += chance.between(0, 2);
        return;
      case "foreign nonce":
        // Until it is deep, nobody knows that the nonce is gone.
        onDisturbed(climate.confirmations * climate.terms.blockMs + 23 * minute);
        chain.useNonce(account, this.#name("foreign"));
        return;
      default: {
        // A sequencer has no pool in which anything could wait.
        if (climate.terms.isSequencer) return;
        const forMs = chance.between(1, 240) * minute;
        onDisturbed(forMs + 10 * minute);
        chain.blockNonce(account, this.#name("foreign"), forMs);
        return;
      }
    }
  }

  #endpoints(trouble: Trouble): void {
    const { chance, weather, time } = this.#world;
    const forMs = chance.between(5, 60) * minute;
    switch (trouble) {
      case "single failure":
        weather.failIn = chance.between(0, 8);
        return;
      case "stale":
        weather.lagMs = chance.between(1, 15) * minute;
        weather.lagUntilMs = time.nowMs + forMs;
        break;
      case "slow":
        weather.slowMs = chance.pick([3_000, 20_000]);
        weather.slowUntilMs = time.nowMs + forMs;
        break;
      case "flaky":
        weather.fail = chance.pick([0.05, 0.3, 0.6]);
        this.#after(forMs, () => {
          weather.fail = 0;
        });
        break;
      default:
        weather.unknown = chance.pick([0.3, 0.9]);
        weather.arrives = chance.next();
        weather.duplicateLogs = 0.3;
        this.#after(forMs, () => {
          weather.unknown = 0;
        });
    }
    this.#after(forMs);
  }

  #others(trouble: Trouble): void {
    const { chance, chain, senders } = this.#world;
    const sender = senders[chance.between(0, senders.length - 1)] as Hex;
    const { orchestrator } = chain.contracts.terms;
    switch (trouble) {
      case "pause":
        chain.act(({ store }) => store.put("paused", 1n), orchestrator);
        this.#after(chance.between(10, 600) * minute, () =>
          chain.act(({ store }) => store.put("paused", 0n), orchestrator),
        );
        return;
      case "inactive": {
        // Pushed out of the pool, and back in by more stake some rounds later.
        chain.act(({ store, l1Block }) => {
          store.put("deactivationRound", chain.contracts.roundOf(l1Block) + 1n);
        }, orchestrator);
        const backMs = chain.roundMs * chance.between(1, 2);
        this.#world.schedule(backMs, () => this.#activate());
        return;
      }
      case "foreign reward":
        chain.submitOther({
          ...{ hash: this.#name("reward"), from: orchestrator },
          call: { type: "reward", path: { type: "own" } },
        });
        return;
      case "foreign redemption":
        this.#redeemForUs();
        return;
      case "unlock":
        chain.act(({ store, l1Block }) => {
          store.put(`withdrawRound:${sender}`, chain.contracts.roundOf(l1Block) + 2n);
        }, sender);
        return;
      case "withdraw":
        this.#world.fund(sender, "none");
        this.#after(chance.between(10, 300) * minute, () => this.#world.fund(sender, "rich"));
        return;
      default:
        // Other orchestrators are paid, or the gateway pays in again.
        this.#world.fund(sender, chance.pick(["low", "lean", "rich"]));
        return;
    }
  }

  #activate(): void {
    const { chain } = this.#world;
    chain.act(({ store, l1Block }) => {
      if (store.get("deactivationRound") === 0n) return;
      store.put("activationRound", chain.contracts.roundOf(l1Block) + 1n);
      store.put("deactivationRound", 0n);
    }, chain.contracts.terms.orchestrator);
  }

  /** Another of our own programs redeems a ticket that may be redeemed. */
  #redeemForUs(): void {
    const { tickets, chain, chance, disk } = this.#world;
    const due = [...tickets.values()].filter(
      ({ ticket, expirationBlock }) =>
        expirationBlock <= chain.l1Block &&
        disk.reader.ticket(ticket.hash) !== null &&
        !chain.contracts.isUsed(chain.store, ticket.hash),
    );
    const found = due[chance.between(0, Math.max(0, due.length - 1))];
    if (found === undefined) return;
    this.#count("foreign redemption sent");
    chain.submitOther({
      ...{ hash: this.#name("redeem"), from: `0x${"77".repeat(20)}` },
      call: { type: "redeem", tickets: [found.ticket.hash], isBatch: false },
    });
  }

  #win(count: number): void {
    const world = this.#world;
    const { chance, senders, climate } = world;
    const sender = senders[chance.between(0, senders.length - 1)] as Hex;
    for (let left = count; left > 0; left--) {
      const part = BigInt(chance.pick([1, 30, 60, 100, 100, 150]));
      const isPoison = chance.isTrue(climate.kind === "poison" ? 0.3 : 0.03);
      world.win(sender, (world.usualFaceValue * part) / 100n, isPoison ? chance.pick(flaws) : null);
    }
  }

  #name(what: string): Hex {
    this.#names += 1;
    return `0x${new Bun.CryptoHasher("sha256").update(`${what} ${this.#names}`).digest("hex")}`;
  }

  #count(what: string): void {
    this.tally.set(what, (this.tally.get(what) ?? 0) + 1);
  }
}
