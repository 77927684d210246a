import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { parseEther } from "viem";
import { accountOfPrivateKey } from "../../../src/native/ffi.ts";
import { toHex } from "../../../src/protocol/bytes.ts";
import { oneGwei, type OfficeWorld, openOfficeWorld } from "../../support/chain/officeWorld.ts";
import {
  crossBoundary,
  openRewardWorld,
  openRoundOf,
  register,
  rewardLogs,
  rewardPlans,
  roundLength,
  roundOf,
  story,
  tryTick,
  untilRound,
} from "../../support/chain/rewardWorld.ts";

/*
 * Rounds that nobody starts, that we start, that go by unseen: what the log says of each of them, and that the reward
 * of the round that runs is called in every case.
 */

// Whoever comes first compiles the contracts, which takes seconds on a busy machine.
setDefaultTimeout(120_000);

const starts = (world: OfficeWorld): number =>
  world.life.log.reader.transactions({ purpose: "initialize" }).length;
const newRounds = async (world: OfficeWorld, round: bigint): Promise<number> =>
  (await world.chain.logs("RoundsManager", "NewRound")).filter(({ args }) => args["round"] === round).length;

describe("a round that nobody has started", () => {
  test("waits, without a transaction, and is rewarded once somebody starts it", async () => {
    await using world = await openRewardWorld();
    await untilRound(world, 3n, "confirmed");
    await crossBoundary(world);
    for (let look = 0; look < 3; look += 1) {
      await world.tick();
      await world.chain.mine(1);
    }
    expect([roundOf(world, 4n)?.state, rewardPlans(world).length, starts(world)]).toEqual(["opened", 1, 0]);
    await world.chain.initializeRound();
    await untilRound(world, 4n, "confirmed");
    expect((await rewardLogs(world.chain, world.us)).length).toBe(2);
    await world.audit();
  });

  test("to its end: missed, because it was never started; the next one is rewarded", async () => {
    await using world = await openRewardWorld();
    await untilRound(world, 3n, "confirmed");
    await crossBoundary(world);
    await world.tick();
    await world.chain.mine(roundLength - 3n);
    await world.tick();
    await world.chain.setRound(5n);
    expect(await untilRound(world, 4n, "missed")).toMatchObject({ cause: "uninitialized" });
    await untilRound(world, 5n, "confirmed");
    await world.audit();
  });
});

