import type { LedgerReader } from "../events/log/ledgerReader.ts";
import { compare, type Rational, rational } from "../protocol/rational.ts";
import { ExactSum, fractionOf } from "./amounts.ts";

/** How the ledger is broken down. */
export const groupings = ["gateway", "account", "day"] as const;
export type Grouping = (typeof groupings)[number];

/** Which part of the ledger. Moments are Unix milliseconds; `toMs` is exclusive. */
export type LedgerPeriod = {
  readonly fromMs?: number | undefined;
  readonly toMs?: number | undefined;
  /** Lower-case `0x…`. */
  readonly gateway?: string | undefined;
};

/** One line of the ledger. All money in wei, exactly. */
export type LedgerLine = {
  /** A gateway's account, an account's id, or a day such as `2026-01-31` in UTC; `total` for the last line. */
  readonly key: string;
  /** The lowest and the highest price agreed or charged, wei per unit; null when there was none. */
  readonly priceMin: Rational | null;
  readonly priceMax: Rational | null;
  readonly jobs: number;
  /** Jobs that ended without a result, and cost nothing. Counted in `jobs` too. */
  readonly released: number;
  readonly units: bigint;
  readonly tickets: number;
  readonly creditedTickets: number;
  readonly winners: number;
  readonly winnersFaceValue: bigint;
  readonly credited: Rational;
  readonly debited: Rational;
  /** Balances (debts, when negative) of accounts that were forgotten. */
  readonly forfeited: Rational;
  /**
   * What is left for (or, when negative, owed by) the gateways at the end of the period: everything credited minus
   * debited minus forfeited since the log began.
   */
  readonly balance: Rational;
};

/** A line while it is being added up. */
class LineSum {
  #priceMin: Rational | null = null;
  #priceMax: Rational | null = null;
  readonly #credited = new ExactSum();
  readonly #debited = new ExactSum();
  readonly #forfeited = new ExactSum();
  readonly balance = new ExactSum();
  jobs = 0;
  released = 0;
  units = 0n;
  tickets = 0;
  creditedTickets = 0;
  winners = 0;
  winnersFaceValue = 0n;
  /** False for a line that only holds a balance from before the period. */
  isTouched = false;

  price(price: Rational): void {
    if (this.#priceMin === null || compare(price, this.#priceMin) < 0) this.#priceMin = price;
    if (this.#priceMax === null || compare(price, this.#priceMax) > 0) this.#priceMax = price;
  }

  credit(value: Rational): void {
    this.#credited.add(value);
  }

  debit(value: Rational): void {
    this.#debited.add(value);
  }

  forfeit(value: Rational): void {
    this.#forfeited.add(value);
  }

  line(key: string, balance: Rational): LedgerLine {
    const { jobs, released, units, tickets, creditedTickets, winners, winnersFaceValue } = this;
    return {
      key,
      priceMin: this.#priceMin,
      priceMax: this.#priceMax,
      ...{ jobs, released, units, tickets, creditedTickets, winners, winnersFaceValue },
      credited: this.#credited.total(),
      debited: this.#debited.total(),
      forfeited: this.#forfeited.total(),
      balance,
    };
  }
}

type Row = { readonly seq: number; readonly atMs: number; readonly account: string; readonly sender: string };
/** What a row does to its line, and to the balance. */
type Entry = { readonly row: Row; readonly change: Rational | null; readonly note: (sum: LineSum) => void };

/**
 * The ledger of a period, a line a group, in the order of the keys, and their total.
 *
 * @throws LedgerDamagedError
 */
export function buildLedger(
  reader: LedgerReader,
  grouping: Grouping,
  period: LedgerPeriod = {},
): { readonly lines: readonly LedgerLine[]; readonly total: LedgerLine } {
  const sums = new Map<string, LineSum>();
  const total = new LineSum();
  const fromMs = period.fromMs ?? Number.NEGATIVE_INFINITY;
  for (const { row, change, note } of entries(reader, period)) {
    const sum = sumFor(sums, keyOf(row, grouping));
    for (const each of [sum, total]) {
      if (change !== null) each.balance.add(change);
      if (row.atMs < fromMs) continue;
      each.isTouched = true;
      note(each);
    }
  }
  // A day's balance is what all days up to it have left; another group's is its own.
  const carried = new ExactSum();
  const lines: LedgerLine[] = [];
  for (const [key, sum] of [...sums].toSorted(([left], [right]) => (left < right ? -1 : 1))) {
    const own = sum.balance.total();
    carried.add(own);
    // Who did nothing in the period may still hold a balance: the lines' balances are those of the total.
    const isShown = sum.isTouched || (grouping !== "day" && own.numerator !== 0n);
    if (isShown) lines.push(sum.line(key, grouping === "day" ? carried.total() : own));
  }
  return { lines, total: total.line("total", total.balance.total()) };
}

function sumFor(sums: Map<string, LineSum>, key: string): LineSum {
  const known = sums.get(key) ?? new LineSum();
  sums.set(key, known);
  return known;
}

function keyOf({ atMs, account, sender }: Row, grouping: Grouping): string {
  if (grouping === "gateway") return sender;
  return grouping === "account" ? account : new Date(atMs).toISOString().slice(0, 10);
}

/** All rows up to the end of the period: those before its beginning count for balances only. */
function* entries(reader: LedgerReader, { toMs, gateway }: LedgerPeriod): Generator<Entry> {
  const filter = { beforeMs: toMs, sender: gateway };
  for (const row of reader.payments(filter)) {
    const credit = fractionOf(row.credit);
    const note = (sum: LineSum): void => {
      sum.tickets += row.tickets;
      sum.creditedTickets += row.creditedTickets;
      sum.winners += row.winners;
      sum.winnersFaceValue += BigInt(row.winnersFaceValue);
      sum.credit(credit);
    };
    yield { row, change: credit, note };
  }
  for (const row of reader.prices(filter)) {
    yield { row, change: null, note: (sum) => sum.price(fractionOf(row.price)) };
  }
  for (const row of reader.jobs(filter)) {
    const fee = fractionOf(row.fee);
    const note = (sum: LineSum): void => {
      sum.jobs += 1;
      if (row.outcome === "released") sum.released += 1;
      sum.units += BigInt(row.units);
      sum.debit(fee);
      if (row.price !== null) sum.price(fractionOf(row.price));
    };
    yield { row, change: rational(-fee.numerator, fee.denominator), note };
  }
  for (const row of reader.expiries(filter)) {
    const balance = fractionOf(row.balance);
    const change = rational(-balance.numerator, balance.denominator);
    yield { row, change, note: (sum) => sum.forfeit(balance) };
  }
}
