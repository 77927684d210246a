import type { TransactionSnapshot } from "../../actors/transaction/decide.ts";
import type { Hex } from "../../shared/brand.ts";
import type {
  ChainCall,
  ChainDesk,
  ChainLook,
  Receipt,
  ReceiptWord,
  SignedTransaction,
  TransactionSigner,
} from "../chainPorts.ts";
import type { Host } from "../host.ts";

/*
 * What those who want transactions and the desk that has them mined say to one another.
 */

export type TransactionPurpose = "redeem" | "reward" | "initialize" | "operator";

export type TransactionContext = TransactionSnapshot["context"];

/** A transaction that has not ended: its id `<account>/<nonce>` and what is known of it. */
export type OpenTransaction = {
  readonly id: string;
  readonly state: "sent" | "mined";
  readonly context: TransactionContext;
};

/**
 * Whoever wanted a transaction hears what becomes of it, in the turn in which the log learns it: what it decides then
 * joins the same commit. `undone` takes `mined` back; `displaced` ends it without effect; `released` says, at each
 * look, that nobody has its key and no block takes it: what it was for may be done again, though it may still be mined.
 */
export type TransactionOwner = {
  mined(transaction: OpenTransaction, receipt: Receipt, look: ChainLook): void;
  /** False: what the receipt means is not known yet; it is shown again with the next look. */
  isReady?(transaction: OpenTransaction, receipt: Receipt, look: ChainLook): boolean;
  undone(transaction: OpenTransaction): void;
  confirmed(transaction: OpenTransaction): void;
  displaced(transaction: OpenTransaction): void;
  released?(transaction: OpenTransaction): void;
  /**
   * At each look: its nonce is used for good, and nobody can read the receipt. Whatever it was for that the chain does
   * not show as done, it has not done.
   */
  unread?(transaction: OpenTransaction, look: ChainLook): void;
  /** False: nothing of what a released one was for is left to be done by it. */
  isUseful?(transaction: OpenTransaction): boolean;
  /** True when nothing would be gained by having it mined: it is replaced by one that does nothing. */
  isMoot?(transaction: OpenTransaction, look: ChainLook): boolean;
};

export type TransactionRequest = {
  readonly purpose: TransactionPurpose;
  readonly subject: string;
  readonly from: Hex;
  readonly call: ChainCall;
  readonly gasLimit: bigint;
  /** Wei per gas; null = no limit but the configured one. */
  readonly feeMax: bigint | null;
  readonly round: bigint | null;
  readonly tickets: readonly Hex[];
};

/** Why nothing was sent now. Whoever asked may ask again at the next look. */
export type PlanRefusal = {
  readonly type: "refused";
  readonly cause: "unreadable" | "fee" | "gas-money" | "unauthorized" | "unwanted";
  readonly text: string;
};

export type TransactionDeskOptions = {
  readonly host: Host;
  readonly desk: ChainDesk;
  readonly signer: TransactionSigner;
  readonly monotonicMs: () => number;
  /** Blocks on top of a block that make it final. */
  readonly confirmations: number;
  /** How long one attempt may wait before it is raised. Milliseconds. */
  readonly timeoutMs: number;
  /** `-maxGasPrice`: wei per gas; null = none. */
  readonly feeMax: () => bigint | null;
  /** Bytes of a transaction that was ended as confirmed, for a chain that has lost it; null when unknown. */
  readonly rawOf?: (id: string) => SignedTransaction | null;
  /**
   * Follows transactions of this purpose only: those of others end in the presence of their owners, which a command
   * does not have.
   */
  readonly only?: TransactionPurpose;
  /** Whether the log knows this id of an ended transaction: after the chain went far back, a nonce comes twice. */
  readonly isTaken?: (id: string) => boolean;
  /** A receipt of ours counts from now on. */
  readonly onReceipt?: (receipt: Receipt) => void;
  readonly onFault: (error: unknown) => void;
};

/** Of a transaction that nobody asks about. */
export const silentOwner: TransactionOwner = {
  mined: () => undefined,
  undone: () => undefined,
  confirmed: () => undefined,
  displaced: () => undefined,
};

/** Why a transaction was released, for people. */
export function keylessText({ context: { from } }: OpenTransaction): string {
  return `No block took it, and this node has no key for ${from} to raise it with.`;
}

/** Why a transaction is given up whose receipt cannot be read, for people. */
export const unreadText = "Its nonce is used, and no two endpoints can say by what.";

/**
 * Whether it was cancelled for good. A reward never is: one that outlived its round calls the reward of the next, and
 * was perhaps given up for reasons of the round before.
 */
export function isGivenUp({ purpose, attempts }: TransactionContext): boolean {
  return purpose !== "reward" && attempts.at(-1)?.kind === "cancel";
}

/** Whether a receipt was read. */
export function isReceipt(word: ReceiptWord): word is Receipt {
  return word !== null && word !== "unreadable";
}

/** Whether it may still be mined, or mined again: one that is as deep as it need be is waited for by nobody. */
export function mayStillMove(
  { state, context: { mined } }: OpenTransaction,
  look: ChainLook,
  confirmations: number,
): boolean {
  return state === "sent" || mined === null || look.block - mined.block < BigInt(confirmations);
}

/** Why nothing is sent now. */
export function refusal(cause: PlanRefusal["cause"], text: string): PlanRefusal {
  return { type: "refused", cause, text };
}

/** A call as the log writes bytes. */
export function lowerCase({ to, data, value }: ChainCall): ChainCall {
  return { to: to.toLowerCase() as Hex, data: data.toLowerCase() as Hex, value };
}
