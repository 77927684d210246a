import { create } from "@bufbuild/protobuf";
import { type TicketParams, TicketParamsSchema } from "./gen/lp_rpc_pb.ts";
import { minimalBytes, withoutLeadingZeros } from "./integerBytes.ts";
import { paymentTexts } from "./paymentTexts.ts";
import { isPositive, type Rational } from "./rational.ts";
import { maxWinProb, type TicketExpiration } from "./ticket.ts";

/*
 * What we ask a gateway to put into its tickets. Source: payments sheet 2.
 */

/** L1 blocks for which params are accepted: 8 minutes. */
export const PARAMS_LIFETIME_BLOCKS = 40n;

/** What decides over a face value. Wei, but for `redeemGas`. */
export type FaceValueInput = {
  /** What redeeming one ticket costs now: gas × gas price. */
  readonly txCost: bigint;
  /** Gas units. */
  readonly redeemGas: bigint;
  /** Wanted expected value of a ticket (`-ticketEV`). */
  readonly ticketEv: bigint;
  /** Cap set by the operator; 0 or less = none. */
  readonly maxFaceValue: bigint;
  /** What the gateway's reserve covers, see `maxFloat`; asked at most once. What it throws is passed on. */
  readonly maxFloat: () => bigint;
};

/** A face value in wei, or why there can be none. */
export type FaceValue =
  { readonly type: "value"; readonly value: bigint } | { readonly type: "refused"; readonly text: string };

/** What the tickets of one set shall say. Wei. */
export type TicketOffer =
  | { readonly type: "offer"; readonly faceValue: bigint; readonly winProb: bigint }
  | { readonly type: "refused"; readonly text: string };

/**
 * The face value at which a winning ticket is worth its redemption and is covered by the gateway's reserve.
 * Source: payments sheet 2.2.
 */
export function faceValue(input: FaceValueInput): FaceValue {
  const { txCost, redeemGas, ticketEv, maxFaceValue } = input;
  let value = txCost * TX_COST_MULTIPLIER;
  if (value < ticketEv) value = ticketEv * TX_COST_MULTIPLIER;
  value = smaller(value, input.maxFloat());
  if (maxFaceValue > 0n) value = smaller(value, maxFaceValue);
  const isWorthItsCost = value >= txCost || value >= redeemGas * CHEAP_GAS_PRICE;
  if (value < ticketEv || !isWorthItsCost) {
    return { type: "refused", text: paymentTexts.insufficientReserve };
  }
  return { type: "value", value };
}

/**
 * The win probability at which a ticket of that face value is worth at least `ticketEv`, as a numerator over
 * `maxWinProb`. Rounded up, so that one ticket is always enough where one is asked for.
 *
 * @param value - face value in wei, at least `ticketEv` or 0
 * Source: payments sheet 2.3.
 */
export function winProbability(value: bigint, ticketEv: bigint): bigint {
  if (value === 0n) return 0n;
  if (value === ticketEv) return maxWinProb;
  const quotient = maxWinProb / value;
  // The peer looks at the low 64 bits of the remainder only, and so rounds down once in 2⁶⁴ values.
  return ticketEv * (maxWinProb % value === 0n ? quotient : quotient + 1n);
}

/**
 * Face value and win probability for a price. Free work needs no reserve: both are 0 and nobody is asked.
 *
 * @param price - wei per unit
 */
export function ticketOffer(price: Rational, input: FaceValueInput): TicketOffer {
  if (!isPositive(price)) return { type: "offer", faceValue: 0n, winProb: 0n };
  const found = faceValue(input);
  if (found.type === "refused") return found;
  return { type: "offer", faceValue: found.value, winProb: winProbability(found.value, input.ticketEv) };
}

/**
 * The round that new tickets shall name: the last initialised one, or the one before it while the chain knows no
 * hash for the last one (it happens on Arbitrum).
 *
 * @returns null when there is no round that gateways would leave as it is: they put their own last round in
 *   place of round 0 and of a hash of zeros, and then no payment would fit its params
 * Source: payments sheet 2.1 step 5, 2.5.
 */
export function ticketExpiration(clock: {
  readonly lastInitializedRound: bigint;
  readonly roundBlockHash: Uint8Array;
  readonly previousRoundBlockHash: Uint8Array;
}): TicketExpiration | null {
  const round = clock.lastInitializedRound;
  if (!isZeroHash(clock.roundBlockHash)) {
    return { creationRound: round, creationRoundBlockHash: clock.roundBlockHash };
  }
  if (round < 2n || isZeroHash(clock.previousRoundBlockHash)) return null;
  return { creationRound: round - 1n, creationRoundBlockHash: clock.previousRoundBlockHash };
}

/** What a set of params says on the wire. */
export type ParamsFields = {
  /** 20 bytes. */
  readonly recipient: Uint8Array;
  readonly faceValue: bigint;
  readonly winProb: bigint;
  /** 32 bytes. */
  readonly recipientRandHash: Uint8Array;
  /** 32 bytes; zeros in front are left out on the wire. */
  readonly seed: Uint8Array;
  readonly expirationBlock: bigint;
  readonly expiration: TicketExpiration;
};

/** The params as a gateway gets them. Source: payments sheet 2.5; `net.TicketParams`. */
export function ticketParamsMessage(fields: ParamsFields): TicketParams {
  return create(TicketParamsSchema, {
    recipient: fields.recipient,
    faceValue: minimalBytes(fields.faceValue),
    winProb: minimalBytes(fields.winProb),
    recipientRandHash: fields.recipientRandHash,
    seed: withoutLeadingZeros(fields.seed),
    expirationBlock: minimalBytes(fields.expirationBlock),
    expirationParams: {
      creationRound: fields.expiration.creationRound,
      creationRoundBlockHash: fields.expiration.creationRoundBlockHash,
    },
  });
}

/** How many times its redemption a face value shall be worth. No flag changes it. */
const TX_COST_MULTIPLIER = 100n;
/** 3 gwei: a face value above the cost at this gas price passes however dear gas is now. */
const CHEAP_GAS_PRICE = 3_000_000_000n;

function smaller(left: bigint, right: bigint): bigint {
  return left < right ? left : right;
}

function isZeroHash(hash: Uint8Array): boolean {
  return hash.every((byte) => byte === 0);
}
