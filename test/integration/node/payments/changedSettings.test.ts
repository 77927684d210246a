import { afterAll, beforeAll, expect, test } from "bun:test";
import { rmSync } from "node:fs";
import { startDevChain } from "../../../support/chain/devChain.ts";
import { eventually } from "../../../support/eventually.ts";
import { openNode, temporaryDir } from "../../../support/nodeFixture.ts";
import {
  auditMoney,
  giveKey,
  type MoneyWorld,
  openMoneyWorld,
  openOnchainNode,
} from "../../../support/onchainNode.ts";
import { tryPayment } from "../../../support/paymentTrials.ts";

/*
 * Goal: what an operator changes between two runs over one data folder takes effect without stranding a gateway, and
 * nothing that one setting made true is believed under another. Method: the same folder, other flags, a real chain.
 */

let world: MoneyWorld;
const folders: string[] = [];
const folder = (): string => {
  const path = temporaryDir();
  folders.push(path);
  return path;
};

beforeAll(async () => {
  world = await openMoneyWorld();
});
afterAll(async () => {
  await world[Symbol.asyncDispose]();
  for (const path of folders) rmSync(path, { recursive: true, force: true });
});

test("another chain: the node stops, in the words that operators know", async () => {
  const dataDir = folder();
  {
    await using _node = await openOnchainNode(world, { dataDir });
  }
  await using other = await startDevChain({ chainId: 4_321 });
  giveKey(dataDir);
  await using node = await openNode({
    dataDir,
    flags: [
      ...["-network", "devnet", "-ethUrl", other.rpc.url, "-ethController", other.controller],
      ...["-ethPassword", "secret", "-pricePerUnit", "1200"],
    ],
  });
  const [error] = await eventually("the node gives up", () => (node.fatal.length > 0 ? node.fatal : null));
  expect(String(error)).toContain(
    "expecting chainID of 54321, but got 4321. Did you change networks without changing network name or datadir?",
  );
  expect(node.running.money?.chain.clock()?.lastInitializedRound).toBe(1n);
});

test("a higher price and a higher value of tickets: a running session keeps its price and is not stranded", async () => {
  const dataDir = folder();
  const privateKey = await world.fundedKey();
  const before = ["-ticketEV", "8000000000", "-autoAdjustPrice=false"];
  await using first = await openOnchainNode(world, { dataDir, flags: before });
  const gateway = world.gateway(first.serviceUri, privateKey);
  const info = await gateway.open();
  const session = info.authToken?.sessionId ?? "";
  await tryPayment(first, gateway, info, { nonces: [1, 2] }, session);
  await first[Symbol.asyncDispose]();

  const after = ["-ticketEV", "80000000000", "-autoAdjustPrice=false", "-pricePerUnit", "5000"];
  await using second = await openOnchainNode(world, { dataDir, flags: after });
  const again = world.gateway(second.serviceUri, privateKey);
  // One ticket more of the old value, under the params of the run before.
  const paid = await tryPayment(second, again, info, { nonces: [3] }, session);
  expect(paid).toMatchObject({ status: 200, creditedTickets: "1", account: { price: "1200" } });
  expect(paid.info?.priceInfo).toMatchObject({ pricePerUnit: 1_200n, pixelsPerUnit: 1n });
  const money = second.running.money?.money;
  const key = { sender: `0x${Buffer.from(again.account).toString("hex")}`, manifestId: session } as const;
  const origin = { correlationId: "test", causationId: "test" };
  expect(money?.till.reserve(key, { jobId: "job", units: 1_000n }, origin)).toBeNull();
  money?.accounts.release("job", origin);
  // Whoever opens a session now pays the new price.
  const fresh = await world.gateway(second.serviceUri, privateKey).discover();
  expect(fresh.priceInfo).toMatchObject({ pricePerUnit: 5_000n, pixelsPerUnit: 1n });
  await second[Symbol.asyncDispose]();
  await auditMoney(dataDir);
});

test("another recipient while the chain is down: what was known about the old one is not believed of it", async () => {
  const dataDir = folder();
  const privateKey = await world.fundedKey();
  {
    await using node = await openOnchainNode(world, { dataDir });
    const gateway = world.gateway(node.serviceUri, privateKey);
    await tryPayment(node, gateway, await gateway.open(), { nonces: [1] });
  }
  world.chain.rpc.fault = { type: "cut" };
  const recipient = `0x${"5c".repeat(20)}`;
  {
    await using node = await openOnchainNode(world, { dataDir, flags: ["-ethOrchAddr", recipient] });
    const chain = node.running.money?.chain;
    expect(chain?.clock()).toMatchObject({ isRecipientActive: false });
    await expect(world.gateway(node.serviceUri, privateKey).discover()).rejects.toThrow(
      "could not get sender info",
    );
    world.chain.rpc.fault = { type: "none" };
    await world.chain.setActive(new Uint8Array(20).fill(0x5c), true);
    await node.until("the chain says so", () => chain?.clock()?.isRecipientActive === true);
    const gateway = world.gateway(node.serviceUri, privateKey);
    const paid = await tryPayment(node, gateway, await gateway.open(), { nonces: [1] });
    expect(paid).toMatchObject({ status: 200, creditedTickets: "1" });
  }
  await auditMoney(dataDir);
});
