import { clone, create } from "@bufbuild/protobuf";
import { fitBytes } from "../../src/protocol/bytes.ts";
import {
  type OrchestratorInfo,
  type Payment,
  PaymentSchema,
  type PriceInfo,
  PriceInfoSchema,
  type TicketParams,
  TicketParamsSchema,
} from "../../src/protocol/gen/lp_rpc_pb.ts";
import { bigintOfBytes } from "../../src/protocol/integerBytes.ts";
import type { RenditionProfile } from "../../src/protocol/profile.ts";
import {
  ceiling,
  compare,
  divide,
  formatRational,
  isPositive,
  isZero,
  multiply,
  type Rational,
  rational,
  subtract,
  ZERO,
} from "../../src/protocol/rational.ts";
import { type TicketExpiration, ticketHash, ticketValue } from "../../src/protocol/ticket.ts";
import { accountOfPrivateKey, signPersonalMessage } from "./signatures.ts";

/*
 * The money of a gateway, without its network: what it accepts, how many tickets it sends, and the tickets
 * themselves. Numbers and texts are those of the reference gateway. Source: payments sheet 3.6; go-livepeer
 * pm/sender.go, core/accounting.go, server/segment_rpc.go.
 */

/** What the chain says about the gateway's own account. Amounts in wei. */
export type GatewayFunds = {
  readonly deposit: bigint;
  /** What is left of the reserve. */
  readonly reserve: bigint;
  /** 0 = it is not being withdrawn. */
  readonly withdrawRound: bigint;
};

/** The gateway's view of the chain. */
export type GatewayClock = {
  readonly lastSeenL1Block: bigint;
  readonly lastRound: bigint;
  /** 32 bytes. */
  readonly lastRoundHash: Uint8Array;
};

/** What a gateway pays at most. Wei. */
export type GatewayLimits = {
  readonly maxTicketEv: bigint;
  readonly maxTotalEv: bigint;
  /** The deposit must cover this many face values. */
  readonly depositMultiplier: bigint;
};

/** The defaults of gateways: `-maxTicketEV`, `-maxTotalEV`, `-depositMultiplier`. */
export const defaultGatewayLimits: GatewayLimits = {
  maxTicketEv: 3_000_000_000_000n,
  maxTotalEv: 20_000_000_000_000n,
  depositMultiplier: 1n,
};

/** The text for params that only have to be fetched again. */
export const paramsExpiredText = "TicketParams expired";

/** What one ticket of these params is worth, wei. */
export function ticketEvOf(params: TicketParams): Rational {
  return ticketValue(bigintOfBytes(params.faceValue), bigintOfBytes(params.winProb));
}

/** Why a gateway does not send `count` tickets of these params; null when it does. */
export function paramsFault(
  params: TicketParams,
  count: number,
  own: { readonly funds: GatewayFunds; readonly clock: GatewayClock; readonly limits: GatewayLimits },
): string | null {
  const { funds, clock, limits } = own;
  const expirationBlock = bigintOfBytes(params.expirationBlock);
  if (expirationBlock === 0n) return "ticketParams expiration block is 0";
  if (expirationBlock - clock.lastSeenL1Block <= 1n) return paramsExpiredText;
  const ev = ticketEvOf(params);
  if (!isPositive(ev)) return null;
  const faceValue = bigintOfBytes(params.faceValue);
  if (compare(ev, rational(faceValue)) >= 0) return `ticket faceValue too low faceValue=${faceValue}`;
  if (compare(ev, rational(limits.maxTicketEv)) > 0) {
    return `ticket EV ${fixed5(ev)} > max ticket EV ${fixed5(rational(limits.maxTicketEv))}`;
  }
  if (funds.withdrawRound !== 0n && funds.withdrawRound <= clock.lastRound + 1n) {
    return "unable to validate sender: deposit and reserve is set to unlock soon";
  }
  if (funds.reserve === 0n) return "no sender reserve";
  if (funds.deposit === 0n) return "no sender deposit";
  const total = multiply(ev, rational(BigInt(count)));
  if (compare(total, rational(limits.maxTotalEv)) > 0) {
    const most = fixed5(rational(limits.maxTotalEv));
    return `total ticket EV ${fixed5(total)} for ${count} tickets > max total ticket EV ${most}`;
  }
  const most = funds.deposit / limits.depositMultiplier;
  return faceValue > most ? `ticket faceValue ${faceValue} > max faceValue ${most}` : null;
}

