import type { Hex } from "../../shared/brand.ts";
import type { Payable } from "../chainPorts.ts";

/*
 * Which of the due tickets to redeem now. Pure: the same tickets, funds and prices give the same plan.
 */

/** A due ticket as the plan sees it. Wei. */
export type PlanTicket = {
  readonly hash: Hex;
  readonly sender: Hex;
  readonly faceValue: bigint;
  readonly lastValidRound: bigint;
  /** The operator wants it redeemed, whatever it brings. */
  readonly isWanted?: boolean;
};

export type PlanFunds = {
  readonly payable: Payable;
  /** Face value of this sender's tickets in transactions that are not mined yet. */
  readonly inFlight: bigint;
};

export type PlanInput = {
  readonly tickets: readonly PlanTicket[];
  readonly funds: ReadonlyMap<Hex, PlanFunds>;
  /** The current round. */
  readonly round: bigint;
  /** Wei per gas. */
  readonly gasPrice: bigint;
  /** Gas that the redemption of one ticket by itself is taken to cost (`redeemGas`). */
  readonly redeemGas: bigint;
  /** This round's last part: tickets that end with it go now, or never. */
  readonly isLastChance: boolean;
};

export type PlanCause = "face-value" | "sender-funds" | "sender-unlocked";

export type RedemptionPlan = {
  /** To be redeemed, the ones that end first before all others, then the most valuable. */
  readonly take: readonly PlanTicket[];
  readonly postpone: readonly { readonly hash: Hex; readonly cause: PlanCause; readonly text: string }[];
};

/**
 * Gas of one ticket more in a batch, and of the batch itself, as parts of a ticket by itself.
 * Source: measured on Livepeer's contracts: 134.6k + 80.55k · n against 198k.
 */
const marginalShare = { numerator: 41n, denominator: 100n };
const baseShare = { numerator: 68n, denominator: 100n };

/** Gas of a batch of `count` tickets. */
export function batchGas(count: number, redeemGas: bigint): bigint {
  if (count <= 1) return redeemGas;
  const marginal = (redeemGas * marginalShare.numerator) / marginalShare.denominator;
  return (redeemGas * baseShare.numerator) / baseShare.denominator + marginal * BigInt(count);
}

/**
 * Takes tickets as long as their sender can pay them whole, and as long as they bring more than their gas. Nothing
 * that waits stands in the way of another ticket. A ticket in its last hours is also taken when only a part of it can
 * be paid, if that part is worth its gas.
 */
export function planRedemption(input: PlanInput): RedemptionPlan {
  const { gasPrice, redeemGas, round } = input;
  const single = redeemGas * gasPrice;
  const marginal = ((redeemGas * marginalShare.numerator) / marginalShare.denominator) * gasPrice;
  const left = new Map<Hex, bigint>();
  const take: PlanTicket[] = [];
  let brings = 0n;
  const postpone: { hash: Hex; cause: PlanCause; text: string }[] = [];
  const sorted = [...input.tickets].sort(byUrgency);
  for (const ticket of sorted) {
    const funds = input.funds.get(ticket.sender);
    if (funds === undefined) continue;
    const wait = (cause: PlanCause, text: string): void =>
      void postpone.push({ hash: ticket.hash, cause, text });
    const { payable, inFlight } = funds;
    if (payable.withdrawRound !== 0n && payable.withdrawRound <= round) {
      wait("sender-unlocked", `The sender's funds are unlocked since round ${payable.withdrawRound}.`);
      continue;
    }
    const before = left.get(ticket.sender) ?? positive(payable.deposit + payable.claimable - inFlight);
    const isLast = input.isLastChance && ticket.lastValidRound <= round;
    const pays = ticket.faceValue <= before ? ticket.faceValue : isLast ? before : 0n;
    if (pays === 0n && ticket.faceValue > 0n) {
      wait("sender-funds", `The sender can pay ${before} wei, the ticket is worth ${ticket.faceValue} wei.`);
      continue;
    }
    // A tenth more than its gas, or it is not worth the trouble.
    if (ticket.isWanted !== true && pays * 10n <= marginal * 11n) {
      wait("face-value", `It pays ${pays} wei and its gas costs ${marginal} wei.`);
      continue;
    }
    left.set(ticket.sender, positive(before - pays));
    take.push(ticket);
    brings += pays;
  }
  return profitable({ take, postpone }, brings, single, input);
}

/** What all of them bring must be more than what the transaction costs. */
function profitable(
  { take, postpone }: RedemptionPlan,
  brings: bigint,
  single: bigint,
  { gasPrice, redeemGas }: PlanInput,
): RedemptionPlan {
  const cost = take.length === 1 ? single : batchGas(take.length, redeemGas) * gasPrice;
  if (brings > cost || take.some(({ isWanted }) => isWanted === true)) return { take, postpone };
  const text = `Together they bring ${brings} wei and their gas costs ${cost} wei.`;
  const waiting = take.map(({ hash }) => ({ hash, cause: "face-value" as const, text }));
  return { take: [], postpone: [...postpone, ...waiting] };
}

function byUrgency(left: PlanTicket, right: PlanTicket): number {
  if (left.lastValidRound !== right.lastValidRound)
    return left.lastValidRound < right.lastValidRound ? -1 : 1;
  if (left.faceValue !== right.faceValue) return left.faceValue > right.faceValue ? -1 : 1;
  return left.hash < right.hash ? -1 : 1;
}

function positive(value: bigint): bigint {
  return value > 0n ? value : 0n;
}
