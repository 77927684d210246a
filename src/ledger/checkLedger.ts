import type { AccountEvent } from "../events/account.ts";
import type { RecordedEvent } from "../events/envelope.ts";
import { parseStreamId } from "../events/envelope.ts";
import { formatRational, isEqual, rational, type Rational } from "../protocol/rational.ts";
import { ExactSum } from "./amounts.ts";
import { buildLedger } from "./buildLedger.ts";
import { type ChainCheck, ChainFold } from "./chainFold.ts";
import type { MoneyLog } from "./moneyLog.ts";
import { NonceFold } from "./nonceFold.ts";
import { differences, RowFollower } from "./rowFollower.ts";
import { TicketFold } from "./ticketFold.ts";

/** What a check of the ledger found. */
export type LedgerCheck = {
  readonly payments: number;
  readonly jobs: number;
  readonly tickets: number;
  readonly accounts: number;
  readonly chain: ChainCheck;
  /** One sentence a difference; the first hundred. */
  readonly findings: readonly string[];
};

const findingsMax = 100;

type EventOfType<Type extends AccountEvent["type"]> = Extract<AccountEvent, { readonly type: Type }>;
type Where = {
  readonly seq: number;
  readonly atMs: number;
  readonly account: string;
  readonly sender: string;
};

/**
 * Reads every event of the log, adds all up afresh without the views, and compares: each row, each ticket, each sum.
 * It also asks of the events themselves that balances follow from payments and fees, and that each winner that a
 * payment names has its ticket. Of the chain it asks that every wei which came, or which gas cost, is one that the node
 * knows of, and the other way round.
 */
export function checkLedger(log: MoneyLog): LedgerCheck {
  const check = new Check(log);
  for (const recorded of log.reader.all()) check.take(recorded);
  return check.finish();
}

/** Sums of one gateway, from events only. */
class GatewaySums {
  readonly credited = new ExactSum();
  readonly debited = new ExactSum();
  readonly forfeited = new ExactSum();
  units = 0n;
  jobs = 0;
  tickets = 0;
  winners = 0;
  winnersFaceValue = 0n;
}

class Check {
  readonly #log: MoneyLog;
  readonly #findings: string[] = [];
  readonly #payments;
  readonly #prices;
  readonly #jobs;
  readonly #expiries;
  readonly #reservations = new Map<string, Record<string, unknown>>();
  readonly #tickets;
  readonly #chain;
  readonly #nonces = new NonceFold();
  readonly #winners = new Map<string, number>();
  /** Credits minus fees of each account that is not forgotten. */
  readonly #balances = new Map<string, ExactSum>();
  readonly #gateways = new Map<string, GatewaySums>();
  #accounts = 0;

  constructor(log: MoneyLog) {
    const find = (problem: string): void => this.#find(problem);
    this.#log = log;
    this.#payments = new RowFollower("payment", log.ledger.payments(), find);
    this.#prices = new RowFollower("price", log.ledger.prices(), find);
    this.#jobs = new RowFollower("job", log.ledger.jobs(), find);
    this.#expiries = new RowFollower("expiry", log.ledger.expiries(), find);
    this.#tickets = new TicketFold(find);
    this.#chain = new ChainFold(find);
  }

  take(recorded: RecordedEvent): void {
    const { kind, id } = parseStreamId(recorded.stream);
    if (kind === "ticket") this.#tickets.take(id, recorded);
    this.#chain.take(kind, id, recorded);
    if (kind !== "account") return;
    if (recorded.version === 1) this.#accounts += 1;
    const { seq, atMs } = recorded;
    const where: Where = { seq, atMs, account: id, sender: id.split("/", 1)[0] ?? id };
    this.#takeAccount(where, recorded.event as AccountEvent);
  }

