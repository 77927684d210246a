import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { parseEther } from "viem";
import { poolLensCode } from "../../../src/chain/lensCode.ts";
import { startDevChain } from "../../support/chain/devChain.ts";
import type { OfficeWorld } from "../../support/chain/officeWorld.ts";
import {
  crossBoundary,
  openRewardWorld,
  openRoundOf,
  register,
  rewardLogs,
  rewardPlans,
  roundLength,
  roundOf,
  tryTick,
  untilRound,
} from "../../support/chain/rewardWorld.ts";
import type { FaultKind } from "../../support/chain/rpcFaults.ts";
import { openRpcProxy, type RpcProxy } from "../../support/chain/rpcProxy.ts";

/*
 * Goal: no answer of an endpoint, whatever is wrong with it and whenever it comes, costs a round its reward or calls
 * it twice. Method: round changes on a real chain, each with one fault more, over the whole sequence of calls.
 */

// Whoever comes first compiles the contracts, which takes seconds on a busy machine.
setDefaultTimeout(120_000);

/** Starts the next round and looks until its reward is mined; `spoil` makes the endpoint err. Returns the looks. */
async function liveRound(world: OfficeWorld, spoil: () => void): Promise<number> {
  const { chain, us } = world;
  const round = await crossBoundary(world);
  await chain.initializeRound();
  spoil();
  for (let looks = 1; looks <= 15; looks += 1) {
    await tryTick(world);
    await chain.mine(1);
    const logs = await rewardLogs(chain, us, round * roundLength);
    if (logs.length === 0) continue;
    expect([round, logs.length]).toEqual([round, 1]);
    return looks;
  }
  throw new Error(`Round ${round} was not rewarded: ${roundOf(world, round)?.text}.`);
}

/** Ends the last round in the log, and holds log and chain against each other. */
async function settle(world: OfficeWorld, rounds: number): Promise<void> {
  world.chain.rpc.behave();
  const [newest] = world.life.log.reader.rounds(1);
  await untilRound(world, BigInt(newest?.round ?? 0), "confirmed");
  const known = world.life.log.reader.rounds();
  expect(known.map(({ round, state }) => [round, state])).toEqual(
    known.map(({ round }) => [round, "confirmed"]),
  );
  expect(known.length).toBe(rounds);
  expect((await rewardLogs(world.chain, world.us)).length).toBe(rounds);
  await world.audit();
}

describe("each call of a round change fails once", () => {
  const kinds: readonly FaultKind[] = [
    ...(["429", "cut", "html", "halfJson", "error", "null", "stale", "missingLogs"] as const),
  ];
  for (const kind of kinds) {
    test(`as ${kind}: every round is rewarded once, in it`, async () => {
      await using world = await openRewardWorld();
      await untilRound(world, 3n, "confirmed");
      const { rpc } = world.chain;
      let rounds = 1;
      for (let nth = 1; ; nth += 1) {
        const looks = await liveRound(world, () => rpc.failNth("*", nth, kind));
        rounds += 1;
        expect([nth, looks <= 6]).toEqual([nth, true]);
        // The sequence is over before the fault has come.
        if (rpc.pendingFaults > 0) {
          expect(nth).toBeGreaterThan(5);
          break;
        }
      }
      await settle(world, rounds);
    });
  }

  // go-livepeer tries again after `EOF`, a connection that ended, and never after HTTP 429: it loses the round.
  for (const kind of ["cut", "429"] as const) {
    test(`chain check 34: five calls in a row as ${kind}, then none: the round is rewarded, by calls that came later`, async () => {
      await using world = await openRewardWorld();
      await untilRound(world, 3n, "confirmed");
      const { rpc } = world.chain;
      await liveRound(world, () => {
        for (let nth = 1; nth <= 5; nth += 1) rpc.failNth("eth_call", nth, kind);
      });
      expect(rpc.pendingFaults).toBe(0);
      await settle(world, 2);
    });
  }

  test("as silent, by method: the time of an answer runs out, and the next look makes up for it", async () => {
    await using world = await openRewardWorld({ timeoutMs: 1_000 });
    await untilRound(world, 3n, "confirmed");
    let rounds = 1;
    const methods = [
      "eth_call",
      "eth_getTransactionCount",
      "eth_sendRawTransaction",
      "eth_getTransactionReceipt",
    ];
    for (const method of methods) {
      for (const nth of [1, 2]) {
        await liveRound(world, () => world.chain.rpc.failNth(method, nth, "silent"));
        world.chain.rpc.behave();
        rounds += 1;
      }
    }
    await settle(world, rounds);
  });
});

