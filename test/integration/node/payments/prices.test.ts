import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { checksumHex } from "../../../../src/protocol/account.ts";
import { toHex } from "../../../../src/protocol/bytes.ts";
import { formatRational, type Rational } from "../../../../src/protocol/rational.ts";
import { recordedEvents } from "../../../support/nodeLog.ts";
import { dataOf, profileOf, tinySegment } from "../../../support/nodeSegments.ts";
import {
  auditMoney,
  everyTicketWins,
  type MoneyWorld,
  type OnchainNode,
  openMoneyWorld,
  openOnchainNode,
} from "../../../support/onchainNode.ts";
import { paramsOf, tryPayment } from "../../../support/paymentTrials.ts";

/*
 * Goal: prices change while the node runs; whoever has a session keeps his, everybody else pays the new one, and the
 * log tells what was asked at any time. Method: the operator port and a webhook, as operators use them.
 */

setDefaultTimeout(120_000);

let world: MoneyWorld;
beforeAll(async () => {
  world = await openMoneyWorld();
});
afterAll(() => world[Symbol.asyncDispose]());

const flags = [...everyTicketWins, "-maxGatewayLoss", `${10n ** 18n}`];

async function setPrice(node: OnchainNode, gateway: string, pricePerUnit: string, pixelsPerUnit = "1") {
  const form = { pricePerUnit, pixelsPerUnit, broadcasterEthAddr: gateway };
  expect(await node.operator("/setPriceForBroadcaster", form)).toMatchObject({ status: 200 });
}

/** `scope=price` of each change, those of the start left out. */
function changes(node: OnchainNode): readonly string[] {
  return recordedEvents(node.dataDir).flatMap(({ event }) => {
    if (event.type !== "PriceChanged") return [];
    const { scope, price, source } = event as unknown as { scope: string; price: Rational; source: string };
    return source === "flag" ? [] : [`${scope}=${formatRational(price)}`];
  });
}

describe("the operator changes a price", () => {
  test("payments check 30: a session keeps its first price, GetOrchestrator shows the new one", async () => {
    await using node = await openOnchainNode(world, { flags });
    const gateway = await node.gateway();
    const info = await gateway.open();
    const media = await tinySegment();
    const submission = { manifestId: "movie", seq: 0, media, durationMs: 200, profiles: [profileOf()] };
    const first = await gateway.sendSegment(submission, { count: 1 });
    expect(dataOf(first.answer).segments).toHaveLength(1);
    await setPrice(node, "default", "2000");
    const other = await node.gateway();
    expect((await gateway.discover()).priceInfo).toMatchObject({ pricePerUnit: 2_000n, pixelsPerUnit: 1n });
    expect((await other.discover()).priceInfo).toMatchObject({ pricePerUnit: 2_000n, pixelsPerUnit: 1n });
    const second = await gateway.sendSegment({ ...submission, seq: 1 }, { count: 1 });
    expect(dataOf(second.answer).segments).toHaveLength(1);
    expect(gateway.info.priceInfo).toMatchObject({ pricePerUnit: 1_200n, pixelsPerUnit: 1n });
    expect(node.account(gateway)).toMatchObject({ price: "1200", tickets: 2 });
    const prices = recordedEvents(node.dataDir).flatMap(({ event }) =>
      event.type === "JobDebited" ? [formatRational((event as unknown as { price: Rational }).price)] : [],
    );
    expect(prices).toEqual(["1200", "1200"]);
    expect(info.priceInfo).toMatchObject({ pricePerUnit: 1_200n });
    expect(changes(node)).toEqual(["default=2000"]);
    await auditMoney(node.dataDir);
  });

  test("params of the old price are good until they expire; their session has that price", async () => {
    await using node = await openOnchainNode(world, { flags });
    const gateway = await node.gateway();
    const info = await gateway.open();
    await setPrice(node, "default", "3", "2");
    const old = await tryPayment(node, gateway, info, { nonces: [1] });
    expect(old).toMatchObject({ status: 200, creditedTickets: "1", account: { price: "1200" } });
    // The new price with the params of the old one is a forgery.
    const mixed = await tryPayment(node, gateway, info, {
      nonces: [2],
      price: { pricePerUnit: 3n, pixelsPerUnit: 2n },
    });
    expect(mixed).toMatchObject({ status: 400, creditedTickets: "0", winners: 0 });
    const fresh = await gateway.open();
    expect(fresh.priceInfo).toMatchObject({ pricePerUnit: 3n, pixelsPerUnit: 2n });
    // Tickets of the new price, paid into the account of the old one: they count, and it keeps its price.
    const next = await tryPayment(node, gateway, fresh, { nonces: [1] });
    expect(next).toMatchObject({ status: 200, creditedTickets: "1", account: { price: "1200", tickets: 2 } });
    await auditMoney(node.dataDir);
  });

  test("payments check 31: a price for one gateway, in any letter case; all others get the default", async () => {
    await using node = await openOnchainNode(world, { flags });
    const [one, two, three] = [await node.gateway(), await node.gateway(), await node.gateway()];
    await setPrice(node, checksumHex(one.account), "10");
    await setPrice(node, `0x${toHex(two.account).slice(2).toUpperCase()}`, "1", "20");
    const priceOf = async (gateway: typeof one) => (await gateway.discover()).priceInfo;
    expect(await priceOf(one)).toMatchObject({ pricePerUnit: 10n, pixelsPerUnit: 1n });
    expect(await priceOf(two)).toMatchObject({ pricePerUnit: 1n, pixelsPerUnit: 20n });
    expect(await priceOf(three)).toMatchObject({ pricePerUnit: 1_200n, pixelsPerUnit: 1n });
    expect(changes(node)).toEqual([`${toHex(one.account)}=10`, `${toHex(two.account)}=1/20`]);
    const before = changes(node).length;
    for (const [pricePerUnit, pixelsPerUnit] of [
      ["-1", "1"],
      ["1", "0"],
      ["abc", "1"],
      ["1", "-5"],
    ]) {
      const form = {
        pricePerUnit: pricePerUnit ?? "",
        pixelsPerUnit: pixelsPerUnit ?? "",
        broadcasterEthAddr: "default",
      };
      expect((await node.operator("/setPriceForBroadcaster", form)).status).toBe(400);
    }
    expect(changes(node)).toHaveLength(before);
  });

  test("a price of a tiny fraction of a wei is never free", async () => {
    await using node = await openOnchainNode(world, { flags });
    const gateway = await node.gateway();
    await setPrice(node, "default", "1", "1e30");
    const { priceInfo, ticketParams } = await gateway.discover();
    expect(priceInfo?.pricePerUnit).toBe(1n);
    expect(ticketParams?.faceValue).not.toHaveLength(0);
  });

  test("from paid to free and back: who opened a session for nothing does not pay for it later", async () => {
    await using node = await openOnchainNode(world, { flags });
    await setPrice(node, "default", "0");
    const gateway = await node.gateway();
    const info = await gateway.open().catch(() => gateway.discover());
    expect(info.priceInfo).toMatchObject({ pricePerUnit: 0n });
    gateway.use(info);
    const media = await tinySegment();
    const submission = { manifestId: "movie", seq: 0, media, durationMs: 200, profiles: [profileOf()] };
    expect(dataOf((await gateway.sendSegment(submission)).answer).segments).toHaveLength(1);
    await setPrice(node, "default", "1200");
    expect(dataOf((await gateway.sendSegment({ ...submission, seq: 1 })).answer).segments).toHaveLength(1);
    expect(node.account(gateway)).toMatchObject({ price: "0", reserved: 0 });
    const other = await node.gateway();
    expect((await other.open()).priceInfo).toMatchObject({ pricePerUnit: 1_200n });
    const { answer } = await other.sendSegment(submission, { count: 0 });
    expect(answer).toMatchObject({ type: "refused", status: 400, text: "Insufficient balance\n" });
    await auditMoney(node.dataDir);
  });
});