  finish(): LedgerCheck {
    for (const rows of [this.#payments, this.#prices, this.#jobs, this.#expiries]) rows.finish();
    this.#compareReservations();
    this.#tickets.compare(this.#log.reader.tickets());
    const chain = this.#chain.finish(this.#log, this.#tickets.tickets());
    for (const problem of this.#nonces.differences(this.#log.reader)) this.#find(problem);
    this.#compareSums();
    if (!this.#log.isSlice) {
      for (const [hash, seq] of this.#winners) {
        if (!this.#tickets.has(hash))
          this.#find(`The payment ${seq} names the winner ${hash}: it has no ticket.`);
      }
    }
    return {
      payments: this.#payments.taken,
      jobs: this.#jobs.taken,
      tickets: this.#tickets.size,
      accounts: this.#accounts,
      chain,
      findings: this.#findings,
    };
  }

  #find(problem: string): void {
    if (this.#findings.length < findingsMax) this.#findings.push(problem);
  }

  #takeAccount(where: Where, event: AccountEvent): void {
    switch (event.type) {
      case "PaymentAccepted":
        this.#takePayment(where, event);
        return;
      case "PriceFixed":
        this.#prices.compare({ ...where, price: formatRational(lowest(event.price)) });
        return;
      case "JobReserved": {
        const { jobId, units, price, fee } = event;
        this.#reservations.set(`${where.account}\n${jobId}`, {
          ...{ account: where.account, jobId, atMs: where.atMs, sender: where.sender, units: String(units) },
          ...{ price: formatRational(lowest(price)), fee: formatRational(lowest(fee)) },
        });
        return;
      }
      case "JobDebited":
      case "JobReleased":
        this.#takeJob(where, event);
        return;
      case "AccountExpired":
        this.#takeExpiry(where, event);
        return;
    }
  }

  #takePayment(where: Where, event: EventOfType<"PaymentAccepted">): void {
    const { sender, price, nonces, creditedTickets, credit, winners, faceValue, l1Block } = event;
    if (sender !== where.sender) {
      this.#find(`The payment ${where.seq} of ${sender} went into the account \`${where.account}\`.`);
    }
    const won = faceValue * BigInt(winners.length);
    this.#payments.compare({
      ...where,
      ...{ price: formatRational(lowest(price)), tickets: nonces.length, creditedTickets },
      ...{ credit: formatRational(lowest(credit)), winners: winners.length, winnersFaceValue: String(won) },
      l1Block: String(l1Block),
    });
    this.#nonces.take(where.seq, event);
    for (const hash of winners) this.#winners.set(hash, where.seq);
    this.#balanceOf(where.account).add(lowest(credit));
    const sums = this.#sumsOf(where.sender);
    sums.credited.add(lowest(credit));
    sums.tickets += nonces.length;
    sums.winners += winners.length;
    sums.winnersFaceValue += won;
  }

  #takeJob(where: Where, event: EventOfType<"JobDebited"> | EventOfType<"JobReleased">): void {
    const key = `${where.account}\n${event.jobId}`;
    const reserved = this.#reservations.get(key);
    this.#reservations.delete(key);
    const isDebited = event.type === "JobDebited";
    const fee = isDebited ? lowest(event.fee) : rational(0n);
    this.#jobs.compare({
      ...where,
      jobId: event.jobId,
      outcome: isDebited ? "debited" : "released",
      price: isDebited ? formatRational(lowest(event.price)) : (reserved?.["price"] ?? null),
      units: isDebited ? String(event.units) : "0",
      fee: formatRational(fee),
      reservedUnits: reserved?.["units"] ?? null,
      reservedFee: reserved?.["fee"] ?? null,
    });
    this.#balanceOf(where.account).subtract(fee);
    const sums = this.#sumsOf(where.sender);
    sums.debited.add(fee);
    sums.jobs += 1;
    if (isDebited) sums.units += event.units;
  }

  #takeExpiry(where: Where, event: EventOfType<"AccountExpired">): void {
    const balance = lowest(event.balance);
    const expected = this.#balanceOf(where.account).total();
    this.#balances.delete(where.account);
    if (!isEqual(balance, expected)) {
      this.#find(
        `The account \`${where.account}\` was forgotten with ${formatRational(balance)} wei, ` +
          `but its payments and jobs leave ${formatRational(expected)}.`,
      );
    }
    this.#expiries.compare({ ...where, balance: formatRational(balance) });
    this.#sumsOf(where.sender).forfeited.add(balance);
  }

  #compareReservations(): void {
    const expected = new Map(this.#reservations);
    for (const row of this.#log.ledger.reservations()) {
      const key = `${row.account}\n${row.jobId}`;
      const event = expected.get(key);
      expected.delete(key);
      if (event === undefined) this.#find(`The job \`${row.jobId}\` is listed as open, but it is not.`);
      else for (const text of differences(event, row)) this.#find(`The open job \`${row.jobId}\`: ${text}.`);
    }
    for (const row of expected.values())
      this.#find(`The open job \`${String(row["jobId"])}\` is not listed.`);
  }

  /** The sums that `ledger` prints against those of the events: they have met nowhere on their way. */
  #compareSums(): void {
    const { lines } = buildLedger(this.#log.ledger, "gateway");
    const listed = new Map(lines.map((line) => [line.key, line]));
    for (const [gateway, sums] of this.#gateways) {
      const line = listed.get(gateway);
      const expected = {
        ...{ credited: sums.credited.text(), debited: sums.debited.text(), forfeited: sums.forfeited.text() },
        ...{ units: String(sums.units), jobs: sums.jobs, tickets: sums.tickets, winners: sums.winners },
        winnersFaceValue: String(sums.winnersFaceValue),
      };
      if (line === undefined) {
        this.#find(`The gateway ${gateway} is missing from the ledger.`);
        continue;
      }
      const printed = {
        ...line,
        ...{ credited: formatRational(line.credited), debited: formatRational(line.debited) },
        ...{ forfeited: formatRational(line.forfeited), units: String(line.units) },
        winnersFaceValue: String(line.winnersFaceValue),
      };
      for (const text of differences(expected, printed)) this.#find(`The sums of ${gateway}: ${text}.`);
    }
  }

  #balanceOf(account: string): ExactSum {
    const known = this.#balances.get(account) ?? new ExactSum();
    this.#balances.set(account, known);
    return known;
  }

  #sumsOf(gateway: string): GatewaySums {
    const known = this.#gateways.get(gateway) ?? new GatewaySums();
    this.#gateways.set(gateway, known);
    return known;
  }
}

/** An event's fraction in lowest terms, whatever the event says. */
function lowest({ numerator, denominator }: Rational): Rational {
  return rational(numerator, denominator);
}
