import { describe, expect, test } from "bun:test";
import { withdrawFees } from "../../../src/cli/actions/money.ts";
import { register, setCuts, setRewardCaller, setServiceUri } from "../../../src/cli/actions/registration.ts";
import { initializeRound, reward } from "../../../src/cli/actions/rounds.ts";
import { bond, unbond } from "../../../src/cli/actions/stake.ts";
import type { HintOf, Plan } from "../../../src/cli/actions/step.ts";
import { votePoll, voteProposal } from "../../../src/cli/actions/votes.ts";
import { changeLines } from "../../../src/cli/perform.ts";
import { type AccountState, type ChainState, readAll, zeroAccount } from "../../../src/cli/readState.ts";
import { explain } from "../../../src/cli/reasons.ts";
import { feesFor } from "../../../src/cli/unsigned.ts";
import { printable } from "../../../src/cli/view.ts";
import type { Hex } from "../../../src/shared/brand.ts";

/*
 * Goal: states that a development chain hardly gets into. Method: the builders are pure, so that a state is written
 * down and the plan compared.
 */

const lpt = 10n ** 18n;
const addressOf = (byte: string): Hex => `0x${byte.repeat(20)}`;
const own = addressOf("11");

function accountState(changes: Partial<AccountState> = {}): AccountState {
  return {
    account: own,
    ...{ ethBalance: lpt, lptBalance: 1_000n * lpt, allowance: 0n, bonded: 0n, delegate: zeroAccount },
    ...{
      delegatorStatus: "Unbonded",
      startRound: 0n,
      nextUnbondingLockId: 0n,
      pendingStake: 0n,
      pendingFees: 0n,
    },
    ...{
      isRegistered: false,
      isActive: false,
      totalStake: 0n,
      lastRewardRound: 0n,
      rewardCut: 0n,
      feeShare: 0n,
    },
    ...{ activationRound: 0n, deactivationRound: 0n, rewardCaller: null, serviceUri: "", aiServiceUri: null },
    ...changes,
  };
}

const registered: Partial<AccountState> = {
  ...{ bonded: 100n * lpt, pendingStake: 110n * lpt, totalStake: 500n * lpt, delegate: own },
  ...{
    delegatorStatus: "Bonded",
    isRegistered: true,
    isActive: true,
    rewardCut: 100_000n,
    feeShare: 50_000n,
  },
  serviceUri: "https://o.example:8935",
};

function chainState(account: Partial<AccountState> = {}, changes: Partial<ChainState> = {}): ChainState {
  const state = accountState(account);
  return {
    ...{
      chainId: 42_161n,
      controller: addressOf("c0"),
      isPaused: false,
      l1Block: 1_000n,
      unbondingPeriod: 7n,
    },
    ...{ baseFee: 10n, gasPrice: 12n, own: state, orchestrator: state },
    contracts: {
      ...{ LivepeerToken: addressOf("c1"), BondingManager: addressOf("c2"), RoundsManager: addressOf("c3") },
      ...{ ServiceRegistry: addressOf("c4"), TicketBroker: addressOf("c5"), Minter: addressOf("c6") },
      ...{ LivepeerGovernor: addressOf("c7"), AIServiceRegistry: null },
    },
    round: {
      current: 20n,
      isInitialized: true,
      isLocked: false,
      startBlock: 900n,
      length: 200n,
      lockAmount: 100_000n,
    },
    ...changes,
  };
}

const noHint: HintOf = () => ({ previous: zeroAccount, next: zeroAccount });
const names = (plan: Plan) => (plan.type === "plan" ? plan.steps.map(({ name }) => name) : plan);
const cuts = { rewardCut: 100_000n, feeShare: 50_000n };
const wanted = {
  serviceUri: "https://o.example:8935",
  amount: 5n * lpt,
  lock: undefined,
  cuts,
  registry: "main",
} as const;

