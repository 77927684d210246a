import { describe, expect, test } from "bun:test";
import type { PoolAnswer } from "../../../src/chain/chainRpc.ts";
import type { RpcCall } from "../../../src/chain/jsonRpc.ts";
import { type Endpoints, openEndpoints } from "../../support/chain/endpoints.ts";
import type { FakeNode } from "../../support/chain/fakeNode.ts";
import { eventually } from "../../support/eventually.ts";

/*
 * Goal: no single endpoint decides about money, and money does not stop for ever when the others are gone. Method:
 * real HTTP servers whose answers the test chooses; the pool's clock runs ahead where a minute must pass.
 */

const call: RpcCall = { method: "eth_getTransactionCount", params: ["0x00", "latest"] };

function openVoters(votes: readonly unknown[]): Promise<Endpoints> {
  return openEndpoints(votes.length, {
    before: (nodes) => {
      for (const [index, node] of nodes.entries()) node.answers = { eth_getTransactionCount: votes[index] };
    },
  });
}

async function vote(world: Endpoints): Promise<PoolAnswer | undefined> {
  return (await world.pool.quorum([call]))[0];
}

function nodeAt(world: Endpoints, index: number): FakeNode {
  return world.nodes[index] as FakeNode;
}

function doorAt(world: Endpoints, index: number): Endpoints["doors"][number] {
  return world.doors[index] as Endpoints["doors"][number];
}

/** A poll, as the poller makes it. */
async function observed(world: Endpoints): Promise<void> {
  const [answer] = await world.pool.batch([{ method: "eth_blockNumber", params: [] }]);
  if (answer?.type !== "result") throw new Error("The poll failed.");
  world.pool.observe(answer.endpoint, { block: BigInt(String(answer.result)), l1Block: null });
}

const votesAt = (world: Endpoints, index: number) =>
  world.callsAt(index).filter((method) => method === call.method).length;

describe("agreement", () => {
  test("of two endpoints counts, and a third one is not asked", async () => {
    await using world = await openVoters(["0x5", "0x5", "0x6"]);
    let asked: readonly number[] = [];
    // Whoever takes long, as everybody may on a busy machine, is helped by the third; not each time.
    for (let tries = 0; tries < 10 && String(asked) !== "1,1,0"; tries += 1) {
      const before = [0, 1, 2].map((index) => votesAt(world, index));
      expect(await vote(world)).toEqual({ type: "result", result: "0x5", endpoint: expect.any(Number) });
      asked = before.map((count, index) => votesAt(world, index) - count);
    }
    expect(asked).toEqual([1, 1, 0]);
  });

  test("is about the parsed answer, whatever the order of its fields", async () => {
    await using world = await openVoters([
      { a: "0x1", b: [1, { c: null }] },
      { b: [1, { c: null }], a: "0x1" },
    ]);
    expect(await vote(world)).toMatchObject({ type: "result" });
  });

  test("can be about a part of the answer only", async () => {
    const receipt = { status: "0x1", logs: [] };
    await using world = await openVoters([{ ...receipt, timeboosted: false }, receipt]);
    expect(await vote(world)).toMatchObject({ type: "failed", text: "the RPC endpoints disagree" });
    const essence = (result: unknown) => ({ status: Object(result).status });
    expect((await world.pool.quorum([call], { essence }))[0]).toMatchObject({ type: "result" });
  });

  test("with the only endpoint there is comes from itself", async () => {
    await using world = await openVoters(["0x5"]);
    expect(await vote(world)).toEqual({ type: "result", result: "0x5", endpoint: 0 });
  });

  test("about a revert is one, whatever words the nodes have for it", async () => {
    await using world = await openVoters([
      new Error("execution reverted"),
      new Error("VM Exception: revert"),
    ]);
    expect(await vote(world)).toMatchObject({
      type: "failed",
      kind: "remote",
      text: expect.stringMatching(/revert/),
    });
  });

  test("is found call by call, among three of which each errs once", async () => {
    await using world = await openEndpoints(3, {
      before: (nodes) => {
        for (const [index, node] of nodes.entries()) {
          node.answers = { a: index === 0 ? "wrong" : 1, b: index === 1 ? "wrong" : 2 };
        }
      },
    });
    const calls = ["a", "b"].map((method) => ({ method, params: [] }));
    const answers = await world.pool.quorum(calls);
    expect(answers).toMatchObject([{ result: 1 }, { result: 2 }]);
  });
});

