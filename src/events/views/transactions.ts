import { parseStreamId } from "../envelope.ts";
import type { TransactionEvent } from "../transaction.ts";
import type { View } from "./view.ts";

/**
 * A row a transaction, with the attempt that counts now: the last that was signed, or the one that is mined. What its
 * gas has cost is known from the moment in which it is mined, whether it succeeded or not.
 */
export const transactionsView: View = {
  name: "transactions",
  version: 1,
  tables: ["transactions"],
  types: [
    ...["TransactionPlanned", "TransactionSigned", "TransactionRefused", "TransactionMined"],
    ...["TransactionUndone", "TransactionConfirmed", "TransactionDisplaced"],
  ],
  statements: [
    "INSERT INTO transactions VALUES (?1, 'planned', ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, 0, " +
      "NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, ?12, NULL, NULL)",
    "UPDATE transactions SET state = 'sent', hash = ?2, cancel_hash = coalesce(?3, cancel_hash), " +
      "attempts = attempts + 1, refusal = NULL, refusal_text = NULL WHERE id = ?1",
    "UPDATE transactions SET refusal = ?2, refusal_text = ?3 WHERE id = ?1",
    "UPDATE transactions SET state = 'mined', hash = ?2, block = ?3, is_success = ?4, gas_used = ?5, " +
      "gas_price = ?6, fee = ?7, mined_ms = ?8, refusal = NULL, refusal_text = NULL WHERE id = ?1",
    "UPDATE transactions SET state = 'sent', block = NULL, is_success = NULL, gas_used = NULL, " +
      "gas_price = NULL, fee = NULL, mined_ms = NULL WHERE id = ?1",
    "UPDATE transactions SET state = 'confirmed', hash = ?2, block = ?3, fee = ?4, ended_ms = ?5 WHERE id = ?1",
    "UPDATE transactions SET state = 'displaced', ended_ms = ?2 WHERE id = ?1",
  ],
  project: ({ stream, atMs, event: anyEvent }) => {
    const event = anyEvent as TransactionEvent;
    const { id } = parseStreamId(stream);
    switch (event.type) {
      case "TransactionPlanned": {
        const { purpose, subject, tickets, round, chainId, from, nonce, to, value, gasLimit } = event;
        const meant = [purpose, subject, JSON.stringify(tickets), round === null ? null : String(round)];
        const sent = [String(chainId), from, nonce, to, String(value), String(gasLimit)];
        return [[0, [id, ...meant, ...sent, atMs]]];
      }
      case "TransactionSigned":
        return [[1, [id, event.hash, event.kind === "cancel" ? event.hash : null]]];
      case "TransactionRefused":
        return [[2, [id, event.cause, event.text]]];
      case "TransactionMined": {
        const { hash, block, isSuccess, gasUsed, gasPrice } = event;
        const cost = [String(gasUsed), String(gasPrice), String(gasUsed * gasPrice)];
        return [[3, [id, hash, String(block), isSuccess ? 1 : 0, ...cost, atMs]]];
      }
      case "TransactionUndone":
        return [[4, [id]]];
      case "TransactionConfirmed":
        return [[5, [id, event.hash, String(event.block), String(event.fee), atMs]]];
      case "TransactionDisplaced":
        return [[6, [id, atMs]]];
      default:
        return [];
    }
  },
};
