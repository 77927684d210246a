import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { join } from "node:path";
import { type LogFolder, logFolder } from "../../support/logFolder.ts";
import { meddle } from "../../support/logRows.ts";
import { account, chainDay, day, hashOf, writeDay } from "./chainFolder.ts";
import type { SeenLog } from "../../../src/events/watch.ts";
import { gateways, ledger, MoneyWriter, recipient, round, rowsOf, wonTicket } from "./moneyFolder.ts";

/*
 * Goal: the ledger says to the wei what came and went on the chain and whose it is, and its check finds a single wei
 * that is amiss. Method: a day whose sums are computed here by hand, through the command itself.
 */

let folder: LogFolder;
let dataDir = "";

beforeEach(() => {
  folder = logFolder();
  dataDir = join(folder.path, "node");
});
afterEach(() => folder[Symbol.dispose]());

const run = (...argv: readonly string[]) => ledger(...argv, "--dataDir", dataDir);

async function write(change: (today: ReturnType<typeof chainDay>, writer: MoneyWriter) => void = () => {}) {
  const writer = await MoneyWriter.open(dataDir);
  const today = chainDay();
  change(today, writer);
  writeDay(writer, today);
  await writer.close();
  return today;
}

const [paid0, paid1, paid2, paid3] = day.paid;
/** 33.3333 % in the first round, also after the change that followed the reward; 50 % in the second. */
const shared0 = (paid0 * 333_333n) / 1_000_000n + (paid1 * 333_333n) / 1_000_000n;
const shared1 = (paid2 * 500_000n) / 1_000_000n;

describe("income", () => {
  test("by gateway: face value, what came, and whose it is by the contract's arithmetic", async () => {
    await write();
    const rows = await rowsOf(run("--by", "income", "--json"));
    const [face0, face1, face2, face3] = day.faceValues;
    const lines = [
      {
        ...{ by: "income", gateway: gateways[0], tickets: 2, faceValue: `${face0 + face1}` },
        ...{ paid: `${paid0 + paid1}`, feesOwn: `${paid0 + paid1 - shared0}`, feesShared: `${shared0}` },
      },
      {
        ...{ by: "income", gateway: gateways[1], tickets: 2, faceValue: `${face2 + face3}` },
        ...{ paid: `${paid2 + paid3}`, feesOwn: `${paid2 - shared1}`, feesShared: `${shared1}` },
      },
    ];
    expect(rows).toEqual(lines.toSorted((left, right) => (left.gateway < right.gateway ? -1 : 1)));
  });

  test("by round: rewards, fees and gas in the round in which they happened", async () => {
    await write();
    const own = (day.reward * 100_000n) / 1_000_000n;
    expect(await rowsOf(run("--by", "round", "--json"))).toEqual([
      {
        ...{
          by: "round",
          round: "3701",
          state: "confirmed",
          cause: null,
          forecast: `${day.reward + day.treasury}`,
        },
        ...{ reward: `${day.reward}`, rewardOwn: `${own}`, rewardShared: `${day.reward - own}` },
        ...{ treasury: `${day.treasury}`, tickets: 2, faceValue: `${day.faceValues[0] + day.faceValues[1]}` },
        ...{ paid: `${paid0 + paid1}`, feesOwn: `${paid0 + paid1 - shared0}`, feesShared: `${shared0}` },
        gasFees: `${5n * day.fee}`,
      },
      {
        ...{ by: "round", round: "3702", state: "missed", cause: "uninitialized", forecast: null },
        ...{ reward: "0", rewardOwn: "0", rewardShared: "0", treasury: "0", tickets: 2 },
        ...{ faceValue: `${day.faceValues[2] + day.faceValues[3]}`, paid: `${paid2}` },
        ...{ feesOwn: `${paid2 - shared1}`, feesShared: `${shared1}`, gasFees: `${day.fee}` },
      },
    ]);
  });

  test("what came before the first round that was seen to begin counts in the round of its transaction", async () => {
    await write(({ logs }) => {
      expect(logs.shift()?.name).toBe("NewRound");
    });
    const [line, ...others] = await rowsOf(run("--by", "round", "--json"));
    expect(line).toMatchObject({ round: "3701", tickets: 2, paid: `${paid0 + paid1}` });
    expect(others).toHaveLength(1);
  });

  test("gas by purpose, with what failed, was cancelled or lost its nonce", async () => {
    await write();
    expect(await rowsOf(run("--by", "gas", "--json"))).toEqual([
      {
        ...{ by: "gas", purpose: "redeem", transactions: 5, reverted: 0, cancelled: 1, displaced: 1 },
        ...{ gas: `${4n * 198_123n}`, fees: `${4n * day.fee}` },
      },
      {
        ...{ by: "gas", purpose: "reward", transactions: 2, reverted: 1, cancelled: 0, displaced: 0 },
        ...{ gas: `${2n * 198_123n}`, fees: `${2n * day.fee}` },
      },
    ]);
  });

  test("bonds and withdrawals, ours and our delegators'", async () => {
    await write();
    const rows = await rowsOf(run("--by", "movement", "--json"));
    expect(rows.map(({ name, isOwn, unit, amount }) => [name, isOwn, unit, amount])).toEqual([
      ["WithdrawFees", 1, "ETH", `${5n * 10n ** 16n}`],
      ["Bond", 0, "LPT", "77"],
      ["WithdrawStake", 1, "LPT", `${10n ** 18n}`],
    ]);
  });

  test("before the first change that was seen a cut is not guessed, but may be named", async () => {
    await write(({ logs }) => {
      logs.splice(1, 1);
    });
    const [line] = await rowsOf(run("--by", "round", "--json"));
    expect(line).toMatchObject({ paid: `${paid0 + paid1}`, feesOwn: null, rewardOwn: null });
    const named = ["--rewardCut", "100000", "--feeShare", "333333"];
    const [other] = await rowsOf(run("--by", "round", "--json", ...named));
    expect(other).toMatchObject({
      feesShared: `${shared0}`,
      rewardOwn: `${(day.reward * 100_000n) / 1_000_000n}`,
    });
    expect((await run("--rewardCut", "1")).errors).toContain("Name both");
    expect((await run("--rewardCut", "1", "--feeShare", "1000001")).errors).toContain("parts per million");
  });

  test("the default view ends with what the chain says, and says whose it is", async () => {
    await write();
    const { lines, code } = await run();
    expect(code).toBe(0);
    const text = lines.join("\n");
    const own = paid0 + paid1 + paid2 - shared0 - shared1;
    expect(text).toContain(`${own} wei) own`);
    expect(text).toContain(`Own fees less gas: 0.133322 ETH (${own - 6n * day.fee} wei).`);
    expect(text).toContain("what is shared by stake holds the part of our own bond too");
    const json = await rowsOf(run("--json"));
    expect(json.at(-1)).toMatchObject({
      by: "chain",
      paid: `${paid0 + paid1 + paid2}`,
      gasFees: `${6n * day.fee}`,
    });
  });

  test("a period and a gateway narrow it", async () => {
    await write();
    expect(await rowsOf(run("--by", "income", "--json", "--to", "2026-01-01T00:30:00Z"))).toEqual([]);
    const rows = await rowsOf(run("--by", "income", "--json", "--gateway", gateways[1]));
    expect(rows.map(({ gateway }) => gateway)).toEqual([gateways[1]]);
    const { lines } = await run("--by", "income", "--csv");
    expect(lines[0]).toBe("gateway,tickets,faceValue,paid,feesOwn,feesShared");
    expect(lines).toHaveLength(3);
  });
});

