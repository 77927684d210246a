import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import {
  accountIdleMs,
  accountKind,
  type AccountCommand,
  type AccountSnapshot,
  balanceOf,
} from "../../../src/actors/account/decide.ts";
import type { AccountContext } from "../../../src/actors/account/machine.ts";
import type { AccountEvent } from "../../../src/events/account.ts";
import { formatRational, type Rational, rational, ZERO } from "../../../src/protocol/rational.ts";
import { maxWinProb } from "../../../src/protocol/ticket.ts";
import {
  acceptPayment,
  accountIn,
  idleDeadlineMs,
  jobDebited,
  jobReserved,
  paymentAccepted,
  price,
  priceFixed,
  reserveJob,
  sender,
  ticketEv,
} from "./moneyFacts.ts";
import { Given, type Outcome } from "./given.ts";

const given = (events: readonly AccountEvent[]): Given<AccountEvent, AccountCommand> =>
  new Given(accountKind, events);
const context = (outcome: Outcome): AccountContext => outcome.snapshot.context as AccountContext;
const balance = (outcome: Outcome): string => formatRational(balanceOf(outcome.snapshot as AccountSnapshot));
const debitJob = (jobId: string, units = 400n): AccountCommand => ({ type: "DebitJob", jobId, units });
const releaseJob = (jobId: string): AccountCommand => ({ type: "ReleaseJob", jobId });
const fixPrice = (value: Rational): AccountCommand => ({ type: "FixPrice", sender, price: value });
const expire = (dueMs: number): AccountCommand => ({ type: "ExpireAccount", dueMs });

/** An account that was paid exactly this much. */
/** `Math.max` takes no bigint. */
function atLeast(value: bigint, least: bigint): bigint {
  if (value > least) return value;
  return least;
}

const paid = (credit: Rational, at: Rational = price): readonly AccountEvent[] => [
  { ...paymentAccepted(1), credit },
  { ...priceFixed, price: at },
];

describe("every command in every state", () => {
  // Method: the whole table, so that no state takes a command by accident. Each cell is the state or the refusal.
  const commands: Readonly<Record<string, AccountCommand>> = {
    pay: acceptPayment(1),
    fix: fixPrice(price),
    reserve: reserveJob("z"),
    debit: debitJob("a"),
    release: releaseJob("a"),
    expire: expire(idleDeadlineMs),
  };
  const [insufficient, notOpen] = ["BALANCE_INSUFFICIENT", "JOB_NOT_OPEN"];
  const idle = { pay: "open", reserve: "open", debit: notOpen, release: notOpen, expire: "expired" };
  const ended = "ACCOUNT_ENDED";
  const table: Readonly<Record<string, Readonly<Record<string, string>>>> = {
    nothing: { ...idle, fix: "open", reserve: insufficient, expire: "DEADLINE_MOVED" },
    unpriced: { ...idle, fix: "open", reserve: insufficient },
    paid: { ...idle, fix: "PRICE_FIXED" },
    free: { ...idle, fix: "PRICE_FIXED" },
    busy: { ...idle, fix: "PRICE_FIXED", debit: "open", release: "open", expire: "ACCOUNT_BUSY" },
    used: { ...idle, fix: "PRICE_FIXED" },
    released: { ...idle, fix: "PRICE_FIXED" },
    inDebt: { ...idle, fix: "PRICE_FIXED", reserve: insufficient },
    expired: { pay: ended, fix: ended, reserve: ended, debit: ended, release: ended, expire: ended },
  };
  const states: Readonly<Record<string, readonly AccountEvent[]>> = { nothing: [], ...accountIn };

  test("the table has a row for every state that the facts lead to", () => {
    expect(Object.keys(table)).toEqual(Object.keys(states));
  });

  for (const [state, events] of Object.entries(states)) {
    for (const [name, command] of Object.entries(commands)) {
      const wanted = table[state]?.[name] ?? "";
      test(`${name} when ${state}: ${wanted}`, () => {
        if (wanted === "open" || wanted === "expired") {
          expect(given(events).accepts(command, 5).state).toBe(wanted);
        } else {
          given(events).refuses(command, wanted, 5);
        }
      });
    }
  }
});