describe("register", () => {
  test("all four steps, and only what is missing after each of them", () => {
    expect(names(register(chainState(), wanted, noHint))).toEqual([
      "setServiceUri",
      "approve",
      "bond",
      "transcoder",
    ]);
    const stored = { serviceUri: wanted.serviceUri };
    expect(names(register(chainState(stored), wanted, noHint))).toEqual(["approve", "bond", "transcoder"]);
    expect(names(register(chainState({ ...stored, allowance: 5n * lpt }), wanted, noHint))).toEqual([
      "bond",
      "transcoder",
    ]);
    const bonded = { ...registered, rewardCut: 0n, feeShare: 0n };
    expect(names(register(chainState(bonded), wanted, noHint))).toEqual(["transcoder"]);
    expect(register(chainState(registered), wanted, noHint)).toMatchObject({
      type: "refused",
      text: "orchestrator already registered",
    });
  });

  test("a lock is bonded anew in place of LPT", () => {
    const lock = { id: 3n, amount: 50n * lpt, withdrawRound: 25n };
    const plan = register(chainState({ lptBalance: 0n }), { ...wanted, amount: 0n, lock }, noHint);
    expect(names(plan)).toEqual(["setServiceUri", "rebond", "transcoder"]);
    expect(register(chainState(), { ...wanted, lock: null }, noHint)).toMatchObject({
      text: "invalid unbonding lock ID",
    });
  });

  test("steps that need an earlier one are not tried before it is mined", () => {
    const plan = register(chainState(), wanted, noHint);
    expect(plan.type === "plan" && plan.steps.map(({ isDependent }) => isDependent)).toEqual([
      false,
      false,
      true,
      true,
    ]);
  });
});

describe("what the protocol does not take now", () => {
  const actions: readonly (readonly [string, (state: ChainState) => Plan])[] = [
    ["register", (state) => register(state, wanted, noHint)],
    ["bond", (state) => bond(state, { amount: 1n, to: addressOf("22"), toStake: 0n }, noHint)],
    ["unbond", (state) => unbond(state, null, noHint)],
    ["withdraw-fees", (state) => withdrawFees(state, null, null)],
    ["reward", (state) => reward(state, 0n, noHint)],
  ];
  test.each(actions)("%s: a paused protocol, a round that nobody has started", (_, build) => {
    expect(build(chainState({}, { isPaused: true }))).toMatchObject({
      type: "refused",
      text: "system is paused",
    });
    const { round } = chainState();
    expect(build(chainState({}, { round: { ...round, isInitialized: false } }))).toMatchObject({
      type: "refused",
      text: "current round is not initialized",
    });
  });

  test("cuts in a locked round: the end is named in blocks and minutes", () => {
    const { round } = chainState();
    const locked = chainState(registered, { round: { ...round, isLocked: true } });
    expect(setCuts(locked, { rewardCut: 0n, feeShare: null })).toMatchObject({
      type: "refused",
      text: "current round is locked",
      advice: expect.stringContaining("ends at L1 block 1100, in 100 blocks (about 20 minutes)"),
    });
  });

  test("a poll that is over, a chain without a governor, a paused round start", () => {
    expect(votePoll(chainState(), addressOf("33"), "yes", 999n)).toMatchObject({ text: "poll is over" });
    expect(votePoll(chainState(), addressOf("33"), "yes", 1_000n).type).toBe("plan");
    const without = chainState();
    const bare = { ...without, contracts: { ...without.contracts, LivepeerGovernor: null } };
    expect(voteProposal(bare, 1n, "for", "").type).toBe("refused");
    const { round } = without;
    const unstarted = { round: { ...round, isInitialized: false } };
    expect(initializeRound(chainState({}, { ...unstarted, isPaused: true }))).toMatchObject({
      text: "system is paused",
    });
  });
});

describe("reward callers", () => {
  test("a contract without them is told from one where none is set", () => {
    expect(setRewardCaller(chainState({ rewardCaller: undefined }), addressOf("22"))).toMatchObject({
      type: "refused",
      advice: expect.stringContaining("LIP-118"),
    });
    expect(setRewardCaller(chainState(), null).type).toBe("nothing");
    expect(setRewardCaller(chainState(), own)).toMatchObject({ text: "that is your own account" });
  });

  test("only the caller that the orchestrator has named calls the reward for it", () => {
    const orchestrator = accountState({ ...registered, account: addressOf("99"), rewardCaller: own });
    const delegated = reward(chainState({}, { orchestrator }), 0n, noHint);
    expect(delegated.type === "plan" && delegated.steps[0]?.functionName).toBe("rewardForTranscoderWithHint");
    const other = { ...orchestrator, rewardCaller: addressOf("88") };
    expect(reward(chainState({}, { orchestrator: other }), 0n, noHint).type).toBe("refused");
    const called = { ...orchestrator, lastRewardRound: 20n };
    expect(reward(chainState({}, { orchestrator: called }), 0n, noHint).type).toBe("nothing");
  });
});

