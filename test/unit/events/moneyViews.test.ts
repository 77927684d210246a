import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import fc from "fast-check";
import { chainLogsView } from "../../../src/events/views/chainLogs.ts";
import { ledgerView } from "../../../src/events/views/ledger.ts";
import { nonceMarginBlocks, noncesView } from "../../../src/events/views/nonces.ts";
import { roundsView } from "../../../src/events/views/rounds.ts";
import { ticketsView } from "../../../src/events/views/tickets.ts";
import { transactionsView } from "../../../src/events/views/transactions.ts";
import { rational } from "../../../src/protocol/rational.ts";
import { arbitraryEvents } from "../../support/logEvents.ts";
import { type LogFolder, logFolder } from "../../support/logFolder.ts";
import { meddle, readRows } from "../../support/logRows.ts";
import {
  gateways,
  type MoneyEvent,
  MoneyWriter,
  payment,
  startMs,
  wonTicket,
} from "../ledger/moneyFolder.ts";

/*
 * Goal: the tables of money hold what the events say, survive a rebuild unchanged, and stay bounded where they must.
 * Method: events through the real journal, read back through the reader that the node uses.
 */

let folder: LogFolder;
let writer: MoneyWriter;

beforeEach(async () => {
  folder = logFolder();
  writer = await MoneyWriter.open(folder.path);
});
afterEach(async () => {
  await writer.close();
  folder[Symbol.dispose]();
});

const moneyViews = [ledgerView, noncesView, ticketsView, chainLogsView, transactionsView, roundsView];
const moneyTypes: ReadonlySet<string> = new Set(moneyViews.flatMap(({ types }) => types));
const tables = [
  ...["chain_logs", "transactions", "rounds"],
  ...["tickets", "nonces", "ledger_payments", "ledger_prices"],
  ...["ledger_reservations", "ledger_jobs", "ledger_expiries"],
];
const everything = (): unknown => tables.map((table) => readRows(folder.path, `SELECT * FROM ${table}`));

describe("tickets", () => {
  test("a ticket from its draw to redemption, and one that nobody redeemed", async () => {
    const [first, second, third] = [1, 2, 3].map((number) => wonTicket({ number }));
    if (first === undefined || second === undefined || third === undefined) throw new Error();
    for (const { hash, won } of [first, second, third]) writer.add(`ticket:${hash}`, won);
    writer.atMs += 5;
    writer.add(`ticket:${first.hash}`, { type: "TicketRedeemed", txHash: "0xaa", round: 3701n });
    writer.add(`ticket:${second.hash}`, { type: "TicketExpired", round: 3702n, loss: 10n ** 17n });
    await writer.log.journal.committed();
    const { reader } = writer.log;
    expect(reader.openTickets().map(({ hash }) => hash)).toEqual([third.hash]);
    const { type: _type, ...facts } = third.won;
    expect(reader.ticket(third.hash)).toEqual({
      ...facts,
      ...{ hash: third.hash, state: "won", faceValue: "100000000000000000" },
      ...{ winProb: String(facts.winProb), creationRound: "3700", expirationBlock: "21000040" },
      ...{
        lastValidRound: "3701",
        wonMs: startMs,
        endedMs: null,
        endedRound: null,
        txHash: null,
        loss: null,
      },
      ...{ transactionId: null, paidAmount: null, paidBlock: null, held: 0, cause: null, text: null },
      redeemer: null,
    });
    expect(reader.ticket(first.hash)).toMatchObject({
      ...{ state: "redeemed", endedMs: startMs + 5, endedRound: "3701", txHash: "0xaa", loss: null },
    });
    expect(reader.ticket(second.hash)).toMatchObject({
      ...{ state: "expired", endedMs: startMs + 5, endedRound: "3702", txHash: null },
      loss: "100000000000000000",
    });
    expect(reader.ticket("0x00")).toBeNull();
    expect(reader.tickets({ sender: gateways[1] })).toEqual([]);
    expect(reader.ticketsWithPrefix(first.hash.slice(0, 20), 2).map(({ hash }) => hash)).toEqual([
      first.hash,
    ]);
  });

  test("totals are exact beyond what SQLite can add", async () => {
    const faceValue = 2n ** 255n + 1n;
    for (const number of [1, 2, 3]) {
      const { hash, won } = wonTicket({ number, faceValue, gateway: number === 3 ? 1 : 0 });
      writer.add(`ticket:${hash}`, won);
    }
    await writer.log.journal.committed();
    expect(writer.log.reader.ticketTotals().toSorted((left, right) => right.tickets - left.tickets)).toEqual([
      { sender: gateways[0], state: "won", tickets: 2, faceValue: 2n * faceValue },
      { sender: gateways[1], state: "won", tickets: 1, faceValue },
    ]);
  });
});