describe("-initializeRound", () => {
  test("we start the round with one transaction, and are rewarded in it", async () => {
    await using world = await openRewardWorld({ config: { initializeRound: true } });
    await untilRound(world, 3n, "confirmed");
    await crossBoundary(world);
    await untilRound(world, 4n, "confirmed");
    expect([starts(world), await newRounds(world, 4n)]).toEqual([1, 1]);
    expect(story(world, 4n)).toEqual([
      ...["RoundOpened", "InitializationSubmitted", "RoundInitialized", "RewardDue"],
      ...["RewardSubmitted", "RewardMined", "RewardConfirmed"],
    ]);
    await world.audit();
  });

  test("a re-org takes our start back and loses it: the chain goes on without, and we start the round again", async () => {
    await using world = await openRewardWorld({ config: { initializeRound: true } });
    await untilRound(world, 3n, "confirmed");
    await crossBoundary(world);
    await world.tick();
    await world.chain.mine(1);
    await world.tick();
    expect(roundOf(world, 4n)?.state).not.toBe("opened");
    await world.chain.reorg(2, { drop: "all" });
    expect(await newRounds(world, 4n)).toBe(0);
    for (let look = 0; look < 12 && (await newRounds(world, 4n)) === 0; look += 1) {
      await world.chain.mine(1);
      await tryTick(world);
    }
    await untilRound(world, 4n, "confirmed");
    expect(await newRounds(world, 4n)).toBe(1);
    await world.audit();
  });

  test("the random delay is waited for: nothing before it, and at once after it", async () => {
    await using world = await openRewardWorld({
      config: { initializeRound: true, initializeRoundMaxDelayMs: 60_000 },
      // Half of the delay.
      randomBytes: (length) => new Uint8Array(length).fill(0x80),
    });
    await untilRound(world, 3n, "confirmed");
    await crossBoundary(world);
    for (let look = 0; look < 6; look += 1) await world.tick(5_000);
    expect(starts(world)).toBe(0);
    await world.tick(5_000);
    expect(starts(world)).toBe(1);
  });

  test("somebody else starts it within the delay: we send nothing", async () => {
    await using world = await openRewardWorld({
      config: { initializeRound: true, initializeRoundMaxDelayMs: 60_000 },
      randomBytes: (length) => new Uint8Array(length).fill(0x80),
    });
    await untilRound(world, 3n, "confirmed");
    await crossBoundary(world);
    await world.tick();
    await world.chain.initializeRound();
    await untilRound(world, 4n, "confirmed");
    expect(starts(world)).toBe(0);
  });

  test("two nodes at once: one starts it, the loser is reverted once and does not try again; both are rewarded", async () => {
    const key = new Uint8Array(32).fill(0x66);
    const other = toHex(accountOfPrivateKey(key));
    const config = { initializeRound: true } as const;
    await using first = await openRewardWorld({
      config,
      prepare: async (chain, us) => {
        await chain.register(other, parseEther("500"));
        await register(chain, us);
      },
    });
    const { chain } = first;
    await using second = await openOfficeWorld({
      ...{ chain, key, config: { reward: "auto", redeem: false, ...config } },
    });
    await crossBoundary(first);
    for (const world of [first, second]) await world.tick();
    expect([starts(first), starts(second), (await first.pool()).length]).toEqual([1, 1, 2]);
    await chain.mine(1);
    for (const world of [first, second]) await untilRound(world, 4n, "confirmed");
    expect([starts(first), starts(second), await newRounds(first, 4n)]).toEqual([1, 1, 1]);
    const returned = [first, second].filter((world) => story(world, 4n).includes("InitializationReturned"));
    expect(returned.length).toBe(1);
    for (const { us } of [first, second]) {
      expect((await rewardLogs(chain, us, 4n * roundLength)).length).toBe(1);
    }
    await first.audit();
    await second.audit();
  });

  test("a start that the contract refuses again and again does not burn gas at every look", async () => {
    await using world = await openRewardWorld({
      config: { initializeRound: true },
      // No such function.
      alterDesk: (desk) => ({
        initializeRoundCall: () => {
          const call = desk.initializeRoundCall();
          return call === null ? null : { ...call, data: "0xdeadbeef" };
        },
      }),
    });
    await untilRound(world, 3n, "confirmed");
    await crossBoundary(world);
    for (let look = 0; look < 12; look += 1) {
      await world.tick();
      await world.chain.mine(1);
    }
    expect(starts(world)).toBeLessThanOrEqual(2);
    // Somebody else can: all goes on.
    await world.chain.initializeRound();
    await untilRound(world, 4n, "confirmed");
  });
});

describe("rounds that go by unseen", () => {
  test("chain checks 35 and 36: two rounds between two looks: the higher one counts, the other is written down", async () => {
    await using world = await openRewardWorld();
    await untilRound(world, 3n, "confirmed");
    await world.chain.setRound(4n);
    await world.chain.setRound(5n);
    await untilRound(world, 5n, "confirmed");
    const missed = roundOf(world, 4n);
    expect([missed?.state, missed?.cause, missed?.startBlock]).toEqual([
      "missed",
      "unreadable",
      String(4n * roundLength),
    ]);
    expect(missed?.text).toContain("Its last reward is that of round 3");
    expect((await rewardLogs(world.chain, world.us)).length).toBe(2);
    await world.audit();
  });

  test("RPC down over a whole round: missed as unreadable, and the next one is rewarded", async () => {
    await using world = await openRewardWorld();
    await untilRound(world, 3n, "confirmed");
    world.chain.rpc.fault = { type: "cut" };
    await world.chain.setRound(4n);
    for (let look = 0; look < 3; look += 1) expect(await tryTick(world)).toBeNull();
    await world.chain.setRound(5n);
    world.chain.rpc.behave();
    await untilRound(world, 5n, "confirmed");
    expect(roundOf(world, 4n)).toMatchObject({ state: "missed", cause: "unreadable" });
    await world.audit();
  });

  test("RPC down from before the start of a round to its end: its story says no more than was seen", async () => {
    await using world = await openRewardWorld();
    await untilRound(world, 3n, "confirmed");
    await crossBoundary(world);
    await world.tick();
    world.chain.rpc.fault = { type: "cut" };
    await world.chain.initializeRound();
    await tryTick(world);
    await world.chain.setRound(5n);
    world.chain.rpc.behave();
    const { text } = await untilRound(world, 4n, "missed");
    expect(text).toContain("while the chain could be read");
    await untilRound(world, 5n, "confirmed");
  });

  test("the node was off for three rounds: all are written down, and the one that runs is rewarded", async () => {
    await using world = await openRewardWorld();
    await untilRound(world, 3n, "confirmed");
    await world.close();
    for (const round of [4n, 5n, 6n, 7n]) await world.chain.setRound(round);
    await world.open();
    await untilRound(world, 7n, "confirmed");
    for (const round of [4n, 5n, 6n]) {
      expect(roundOf(world, round)).toMatchObject({ state: "missed", cause: "unreadable" });
    }
    await world.audit();
  });

  test("a round that somebody else rewarded meanwhile is no miss", async () => {
    await using world = await openRewardWorld();
    await untilRound(world, 3n, "confirmed");
    await world.chain.setRound(4n);
    await world.chain.write("BondingManager", "reward", [], { from: world.us });
    await crossBoundary(world);
    await untilRound(world, 4n, "confirmed");
    expect(rewardPlans(world).length).toBe(1);
  });

  test("a database that is new has missed nothing", async () => {
    await using world = await openRewardWorld({
      prepare: async (chain, us) => {
        await register(chain, us);
        await chain.setRound(6n);
      },
    });
    await untilRound(world, 6n, "confirmed");
    expect(world.life.log.reader.rounds().map(({ round }) => round)).toEqual(["6"]);
  });
});

