import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { EndpointPool } from "../../../src/chain/endpointPool.ts";
import {
  type FeedPrice,
  openPriceFeed,
  type PriceFeed,
  type PriceFeedOptions,
} from "../../../src/chain/priceFeed.ts";
import { weiPerCurrency } from "../../../src/protocol/currency.ts";
import { rational } from "../../../src/protocol/rational.ts";
import { type DevChain, type DevFeed, startDevChain } from "../../support/chain/devChain.ts";
import { openRpcProxy } from "../../support/chain/rpcProxy.ts";
import { eventually } from "../../support/eventually.ts";

/*
 * Goal: prices in currencies follow the feed, and a feed that fails, dies or lies changes no price. Method: feeds of
 * our own on a real development node; the test owns the wall clock.
 */

// Whoever comes first compiles the contracts, which takes seconds on a busy machine.
setDefaultTimeout(120_000);

const nowS = 1_763_000_000n;

type FeedWorld = AsyncDisposable & {
  readonly chain: DevChain;
  readonly feed: DevFeed;
  readonly prices: readonly FeedPrice[];
  readonly troubles: readonly (string | null)[];
  open(options?: Partial<PriceFeedOptions>): PriceFeed;
};

async function openFeedWorld(description: string, decimals: number): Promise<FeedWorld> {
  const chain = await startDevChain();
  const feed = await chain.deployFeed(description, decimals);
  const prices: FeedPrice[] = [];
  const troubles: (string | null)[] = [];
  const opened: PriceFeed[] = [];
  const rpc = new EndpointPool({ urls: [chain.rpc.url], timeoutMs: 30_000 });
  return {
    ...{ chain, feed, prices, troubles },
    open: (options) => {
      const priceFeed = openPriceFeed({
        rpc,
        address: feed.address,
        nowMs: () => Number(nowS) * 1_000,
        seed: null,
        onPrice: (price) => prices.push(price),
        onTrouble: (reason) => troubles.push(reason),
        pollMs: 10,
        retryMs: [10],
        ...options,
      });
      opened.push(priceFeed);
      return priceFeed;
    },
    [Symbol.asyncDispose]: async () => {
      for (const priceFeed of opened) priceFeed.close();
      rpc.close();
      await chain[Symbol.asyncDispose]();
    },
  };
}

describe("payments check 34", () => {
  test("feed ETH/USD 500: one USD is 2e15 wei", async () => {
    await using world = await openFeedWorld("ETH / USD", 8);
    await world.feed.setAnswer(500n * 10n ** 8n, nowS);
    const price = await world.open().firstRead();
    expect(price).toEqual({
      ...{ base: "ETH", quote: "USD", price: rational(500n) },
      updatedAtMs: Number(nowS) * 1_000,
    });
    expect(weiPerCurrency("USD", price)).toEqual({ type: "rate", rate: rational(2n * 10n ** 15n) });
    expect(weiPerCurrency("EUR", price).type).toBe("invalid");
  });

  test("feed USD/ETH 1/2000: one USD is 5e14 wei", async () => {
    await using world = await openFeedWorld("USD / ETH", 18);
    await world.feed.setAnswer(5n * 10n ** 14n, nowS);
    const price = await world.open().firstRead();
    expect(price?.price).toEqual(rational(1n, 2_000n));
    expect(weiPerCurrency("USD", price)).toEqual({ type: "rate", rate: rational(5n * 10n ** 14n) });
  });
});

test("a newer answer is followed; an older one, of a server that lags, is not", async () => {
  await using world = await openFeedWorld("ETH / USD", 8);
  await world.feed.setAnswer(500n, nowS - 100n);
  const priceFeed = world.open();
  await priceFeed.firstRead();
  await world.feed.setAnswer(700n, nowS - 200n);
  await world.chain.rpc.nextRequest();
  await world.chain.rpc.nextRequest();
  expect(world.prices.length).toBe(1);
  await world.feed.setAnswer(600n, nowS - 50n);
  await eventually("the newer answer", () => (world.prices.length === 2 ? true : null));
  expect(priceFeed.price()?.price).toEqual(rational(600n, 10n ** 8n));
  expect(world.troubles).toEqual([]);
});

