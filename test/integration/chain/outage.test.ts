import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { toHex } from "../../../src/protocol/bytes.ts";
import type { ChainClock, SenderFunds } from "../../../src/runtime/ports.ts";
import { eventually } from "../../support/eventually.ts";
import { isLens, lensLiar } from "../../support/chain/lensLies.ts";
import { openChainWorld } from "../../support/chain/openedChain.ts";
import type { RpcFault, SeenCall } from "../../support/chain/rpcProxy.ts";

/*
 * Goal: an endpoint that is down, slow, rude or lying stops no stream and feeds us nothing. Method: a real
 * development node behind a proxy with bad manners; the view's monotonic clock runs ahead where minutes must pass.
 */

// Whoever comes first compiles the contracts, which takes seconds on a busy machine.
setDefaultTimeout(120_000);

const gateway = new Uint8Array(20).fill(0xbb);

describe("an outage", () => {
  test("known funds and the round are served on, and the L1 block goes on; then the chain is back", async () => {
    await using world = await openChainWorld({ before: (chain) => chain.fund(gateway, 5n, 7n) });
    const { chain, view } = world;
    await world.troubleWhere(null);
    await view.readFunds(gateway);
    chain.rpc.fault = { type: "cut" };
    await world.troubleWhere("the RPC cannot be reached");
    const before = view.clock();
    world.advance(10 * 60_000);
    const after = view.clock();
    expect(after).toMatchObject({ lastInitializedRound: 1n, l1Block: (before?.l1Block ?? 0n) + 50n });
    expect(view.funds(gateway)).toMatchObject({ deposit: 5n, reserve: 7n });
    expect(await view.readFunds(gateway)).toBeNull();
    expect(view.gasPrice()).toBe(0n);

    chain.rpc.fault = { type: "none" };
    await world.troubleWhere(null);
    // The chain has fewer blocks than our clock: it is waited for.
    expect(view.clock()?.l1Block).toBe(after?.l1Block ?? 0n);
    await chain.mine(100);
    const block = await chain.blockNumber();
    await world.clockWhere("the chain is ahead", (clock) => clock.l1Block === block);
  });

  test("a wall clock that is set back or ahead moves nothing", async () => {
    await using world = await openChainWorld();
    await world.troubleWhere(null);
    const block = world.view.clock()?.l1Block as bigint;
    world.chain.rpc.fault = { type: "cut" };
    await world.troubleWhere("the RPC cannot be reached");
    for (const wallMs of [0, 4_000_000_000_000]) {
      world.setWallClock(wallMs);
      expect(world.view.clock()?.l1Block).toBe(block);
    }
  });

  test("a node that starts in an outage serves what its earlier life knew", async () => {
    const clock: ChainClock = {
      ...{ lastInitializedRound: 9n, l1Block: 1_000n, transcoderPoolSize: 5n, ticketValidityPeriod: 2n },
      roundBlockHash: new Uint8Array(32).fill(1),
      previousRoundBlockHash: new Uint8Array(32).fill(2),
      isRecipientActive: true,
      readAtMs: 1_700_000_000_000 - 240_000,
    };
    const funds: SenderFunds = {
      ...{ deposit: 3n, reserve: 4n, claimedInRound: 0n, claimedByUs: 0n, withdrawRound: 0n },
      readAtMs: 1_700_000_000_000 - 240_000,
    };
    await using world = await openChainWorld({
      seed: { clock, funds: new Map([[toHex(gateway), funds]]) },
      before: (chain) => {
        chain.rpc.fault = { type: "silent" };
      },
    });
    expect(world.view.clock()).toEqual({ ...clock, l1Block: 1_020n });
    expect(world.view.funds(gateway)).toEqual(funds);
    expect(world.view.trouble).toBe("the chain has not been read yet");
    expect(world.view.chainId()).toBeNull();
  });

  test("nobody waits for the endpoint: opening, clock and funds answer at once while it hangs", async () => {
    await using world = await openChainWorld({
      timeoutMs: 200,
      before: (chain) => {
        chain.rpc.fault = { type: "silent" };
      },
    });
    expect(world.view.clock()).toBeNull();
    expect(world.view.funds(gateway)).toBeNull();
    await world.troubleWhere("the RPC gave no answer within 200 ms");
    // After the second silence, a read is refused without waiting for a third.
    await eventually("two polls", () => (world.chain.rpc.requests.length >= 3 ? true : null));
    // In the same turn of the event loop: no answer can have been waited for.
    const later = new Promise((resolve) => setImmediate(() => resolve("later")));
    expect(await Promise.race([world.view.readFunds(gateway), later])).toBeNull();
  });

  test("polls get rarer while the endpoint is down, and a wish to be left alone is granted", async () => {
    await using world = await openChainWorld({ pollMs: 20 });
    await world.troubleWhere(null);
    const { rpc } = world.chain;
    rpc.fault = { type: "cut" };
    await world.troubleWhere("cannot be reached");
    const start = rpc.requests.length;
    // 20 + 20 + 40 + 80 + 160 ms: at full speed it would be sixteen requests.
    await Bun.sleep(320);
    expect(rpc.requests.length - start).toBeLessThan(9);
    rpc.fault = { type: "none" };
    await world.troubleWhere(null);

    rpc.fault = { type: "answer", status: 429, body: "slow down", headers: { "retry-after": "60" } };
    await world.troubleWhere("the RPC answered HTTP 429");
    const asked = rpc.requests.length;
    rpc.fault = { type: "none" };
    expect(await world.view.readFunds(gateway)).toBeNull();
    expect(rpc.requests.length).toBe(asked);
  });
});

