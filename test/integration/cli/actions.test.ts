import { afterAll, beforeAll, beforeEach, describe, expect, setDefaultTimeout, test } from "bun:test";
import { amountText } from "../../../src/cli/amounts.ts";
import { checksumHex } from "../../../src/protocol/account.ts";
import { toHex } from "../../../src/protocol/bytes.ts";
import type { Hex } from "../../../src/shared/brand.ts";
import { type DevChain, startDevChain } from "../../support/chain/devChain.ts";
import { freshCliKey, goodRun, openCliOperator } from "../../support/cliOperator.ts";
import { removeCliFolders } from "../../support/cliRun.ts";
import { writeKeystore } from "../../support/keystores.ts";

/*
 * Goal: every command does on a chain what it says. Method: the commands run whole, against anvil and the contracts of
 * test/contracts; only the terminal is made up. Each test has an account of its own. The tests advance rounds and run
 * one after the other.
 */

const lpt = 10n ** 18n;
const cuts = ["--rewardCut", "10", "--feeCut", "95"];
const uri = "https://o.example:8935";

let chain: DevChain;

setDefaultTimeout(120_000);

beforeAll(async () => {
  chain = await startDevChain({ roundLength: 100n, poolSize: 0n, baseFee: 1_000_000n });
  await chain.forgetPoolSize();
});

// The last tenth of a round is locked: each test has most of a round in front of it.
beforeEach(async () => {
  if ((await chain.blockNumber()) % 100n > 40n) await chain.nextRound();
});

afterAll(async () => {
  await chain[Symbol.asyncDispose]();
  removeCliFolders();
});

const openOperator = (tokens?: bigint, privateKey?: Uint8Array) => openCliOperator(chain, tokens, privateKey);

const delegatorOf = async (account: Uint8Array) =>
  (await chain.read("BondingManager", "getDelegator", [toHex(account)])) as readonly unknown[];

const transcoderOf = async (account: Hex) =>
  (await chain.read("BondingManager", "getTranscoder", [account])) as readonly unknown[];

/** Who voted what in a poll, in order, by its logs. */
async function votesIn(poll: string): Promise<readonly (readonly [string, bigint])[]> {
  const found = (await chain.anvil.rpc("eth_getLogs", { address: poll, fromBlock: "0x0" })) as {
    topics: string[];
    data: string;
  }[];
  return found.map(({ topics, data }) => [`0x${topics[1]?.slice(-40)}`, BigInt(data)]);
}

