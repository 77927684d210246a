import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { parseEther } from "viem";
import { accountOfPrivateKey } from "../../../src/native/ffi.ts";
import { toHex } from "../../../src/protocol/bytes.ts";
import { oneGwei, type OfficeWorld } from "../../support/chain/officeWorld.ts";
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
 * Rewards on a real chain with the real desks: what the chain shows is what was minted, what the log says is why.
 */

// Whoever comes first compiles the contracts, which takes seconds on a busy machine.
setDefaultTimeout(120_000);

const rewarded: readonly string[] = [
  ...["RoundOpened", "RoundInitialized", "RewardDue", "RewardSubmitted", "RewardMined", "RewardConfirmed"],
];
const stranger = `0x${"57".repeat(20)}` as const;

/** The chain minted once for a round that began at `block`, and the log says the same. */
async function expectOneReward(world: OfficeWorld, round: bigint, block = 0n): Promise<void> {
  const logs = await rewardLogs(world.chain, world.us, block);
  const record = roundOf(world, round);
  expect(logs.map(({ amount, hash }) => [String(amount), hash])).toEqual([
    [record?.amount ?? "", record?.txHash ?? "0x"],
  ]);
}

describe("the reward of a round", () => {
  test("start with an empty database inside an initialised round: it is called", async () => {
    await using world = await openRewardWorld();
    await untilRound(world, 3n, "confirmed");
    await expectOneReward(world, 3n);
    expect(story(world, 3n)).toEqual(rewarded);
    await world.audit();
  });

  test("round after round: one reward each, in the block after the look that has shown the start", async () => {
    await using world = await openRewardWorld();
    await untilRound(world, 3n, "confirmed");
    for (const round of [4n, 5n]) {
      await world.chain.setRound(round);
      const started = await world.chain.blockNumber();
      await untilRound(world, round, "confirmed");
      const logs = await rewardLogs(world.chain, world.us, started);
      expect(logs.map(({ block }) => block)).toEqual([started + 1n]);
    }
    expect(rewardPlans(world).length).toBe(3);
    expect((await rewardLogs(world.chain, world.us)).length).toBe(3);
    await world.audit();
  });

  test("the part of the treasury is told from ours", async () => {
    await using world = await openRewardWorld();
    const record = await untilRound(world, 3n, "confirmed");
    const [treasury] = await world.chain.logs("BondingManager", "TreasuryReward");
    expect(record.treasury).toBe(String(treasury?.args["amount"] ?? 0n));
    expect(BigInt(record.forecast ?? 0)).toBe(BigInt(record.amount ?? 0) + BigInt(record.treasury ?? 0));
  });

  test("a locked round is rewarded like any other: a node that starts late in it still calls", async () => {
    await using world = await openRewardWorld();
    await world.chain.mine(roundLength - 4n);
    expect((await world.tick()).round.isLocked).toBe(true);
    await untilRound(world, 3n, "mined", 2);
    await expectOneReward(world, 3n);
  });

  test("-reward=false: nothing is sent, and the log says that nothing was due", async () => {
    await using world = await openRewardWorld({ config: { reward: "off" } });
    await world.tick();
    await world.chain.setRound(4n);
    const record = await untilRound(world, 3n, "not-due");
    expect(record.cause).toBe("disabled");
    expect([rewardPlans(world), await rewardLogs(world.chain, world.us)]).toEqual([[], []]);
    await world.audit();
  });
});

describe("who is not in the active set", () => {
  test("chain check 16: not registered at the start, registered later: rewards begin without a restart", async () => {
    await using world = await openRewardWorld({ prepare: (chain) => chain.setRound(3n) });
    await world.tick();
    await world.chain.register(world.us, parseEther("1000"));
    await world.tick();
    // Active from the next round on: in this one there is nothing to call.
    expect([openRoundOf(world, 3n)?.forecast, rewardPlans(world)]).toEqual([null, []]);
    await world.chain.setRound(4n);
    await untilRound(world, 4n, "confirmed");
    expect(roundOf(world, 3n)).toMatchObject({ state: "not-due" });
    expect(story(world, 4n)).toEqual(rewarded);
    await world.audit();
  });

  test("leaving the set is no miss: nothing is sent", async () => {
    await using world = await openRewardWorld();
    await untilRound(world, 3n, "confirmed");
    const stake = parseEther("1000") + BigInt(roundOf(world, 3n)?.amount ?? 0);
    await world.chain.write("BondingManager", "unbond", [stake], { from: world.us });
    await world.chain.setRound(4n);
    await world.tick();
    await world.chain.setRound(5n);
    expect(await untilRound(world, 4n, "not-due")).toMatchObject({ cause: "inactive" });
    expect(rewardPlans(world).length).toBe(1);
    await world.audit();
  });
});