describe("payments", () => {
  test("the first one opens the account, is credited and fixes the price that its tickets were bound to", () => {
    const outcome = given([]).accepts(acceptPayment(3, { winners: ["0x01"] }), 7_000);
    expect(outcome.events).toEqual([
      {
        ...acceptPayment(3, { winners: ["0x01"] }),
        type: "PaymentAccepted",
        idleDeadlineMs: 7_000 + accountIdleMs,
      },
      { ...priceFixed, idleDeadlineMs: 7_000 + accountIdleMs },
    ]);
    expect(context(outcome)).toMatchObject({ sender, price, tickets: 3, winners: 1 });
    expect(balance(outcome)).toBe("3000");
    expect(outcome.effects).toEqual([]);
  });

  test("a later one at another price adds to the balance and leaves the price", () => {
    const other = rational(9n);
    const outcome = given(accountIn.paid).accepts(acceptPayment(1, { price: other }));
    expect(outcome.events.map(({ type }) => type)).toEqual(["PaymentAccepted"]);
    expect(context(outcome).price).toEqual(price);
    expect(balance(outcome)).toBe("3000");
  });

  test("a worthless first payment fixes no price: the first that counts does", () => {
    const worthless = acceptPayment(0, { nonces: [1], price: rational(0n), refusal: "TicketParams expired" });
    const first = given([]).accepts(worthless);
    expect(first.events.map(({ type }) => type)).toEqual(["PaymentAccepted"]);
    expect(context(first).price).toBeNull();
    const second = given(accountIn.unpriced).accepts(acceptPayment(1));
    expect(context(second).price).toEqual(price);
  });

  test("what the payment says was credited is credited, the refusal stays with it", () => {
    const mixed = acceptPayment(1, {
      nonces: [1, 3],
      winners: ["0x03"],
      refusal: "invalid ticket signature",
    });
    const outcome = given([]).accepts(mixed);
    expect(outcome.events[0]).toMatchObject({ creditedTickets: 1, refusal: "invalid ticket signature" });
    expect(balance(outcome)).toBe("1000");
    expect(context(outcome)).toMatchObject({ tickets: 1, winners: 1 });
  });

  test("a fraction of a wei is kept to the last bit", () => {
    const third = acceptPayment(1, { credit: rational(1n, 3n) });
    const events = [paymentAccepted(0), paymentAccepted(0), paymentAccepted(0)].map((event) => ({
      ...event,
      credit: third.credit,
    }));
    expect(balance(given(events).accepts(acceptPayment(0)))).toBe("1");
  });
});

describe("the price", () => {
  test("a price that is fixed without a payment has a deadline too", () => {
    const outcome = given([]).accepts(fixPrice(ZERO), 1_000);
    expect(outcome.events).toEqual([
      { type: "PriceFixed", sender, price: ZERO, idleDeadlineMs: 1_000 + accountIdleMs },
    ]);
    expect(given(outcome.events as readonly AccountEvent[]).deadline?.atMs).toBe(1_000 + accountIdleMs);
  });

  test("it is fixed once", () => {
    for (const events of [accountIn.paid, accountIn.free])
      given(events).refuses(fixPrice(price), "PRICE_FIXED");
  });
});

describe("reservations", () => {
  test("payments check 26: exactly the expected value is sufficient", () => {
    const outcome = given(paid(rational(ticketEv))).accepts(reserveJob("a", 500n));
    // The fee would be 100: a small job speaks for a whole ticket.
    expect(outcome.events).toEqual([jobReserved("a", rational(ticketEv))]);
    expect(context(outcome).openJobs).toEqual([{ jobId: "a", price, fee: rational(ticketEv) }]);
  });

  test("payments check 26: 1/10^30 wei less is `Insufficient balance`", () => {
    const almost = rational(ticketEv * 10n ** 30n - 1n, 10n ** 30n);
    const decision = accountKind.decide(given(paid(almost)).snapshot, reserveJob("a"), { nowMs: 0 });
    expect(decision).toEqual({
      type: "rejected",
      code: "BALANCE_INSUFFICIENT",
      text: "Insufficient balance",
    });
  });

  test("payments check 26: no account is insufficient, whatever the price would be", () => {
    given([]).refuses(reserveJob("a"), "BALANCE_INSUFFICIENT");
    given([]).refuses({ ...reserveJob("a"), ticketEv: 0n } as AccountCommand, "BALANCE_INSUFFICIENT");
    given(accountIn.unpriced).refuses(reserveJob("a"), "BALANCE_INSUFFICIENT");
  });

  test("payments check 26: a price of 0 is not checked", () => {
    const outcome = given(accountIn.free).accepts(reserveJob("a"));
    expect(outcome.events).toEqual([{ ...jobReserved("a", ZERO), price: ZERO }]);
  });

  test("what open jobs speak for is not there for another: the second of two parallel jobs is refused", () => {
    const balanceWei = ticketEv + 99n;
    const one = given([...paid(rational(balanceWei)), jobReserved("a", rational(100n))]);
    one.refuses(reserveJob("b"), "BALANCE_INSUFFICIENT");
    // One wei more carries both.
    const two = given([...paid(rational(balanceWei + 1n)), jobReserved("a", rational(100n))]);
    expect(two.accepts(reserveJob("b")).state).toBe("open");
  });

  test("a job that ended speaks for nothing any more", () => {
    const before = [...paid(rational(ticketEv + 99n)), jobReserved("a", rational(100n))];
    const released = [...before, { type: "JobReleased", jobId: "a", idleDeadlineMs } as const];
    expect(given(released).accepts(reserveJob("b")).state).toBe("open");
    expect(given(released).accepts(reserveJob("a")).state).toBe("open");
  });

  test("the same job is not reserved twice", () => {
    given(accountIn.busy).refuses(reserveJob("a"), "JOB_OPEN");
  });

  // Goal: no interleaving of requests lets two jobs lean on the same wei. Method: random balances and jobs in random
  // order; before each accepted one the balance less all reserved fees must reach the expected value and the fee.
  test("racing reservations: only what the balance carries is accepted", () => {
    fc.assert(
      fc.property(
        fc.bigInt({ min: 0n, max: 20n * ticketEv }),
        fc.array(fc.bigInt({ min: 0n, max: 50_000n }), { minLength: 2, maxLength: 12 }),
        (credit, jobs) => {
          const events = [...paid(rational(credit))];
          let reserved = 0n;
          let refusals = 0;
          for (const [index, fifths] of jobs.entries()) {
            const command = reserveJob(`job ${index}`, 5n * fifths);
            const decision = accountKind.decide(given(events).snapshot, command, { nowMs: 0 });
            const fee = atLeast(fifths, ticketEv);
            expect(decision.type === "decided").toBe(credit - reserved >= fee);
            if (decision.type === "rejected") {
              refusals += 1;
              continue;
            }
            events.push(...(decision.events as readonly AccountEvent[]));
            reserved += atLeast(fifths, ticketEv);
          }
          const open = (given(events).snapshot as AccountSnapshot).context.openJobs;
          expect(open.length).toBe(jobs.length - refusals);
          expect(open.reduce((sum, { fee }) => sum + fee.numerator, 0n)).toBe(reserved);
        },
      ),
      { numRuns: 200 },
    );
  });
});

