import { describe, expect, test } from "bun:test";
import type { PoolAnswer } from "../../../src/chain/chainRpc.ts";
import { EndpointPool } from "../../../src/chain/endpointPool.ts";
import { ChainUrlError, type RpcCall } from "../../../src/chain/jsonRpc.ts";
import { type Endpoints, openEndpoints } from "../../support/chain/endpoints.ts";
import type { RpcFault } from "../../support/chain/rpcProxy.ts";
import { eventually } from "../../support/eventually.ts";

/*
 * Goal: of several endpoints, the bad ones are passed over, soon and at little cost, and none of them is believed
 * about another chain. Method: real HTTP servers with bad days; the pool's clock runs ahead where minutes must pass.
 */

const call: RpcCall = { method: "eth_gasPrice", params: [] };
const height: RpcCall = { method: "eth_blockNumber", params: [] };

/** Every node answers with its own place, so that a result tells who gave it. */
function openNumbered(count: number, options: Parameters<typeof openEndpoints>[1] = {}): Promise<Endpoints> {
  return openEndpoints(count, {
    ...options,
    before: (nodes) => {
      for (const [index, node] of nodes.entries()) node.answers = { eth_gasPrice: index };
      options.before?.(nodes);
    },
  });
}

async function only(answers: Promise<readonly PoolAnswer[]>): Promise<PoolAnswer> {
  const [answer, ...more] = await answers;
  if (answer === undefined || more.length > 0) throw new Error("One answer was due.");
  return answer;
}

/** A poll as the poller makes it: reads the head, and tells who showed it. */
async function poll(world: Endpoints): Promise<PoolAnswer> {
  const answer = await only(world.pool.batch([height]));
  if (answer.type === "result") {
    world.pool.observe(answer.endpoint, { block: BigInt(String(answer.result)), l1Block: null });
  }
  return answer;
}

/** All endpoints have been asked, and are healthy. */
async function settled(world: Endpoints): Promise<void> {
  await poll(world);
  await eventually("every endpoint is known", () =>
    world.pool.states().every(({ state, block }) => state === "healthy" && block !== null) ? true : null,
  );
}

/**
 * Whether one of ten requests reaches nobody but its endpoint. Not each of them: whoever takes long, as everybody may
 * on a busy machine, is helped by another one.
 */
async function isSpared(world: Endpoints, other: number, ask: () => Promise<unknown>): Promise<boolean> {
  for (let tries = 0; tries < 10; tries += 1) {
    const before = world.callsAt(other).length;
    await ask();
    if (world.callsAt(other).length === before) return true;
  }
  return false;
}

function stateOf(world: Endpoints, index: number): string {
  return world.pool.states()[index]?.state ?? "";
}

