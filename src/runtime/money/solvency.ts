import { toHex } from "../../protocol/bytes.ts";
import { availableFunds, isUnlockingSoon, maxFloat } from "../../protocol/senderFunds.ts";
import type { Hex, UnixMs } from "../../shared/brand.ts";
import type { ChainClock, ChainView, SenderFunds } from "../ports.ts";

/** How long a reading of the chain counts as the present. Milliseconds. */
export const chainFreshMs = 120_000;

export type SolvencyOptions = {
  readonly chain: ChainView;
  readonly nowMs: () => UnixMs;
  /** Wei of unredeemed face value that may go beyond what a gateway is known to have. */
  readonly maxGatewayLoss: bigint;
  /** Wei of face value in redemptions that were sent and not mined. */
  readonly pendingRedemptions: (sender: Hex) => bigint;
};

/** What the winners of one gateway amount to, against what it has. All in wei. */
export type Exposure = {
  /** Face value of its winners that are neither redeemed nor expired. */
  readonly outstanding: bigint;
  /** What its deposit and our share of its reserve can pay. */
  readonly covered: bigint;
  /** What may be lost: beyond the cover, or, while the chain cannot be read, all that was won since. */
  readonly atRisk: bigint;
  readonly withdrawRound: bigint;
  readonly isChainFresh: boolean;
};

/** Why a gateway is not served, in words of ours for logs. The gateway hears the network's own text. */
export type SolvencyRefusal = {
  readonly type: "refused";
  readonly code: "SENDER_UNKNOWN" | "SENDER_UNLOCKING" | "LOSS_CAP";
  readonly exposure: Exposure | null;
};

type Winners = {
  count: number;
  outstanding: bigint;
  readonly won: { readonly atMs: UnixMs; readonly faceValue: bigint }[];
  /** Those that are no longer remembered one by one: all of them, and when the last was won. */
  earlier: { atMs: UnixMs; faceValue: bigint };
};

/** Winners of a gateway that are remembered one by one. */
const recentMax = 1_000;

/**
 * Weighs what gateways have won from themselves against what they can pay. A fold over the open tickets: it is told
 * of each when it opens and ends.
 */
export class Solvency {
  readonly #options: SolvencyOptions;
  readonly #bySender = new Map<Hex, Winners>();

  constructor(options: SolvencyOptions) {
    this.#options = options;
  }

  opened(sender: Hex, faceValue: bigint, atMs: UnixMs): void {
    const winners = this.#bySender.get(sender) ?? {
      count: 0,
      outstanding: 0n,
      won: [],
      earlier: { atMs: 0, faceValue: 0n },
    };
    winners.count += 1;
    winners.outstanding += faceValue;
    winners.won.push({ atMs, faceValue });
    const oldest = winners.won.length > recentMax ? winners.won.shift() : undefined;
    if (oldest !== undefined) {
      winners.earlier = { atMs: oldest.atMs, faceValue: winners.earlier.faceValue + oldest.faceValue };
    }
    this.#bySender.set(sender, winners);
  }

  ended(sender: Hex, faceValue: bigint): void {
    const winners = this.#bySender.get(sender);
    if (winners === undefined) return;
    winners.count -= 1;
    winners.outstanding -= faceValue;
    if (winners.count <= 0) this.#bySender.delete(sender);
  }

  /** Winners of one gateway that are neither redeemed nor expired. */
  countOf(sender: Hex): number {
    return this.#bySender.get(sender)?.count ?? 0;
  }

  /** Winners of all gateways that are neither redeemed nor expired, and their face value in wei. */
  totals(): { readonly count: number; readonly outstanding: bigint } {
    let count = 0;
    let outstanding = 0n;
    for (const winners of this.#bySender.values()) {
      count += winners.count;
      outstanding += winners.outstanding;
    }
    return { count, outstanding };
  }

  exposure(sender: Uint8Array): Exposure | null {
    const funds = this.#options.chain.funds(sender);
    const clock = this.#options.chain.clock();
    return funds === null || clock === null ? null : this.#exposure(toHex(sender), funds, clock);
  }

  /**
   * The highest face value that a new ticket of this gateway may have, or why there can be none. The deposit caps
   * it too where that leaves a ticket worth having: gateways refuse to sign for more than their deposit.
   *
   * Source: payments sheet 5.2, 13.
   */
  maxFloat(sender: Uint8Array, floor: bigint): bigint | SolvencyRefusal {
    const { chain, pendingRedemptions } = this.#options;
    const funds = chain.funds(sender);
    const clock = chain.clock();
    if (funds === null || clock === null) return { type: "refused", code: "SENDER_UNKNOWN", exposure: null };
    const refusal = this.#refusal(toHex(sender), funds, clock);
    if (refusal !== null) return refusal;
    const float = maxFloat(funds, clock.transcoderPoolSize, pendingRedemptions(toHex(sender)));
    return funds.deposit >= floor && funds.deposit < float ? funds.deposit : float;
  }

  /** Whether the chain must be asked first: nothing is known, or what was known a while ago is not enough. */
  needsReading(sender: Uint8Array): boolean {
    const funds = this.#options.chain.funds(sender);
    const clock = this.#options.chain.clock();
    if (funds === null || clock === null) return funds === null;
    return this.#refusal(toHex(sender), funds, clock)?.exposure?.isChainFresh === false;
  }

  /** Why no ticket of this gateway may be taken now, or null. */
  refusal(sender: Uint8Array): SolvencyRefusal | null {
    const funds = this.#options.chain.funds(sender);
    const clock = this.#options.chain.clock();
    if (funds === null || clock === null) return { type: "refused", code: "SENDER_UNKNOWN", exposure: null };
    return this.#refusal(toHex(sender), funds, clock);
  }

  #refusal(sender: Hex, funds: SenderFunds, clock: ChainClock): SolvencyRefusal | null {
    const exposure = this.#exposure(sender, funds, clock);
    if (isUnlockingSoon(funds.withdrawRound, clock.lastInitializedRound)) {
      return { type: "refused", code: "SENDER_UNLOCKING", exposure };
    }
    if (exposure.atRisk > this.#options.maxGatewayLoss)
      return { type: "refused", code: "LOSS_CAP", exposure };
    return null;
  }

  #exposure(sender: Hex, funds: SenderFunds, clock: ChainClock): Exposure {
    const winners = this.#bySender.get(sender);
    const outstanding = winners?.outstanding ?? 0n;
    // All of what is outstanding is set against all of what there is: what is on its way counts on both sides.
    const available = availableFunds(funds, clock.transcoderPoolSize, 0n);
    const covered = available > 0n ? available : 0n;
    // Either way: a clock that was set back must not make an old reading young for ever.
    const isChainFresh = Math.abs(this.#options.nowMs() - funds.readAtMs) <= chainFreshMs;
    const uncovered = outstanding > covered ? outstanding - covered : 0n;
    const sinceReading = isChainFresh ? 0n : wonSince(winners, funds.readAtMs);
    return {
      outstanding,
      covered,
      atRisk: uncovered > sinceReading ? uncovered : sinceReading,
      withdrawRound: funds.withdrawRound,
      isChainFresh,
    };
  }
}

function wonSince(winners: Winners | undefined, atMs: UnixMs): bigint {
  if (winners === undefined) return 0n;
  // Too many to tell apart: rather too much at risk than too little.
  let sum = winners.earlier.atMs >= atMs ? winners.earlier.faceValue : 0n;
  for (const { atMs: wonMs, faceValue } of winners.won) if (wonMs >= atMs) sum += faceValue;
  return sum;
}
