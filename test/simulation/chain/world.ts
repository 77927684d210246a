import type { AnyCommand } from "../../../src/actors/kind.ts";
import { parseStreamId, type RecordedEvent } from "../../../src/events/envelope.ts";
import type { Hex } from "../../../src/shared/brand.ts";
import { LedgerChain } from "../../support/simulatedLedgerChain.ts";
import { LedgerContracts, type LedgerTicket, hashText } from "../../support/simulatedLedgerContracts.ts";
import { LedgerWeather, lookNow } from "../../support/simulatedLedgerDesk.ts";
import { SimulatedDisk } from "../../support/simulatedDisk.ts";
import { Chance, type Owner, SimulatedTime } from "../../support/simulatedTime.ts";
import { type ChainClimate, climateOf, faultsOf } from "./climate.ts";
import { type OfficeAccounts, type OfficeProcess, startOffice } from "./process.ts";

export const chainId = 42_161n;
/** L1 blocks for which the parameters of a ticket are accepted; after them it may be redeemed. */
const paramsBlocks = 40n;
/** As in the transaction desk: for so long a transaction of a key that is gone is waited for. Milliseconds. */
export const keylessMs = 300_000;
/** As the broker's `ticketValidityPeriod`. */
const validityRounds = 2n;
/** Slowest poll while nothing changes: the conditions are the same each time. */
const calmPollMs = 1_200_000;

const orchestrator: Hex = `0x${"0e".repeat(20)}`;

function accountsOf({ caller }: ChainClimate, chance: Chance): OfficeAccounts {
  if (caller === "own") return { orchestrator, redeemer: orchestrator, rewardCaller: orchestrator };
  const redeemer: Hex = `0x${"aa".repeat(20)}`;
  return { orchestrator, redeemer, rewardCaller: chance.isTrue(0.5) ? redeemer : `0x${"cc".repeat(20)}` };
}

/** A ticket as the world knows it. */
export type WorldTicket = {
  readonly ticket: LedgerTicket;
  readonly expirationBlock: bigint;
  readonly wonAtMs: number;
};

/** A chain, gateways and a node that spends. It survives the processes of the node. */
export class LedgerWorld {
  readonly time = new SimulatedTime();
  readonly chance: Chance;
  /** Draws the faults that came later, so that {@link chance} draws the same without them. */
  readonly faults: Chance;
  readonly climate: ChainClimate;
  /** As the node was started with last. */
  accounts: OfficeAccounts;
  readonly senders: readonly Hex[];
  /** Accounts whose keys the node has ever had. */
  readonly everKeys = new Set<Hex>();
  readonly chain: LedgerChain;
  readonly weather = new LedgerWeather();
  readonly disk: SimulatedDisk;
  readonly problems: string[] = [];
  readonly tickets = new Map<Hex, WorldTicket>();
  /** Tickets that the operator ever kept back. */
  readonly held = new Set<Hex>();
  /** When the node decided on a transaction, virtual milliseconds, by id. */
  readonly plannedAt = new Map<string, number>();
  /** Null while the node is down. */
  process: OfficeProcess | null = null;
  crashes = 0;
  polls = 0;
  /** Gas money that nobody takes away, wei. */
  readonly richBalance: bigint;
  /** Steps in which something of the process moved: between any two of them a crash may fall. */
  moments = 0;
  onChanged: () => void = () => {};
  /** Sees every event that is decided. */
  onEvent: (recorded: RecordedEvent) => void = () => {};
  /** Told of whatever takes work back, or hides it for a while: nobody can be held to a time limit over it. */
  onDisturbed: (forMs: number) => void = () => {};
  readonly #world: Owner = { isAlive: true };
  #pollAt: { readonly atMs: number; readonly cancel: () => void } | null = null;
  #isPolling = false;
  #changedMs = 0;
  #made = 0;

  constructor(seed: number, changes: Partial<ChainClimate> = {}) {
    this.chance = new Chance(seed ^ 0x6c656467);
    this.faults = faultsOf(seed);
    this.climate = { ...climateOf(seed, this.chance, this.faults), ...changes };
    const { climate, chance } = this;
    this.accounts = accountsOf(climate, chance);
    this.disk = new SimulatedDisk(this.time, chance);
    this.disk.latencyMaxMs = climate.slowestCommitMs;
    this.weather.tightGas = climate.tightGas;
    const contracts = new LedgerContracts({
      roundLength: BigInt(climate.roundLength),
      ticketValidityPeriod: validityRounds,
      poolSize: BigInt(climate.poolSize),
      reward: 300n * 10n ** 18n,
      orchestrator,
      rewardCaller: climate.caller === "named" ? this.accounts.rewardCaller : null,
    });
    const parts = { time: this.time, chance, contracts, terms: climate.terms, baseFee: climate.baseFee };
    this.chain = new LedgerChain(parts);
    this.chain.onMoved = () => this.stir();
    this.senders = Array.from({ length: climate.senders }, (_, index): Hex => `0x${`5${index}`.repeat(20)}`);
    this.richBalance = 10n ** 24n;
    this.#genesis();
  }