describe("what stands in the way of a reward", () => {
  test("a paused protocol: postponed, then called; paused to the end: missed for that", async () => {
    await using world = await openRewardWorld();
    const pause = (name: "pause" | "unpause") => world.chain.write("Controller", name, []);
    await pause("pause");
    await world.tick();
    expect(openRoundOf(world, 3n)).toMatchObject({ cause: "paused", transaction: null });
    await pause("unpause");
    await untilRound(world, 3n, "confirmed");
    await world.chain.setRound(4n);
    await pause("pause");
    await world.tick();
    await crossBoundary(world);
    expect(await untilRound(world, 4n, "missed")).toMatchObject({ cause: "paused" });
    await pause("unpause");
    await world.chain.initializeRound();
    await untilRound(world, 5n, "confirmed");
  });

  test("a transaction too cheap to its round's end calls the reward of the next one, and the miss is told", async () => {
    await using world = await openRewardWorld({
      config: { maxGasPrice: 2n * oneGwei },
      prepare: async (chain, us) => {
        await register(chain, us);
        await chain.mineAt(1, oneGwei);
      },
    });
    await world.tick();
    const [plan] = rewardPlans(world);
    expect(openRoundOf(world, 3n)?.transaction).toBe(plan ?? "");
    // Above what it may ever pay, over the boundary.
    while ((await world.chain.blockNumber()) < 4n * roundLength) await world.chain.mineAt(1, 3n * oneGwei);
    await world.chain.setBaseFee(3n * oneGwei);
    await world.chain.initializeRound();
    for (let look = 0; look < 4; look += 1) {
      await world.chain.mineAt(1, 3n * oneGwei);
      await world.tick();
    }
    expect(roundOf(world, 3n)).toMatchObject({ state: "missed", cause: "late" });
    await world.chain.setBaseFee(oneGwei);
    await world.chain.mine(1);
    const record = await untilRound(world, 4n, "confirmed");
    expect([record.transactionId, rewardPlans(world)]).toEqual([plan ?? "", [plan ?? ""]]);
    expect((await rewardLogs(world.chain, world.us)).length).toBe(1);
    await world.audit();
  });
});

test("the chain is looked at more often where a round may begin, or begins, than in its middle", async () => {
  await using world = await openRewardWorld();
  await untilRound(world, 3n, "confirmed");
  await world.tick();
  expect(world.wakeMs).toBeNull();
  // Two blocks before the boundary: in time for the one before it.
  await world.chain.mine(4n * roundLength - 3n - (await world.chain.blockNumber()));
  await world.tick();
  expect(world.wakeMs).toBe(24_000);
  await world.chain.mine(2);
  await world.tick();
  expect(world.wakeMs).toBe(3_000);
  // Begun by its number, and not started.
  await world.chain.mine(1);
  await world.tick();
  expect(world.wakeMs).toBe(3_000);
  await world.chain.initializeRound();
  // The reward waits for a block.
  await world.tick();
  expect(world.wakeMs).toBe(3_000);
});
