import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { toHex } from "../../../../src/protocol/bytes.ts";
import { eventually } from "../../../support/eventually.ts";
import type { Config } from "../../../../src/config/config.ts";
import {
  type MoneyWorld,
  nodeAccount,
  openMoneyWorld,
  openOnchainNode,
} from "../../../support/onchainNode.ts";

/*
 * Goal: without -serviceAddr gateways are told what the service registry holds; with it the operator hears of a
 * difference. Method: a whole node on a chain; what gateways are told is what GetOrchestrator answers.
 */

setDefaultTimeout(30_000);

const stored = "https://5.6.7.8:9000";
let world: MoneyWorld;

beforeAll(async () => {
  world = await openMoneyWorld();
  await world.chain.giveEther(nodeAccount, 100n * 10n ** 18n);
});
afterAll(() => world[Symbol.asyncDispose]());

const store = (uri: string) =>
  world.chain.write("ServiceRegistry", "setServiceURI", [uri], { from: toHex(nodeAccount) });

/** As if `-serviceAddr` had been left out: the fixture of nodes always gives it. */
const withoutAddress = (config: Config): Config => ({
  ...config,
  node: { ...config.node, isServiceUriGiven: false },
});

test("chain check 22: no -serviceAddr: the registry's address is used, and that its port is not ours is said", async () => {
  await store(stored);
  await using node = await openOnchainNode(world, { alterConfig: withoutAddress });
  const gateway = await node.gateway();
  await eventually("it is told", async () =>
    (await gateway.discover()).transcoder === stored ? true : null,
  );
  const said = node.logLines.filter((line) => line.includes("did not match discovered address"));
  expect(said).toHaveLength(1);
  expect(said[0]).toContain(`Service address ${stored} did not match`);
  expect(said[0]).toContain(`listens on port ${node.port}`);
});

test("an address that no gateway could use, or none, is not told to gateways", async () => {
  for (const [uri, words] of [
    ["", "has no address of ours"],
    ["not an address", "is none that a gateway could use"],
    ["https://o.example", "is none that a gateway could use"],
  ] as const) {
    await store(uri);
    await using node = await openOnchainNode(world, { alterConfig: withoutAddress });
    await eventually(words, () => (node.logLines.some((line) => line.includes(words)) ? true : null));
    const gateway = await node.gateway();
    expect((await gateway.discover()).transcoder).toBe(node.serviceUri);
  }
});

test("chain check 21: -serviceAddr goes before the registry, and a difference is said", async () => {
  await store(stored);
  await using node = await openOnchainNode(world);
  const words = "The service registry has another address than -serviceAddr";
  const line = await eventually(words, () => node.logLines.find((each) => each.includes(words)) ?? null);
  expect(line).toContain(stored);
  expect(line).toContain("set-service-uri");
  const gateway = await node.gateway();
  expect((await gateway.discover()).transcoder).toBe(node.serviceUri);
  await store(node.serviceUri);
  await using again = await openOnchainNode(world, {
    flags: ["-serviceAddr", node.serviceUri.replace("https://", "")],
  });
  await again.until("the chain was read", () => again.running.money?.chain.trouble === null);
  expect(again.logLines.filter((each) => each.includes(words))).toEqual([]);
});

test("a node that starts in an outage asks once the chain can be read", async () => {
  await store(stored);
  world.chain.rpc.fault = { type: "cut" };
  try {
    await using node = await openOnchainNode(world, { alterConfig: withoutAddress });
    expect(node.logLines.join("\n")).not.toContain(stored);
    world.chain.rpc.fault = { type: "none" };
    const gateway = await node.gateway();
    await eventually(
      "it is told",
      async () => ((await gateway.discover().catch(() => null))?.transcoder === stored ? true : null),
      20_000,
    );
  } finally {
    world.chain.rpc.fault = { type: "none" };
  }
});