describe("somebody else", () => {
  test("chain check 13: the contract's `caller has already called reward…` is success, and ends it", async () => {
    await using world = await openRewardWorld();
    await world.chain.giveEther(stranger, parseEther("100"));
    await world.chain.write("BondingManager", "setRewardCaller", [stranger], { from: world.us });
    world.isSending = false;
    await world.tick();
    expect(openRoundOf(world, 3n)?.transaction).toBe(rewardPlans(world)[0] ?? "");
    // Not ours, but in the block before ours.
    const theirs = await world.chain.write("BondingManager", "rewardForTranscoder", [world.us], {
      from: stranger,
    });
    world.isSending = true;
    await world.tick(25_000);
    await world.chain.mine(1);
    const record = await untilRound(world, 3n, "confirmed");
    expect(story(world, 3n)).toEqual([
      ...["RoundOpened", "RoundInitialized", "RewardDue", "RewardSubmitted"],
      ...["RewardReturned", "RewardMined", "RewardConfirmed"],
    ]);
    expect([record.transactionId, record.amount]).toEqual([null, null]);
    expect(rewardPlans(world).length).toBe(1);
    expect((await rewardLogs(world.chain, world.us)).map(({ hash }) => hash)).toEqual([theirs.hash]);
    await world.audit();
  });

  test("called before we could look: nothing is sent", async () => {
    await using world = await openRewardWorld();
    await world.chain.write("BondingManager", "reward", [], { from: world.us });
    await untilRound(world, 3n, "confirmed");
    expect(story(world, 3n)).toEqual(["RoundOpened", "RoundInitialized", "RewardMined", "RewardConfirmed"]);
    expect(rewardPlans(world)).toEqual([]);
    await world.audit();
  });

  test("a foreign call that a re-org takes back is made by us", async () => {
    await using world = await openRewardWorld();
    await world.chain.mine(3);
    const theirs = await world.chain.write("BondingManager", "reward", [], { from: world.us });
    await world.tick();
    expect(roundOf(world, 3n)).toMatchObject({ state: "mined", transactionId: null });
    await world.chain.reorg(2, { drop: [theirs.hash] });
    await world.chain.mine(2);
    await untilRound(world, 3n, "confirmed");
    expect(story(world, 3n)).toContain("RewardUndone");
    await expectOneReward(world, 3n);
    await world.audit();
  });
});

describe("re-orgs", () => {
  for (const how of ["unmine", "drop"] as const) {
    test(`the block of the reward is gone and its transaction ${how === "drop" ? "lost" : "waits again"}: one Reward in the end`, async () => {
      await using world = await openRewardWorld();
      await world.chain.mine(3);
      await untilRound(world, 3n, "mined");
      await world.chain.reorg(2, { [how]: "all" });
      expect(await rewardLogs(world.chain, world.us)).toEqual([]);
      await world.chain.mine(how === "drop" ? 1 : 0);
      await untilRound(world, 3n, "confirmed");
      if (how === "drop") expect(story(world, 3n)).toContain("RewardUndone");
      await expectOneReward(world, 3n);
      expect(rewardPlans(world).length).toBe(1);
      await world.audit();
    });
  }

  test("chain check 14: the start of the round comes twice, in two blocks: one reward", async () => {
    await using world = await openRewardWorld();
    await untilRound(world, 3n, "confirmed");
    await world.chain.setRound(4n);
    await world.tick();
    await world.chain.reorg(1);
    await world.tick();
    await untilRound(world, 4n, "confirmed");
    expect(rewardPlans(world).length).toBe(2);
    await expectOneReward(world, 4n, 4n * roundLength);
    await world.audit();
  });

  test("the start of the round itself is gone: the reward waits for the next start", async () => {
    await using world = await openRewardWorld();
    await untilRound(world, 3n, "confirmed");
    await world.chain.mine(roundLength - 10n);
    await crossBoundary(world);
    await world.chain.initializeRound();
    await world.tick();
    await world.chain.mine(1);
    await world.tick();
    expect(roundOf(world, 4n)?.state).toBe("mined");
    await world.chain.reorg(3, { drop: "all" });
    // A chain whose rounds go back is not believed: nothing is done until it goes on.
    for (let look = 0; look < 3; look += 1) await tryTick(world);
    expect(await rewardLogs(world.chain, world.us, 4n * roundLength)).toEqual([]);
    await world.chain.initializeRound();
    await untilRound(world, 4n, "confirmed");
    await expectOneReward(world, 4n, 4n * roundLength);
    await world.audit();
  });
});