describe("register", () => {
  test("chain check 7: address first, then stake, then cuts; active in the next round", async () => {
    const operator = await openOperator();
    const run = goodRun(await operator.cli(["register", "100", ...cuts, "--serviceUri", uri]));
    const order = [
      "Store https://o.example:8935",
      "Allow the BondingManager",
      "Bond 100 LPT to yourself",
      "Keep 10 %",
    ];
    const places = order.map((text) => run.out.indexOf(text));
    expect(places).toEqual(places.toSorted((left, right) => left - right));
    expect(places[0]).toBeGreaterThan(0);
    expect(run.out).toContain("registered: no -> yes");
    expect(await chain.read("ServiceRegistry", "getServiceURI", [operator.hex])).toBe(uri);
    const [, rewardCut, feeShare] = (await chain.read("BondingManager", "getTranscoder", [
      operator.hex,
    ])) as readonly unknown[];
    expect([rewardCut, feeShare]).toEqual([100_000n, 50_000n]);
    const before = goodRun(await operator.ask(["status", "--json"])).json() as {
      orchestrator: { isActive: boolean };
    };
    expect(before.orchestrator).toMatchObject({ isRegistered: true, isActive: false, serviceUri: uri });
    await chain.nextRound();
    const status = goodRun(await operator.ask(["status"]));
    expect(status.out).toContain("registered and active");
    // The approval was for exactly what was bonded.
    expect(await chain.read("LivepeerToken", "allowance", [operator.hex, chain.bondingManager])).toBe(0n);
  });

  test("chain check 18: a second time is refused in go-livepeer's words", async () => {
    const operator = await openOperator();
    goodRun(await operator.cli(["register", "100", ...cuts, "--serviceUri", uri]));
    const again = await operator.cli(["register", "100", ...cuts, "--serviceUri", uri]);
    expect(again.code).toBe(1);
    expect(again.err).toContain("orchestrator already registered");
  });

  test("it is taken up where it stopped: what the chain shows as done is left out", async () => {
    const operator = await openOperator();
    goodRun(await operator.cli(["set-service-uri", uri, "--registry", "main"]));
    await chain.write("LivepeerToken", "approve", [chain.bondingManager, 500n * lpt], { from: operator.hex });
    const bonded = goodRun(await operator.cli(["bond", "100", "--to", operator.hex]));
    expect(bonded.out).toContain("may take as much already");
    const run = goodRun(
      await operator.cli(["register", "100", ...cuts, "--serviceUri", uri, "--json"]),
    ).json();
    expect((run["steps"] as { name: string }[]).map(({ name }) => name)).toEqual(["transcoder"]);
    expect(run["done"]).toEqual([`The ServiceRegistry has ${uri}`, "100 LPT are bonded to yourself"]);
    expect((await delegatorOf(operator.account))[0]).toBe(100n * lpt);
  });

  test("chain check 6: in a locked round nothing is sent, and the end is named", async () => {
    const operator = await openOperator();
    const round = await chain.nextRound();
    const end = (round + 1n) * 100n;
    await chain.mine(end - (await chain.blockNumber()) - 5n);
    const run = await operator.cli(["register", "100", ...cuts, "--serviceUri", uri]);
    expect(run.code).toBe(1);
    expect(run.err).toContain("current round is locked");
    expect(run.err).toContain(`Round ${round} ends at L1 block ${end}, in 5 blocks`);
    expect(await chain.read("ServiceRegistry", "getServiceURI", [operator.hex])).toBe("");
    expect(await chain.anvil.rpc("eth_getTransactionCount", operator.hex, "latest")).toBe("0x0");
    await chain.nextRound();
  });

  test("in a locked round the cuts of one that is registered stay as they are, and stake still moves", async () => {
    const operator = await openOperator();
    goodRun(await operator.cli(["register", "100", ...cuts, "--serviceUri", uri]));
    const round = await chain.nextRound();
    await chain.mine((round + 1n) * 100n - (await chain.blockNumber()) - 9n);
    const run = await operator.cli(["set-cuts", "--rewardCut", "20"]);
    expect(run.code).toBe(1);
    expect(run.err).toContain("current round is locked");
    goodRun(await operator.cli(["bond", "1"]));
    expect((await delegatorOf(operator.account))[0]).toBe(101n * lpt);
    expect((await transcoderOf(operator.hex)).slice(1, 3)).toEqual([100_000n, 50_000n]);
    await chain.nextRound();
  });

  test("a lock is bonded anew in place of LPT, and the address goes to both registries", async () => {
    const operator = await openOperator();
    goodRun(await operator.cli(["register", "100", ...cuts, "--serviceUri", uri]));
    await chain.nextRound();
    goodRun(await operator.cli(["unbond", "all"]));
    await chain.nextRound();
    const missing = await operator.cli(["register", "--lock", "5", ...cuts, "--serviceUri", uri]);
    expect(missing.err).toContain("invalid unbonding lock ID");
    const other = "https://p.example:8935";
    const both = ["--registry", "both", "--aiRegistry", chain.aiServiceRegistry, "--serviceUri", other];
    const run = goodRun(await operator.cli(["register", "--lock", "0", ...cuts, ...both, "--json"])).json();
    const stepNames = (run["steps"] as { name: string }[]).map(({ name }) => name);
    expect(stepNames).toEqual(["setServiceUri", "setAiServiceUri", "rebond"]);
    expect((await delegatorOf(operator.account))[0]).toBe(100n * lpt);
    expect((run["after"] as { lptBalance: string }).lptBalance).toBe(String(900n * lpt));
    const status = goodRun(
      await operator.ask(["status", "--json", "--aiRegistry", chain.aiServiceRegistry]),
    ).json();
    expect(status["orchestrator"]).toMatchObject({
      ...{ isRegistered: true, serviceUri: other, aiServiceUri: other },
    });
  });

  test("too little LPT is said before anything is sent", async () => {
    const operator = await openOperator(5n * lpt);
    const run = await operator.cli(["register", "5.5", ...cuts, "--serviceUri", uri]);
    expect(run.code).toBe(1);
    expect(run.err).toContain("The account has 5 LPT (5000000000000000000 wei), which is 0.5 LPT too little");
  });
});

