import type { AccountEvent } from "../account.ts";
import { parseStreamId } from "../envelope.ts";
import type { View } from "./view.ts";
import { fractionText } from "./fractionText.ts";

/**
 * What came in and what was used, a row a fact: payments, prices, jobs, forgotten accounts. Rows are never added up
 * here: SQLite would round. A job's row joins what was reserved for it with what it cost in the end.
 */
export const ledgerView: View = {
  name: "ledger",
  version: 1,
  tables: [
    ...["ledger_payments", "ledger_prices", "ledger_reservations"],
    ...["ledger_jobs", "ledger_expiries"],
  ],
  types: [
    ...["PaymentAccepted", "PriceFixed", "JobReserved"],
    ...["JobDebited", "JobReleased", "AccountExpired"],
  ],
  statements: [
    "INSERT INTO ledger_payments VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
    "INSERT INTO ledger_prices VALUES (?1, ?2, ?3, ?4, ?5)",
    "INSERT OR REPLACE INTO ledger_reservations VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
    "INSERT INTO ledger_jobs SELECT ?1, ?2, ?3, ?4, ?5, 'debited', ?6, ?7, ?8, units, fee FROM (SELECT 1) " +
      "LEFT JOIN ledger_reservations ON account = ?3 AND job_id = ?5",
    "INSERT INTO ledger_jobs SELECT ?1, ?2, ?3, ?4, ?5, 'released', price, '0', '0', units, fee FROM (SELECT 1) " +
      "LEFT JOIN ledger_reservations ON account = ?3 AND job_id = ?5",
    "DELETE FROM ledger_reservations WHERE account = ?1 AND job_id = ?2",
    "INSERT INTO ledger_expiries VALUES (?1, ?2, ?3, ?4, ?5)",
  ],
  project: ({ seq, stream, atMs, event: anyEvent }) => {
    const event = anyEvent as AccountEvent;
    const account = parseStreamId(stream).id;
    const row = [seq, atMs, account, senderOfAccount(account)] as const;
    switch (event.type) {
      case "PaymentAccepted": {
        const { price, nonces, creditedTickets, credit, winners, faceValue, l1Block } = event;
        const counts = [fractionText(price), nonces.length, creditedTickets, fractionText(credit)];
        const won = [winners.length, String(faceValue * BigInt(winners.length)), String(l1Block)];
        return [[0, [...row, ...counts, ...won]]];
      }
      case "PriceFixed":
        return [[1, [...row, fractionText(event.price)]]];
      case "JobReserved": {
        const { jobId, units, price, fee } = event;
        const amounts = [String(units), fractionText(price), fractionText(fee)];
        return [[2, [account, jobId, atMs, senderOfAccount(account), ...amounts]]];
      }
      case "JobDebited": {
        const amounts = [fractionText(event.price), String(event.units), fractionText(event.fee)];
        return [
          [3, [...row, event.jobId, ...amounts]],
          [5, [account, event.jobId]],
        ];
      }
      case "JobReleased":
        return [
          [4, [...row, event.jobId]],
          [5, [account, event.jobId]],
        ];
      case "AccountExpired":
        return [[6, [...row, fractionText(event.balance)]]];
      default:
        return [];
    }
  },
};

/** The gateway's account, as lower-case `0x…`: what stands before the first slash of an account's id. */
export function senderOfAccount(account: string): string {
  return account.split("/", 1)[0] ?? account;
}
