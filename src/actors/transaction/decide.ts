import type { SnapshotFrom } from "xstate";
import type { EventOf } from "../../events/definition.ts";
import {
  type TransactionEvent,
  transactionEvents,
  type transactionMined,
  type transactionPlanned,
  type transactionRefused,
  type transactionSigned,
} from "../../events/transaction.ts";
import type { ActorKind, Decided } from "../kind.ts";
import { decided, rejected } from "../kind.ts";
import { transactionContext, transactionMachine } from "./machine.ts";

type Fields<D> = Omit<EventOf<D>, "type">;

export type TransactionCommand =
  | {
      readonly type: "PlanTransaction";
      readonly plan: Fields<typeof transactionPlanned>;
      readonly first: Omit<Fields<typeof transactionSigned>, "kind">;
    }
  | ({ readonly type: "SignTransaction" } & Fields<typeof transactionSigned>)
  | ({ readonly type: "NoteRefusal" } & Fields<typeof transactionRefused>)
  | ({ readonly type: "MineTransaction" } & Fields<typeof transactionMined>)
  /** The block that held it is gone from the chain. */
  | { readonly type: "UndoTransaction" }
  | { readonly type: "ConfirmTransaction" }
  | { readonly type: "DisplaceTransaction"; readonly mined: number };

export type TransactionSnapshot = SnapshotFrom<typeof transactionMachine>;

/** Attempts of one transaction. At an eighth more each, the last pays thousands of times what the first did. */
const attemptsMax = 60;

/** Pure: what becomes of a command to a transaction. */
export function decideTransaction(
  snapshot: TransactionSnapshot | null,
  command: TransactionCommand,
): Decided<TransactionEvent> {
  if (command.type === "PlanTransaction") {
    if (snapshot !== null) return rejected("TRANSACTION_KNOWN", "There is such a transaction.");
    return decided(
      { ...command.plan, type: "TransactionPlanned" },
      { ...command.first, kind: "first", type: "TransactionSigned" },
    );
  }
  if (snapshot === null) return rejected("TRANSACTION_UNKNOWN", "There is no such transaction.");
  const { attempts, mined, refusal } = snapshot.context;
  if (command.type === "UndoTransaction" || command.type === "ConfirmTransaction") {
    if (!snapshot.matches("mined") || mined === null)
      return rejected("TRANSACTION_NOT_MINED", "It is in no block.");
    const { hash, block, blockHash, gasUsed, gasPrice } = mined;
    if (command.type === "UndoTransaction")
      return decided({ type: "TransactionUndone", hash, block, blockHash });
    return decided({ type: "TransactionConfirmed", hash, block, fee: gasUsed * gasPrice });
  }
  if (!snapshot.matches("sent")) return rejected("TRANSACTION_NOT_SENT", "It is not on its way.");
  switch (command.type) {
    case "SignTransaction":
      if (attempts.length >= attemptsMax) return rejected("ATTEMPTS_MAX", "It was tried too often.");
      if (attempts.some(({ hash }) => hash === command.hash))
        return rejected("ATTEMPT_KNOWN", "There is such an attempt.");
      return decided({ ...command, type: "TransactionSigned" });
    case "NoteRefusal":
      if (refusal === command.cause) return rejected("REFUSAL_KNOWN", "It was refused for that already.");
      return decided({ ...command, type: "TransactionRefused" });
    case "MineTransaction":
      if (!attempts.some(({ hash }) => hash === command.hash))
        return rejected("ATTEMPT_UNKNOWN", "There is no such attempt.");
      return decided({ ...command, type: "TransactionMined" });
    case "DisplaceTransaction":
      return decided({ type: "TransactionDisplaced", mined: command.mined });
  }
}

export const transactionKind: ActorKind = {
  kind: "transaction",
  machine: transactionMachine,
  events: transactionEvents,
  context: transactionContext as ActorKind["context"],
  decide: decideTransaction as unknown as ActorKind["decide"],
  // The chain moves it: every look at the chain takes it up again.
  deadline: () => null,
  isMovedFromOutside: true,
};