describe("stake", () => {
  test("chain check 23: unbond, wait, withdraw; a lock is not free a round too early", async () => {
    const operator = await openOperator();
    goodRun(await operator.cli(["register", "100", ...cuts, "--serviceUri", uri]));
    await chain.nextRound();
    const unbonded = goodRun(await operator.cli(["unbond", "40"]));
    const round = (await chain.read("RoundsManager", "currentRound", [])) as bigint;
    expect(unbonded.out).toContain(`\`bun run cli withdraw-stake 0\` from round ${round + 7n} on`);
    const locks = goodRun(await operator.ask(["locks", "--json"])).json();
    expect(locks["locks"]).toEqual([
      { id: "0", amount: String(40n * lpt), withdrawRound: String(round + 7n), isWithdrawable: false },
    ]);
    const early = await operator.cli(["withdraw-stake", "0"]);
    expect(early).toMatchObject({ code: 1 });
    expect(early.err).toContain("withdraw round must be before or equal to the current round");
    await chain.setRound(round + 7n);
    const before = (await chain.read("LivepeerToken", "balanceOf", [operator.hex])) as bigint;
    goodRun(await operator.cli(["withdraw-stake", "0"]));
    expect(await chain.read("LivepeerToken", "balanceOf", [operator.hex])).toBe(before + 40n * lpt);
    const gone = await operator.cli(["withdraw-stake", "0"]);
    expect(gone.err).toContain("invalid unbonding lock ID");
    expect(goodRun(await operator.ask(["locks"])).out).toBe("No stake is on its way out.");
  });

  test("unbond all and rebond from unbonded; a lock goes back to the delegate that it came from", async () => {
    const operator = await openOperator();
    goodRun(await operator.cli(["register", "100", ...cuts, "--serviceUri", uri]));
    await chain.nextRound();
    goodRun(await operator.cli(["unbond", "10"]));
    goodRun(await operator.cli(["rebond", "0"]));
    expect((await delegatorOf(operator.account))[0]).toBe(100n * lpt);
    const all = goodRun(await operator.cli(["unbond", "all"]));
    expect(all.out).toContain("you leave the pool at the end of this round");
    const nowhere = await operator.cli(["rebond", "1"]);
    expect(nowhere.err).toContain("caller must be bonded");
    goodRun(await operator.cli(["rebond", "1", "--to", checksumHex(operator.account)]));
    expect((await delegatorOf(operator.account))[0]).toBe(100n * lpt);
    const missing = await operator.cli(["rebond", "9"]);
    expect(missing.err).toContain("invalid unbonding lock ID");
  });

  test("a delegator bonds to an orchestrator, adds only the additional amount, and moves", async () => {
    const [first, second] = await chain.addOrchestrators(2);
    const delegator = await openOperator();
    goodRun(await delegator.cli(["bond", "100", "--to", String(first)]));
    const more = goodRun(await delegator.cli(["bond", "50"]));
    expect(more.out).toContain("50 LPT (50000000000000000000 wei) on top of what is bonded");
    const moved = goodRun(await delegator.cli(["bond", "0", "--to", String(second)]));
    expect(moved.out).toContain("All of your stake, 150 LPT, moves from");
    const [bonded, , delegate] = await delegatorOf(delegator.account);
    expect([bonded, String(delegate).toLowerCase()]).toEqual([150n * lpt, String(second).toLowerCase()]);
    const pending = await delegator.cli(["unbond", "1"]);
    expect(pending.err).toContain("caller must be bonded");
    expect(pending.err).toContain("Your bond begins with round");
  });

  test("what the chain would refuse is not sent", async () => {
    const operator = await openOperator();
    const nobody = await operator.cli(["unbond", "1"]);
    expect(nobody.err).toContain("This account has no stake");
    const self = await operator.cli(["bond", "1", "--to", operator.hex]);
    expect(self.err).toContain("Use `bun run cli register`");
    expect((await operator.cli(["bond", "1"])).err).toContain("there is no delegate yet");
    expect((await operator.cli(["transfer", "2000", `0x${"ab".repeat(20)}`])).err).toContain("too little");
    expect((await operator.cli(["transfer", "1", chain.bondingManager])).err).toContain(
      "that is the contract",
    );
    expect(await chain.anvil.rpc("eth_getTransactionCount", operator.hex, "latest")).toBe("0x0");
  });
});

