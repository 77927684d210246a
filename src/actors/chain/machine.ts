import { assign, setup } from "xstate";
import { bigInteger, nullable, object } from "../../events/codec.ts";
import type { Decoded } from "../../events/codec.ts";
import { type ChainEvent, roundObserved } from "../../events/chain.ts";

/*
 * Where the chain stood when it was last seen to move by a round. One entity: `chain:own`.
 *
 *   unseen ─RoundObserved─▶ seen ◀─┐
 *                             └─────┘ RoundObserved
 */

/** All that the last round's event said; no round before the first. */
export const chainContext = object({ ...roundObserved.fields, round: nullable(bigInteger) });

export type ChainContext = Decoded<typeof chainContext>;
export type ChainInput = { readonly id: string };

const emptyContext: ChainContext = {
  chainId: 0n,
  recipient: "0x",
  round: null,
  blockHash: "0x",
  previousBlockHash: "0x",
  l1Block: 0n,
  transcoderPoolSize: 0n,
  ticketValidityPeriod: 0n,
  isRecipientActive: false,
  readAtMs: 0,
};

export const chainMachine = setup({
  types: {
    context: {} as ChainContext,
    events: {} as ChainEvent,
    input: {} as ChainInput,
  },
  actions: {
    remember: assign((_, { type: _type, ...facts }: ChainEvent) => facts),
  },
}).createMachine({
  id: "chain",
  context: emptyContext,
  initial: "unseen",
  states: {
    unseen: {
      on: { RoundObserved: { target: "seen", actions: { type: "remember", params: ({ event }) => event } } },
    },
    seen: {
      on: { RoundObserved: { actions: { type: "remember", params: ({ event }) => event } } },
    },
  },
});