describe("answers that are none", () => {
  const bad: readonly (readonly [string, RpcFault, string])[] = [
    ["429", { type: "answer", status: 429, body: "" }, "the RPC answered HTTP 429"],
    ["503 with a page", { type: "answer", status: 503, body: "<html>" }, "the RPC answered HTTP 503"],
    ["HTML with 200", { type: "answer", status: 200, body: "<html>ok</html>" }, "something that is no JSON"],
    ["half a JSON", { type: "answer", status: 200, body: '[{"jsonrpc":"2.0","id":1,"res' }, "no JSON"],
    ["nothing", { type: "answer", status: 200, body: "" }, "no JSON"],
    ["null", { type: "answer", status: 200, body: "null" }, "no object"],
    ["an empty list", { type: "answer", status: 200, body: "[]" }, "left a call unanswered"],
    [
      "answers to other calls",
      { type: "answer", status: 200, body: '[{"id":"1","result":"0x1"},7,null]' },
      "unanswered",
    ],
    [
      "one error for all",
      {
        type: "answer",
        status: 200,
        body: '{"jsonrpc":"2.0","id":null,"error":{"code":-32005,"message":"batch too large"}}',
      },
      "batch too large",
    ],
    [
      "too many bytes",
      { type: "answer", status: 200, body: `["${"x".repeat(3 * 1024 * 1024)}"]` },
      "the RPC answered more than 2097152 bytes",
    ],
    ["a redirect", { type: "answer", status: 302, body: "", headers: { location: "/elsewhere" } }, "the RPC"],
  ];

  test.each(bad)("%s: is trouble, and what was known stays", async (_name, fault, text) => {
    await using world = await openChainWorld();
    await world.troubleWhere(null);
    const known = world.view.clock();
    world.chain.rpc.fault = fault;
    // No poll of before is under way any more.
    await world.troubleWhere(text);
    await world.chain.setPoolSize(99n);
    await world.chain.rpc.nextRequest();
    await world.chain.rpc.nextRequest();
    expect(world.view.trouble).toContain(text);
    expect(world.view.clock()).toMatchObject({ transcoderPoolSize: 10n, l1Block: known?.l1Block as bigint });
    world.chain.rpc.fault = { type: "none" };
    await world.troubleWhere(null);
    await world.clockWhere("the new pool size", (clock) => clock.transcoderPoolSize === 99n);
  });
});