describe("gas", () => {
  /** Ticks with this base fee, block by block, until the round is over and deep. */
  async function liveThrough(world: OfficeWorld, round: bigint, baseFee: bigint): Promise<void> {
    for (let block = 0n; block < 6n; block += 1n) {
      await world.chain.mineAt(1, baseFee);
      await world.tick();
    }
    await world.chain.setRound(round + 1n);
  }

  test("chain check 25: above -maxGasPrice nothing is sent; the whole round so is a miss with its story", async () => {
    await using world = await openRewardWorld({ config: { maxGasPrice: oneGwei } });
    await liveThrough(world, 3n, 2n * oneGwei);
    world.feeMax = null;
    const record = await untilRound(world, 3n, "missed");
    expect(record.cause).toBe("fee");
    expect(record.text).toContain(
      "0 transactions were made. The gas price 2000000000 is above the limit 1000000000 wei.",
    );
    expect(BigInt(record.forecast ?? 0)).toBeGreaterThan(0n);
    expect(story(world, 3n)).toEqual([
      ...["RoundOpened", "RoundInitialized", "RewardDue", "RewardPostponed", "RewardMissed"],
    ]);
    // The next one is called.
    await untilRound(world, 4n, "confirmed");
    await world.audit();
  });

  test("chain check 25: as soon as gas is cheaper it is sent, within the maximum", async () => {
    await using world = await openRewardWorld({
      config: { maxGasPrice: oneGwei },
      prepare: async (chain, us) => {
        await register(chain, us);
        await chain.mineAt(1, 2n * oneGwei);
      },
    });
    await world.tick();
    expect(openRoundOf(world, 3n)?.cause).toBe("fee");
    await world.chain.mineAt(1, (9n * oneGwei) / 10n);
    await world.tick();
    const [planned] = world.life.transactions.open();
    expect(planned?.context.attempts.map(({ feeCap }) => feeCap)).toEqual([oneGwei]);
    await untilRound(world, 3n, "confirmed");
    expect(story(world, 3n)).toEqual([...rewarded.slice(0, 3), "RewardPostponed", ...rewarded.slice(3)]);
  });

  test("out of gas money, then topped up: the same round is rewarded", async () => {
    await using world = await openRewardWorld({ prepare: register, gasMoney: 0n });
    await world.chain.mineAt(1, oneGwei);
    await world.tick();
    expect(openRoundOf(world, 3n)).toMatchObject({ cause: "gas-money", transaction: null });
    await world.chain.giveEther(world.us, parseEther("1"));
    await world.chain.mineAt(1, oneGwei);
    await untilRound(world, 3n, "confirmed");
    await expectOneReward(world, 3n);
  });
});

/** Uses up a nonce of ours, as a person with the same key in a wallet would. */
async function sendFromAnotherWallet({ chain, us }: OfficeWorld): Promise<void> {
  const fees = { maxFeePerGas: "0x77359400", maxPriorityFeePerGas: "0x0" };
  await chain.anvil.rpc("eth_sendTransaction", { from: us, to: stranger, gas: "0x5208", ...fees });
  await chain.mine(1);
}