describe("the last good price stays", () => {
  const answers: readonly (readonly [string, bigint, bigint, string])[] = [
    ["0", 0n, nowS, "the price feed answers 0, which is no price"],
    ["below 0", -5n, nowS, "the price feed answers -5, which is no price"],
    ["seven hours old", 9n, nowS - 7n * 3_600n, "the price feed was last updated 7 hours ago"],
    ["never given", 9n, 0n, "hours ago"],
    ["from the future", 9n, nowS + 7_200n, "lies in the future"],
    ["from beyond time", 9n, 2n ** 255n, "lies in the future"],
  ];

  test.each(answers)("an answer %s is trouble", async (_name, answer, updatedAtS, text) => {
    await using world = await openFeedWorld("ETH / USD", 8);
    await world.feed.setAnswer(500n, nowS);
    const priceFeed = world.open();
    await priceFeed.firstRead();
    await world.feed.setAnswer(answer, updatedAtS);
    await eventually("the trouble", () => (priceFeed.trouble?.includes(text) === true ? true : null));
    expect(priceFeed.price()?.price).toEqual(rational(500n, 10n ** 8n));
    await world.feed.setAnswer(800n, nowS + 1n);
    await eventually("the next good price", () => (world.prices.length === 2 ? true : null));
    expect(world.troubles.at(-1)).toBeNull();
  });

  test("through an outage, and from an earlier life", async () => {
    await using world = await openFeedWorld("ETH / USD", 8);
    const seed: FeedPrice = { base: "ETH", quote: "USD", price: rational(3_000n), updatedAtMs: 1 };
    world.chain.rpc.fault = { type: "cut" };
    const priceFeed = world.open({ seed });
    expect(priceFeed.price()).toEqual(seed);
    expect(await priceFeed.firstRead()).toEqual(seed);
    await world.feed.setAnswer(500n, nowS);
    world.chain.rpc.fault = { type: "none" };
    await eventually("the new price", () => (world.prices.length === 1 ? true : null));
    expect(world.troubles.length).toBe(2);
  });
});

test.each([
  ["no pair", "Ether in dollars", 8],
  ["three sides", "ETH / USD / EUR", 8],
  ["no description", "", 8],
  ["absurd decimals", "ETH / USD", 200],
])("%s is no feed", async (_name, description, decimals) => {
  await using world = await openFeedWorld(description, decimals);
  await world.feed.setAnswer(500n, nowS);
  const priceFeed = world.open();
  expect(await priceFeed.firstRead()).toBeNull();
  expect(priceFeed.trouble).toContain("the price feed");
});

test("endpoints that others use too are used, failed over, and left open", async () => {
  await using world = await openFeedWorld("ETH / USD", 8);
  await world.feed.setAnswer(500n * 10n ** 8n, nowS);
  await using dead = await openRpcProxy(world.chain.anvil.url);
  dead.fault = { type: "cut" };
  const rpc = new EndpointPool({ urls: [dead.url, world.chain.rpc.url], timeoutMs: 30_000 });
  const priceFeed = world.open({ rpc });
  expect((await priceFeed.firstRead())?.price).toEqual(rational(500n));
  priceFeed.close();
  expect((await rpc.batch([{ method: "eth_chainId", params: [] }]))[0]?.type).toBe("result");
  rpc.close();
});

test("after failures in a row the waits are those of the list, the last one again and again", async () => {
  await using world = await openFeedWorld("ETH / USD", 8);
  world.chain.rpc.fault = { type: "cut" };
  const { requests } = world.chain.rpc;
  world.open({ retryMs: [5, 5, 60_000], pollMs: 60_000 });
  await eventually("three attempts", () => (requests.length === 3 ? true : null));
  await Bun.sleep(100);
  expect(requests.length).toBe(3);
});
