import type { LedgerReader } from "../events/log/ledgerReader.ts";
import type { LedgerPeriod } from "./buildLedger.ts";

/** One job of the ledger. Money in wei as exact fractions `n/d`, units as decimal text. */
export type JobLine = {
  /** When it ended; for one under way, when it was taken on. Unix milliseconds. */
  readonly atMs: number;
  readonly job: string;
  readonly account: string;
  /** Lower-case `0x…`. */
  readonly gateway: string;
  readonly outcome: "debited" | "released" | "open";
  /** Wei per unit. */
  readonly price: string | null;
  readonly units: string;
  readonly debited: string;
  /** What was spoken for while it ran: an upper bound of what it would cost. */
  readonly reservedUnits: string | null;
  readonly reserved: string | null;
};

/** Every job of a period: those that ended, in order, and then those under way. */
export function* jobLines(reader: LedgerReader, period: LedgerPeriod): Generator<JobLine> {
  const { fromMs = Number.NEGATIVE_INFINITY, toMs = Number.POSITIVE_INFINITY, gateway } = period;
  for (const row of reader.jobs({ beforeMs: period.toMs, sender: gateway })) {
    if (row.atMs < fromMs) continue;
    yield {
      atMs: row.atMs,
      job: row.jobId,
      account: row.account,
      gateway: row.sender,
      outcome: row.outcome,
      price: row.price,
      units: row.units,
      debited: row.fee,
      reservedUnits: row.reservedUnits,
      reserved: row.reservedFee,
    };
  }
  for (const row of reader.reservations()) {
    if (row.atMs < fromMs || row.atMs >= toMs) continue;
    if (gateway !== undefined && row.sender !== gateway) continue;
    yield {
      atMs: row.atMs,
      job: row.jobId,
      account: row.account,
      gateway: row.sender,
      outcome: "open",
      price: row.price,
      units: "0",
      debited: "0",
      reservedUnits: row.units,
      reserved: row.fee,
    };
  }
}