describe("the operator's webhook", () => {
  test("its price is offered, bound into the tickets, pinned, and charged", async () => {
    const answers = new Map<string, object>();
    using hook = Bun.serve({
      port: 0,
      hostname: "127.0.0.1",
      fetch: async (request) => {
        const text = await request.text();
        for (const [name, answer] of answers) {
          if (text.toLowerCase().includes(name)) return Response.json(answer);
        }
        return Response.json({});
      },
    });
    await using node = await openOnchainNode(world, {
      flags: [...flags, "-authWebhookUrl", `http://127.0.0.1:${hook.port}/`],
      allowNetworks: ["127.0.0.0/8"],
    });
    const [friend, stranger] = [await node.gateway(), await node.gateway()];
    answers.set(toHex(friend.account).slice(2), { priceInfo: { pricePerUnit: 7, pixelsPerUnit: 3 } });
    const info = await friend.open();
    expect(info.priceInfo).toMatchObject({ pricePerUnit: 7n, pixelsPerUnit: 3n });
    expect((await stranger.discover()).priceInfo).toMatchObject({ pricePerUnit: 1_200n });
    const media = await tinySegment();
    const submission = { manifestId: "movie", seq: 0, media, durationMs: 200, profiles: [profileOf()] };
    expect(dataOf((await friend.sendSegment(submission, { count: 1 })).answer).segments).toHaveLength(1);
    expect(node.account(friend)).toMatchObject({ price: "7/3", tickets: 1 });
    expect(friend.info.priceInfo).toMatchObject({ pricePerUnit: 7n, pixelsPerUnit: 3n });
    // Somebody else cannot pay at the friend's price.
    const own = await stranger.open();
    const trial = await tryPayment(
      node,
      stranger,
      { ...own, ticketParams: paramsOf(info) },
      {
        nonces: [1],
        price: { pricePerUnit: 7n, pixelsPerUnit: 3n },
      },
    );
    expect(trial).toMatchObject({ status: 400, creditedTickets: "0", account: null });
    await auditMoney(node.dataDir);
  });
});