describe("an endpoint that lies", () => {
  const word = (value: bigint) => `0x${value.toString(16).padStart(64, "0")}`;
  const isSenderInfo = (call: SeenCall) => JSON.stringify(call.params).includes(`"0xe1a589da`);
  const forMethod = (method: string, lie: unknown): RpcFault => ({
    type: "liar",
    lie: (call, result) => (call.method === method ? lie : result),
  });
  const forLens = (lie: unknown): RpcFault => ({
    type: "liar",
    lie: (call, result) => (isLens(call) ? lie : result),
  });

  const lies: readonly (readonly [string, RpcFault, string])[] = [
    ["no latest block", forMethod("eth_getBlockByNumber", null), "there is no latest block"],
    ["a block number as text", forMethod("eth_getBlockByNumber", { number: "12" }), "no number"],
    ["a negative block number", forMethod("eth_getBlockByNumber", { number: "-0x1" }), "no number"],
    [
      "a block number of 256 bits",
      forMethod("eth_getBlockByNumber", { number: word(1n << 255n) }),
      "out of all bounds",
    ],
    [
      "a block that contracts do not see",
      forMethod("eth_getBlockByNumber", { number: "0xffffff" }),
      "but its contracts see",
    ],
    ["an L1 block of next year", lensLiar({ l1Block: 0xffffffn }), "is not believed before"],
    ["an L1 block of 256 bits", lensLiar({ l1Block: 1n << 255n }), "out of all bounds"],
    [
      "a gas price beyond belief",
      forMethod("eth_gasPrice", word(10n ** 18n)),
      "a gas price of 1000000000000000000 wei",
    ],
    ["a base fee beyond belief", lensLiar({ baseFee: 10n ** 18n }), "a gas price of 1000000000000000000 wei"],
    ["a chain id that is none", lensLiar({ chainId: 1n << 200n }), "out of all bounds"],
    ["a round of 256 bits", lensLiar({ lastInitializedRound: 1n << 200n }), "out of all bounds"],
    ["a round of the next century", lensLiar({ lastInitializedRound: 5_000n }), "is not believed before"],
    [
      "a round that cannot be read",
      lensLiar({ lastInitializedRound: null }),
      "lastInitializedRound of the RoundsManager has an answer that is not understood",
    ],
    ["a pool size out of bounds", lensLiar({ poolSize: 1n << 62n }), "out of all bounds"],
    ["an activity of two", lensLiar({ isActive: 2n }), "out of all bounds"],
    ["tickets that are never valid", lensLiar({ ticketValidityPeriod: 0n }), "valid for no round at all"],
    ["no broker", lensLiar({ TicketBroker: 0n }), "knows no TicketBroker"],
    ["a broker that is no account", lensLiar({ TicketBroker: 1n << 160n }), "out of all bounds"],
    ["an answer that is no bytes", forLens("0xzz"), "eth_call answered no bytes"],
    ["half a word", forLens("0x01"), "has an answer that is not understood"],
    ["no answer of the lens", forLens("0x"), "has an answer that is not understood"],
    ["nothing", forLens(null), "eth_call answered no bytes"],
    ["megabytes", forLens(`0x${"00".repeat(100_000)}`), "too many bytes"],
  ];

  test.each(lies)("%s: is trouble and not taken", async (_name, fault, text) => {
    await using world = await openChainWorld();
    await world.troubleWhere(null);
    const known = world.view.clock();
    const [lied, gasPrice] = [liesOnce(fault), world.view.gasPrice()];
    world.chain.rpc.fault = lied.fault;
    // The block and the gas price are asked for every two minutes. Without a longer silence the L1 clock stands.
    for (let poll = 0; poll < 20 && lied.count() === 0; poll += 1) {
      world.advance(7_000);
      await world.chain.rpc.nextRequest();
    }
    await eventually("the trouble", () =>
      world.troubles.some((said) => said?.includes(text)) ? true : null,
    );
    await world.troubleWhere(null);
    expect(lied.count()).toBe(1);
    expect(world.view.clock()).toEqual(known);
    expect(world.view.gasPrice()).toBe(gasPrice);
  });

  test("payments check 51: an older round, of a server that lags, is not taken; of one that stays behind, said", async () => {
    await using world = await openChainWorld({ before: (chain) => chain.setRound(11n) });
    await world.clockWhere("round 11", (clock) => clock.lastInitializedRound === 11n);
    await world.troubleWhere(null);
    const lied = liesOnce(lensLiar({ lastInitializedRound: 10n }));
    world.chain.rpc.fault = lied.fault;
    await eventually("the lie was told", () => (lied.count() > 0 ? true : null));
    await world.chain.rpc.nextRequest();
    await world.chain.rpc.nextRequest();
    expect(world.view.clock()?.lastInitializedRound).toBe(11n);
    expect(world.view.trouble).toBeNull();
    world.chain.rpc.fault = lensLiar({ lastInitializedRound: 10n });
    await world.troubleWhere("the RPC is behind: it says round 10, and round 11 was seen already");
    expect(world.view.clock()?.lastInitializedRound).toBe(11n);
  });

  test("funds that are no funds are not taken", async () => {
    await using world = await openChainWorld({ before: (chain) => chain.fund(gateway, 5n, 7n) });
    await world.troubleWhere(null);
    for (const lie of [null, {}, "0x", "0x00", word(1n), 7]) {
      world.chain.rpc.fault = {
        type: "liar",
        lie: (call, result) => (isSenderInfo(call) ? lie : result),
      };
      expect(await world.view.readFunds(gateway)).toBeNull();
      expect(world.view.funds(gateway)).toBeNull();
    }
    world.chain.rpc.fault = { type: "none" };
    expect((await world.view.readFunds(gateway))?.deposit).toBe(5n);
  });

  /** Tells the truth after one lie: the second look shows whether anything of the first stayed. */
  function liesOnce(fault: RpcFault) {
    let count = 0;
    if (fault.type !== "liar") throw new Error("Only a liar can lie once.");
    const { lie } = fault;
    const once: RpcFault = {
      type: "liar",
      lie: (call, result) => {
        const lied = count > 0 ? result : lie(call, result);
        if (lied !== result) count += 1;
        return lied;
      },
    };
    return { fault: once, count: () => count };
  }
});