describe("the pool of orchestrators", () => {
  test("chain check 15: it cannot be read the whole round: the reward is called without a hint", async () => {
    await using world = await openRewardWorld();
    let asked = 0;
    world.chain.rpc.fault = {
      type: "liar",
      lie: (call, result) => {
        const { data } = (call.params[0] ?? {}) as { readonly data?: string };
        if (data?.startsWith(poolLensCode) !== true) return result;
        asked += 1;
        return "0x";
      },
    };
    await untilRound(world, 3n, "confirmed");
    expect(asked).toBeGreaterThan(0);
    expect((await rewardLogs(world.chain, world.us)).length).toBe(1);
    await world.audit();
  });

  test("a round change in a pool of 62 takes at most 20 requests, and few looks at 100 ms each", async () => {
    await using world = await openRewardWorld({
      prepare: async (chain, us) => {
        await chain.addOrchestrators(61);
        await register(chain, us);
      },
    });
    await untilRound(world, 3n, "confirmed");
    const { rpc } = world.chain;
    const round = await crossBoundary(world);
    await world.tick();
    await world.chain.initializeRound();
    rpc.latencyMs = 100;
    rpc.resetCounts();
    const looksBefore = world.looks;
    await world.tick();
    await world.chain.mine(1);
    const sentAfter = rpc.counts.requests;
    const [log] = await rewardLogs(world.chain, world.us, round * roundLength);
    expect(log?.block).toBe(round * roundLength + 2n);
    await untilRound(world, round, "confirmed");
    const { requests, byMethod } = rpc.counts;
    console.info(
      `From the start of the round to the confirmed reward: ${requests} requests in ` +
        `${world.looks - looksBefore} looks; ${sentAfter} to the broadcast. ${JSON.stringify(byMethod)}`,
    );
    expect(requests).toBeLessThanOrEqual(20);
    expect(world.looks - looksBefore).toBeLessThanOrEqual(5);
    // As if each waited for the one before: two seconds and a half.
    expect(100 * sentAfter).toBeLessThan(2_500);
  });
});

describe("two endpoints", () => {
  /** A world with a second endpoint to the same chain. */
  async function openTwo(): Promise<{
    readonly world: OfficeWorld;
    readonly second: RpcProxy;
    end(): Promise<void>;
  }> {
    const chain = await startDevChain();
    const second = await openRpcProxy(chain.anvil.url);
    const world = await openRewardWorld({ chain, urls: [second.url] });
    return {
      ...{ world, second },
      end: async () => {
        await world[Symbol.asyncDispose]();
        await second[Symbol.asyncDispose]();
        await chain[Symbol.asyncDispose]();
      },
    };
  }

  /** What {@link openRewardWorld} does with a chain of its own. */
  async function begin(world: OfficeWorld): Promise<void> {
    await register(world.chain, world.us);
    await world.chain.holdMining();
    await world.chain.giveEther(world.us, parseEther("10"));
  }

  test("the first stands still at an old head: the second is asked, and the round is rewarded", async () => {
    const { world, end } = await openTwo();
    try {
      await begin(world);
      await untilRound(world, 3n, "confirmed");
      world.chain.rpc.staleness = { at: await world.chain.blockNumber() };
      expect(await liveRound(world, () => {})).toBeLessThanOrEqual(12);
      await settle(world, 2);
    } finally {
      await end();
    }
  });

  for (const kind of ["cut", "html", "halfJson", "429"] as const) {
    // Nonces need the word of two; who has been gone for a minute is no longer asked for it.
    test(`the first answers everything with ${kind}: the second alone is enough after a minute`, async () => {
      const { world, end } = await openTwo();
      try {
        await begin(world);
        await untilRound(world, 3n, "confirmed");
        world.chain.rpc.failMethod("*", kind);
        expect(await liveRound(world, () => {})).toBeLessThanOrEqual(13);
        await settle(world, 2);
      } finally {
        await end();
      }
    });
  }

  test("the second serves another chain: nothing is ever sent there", async () => {
    await using other = await startDevChain({ chainId: 999 });
    await using world = await openRewardWorld({ urls: [other.rpc.url] });
    await untilRound(world, 3n, "confirmed");
    await liveRound(world, () => world.chain.rpc.failMethod("eth_sendRawTransaction", "error"));
    expect(other.rpc.counts.byMethod["eth_sendRawTransaction"]).toBeUndefined();
    expect(rewardPlans(world).length).toBe(2);
  });
});

test("receipts without logs: the reward counts, though nobody knows its amount", async () => {
  await using world = await openRewardWorld();
  world.chain.rpc.failMethod("eth_getTransactionReceipt", "missingLogs");
  const record = await untilRound(world, 3n, "confirmed");
  expect([record.amount, record.txHash === null]).toEqual([null, false]);
  expect(openRoundOf(world, 3n)).toBeNull();
  expect((await rewardLogs(world.chain, world.us)).length).toBe(1);
});