describe("ledger", () => {
  const account = `account:${gateways[0]}/manifest` as const;
  const price = rational(7n, 3n);

  test("a job's row joins what was reserved with what it cost; a released one costs nothing", async () => {
    writer.add(account, payment({ nonces: [1, 2, 3], creditedTickets: 2, winners: ["0x01"] }));
    writer.add(account, { type: "PriceFixed", sender: gateways[0], price, idleDeadlineMs: 0 });
    for (const jobId of ["a/1", "a/2", "a/3"]) {
      writer.add(account, { type: "JobReserved", jobId, units: 90n, price, fee: rational(210n) });
    }
    writer.add(account, {
      ...{ type: "JobDebited", jobId: "a/1", units: 10n, price, fee: rational(70n, 3n), idleDeadlineMs: 0 },
    });
    writer.add(account, { type: "JobReleased", jobId: "a/2", idleDeadlineMs: 0 });
    writer.add(account, { type: "AccountExpired", balance: rational(-5n, 3n) });
    await writer.log.journal.committed();
    const id = `${gateways[0]}/manifest`;
    const where = { at_ms: startMs, account: id, sender: gateways[0] };
    expect(readRows(folder.path, "SELECT * FROM ledger_jobs")).toEqual([
      {
        ...{ ...where, seq: 6, job_id: "a/1", outcome: "debited", price: "7/3" },
        ...{ units: "10", fee: "70/3", reserved_units: "90", reserved_fee: "210" },
      },
      {
        ...{ ...where, seq: 7, job_id: "a/2", outcome: "released", price: "7/3" },
        ...{ units: "0", fee: "0", reserved_units: "90", reserved_fee: "210" },
      },
    ]);
    expect(readRows(folder.path, "SELECT job_id FROM ledger_reservations")).toEqual([{ job_id: "a/3" }]);
    expect(readRows(folder.path, "SELECT seq, balance FROM ledger_expiries")).toEqual([
      { seq: 8, balance: "-5/3" },
    ]);
    expect(readRows(folder.path, "SELECT * FROM ledger_payments")).toEqual([
      expect.objectContaining({
        ...{
          ...where,
          seq: 1,
          tickets: 3,
          credited_tickets: 2,
          winners: 1,
          winners_face_value: `${10n ** 16n}`,
        },
        l1_block: "21000000",
      }),
    ]);
  });

  // A stream of a live job pays again and again under one id: no fee may take the place of another.
  test("a job that is debited twice has two rows", async () => {
    for (const fee of [3n, 4n]) {
      writer.add(account, { type: "JobReserved", jobId: "live", units: fee, price, fee: rational(fee) });
      writer.add(account, {
        ...{ type: "JobDebited", jobId: "live", units: fee, price, fee: rational(fee), idleDeadlineMs: 0 },
      });
    }
    await writer.log.journal.committed();
    expect(readRows(folder.path, "SELECT fee, reserved_fee FROM ledger_jobs ORDER BY seq")).toEqual([
      { fee: "3", reserved_fee: "3" },
      { fee: "4", reserved_fee: "4" },
    ]);
  });

  test("a rebuild makes the same tables", async () => {
    writer.add(account, payment({ nonces: [1, 2, 3] }));
    writer.add(account, { type: "JobReserved", jobId: "a/1", units: 90n, price, fee: rational(210n) });
    writer.add(account, { type: "JobReleased", jobId: "a/1", idleDeadlineMs: 0 });
    writer.add(account, { type: "JobReserved", jobId: "a/2", units: 90n, price, fee: rational(210n) });
    const { hash, won } = wonTicket();
    writer.add(`ticket:${hash}`, won);
    await writer.close();
    const kept = everything();
    meddle(
      folder.path,
      "UPDATE views SET view_version = 0",
      ...tables.map((table) => `DELETE FROM ${table}`),
    );
    writer = await MoneyWriter.open(folder.path);
    expect(everything()).toEqual(kept);
  });
});

