import type { LogReader } from "../events/log/reader.ts";
import type { TransactionEvent } from "../events/transaction.ts";
import type { OperatorTransactions, OperatorTransactionState } from "../operator/ports.ts";
import type { TransactionDesk } from "../runtime/chain/transactionDesk.ts";
import type { ChainLook } from "../runtime/chainPorts.ts";
import type { Hex } from "../shared/brand.ts";

export type OperatorTransactionsParts = {
  readonly token: string;
  readonly transactions: Pick<TransactionDesk, "plan" | "open">;
  readonly reader: LogReader;
  /** The node's own account, lower case. */
  readonly account: Hex;
  /** A fresh look at the chain; null when it cannot be read now. */
  readonly look: () => Promise<ChainLook | null>;
  /** Resolves when what was decided is durable. */
  readonly committed: () => Promise<void>;
  /** Something is under way: the chain is to be looked at soon. */
  readonly onPlanned: () => void;
  readonly sleep?: (ms: number) => Promise<void>;
};

/** A chain that cannot be read is looked at again so often, with a breath between, before an order is refused. */
const looksMax = 4;
const breathMs = 1_000;

/** Gas for a call whose gas nobody has named: more than any action of an operator needs. */
const gasAmple = 1_500_000n;

/** Transactions that operators hand to the running node. */
export function operatorTransactions(parts: OperatorTransactionsParts): OperatorTransactions {
  return {
    token: parts.token,
    submit: async ({ from, to, data, value, gasLimit, subject }) => {
      const look = await patientLook(parts.look, parts.sleep ?? Bun.sleep);
      if (look === null) return { type: "refused", text: "The chain cannot be read now." };
      const account = from ?? parts.account;
      // Whoever was told of a time-out, or of nothing, and asks again, must not pay twice.
      const twin = parts.transactions.open().find(({ state, context: known }) => {
        // The log holds lower case.
        const isSameCall = known.to === to.toLowerCase() && known.data === data.toLowerCase();
        const isOperators = known.purpose === "operator" && known.from === account;
        return state === "sent" && isOperators && isSameCall && known.value === value;
      });
      if (twin !== undefined) {
        return { type: "refused", text: `The same transaction is on its way and not mined yet: ${twin.id}.` };
      }
      const planned = await parts.transactions.plan(
        {
          purpose: "operator",
          subject,
          from: account,
          call: { to, data, value },
          gasLimit: gasLimit ?? gasAmple,
          ...{ feeMax: null, round: null, tickets: [] },
        },
        look,
      );
      if (planned.type === "refused") return { type: "refused", text: planned.text };
      await parts.committed();
      parts.onPlanned();
      return { type: "submitted", id: planned.id };
    },
    state: (id) => transactionState(parts.reader, id),
  };
}

/** Null: the chain could not be read for a few seconds. */
export async function patientLook(
  look: () => Promise<ChainLook | null>,
  sleep: (ms: number) => Promise<void>,
): Promise<ChainLook | null> {
  for (let tries = 1; ; tries += 1) {
    const seen = await look();
    if (seen !== null || tries === looksMax) return seen;
    await sleep(breathMs);
  }
}

/** How far a transaction is, by the log; null when the log has none of that id. */
export function transactionState(reader: LogReader, id: string): OperatorTransactionState | null {
  let state: OperatorTransactionState | null = null;
  const cancels = new Set<Hex>();
  for (const { event } of reader.eventsOf(`transaction:${id}`, 0)) {
    const known = event as TransactionEvent;
    if (known.type === "TransactionSigned" && known.kind === "cancel") cancels.add(known.hash);
    state = after(state, known);
  }
  // What was replaced by a transaction that does nothing has not happened, however well that one went.
  const isCancelled = state?.isSuccess === true && cancels.has(state.hash);
  return isCancelled && state !== null ? { ...state, isSuccess: false } : state;
}

function after(
  state: OperatorTransactionState | null,
  event: TransactionEvent,
): OperatorTransactionState | null {
  const open = { isSuccess: null, block: null, fee: null } as const;
  switch (event.type) {
    case "TransactionSigned":
      return { state: "sent", hash: event.hash, ...open };
    case "TransactionMined": {
      const { hash, isSuccess, block, gasUsed, gasPrice } = event;
      return { state: "mined", hash, isSuccess, block, fee: gasUsed * gasPrice };
    }
    case "TransactionUndone":
      return { state: "sent", hash: event.hash, ...open };
    case "TransactionConfirmed":
      return state === null
        ? null
        : { ...state, state: "confirmed", hash: event.hash, block: event.block, fee: event.fee };
    case "TransactionDisplaced":
      return state === null ? null : { ...state, state: "displaced" };
    case "TransactionPlanned":
    case "TransactionRefused":
      return state;
  }
}
