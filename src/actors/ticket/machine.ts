import { assign, setup } from "xstate";
import { bigInteger, flag, hex, integer, nullable, object, text } from "../../events/codec.ts";
import type { Decoded } from "../../events/codec.ts";
import type { TicketEvent } from "../../events/ticket.ts";

/*
 * A ticket that won, from the moment it is durable to its one end.
 *
 *   drawn ─TicketWon─▶ won ◀─┐ RedemptionPostponed, TicketHeld
 *                      │ │ ▲ └┘ TicketEntrusted
 *                      │ │ └──RedemptionReturned── submitted ◀─RedemptionSubmitted (from won)
 *                      │ │                            │ ▲
 *                      │ └─TicketPaid (somebody else) ▼ │ TicketUnpaid (a re-org; won again when it was not ours)
 *                      │              └────────────▶ paid ─TicketRedeemed─▶ redeemed
 *                      ├──TicketRedeemed─▶ redeemed
 *                      ├──TicketExpired──▶ expired
 *                      └──TicketRefused──▶ refused
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
  /** The operator keeps it back. */
  isHeld: flag,
  /** The transaction that redeems it; null when there is none, or when it was somebody else's. */
  transaction: nullable(text),
  /** Transactions that did not redeem it. */
  returned: integer,
  /** Why it waits, when it is due. */
  cause: nullable(text),
  paid: nullable(object({ txHash: nullable(hex), block: bigInteger, amount: nullable(bigInteger) })),
  /** The redeemer that has acknowledged it, and the round of that. */
  entrusted: nullable(object({ redeemer: text, round: nullable(bigInteger) })),
});

export type TicketContext = Decoded<typeof ticketContext>;
export type TicketInput = { readonly id: string };

const empty: TicketContext = {
  sender: null,
  faceValue: 0n,
  expirationBlock: 0n,
  lastValidRound: 0n,
  isHeld: false,
  transaction: null,
  returned: 0,
  cause: null,
  paid: null,
  entrusted: null,
};

export const ticketMachine = setup({
  types: {
    context: {} as TicketContext,
    events: {} as TicketEvent,
    input: {} as TicketInput,
  },
  actions: {
    remember: assign((_, params: Partial<TicketContext>) => params),
  },
  guards: {
    isOurs: ({ context }) => context.transaction !== null,
  },
}).createMachine({
  id: "ticket",
  context: empty,
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
        RedemptionSubmitted: {
          target: "submitted",
          actions: {
            type: "remember",
            params: ({ event }) => ({ transaction: event.transaction, cause: null }),
          },
        },
        RedemptionPostponed: {
          actions: { type: "remember", params: ({ event }) => ({ cause: event.cause }) },
        },
        TicketHeld: { actions: { type: "remember", params: ({ event }) => ({ isHeld: event.isHeld }) } },
        TicketEntrusted: {
          actions: {
            type: "remember",
            params: ({ event: { redeemer, round } }) => ({ entrusted: { redeemer, round }, cause: null }),
          },
        },
        TicketPaid: {
          target: "paid",
          actions: {
            type: "remember",
            // Ours when a re-org had taken back that our transaction did not redeem it.
            params: ({ event: { transaction, txHash, block, amount } }) => ({
              transaction,
              paid: { txHash, block, amount },
            }),
          },
        },
        TicketRedeemed: { target: "redeemed" },
        TicketExpired: { target: "expired" },
        TicketRefused: { target: "refused" },
      },
    },
    submitted: {
      on: {
        RedemptionReturned: {
          target: "won",
          actions: {
            type: "remember",
            params: ({ context }) => ({ transaction: null, returned: context.returned + 1 }),
          },
        },
        TicketHeld: { actions: { type: "remember", params: ({ event }) => ({ isHeld: event.isHeld }) } },
        TicketPaid: {
          target: "paid",
          actions: {
            type: "remember",
            params: ({ event: { transaction, txHash, block, amount } }) => ({
              transaction,
              paid: { txHash, block, amount },
            }),
          },
        },
      },
    },
    paid: {
      on: {
        TicketUnpaid: [
          {
            guard: "isOurs",
            target: "submitted",
            actions: { type: "remember", params: { paid: null } },
          },
          { target: "won", actions: { type: "remember", params: { paid: null } } },
        ],
        TicketRedeemed: { target: "redeemed" },
      },
    },
    redeemed: { type: "final" },
    expired: { type: "final" },
    refused: { type: "final" },
  },
});
