import type { WatchCommand } from "../../../src/actors/watch/decide.ts";
import type { SeenLog, WatchEvent } from "../../../src/events/watch.ts";
import type { Hex } from "../../../src/shared/brand.ts";

/** A block's hash that tells its number. */
export const blockHash = (block: bigint, fork = "aa"): Hex =>
  `0x${fork}${block.toString(16).padStart(62, "0")}`;

export const watchRecipient: Hex = `0x${"0e".repeat(20)}`;

export const startWatch: Extract<WatchCommand, { type: "StartWatch" }> = {
  type: "StartWatch",
  chainId: 42_161n,
  recipient: watchRecipient,
  block: 100n,
  blockHash: blockHash(100n),
};
export const watchStarted: WatchEvent = { ...startWatch, type: "WatchStarted" };

export const seenLog = (block: bigint, index = 0): SeenLog => ({
  block,
  blockHash: blockHash(block),
  index,
  transaction: blockHash(block, "bb"),
  name: "Reward",
  account: watchRecipient,
  other: null,
  amounts: [1n],
  text: null,
});

export const blocksSeen = (from: bigint, to: bigint, logs: readonly SeenLog[] = []): WatchEvent => ({
  type: "BlocksSeen",
  ...{ from, to, toHash: blockHash(to), logs },
});
export const blocksUndone = (block: bigint): WatchEvent => ({
  type: "BlocksUndone",
  block,
  blockHash: blockHash(block),
});

/** Events that lead into each state. */
export const watchIn = {
  watching: [watchStarted, blocksSeen(101n, 110n), blocksUndone(105n)],
} satisfies Readonly<Record<string, readonly WatchEvent[]>>;
