import { bigInteger, flag, hex, integer } from "./codec.ts";
import type { EventOf } from "./definition.ts";
import { catalogueOf, defineEvent } from "./definition.ts";

/** The chain showed a new round, or our standing in it changed. */
export const roundObserved = defineEvent("RoundObserved", {
  /** Which chain said so. */
  chainId: bigInteger,
  /** For whom it was read, 20 bytes: being active is a fact about this account only. */
  recipient: hex,
  round: bigInteger,
  /** 32 bytes; zero when the chain has none. */
  blockHash: hex,
  previousBlockHash: hex,
  l1Block: bigInteger,
  transcoderPoolSize: bigInteger,
  /** Rounds for which a ticket stays redeemable. */
  ticketValidityPeriod: bigInteger,
  isRecipientActive: flag,
  /** Unix milliseconds. */
  readAtMs: integer,
});

export const chainEvents = catalogueOf([roundObserved]);

export type ChainEvent = EventOf<typeof roundObserved>;
