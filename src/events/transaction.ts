import { bigInteger, flag, hex, integer, list, nullable, oneOf, text } from "./codec.ts";
import type { EventOf } from "./definition.ts";
import { catalogueOf, defineEvent } from "./definition.ts";

/*
 * A transaction that this node means to have mined: stream `transaction:<account>/<nonce>`. All its attempts share
 * the nonce, so at most one of them can ever be mined.
 */

/** What is to be done, and with which nonce. The first attempt is signed in the same commit. */
export const transactionPlanned = defineEvent("TransactionPlanned", {
  purpose: oneOf("redeem", "reward", "initialize", "operator"),
  /** For people: `round 4253`, `3 tickets`, `bond 100 LPT`. */
  subject: text,
  /** Hashes of the tickets that it redeems. */
  tickets: list(hex),
  /** The round that it is meant for; null when it is meant for none. */
  round: nullable(bigInteger),
  chainId: bigInteger,
  from: hex,
  nonce: integer,
  to: hex,
  /** Wei. */
  value: bigInteger,
  data: hex,
  gasLimit: bigInteger,
  /** Wei per gas that no attempt may exceed; null = none. */
  feeMax: nullable(bigInteger),
});

/** An attempt is signed. It is broadcast once this is durable, and again whenever it may have been lost. */
export const transactionSigned = defineEvent("TransactionSigned", {
  hash: hex,
  /** Ready for `eth_sendRawTransaction`. It can do nothing but what was planned. */
  raw: hex,
  kind: oneOf("first", "raise", "cancel"),
  /** Wei per gas: the fee cap, or the gas price of a legacy transaction. */
  feeCap: bigInteger,
  /** Wei per gas; null = a legacy transaction. */
  tip: nullable(bigInteger),
});

/** No endpoint takes it. It stays wanted. */
export const transactionRefused = defineEvent("TransactionRefused", {
  hash: hex,
  cause: oneOf("nonce-too-low", "underpriced", "no-gas-money", "other"),
  text,
});

/** A block holds one of its attempts. */
export const transactionMined = defineEvent("TransactionMined", {
  hash: hex,
  block: bigInteger,
  blockHash: hex,
  /** False: it was reverted, and has cost its gas all the same. */
  isSuccess: flag,
  gasUsed: bigInteger,
  /** Wei per gas. */
  gasPrice: bigInteger,
});

/** The block that held it is no longer part of the chain. */
export const transactionUndone = defineEvent("TransactionUndone", {
  hash: hex,
  block: bigInteger,
  blockHash: hex,
});

/** Deep enough in the chain to stay. */
export const transactionConfirmed = defineEvent("TransactionConfirmed", {
  hash: hex,
  block: bigInteger,
  /** Wei that the gas cost. */
  fee: bigInteger,
});

/** Another transaction, not of ours, used the nonce up. */
export const transactionDisplaced = defineEvent("TransactionDisplaced", {
  /** Transactions of the account that were mined then. */
  mined: integer,
});

export const transactionEvents = catalogueOf([
  ...[transactionPlanned, transactionSigned, transactionRefused, transactionMined],
  ...[transactionUndone, transactionConfirmed, transactionDisplaced],
]);

export type TransactionEvent =
  | EventOf<typeof transactionPlanned>
  | EventOf<typeof transactionSigned>
  | EventOf<typeof transactionRefused>
  | EventOf<typeof transactionMined>
  | EventOf<typeof transactionUndone>
  | EventOf<typeof transactionConfirmed>
  | EventOf<typeof transactionDisplaced>;
