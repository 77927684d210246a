import { L1Clock } from "../../src/chain/l1Clock.ts";
import type { ChainClock, ChainView, SenderFunds } from "../../src/runtime/ports.ts";
import { fromHex } from "../../src/protocol/bytes.ts";
import type { Hex } from "../../src/shared/brand.ts";
import type { Chance, Owner, SimulatedTime } from "./simulatedTime.ts";

/*
 * A chain on virtual time: what is true of it, and the view that one process of the node has. The truth survives
 * processes. While the chain is out nothing is read; what a process knows stays with it.
 */

/** How this chain behaves; drawn from the seed. */
export type ChainClimate = {
  /** Milliseconds from block to block. */
  readonly blockMs: number;
  readonly roundBlocks: number;
  readonly poolSize: bigint;
  /** Some rounds have no block hash, as it happens on Arbitrum. */
  readonly hasZeroHashes: boolean;
  /** Our recipient is not in the active set of some rounds. */
  readonly hasInactiveRounds: boolean;
};

export type TrueFunds = Pick<SenderFunds, "deposit" | "reserve" | "withdrawRound">;

/** Rounds for which a ticket stays redeemable, as in the contract. */
const validityRounds = 2n;
const firstBlock = 20_000_000n;
const pollMs = 5_000;

/** The truth. */
export class SimulatedL1 {
  readonly climate: ChainClimate;
  /** Until this moment of virtual time nobody can read the chain. */
  outageUntilMs = 0;
  /** Wei. */
  gasPrice = 0n;
  /** Gateways that ever asked for their money back, and those whose funds were ever low. */
  readonly everUnlocking = new Set<Hex>();
  readonly everLow = new Set<Hex>();
  /** When a process last read each gateway's funds. Virtual milliseconds. */
  readonly lastReadMs = new Map<Hex, number>();
  readonly #time: SimulatedTime;
  readonly #funds = new Map<Hex, TrueFunds>();

  constructor(time: SimulatedTime, climate: ChainClimate) {
    this.#time = time;
    this.climate = climate;
  }

  get isOut(): boolean {
    return this.#time.nowMs < this.outageUntilMs;
  }

  get block(): bigint {
    return firstBlock + BigInt(Math.floor(this.#time.nowMs / this.climate.blockMs));
  }

  get round(): bigint {
    return this.block / BigInt(this.climate.roundBlocks);
  }

  get roundMs(): number {
    return this.climate.blockMs * this.climate.roundBlocks;
  }

  /** L1 block hash of a round; never two zero hashes in a row. */
  hashOf(round: bigint): Uint8Array {
    if (this.climate.hasZeroHashes && round % 5n === 3n) return new Uint8Array(32);
    return new Uint8Array(new Bun.CryptoHasher("sha256").update(`round ${round}`).digest());
  }

  isActive(round: bigint): boolean {
    return !this.climate.hasInactiveRounds || round % 9n !== 4n;
  }

  funds(sender: Hex): TrueFunds {
    return this.#funds.get(sender) ?? { deposit: 0n, reserve: 0n, withdrawRound: 0n };
  }

  setFunds(sender: Hex, funds: TrueFunds): void {
    this.#funds.set(sender, funds);
    if (funds.withdrawRound !== 0n) this.everUnlocking.add(sender);
  }

  /** Somebody redeemed some of the tickets: always the same ones. */
  isUsed(ticketHash: Uint8Array): boolean {
    return (ticketHash[7] ?? 0) % 3 === 0;
  }

  read(): Omit<ChainClock, "l1Block" | "readAtMs"> {
    const { round } = this;
    return {
      lastInitializedRound: round,
      roundBlockHash: this.hashOf(round),
      previousRoundBlockHash: this.hashOf(round - 1n),
      transcoderPoolSize: this.climate.poolSize,
      ticketValidityPeriod: validityRounds,
      isRecipientActive: this.isActive(round),
    };
  }
}

export type SimulatedChainOptions = {
  readonly time: SimulatedTime;
  readonly chance: Chance;
  readonly process: Owner;
  readonly l1: SimulatedL1;
  readonly recipient: Uint8Array;
  readonly seed: { readonly clock: ChainClock | null; readonly funds: ReadonlyMap<Hex, SenderFunds> };
  readonly onClock: (clock: ChainClock) => void;
};

/** What one process knows of the chain: polls, a cache, and the real clock between two polls. */
export class SimulatedChain implements ChainView {
  readonly recipient: Uint8Array;
  /** Gateways whose funds this very process has read. */
  readonly hasRead = new Set<Hex>();
  readonly #options: SimulatedChainOptions;
  readonly #l1Clock: L1Clock;
  readonly #funds: Map<Hex, SenderFunds>;
  #rounds: Omit<ChainClock, "l1Block"> | null;
  #gasPrice = 0n;
  #shown = "";

  constructor(options: SimulatedChainOptions) {
    const { time, seed } = options;
    this.#options = options;
    this.recipient = options.recipient;
    this.#rounds = seed.clock;
    this.#funds = new Map(seed.funds);
    this.#l1Clock = new L1Clock({
      monotonicMs: () => time.nowMs,
      seed:
        seed.clock === null ? null : { block: seed.clock.l1Block, ageMs: time.wallMs - seed.clock.readAtMs },
    });
    this.#poll();
  }

