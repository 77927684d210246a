import { assign, setup } from "xstate";
import { bigInteger, flag, hex, integer, list, nullable, object, oneOf, text } from "../../events/codec.ts";
import type { Decoded } from "../../events/codec.ts";
import { transactionPlanned, transactionSigned, type TransactionEvent } from "../../events/transaction.ts";
import { effect } from "../kind.ts";

/*
 * A transaction from its plan to its one end. It is signed before anything leaves the machine, and all of its
 * attempts share one nonce.
 *
 *   drafted ─TransactionPlanned─▶ planned ─TransactionSigned─▶ sent ◀─┐ TransactionSigned (raise, cancel)
 *                                                              │ │ └──┘ TransactionRefused
 *                                                              │ └─TransactionDisplaced─▶ displaced
 *                                         TransactionUndone ▲  ▼ TransactionMined
 *                                                           └ mined ─TransactionConfirmed─▶ confirmed
 *
 * `broadcastTransaction` follows every signature. A restart broadcasts again whatever is not mined.
 */

export const transactionAttempt = object(transactionSigned.fields);

export const transactionContext = object({
  ...transactionPlanned.fields,
  attempts: list(transactionAttempt),
  /** Why no endpoint took the last attempt; null when one did, or none was asked. */
  refusal: nullable(oneOf("nonce-too-low", "underpriced", "no-gas-money", "other")),
  mined: nullable(
    object({
      hash: hex,
      block: bigInteger,
      blockHash: hex,
      isSuccess: flag,
      gasUsed: bigInteger,
      gasPrice: bigInteger,
    }),
  ),
  /** How often a re-org took it back. */
  undone: integer,
  /** Transactions of the account that were mined when it was displaced. */
  displacedAt: nullable(integer),
  id: text,
});

export type TransactionContext = Decoded<typeof transactionContext>;
export type TransactionInput = { readonly id: string };

const empty: Omit<TransactionContext, "id"> = {
  purpose: "operator",
  subject: "",
  tickets: [],
  round: null,
  chainId: 0n,
  from: "0x",
  nonce: 0,
  to: "0x",
  value: 0n,
  data: "0x",
  gasLimit: 0n,
  feeMax: null,
  attempts: [],
  refusal: null,
  mined: null,
  undone: 0,
  displacedAt: null,
};

export const transactionMachine = setup({
  types: {
    context: {} as TransactionContext,
    events: {} as TransactionEvent,
    input: {} as TransactionInput,
  },
  actions: {
    remember: assign((_, params: Partial<TransactionContext>) => params),
    addAttempt: assign(({ context }, { type: _type, ...attempt }: TransactionEvent) => ({
      attempts: [...context.attempts, attempt as TransactionContext["attempts"][number]],
      refusal: null,
    })),
    /** Hands the newest attempt to the chain, once it is durable. */
    broadcastTransaction: effect<Record<never, never>>(),
  },
}).createMachine({
  id: "transaction",
  context: ({ input }) => ({ ...empty, id: input.id }),
  initial: "drafted",
  states: {
    drafted: {
      on: {
        TransactionPlanned: {
          target: "planned",
          actions: { type: "remember", params: ({ event: { type: _type, ...plan } }) => plan },
        },
      },
    },
    planned: {
      on: {
        TransactionSigned: {
          target: "sent",
          actions: [
            { type: "addAttempt", params: ({ event }) => event },
            { type: "broadcastTransaction", params: {} },
          ],
        },
      },
    },
    sent: {
      on: {
        TransactionSigned: {
          actions: [
            { type: "addAttempt", params: ({ event }) => event },
            { type: "broadcastTransaction", params: {} },
          ],
        },
        TransactionRefused: {
          actions: { type: "remember", params: ({ event }) => ({ refusal: event.cause }) },
        },
        TransactionMined: {
          target: "mined",
          actions: {
            type: "remember",
            params: ({ event: { type: _type, ...mined } }) => ({ mined, refusal: null }),
          },
        },
        TransactionDisplaced: {
          target: "displaced",
          actions: { type: "remember", params: ({ event }) => ({ displacedAt: event.mined }) },
        },
      },
    },
    mined: {
      on: {
        TransactionUndone: {
          target: "sent",
          actions: {
            type: "remember",
            params: ({ context }) => ({ mined: null, undone: context.undone + 1 }),
          },
        },
        TransactionConfirmed: { target: "confirmed" },
      },
    },
    confirmed: { type: "final" },
    displaced: { type: "final" },
  },
});
