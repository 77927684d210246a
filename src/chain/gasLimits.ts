/*
 * How much gas our calls may use. Gas that is not used is not paid, so the limits are ample: what they must never be is
 * too small. `eth_estimateGas` is not asked: for a batch it answers what the outer call needs while tickets inside run
 * dry, and late in one round it knows nothing of the dearer first call of the next. Source: chain sheet 4.1, 11.5.
 */

/** What a call of ours is for. */
export type GasPurpose = "redeem" | "reward" | "initialize";

/** The first claim from a reserve in a round fills two new slots: 44,000 and their surroundings. */
const firstClaimGas = 60_000n;
/** 253,000 to 293,000 were measured for the first redemption in a round. */
const redeemGas = 400_000n;
/** 134,600 were measured, and what the first redemption in a round takes more. */
const batchGas = 300_000n;
/** 80,550 were measured for each further ticket. */
const batchTicketGas = 130_000n;
/** 576,000 were measured without a good hint, in the middle of a pool of 62. */
const rewardGas = 800_000n;
/** 233,000 were measured. */
const initializeGas = 500_000n;

/** Gas that the contracts may use, without what Arbitrum takes for bytes on L1. */
export function contractGas(purpose: GasPurpose, tickets: number): bigint {
  switch (purpose) {
    case "redeem":
      if (tickets <= 1) return redeemGas + firstClaimGas;
      return batchGas + batchTicketGas * BigInt(tickets) + firstClaimGas;
    case "reward":
      return rewardGas;
    case "initialize":
      return initializeGas;
  }
}

/** L1 prices may rise between the reading and the block: by at most an eighth a block on L1. */
const l1Margin = { numerator: 13n, denominator: 10n } as const;

/** Gas for the bytes on L1, from what Arbitrum says it takes now. */
export function l1GasWithMargin(read: bigint): bigint {
  return (read * l1Margin.numerator + l1Margin.denominator - 1n) / l1Margin.denominator;
}

/** An envelope is a signature, fees and addresses. */
const envelopeBytes = 120n;
/** Calldata gas of a byte that is not zero. Source: EIP-2028. */
const byteGas = 16n;
/** An L1 price of 1 gwei over the floor of 0.01 gwei on Arbitrum One: dear days of recent years. */
const l1PriceOverL2Price = 100n;

/**
 * Gas for the bytes on L1 when Arbitrum does not say: as if no byte compressed and L1 were dear. A single redemption
 * gets 1.07 million that way, and a limit of 1.5 million in all; go-livepeer reckons with 1.2 million.
 */
export function l1GasGuess(dataBytes: number): bigint {
  return (BigInt(dataBytes) + envelopeBytes) * byteGas * l1PriceOverL2Price;
}