  /** Accounts whose keys the node has. */
  get keys(): readonly Hex[] {
    return [...new Set([this.accounts.redeemer, this.accounts.rewardCaller])];
  }

  /** From the next start on the node has these keys; the orchestrator names its reward caller anew. */
  changeKeys(changed: Partial<Pick<OfficeAccounts, "redeemer" | "rewardCaller">>): void {
    const { chain, climate } = this;
    this.accounts = { ...this.accounts, ...changed };
    for (const account of this.keys) {
      if (!this.everKeys.has(account)) this.setBalance(account, this.richBalance);
      this.everKeys.add(account);
    }
    const { rewardCaller } = this.accounts;
    if (climate.caller === "stranger" || rewardCaller === orchestrator) return;
    chain.act(({ store }) => store.put("rewardCaller", BigInt(rewardCaller)), orchestrator);
  }

  /** Whether the chain lets the node call rewards. */
  get mayCallReward(): boolean {
    const { rewardCaller } = this.accounts;
    return (
      rewardCaller === orchestrator || this.chain.contracts.rewardCaller(this.chain.store) === rewardCaller
    );
  }

  /** The chain stands inside of a round that has begun; the node's data folder is empty. */
  #genesis(): void {
    const { store } = this.chain;
    const round = this.chain.contracts.roundOf(this.chain.l1Block);
    store.put("lastInitialized", round);
    store.put("lastRewardRound", round - 1n);
    store.put(`roundHash:${round}`, 1_234_567n);
    for (const account of this.keys) {
      this.everKeys.add(account);
      store.put(`balance:${account}`, this.richBalance);
      store.put(`nonce:${account}`, BigInt(this.chance.pick([0, 17])));
    }
    for (const sender of this.senders) this.#putFunds(sender, this.chance.pick(["lean", "rich", "rich"]));
  }

  /** What a usual ticket is worth, wei. */
  get usualFaceValue(): bigint {
    return 350_000n * (this.climate.baseFee + (this.climate.tip ?? 0n)) * 50n;
  }

  get round(): bigint {
    return this.chain.contracts.roundOf(this.chain.l1Block);
  }

  schedule(delayMs: number, run: () => void): void {
    this.time.schedule(Math.round(delayMs), this.#world, run);
  }

  /** Something changed that the node may act upon: its next poll comes in its usual rhythm. */
  stir(): void {
    this.onChanged();
    this.#changedMs = this.time.nowMs;
    this.#pollIn(this.chance.between(1, this.climate.pollMs));
  }

  async start(): Promise<void> {
    const { time, chance, faults, disk, climate, chain, weather, accounts } = this;
    this.process = await startOffice({
      ...{ climate, accounts, disk },
      ledger: {
        ...{ time, chance, faults, chain, weather, chainId, accounts: this.keys, tip: climate.tip },
        latencyMs: climate.latencyMs,
        onMoment: () => {
          this.moments += 1;
        },
      },
      onRecorded: (recorded) => this.#onRecorded(recorded),
      onFault: (error) => {
        const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
        this.problems.push(`fault: ${text}`);
      },
    });
    this.#isPolling = false;
    this.stir();
    this.#awaitRelease();
  }

  /** What was sent with a key that is gone is let go after five minutes: a node polls then, as it always does. */
  #awaitRelease(): void {
    const open = this.process?.office.transactions.open() ?? [];
    if (open.every(({ context }) => this.keys.includes(context.from))) return;
    for (let ms = keylessMs; ms <= 2 * keylessMs; ms += 30_000) this.schedule(ms, () => this.stir());
  }

  /** The process is gone, with everything it had not written. */
  crash(): void {
    if (this.process === null) return;
    this.process.owner.isAlive = false;
    this.process = null;
    this.crashes += 1;
    this.time.process = { isAlive: true };
    this.#pollAt?.cancel();
    this.#pollAt = null;
    this.onChanged();
  }

  /** A gateway's ticket wins. It is as good as its flaw; nothing happens while the node is down. */
  win(sender: Hex, faceValue: bigint, flaw: string | null): void {
    const { process, chain, chance, climate } = this;
    const { store } = chain;
    if (process === null) return;
    const initialized = store.get("lastInitialized");
    // As the node makes them: a round whose hash is zero stands aside for the one before.
    const hasHash = store.get(`roundHash:${initialized}`) !== 0n;
    const creationRound = hasHash ? initialized : initialized - 1n;
    const roundHash = store.get(`roundHash:${creationRound}`);
    if (roundHash === 0n) return;
    this.#made += 1;
    const name = (what: string): Hex =>
      `0x${new Bun.CryptoHasher("sha256").update(`${what} ${this.#made}`).digest("hex")}`;
    const hash = name("ticket");
    const parts = {
      ...{ sender, recipient: orchestrator, faceValue, winProb: 2n ** 250n },
      ...{
        senderNonce: chance.between(0, 599),
        recipientRandHash: name("hash"),
        recipientRand: name("rand"),
      },
      ...{ sig: `${name("sig")}${name("sig").slice(2)}1b` as Hex, creationRound },
      creationRoundBlockHash: hashText(roundHash),
    };
    const expirationBlock = chain.l1Block + paramsBlocks;
    const world: WorldTicket = {
      ticket: { ...parts, hash, flaw },
      expirationBlock,
      wonAtMs: this.time.nowMs,
    };
    chain.contracts.tickets.set(hash, world.ticket);
    this.tickets.set(hash, world);
    const command = {
      ...{ type: "WinTicket", ...parts, expirationBlock },
      ...{ lastValidRound: creationRound + validityRounds - 1n, account: null, source: "payment" },
    };
    process.host.execute("ticket", hash, command as AnyCommand, {
      correlationId: `ticket:${hash}`,
      causationId: "simulation",
    });
    const dueMs = chain.msOfL1(expirationBlock) - this.time.nowMs;
    this.schedule(dueMs + climate.terms.blockMs, () => this.stir());
  }

  fund(sender: Hex, kind: "low" | "lean" | "rich" | "none"): void {
    this.chain.act(() => this.#putFunds(sender, kind), sender);
  }

  /** Lean: enough for a few tickets. */
  #putFunds(sender: Hex, kind: "low" | "lean" | "rich" | "none"): void {
    const { chance, chain, climate } = this;
    const [least, most] = { none: [0, 0], low: [1, 150], lean: [150, 500], rich: [20_000, 90_000] }[kind] as [
      number,
      number,
    ];
    const part = (): bigint => (this.usualFaceValue * BigInt(chance.between(least, most))) / 100n;
    chain.store.put(`deposit:${sender}`, part());
    chain.store.put(`reserve:${sender}`, part() * BigInt(climate.poolSize));
    if (kind !== "none") chain.store.put(`withdrawRound:${sender}`, 0n);
  }

  /** Gas money of an account is set to this. */
  setBalance(account: Hex, wei: bigint): void {
    this.chain.act(({ store }) => store.put(`balance:${account}`, wei), account);
  }

  #onRecorded(recorded: RecordedEvent): void {
    this.onEvent(recorded);
    if (recorded.event.type === "TransactionPlanned") {
      this.plannedAt.set(parseStreamId(recorded.stream).id, this.time.nowMs);
    }
    this.#changedMs = this.time.nowMs;
  }

  #pollIn(ms: number): void {
    const wholeMs = Math.round(ms);
    const atMs = this.time.nowMs + wholeMs;
    if (this.process === null || this.#isPolling) return;
    if (this.#pollAt !== null && this.#pollAt.atMs <= atMs) return;
    this.#pollAt?.cancel();
    const cancel = this.time.schedule(wholeMs, this.process.owner, () => {
      this.#pollAt = null;
      void this.#poll();
    });
    this.#pollAt = { atMs, cancel };
  }

  /** As the composition does: one look, one tick, and the next look when the office asks for it or after a while. */
  async #poll(): Promise<void> {
    const { process } = this;
    if (process === null || this.#isPolling) return;
    this.#isPolling = true;
    this.polls += 1;
    this.#remember();
    const look = await process.desk.look();
    const wakeMs = look === null ? null : await process.office.tick(look);
    if (!process.owner.isAlive) return;
    this.#isPolling = false;
    // The longer nothing changes, the rarer the polls: they would all find the same.
    const slower = (this.time.nowMs - this.#changedMs) / 2;
    this.#pollIn(Math.min(calmPollMs, Math.max(wakeMs ?? this.climate.pollMs, slower)));
  }

  /** What endpoints that lag will still believe in a while. */
  #remember(): void {
    const { time, chain, weather, climate } = this;
    const parts = { chain, time, chainId, accounts: this.keys, tip: climate.tip };
    weather.past.push({ atMs: time.nowMs, look: lookNow(parts) });
    if (weather.past.length > 200) weather.past.splice(0, 100);
  }
}