/**
 * How many tickets a gateway sends so that its balance covers `minCredit` and at least one ticket.
 *
 * @param minCredit - the estimated fee
 * @param balance - what it believes to have with the orchestrator
 */
export function ticketCount(minCredit: Rational, balance: Rational, ev: Rational): number {
  const needed = compare(ev, minCredit) > 0 ? ev : minCredit;
  if (compare(balance, needed) >= 0 || isZero(ev)) return 0;
  return Number(ceiling(divide(subtract(needed, balance), ev)));
}

/** What a gateway expects a segment to cost, wei: every pixel it may get, and two percent. */
export function estimatedFee(
  profiles: readonly Pick<RenditionProfile, "width" | "height" | "fps" | "fpsDen">[],
  durationMs: number,
  price: Rational,
): Rational {
  const seconds = BigInt(Math.ceil(durationMs / 1000));
  let pixels = 0n;
  for (const { width, height, fps, fpsDen } of profiles) {
    // A rendition that keeps the input's rate may have any; 60 is a guess on the safe side.
    const rate = rational(BigInt(fps === 0 ? 60 : fps), BigInt(fpsDen === 0 ? 1 : fpsDen));
    pixels += BigInt(width * height) * ceiling(rate) * seconds;
  }
  return multiply(multiply(rational(pixels), rational(102n, 100n)), price);
}

/** Why a gateway does not pay this price any more; null when it does. */
export function priceFault(price: PriceInfo | undefined, initialPrice: PriceInfo | undefined): string | null {
  if (price === undefined) return "missing orchestrator price";
  if (price.pixelsPerUnit === 0n) return "pixels per unit is 0";
  if (initialPrice === undefined || initialPrice.pixelsPerUnit === 0n) return null;
  const now = priceOf(price);
  const first = priceOf(initialPrice);
  if (compare(now, multiply(first, rational(2n))) <= 0) return null;
  const texts = [formatRational(now), formatRational(first)];
  return `Orchestrator price has more than doubled, Orchestrator price: ${texts[0]}, Orchestrator initial price: ${texts[1]}`;
}

/** Wei per unit of a price that has both parts; 0 for one that lacks something. */
export function priceOf(price: PriceInfo | undefined): Rational {
  if (price === undefined || price.pixelsPerUnit === 0n) return ZERO;
  return rational(price.pricePerUnit, price.pixelsPerUnit);
}

/** Departures from what an honest gateway does, for one payment. */
export type PaymentTricks = {
  /** So many tickets, whatever the balance says. */
  readonly count?: number;
  /** These nonces instead of the next ones; one ticket each. */
  readonly nonces?: readonly number[];
  /** Changes the params before the tickets are signed: the signatures fit what was changed. */
  readonly alterParams?: (params: TicketParams) => void;
  /** The round and hash of the tickets instead of those of the params. */
  readonly expiration?: TicketExpiration;
  /** Tickets, counted from 0, whose signature is another one. */
  readonly badSignatures?: readonly number[];
  /** The price that the payment names. Absent = that of the session, null = none. */
  readonly price?: { readonly pricePerUnit: bigint; readonly pixelsPerUnit: bigint } | null;
  /** The key that signs the tickets and whose account is named. */
  readonly privateKey?: Uint8Array;
  /** Changes the finished message. */
  readonly alter?: (payment: Payment) => void;
};

/**
 * One set of params as a gateway uses it: its nonces start at 1 and never repeat.
 */
export class TicketSession {
  readonly info: OrchestratorInfo;
  readonly #params: TicketParams | null;
  #nonce = 0;