test("hints are asked for the stake after the action", () => {
  const asked: [Hex, bigint][] = [];
  const hintOf: HintOf = (account, stake) => {
    asked.push([account, stake]);
    return { previous: addressOf("aa"), next: addressOf("bb") };
  };
  const state = chainState(registered);
  bond(state, { amount: 10n * lpt, to: null, toStake: 500n * lpt }, hintOf);
  unbond(state, 20n * lpt, hintOf);
  reward(state, 3n * lpt, hintOf);
  expect(asked).toEqual([
    [own, 510n * lpt],
    [own, 480n * lpt],
    [own, 503n * lpt],
  ]);
});

test("all of the stake is what is bonded and what is pending", () => {
  const plan = unbond(chainState(registered), null, noHint);
  expect(plan.type === "plan" && plan.subject).toBe("unbond 110 LPT");
  expect(unbond(chainState(registered), 111n * lpt, noHint)).toMatchObject({
    text: "amount is greater than bonded amount",
  });
});

test("the same address is not stored twice", () => {
  expect(setServiceUri(chainState(registered), "https://o.example:8935", "both").type).toBe("nothing");
});

test.each(["https://localhost:8935", "https://127.0.0.1:8935", "https://[::1]:8935"])(
  "%s is an address on a chain of one's own, and none on a public one",
  (uri) => {
    expect(setServiceUri(chainState(registered), uri, "main")).toMatchObject({
      type: "refused",
      text: "service address must be a public IP address or hostname",
    });
    expect(setServiceUri(chainState(registered, { chainId: 1_337n }), uri, "main").type).toBe("plan");
  },
);

test("fees of an unsigned transaction leave room for the base fee to double, within the limit", () => {
  expect(feesFor({ baseFee: 10n, gasPrice: 12n }, null)).toEqual({ cap: 22n, tip: 2n });
  expect(feesFor({ baseFee: 10n, gasPrice: 12n }, 15n)).toEqual({ cap: 15n, tip: 2n });
  expect(feesFor({ baseFee: null, gasPrice: 12n }, null)).toEqual({ cap: 12n, tip: null });
  expect(() => feesFor({ baseFee: 10n, gasPrice: 12n }, 11n)).toThrow("above the maximum");
});

test("every refusal of the contracts that is foreseen has its meaning and its advice", () => {
  for (const reason of [
    ...["system is paused", "current round is not initialized", "round already initialized"],
    ...["can't update transcoder params, current round is locked", "transcoder must be registered"],
    "caller can't be active or must have already called reward for the current round",
    ...["caller must be an active transcoder", "caller has already called reward for the current round"],
    ...["caller must be bonded", "caller must be unbonded", "amount is greater than bonded amount"],
    ...["invalid unbonding lock ID", "withdraw round must be before or equal to the current round"],
    ...["insufficient fees to withdraw", "registered transcoders can't delegate towards other addresses"],
    ...["ERC20: insufficient allowance", "ERC20: transfer amount exceeds balance", "poll is over"],
    ...["VoteAlreadyCast()", "Governor: vote not currently active", "Governor: unknown proposal id"],
    "insufficient funds for gas * price + value",
  ]) {
    expect([reason, explain(reason) !== null]).toEqual([reason, true]);
  }
  expect(explain("something new")).toBeNull();
});

test("what changed is shown, and nothing else", () => {
  const before = accountState();
  expect(changeLines(before, { ...before, lptBalance: 0n, serviceUri: "https://x:1" })).toEqual([
    "  LPT: 1000 -> 0",
    "  service URI: none -> https://x:1",
  ]);
});

test("text from elsewhere brings no control characters to a terminal", () => {
  expect(printable("a\u001b[2Jb\u202ec\nd")).toBe("a·[2Jb·c·d");
});

test("an answer that is missing or rubbish is an error with words, never a value", async () => {
  const view = {
    call: { method: "eth_chainId", params: [] },
    decode: (result: unknown) => BigInt(String(result)),
  };
  const answers = [
    [],
    [{ type: "result", result: {} }],
    [{ type: "failed", kind: "transport", text: "down" }],
  ];
  for (const answer of answers) {
    const rpc = { batch: async () => answer as never, close: () => undefined };
    await expect(readAll(rpc, { id: view })).rejects.toThrow("The chain cannot be read");
  }
});
