/*
 * What a gateway's money in the TicketBroker covers. Source: payments sheet 5.2.
 */

/** Amounts of a gateway in the TicketBroker, in wei. */
export type FundAmounts = {
  readonly deposit: bigint;
  /** What remains of its reserve. */
  readonly reserve: bigint;
  /** Claimed from that reserve in this round by everybody. */
  readonly claimedInRound: bigint;
  /** Claimed by our recipient in this round. */
  readonly claimedByUs: bigint;
};

/**
 * What our recipient may still claim from the reserve in this round, in wei; below 0 when the pool has grown
 * since we claimed.
 *
 * @param poolSize - registered orchestrators that share a reserve
 */
export function reserveAllocation(funds: FundAmounts, poolSize: bigint): bigint {
  if (poolSize === 0n) return 0n;
  return (funds.reserve + funds.claimedInRound) / poolSize - funds.claimedByUs;
}

/**
 * The highest face value that the gateway's funds cover, in wei; may be below 0.
 *
 * @param pending - face values of our redemptions under way
 */
export function maxFloat(funds: FundAmounts, poolSize: bigint, pending: bigint): bigint {
  const allocation = reserveAllocation(funds, poolSize);
  // With a deposit of three times what is pending, that is paid from the deposit and leaves the reserve alone.
  // The peer divides as floats, which is the same for all amounts that exist.
  return funds.deposit >= DEPOSIT_COVER * pending ? allocation : allocation - pending;
}

/** What the gateway's deposit and reserve can pay us on top of `pending`, in wei; may be below 0. */
export function availableFunds(funds: FundAmounts, poolSize: bigint, pending: bigint): bigint {
  return reserveAllocation(funds, poolSize) + funds.deposit - pending;
}

/**
 * Whether the gateway may take its money back in this round or the next one: then no ticket of it is worth
 * anything.
 *
 * @param withdrawRound - 0 = it has not asked to
 */
export function isUnlockingSoon(withdrawRound: bigint, lastInitializedRound: bigint): boolean {
  return withdrawRound !== 0n && withdrawRound <= lastInitializedRound + 1n;
}

const DEPOSIT_COVER = 3n;