  get trouble(): string | null {
    return this.#options.l1.isOut ? "the simulated chain is out" : null;
  }

  clock(): ChainClock | null {
    const l1Block = this.#l1Clock.now();
    return l1Block === null || this.#rounds === null ? null : { ...this.#rounds, l1Block };
  }

  gasPrice(): bigint {
    return this.#gasPrice;
  }

  funds(sender: Uint8Array): SenderFunds | null {
    return this.#funds.get(hexOf(sender)) ?? null;
  }

  readFunds(sender: Uint8Array): Promise<SenderFunds | null> {
    return this.#answer(() => this.#read(hexOf(sender)));
  }

  /** As `ChainDesk` has it. */
  areTicketsUsed(hashes: readonly Hex[]): Promise<readonly boolean[] | null> {
    const { l1 } = this.#options;
    return this.#answer(() => hashes.map((hash) => l1.isUsed(fromHex(hash) ?? new Uint8Array(0))));
  }

  close(): void {}

  /** Asks the chain: null when it is out at that moment. */
  #answer<T>(read: () => T): Promise<T | null> {
    const { time, chance, process, l1 } = this.#options;
    const delayMs = chance.pick([chance.between(1, 60), chance.between(1, 900)]);
    return new Promise((resolve) => time.schedule(delayMs, process, () => resolve(l1.isOut ? null : read())));
  }

  #read(sender: Hex): SenderFunds {
    const { time, l1 } = this.#options;
    const none = { claimedInRound: 0n, claimedByUs: 0n };
    const funds: SenderFunds = { ...l1.funds(sender), ...none, readAtMs: time.wallMs };
    this.#funds.set(sender, funds);
    l1.lastReadMs.set(sender, time.nowMs);
    this.hasRead.add(sender);
    return funds;
  }

  #poll(): void {
    const { time, process } = this.#options;
    void this.#answer(() => this.#take());
    time.schedule(pollMs, process, () => this.#poll());
  }

  #take(): void {
    const { l1, time, onClock } = this.#options;
    for (const sender of this.#funds.keys()) this.#read(sender);
    this.#gasPrice = l1.gasPrice;
    this.#rounds = { ...l1.read(), readAtMs: time.wallMs };
    this.#l1Clock.observe(l1.block, null);
    const clock = this.clock();
    const shown = `${clock?.lastInitializedRound}/${clock?.l1Block}`;
    if (clock === null || shown === this.#shown) return;
    this.#shown = shown;
    onClock(clock);
  }
}

function hexOf(bytes: Uint8Array): Hex {
  return `0x${Buffer.from(bytes).toString("hex")}`;
}
