import { expect, test } from "bun:test";
import { allKinds } from "../../../../src/actors/allKinds.ts";
import { allViews } from "../../../../src/events/log/openLog.ts";
import { formatRational, rational } from "../../../../src/protocol/rational.ts";
import { AccountBook, type AccountKey } from "../../../../src/runtime/money/accountBook.ts";
import { accountEffects } from "../../../../src/runtime/money/money.ts";
import { type HostHarness, openHost } from "../../../support/hostHarness.ts";
import { logFolder } from "../../../support/logFolder.ts";
import { acceptPayment, sender, ticketEv } from "../../actors/moneyFacts.ts";

/*
 * Goal: a gateway that announces little and sends much cannot leave a debt behind in one session after the other.
 * Method: a real host and log; sessions pay one ticket each and are debited far more than they announced.
 */

const origin = { correlationId: "debts", causationId: "test" };
const maxDebt = 10_000n;
const session = (name: string): AccountKey => ({ sender, manifestId: name });

async function openBook(path: string): Promise<{ harness: HostHarness; book: AccountBook }> {
  let book: AccountBook | null = null;
  const harness = await openHost({
    dataDir: path,
    kinds: allKinds,
    views: allViews.views,
    effects: accountEffects(() => book),
  });
  book = new AccountBook(harness.host, harness.reader, maxDebt);
  book.resume();
  return { harness, book };
}

/** Pays a ticket (1,000 wei), reserves next to nothing, delivers `fifths` × 5 pixels at a fifth of a wei. */
function work(book: AccountBook, name: string, fifths: bigint): string {
  book.execute(session(name), acceptPayment(1), origin);
  const reserved = book.reserve(session(name), { jobId: `${name}/1`, units: 5n, ticketEv }, origin);
  if (reserved.type === "rejected") return reserved.code;
  book.debit(`${name}/1`, 5n * fifths, origin);
  return "served";
}

test("debts of all open sessions count together, over a restart too, until they are paid", async () => {
  using folder = logFolder();
  const first = await openBook(folder.path);
  expect(work(first.book, "a", 6_000n)).toBe("served");
  expect(formatRational(first.book.debt(sender))).toBe("5000");
  // 10,000 is what may be owed: a debt of exactly that much is still served.
  expect(work(first.book, "b", 6_000n)).toBe("served");
  expect(work(first.book, "c", 1_001n)).toBe("served");
  expect(work(first.book, "d", 1n)).toBe("DEBT_CAP");
  const stranger: AccountKey = { sender: `0x${"aa".repeat(20)}`, manifestId: "a" };
  first.book.execute(stranger, acceptPayment(1, { sender: stranger.sender }), origin);
  expect(first.book.reserve(stranger, { jobId: "x/1", units: 5n, ticketEv }, origin).type).toBe("accepted");
  await first.harness.close();

  const second = await openBook(folder.path);
  expect(formatRational(second.book.debt(sender))).toBe("10001");
  expect(work(second.book, "e", 1n)).toBe("DEBT_CAP");
  // Paying a debt off opens the door again.
  second.book.execute(session("a"), acceptPayment(1, { credit: rational(5_000n) }), origin);
  expect(formatRational(second.book.debt(sender))).toBe("5001");
  expect(work(second.book, "f", 1n)).toBe("served");
  await second.harness.close();
  expect(second.harness.faults).toEqual([]);
});