const firstTypes: ReadonlySet<string> = new Set(["TicketWon", "TransactionPlanned", "RoundOpened"]);

function kindOfType(type: string): string {
  const view = moneyViews.find(({ types }) => types.includes(type));
  const kinds: Readonly<Record<string, string>> = {
    ...{ tickets: "ticket", "chain-logs": "watch", transactions: "transaction", rounds: "round" },
  };
  return kinds[view?.name ?? ""] ?? "account";
}

describe("all views", () => {
  // A write that SQLite refuses would stop the whole node: no event may cause one, however absurd its values.
  test("take whatever an event may hold", async () => {
    const events = fc.oneof(...[...arbitraryEvents.values()]).filter(({ type }) => moneyTypes.has(type));
    let number = 0;
    for (const event of fc.sample(events as fc.Arbitrary<MoneyEvent>, 600)) {
      number += 1;
      writer.add(`${kindOfType(event.type)}:${number}`, event);
    }
    // Also as changes of rows that are there.
    const rows = fc
      .sample(events as fc.Arbitrary<MoneyEvent>, 600)
      .filter(({ type }) => !firstTypes.has(type));
    for (const [index, event] of rows.entries()) {
      number += 1;
      writer.add(`${kindOfType(event.type)}:${(index % 600) + 1}`, event);
    }
    await writer.log.journal.committed();
    expect(readRows(folder.path, "SELECT count(*) AS count FROM events")).toEqual([{ count: number }]);
    const { reader } = writer.log;
    expect(() => [...reader.chainLogs(), ...reader.transactions(), ...reader.rounds()]).not.toThrow();
  });
});

describe("nonces", () => {
  const account = `account:${gateways[0]}/manifest` as const;
  const remembered = (l1Block: bigint) => [...writer.log.reader.noncesAfter(l1Block)];

  test("those of parameters that may be alive come back, and no others", async () => {
    writer.add(account, payment({ nonces: [5, 3], expirationBlock: 1040n, l1Block: 1000n }));
    writer.add(account, payment({ nonces: [], expirationBlock: 1041n, l1Block: 1000n }));
    writer.add(account, payment({ nonces: [4294967295], expirationBlock: 1050n, l1Block: 1001n }));
    await writer.log.journal.committed();
    const recipientRandHash = `0x${"11".repeat(32)}`;
    const last = { recipientRandHash, nonces: [4294967295], expirationBlock: 1050n };
    expect(remembered(1039n)).toEqual([{ recipientRandHash, nonces: [5, 3], expirationBlock: 1040n }, last]);
    expect(remembered(1040n)).toEqual([last]);
    expect(remembered(1050n)).toEqual([]);
  });

  // 3,000 payments in 3,000 blocks: what is remembered is what the margin and the life of parameters allow.
  test("payments check 21: the table stays bounded, and nothing goes before its time", async () => {
    for (let block = 1; block <= 3_000; block++) {
      writer.add(
        account,
        payment({ nonces: [block], expirationBlock: BigInt(block + 40), l1Block: BigInt(block) }),
      );
    }
    await writer.log.journal.committed();
    const rows = remembered(-1n);
    expect(rows).toHaveLength(nonceMarginBlocks + 40);
    expect(rows[0]?.expirationBlock).toBe(BigInt(3_000 - nonceMarginBlocks + 1));
    expect(remembered(3_000n)).toHaveLength(40);
  });

  test("a chain endpoint that falls back removes nothing, and absurd blocks stop no commit", async () => {
    writer.add(account, payment({ nonces: [1], expirationBlock: 5_040n, l1Block: 5_000n }));
    writer.add(account, payment({ nonces: [2], expirationBlock: 4_990n, l1Block: 4_950n }));
    writer.add(account, payment({ nonces: [3], expirationBlock: 2n ** 256n - 1n, l1Block: 5_001n }));
    await writer.log.journal.committed();
    expect(remembered(4_900n).map(({ nonces }) => nonces)).toEqual([[1], [2], [3]]);
    writer.add(account, payment({ nonces: [4], expirationBlock: -(2n ** 255n), l1Block: -(2n ** 255n) }));
    await writer.log.journal.committed();
    expect(remembered(4_900n)).toHaveLength(3);
  });
});