  /** @param info - with ticket params; without them only payments without tickets can be made */
  constructor(info: OrchestratorInfo) {
    this.info = info;
    this.#params = info.ticketParams ?? null;
  }

  /** Value of one ticket, wei. */
  get ev(): Rational {
    return this.#params === null ? ZERO : ticketEvOf(this.#params);
  }

  /** Makes a payment of `count` tickets; of none when that is 0. */
  payment(
    count: number,
    own: { readonly privateKey: Uint8Array; readonly clock: GatewayClock },
    tricks: PaymentTricks = {},
  ): Payment {
    const privateKey = tricks.privateKey ?? own.privateKey;
    const sender = accountOfPrivateKey(privateKey);
    const price =
      tricks.price === undefined
        ? this.info.priceInfo
        : tricks.price === null
          ? undefined
          : create(PriceInfoSchema, tricks.price);
    const payment = create(PaymentSchema, {
      sender,
      ...(price === undefined ? {} : { expectedPrice: price }),
    });
    if (count > 0 && this.#params !== null) {
      this.#addTickets(payment, this.#params, count, { privateKey, clock: own.clock }, tricks);
    }
    tricks.alter?.(payment);
    return payment;
  }

  #addTickets(
    payment: Payment,
    issued: TicketParams,
    count: number,
    own: { readonly privateKey: Uint8Array; readonly clock: GatewayClock },
    tricks: PaymentTricks,
  ): void {
    const params = clone(TicketParamsSchema, issued);
    tricks.alterParams?.(params);
    const expiration = tricks.expiration ?? usedExpiration(params, own.clock);
    // Gateways send round and hash beside the params, not inside.
    delete params.expirationParams;
    // What no contract can hold is cut down to what fits: the ticket is worthless anyway.
    const terms = {
      recipient: fitBytes(params.recipient, 20),
      sender: payment.sender,
      faceValue: bigintOfBytes(fitBytes(params.faceValue, 32)),
      winProb: bigintOfBytes(fitBytes(params.winProb, 32)),
      recipientRandHash: fitBytes(params.recipientRandHash, 32),
      expiration: {
        creationRound: BigInt.asUintN(63, expiration.creationRound),
        creationRoundBlockHash: fitBytes(expiration.creationRoundBlockHash, 32),
      },
    };
    const nonces = tricks.nonces ?? Array.from({ length: count }, () => this.#nextNonce());
    payment.ticketParams = params;
    payment.expirationParams = create(PaymentSchema, { expirationParams: expiration }).expirationParams;
    payment.ticketSenderParams = create(PaymentSchema, {
      ticketSenderParams: nonces.map((senderNonce, index) => {
        const sig = signPersonalMessage(ticketHash(terms, senderNonce), own.privateKey);
        // Another valid-looking signature: the low bits of s decide nothing about its form.
        if (tricks.badSignatures?.includes(index) === true) sig[63] = (sig[63] ?? 0) ^ 1;
        return { senderNonce, sig };
      }),
    }).ticketSenderParams;
  }

  #nextNonce(): number {
    this.#nonce += 1;
    return this.#nonce;
  }
}

/** What the params say, or the gateway's own round where they say nothing of use. */
function usedExpiration(params: TicketParams, clock: GatewayClock): TicketExpiration {
  const said = params.expirationParams;
  const hash = fitBytes(said?.creationRoundBlockHash ?? new Uint8Array(0), 32);
  if (said === undefined || said.creationRound === 0n || hash.every((byte) => byte === 0)) {
    return { creationRound: clock.lastRound, creationRoundBlockHash: clock.lastRoundHash };
  }
  return { creationRound: said.creationRound, creationRoundBlockHash: hash };
}

/** Five digits behind the point, rounded half up: how the reference gateway prints an EV. */
function fixed5(value: Rational): string {
  const scaled = (value.numerator * 200_000n + value.denominator) / (value.denominator * 2n);
  const digits = scaled.toString().padStart(6, "0");
  return `${digits.slice(0, -5)}.${digits.slice(-5)}`;
}
