import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { parseEther, toFunctionSelector } from "viem";
import { type DevChain, type Hex, startDevChain } from "../../support/chain/devChain.ts";

/*
 * Goal: our staking contracts follow the rules, the words and the arithmetic of Livepeer's, so that what works
 * against them works there. Method: the numbers of the chain sheet's checks, on a real chain.
 */

setDefaultTimeout(120_000);

const own: Hex = `0x${"0d".repeat(20)}`;
const caller: Hex = `0x${"0e".repeat(20)}`;
const lpt = (text: string): bigint => parseEther(text);

/** The contract's words, or "done". */
async function tried(action: Promise<unknown>): Promise<string> {
  try {
    await action;
    return "done";
  } catch (error) {
    return String(error).match(/reverted: ([^"]*)"/)?.[1] ?? String(error);
  }
}

const asOwn = { from: own };

async function bonding(chain: DevChain, name: string, ...args: readonly unknown[]): Promise<unknown> {
  return chain.read("BondingManager", name, args);
}

/** What the contract calls active, registered, and the pool in order. */
async function pool(chain: DevChain): Promise<readonly Hex[]> {
  const found: Hex[] = [];
  let next = (await bonding(chain, "getFirstTranscoderInPool")) as Hex;
  while (BigInt(next) !== 0n) {
    found.push(next.toLowerCase() as Hex);
    next = (await bonding(chain, "getNextTranscoderInPool", next)) as Hex;
  }
  return found;
}

test("chain check 5: rounds, their start and their lock by block number", async () => {
  await using chain = await startDevChain({ roundLength: 6377n, firstBlock: 12_100 });
  const at = async (block: bigint) => {
    await chain.mine(block - (await chain.blockNumber()));
    const read = (name: string) => chain.read("RoundsManager", name, []);
    return [
      await read("currentRound"),
      await read("currentRoundStartBlock"),
      await read("currentRoundLocked"),
    ];
  };
  expect(await at(12_116n)).toEqual([1n, 6377n, false]);
  expect(await at(12_117n)).toEqual([1n, 6377n, true]);
  expect(await at(12_753n)).toEqual([1n, 6377n, true]);
  expect(await at(12_754n)).toEqual([2n, 12_754n, false]);
});

describe("the active set", () => {
  test("chain check 7: registered at once, active from the next round's first block, before it is initialised", async () => {
    await using chain = await startDevChain();
    await chain.register(own, lpt("100"), { rewardCut: 100_000n, feeShare: 50_000n });
    expect(await bonding(chain, "transcoderStatus", own)).toBe(1);
    expect(await bonding(chain, "delegatorStatus", own)).toBe(0);
    expect(await bonding(chain, "isActiveTranscoder", own)).toBe(false);
    expect(await chain.logs("BondingManager", "TranscoderActivated")).toMatchObject([
      { args: { activationRound: 2n } },
    ]);
    await chain.mine(99n - (await chain.blockNumber()));
    expect(await bonding(chain, "isActiveTranscoder", own)).toBe(false);
    await chain.mine(1);
    expect(await bonding(chain, "isActiveTranscoder", own)).toBe(true);
    expect(await bonding(chain, "delegatorStatus", own)).toBe(1);
    expect(await tried(chain.write("BondingManager", "reward", [], asOwn))).toBe(
      "current round is not initialized",
    );
  });

  test("chain check 8: a full pool is joined only by more than its least stake, which leaves", async () => {
    await using chain = await startDevChain({ maxPoolSize: 2n });
    const [first = own, tail = own] = await chain.addOrchestrators(2, (index) =>
      lpt(index === 0 ? "500" : "100"),
    );
    expect(await pool(chain)).toEqual([first, tail]);
    await chain.register(own, lpt("100"));
    expect(await pool(chain)).toEqual([first, tail]);
    await chain.giveTokens(own, 1n);
    await chain.write("LivepeerToken", "approve", [chain.bondingManager, 1n], asOwn);
    await chain.write("BondingManager", "bond", [1n, own], asOwn);
    expect(await pool(chain)).toEqual([first, own]);
    expect(await chain.logs("BondingManager", "TranscoderDeactivated")).toMatchObject([
      { args: { deactivationRound: 2n } },
    ]);
    expect(await bonding(chain, "nextRoundTotalActiveStake")).toBe(lpt("600") + 1n);
    await chain.setRound(2n);
    expect(await bonding(chain, "getTotalBonded")).toBe(lpt("600") + 1n);
    expect(await bonding(chain, "isActiveTranscoder", tail)).toBe(false);
    expect(await bonding(chain, "isActiveTranscoder", own)).toBe(true);
  });

  // Method: whatever the hint, the pool is in descending order afterwards.
  test("hints, good and bad, lead to the same pool", async () => {
    await using chain = await startDevChain();
    const others = await chain.addOrchestrators(5, (index) => lpt(`${500 - 100 * index}`));
    const none: Hex = `0x${"00".repeat(20)}`;
    const hints: readonly (readonly [Hex, Hex])[] = [
      [none, none],
      [others[1] ?? none, others[2] ?? none],
      [others[4] ?? none, none],
      [none, others[0] ?? none],
      [own, caller],
      [others[3] ?? none, others[1] ?? none],
    ];
    for (const [previous, next] of hints) {
      await chain.giveTokens(own, lpt("350"));
      await chain.giveEther(own, lpt("20"));
      await chain.write("LivepeerToken", "approve", [chain.bondingManager, lpt("350")], asOwn);
      await chain.write(
        "BondingManager",
        "bondWithHint",
        [lpt("350"), own, none, none, previous, next],
        asOwn,
      );
      expect(await pool(chain)).toEqual([...others.slice(0, 2), own, ...others.slice(2)]);
      await chain.nextRound();
      await chain.write("BondingManager", "unbond", [lpt("350")], asOwn);
      expect(await pool(chain)).toEqual(others);
    }
  });
});

describe("rewards", () => {
  async function openRewards(): Promise<DevChain> {
    const chain = await startDevChain({ treasuryRewardCutRate: 10n ** 26n });
    await chain.register(own, lpt("300000"), { rewardCut: 50_000n, feeShare: 500_000n });
    await chain.addOrchestrators(3, () => lpt("7900000"));
    await chain.write("Minter", "setInflation", [560_500n]);
    await chain.nextRound();
    return chain;
  }

  test("chain checks 10 and 13: what is minted, for whom, to the wei, and once", async () => {
    await using chain = await openRewards();
    expect(await chain.read("Minter", "inflation", [])).toBe(561_000n);
    expect(await chain.read("Minter", "currentMintableTokens", [])).toBe(lpt("28050"));
    await chain.write("BondingManager", "reward", [], asOwn);
    expect(await chain.rewardsOf(own)).toEqual([lpt("315.5625")]);
    expect(await chain.logs("BondingManager", "TreasuryReward")).toMatchObject([
      { args: { treasury: expect.stringMatching(/7ea5e2$/i), amount: lpt("35.0625") } },
    ]);
    expect(await chain.read("LivepeerToken", "balanceOf", [chain.treasury])).toBe(lpt("35.0625"));
    const [, , , rewardFactor] = (await bonding(
      chain,
      "getTranscoderEarningsPoolForRound",
      own,
      2n,
    )) as bigint[];
    expect(rewardFactor).toBe(1_000_999_281_250_000_000_000_000_000n);
    const transcoder = (await bonding(chain, "getTranscoder", own)) as bigint[];
    expect(transcoder[0]).toBe(2n);
    expect(transcoder[7]).toBe(lpt("15.778125"));
    expect(await bonding(chain, "transcoderTotalStake", own)).toBe(lpt("300315.5625"));
    expect(await bonding(chain, "pendingStake", own, 0n)).toBe(lpt("300315.5625"));
    expect(await tried(chain.write("BondingManager", "reward", [], asOwn))).toBe(
      "caller has already called reward for the current round",
    );
  });

  test("chain check 11: a third of the stake gets 333,333,333 parts of 1,000,000,000", async () => {
    await using chain = await startDevChain();
    await chain.register(own, lpt("300"));
    await chain.addOrchestrators(2, () => lpt("300"));
    await chain.nextRound();
    await chain.write("BondingManager", "reward", [], asOwn);
    const mintable = (await chain.read("Minter", "currentMintableTokens", [])) as bigint;
    expect(await chain.rewardsOf(own)).toEqual([(mintable * 333_333_333n) / 1_000_000_000n]);
  });

  test("chain check 12: inflation stands still at the target, and never goes below 0", async () => {
    await using chain = await openRewards();
    await chain.write("Minter", "setTargetBondingRate", [480_000_000n]);
    await chain.nextRound();
    expect(await chain.read("Minter", "inflation", [])).toBe(561_000n);
    await chain.write("Minter", "setTargetBondingRate", [1n]);
    await chain.write("Minter", "setInflation", [300n]);
    await chain.nextRound();
    expect(await chain.read("Minter", "inflation", [])).toBe(0n);
  });

  test("chain check 17: a full treasury gets its part of this round, and nothing of the next", async () => {
    await using chain = await openRewards();
    await chain.write("BondingManager", "setTreasuryBalanceCeiling", [1n]);
    await chain.giveTokens(chain.treasury, 1n);
    await chain.write("BondingManager", "reward", [], asOwn);
    expect(await chain.logs("BondingManager", "TreasuryReward")).toHaveLength(1);
    await chain.nextRound();
    expect(await bonding(chain, "treasuryRewardCutRate")).toBe(0n);
    await chain.write("BondingManager", "reward", [], asOwn);
    expect(await chain.logs("BondingManager", "TreasuryReward")).toHaveLength(1);
  });

  test("a named caller may call it, for the orchestrator; nobody else may (LIP-118)", async () => {
    await using chain = await openRewards();
    const call = () => tried(chain.write("BondingManager", "rewardForTranscoder", [own], { from: caller }));
    await chain.giveEther(caller, lpt("20"));
    expect(await call()).toBe("caller must be the reward caller");
    expect(await tried(chain.write("BondingManager", "reward", [], { from: caller }))).toBe(
      "caller must be an active transcoder",
    );
    await chain.write("BondingManager", "setRewardCaller", [caller], asOwn);
    expect(String(await bonding(chain, "transcoderToRewardCaller", own)).toLowerCase()).toBe(caller);
    expect(await call()).toBe("done");
    expect(await chain.rewardsOf(own)).toHaveLength(1);
    await chain.write("BondingManager", "setRewardCaller", [`0x${"00".repeat(20)}`], asOwn);
    await chain.nextRound();
    expect(await call()).toBe("caller must be the reward caller");
    expect(await chain.logs("BondingManager", "RewardCallerSet")).toHaveLength(2);
  });

  test("cuts: not in the lock, not above the whole, not before this round's reward", async () => {
    await using chain = await openRewards();
    const set = (rewardCut: bigint, feeShare: bigint) =>
      tried(chain.write("BondingManager", "transcoder", [rewardCut, feeShare], asOwn));
    expect(await set(1n, 1n)).toBe(
      "caller can't be active or must have already called reward for the current round",
    );
    await chain.write("BondingManager", "reward", [], asOwn);
    expect(await set(1_000_001n, 1n)).toBe("invalid rewardCut percentage");
    expect(await set(1n, 1_000_001n)).toBe("invalid feeShare percentage");
    expect(await set(300_000n, 500_000n)).toBe("done");
    await chain.mine(145n - (await chain.blockNumber()));
    expect(await set(1n, 1n)).toBe("can't update transcoder params, current round is locked");
  });
});

describe("stake on its way", () => {
  test("chain check 23: all stake out, free seven rounds later", async () => {
    await using chain = await startDevChain({ roundLength: 20n });
    await chain.register(own, lpt("100"));
    const write = (name: string, ...args: readonly unknown[]) =>
      tried(chain.write("BondingManager", name, args, asOwn));
    expect(await write("unbond", 1n)).toBe("caller must be bonded");
    await chain.nextRound();
    expect(await write("unbond", 0n)).toBe("unbond amount must be greater than 0");
    expect(await write("unbond", lpt("101"))).toBe("amount is greater than bonded amount");
    const round = (await chain.read("RoundsManager", "currentRound", [])) as bigint;
    expect(await write("unbond", lpt("100"))).toBe("done");
    expect(await bonding(chain, "getDelegatorUnbondingLock", own, 0n)).toEqual([lpt("100"), round + 7n]);
    expect(await chain.logs("BondingManager", "TranscoderDeactivated")).toMatchObject([
      { args: { deactivationRound: round + 1n } },
    ]);
    expect(await bonding(chain, "delegatorStatus", own)).toBe(2);
    await chain.setRound(round + 6n);
    expect(await write("withdrawStake", 0n)).toBe(
      "withdraw round must be before or equal to the current round",
    );
    await chain.setRound(round + 7n);
    expect(await write("withdrawStake", 1n)).toBe("invalid unbonding lock ID");
    expect(await write("withdrawStake", 0n)).toBe("done");
    expect(await chain.read("LivepeerToken", "balanceOf", [own])).toBe(lpt("100"));
    expect(await write("withdrawStake", 0n)).toBe("invalid unbonding lock ID");
  });

  test("a lock goes back to work, with the old delegate or another one", async () => {
    await using chain = await startDevChain();
    const [other = own] = await chain.addOrchestrators(1, () => lpt("10"));
    await chain.register(own, lpt("100"));
    await chain.nextRound();
    const write = (name: string, ...args: readonly unknown[]) =>
      tried(chain.write("BondingManager", name, args, asOwn));
    expect(await write("unbond", lpt("40"))).toBe("done");
    expect(await write("rebondFromUnbonded", other, 0n)).toBe("caller must be unbonded");
    expect(await write("bond", 0n, other)).toBe(
      "registered transcoders can't delegate towards other addresses",
    );
    expect(await write("rebond", 0n)).toBe("done");
    expect(await bonding(chain, "transcoderTotalStake", own)).toBe(lpt("100"));
    expect(await write("unbond", lpt("100"))).toBe("done");
    expect(await write("rebond", 1n)).toBe("caller must be bonded");
    expect(await write("rebondFromUnbonded", other, 1n)).toBe("done");
    expect(await bonding(chain, "transcoderTotalStake", other)).toBe(lpt("110"));
    expect(await pool(chain)).toEqual([other]);
    expect(await chain.logs("BondingManager", "Rebond")).toHaveLength(2);
  });

  test("stake that is given away moves without the wait", async () => {
    await using chain = await startDevChain();
    await chain.register(own, lpt("100"));
    await chain.nextRound();
    const none = `0x${"00".repeat(20)}`;
    const hints = [none, none, none, none];
    await chain.write("BondingManager", "transferBond", [caller, lpt("30"), ...hints], asOwn);
    const [bonded, , delegate] = (await bonding(chain, "getDelegator", caller)) as [bigint, bigint, Hex];
    expect([bonded, delegate.toLowerCase()]).toEqual([lpt("30"), own]);
    expect(await bonding(chain, "transcoderTotalStake", own)).toBe(lpt("100"));
  });

  // Method: an orchestrator and a delegator with the same stake; 40 % of fees are the delegators'.
  test("rewards and fees of a delegator, and fees withdrawn to the wei", async () => {
    await using chain = await startDevChain();
    await chain.register(own, lpt("100"), { rewardCut: 500_000n, feeShare: 400_000n });
    await chain.giveTokens(caller, lpt("100"));
    await chain.giveEther(caller, lpt("20"));
    await chain.write("LivepeerToken", "approve", [chain.bondingManager, lpt("100")], { from: caller });
    await chain.write("BondingManager", "bond", [lpt("100"), own], { from: caller });
    await chain.nextRound();
    await chain.write("BondingManager", "reward", [], asOwn);
    const [reward = 0n] = await chain.rewardsOf(own);
    const grown = (await bonding(chain, "pendingStake", caller, 0n)) as bigint;
    const kept = (await bonding(chain, "pendingStake", own, 0n)) as bigint;
    expect(grown).toBe(lpt("100") + reward / 4n);
    expect(kept + grown - lpt("200")).toBe(reward);

    // Fees come only from the broker; anvil lets anybody be it.
    await chain.giveEther(chain.ticketBroker, lpt("20"));
    await chain.write("Minter", "depositETH", [], { from: chain.ticketBroker, value: 1_000n });
    const fees = (wei: bigint, from: Hex) =>
      tried(chain.write("BondingManager", "updateTranscoderWithFees", [own, wei, 2n], { from }));
    expect(await fees(1_000n, caller)).toBe("caller must be TicketBroker");
    expect(await fees(1_000n, chain.ticketBroker)).toBe("done");
    expect(await bonding(chain, "pendingFees", own, 0n)).toBe(800n);
    expect(await bonding(chain, "pendingFees", caller, 0n)).toBe(200n);
    await chain.nextRound();
    const withdraw = (wei: bigint) =>
      tried(chain.write("BondingManager", "withdrawFees", [caller, wei], asOwn));
    expect(await withdraw(801n)).toBe("insufficient fees to withdraw");
    const before = BigInt(String(await chain.anvil.rpc("eth_getBalance", caller, "latest")));
    expect(await withdraw(800n)).toBe("done");
    expect(BigInt(String(await chain.anvil.rpc("eth_getBalance", caller, "latest"))) - before).toBe(800n);
    expect(await bonding(chain, "pendingFees", own, 0n)).toBe(0n);
    expect(await chain.logs("BondingManager", "WithdrawFees")).toMatchObject([{ args: { amount: 800n } }]);
  });

  test("a paused protocol takes nothing but addresses", async () => {
    await using chain = await startDevChain();
    await chain.giveEther(own, lpt("20"));
    await chain.write("Controller", "pause", []);
    for (const [contract, name, args] of [
      ["BondingManager", "bond", [1n, own]],
      ["BondingManager", "reward", []],
      ["BondingManager", "withdrawStake", [0n]],
      ["BondingManager", "setRewardCaller", [caller]],
      ["RoundsManager", "initializeRound", []],
      ["TicketBroker", "fundDeposit", []],
      ["TicketBroker", "unlock", []],
    ] as const) {
      expect(await tried(chain.write(contract, name, args, asOwn))).toBe("system is paused");
    }
    await chain.write("ServiceRegistry", "setServiceURI", ["https://o.example:8935"], asOwn);
    expect(await chain.read("ServiceRegistry", "getServiceURI", [own])).toBe("https://o.example:8935");
  });
});

describe("votes", () => {
  test("on a proposal: in its rounds, once, for, against or abstaining", async () => {
    await using chain = await startDevChain();
    await chain.register(own, lpt("100"));
    await chain.nextRound();
    await chain.write("LivepeerGovernor", "propose", [[own], [0n], ["0x"], "more tests"]);
    const [created] = await chain.logs("LivepeerGovernor", "ProposalCreated");
    const id = created?.args["proposalId"];
    const vote = (support: number) =>
      tried(chain.write("LivepeerGovernor", "castVoteWithReason", [id, support, "why not"], asOwn));
    expect(await vote(1)).toBe("Governor: vote not currently active");
    await chain.nextRound();
    expect(await vote(1)).toBe("Governor: vote not currently active");
    await chain.nextRound();
    expect(await vote(3)).toContain(toFunctionSelector("InvalidVoteType(uint8)"));
    expect(await vote(1)).toBe("done");
    expect(await vote(0)).toContain(toFunctionSelector("VoteAlreadyCast()"));
    expect(await chain.read("LivepeerGovernor", "hasVoted", [id, own])).toBe(true);
    expect(await chain.logs("LivepeerGovernor", "VoteCast")).toMatchObject([
      { args: { support: 1, weight: lpt("100"), reason: "why not" } },
    ]);
  });

  test("in a poll: by anybody, as often as they like, until it is over", async () => {
    await using chain = await startDevChain({ pollPeriod: 10n });
    const create = () => tried(chain.write("PollCreator", "createPoll", ["0x01"], asOwn));
    await chain.giveEther(own, lpt("20"));
    expect(await create()).toBe("PollCreator#createPoll: INSUFFICIENT_STAKE");
    await chain.register(own, lpt("100"));
    expect(await create()).toBe("done");
    const [created] = await chain.logs("PollCreator", "PollCreated");
    const poll = created?.args["poll"] as Hex;
    const { abi } = chain.contracts["Poll"] ?? { abi: [] };
    const vote = () => tried(chain.send(caller, poll, abi, "vote", [1n]));
    await chain.giveEther(caller, lpt("20"));
    expect(await vote()).toBe("done");
    expect(await vote()).toBe("done");
    await chain.mine(10);
    expect(await vote()).toBe("poll is over");
  });
});
