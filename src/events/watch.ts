import { bigInteger, hex, integer, list, nullable, object, text } from "./codec.ts";
import type { Decoded } from "./codec.ts";
import type { EventOf } from "./definition.ts";
import { catalogueOf, defineEvent } from "./definition.ts";

/*
 * What Livepeer's contracts logged that concerns us, in the order of the chain: stream `watch:own`. The sum of what was
 * seen and not undone is the chain's own account of us.
 */

/** A log, decoded; `ChainLog` in the runtime's ports says what the fields mean for each name. */
export const seenLog = object({
  block: bigInteger,
  blockHash: hex,
  index: integer,
  transaction: hex,
  name: text,
  account: hex,
  other: nullable(hex),
  amounts: list(bigInteger),
  text: nullable(text),
});

export type SeenLog = Decoded<typeof seenLog>;

/** The watch begins behind this block: at the first start, or when the operator moved it. */
export const watchStarted = defineEvent("WatchStarted", {
  chainId: bigInteger,
  /** For whom, 20 bytes. */
  recipient: hex,
  block: bigInteger,
  blockHash: hex,
});

/** All blocks up to `to` were looked through. */
export const blocksSeen = defineEvent("BlocksSeen", {
  from: bigInteger,
  to: bigInteger,
  toHash: hex,
  logs: list(seenLog),
});

/** A re-org: whatever was seen above this block is not part of the chain any more. */
export const blocksUndone = defineEvent("BlocksUndone", {
  /** The last block that still stands. */
  block: bigInteger,
  blockHash: hex,
});

export const watchEvents = catalogueOf([watchStarted, blocksSeen, blocksUndone]);

export type WatchEvent =
  EventOf<typeof watchStarted> | EventOf<typeof blocksSeen> | EventOf<typeof blocksUndone>;
