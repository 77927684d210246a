import type { Address } from "viem";
import { type FeedQuote, feedPrice, feedSides } from "../protocol/currency.ts";
import type { UnixMs } from "../shared/brand.ts";
import type { ChainRpc } from "./chainRpc.ts";
import type { BatchRpc } from "./jsonRpc.ts";
import {
  outcomeOf,
  type Read,
  type ReadOutcome,
  readFeedAnswer,
  readFeedDecimals,
  readFeedDescription,
} from "./reads.ts";

/** A good answer of the feed. */
export type FeedPrice = FeedQuote & {
  /** When the feed's oracles agreed on it. Unix milliseconds. */
  readonly updatedAtMs: UnixMs;
};

export type PriceFeedOptions = {
  /** Whoever opened them closes them. */
  readonly rpc: Pick<ChainRpc, "batch">;
  /** A Chainlink AggregatorV3. */
  readonly address: Address;
  readonly nowMs: () => UnixMs;
  /** The last good price of an earlier life; null for none. */
  readonly seed: FeedPrice | null;
  /** A good price that differs from the one before. */
  readonly onPrice: (price: FeedPrice) => void;
  /** The reason why there is no good answer changed; null = there is one. The last good price stays in use. */
  readonly onTrouble: (reason: string | null) => void;
  /** Milliseconds between two good reads. Default one hour. */
  readonly pollMs?: number;
  /** Milliseconds to wait after the first, second, … failure in a row; the last one repeats. */
  readonly retryMs?: readonly number[];
};

/** Follows a price feed until it is closed. */
export type PriceFeed = {
  /** The last good price; null before there was one. */
  price(): FeedPrice | null;
  /** Resolves with the first attempt of this life, whatever became of it. */
  firstRead(): Promise<FeedPrice | null>;
  readonly trouble: string | null;
  close(): void;
};

const hourMs = 60 * 60 * 1_000;
const defaultRetryMs: readonly number[] = [30_000, 60_000, 120_000, 240_000];
/** Feeds of large currencies are updated within minutes; an older answer comes from a feed that has died. */
const ageMaxMs = 6 * hourMs;
/** A price from the future would keep every later one out. */
const aheadMaxMs = hourMs;
/** Chainlink uses 8 and 18. */
const decimalsMax = 36;

/**
 * Opens a price feed: reads it at once, then each hour, sooner after a failure. An answer of 0 or below, or an old
 * one, never replaces a good price.
 *
 * Source: payments sheet 4.4; go-livepeer eth/watchers/pricefeedwatcher.go.
 */
export function openPriceFeed(options: PriceFeedOptions): PriceFeed {
  const { rpc } = options;
  const retryMs = options.retryMs ?? defaultRetryMs;
  let price = options.seed;
  let trouble: string | null = null;
  let failures = 0;
  let isClosed = false;
  let timer: ReturnType<typeof setTimeout> | null = null;

  const poll = async (): Promise<void> => {
    const answer = await readFeed(rpc, options.address, options.nowMs);
    if (isClosed) return;
    if (answer.type === "read" && (price === null || isNewer(answer.value, price))) {
      price = answer.value;
      options.onPrice(price);
    }
    const reason = answer.type === "failed" ? answer.text : null;
    failures = reason === null ? 0 : failures + 1;
    const waitMs =
      failures === 0
        ? (options.pollMs ?? hourMs)
        : (retryMs[Math.min(failures, retryMs.length) - 1] ?? hourMs);
    timer = setTimeout(() => void poll(), waitMs);
    timer.unref();
    if (reason === trouble) return;
    trouble = reason;
    options.onTrouble(reason);
  };
  const first = poll();
  return {
    price: () => price,
    firstRead: async () => {
      await first;
      return price;
    },
    get trouble() {
      return trouble;
    },
    close: () => {
      isClosed = true;
      if (timer !== null) clearTimeout(timer);
    },
  };
}

async function readFeed(rpc: BatchRpc, feed: Address, nowMs: () => UnixMs): Promise<ReadOutcome<FeedPrice>> {
  const descriptionRead = readFeedDescription(feed);
  const decimalsRead = readFeedDecimals(feed);
  const answerRead = readFeedAnswer(feed);
  const reads: readonly Read<unknown>[] = [descriptionRead, decimalsRead, answerRead];
  const answers = await rpc.batch(reads.map((read) => read.call));
  const description = outcomeOf(descriptionRead, answers[0]);
  if (description.type === "failed") return description;
  const decimals = outcomeOf(decimalsRead, answers[1]);
  if (decimals.type === "failed") return decimals;
  const round = outcomeOf(answerRead, answers[2]);
  if (round.type === "failed") return round;

  const sides = feedSides(description.value);
  if (sides === null) return bad("the price feed's description is no pair such as ETH / USD");
  if (decimals.value > decimalsMax) return bad(`the price feed has ${decimals.value} decimals`);
  const price = feedPrice(round.value.answer, decimals.value);
  if (price === null) return bad(`the price feed answers ${round.value.answer}, which is no price`);
  const updatedAtMs = Number(round.value.updatedAtS) * 1_000;
  const ageMs = nowMs() - updatedAtMs;
  if (ageMs > ageMaxMs) return bad(`the price feed was last updated ${Math.floor(ageMs / hourMs)} hours ago`);
  if (ageMs < -aheadMaxMs) return bad("the price feed's last update lies in the future");
  return { type: "read", value: { ...sides, price, updatedAtMs } };
}

function isNewer(next: FeedPrice, before: FeedPrice): boolean {
  return next.updatedAtMs > before.updatedAtMs || next.base !== before.base || next.quote !== before.quote;
}

function bad(text: string): ReadOutcome<never> {
  return { type: "failed", text, isAnswered: true };
}
