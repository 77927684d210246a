import { afterEach, beforeEach, expect, test } from "bun:test";
import { eventually } from "../../../support/eventually.ts";
import { recordedEvents } from "../../../support/nodeLog.ts";
import { temporaryDir } from "../../../support/nodeFixture.ts";
import { type MoneyWorld, openMoneyWorld, openOnchainNode } from "../../../support/onchainNode.ts";

/*
 * Goal: a price in a currency is asked for in wei at the rate of the feed, follows it, and survives its outage; one
 * that the feed does not know stops the start. Method: a node over a real chain with a price feed of its own.
 */

let world: MoneyWorld;
beforeEach(async () => {
  world = await openMoneyWorld();
});
afterEach(() => world[Symbol.asyncDispose]());

const nowS = () => BigInt(Math.floor(Date.now() / 1_000));
const priced = (feed: string, perUnit: string): readonly string[] => [
  ...["-priceFeedAddr", feed, "-pricePerUnit", perUnit, "-pixelsPerUnit", "1e12", "-autoAdjustPrice=false"],
];

test("payments checks 33 and 34: dollars become wei by the feed; a restart without the chain keeps the last rate", async () => {
  const feed = await world.chain.deployFeed("ETH / USD", 8);
  await feed.setAnswer(3_000n * 10n ** 8n, nowS());
  const dataDir = temporaryDir();
  const flags = priced(feed.address, "0.50USD");
  const privateKey = await world.fundedKey();
  const quoted = async (serviceUri: string) =>
    (await world.gateway(serviceUri, privateKey).discover()).priceInfo;
  {
    await using node = await openOnchainNode(world, { dataDir, flags });
    expect(await quoted(node.serviceUri)).toMatchObject({ pricePerUnit: 500n, pixelsPerUnit: 3n });
    await world.gateway(node.serviceUri, privateKey).open();
    // The operator port converts too, and refuses what the feed does not know.
    const form = (currency: string) => ({ pricePerUnit: "1", pixelsPerUnit: "1", currency });
    const gateway = `0x${"7a".repeat(20)}`;
    const set = (currency: string) =>
      node.operator("/setPriceForBroadcaster", { ...form(currency), broadcasterEthAddr: gateway });
    expect((await set("USD")).status).toBe(200);
    expect(await set("EUR")).toMatchObject({ status: 400 });
    const prices = recordedEvents(dataDir).filter(({ event }) => event.type === "PriceChanged");
    expect(prices.map(({ event }) => event)).toMatchObject([
      {
        scope: "default",
        price: { numerator: 500n, denominator: 3n },
        wording: "0.50USD / 1e12",
        source: "feed",
      },
      { scope: gateway, price: { numerator: 10n ** 18n / 1_000n, denominator: 3n }, source: "operator" },
    ]);
  }
  world.chain.rpc.fault = { type: "cut" };
  await using node = await openOnchainNode(world, { dataDir, flags });
  expect(node.running.money?.money.board.price(`0x${"11".repeat(20)}`)).toEqual({
    numerator: 500n,
    denominator: 3n,
  });
  await node.until("the operator is told", () =>
    node.logLines.join("\n").includes("The price feed cannot be read"),
  );
});

test("a first start without the feed serves nobody at a guessed price", async () => {
  const feed = await world.chain.deployFeed("ETH / USD", 8);
  await feed.setAnswer(0n, nowS());
  const privateKey = await world.fundedKey();
  await using node = await openOnchainNode(world, { flags: priced(feed.address, "0.50USD") });
  const gateway = world.gateway(node.serviceUri, privateKey);
  const refusal = await eventually("the chain was read", async () => {
    const text = await gateway.discover().then(() => "served", String);
    return text.includes("the price feed has not been read yet") ? text : null;
  });
  expect(refusal).toContain("the price feed has not been read yet");
});

test("a currency that the feed does not know stops the start with what to do", async () => {
  const feed = await world.chain.deployFeed("ETH / USD", 8);
  await feed.setAnswer(3_000n * 10n ** 8n, nowS());
  await expect(openOnchainNode(world, { flags: priced(feed.address, "1EUR") })).rejects.toThrow(
    "price feed does not have EUR as a currency",
  );
});
