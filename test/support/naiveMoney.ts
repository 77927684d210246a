/*
 * A second reading of the payments sheet, written for clearness only and sharing nothing with `src/`: the
 * contract's rules in hex text and schoolbook fractions, the reference node's private MAC message, and how a
 * gateway reckons. Source: payments sheet 1.3, 1.5, 2.2–2.4, 3.6, 5.2.
 */

/** A fraction that nobody reduced; the denominator may be below 0. */
export type NaiveFraction = readonly [numerator: bigint, denominator: bigint];

const MAX = 2n ** 256n - 1n;

/** Whether two fractions are the same number. */
export function isSameFraction([a, b]: NaiveFraction, [c, d]: NaiveFraction): boolean {
  return a * d === c * b;
}

/** Sum of two fractions. */
export function naiveSum([a, b]: NaiveFraction, [c, d]: NaiveFraction): NaiveFraction {
  return [a * d + c * b, b * d];
}

/** Product of two fractions. */
export function naiveProduct([a, b]: NaiveFraction, [c, d]: NaiveFraction): NaiveFraction {
  return [a * c, b * d];
}

/** The smallest whole number that is not below the fraction, by search from the truncated one. */
export function naiveCeiling([a, b]: NaiveFraction): bigint {
  const truncated = a / b;
  return truncated * b === a || a < 0n !== b < 0n ? truncated : truncated + 1n;
}

/** Big-endian hex of `width` bytes, without `0x`: how Solidity packs a uint. */
export function hexField(value: bigint, width: number): string {
  return value.toString(16).padStart(2 * width, "0");
}

/** The ticket as the contract packs it: `abi.encodePacked`, hex without `0x`. Byte fields are hex without `0x`. */
export function naivePreimage(ticket: {
  readonly recipient: string;
  readonly sender: string;
  readonly faceValue: bigint;
  readonly winProb: bigint;
  readonly senderNonce: number;
  readonly recipientRandHash: string;
  readonly creationRound: bigint;
  readonly creationRoundBlockHash: string;
}): string {
  const isAuxEmpty = ticket.creationRound === 0n && /^0*$/.test(ticket.creationRoundBlockHash);
  return [
    ticket.recipient,
    ticket.sender,
    hexField(ticket.faceValue, 32),
    hexField(ticket.winProb, 32),
    hexField(BigInt(ticket.senderNonce), 32),
    ticket.recipientRandHash,
    isAuxEmpty ? "" : hexField(ticket.creationRound, 32) + ticket.creationRoundBlockHash,
  ].join("");
}

/** The smallest win probability that is a multiple of `ev` and makes a ticket worth `ev`, or the limits. */
export function naiveWinProb(faceValue: bigint, ev: bigint): bigint {
  if (faceValue === 0n) return 0n;
  if (faceValue === ev) return MAX;
  let chances = MAX / faceValue;
  while (chances * faceValue < MAX) chances += 1n;
  return ev * chances;
}

/** Rows a to h of payments sheet 2.2, null where they say `insufficient sender reserve`. */
export function naiveFaceValue(
  txCost: bigint,
  redeemGas: bigint,
  ev: bigint,
  maxFloat: bigint,
  cap: bigint,
): bigint | null {
  const wanted = txCost * 100n < ev ? ev * 100n : txCost * 100n;
  const caps = [wanted, maxFloat, ...(cap > 0n ? [cap] : [])];
  const value = caps.reduce((least, some) => (some < least ? some : least));
  if (value < ev) return null;
  return value < txCost && value < redeemGas * 3_000_000_000n ? null : value;
}

/** The reference node's MAC message: integers without borders, which is what makes it unsafe. Hex. */
export function peerRandMessage(input: {
  readonly seed: bigint;
  readonly sender: string;
  readonly faceValue: bigint;
  readonly winProb: bigint;
  readonly expirationBlock: bigint;
  readonly price: NaiveFraction;
  readonly aux: string;
}): string {
  const absolute = input.price[0] < 0n ? -input.price[0] : input.price[0];
  return [
    minimalHex(input.seed),
    input.sender,
    minimalHex(input.faceValue),
    minimalHex(input.winProb),
    minimalHex(input.expirationBlock),
    minimalHex(absolute),
    minimalHex(input.price[1]),
    input.aux,
  ].join("");
}

/** Big-endian hex without zero bytes in front; 0 is empty. */
export function minimalHex(value: bigint): string {
  if (value === 0n) return "";
  const digits = value.toString(16);
  return digits.length % 2 === 0 ? digits : `0${digits}`;
}

/** Pixels of one profile as a gateway reckons them ahead, in its own floating point. */
export function naiveEstimatedPixels(
  profiles: readonly {
    readonly width: number;
    readonly height: number;
    readonly fps: number;
    readonly fpsDen: number;
  }[],
  durationSeconds: number,
): bigint {
  let pixels = 0;
  for (const { width, height, fps, fpsDen } of profiles) {
    const framesPerSecond = fps === 0 ? 60 : Math.ceil(fps / (fpsDen === 0 ? 1 : fpsDen));
    pixels += width * height * framesPerSecond * Math.ceil(durationSeconds);
  }
  return BigInt(pixels);
}

/** How many tickets a gateway sends so that its balance covers a fee or one ticket, whichever is more. */
export function naiveTicketCount(
  balance: NaiveFraction,
  minCredit: NaiveFraction,
  ev: NaiveFraction,
): bigint {
  if (ev[0] === 0n) return 0n;
  let tickets = 0n;
  let credit = balance;
  while (credit[0] * minCredit[1] < minCredit[0] * credit[1]) {
    credit = naiveSum(credit, ev);
    tickets += 1n;
  }
  return tickets;
}

/** What a gateway looks at before it pays. Wei, blocks, rounds. */
export type GatewayView = {
  readonly faceValue: bigint;
  readonly winProb: bigint;
  readonly expirationBlock: bigint;
  readonly gatewayLastSeenL1Block: bigint;
  readonly gatewayRound: bigint;
  readonly deposit: bigint;
  readonly reserve: bigint;
  readonly withdrawRound: bigint;
  readonly maxTicketEv: bigint;
  readonly depositMultiplier: bigint;
};

/** Whether a gateway would take these params. Source: payments sheet 3.6, first row. */
export function isTakenByGateway(view: GatewayView): boolean {
  const worth = view.faceValue * view.winProb;
  const isFunded = view.deposit > 0n && view.reserve > 0n;
  const isLeaving = view.withdrawRound !== 0n && view.withdrawRound <= view.gatewayRound + 1n;
  return (
    isFunded &&
    !isLeaving &&
    view.expirationBlock - view.gatewayLastSeenL1Block > 1n &&
    worth < view.faceValue * MAX &&
    worth <= view.maxTicketEv * MAX &&
    view.faceValue <= view.deposit / view.depositMultiplier
  );
}