describe("cuts, addresses, callers", () => {
  test("chain check 19: cuts are sent in parts per million; an active one needs this round's reward first", async () => {
    const operator = await openOperator();
    goodRun(await operator.cli(["register", "200", ...cuts, "--serviceUri", uri]));
    await chain.nextRound();
    const early = await operator.cli(["set-cuts", "--rewardCut", "30", "--feeCut", "50"]);
    expect(early.err).toContain(
      "caller can't be active or must have already called reward for the current round",
    );
    goodRun(await operator.cli(["reward"]));
    const run = goodRun(await operator.cli(["set-cuts", "--feeCut", "0.57"]));
    expect(run.out).toContain("(994300 parts per million), a fee cut of 0.57 %");
    const [, rewardCut, feeShare] = (await chain.read("BondingManager", "getTranscoder", [
      operator.hex,
    ])) as readonly unknown[];
    expect([rewardCut, feeShare]).toEqual([100_000n, 994_300n]);
    const same = goodRun(await operator.cli(["set-cuts", "--feeCut", "0.57"]));
    expect(same.out).toBe("The cuts are so already.");
  });

  test("the address goes to both registries, and status shows where another one stands", async () => {
    const operator = await openOperator();
    const ai = ["--aiRegistry", chain.aiServiceRegistry];
    const run = goodRun(await operator.cli(["set-service-uri", uri, ...ai, "--json"])).json();
    expect((run["steps"] as { name: string }[]).map(({ name }) => name)).toEqual([
      "setServiceUri",
      "setAiServiceUri",
    ]);
    const status = goodRun(
      await operator.ask(["status", "--json", ...ai, "-serviceAddr", "n.example:8935"]),
    ).json();
    expect(status["drift"]).toEqual([
      { registry: "ServiceRegistry", stored: uri, wanted: "https://n.example:8935" },
      { registry: "AIServiceRegistry", stored: uri, wanted: "https://n.example:8935" },
    ]);
    goodRun(await operator.cli(["set-service-uri", "-serviceAddr", "n.example:8935", "--registry", "main"]));
    const after = goodRun(await operator.ask(["status", ...ai, "-serviceAddr", "n.example:8935"]));
    expect(after.out).toContain("! The AIServiceRegistry has https://o.example:8935");
    expect(after.out).not.toContain("! The ServiceRegistry");
    expect((await operator.cli(["set-service-uri", uri, "--registry", "ai"])).err).toContain(
      "no AI service registry",
    );
  });

  test("a node with a key of its own for rewards: the command uses that key, and the others use the own one", async () => {
    const operator = await openOperator();
    const callerKey = freshCliKey();
    const caller = await openOperator(0n, callerKey);
    writeKeystore(`${operator.dataDir}/keystore`, callerKey, "secret");
    const keys = ["-ethAcctAddr", operator.hex, "-rewardAcctAddr", caller.hex];
    goodRun(await operator.cli(["register", "200", ...cuts, "--serviceUri", uri, ...keys]));
    goodRun(await operator.cli(["reward-caller", "set", caller.hex, ...keys]));
    await chain.nextRound();
    const run = goodRun(await operator.cli(["reward", "--json", ...keys])).json();
    expect(run).toMatchObject({ account: caller.hex, result: "done" });
    expect(await chain.rewardsOf(operator.account)).toHaveLength(1);
  });

  test("a reward caller is set, calls the reward with its own key, and is unset", async () => {
    const operator = await openOperator();
    const callerKey = freshCliKey();
    const caller = await openOperator(0n, callerKey);
    goodRun(await operator.cli(["register", "200", ...cuts, "--serviceUri", uri]));
    const stranger = ["-ethOrchAddr", operator.hex];
    await chain.nextRound();
    expect((await caller.cli(["reward", ...stranger])).err).toContain("has not named");
    goodRun(await operator.cli(["reward-caller", "set", checksumHex(caller.account)]));
    const status = goodRun(await operator.ask(["status"]));
    expect(status.out).toContain(checksumHex(caller.account));
    const run = goodRun(await caller.cli(["reward", ...stranger]));
    expect(run.out).toContain("rewardForTranscoderWithHint");
    expect(await chain.rewardsOf(operator.account)).toHaveLength(1);
    const again = goodRun(await caller.cli(["reward", ...stranger]));
    expect(again.out).toContain("has been called already");
    goodRun(await operator.cli(["reward-caller", "unset"]));
    expect(await chain.read("BondingManager", "transcoderToRewardCaller", [operator.hex])).toBe(
      `0x${"0".repeat(40)}`,
    );
    await chain.nextRound();
    expect((await caller.cli(["reward", ...stranger])).err).toContain("has not named");
    expect(await chain.rewardsOf(operator.account)).toHaveLength(1);
    expect(goodRun(await operator.cli(["reward-caller", "unset"])).out).toBe("No reward caller is set.");
  });
});

