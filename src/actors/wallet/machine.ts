import { assign, setup } from "xstate";
import { integer, object } from "../../events/codec.ts";
import type { Decoded } from "../../events/codec.ts";
import type { WalletEvent } from "../../events/wallet.ts";

/*
 * The nonces of an account. It counts on for ever.
 *
 *   counting ◀─┐
 *       └──────┘ NonceReserved, NonceCorrected
 */

export const walletContext = object({
  /** What the next transaction gets, unless the chain is further. */
  nextNonce: integer,
});

export type WalletContext = Decoded<typeof walletContext>;
export type WalletInput = { readonly id: string };

export const walletMachine = setup({
  types: {
    context: {} as WalletContext,
    events: {} as WalletEvent,
    input: {} as WalletInput,
  },
  actions: {
    remember: assign((_, params: WalletContext) => params),
  },
}).createMachine({
  id: "wallet",
  context: { nextNonce: 0 },
  initial: "counting",
  states: {
    counting: {
      on: {
        NonceReserved: {
          actions: { type: "remember", params: ({ event }) => ({ nextNonce: event.nonce + 1 }) },
        },
        NonceCorrected: {
          actions: { type: "remember", params: ({ event }) => ({ nextNonce: event.nonce }) },
        },
      },
    },
  },
});