describe("failing over", () => {
  test("the first configured endpoint answers while all is well, and answers tell who gave them", async () => {
    await using world = await openNumbered(3);
    await settled(world);
    for (let count = 0; count < 5; count += 1) {
      expect(await only(world.pool.batch([call]))).toEqual({ type: "result", result: 0, endpoint: 0 });
    }
    expect((await only(world.pool.batch([call], 2))).endpoint).toBe(2);
    expect(world.pool.trouble).toBeNull();
    expect(world.pool.chainId).toBe(7n);
  });

  const faults: readonly (readonly [string, RpcFault])[] = [
    ["HTTP 500", { type: "answer", status: 500, body: "" }],
    ["HTML", { type: "answer", status: 200, body: "<html>maintenance</html>" }],
    ["half a JSON", { type: "answer", status: 200, body: '[{"jsonrpc":"2.0","id":1,"resu' }],
    ["nothing at all", { type: "answer", status: 200, body: "" }],
    ["a cut connection", { type: "cut" }],
    ["HTTP 429", { type: "answer", status: 429, body: "slow down" }],
  ];
  for (const [name, fault] of faults) {
    test(`${name} of one endpoint is nobody's trouble`, async () => {
      await using world = await openNumbered(2);
      await settled(world);
      (world.doors[0] as { fault: RpcFault }).fault = fault;
      for (let count = 0; count < 3; count += 1) {
        expect(await only(world.pool.batch([call]))).toMatchObject({ result: 1, endpoint: 1 });
      }
      expect(world.pool.trouble).toBeNull();
      expect(world.pool.states()[0]).toMatchObject({ lastError: expect.stringContaining("the RPC") });
      expect(stateOf(world, 1)).toBe("healthy");
    });
  }

  for (const text of [
    "header not found",
    "missing trie node 0a (path )",
    "limit exceeded",
    "Internal error",
  ]) {
    test(`"${text}" is the endpoint's fault, and another one is asked`, async () => {
      await using world = await openNumbered(2);
      await settled(world);
      (world.nodes[0] as Endpoints["nodes"][number]).answers = { eth_gasPrice: new Error(text) };
      expect(await only(world.pool.batch([call]))).toMatchObject({ result: 1, endpoint: 1 });
      expect(world.pool.states()[0]?.lastError).toContain(text);
    });
  }

  test("a revert is an answer: nobody else is asked, and the endpoint is as good as before", async () => {
    await using world = await openNumbered(2);
    await settled(world);
    const revert = Object.assign(new Error("execution reverted: limit exceeded"), { cause: -32603 });
    (world.nodes[0] as Endpoints["nodes"][number]).answers = { eth_gasPrice: revert };
    const isNobodyElseAsked = await isSpared(world, 1, async () => {
      const answer = await only(world.pool.batch([call], 0));
      expect(answer).toMatchObject({ type: "failed", kind: "remote", endpoint: 0, code: -32603 });
    });
    expect(isNobodyElseAsked).toBe(true);
    expect(stateOf(world, 0)).toBe("healthy");
  });

  // A call that no endpoint can answer must not take all endpoints out of service.
  test("a call that fails everywhere is held against nobody", async () => {
    await using world = await openNumbered(2);
    await settled(world);
    for (const node of world.nodes) node.answers = { eth_gasPrice: new Error("header not found") };
    for (let count = 0; count < 5; count += 1) {
      const answer = await only(world.pool.batch([call]));
      expect(answer).toMatchObject({ type: "failed", kind: "remote" });
    }
    expect(world.pool.states().map(({ state }) => state)).toEqual(["healthy", "healthy"]);
  });

  test("the answers of a batch come from one endpoint", async () => {
    await using world = await openNumbered(2);
    await settled(world);
    for (const [index, node] of world.nodes.entries()) {
      node.answers = { eth_gasPrice: index, eth_getBalance: index === 0 ? new Error("header not found") : 5 };
    }
    const answers = await world.pool.batch([call, { method: "eth_getBalance", params: [] }]);
    expect(answers).toEqual([
      { type: "result", result: 1, endpoint: 1 },
      { type: "result", result: 5, endpoint: 1 },
    ]);
  });
});

describe("hedging", () => {
  test("a silent endpoint costs a moment once, and is passed over from then on", async () => {
    await using world = await openNumbered(2);
    await settled(world);
    (world.doors[0] as { fault: RpcFault }).fault = { type: "silent" };
    const startMs = world.clock.now();
    expect(await only(world.pool.batch([call]))).toMatchObject({ result: 1, endpoint: 1 });
    // Measured answers of a few milliseconds: the hedge fires at its least delay, long before the time-out.
    expect(world.clock.now() - startMs).toBeLessThan(15_000);
    const isPassedOver = await isSpared(world, 0, async () => {
      expect(await only(world.pool.batch([call]))).toMatchObject({ result: 1, endpoint: 1 });
    });
    expect(isPassedOver).toBe(true);
  });

  test("a hedged endpoint whose answer comes late loses nothing but the race", async () => {
    await using world = await openNumbered(2);
    await settled(world);
    const { promise: until, resolve: release } = Promise.withResolvers<void>();
    (world.doors[0] as { fault: RpcFault }).fault = { type: "held", until };
    expect(await only(world.pool.batch([call]))).toMatchObject({ endpoint: 1 });
    const before = world.pool.states()[0]?.latencyMs;
    release();
    await eventually("the late answer is counted", () =>
      world.pool.states()[0]?.latencyMs !== before ? true : null,
    );
    expect(stateOf(world, 0)).toBe("healthy");
    expect(world.pool.states()[0]?.lastError).toBeNull();
  });
});