describe("money", () => {
  test("LPT is transferred", async () => {
    const operator = await openOperator();
    const to: Hex = `0x${"cd".repeat(20)}`;
    goodRun(await operator.cli(["transfer", "12wei", to]));
    expect(await chain.read("LivepeerToken", "balanceOf", [to])).toBe(12n);
  });

  test("fees of tickets are withdrawn, a part of them or all", async () => {
    const operator = await openOperator();
    goodRun(await operator.cli(["register", "200", ...cuts, "--serviceUri", uri]));
    expect(goodRun(await operator.cli(["withdraw-fees"])).out).toBe("There are no fees to withdraw.");
    await chain.nextRound();
    const round = await chain.read("RoundsManager", "currentRound", []);
    await chain.anvil.rpc("anvil_setBalance", chain.minter, "0xde0b6b3a7640000");
    // What the test chain takes at most for a transaction of a test.
    await chain.giveEther(chain.ticketBroker, 20n * lpt);
    const fees = 10n ** 16n;
    await chain.write("BondingManager", "updateTranscoderWithFees", [operator.hex, fees, round], {
      from: chain.ticketBroker,
    });
    expect((await operator.cli(["withdraw-fees", "1"])).err).toContain("There are 0.01 ETH");
    const elsewhere: Hex = `0x${"ce".repeat(20)}`;
    goodRun(await operator.cli(["withdraw-fees", "0.004", "--to", elsewhere]));
    expect(BigInt(String(await chain.anvil.rpc("eth_getBalance", elsewhere, "latest")))).toBe(
      4n * 10n ** 15n,
    );
    const rest = goodRun(await operator.cli(["withdraw-fees", "all", "--json"])).json();
    expect((rest["before"] as { pendingFees: string }).pendingFees).toBe(String(6n * 10n ** 15n));
    expect((rest["after"] as { pendingFees: string }).pendingFees).toBe("0");
  });

  test("claim-earnings books a delegator's pending stake, to the wei", async () => {
    const operator = await openOperator();
    goodRun(await operator.cli(["register", "200", ...cuts, "--serviceUri", uri]));
    const delegator = await openOperator();
    const none = goodRun(await delegator.cli(["claim-earnings"]));
    expect(none.out).toContain("This account has no stake");
    goodRun(await delegator.cli(["bond", "100", "--to", operator.hex]));
    await chain.nextRound();
    goodRun(await operator.cli(["reward"]));
    const round = await chain.read("RoundsManager", "currentRound", []);
    const pending = (await chain.read("BondingManager", "pendingStake", [delegator.hex, round])) as bigint;
    expect(pending).toBeGreaterThan(100n * lpt);
    const run = goodRun(await delegator.cli(["claim-earnings", "--json"])).json();
    expect(run["notes"]).toContain(
      `Stake becomes ${amountText(pending, "LPT")}, fees ${amountText(0n, "ETH")}.`,
    );
    expect((await delegatorOf(delegator.account))[0]).toBe(pending);
  });

  test("the smallest amount there is arrives, and the next smaller one is refused", async () => {
    const operator = await openOperator();
    const to: Hex = `0x${"cf".repeat(20)}`;
    const wrong = await operator.cli(["transfer", "0.0000000000000000001", to]);
    expect(wrong).toMatchObject({ code: 2 });
    expect(wrong.err).toContain("more than 18 decimals");
    goodRun(await operator.cli(["transfer", "0.000000000000000001", to]));
    expect(await chain.read("LivepeerToken", "balanceOf", [to])).toBe(1n);
  });

  test("an account without ETH for the gas is told how much is missing", async () => {
    const operator = await openOperator();
    await chain.anvil.rpc("anvil_setBalance", operator.hex, "0x1");
    const run = await operator.cli(["transfer", "1", `0x${"cd".repeat(20)}`]);
    expect(run.code).toBe(1);
    expect(run.err).toContain("insufficient funds for gas * price + value");
  });

  test("chain check 25: above -maxGasPrice nothing is sent, in go-livepeer's words", async () => {
    const operator = await openOperator();
    await chain.setBaseFee(2_000_000_000n);
    const run = await operator.cli(["transfer", "1", `0x${"cd".repeat(20)}`, "-maxGasPrice", "1000000000"]);
    expect(run.code).toBe(1);
    expect(run.err).toContain("current gas price exceeds maximum gas price max=1 GWei current=");
    await chain.setBaseFee(1_000_000n);
    await chain.mine(1);
  });
});

