import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { ZERO } from "../../../../src/protocol/rational.ts";
import { type CliOperator, goodRun, openCliOperator } from "../../../support/cliOperator.ts";
import { removeCliFolders } from "../../../support/cliRun.ts";
import { eventually } from "../../../support/eventually.ts";
import { openNode, type TestNode } from "../../../support/nodeFixture.ts";
import { recordedEvents } from "../../../support/nodeLog.ts";
import { dataOf, profileOf, tinySegment } from "../../../support/nodeSegments.ts";
import { auditMoney, type MoneyWorld, openMoneyWorld, withFastPolls } from "../../../support/onchainNode.ts";
import type { PayingGateway } from "../../../support/payingGateway.ts";

/*
 * Goal: an account with LPT becomes an orchestrator that starts rounds, is rewarded in each, is paid for real segments,
 * redeems and takes its money out, over several rounds and a restart: with nothing but the node's flags and commands.
 *
 * Method: the script of the chain sheet, 11.4, on a chain with a block every few milliseconds. The gateway is ours, with
 * the rules of go-livepeer's; go-livepeer's own is no part of this repository.
 */

setDefaultTimeout(120_000);

const lpt = 10n ** 18n;
const roundLength = 100n;
const ev = 10n ** 15n;
const faceValue = ev + 1n;
const flags = [
  ...["-pricePerUnit", "1200", "-ticketEV", `${ev}`, "-maxFaceValue", `${faceValue}`],
  ...["-maxGatewayLoss", `${10n ** 18n}`, "-confirmations", "2"],
];
const starting = [...flags, "-initializeRound", "-initializeRoundMaxDelay", "0s"];

let world: MoneyWorld;
let operator: CliOperator;

beforeAll(async () => {
  world = await openMoneyWorld({ roundLength, baseFee: 1_000_000n });
  await world.chain.forgetPoolSize();
  // An empty pool would leave the reserve of every gateway without a share.
  await world.chain.addOrchestrators(2);
  operator = await openCliOperator(world.chain);
});
afterAll(async () => {
  await world[Symbol.asyncDispose]();
  removeCliFolders();
});

/** A block about every 25 ms until it is disposed of. */
function blocks(): AsyncDisposable {
  let isOver = false;
  const mining = (async () => {
    while (!isOver) {
      await world.chain.mine(1);
      await Bun.sleep(25);
    }
  })();
  return {
    [Symbol.asyncDispose]: async () => {
      isOver = true;
      await mining;
    },
  };
}

const openOwn = (nodeFlags: readonly string[]): Promise<TestNode> =>
  openNode({
    dataDir: operator.dataDir,
    flags: [...operator.flags, ...nodeFlags],
    alterConfig: withFastPolls,
  });

/** A command beside the running node. */
function command(node: TestNode, ...words: readonly string[]) {
  const { host, port } = node.running.operator.address;
  return operator.cli([...words, "-cliAddr", `${host}:${port}`]);
}

const countOf = (type: string): number =>
  recordedEvents(operator.dataDir).filter(({ event }) => event.type === type).length;
const isActive = () => world.chain.read("BondingManager", "isActiveTranscoder", [operator.hex]);
const lastStarted = async (): Promise<bigint> =>
  (await world.chain.read("RoundsManager", "lastInitializedRound", [])) as bigint;

/** Segments and further tickets that all win. Returns how many. */
async function stream(gateway: PayingGateway): Promise<number> {
  const media = await tinySegment();
  let tickets = 0;
  for (let seq = 0; seq < 3; seq += 1) {
    const submission = { manifestId: "movie", seq, media, durationMs: 200, profiles: [profileOf()] };
    const { answer, sent } = await gateway.sendSegment(submission, { count: 2 });
    expect(dataOf(answer).segments).toHaveLength(1);
    tickets += sent.ticketsSent;
  }
  return tickets;
}

async function payer(node: TestNode): Promise<PayingGateway> {
  const gateway = world.gateway(node.serviceUri, await world.fundedKey(), {
    limits: { maxTicketEv: 2n * ev, maxTotalEv: 100n * ev },
    nowMs: node.nowMs,
  });
  const info = await eventually("a session", () => gateway.open().catch(() => null), 30_000);
  expect(info.ticketParams?.recipient).toEqual(operator.account);
  expect(info.priceInfo?.pricePerUnit).toBeGreaterThan(0n);
  return gateway;
}

/** The node is rewarded in the round after this one, once. */
async function rewardedNext(): Promise<void> {
  const before = (await world.chain.rewardsOf(operator.hex)).length;
  const round = await lastStarted();
  await eventually(
    "the next round's reward",
    async () =>
      (await lastStarted()) > round && (await world.chain.rewardsOf(operator.hex)).length > before
        ? true
        : null,
    60_000,
  );
}