describe("heads", () => {
  // Method: 12-second polls on the pool's clock. The node stops right after a poll, which is the worst moment.
  test("a fast node that stops to follow the chain is passed over in less than 15 s", async () => {
    await using world = await openNumbered(2);
    await settled(world);
    const [stale, fresh] = world.nodes as [Endpoints["nodes"][number], Endpoints["nodes"][number]];
    for (let count = 0; count < 3; count += 1) {
      stale.block += 48n;
      fresh.block += 48n;
      world.advance(12_000);
      expect((await poll(world)).endpoint).toBe(0);
    }
    fresh.block += 48n;
    world.advance(12_000);
    expect((await poll(world)).endpoint).toBe(0);
    const polledAtMs = world.clock.now();
    await eventually("it is behind", () => (stateOf(world, 0) === "behind" ? true : null));
    expect(world.clock.now() - polledAtMs).toBeLessThan(3_000);
    expect((await poll(world)).endpoint).toBe(1);
    expect(world.pool.states()[0]?.lastError).toContain("behind another endpoint");
    expect(world.pool.trouble).toBeNull();

    // It catches up, and is preferred again.
    stale.block = fresh.block + 10n;
    world.advance(60_000);
    await poll(world);
    await eventually("it is back", () => (stateOf(world, 0) === "healthy" ? true : null));
    expect((await poll(world)).endpoint).toBe(0);
  });

  test("one block behind is found too, after the time that a block needs to travel", async () => {
    await using world = await openNumbered(2);
    await settled(world);
    (world.nodes[1] as Endpoints["nodes"][number]).block += 1n;
    world.advance(12_000);
    await poll(world);
    await eventually("it is behind", () => (stateOf(world, 0) === "behind" ? true : null));
    expect(world.callsAt(0).length).toBe(3);
  });

  test("of three, two that stand still together are passed over", async () => {
    await using world = await openNumbered(3);
    await settled(world);
    (world.nodes[2] as Endpoints["nodes"][number]).block += 50n;
    world.advance(12_000);
    await poll(world);
    await eventually("the first is behind", () => (stateOf(world, 0) === "behind" ? true : null));
    await eventually("so is the second", async () => {
      world.advance(6_000);
      await poll(world);
      return stateOf(world, 1) === "behind" ? true : null;
    });
    expect((await poll(world)).endpoint).toBe(2);
  });

  test("a chain that goes back everywhere leaves nobody behind", async () => {
    await using world = await openNumbered(2);
    await settled(world);
    for (const node of world.nodes) node.block = 40n;
    for (let count = 0; count < 20; count += 1) {
      for (const node of world.nodes) node.block += 48n;
      world.advance(12_000);
      await poll(world);
    }
    await eventually("both are healthy", async () => {
      for (const node of world.nodes) node.block += 48n;
      world.advance(12_000);
      await poll(world);
      return world.pool.states().every(({ state }) => state === "healthy") ? true : null;
    });
  });

  // Method: an hour of polls each 12 s on the pool's clock, every call counted.
  test("an idle hour with three healthy endpoints costs one extra call a minute", async () => {
    await using world = await openNumbered(3);
    await settled(world);
    const count = () => world.doors.flatMap((door) => door.requests.flat()).length;
    const before = count();
    let byFirst = 0;
    for (let polls = 0; polls < 300; polls += 1) {
      for (const node of world.nodes) node.block += 48n;
      world.advance(12_000);
      if ((await poll(world)).endpoint === 0) byFirst += 1;
    }
    expect(byFirst).toBeGreaterThan(290);
    await eventually("the last comparison", () => (count() - before >= 300 + 59 ? true : null));
    const extra = count() - before - 300;
    // 60 heights, and the chain ids of three endpoints each ten minutes; and what answers took long on a busy machine.
    expect(extra).toBeLessThanOrEqual(60 + 18 + 30);
  });

  test("logs that lack what a receipt showed take an endpoint back for ten minutes", async () => {
    await using world = await openNumbered(2);
    await settled(world);
    world.pool.incomplete(0, "block 12 lacks a log");
    expect(stateOf(world, 0)).toBe("behind");
    expect((await only(world.pool.batch([call]))).endpoint).toBe(1);
    world.advance(600_001);
    expect((await only(world.pool.batch([call]))).endpoint).toBe(0);
  });
});