describe("the check", () => {
  test("proves the day to the wei", async () => {
    await write();
    const { code, lines } = await run("--check");
    expect([code, ...lines.slice(1)]).toEqual([
      0,
      `7 transactions, 2 rounds and 17 logs of the chain recomputed: ${paid0 + paid1 + paid2} wei came, ` +
        `${day.reward} LPT wei were minted, gas cost ${6n * day.fee} wei.`,
      "The ledger equals its events.",
    ]);
    const [json] = await rowsOf(run("--check", "--json"));
    expect(json).toMatchObject({
      chain: { paidByLogs: `${paid0 + paid1 + paid2}`, paidByTickets: `${paid0 + paid1 + paid2}` },
    });
  });

  // A node that runs may have seen the log and not yet the receipt; what stays so is told.
  test("lets a ticket and a reward that are under way settle, but not for long", async () => {
    const { hash, won } = wonTicket({ number: 9 });
    const at = (name: string, index: number, fields: Partial<SeenLog>): SeenLog => ({
      ...{ block: 25n, index, blockHash: hashOf("block 25"), transaction: hashOf("late"), name },
      ...{ account: recipient, other: null, amounts: [5n], text: null, ...fields },
    });
    await write(({ logs }, writer) => {
      writer.add(`ticket:${hash}`, won);
      writer.add("round:3703", {
        type: "RoundOpened",
        startBlock: 1n,
        length: 6_377n,
        rewardCut: null,
        feeShare: null,
      });
      const pair = { account: won.sender, other: recipient };
      const amounts = [won.faceValue, won.winProb, BigInt(won.senderNonce), BigInt(won.recipientRand)];
      logs.push(at("WinningTicketTransfer", 0, pair), at("WinningTicketRedeemed", 1, { ...pair, amounts }));
      logs.push(at("Reward", 2, {}));
    });
    expect((await run("--check")).code).toBe(0);
    const writer = await MoneyWriter.open(dataDir);
    writer.atMs += 7_200_000;
    writer.add("chain:own", round(3703n, 21_000_300n));
    await writer.close();
    const { code, lines } = await run("--check");
    expect([code, lines.join("\n")]).toEqual([
      1,
      expect.stringMatching(/is `won`, but transaction[\s\S]*no round knows/),
    ]);
  });

  type Change = Parameters<typeof write>[0];
  const lies: readonly (readonly [name: string, change: Change, finding: RegExp])[] = [
    [
      "a wei less came than the ticket says",
      ({ logs }) => {
        const at = logs.findIndex(({ name }) => name === "WinningTicketTransfer");
        const log = logs[at];
        if (log !== undefined) logs[at] = { ...log, amounts: [paid0 - 1n] };
      },
      /says that 100000000000000000 wei came; by transaction 0x\w+ it was 99999999999999999\./,
    ],
    [
      "the chain paid a ticket that nobody won",
      ({ tickets }) => {
        (tickets as unknown[]).splice(0, 1);
      },
      /paid 100000000000000000 wei from 0x\w+ for a ticket that this log does not know/,
    ],
    [
      "a ticket says that it was paid, and the chain does not",
      ({ logs }) => {
        logs.splice(
          0,
          logs.length,
          ...logs.filter(({ transaction }) => transaction !== hashOf("redeem one")),
        );
      },
      /says that it was paid in block 12: no log of the chain does/,
    ],
    [
      "a transfer without a ticket",
      ({ logs }) => {
        const at = logs.findIndex(({ name }) => name === "WinningTicketRedeemed");
        logs.splice(at, 1);
      },
      /paid 100000000000000000 wei from 0x\w+, for no ticket that the chain names/,
    ],
    [
      "another reward was minted than the round says",
      ({ logs }) => {
        const at = logs.findIndex(({ name }) => name === "Reward");
        const log = logs[at];
        if (log !== undefined) logs[at] = { ...log, amounts: [day.reward + 1n] };
      },
      /Round 3701 says that 315562500000000000001 LPT wei were minted; by 0x\w+ it was 315562500000000000002\./,
    ],
    [
      "a reward that no round knows of",
      ({ logs }) => {
        logs.push({
          ...{ block: 24n, index: 0, blockHash: hashOf("block 24"), transaction: hashOf("other reward") },
          ...{ name: "Reward", account: recipient, other: null, amounts: [5n], text: null },
        });
      },
      /minted 5 LPT wei for us in block 24: no round knows of it/,
    ],
    [
      "a fee that its receipt does not make",
      (_, writer) => {
        const id = `transaction:${account}/99` as const;
        writer.add(id, {
          type: "TransactionPlanned",
          ...{
            purpose: "operator",
            subject: "",
            tickets: [],
            round: null,
            chainId: 1n,
            from: account,
            nonce: 99,
          },
          ...{ to: account, value: 0n, data: "0x", gasLimit: 1n, feeMax: null },
        });
        writer.add(id, {
          type: "TransactionMined",
          ...{ hash: "0xaa", block: 1n, blockHash: "0xbb", isSuccess: true, gasUsed: 3n, gasPrice: 5n },
        });
        writer.add(id, { type: "TransactionConfirmed", hash: "0xaa", block: 1n, fee: 16n });
      },
      /\/99 cost 16 wei; by its receipt it was 15/,
    ],
  ];
  for (const [name, change, finding] of lies) {
    test(`finds that ${name}`, async () => {
      await write(change);
      const { code, lines } = await run("--check");
      expect([code, lines.join("\n")]).toEqual([1, expect.stringMatching(finding)]);
    });
  }

  const damages = [
    [
      "UPDATE chain_logs SET amounts = '[\"1\"]' WHERE name = 'Reward'",
      "The log of the chain 13/2: `amounts`",
    ],
    ["DELETE FROM chain_logs WHERE block = 12", "The log of the chain 12/3 is not listed."],
    ["UPDATE transactions SET fee = '1' WHERE nonce = 1", `The transaction ${account}/1: \`fee\``],
    ["UPDATE rounds SET amount = '1' WHERE round = '3701'", "The round 3701: `amount`"],
    ["DELETE FROM rounds WHERE round = '3702'", "The round 3702 is not listed."],
    ["UPDATE tickets SET paid_amount = '1'", "`paidAmount` is 1 and must be"],
  ] as const;
  for (const [sql, finding] of damages) {
    test(`finds a table that was changed: ${sql}`, async () => {
      await write();
      meddle(dataDir, sql);
      const { code, lines } = await run("--check");
      expect([code, lines.join("\n")]).toEqual([1, expect.stringContaining(finding)]);
    });
  }
});