describe("the size of a job", () => {
  const asks = (credit: bigint, feeWei: bigint): string => {
    const decision = accountKind.decide(
      given(paid(rational(credit))).snapshot,
      reserveJob("big", 5n * feeWei),
      {
        nowMs: 0,
      },
    );
    return decision.type;
  };

  test("one ticket does not buy a job of any size: its fee must be there", () => {
    expect(asks(5n * ticketEv, 5n * ticketEv)).toBe("decided");
    expect(asks(5n * ticketEv - 1n, 5n * ticketEv)).toBe("rejected");
  });

  test("a value of tickets that was raised since does not strand a gateway with tickets of the old one", () => {
    const old = { faceValue: maxWinProb, winProb: ticketEv / 2n, credit: rational(ticketEv / 2n) };
    const raised = reserveJob("a", 5n);
    given([{ ...paymentAccepted(1), ...old }, priceFixed]).accepts(raised);
    given(paid(rational(ticketEv / 2n))).refuses(raised, "BALANCE_INSUFFICIENT");
  });
});

describe("debits", () => {
  test("payments check 27: price 1/5 × 396288000 pixels from 0 is −79257600 exactly", () => {
    const events = [...paid(ZERO), jobReserved("a")];
    const outcome = given(events).accepts(debitJob("a", 396_288_000n), 2_000);
    expect(outcome.events).toEqual([
      {
        type: "JobDebited",
        jobId: "a",
        units: 396_288_000n,
        price,
        fee: rational(79_257_600n),
        idleDeadlineMs: 2_000 + accountIdleMs,
      },
    ]);
    expect(balance(outcome)).toBe("-79257600");
    expect(context(outcome).openJobs).toEqual([]);
  });

  test("the price is that of the reservation, the units those that were delivered", () => {
    const events = [...paid(rational(ticketEv)), { ...jobReserved("a"), price: rational(7n, 3n) }];
    const outcome = given(events).accepts(debitJob("a", 10n));
    expect(outcome.events[0]).toMatchObject({ fee: rational(70n, 3n), price: rational(7n, 3n) });
    expect(balance(outcome)).toBe("2930/3");
  });

  test("a job is debited or released once, and not after the other", () => {
    for (const events of [accountIn.used, accountIn.released]) {
      given(events).refuses(debitJob("a"), "JOB_NOT_OPEN");
      given(events).refuses(releaseJob("a"), "JOB_NOT_OPEN");
    }
  });

  test("a released job costs nothing and moves the deadline", () => {
    const outcome = given(accountIn.busy).accepts(releaseJob("a"), 3_000);
    expect(outcome.events).toEqual([
      { type: "JobReleased", jobId: "a", idleDeadlineMs: 3_000 + accountIdleMs },
    ]);
    expect(balance(outcome)).toBe("2000");
  });
});

