import { cpSync, rmSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { toHex } from "../../../../src/protocol/bytes.ts";
import { ZERO } from "../../../../src/protocol/rational.ts";
import { temporaryDir } from "../../../support/nodeFixture.ts";
import { recordedEvents } from "../../../support/nodeLog.ts";
import { startCrashing } from "../../../support/nodeProcess.ts";
import {
  auditMoney,
  everyTicketWins,
  giveKey,
  type MoneyWorld,
  nodeAccount,
  openMoneyWorld,
  openOnchainNode,
  wonTickets,
} from "../../../support/onchainNode.ts";

/*
 * Goal: `kill -9` between any two steps of a reward and of a redemption of three winners in one batch: after a restart
 * the round has exactly one reward, every winner is paid exactly once, no nonce is left out, and the books agree with
 * the chain.
 *
 * Method: a folder holds three winners; the chain stands in the last quarter of the next round, where they are due at
 * once, and so is the reward. Each trial puts the chain and the folder back there, lets a node in a process of its own
 * end itself at a named point, and has a successor in the test process finish. The list of
 * points is compared with the events of a whole walk, so that a new step cannot go untested.
 */

setDefaultTimeout(120_000);

const roundLength = 200n;
const pollMs = 10;
const winners = 3;
const us = toHex(nodeAccount);
const keepingFlags = [...everyTicketWins, "-maxGatewayLoss", `${10n ** 18n}`, "-reward=true"];
const flags = [...keepingFlags, "-redeem=true"];

let world: MoneyWorld;
/** The folder with the winners, and the chain as it stands then. */
let template: string;
let snapshot: unknown;
/** What {@link us} had sent, and its rewards and fees, when the snapshot was taken. */
let before: { readonly nonce: bigint; readonly rewards: number; readonly fees: bigint };
const folders: string[] = [];

const nonceOf = async (tag: string): Promise<bigint> =>
  BigInt(String(await world.chain.anvil.rpc("eth_getTransactionCount", us, tag)));

beforeAll(async () => {
  world = await openMoneyWorld({ roundLength });
  const { chain } = world;
  // A real orchestrator: the reward of one that the tests made up is nothing.
  await chain.setActive(nodeAccount, false);
  await chain.register(nodeAccount, 1_000n * 10n ** 18n);
  await chain.nextRound();
  template = freshFolder();
  {
    await using node = await openOnchainNode(world, { dataDir: template, flags: keepingFlags });
    await using _ = pump();
    await node.until("this round is over for it", () => recordedTypes(template).includes("RewardConfirmed"));
    const gateway = await node.gateway();
    const info = await gateway.open();
    await gateway.sendPayment(info.authToken?.sessionId ?? "", ZERO, { count: winners });
  }
  expect(wonTickets(template)).toHaveLength(winners);
  await chain.nextRound();
  await chain.mine((roundLength * 3n) / 4n);
  await chain.holdMining();
  before = {
    nonce: await nonceOf("latest"),
    rewards: (await chain.rewardsOf(us)).length,
    fees: await chain.feesOf(nodeAccount),
  };
  snapshot = await chain.anvil.rpc("evm_snapshot");
});

afterAll(async () => {
  await world[Symbol.asyncDispose]();
  for (const folder of folders) rmSync(folder, { recursive: true, force: true });
});

function freshFolder(): string {
  const folder = temporaryDir();
  folders.push(folder);
  giveKey(folder);
  return folder;
}

/** The chain as it stood when there were three winners and nothing was sent. */
async function rewind(): Promise<void> {
  const { anvil } = world.chain;
  await anvil.rpc("anvil_dropAllTransactions");
  expect(await anvil.rpc("evm_revert", snapshot)).toBe(true);
  snapshot = await anvil.rpc("evm_snapshot");
}

/** Mines what we have sent within 20 ms, and three blocks on top of it: no more, or the next round comes. */
function pump(): AsyncDisposable {
  let isOver = false;
  const run = async (): Promise<void> => {
    // What a node before us has sent may lack a block on top.
    let extra = 3;
    let last = await nonceOf("latest");
    while (!isOver) {
      const [mined, pending] = [await nonceOf("latest"), await nonceOf("pending")];
      if (mined !== last || pending > mined) extra = 3;
      last = mined;
      if (extra > 0) await world.chain.mine(1);
      extra = Math.max(0, extra - 1);
      await Bun.sleep(20);
    }
  };
  const running = run();
  return {
    [Symbol.asyncDispose]: async () => {
      isOver = true;
      await running;
    },
  };
}

type Point = { readonly point: string; readonly nth: number };

/** Starts a node on the folder, which dies at the point. */
async function dieAt(dataDir: string, killAtPoint: Point): Promise<void> {
  await using node = await startCrashing(dataDir, { killAt: 0, workersLost: 0, killAtPoint, pollMs }, [
    ...world.flags,
    ...flags,
  ]);
  await using _ = pump();
  expect(await Promise.race([node.ended, Bun.sleep(60_000)])).toBe("SIGKILL");
}

/** A successor finishes what there is to do; everything must have happened once. */
async function finish(dataDir: string, tickets: number): Promise<void> {
  const { chain } = world;
  {
    await using node = await openOnchainNode(world, { dataDir, flags });
    await using _ = pump();
    const { money } = node.running;
    await node.until("nothing is open any more", () => {
      const sent = money?.office.transactions.open().length ?? 0;
      const isRewarded = recordedTypes(dataDir).includes("RewardConfirmed");
      return isRewarded && sent === 0 && [...(money?.money.tickets.open() ?? [1])].length === 0;
    });
    expect(node.fatal).toEqual([]);
  }
  expect(await chain.rewardsOf(us)).toHaveLength(before.rewards + 1);
  const redeemed = await chain.logs("TicketBroker", "WinningTicketRedeemed");
  expect(new Set(redeemed.map(({ args }) => args["senderNonce"])).size).toBe(tickets);
  expect(redeemed).toHaveLength(tickets);
  const brought = redeemed.reduce((sum, { args }) => sum + (args["faceValue"] as bigint), 0n);
  expect(await chain.feesOf(nodeAccount)).toBe(before.fees + brought);
  // One transaction for the reward, one for all tickets; none waits behind a gap.
  const sent = before.nonce + (tickets === 0 ? 1n : 2n);
  expect([await nonceOf("latest"), await nonceOf("pending")]).toEqual([sent, sent]);
  await auditMoney(dataDir);
}

function recordedTypes(dataDir: string): readonly string[] {
  return recordedEvents(dataDir).map(({ event }) => event.type);
}

/** Each type that both walks record, and which of them; both sides of each are tried. */
const steps = [
  ...[
    ["RoundObserved", 1],
    ["RoundOpened", 1],
    ["RoundInitialized", 1],
    ["RewardDue", 1],
    ["RewardSubmitted", 1],
  ],
  ...[
    ["NonceReserved", 1],
    ["NonceReserved", 2],
    ["TransactionPlanned", 1],
    ["TransactionPlanned", 2],
  ],
  ...[
    ["TransactionSigned", 1],
    ["TransactionSigned", 2],
    ["RedemptionSubmitted", 1],
    ["RedemptionSubmitted", 3],
  ],
  ...[
    ["TransactionMined", 1],
    ["TransactionMined", 2],
    ["RewardMined", 1],
    ["TicketPaid", 1],
    ["TicketPaid", 3],
  ],
  ...[
    ["BlocksSeen", 1],
    ["TransactionConfirmed", 1],
    ["TransactionConfirmed", 2],
  ],
  ...[
    ["RewardConfirmed", 1],
    ["TicketRedeemed", 1],
    ["TicketRedeemed", 3],
  ],
] as const;

describe("kill -9 from the round's start to the last confirmation", () => {
  test("the walks have no step that is not tried", async () => {
    await rewind();
    const dataDir = temporaryDir();
    folders.push(dataDir);
    cpSync(template, dataDir, { recursive: true });
    const known = recordedEvents(dataDir).length;
    await finish(dataDir, winners);
    const types = new Set(recordedTypes(dataDir).slice(known));
    const tried = new Set<string>(steps.map(([type]) => type as string));
    expect([...types].filter((type) => !tried.has(type))).toEqual([]);
    expect([...tried].filter((type) => !types.has(type))).toEqual([]);
  });

  test.each(
    steps.flatMap(([type, nth]) => [[`decided:${type}`, nth] as const, [`durable:${type}`, nth] as const]),
  )("at %s, number %d", async (point, nth) => {
    await rewind();
    const dataDir = temporaryDir();
    folders.push(dataDir);
    cpSync(template, dataDir, { recursive: true });
    await dieAt(dataDir, { point, nth: nth as number });
    await finish(dataDir, winners);
  });

  /** What only the first life of a folder records. */
  const firstSteps = ["TicketTermsChanged", "PriceChanged", "WatchStarted", "NonceCorrected"] as const;

  test("a first life inside a round has no step that is not tried", async () => {
    await rewind();
    const dataDir = freshFolder();
    await finish(dataDir, 0);
    const tried = new Set<string>([...firstSteps, ...steps.map(([type]) => type as string)]);
    expect([...new Set(recordedTypes(dataDir))].filter((type) => !tried.has(type))).toEqual([]);
  });

  test.each(firstSteps.flatMap((type) => [`decided:${type}`, `durable:${type}`]))(
    "at %s of a first life inside a round",
    async (point) => {
      await rewind();
      const dataDir = freshFolder();
      await dieAt(dataDir, { point, nth: 1 });
      await finish(dataDir, 0);
    },
  );
});