test("chain check 50: the script of a local chain, over several rounds, by flags and commands alone", async () => {
  const { chain } = world;
  let won = 0;
  {
    await using node = await openOwn(starting);
    await using _ = blocks();
    // 3. Address, approval, bond, cuts: outside of the lock, and in a round that the node itself has started.
    const words = ["register", "100", "--rewardCut", "10", "--feeCut", "95", "--serviceUri", node.serviceUri];
    await eventually(
      "a registration",
      async () => ((await command(node, ...words)).code === 0 ? true : null),
      30_000,
    );
    const [activated] = (await chain.logs("BondingManager", "TranscoderActivated")).slice(-1);
    expect(String(activated?.args["transcoder"]).toLowerCase()).toBe(operator.hex);
    const stored = await chain.read("ServiceRegistry", "getServiceURI", [operator.hex]);
    expect(stored).toBe(node.serviceUri);
    // 4. Two rounds, begun by the node and rewarded.
    await rewardedNext();
    await rewardedNext();
    expect(await isActive()).toBe(true);
    // 5. A stream that is paid.
    won += await stream(await payer(node));
    await eventually("all of it is redeemed", () => (countOf("TicketPaid") === won ? true : null), 60_000);
  }
  {
    // 5 and 6. The next life of the node: it starts no rounds, and its winners are due in one that nobody has started.
    await using node = await openOwn(flags);
    const gateway = await startRoundFor(node);
    won += await stream(gateway);
    const round = await lastStarted();
    await chain.mine((round + 1n) * roundLength - (await chain.blockNumber()));
    const [paid, rewards] = [countOf("TicketPaid"), (await chain.rewardsOf(operator.hex)).length];
    await eventually("it knows the new round's blocks", () => {
      const block = node.running.money?.chain.clock()?.l1Block ?? 0n;
      return block >= (round + 1n) * roundLength ? true : null;
    });
    await chain.mine(50);
    expect(await lastStarted()).toBe(round);
    expect([countOf("TicketPaid"), (await chain.rewardsOf(operator.hex)).length]).toEqual([paid, rewards]);
    await chain.initializeRound();
    await using _ = blocks();
    await eventually(
      "redeemed once it has begun",
      () => (countOf("TicketPaid") === won ? true : null),
      60_000,
    );
    await eventually("and rewarded", async () =>
      (await chain.rewardsOf(operator.hex)).length === rewards + 1 ? true : null,
    );
  }
  await takeOut(won);
});

/** A round that somebody else starts, and a gateway in it. */
async function startRoundFor(node: TestNode): Promise<PayingGateway> {
  const round = await world.chain.nextRound();
  // Tickets of the round before it would end with this one.
  await eventually("the node knows of the round", () =>
    node.running.money?.chain.clock()?.lastInitializedRound === round ? true : null,
  );
  return payer(node);
}

/** Fees to the wei, then all of the stake: out of the set, and out of business. */
async function takeOut(won: number): Promise<void> {
  const { chain } = world;
  const transfers = (await chain.logs("TicketBroker", "WinningTicketTransfer")).filter(
    ({ args }) => String(args["recipient"]).toLowerCase() === operator.hex,
  );
  expect(transfers.map(({ args }) => args["amount"])).toEqual(Array.from({ length: won }, () => faceValue));
  await chain.nextRound();
  await using node = await openOwn([...flags, "-reward=false"]);
  const gateway = await payer(node);
  const fees = goodRun(await command(node, "withdraw-fees", "all", "--json")).json();
  expect((fees["after"] as { pendingFees: string }).pendingFees).toBe("0");
  const paidOut = (await chain.logs("BondingManager", "WithdrawFees")).at(-1);
  // What delegators and the own bond share is cut by whole parts, so that a few wei stay with the contract.
  const all = BigInt(won) * faceValue;
  expect(all - BigInt(String(paidOut?.args["amount"]))).toBeLessThan(1_000_000n);
  goodRun(await command(node, "unbond", "all"));
  const round = await chain.nextRound();
  expect(await isActive()).toBe(false);
  await eventually("the node knows", () =>
    node.running.money?.chain.clock()?.isRecipientActive === false ? true : null,
  );
  const { answer } = await gateway.sendPayment("side-account", ZERO, { count: 1 });
  expect(answer).toMatchObject({ type: "refused" });
  expect(JSON.stringify(answer)).toContain(`is inactive in round ${round}, cannot process payments`);
  await chain.setRound(round + 7n);
  goodRun(await command(node, "withdraw-stake", "0"));
  const rewards = (await chain.rewardsOf(operator.hex)).reduce((sum, amount) => sum + amount, 0n);
  expect(rewards).toBeGreaterThan(0n);
  // Everything that was bonded and minted is back, to the wei that the contract's cut leaves.
  const balance = (await chain.read("LivepeerToken", "balanceOf", [operator.hex])) as bigint;
  expect(1_000n * lpt + rewards - balance).toBeLessThan(1_000_000n);
  await node[Symbol.asyncDispose]();
  await auditMoney(operator.dataDir);
}