describe("429 with Retry-After", () => {
  test("is honoured to the second, while the other endpoint is used", async () => {
    await using world = await openNumbered(2);
    await settled(world);
    world.clock.freeze();
    const [first] = world.doors as [Endpoints["doors"][number]];
    first.fault = { type: "answer", status: 429, body: "", headers: { "retry-after": "30" } };
    expect((await only(world.pool.batch([call]))).endpoint).toBe(1);
    expect(stateOf(world, 0)).toBe("paused");
    const asked = first.requests.length;
    first.fault = { type: "none" };
    world.advance(29_000);
    expect((await poll(world)).endpoint).toBe(1);
    expect(first.requests.length).toBe(asked);
    world.advance(1_500);
    expect((await poll(world)).endpoint).toBe(0);
  });

  test("of the only endpoint stops all requests, and answers say for how long", async () => {
    await using world = await openNumbered(1);
    await settled(world);
    world.clock.freeze();
    const [door] = world.doors as [Endpoints["doors"][number]];
    door.fault = { type: "answer", status: 429, body: "", headers: { "retry-after": "30" } };
    expect(await only(world.pool.batch([call]))).toMatchObject({ retryAfterMs: 30_000, endpoint: 0 });
    const asked = door.requests.length;
    door.fault = { type: "none" };
    const refused = await only(world.pool.batch([call]));
    expect(refused).toMatchObject({ type: "failed", kind: "transport", text: "the RPC answered HTTP 429" });
    expect(refused.type === "failed" ? refused.retryAfterMs : 0).toBeGreaterThan(29_000);
    expect(door.requests.length).toBe(asked);
    world.advance(30_001);
    expect((await only(world.pool.batch([call]))).type).toBe("result");
  });
});

describe("another chain", () => {
  test("an endpoint of another chain is used for nothing, and comes back when it serves the right one", async () => {
    await using world = await openNumbered(2, {
      chainFault: (id) => (id === 7n ? null : `this is chain ${id}`),
      before: ([first]) => {
        if (first !== undefined) first.chainId = 8n;
      },
    });
    for (let count = 0; count < 3; count += 1) {
      expect(await only(world.pool.batch([call]))).toEqual({ type: "result", result: 1, endpoint: 1 });
    }
    expect(world.pool.states()[0]).toMatchObject({ state: "excluded", lastError: "this is chain 8" });
    expect(world.pool.trouble).toBeNull();
    (world.nodes[0] as Endpoints["nodes"][number]).chainId = 7n;
    world.advance(60_001);
    await poll(world);
    await eventually("it is back", () => (stateOf(world, 0) === "healthy" ? true : null));
    expect((await only(world.pool.batch([call]))).endpoint).toBe(0);
  });

  test("one that changes its chain while it runs is found within ten minutes, and at once after a failure", async () => {
    await using world = await openNumbered(2);
    await settled(world);
    const [node] = world.nodes as [Endpoints["nodes"][number]];
    node.chainId = 8n;
    world.advance(600_001);
    expect((await only(world.pool.batch([call]))).endpoint).toBe(1);
    expect(world.pool.states()[0]?.lastError).toContain("expecting chainID of 7, but got 8.");
  });

  test("when all serve a wrong one, nothing is used and the owner is told", async () => {
    const told: string[] = [];
    await using world = await openNumbered(2, {
      chainFault: (id) => (id === 9n ? null : `this is chain ${id}`),
      onWrongChain: (text) => told.push(text),
    });
    const answer = await only(world.pool.batch([call]));
    expect(answer).toMatchObject({ type: "failed", kind: "transport" });
    expect(answer.type === "failed" ? answer.text : "").toContain("this is chain 7");
    await eventually("it is told", () => (told.length > 0 ? true : null));
    expect(told[0]).toBe("this is chain 7");
    expect(world.pool.trouble).toContain("is excluded: this is chain 7");
    expect(world.pool.chainId).toBeNull();
  });

  test("an endpoint that does not say which chain it serves is not used", async () => {
    await using world = await openNumbered(2, {
      before: ([first]) => {
        if (first !== undefined) first.answers = { ...first.answers, eth_chainId: null };
      },
    });
    expect((await only(world.pool.batch([call]))).endpoint).toBe(1);
  });
});

