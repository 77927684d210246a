import type { OrchestratorInfo } from "../../src/protocol/gen/lp_rpc_pb.ts";
import type { HmacSha256 } from "../../src/protocol/authToken.ts";
import { bigintOfBytes } from "../../src/protocol/integerBytes.ts";
import { priceOfInfo } from "../../src/protocol/price.ts";
import { type Rational, rational } from "../../src/protocol/rational.ts";
import type { LogReader } from "../../src/events/log/reader.ts";
import type { Host } from "../../src/runtime/host.ts";
import { chainSeed, Money } from "../../src/runtime/money/money.ts";
import type { SolvencyRefusal } from "../../src/runtime/money/solvency.ts";
import type { ChainClock, Edge } from "../../src/runtime/ports.ts";
import type { Hex } from "../../src/shared/brand.ts";
import { type ChainClimate, SimulatedChain, SimulatedL1 } from "../support/simulatedChain.ts";
import { SimulatedVerifier, type Wins } from "../support/simulatedSignatures.ts";
import { Chance, type Owner, type SimulatedTime } from "../support/simulatedTime.ts";
import { openTicketEnds } from "./ticketEnds.ts";

/** What money is like in this simulation; drawn from the seed, apart from everything else. */
export type MoneyClimate = ChainClimate & {
  /** Wei. */
  readonly ticketEv: bigint;
  /** Wei per pixel; 0 = everybody is served for nothing. */
  readonly price: Rational;
  readonly redeemGas: bigint;
  /** Wei per gas, at the beginning. */
  readonly gasPrice: bigint;
  readonly maxFaceValue: bigint;
  readonly maxGatewayLoss: bigint;
  readonly isAdjusted: boolean;
  /** Share of the gateways that cheat whenever they can. */
  readonly cheats: number;
  /** Chance of each in a second of virtual time. */
  readonly outage: number;
  readonly fundsMove: number;
  readonly priceMove: number;
  readonly gasMove: number;
  /** The chain goes away early and comes back when the day is over. */
  readonly isOutForLong: boolean;
};

const ev = 1_000_000_000_000n;

function moneyClimateOf(chance: Chance): MoneyClimate {
  const often = (max: number): number => (chance.isTrue(0.4) ? 0 : chance.next() * max);
  const blockMs = chance.pick([500, 2_000, 12_000]);
  return {
    blockMs,
    roundBlocks: Math.max(1, Math.floor(chance.between(6_000, 20_000) / blockMs)),
    poolSize: BigInt(chance.between(1, 100)),
    hasZeroHashes: chance.isTrue(0.3),
    hasInactiveRounds: chance.isTrue(0.1),
    ticketEv: ev,
    price: chance.isTrue(0.06) ? rational(0n) : rational(BigInt(chance.between(10_000, 400_000)), 3n),
    redeemGas: 350_000n,
    gasPrice: BigInt(chance.pick([0, chance.between(60_000, 1_400_000)])),
    maxFaceValue: chance.isTrue(0.2) ? ev * BigInt(chance.between(60, 90)) : 0n,
    maxGatewayLoss: ev * BigInt(chance.pick([0, 20, 500])),
    isAdjusted: chance.isTrue(0.5),
    cheats: chance.pick([0, 0.3, 0.7]),
    outage: often(0.03),
    fundsMove: often(0.05),
    priceMove: chance.pick([0, 0.05, 0.5]),
    gasMove: often(0.05),
    isOutForLong: chance.isTrue(0.15),
  };
}

/** Parameters as a gateway was given them. */
export type Issued = {
  /** Lower-case `0x…`. */
  readonly sender: Hex;
  readonly recipient: Hex;
  readonly faceValue: bigint;
  readonly winProb: bigint;
  readonly expirationBlock: bigint;
  readonly price: Rational;
  readonly creationRound: bigint;
  readonly creationRoundBlockHash: Hex;
};

/** The account that tickets are made out to. */
export const recipient = new Uint8Array(20).fill(0x0e);
/** What lies in the node's data folder: it survives every process. */
const ticketSecret = new Uint8Array(32).fill(9);
const chainId = 42_161n;

/** Money of one process. */
export type ProcessMoney = { readonly money: Money; readonly chain: SimulatedChain };

/** Everything of an on-chain world that survives the processes of the node. */
export class MoneyWorld {
  readonly climate: MoneyClimate;
  readonly l1: SimulatedL1;
  /** Draws of the world itself: those of gateways and processes do not move them. */
  readonly chance: Chance;
  /** By `recipientRandHash`. */
  readonly issued = new Map<Hex, Issued>();
  /** Who signed a ticket, by its hash. */
  readonly signedBy = new Map<Hex, Hex>();
  readonly wins: Wins = new Set();
  /** By `recipientRandHash/nonce`: payments that hold the ticket, and whether one before it there was badly signed. */
  readonly sent = new Map<string, { payments: number; isBehindBad: boolean }>();
  /** How often the node refused each gateway for its funds, as the node itself says. */
  readonly fundRefusals = new Map<Hex, number>();
  readonly senders: Hex[] = [];
  readonly #time: SimulatedTime;

  constructor(seed: number, time: SimulatedTime) {
    this.chance = new Chance(seed ^ 0x6d6f6e65);
    this.climate = moneyClimateOf(this.chance);
    this.#time = time;
    this.l1 = new SimulatedL1(time, this.climate);
    this.l1.gasPrice = this.climate.gasPrice;
  }

  /** What a redeemed ticket is worth in this world, roughly. Wei. */
  get usualFaceValue(): bigint {
    const { redeemGas, gasPrice, ticketEv } = this.climate;
    return gasPrice === 0n ? ticketEv * 100n : redeemGas * gasPrice * 100n;
  }

