import type { RoundRecord, TransactionRecord } from "../events/log/reader.ts";
import type { RoundEvent } from "../events/round.ts";
import type { TransactionEvent } from "../events/transaction.ts";

/*
 * Rows of transactions and rounds made from their events alone: what a check holds against the views.
 */

/** The row after one more event; null for an event that needs a row where there is none. */
export function transactionAfter(
  row: TransactionRecord | null,
  id: string,
  atMs: number,
  event: TransactionEvent,
): TransactionRecord | null {
  if (event.type === "TransactionPlanned") return plannedTransaction(id, atMs, event);
  if (row === null) return null;
  switch (event.type) {
    case "TransactionSigned":
      return {
        ...row,
        ...{ state: "sent", hash: event.hash, attempts: row.attempts + 1, refusal: null, refusalText: null },
        cancelHash: event.kind === "cancel" ? event.hash : row.cancelHash,
      };
    case "TransactionRefused":
      return { ...row, refusal: event.cause, refusalText: event.text };
    case "TransactionMined": {
      const { hash, block, isSuccess, gasUsed, gasPrice } = event;
      return {
        ...row,
        ...{ state: "mined", hash, block: `${block}`, isSuccess: isSuccess ? 1 : 0, minedMs: atMs },
        ...{ gasUsed: `${gasUsed}`, gasPrice: `${gasPrice}`, fee: `${gasUsed * gasPrice}` },
        ...{ refusal: null, refusalText: null },
      };
    }
    case "TransactionUndone":
      return {
        ...row,
        ...{ state: "sent", block: null, isSuccess: null, gasUsed: null, gasPrice: null, fee: null },
        minedMs: null,
      };
    case "TransactionConfirmed":
      return {
        ...row,
        ...{ state: "confirmed", hash: event.hash, block: `${event.block}`, fee: `${event.fee}` },
        endedMs: atMs,
      };
    case "TransactionDisplaced":
      return { ...row, state: "displaced", endedMs: atMs };
  }
}

function plannedTransaction(
  id: string,
  atMs: number,
  event: Extract<TransactionEvent, { type: "TransactionPlanned" }>,
): TransactionRecord {
  const { purpose, subject, tickets, round, chainId, from, nonce, to, value, gasLimit } = event;
  return {
    ...{ id, state: "planned", purpose, subject, tickets: JSON.stringify(tickets), round: textOf(round) },
    ...{ chainId: `${chainId}`, from, nonce, to, value: `${value}`, gasLimit: `${gasLimit}`, attempts: 0 },
    ...{ hash: null, cancelHash: null, refusal: null, refusalText: null, block: null, isSuccess: null },
    ...{ gasUsed: null, gasPrice: null, fee: null, plannedMs: atMs, minedMs: null, endedMs: null },
  };
}

/** The row after one more event; null for an event that needs a row where there is none. */
export function roundAfter(
  row: RoundRecord | null,
  round: string,
  atMs: number,
  event: RoundEvent,
): RoundRecord | null {
  if (event.type === "RoundOpened") {
    const { startBlock, length } = event;
    return {
      ...{ round, state: "opened", startBlock: `${startBlock}`, length: `${length}`, openedMs: atMs },
      ...{ initializationId: null, forecast: null, transactionId: null, txHash: null, block: null },
      ...{ amount: null, treasury: null, cause: null, text: null, endedMs: null },
    };
  }
  if (row === null) return null;
  return { ...row, ...roundChange(row, atMs, event) };
}

function roundChange(
  row: RoundRecord,
  atMs: number,
  event: Exclude<RoundEvent, { type: "RoundOpened" }>,
): Partial<RoundRecord> {
  switch (event.type) {
    case "InitializationSubmitted":
      return { initializationId: event.transaction };
    case "InitializationReturned":
      return { initializationId: null };
    case "RoundInitialized":
      return row.state === "opened" ? { state: "initialized" } : {};
    case "RewardDue":
      return { state: "due", forecast: `${event.forecast}` };
    case "RewardPostponed":
      return { cause: event.cause, text: event.text };
    case "RewardSubmitted":
      return { state: "submitted", transactionId: event.transaction, cause: null, text: null };
    case "RewardReturned":
      return { state: "due", transactionId: null, cause: event.cause, text: event.text };
    case "RewardMined": {
      const { transaction: transactionId, txHash, block, amount, treasury } = event;
      return {
        ...{ state: "mined", transactionId, txHash, block: `${block}`, cause: null, text: null },
        ...{ amount: textOf(amount), treasury: textOf(treasury) },
      };
    }
    case "RewardUndone":
      return {
        ...{ state: "due", transactionId: null, txHash: null, block: null, amount: null, treasury: null },
      };
    case "RewardConfirmed":
      return { state: "confirmed", block: `${event.block}`, endedMs: atMs };
    case "RewardMissed":
      return {
        ...{ state: "missed", cause: event.cause, text: event.text, endedMs: atMs },
        forecast: textOf(event.forecast) ?? row.forecast,
      };
    case "RewardNotDue":
      return { state: "not-due", cause: event.cause, text: null, endedMs: atMs };
  }
}

function textOf(value: bigint | null): string | null {
  return value === null ? null : `${value}`;
}