describe("nonces", () => {
  test("another wallet used the nonce: the reward is called with the next one", async () => {
    await using world = await openRewardWorld();
    world.isSending = false;
    await world.tick();
    await sendFromAnotherWallet(world);
    world.isSending = true;
    const record = await untilRound(world, 3n, "confirmed");
    const [first, second, ...others] = rewardPlans(world);
    expect([others, record.transactionId]).toEqual([[], second ?? ""]);
    expect(world.history(`transaction:${first}`).at(-1)).toBe("TransactionDisplaced");
    expect(story(world, 3n)).toContain("RewardReturned");
    await expectOneReward(world, 3n);
    await world.audit();
  });

  test("killed between signature and broadcast: after the restart it is broadcast with the same hash", async () => {
    await using world = await openRewardWorld();
    world.isSending = false;
    await world.tick();
    const [signed] = world.life.transactions.open().flatMap(({ context }) => context.attempts);
    await world.crash();
    world.isSending = true;
    await world.open();
    await world.tick();
    expect(await world.pool()).toEqual([signed?.hash ?? "0x"]);
    await world.chain.mine(1);
    const record = await untilRound(world, 3n, "confirmed");
    expect([record.txHash, rewardPlans(world).length]).toEqual([signed?.hash ?? null, 1]);
    await expectOneReward(world, 3n);
    await world.audit();
  });

  test("killed between broadcast and block: the restart finds it mined, and sends nothing", async () => {
    await using world = await openRewardWorld();
    await world.tick();
    await world.crash();
    await world.chain.mine(1);
    await world.open();
    await untilRound(world, 3n, "confirmed");
    expect(rewardPlans(world).length).toBe(1);
    await expectOneReward(world, 3n);
    await world.audit();
  });
});

describe("a reward caller of its own (LIP-118)", () => {
  const key = new Uint8Array(32).fill(0x77);
  const caller = toHex(accountOfPrivateKey(key));
  const orchestrator = `0x${"0c".repeat(20)}` as const;
  const delegated = (reward: "auto" | "on", callerOnChain: `0x${string}` | null) =>
    openRewardWorld({
      ...{ key, orchestrator, config: { reward } },
      prepare: async (chain) => {
        await register(chain, orchestrator);
        if (callerOnChain === null) return;
        await chain.write("BondingManager", "setRewardCaller", [callerOnChain], { from: orchestrator });
      },
    });

  test("its key calls the reward for the orchestrator", async () => {
    await using world = await delegated("on", caller);
    const record = await untilRound(world, 3n, "confirmed");
    expect(world.events("round:3").find(({ type }) => type === "RewardSubmitted")).toMatchObject({
      path: "delegated",
      transaction: `${caller}/0`,
    });
    const [log] = await rewardLogs(world.chain, orchestrator);
    expect([record.amount, record.txHash]).toEqual([String(log?.amount), log?.hash ?? null]);
    await world.audit();
  });

  test("unset while the node runs: postponed as unauthorised, and called once it is set again", async () => {
    await using world = await delegated("on", caller);
    await untilRound(world, 3n, "confirmed");
    const zero = `0x${"00".repeat(20)}`;
    await world.chain.write("BondingManager", "setRewardCaller", [zero], { from: orchestrator });
    await world.chain.setRound(4n);
    await world.tick();
    expect(openRoundOf(world, 4n)).toMatchObject({ cause: "unauthorized", transaction: null });
    await world.chain.write("BondingManager", "setRewardCaller", [caller], { from: orchestrator });
    await untilRound(world, 4n, "confirmed");
    expect((await rewardLogs(world.chain, orchestrator)).length).toBe(2);
  });

  test("-reward with a stranger's key is a mistake that is told, and nothing is sent", async () => {
    await using world = await delegated("on", null);
    const error = await world.tick().catch((thrown: unknown) => thrown);
    expect(String((error as Error).cause)).toContain("-reward is on, but");
    expect(rewardPlans(world)).toEqual([]);
  });

  test("without -reward a stranger's key just calls nothing", async () => {
    await using world = await delegated("auto", null);
    await world.tick();
    await world.chain.setRound(4n);
    expect(await untilRound(world, 3n, "not-due")).toMatchObject({ cause: "disabled" });
    expect(rewardPlans(world)).toEqual([]);
  });
});