describe("an outage of all", () => {
  test("is told with every endpoint's own reason, and ends with the first one that is back", async () => {
    await using world = await openNumbered(2);
    expect(world.pool.trouble).toBe("no RPC endpoint has answered yet");
    await settled(world);
    const [first, second] = world.doors as [Endpoints["doors"][number], Endpoints["doors"][number]];
    first.fault = { type: "answer", status: 503, body: "" };
    second.fault = { type: "cut" };
    for (let count = 0; count < 2; count += 1) {
      expect(await only(world.pool.batch([call]))).toMatchObject({ type: "failed", kind: "transport" });
    }
    expect(world.pool.trouble).toMatch(
      /^rpc 1 \(127\.0\.0\.1:\d+\) is failing: the RPC answered HTTP 503; rpc 2 \(127\.0\.0\.1:\d+\) is failing: the RPC cannot be reached: \w+$/,
    );
    second.fault = { type: "none" };
    expect(await only(world.pool.batch([call]))).toMatchObject({ result: 1, endpoint: 1 });
    await eventually("no trouble", async () => {
      await world.pool.batch([call]);
      return world.pool.trouble === null ? true : null;
    });
    expect(stateOf(world, 0)).toBe("failing");
    first.fault = { type: "none" };
    await eventually("the first is back", async () => {
      world.advance(60_000);
      return (await poll(world)).endpoint === 0 ? true : null;
    });
  });

  test("a closed pool asks nobody", async () => {
    await using world = await openNumbered(2);
    await settled(world);
    const before = world.doors.flatMap((door) => door.requests).length;
    world.pool.close();
    expect(await only(world.pool.batch([call]))).toMatchObject({ type: "failed", kind: "transport" });
    expect(world.doors.flatMap((door) => door.requests).length).toBe(before);
  });
});

describe("secrets", () => {
  test("no key of any URL is in any text", async () => {
    await using world = await openNumbered(2);
    const keys = ["path-key-1234567", "query-key-7654321", "user-name-abcdef", "pass-word-fedcba"];
    const urls = world.doors.map((door, index) => {
      const url = new URL(door.url);
      if (index === 1) {
        url.username = keys[2] ?? "";
        url.password = keys[3] ?? "";
      }
      return `${url.href}v3/${keys[0]}?token=${keys[1]}`;
    });
    // Each endpoint answers with the keys of both.
    for (const door of world.doors) {
      const body = JSON.stringify({
        error: { code: -32603, message: `Bad ${urls.join(" ")} ${keys.join(" ")}` },
      });
      door.fault = { type: "answer", status: 200, body };
    }
    const pool = new EndpointPool({ urls, timeoutMs: 30_000 });
    const texts: unknown[] = [];
    for (let count = 0; count < 3; count += 1) {
      texts.push(await pool.batch([call, height]), await pool.quorum([call]), await pool.broadcast("0x02"));
    }
    texts.push(pool.trouble, pool.states());
    pool.close();
    const all = JSON.stringify(texts, (_key, value: unknown) =>
      typeof value === "bigint" ? `${value}` : value,
    );
    expect(all).toContain("***");
    for (const key of keys) expect(all).not.toContain(key);
  });

  test("a host that may be a key is not named", async () => {
    const urls = ["https://rpc.example.org/v2", "https://a1b2c3d4e5f60718293a.example.org"];
    const pool = new EndpointPool({ urls });
    expect(pool.states().map(({ name }) => name)).toEqual(["rpc 1 (rpc.example.org)", "rpc 2"]);
    pool.close();
  });
});

describe("configuration", () => {
  test("one that is no http or https URL is refused, and so is none", () => {
    expect(() => new EndpointPool({ urls: ["http://a.org", "ws://b.org"] })).toThrow(ChainUrlError);
    expect(() => new EndpointPool({ urls: [] })).toThrow(ChainUrlError);
  });

  // It would agree with itself.
  test("the same endpoint twice counts once", () => {
    const pool = new EndpointPool({ urls: ["http://a.org", "http://a.org/"] });
    expect(pool.states().length).toBe(1);
    pool.close();
  });
});
