import { bigInteger, hex, nullable, oneOf, text } from "./codec.ts";
import type { EventOf } from "./definition.ts";
import { catalogueOf, defineEvent } from "./definition.ts";

/*
 * A protocol round as an obligation: stream `round:<number>`. It opens when the chain is first seen in it (initialised
 * or not) and ends once: rewarded, missed with its whole story, or not due.
 */

/** The chain is in a new round by its block number. Blocks are L1 blocks. */
export const roundOpened = defineEvent("RoundOpened", {
  startBlock: bigInteger,
  length: bigInteger,
  /** Parts per million, as the round found them: what the orchestrator keeps of rewards. Null when not read. */
  rewardCut: nullable(bigInteger),
  /** Parts per million: what its delegators get of fees. */
  feeShare: nullable(bigInteger),
});

/** A transaction that starts the round was made. */
export const initializationSubmitted = defineEvent("InitializationSubmitted", { transaction: text });

/** That transaction came to nothing; somebody else may have been first. */
export const initializationReturned = defineEvent("InitializationReturned", {
  transaction: text,
  cause: text,
});

/** Somebody has started the round. */
export const roundInitialized = defineEvent("RoundInitialized", {
  /** L1 block at which it was seen. */
  l1Block: bigInteger,
});

/** We are active and have not called the reward yet. */
export const rewardDue = defineEvent("RewardDue", {
  /** LPT wei before the treasury's part, by the contract's formula. */
  forecast: bigInteger,
});

/** Why the reward cannot be called now. Recorded when the cause changes. */
export const rewardPostponed = defineEvent("RewardPostponed", {
  cause: oneOf("unreadable", "paused", "fee", "gas-money", "unauthorized", "reverts"),
  text,
});

export const rewardSubmitted = defineEvent("RewardSubmitted", {
  transaction: text,
  path: oneOf("own", "delegated"),
});

/** That transaction came to nothing. */
export const rewardReturned = defineEvent("RewardReturned", {
  transaction: text,
  cause: oneOf("reverted", "cancelled", "displaced"),
  text,
});

/** The chain shows the reward as called. */
export const rewardMined = defineEvent("RewardMined", {
  /** Ours; null when somebody else's transaction did it. */
  transaction: nullable(text),
  txHash: nullable(hex),
  /** Block at which it was mined or first seen, of the chain that transactions go to. */
  block: bigInteger,
  /** LPT wei: what `Reward` and `TreasuryReward` said; null when we only saw that it is done. */
  amount: nullable(bigInteger),
  treasury: nullable(bigInteger),
});

/** A re-org took it back: it is due again. */
export const rewardUndone = defineEvent("RewardUndone", { block: bigInteger });

/** Deep enough in the chain to stay. */
export const rewardConfirmed = defineEvent("RewardConfirmed", { block: bigInteger });

/** The round is over, and nothing was minted for us. */
export const rewardMissed = defineEvent("RewardMissed", {
  cause: oneOf(
    "unreadable",
    "uninitialized",
    "paused",
    "fee",
    "gas-money",
    "unauthorized",
    "reverts",
    "late",
  ),
  /** One line for people; the events before it are the whole story. */
  text,
  /** LPT wei that it would have been, by the last forecast; null when none was made. */
  forecast: nullable(bigInteger),
});

/** The round is over, or known to need nothing of us. */
export const rewardNotDue = defineEvent("RewardNotDue", { cause: oneOf("inactive", "disabled") });

export const roundEvents = catalogueOf([
  ...[roundOpened, initializationSubmitted, initializationReturned, roundInitialized, rewardDue],
  ...[rewardPostponed, rewardSubmitted, rewardReturned, rewardMined, rewardUndone, rewardConfirmed],
  ...[rewardMissed, rewardNotDue],
]);

export type RoundEvent =
  | EventOf<typeof roundOpened>
  | EventOf<typeof initializationSubmitted>
  | EventOf<typeof initializationReturned>
  | EventOf<typeof roundInitialized>
  | EventOf<typeof rewardDue>
  | EventOf<typeof rewardPostponed>
  | EventOf<typeof rewardSubmitted>
  | EventOf<typeof rewardReturned>
  | EventOf<typeof rewardMined>
  | EventOf<typeof rewardUndone>
  | EventOf<typeof rewardConfirmed>
  | EventOf<typeof rewardMissed>
  | EventOf<typeof rewardNotDue>;