describe("the endpoint's secrets", () => {
  // Goal: keys in the URL travel as they must, and show up in no trouble, even when the endpoint repeats them.
  test("user info becomes a header; whatever the endpoint says of its key is struck out", async () => {
    const key = "0123456789abcdef0123";
    let port = "";
    await using world = await openChainWorld({
      before: (chain) => {
        port = new URL(chain.rpc.url).port;
        chain.rpc.fault = {
          type: "answer",
          status: 200,
          body: `{"error":{"message":"the key ${key} of secretpassword\\u001b[31m is exhausted"}}`,
        };
      },
      urls: [{ reveal: () => `http://alice:secretpassword@127.0.0.1:${port}/v2/${key}` }],
    });
    await world.troubleWhere("the key *** of *** [31m is exhausted");
    const expected = `Basic ${Buffer.from("alice:secretpassword").toString("base64")}`;
    expect(world.chain.rpc.authorization).toBe(expected);
    world.chain.rpc.fault = { type: "cut" };
    await world.troubleWhere("cannot be reached");
    expect(world.troubles.join()).not.toMatch(/secretpassword|0123456789abcdef/);
  });
});

test("a closed view asks nothing more, tells nothing more, and lets everybody go who waits", async () => {
  await using world = await openChainWorld({
    timeoutMs: 60_000,
    before: (chain) => {
      chain.rpc.fault = { type: "silent" };
    },
  });
  const waiting = world.view.readFunds(gateway);
  await eventually("a request", () => (world.chain.rpc.requests.length > 0 ? true : null));
  world.view.close();
  expect(await waiting).toBeNull();
  expect(await world.view.readFunds(gateway)).toBeNull();
  expect(world.troubles).toEqual([]);
  expect(world.chain.rpc.requests.length).toBe(1);
});