describe("the end", () => {
  test("payments check 28: 9 idle minutes keep the account, 20 end it with credit and price together", () => {
    const minute = 60_000;
    expect(accountIdleMs).toBeGreaterThan(9 * minute);
    expect(accountIdleMs).toBeLessThan(20 * minute);
    const { events } = given([]).accepts(acceptPayment(2), 1_000);
    const account = given(events as readonly AccountEvent[]);
    expect(account.deadline).toEqual({
      atMs: 1_000 + accountIdleMs,
      command: { type: "ExpireAccount", dueMs: 1_000 + accountIdleMs },
    });
    const outcome = account.accepts(expire(1_000 + accountIdleMs), 1_000 + 20 * minute);
    expect(outcome.events).toEqual([{ type: "AccountExpired", balance: rational(2_000n) }]);
    expect(outcome.state).toBe("expired");
    // The name is free again: nothing of this account is left for the next one.
    expect(outcome.effects).toEqual([{ type: "forgetAccount", params: {} }]);
  });

  test("a deadline that newer use has moved is stale", () => {
    const later = [...accountIn.paid, { ...paymentAccepted(1), idleDeadlineMs: 950_000 }];
    given(later).refuses(expire(idleDeadlineMs), "DEADLINE_MOVED");
    expect(given(later).deadline?.atMs).toBe(950_000);
  });

  test("an account with an open job has no deadline and refuses to end", () => {
    expect(given(accountIn.busy).deadline).toBeNull();
    given(accountIn.busy).refuses(expire(idleDeadlineMs), "ACCOUNT_BUSY");
    expect(given(accountIn.expired).deadline).toBeNull();
  });

  test("a debt is written down with the end", () => {
    const outcome = given(accountIn.inDebt).accepts(expire(idleDeadlineMs));
    expect(outcome.events).toEqual([{ type: "AccountExpired", balance: rational(-500n) }]);
  });
});

// Goal: no wei appears or vanishes. Method: random commands against a naive book of whole numbers (the common
// denominator of all amounts below), which knows nothing of events.
test("any commands in any order: credits − debits is the balance exactly, and Σ reserved is never negative", () => {
  const unit = 15n;
  type Step = readonly [
    kind: "pay" | "reserve" | "debit" | "release" | "expire",
    job: number,
    amount: bigint,
  ];
  const step: fc.Arbitrary<Step> = fc.tuple(
    fc.constantFrom("pay", "reserve", "debit", "release", "expire"),
    fc.integer({ min: 0, max: 4 }),
    fc.bigInt({ min: 0n, max: 30_000n }),
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
      const events: AccountEvent[] = [];
      const book = { credited: 0n, debited: 0n, open: new Map<string, bigint>() };
      for (const [index, [kind, job, amount]] of steps.entries()) {
        const jobId = `job ${job}`;
        const { snapshot } = given(events);
        const due = (snapshot as AccountSnapshot | null)?.context.idleDeadlineMs ?? 0;
        const command: AccountCommand = {
          pay: acceptPayment(1, { credit: rational(amount, 3n) }),
          reserve: reserveJob(jobId, amount),
          debit: debitJob(jobId, amount),
          release: releaseJob(jobId),
          expire: expire(due),
        }[kind] as AccountCommand;
        const decision = accountKind.decide(snapshot, command, { nowMs: index * 1_000 });
        if (decision.type === "rejected") continue;
        events.push(...(decision.events as readonly AccountEvent[]));
        if (kind === "expire") {
          expect(book.open.size).toBe(0);
          break;
        }
        if (kind === "pay") book.credited += 5n * amount;
        if (kind === "reserve") {
          book.open.set(jobId, atLeast(3n * amount, unit * ticketEv));
        }
        if (kind === "debit") book.debited += 3n * amount;
        if (kind === "debit" || kind === "release") expect(book.open.delete(jobId)).toBe(true);
        const account = given(events).snapshot as AccountSnapshot;
        const reserved = account.context.openJobs.reduce(
          (sum, { fee }) => sum + (fee.numerator * unit) / fee.denominator,
          0n,
        );
        expect(balanceOf(account)).toEqual(rational(book.credited - book.debited, unit));
        expect(reserved).toBe([...book.open.values()].reduce((sum, fee) => sum + fee, 0n));
        expect(reserved >= 0n).toBe(true);
      }
      const last = events.at(-1);
      if (last?.type === "AccountExpired") {
        expect(last.balance).toEqual(rational(book.credited - book.debited, unit));
      }
    }),
    { numRuns: 300 },
  );
});

test("a job that was debited is what the facts say: the examples of this file fit each other", () => {
  expect(given(accountIn.busy).accepts(debitJob("a")).events).toEqual([
    { ...jobDebited("a"), idleDeadlineMs: accountIdleMs },
  ]);
});