describe("disagreement", () => {
  test("of two stays one: the one that is behind is asked again, once", async () => {
    await using world = await openVoters(["0x5", "0x6"]);
    nodeAt(world, 0).block = 90n;
    expect(await vote(world)).toEqual({
      ...{ type: "failed", kind: "transport", text: "the RPC endpoints disagree", endpoint: null },
      ...{ retryAfterMs: null, code: null, data: null },
    });
    expect([votesAt(world, 0), votesAt(world, 1)]).toEqual([2, 1]);
  });

  test("ends when the one that is behind has caught up", async () => {
    await using world = await openVoters(["0x5", "0x6"]);
    const node = nodeAt(world, 1);
    node.block = 90n;
    let askedAtMs: number | null = null;
    node.answers = {
      eth_getTransactionCount: () => {
        askedAtMs ??= performance.now();
        return performance.now() - askedAtMs < 40 ? "0x4" : "0x5";
      },
    };
    expect(await vote(world)).toMatchObject({ type: "result", result: "0x5" });
  });

  test("of two is settled by a third", async () => {
    await using world = await openVoters(["0x5", "0x6", "0x6"]);
    expect(await vote(world)).toMatchObject({ type: "result", result: "0x6" });
  });
});

describe("one endpoint that is left", () => {
  test("counts alone only after the other has been gone for a minute, and no longer once it is back", async () => {
    await using world = await openVoters(["0x5", "0x6"]);
    expect(await vote(world)).toMatchObject({ text: "the RPC endpoints disagree" });
    const [, second] = world.doors as [Endpoints["doors"][number], Endpoints["doors"][number]];
    second.fault = { type: "cut" };
    for (let count = 0; count < 3; count += 1) {
      expect(await vote(world)).toMatchObject({ type: "failed", text: "only one RPC endpoint answers" });
    }
    expect(world.pool.states()[1]?.state).toBe("failing");
    world.advance(60_001);
    expect(await vote(world)).toEqual({ type: "result", result: "0x5", endpoint: 0 });

    second.fault = { type: "none" };
    await eventually("both have a vote again", async () => {
      world.advance(60_000);
      await world.pool.batch([{ method: "eth_blockNumber", params: [] }]);
      return world.pool.states()[1]?.state === "healthy" ? true : null;
    });
    expect(await vote(world)).toMatchObject({ text: "the RPC endpoints disagree" });
  });

  test("counts alone beside one that has been behind for a minute", async () => {
    await using world = await openVoters(["0x5", "0x4"]);
    world.pool.incomplete(1, "a log is missing");
    expect(await vote(world)).toMatchObject({ text: "the RPC endpoints disagree" });
    world.advance(60_001);
    expect(await vote(world)).toEqual({ type: "result", result: "0x5", endpoint: 0 });
    expect(votesAt(world, 1)).toBeLessThanOrEqual(2);
  });

  // A dead one is known as such before anybody needs its vote, or soon after.
  test("counts alone after 15 s beside one that says nothing, while it goes on with the chain itself", async () => {
    await using world = await openVoters(["0x5", "0x5"]);
    world.clock.freeze();
    expect((await vote(world))?.type).toBe("result");
    doorAt(world, 1).fault = { type: "cut" };
    for (let count = 0; count < 3; count += 1) {
      expect(await vote(world)).toMatchObject({ type: "failed", text: "only one RPC endpoint answers" });
      world.advance(5_000);
      nodeAt(world, 0).block += 20n;
    }
    // The question itself is the proof.
    expect(await vote(world)).toEqual({ type: "result", result: "0x5", endpoint: 0 });
    const askedBefore = doorAt(world, 1).requests.length;
    expect((await vote(world))?.type).toBe("result");
    expect(doorAt(world, 1).requests.length).toBe(askedBefore);
  });

  test("does not wait for a silent one at all when that was known before the question came", async () => {
    await using world = await openVoters(["0x5", "0x5"]);
    const second = doorAt(world, 1);
    await observed(world);
    // As good as silent, and it takes no time-out to know.
    second.fault = { type: "cut" };
    const failures = () => world.pool.states()[1]?.errorRate ?? 0;
    // Nobody needs its vote: polls look after it.
    for (const aheadMs of [0, 0, 6_000, 11_000, 21_000]) {
      world.advance(aheadMs);
      nodeAt(world, 0).block += 20n;
      const before = failures();
      await (aheadMs === 0 ? world.pool.batch([call], 1) : observed(world));
      await eventually("it was asked in vain", () => (failures() > before ? true : null));
    }
    await observed(world);
    second.fault = { type: "silent" };
    const asked = second.requests.length;
    expect(await vote(world)).toEqual({ type: "result", result: "0x5", endpoint: 0 });
    expect(second.requests.length).toBe(asked);
  });

  test("waits a minute for a silent one while its own head stands still", async () => {
    await using world = await openVoters(["0x5", "0x5"]);
    expect((await vote(world))?.type).toBe("result");
    doorAt(world, 1).fault = { type: "cut" };
    for (let count = 0; count < 8; count += 1) {
      expect((await vote(world))?.type).toBe("failed");
      world.advance(5_000);
    }
    world.advance(25_000);
    expect((await vote(world))?.type).toBe("result");
  });

  test("has to wait anew when the other was back in between, be it for one answer", async () => {
    await using world = await openVoters(["0x5", "0x6"]);
    world.clock.freeze();
    for (const _ of [1, 2]) {
      doorAt(world, 1).fault = { type: "none" };
      expect(await vote(world)).toMatchObject({ text: "the RPC endpoints disagree" });
      doorAt(world, 1).fault = { type: "cut" };
      for (let count = 0; count < 3; count += 1) {
        expect(await vote(world)).toMatchObject({ text: "only one RPC endpoint answers" });
        world.advance(4_900);
        nodeAt(world, 0).block += 20n;
      }
    }
  });

  // An outage of all is ours: it says nothing about those who are silent in it.
  test("does not count alone because it is the first one back after an outage of all", async () => {
    await using world = await openVoters(["0x5", "0x5"]);
    for (const door of world.doors) door.fault = { type: "cut" };
    for (let count = 0; count < 3; count += 1) expect((await vote(world))?.type).toBe("failed");
    world.advance(60_001);
    expect((await vote(world))?.type).toBe("failed");
    doorAt(world, 1).fault = { type: "none" };
    for (let count = 0; count < 3; count += 1) {
      expect(await vote(world)).toMatchObject({ text: "only one RPC endpoint answers" });
      world.advance(5_001);
      nodeAt(world, 1).block += 20n;
    }
    expect(await vote(world)).toEqual({ type: "result", result: "0x5", endpoint: 1 });
  });

  // Its word is worth nothing, however long the honest one is gone.
  test("never counts alone while it is excluded", async () => {
    await using world = await openVoters(["0x5", "0x5"]);
    expect((await vote(world))?.type).toBe("result");
    world.pool.exclude(1, "it lied");
    (world.doors[0] as Endpoints["doors"][number]).fault = { type: "cut" };
    for (let count = 0; count < 3; count += 1) expect((await vote(world))?.type).toBe("failed");
    world.advance(61_000);
    expect(await vote(world)).toMatchObject({ type: "failed", text: "only one RPC endpoint answers" });
  });

  test("a whole outage is told as what it is", async () => {
    await using world = await openVoters(["0x5", "0x5"]);
    for (const door of world.doors) door.fault = { type: "answer", status: 503, body: "" };
    expect(await vote(world)).toMatchObject({ type: "failed", text: expect.stringContaining("HTTP 503") });
  });
});
