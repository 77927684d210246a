import { assign, setup } from "xstate";
import { bigInteger, hex, nullable, object } from "../../events/codec.ts";
import type { Decoded } from "../../events/codec.ts";
import type { TicketEvent } from "../../events/ticket.ts";

/*
 * A ticket that won, from the moment it is durable to its one end.
 *
 *   drawn ─TicketWon─▶ won ─TicketRedeemed─▶ redeemed
 *                       │
 *                       └──TicketExpired──▶ expired
 *
 * Everything that redemption needs is in the first event; the context holds what decisions read. A ticket may be
 * redeemed from L1 block `expirationBlock` on, and until the end of round `lastValidRound`.
 */

export const ticketContext = object({
  sender: nullable(hex),
  /** Wei. */
  faceValue: bigInteger,
  expirationBlock: bigInteger,
  lastValidRound: bigInteger,
});

export type TicketContext = Decoded<typeof ticketContext>;
export type TicketInput = { readonly id: string };

export const ticketMachine = setup({
  types: {
    context: {} as TicketContext,
    events: {} as TicketEvent,
    input: {} as TicketInput,
  },
  actions: {
    remember: assign((_, params: Partial<TicketContext>) => params),
  },
}).createMachine({
  id: "ticket",
  context: { sender: null, faceValue: 0n, expirationBlock: 0n, lastValidRound: 0n },
  initial: "drawn",
  states: {
    drawn: {
      on: {
        TicketWon: {
          target: "won",
          actions: {
            type: "remember",
            params: ({ event }) => ({
              sender: event.sender,
              faceValue: event.faceValue,
              expirationBlock: event.expirationBlock,
              lastValidRound: event.lastValidRound,
            }),
          },
        },
      },
    },
    won: {
      on: {
        TicketRedeemed: { target: "redeemed" },
        TicketExpired: { target: "expired" },
      },
    },
    redeemed: { type: "final" },
    expired: { type: "final" },
  },
});