  /** Puts a gateway with funds on the chain; some are poor from the first day. */
  fund(sender: Hex): void {
    this.senders.push(sender);
    this.#setFunds(sender, this.chance.pick(["low", "lean", "lean", "rich", "rich", "rich"]));
  }

  /** Opens money as `openMoney` does; the host has started. */
  open(parts: {
    readonly host: Host;
    readonly reader: LogReader;
    readonly edge: Edge;
    readonly hmac: HmacSha256;
    readonly process: Owner;
    readonly processChance: Chance;
    readonly onRefused: (sender: Hex, refusal: SolvencyRefusal) => void;
    readonly onFault: (error: unknown) => void;
  }): ProcessMoney {
    const { host, process, processChance } = parts;
    let money: Money | null = null;
    let endTickets: ((clock: ChainClock) => void) | null = null;
    const chain = new SimulatedChain({
      ...{ time: this.#time, chance: processChance, process, l1: this.l1, recipient },
      seed: chainSeed(host, recipient),
      onClock: (clock) => {
        money?.chainMoved(clock, chainId);
        endTickets?.(clock);
      },
    });
    const { ticketEv, maxFaceValue, price } = this.climate;
    money = new Money({
      ...{ host, chain, reader: parts.reader, edge: parts.edge, hmac: parts.hmac },
      secrets: { current: () => [ticketSecret] },
      verifier: new SimulatedVerifier({
        ...{ time: this.#time, chance: processChance, process, wins: this.wins },
      }),
      redeemGas: this.climate.redeemGas,
      isAdjusted: this.climate.isAdjusted,
      maxGatewayLoss: this.climate.maxGatewayLoss,
      onRefused: (sender, refusal) => {
        const hex: Hex = `0x${Buffer.from(sender).toString("hex")}`;
        this.fundRefusals.set(hex, (this.fundRefusals.get(hex) ?? 0) + 1);
        parts.onRefused(hex, refusal);
      },
      onFault: parts.onFault,
    });
    const { solvency } = money;
    endTickets = openTicketEnds({
      ...{ host, chain, chainId, reader: parts.reader, time: this.#time, onFault: parts.onFault },
      onOpened: (sender, faceValue) => solvency.opened(sender, faceValue, this.#time.wallMs),
      onEnded: (sender, faceValue) => solvency.ended(sender, faceValue),
    });
    money.board.startWith(new Map([["default", { price, wording: "flag" }]]), { ticketEv, maxFaceValue });
    return { money, chain };
  }

  /** A gateway was told of parameters. */
  told(sender: Hex, info: OrchestratorInfo): void {
    const params = info.ticketParams;
    const price = priceOfInfo(info.priceInfo);
    if (params === undefined || price.type === "invalid") return;
    this.issued.set(`0x${Buffer.from(params.recipientRandHash).toString("hex")}`, {
      sender,
      recipient: `0x${Buffer.from(params.recipient).toString("hex")}`,
      faceValue: bigintOfBytes(params.faceValue),
      winProb: bigintOfBytes(params.winProb),
      expirationBlock: bigintOfBytes(params.expirationBlock),
      price: price.price,
      creationRound: params.expirationParams?.creationRound ?? 0n,
      creationRoundBlockHash: `0x${Buffer.from(params.expirationParams?.creationRoundBlockHash ?? []).toString("hex")}`,
    });
  }

  /** One second of the world's weather. `process` is null while the node is down. */
  move(process: ProcessMoney | null): void {
    const { chance, climate, l1 } = this;
    if (climate.isOutForLong && this.#time.nowMs > 20_000) l1.outageUntilMs = Number.POSITIVE_INFINITY;
    else if (chance.isTrue(climate.outage)) {
      l1.outageUntilMs = this.#time.nowMs + chance.pick([chance.between(1_000, 20_000), 180_000]);
    }
    if (chance.isTrue(climate.fundsMove) && this.senders.length > 0) {
      const sender = this.senders[chance.between(0, this.senders.length - 1)];
      if (sender !== undefined) this.#setFunds(sender, chance.pick(["low", "lean", "rich", "unlocking"]));
    }
    if (chance.isTrue(climate.gasMove)) {
      l1.gasPrice = (climate.gasPrice * BigInt(chance.between(50, 200))) / 100n;
    }
    if (chance.isTrue(climate.priceMove) && process !== null) {
      const { numerator, denominator } = climate.price;
      const price = rational(numerator * BigInt(chance.between(70, 190)), denominator * 100n);
      process.money.board.setPrice("default", { price, wording: "moved" }, "operator");
    }
  }

  /** Lean: enough for a ticket or three, so that a few winners are more than it has. */
  #setFunds(sender: Hex, kind: "low" | "lean" | "rich" | "unlocking"): void {
    const { chance, l1, climate } = this;
    const value = this.usualFaceValue;
    if (kind === "unlocking") {
      const { deposit, reserve } = l1.funds(sender);
      l1.setFunds(sender, { deposit, reserve, withdrawRound: l1.round + BigInt(chance.between(0, 3)) });
      return;
    }
    if (kind !== "rich") l1.everLow.add(sender);
    const [least, most] = { low: [0, 120], lean: [100, 300], rich: [500, 20_000] }[kind] as [number, number];
    const share = BigInt(chance.between(least, most));
    l1.setFunds(sender, {
      deposit: (value * share) / 100n,
      reserve: ((value * share) / 100n) * climate.poolSize,
      withdrawRound: 0n,
    });
  }
}