describe("rounds and votes", () => {
  test("a round that nobody started is started; until then the others say so", async () => {
    const operator = await openOperator();
    const round = (await chain.read("RoundsManager", "currentRound", [])) as bigint;
    await chain.mine((round + 1n) * 100n - (await chain.blockNumber()));
    const refused = await operator.cli(["reward"]);
    expect(refused.err).toContain("current round is not initialized");
    expect(refused.err).toContain("bun run cli initialize-round");
    goodRun(await operator.cli(["initialize-round"]));
    expect(await chain.read("RoundsManager", "currentRoundInitialized", [])).toBe(true);
    expect(goodRun(await operator.cli(["initialize-round"])).out).toContain("is initialised already");
  });

  test("chain check 45: a vote in a poll, until it is over", async () => {
    const operator = await openOperator();
    goodRun(await operator.cli(["register", "200", ...cuts, "--serviceUri", uri]));
    await chain.write("PollCreator", "createPoll", ["0x1234"], { from: operator.hex });
    const [created] = await chain.logs("PollCreator", "PollCreated");
    const poll = String(created?.args["poll"]);
    const run = goodRun(await operator.cli(["vote", poll, "no"]));
    expect(run.out).toContain("choice: no (1)");
    goodRun(await operator.cli(["vote", poll, "yes"]));
    expect(await votesIn(poll)).toEqual([
      [operator.hex, 1n],
      [operator.hex, 0n],
    ]);
    const wrong = await operator.cli(["vote", chain.livepeerToken, "yes"]);
    expect(wrong.err).toContain("invalid poll contract address");
    await chain.mine(BigInt(String(created?.args["endBlock"])) - (await chain.blockNumber()) + 1n);
    const late = await operator.cli(["vote", poll, "yes"]);
    expect(late).toMatchObject({ code: 1 });
    expect(late.err).toContain("poll is over");
    expect(await votesIn(poll)).toHaveLength(2);
    await chain.nextRound();
  });

  test("chain check 46: a vote on a proposal with its reason, once", async () => {
    const operator = await openOperator();
    goodRun(await operator.cli(["register", "200", ...cuts, "--serviceUri", uri]));
    await chain.write("LivepeerGovernor", "propose", [[operator.hex], [0n], ["0x"], "a test"]);
    const id = String((await chain.logs("LivepeerGovernor", "ProposalCreated")).at(-1)?.args["proposalId"]);
    const early = await operator.cli(["vote-proposal", id, "for"]);
    expect(early.code).toBe(1);
    expect(early.err).toContain("Governor: vote not currently active");
    expect(early.err).toContain("Votes on this proposal are not taken now.");
    await chain.nextRound();
    await chain.nextRound();
    goodRun(await operator.cli(["vote-proposal", id, "for", "--reason", "it is right"]));
    const [cast] = (await chain.logs("LivepeerGovernor", "VoteCast")).slice(-1);
    expect(cast?.args).toMatchObject({ support: 1, reason: "it is right" });
    const twice = await operator.cli(["vote-proposal", id, "against"]);
    expect(twice.err).toContain("VoteAlreadyCast()");
    expect(twice.err).toContain("This account has voted on the proposal.");
  });
});

test("protocol shows the parameters, for people and for machines", async () => {
  const operator = await openOperator(0n);
  const json = goodRun(await operator.ask(["protocol", "--json"])).json();
  expect(json).toMatchObject({ command: "protocol", isPaused: false, unbondingPeriod: "7" });
  expect(json["round"]).toMatchObject({ length: "100", lockAmount: "100000" });
  expect(goodRun(await operator.ask(["protocol"])).out).toContain("7 rounds");
});
