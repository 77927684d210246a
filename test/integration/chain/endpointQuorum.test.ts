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

function openVoters(votes: readonly unknown[], timeoutMs = 1_000): Promise<Endpoints> {
  return openEndpoints(votes.length, {
    timeoutMs,
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

const votesAt = (world: Endpoints, index: number) =>
  world.callsAt(index).filter((method) => method === call.method).length;

describe("agreement", () => {
  test("of two endpoints counts, and a third one is not asked", async () => {
    await using world = await openVoters(["0x5", "0x5", "0x6"]);
    expect(await vote(world)).toEqual({ type: "result", result: "0x5", endpoint: expect.any(Number) });
    expect([0, 1, 2].map((index) => votesAt(world, index))).toEqual([1, 1, 0]);
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

  test("counts alone when it is the first one back after an outage of all", async () => {
    await using world = await openVoters(["0x5", "0x5"]);
    for (const door of world.doors) door.fault = { type: "cut" };
    for (let count = 0; count < 3; count += 1) expect((await vote(world))?.type).toBe("failed");
    world.advance(60_001);
    expect((await vote(world))?.type).toBe("failed");
    (world.doors[1] as Endpoints["doors"][number]).fault = { type: "none" };
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
