import fc from "fast-check";
import type { AccountEvent } from "../../../src/events/account.ts";
import { add, rational, type Rational, subtract } from "../../../src/protocol/rational.ts";
import { gateways, type MoneyWriter, payment, wonTicket } from "./moneyFolder.ts";

/*
 * Random lives of accounts that could have been: jobs end once, and accounts are forgotten with what they hold.
 */

type Step = {
  readonly account: number;
  readonly kind: "pay" | "fix" | "reserve" | "debit" | "release" | "expire" | "wait";
  readonly amount: Rational;
  readonly units: bigint;
  readonly tickets: number;
  readonly winners: number;
  readonly pick: number;
};

const amounts = fc.oneof(
  fc.record({ n: fc.bigInt({ min: 0n, max: 10n ** 18n }), d: fc.constantFrom(1n, 3n, 7n, 1000n) }),
  // The denominator of expected values, which no float and no 64 bits hold.
  fc.record({ n: fc.bigInt({ min: 0n, max: 2n ** 300n }), d: fc.constant(2n ** 256n - 1n) }),
  fc.record({ n: fc.bigInt({ min: 0n, max: 2n ** 64n }), d: fc.bigInt({ min: 1n, max: 2n ** 64n }) }),
);

/** Steps of a few accounts over some days. */
export const ledgerSteps: fc.Arbitrary<readonly Step[]> = fc.array(
  fc.record({
    account: fc.nat({ max: 4 }),
    kind: fc.constantFrom("pay", "fix", "reserve", "reserve", "debit", "debit", "release", "expire", "wait"),
    amount: amounts.map(({ n, d }) => rational(n, d)),
    units: fc.bigInt({ min: 0n, max: 2n ** 70n }),
    tickets: fc.nat({ max: 5 }),
    winners: fc.nat({ max: 2 }),
    pick: fc.nat(),
  }),
  { maxLength: 60 },
);

/** Names of sessions that have broken somebody's sheet. */
const names = ["manifest", 'with "quotes", commas', "=1+1", "two\nlines", "é/ü"];

type Account = {
  readonly id: string;
  readonly openJobs: string[];
  balance: Rational;
};

/** Writes the events of `steps`; returns them with their times and accounts. */
export function writeSteps(
  writer: MoneyWriter,
  steps: readonly Step[],
): readonly { readonly atMs: number; readonly account: string; readonly event: AccountEvent }[] {
  const written: { atMs: number; account: string; event: AccountEvent }[] = [];
  const accounts: Account[] = names.map((name, index) => open(name, index, 1));
  let jobs = 0;
  let ticketCount = 0;
  let incarnations = 1;
  for (const step of steps) {
    const account = accounts[step.account] as Account;
    const sender = gateways[step.account % 2] ?? gateways[0];
    const put = (event: AccountEvent): void => {
      writer.add(`account:${account.id}`, event);
      written.push({ atMs: writer.atMs, account: account.id, event });
    };
    const { amount, units } = step;
    const jobId = account.openJobs[step.pick % Math.max(1, account.openJobs.length)];
    writer.atMs += step.kind === "wait" ? 7 * 3_600_000 : 1;
    switch (step.kind) {
      case "pay": {
        const won = Array.from({ length: step.winners }, () => {
          ticketCount += 1;
          return wonTicket({ number: ticketCount, faceValue: units });
        });
        for (const ticket of won) writer.add(`ticket:${ticket.hash}`, ticket.won);
        put(
          payment({
            ...{ sender, price: amount, credit: amount, faceValue: units, creditedTickets: step.tickets },
            nonces: Array.from({ length: step.tickets }, (_, index) => index),
            winners: won.map(({ hash }) => hash),
          }),
        );
        account.balance = add(account.balance, amount);
        break;
      }
      case "fix":
        put({ type: "PriceFixed", sender, price: amount, idleDeadlineMs: 0 });
        break;
      case "reserve":
        jobs += 1;
        account.openJobs.push(`job/${jobs}`);
        put({ type: "JobReserved", jobId: `job/${jobs}`, units, price: amount, fee: amount });
        break;
      case "debit":
      case "release":
        if (jobId === undefined) break;
        account.openJobs.splice(account.openJobs.indexOf(jobId), 1);
        if (step.kind === "release") put({ type: "JobReleased", jobId, idleDeadlineMs: 0 });
        else {
          put({ type: "JobDebited", jobId, units, price: amount, fee: amount, idleDeadlineMs: 0 });
          account.balance = subtract(account.balance, amount);
        }
        break;
      case "expire":
        if (account.openJobs.length > 0) break;
        put({ type: "AccountExpired", balance: account.balance });
        incarnations += 1;
        accounts[step.account] = open(names[step.account] ?? "", step.account, incarnations);
        break;
      case "wait":
        break;
    }
  }
  return written;
}

function open(name: string, index: number, incarnation: number): Account {
  return { id: `${gateways[index % 2]}/${name}.${incarnation}`, openJobs: [], balance: rational(0n) };
}
