import { assign, setup } from "xstate";
import { rationalFields } from "../../events/account.ts";
import type { AccountEvent } from "../../events/account.ts";
import type { Decoded } from "../../events/codec.ts";
import { hex, integer, list, nullable, object, text } from "../../events/codec.ts";
import { add, ZERO } from "../../protocol/rational.ts";
import { ticketValue } from "../../protocol/ticket.ts";
import { effect } from "../kind.ts";

/*
 * What one gateway has with us under one session (or one AI capability, or one live stream): what it paid, what it
 * used, and the price that both are counted in.
 *
 *   unused ─PaymentAccepted | PriceFixed─▶ open ─AccountExpired─▶ expired
 *                                          │  ▲
 *                                          └──┘ PaymentAccepted, PriceFixed, JobReserved, JobDebited, JobReleased
 *
 * The balance is `credited − debited`, never a number of its own. A job speaks for its fee from the moment it is
 * taken on, so that parallel jobs cannot lean on the same money.
 */

/** A job that was taken on and has not ended. */
export const openJobFields = object({ jobId: text, price: rationalFields, fee: rationalFields });

export const accountContext = object({
  sender: nullable(hex),
  /** Wei per unit; null until it is fixed. */
  price: nullable(rationalFields),
  credited: rationalFields,
  debited: rationalFields,
  openJobs: list(openJobFields),
  /** What the tickets of the last payment were worth each, wei; null before one was credited. */
  ticketValue: nullable(rationalFields),
  tickets: integer,
  winners: integer,
  idleDeadlineMs: nullable(integer),
});

export type AccountContext = Decoded<typeof accountContext>;
export type AccountInput = { readonly id: string };

const emptyContext: AccountContext = {
  sender: null,
  price: null,
  credited: ZERO,
  debited: ZERO,
  openJobs: [],
  ticketValue: null,
  tickets: 0,
  winners: 0,
  idleDeadlineMs: null,
};

type EventOfType<Type extends AccountEvent["type"]> = Extract<AccountEvent, { type: Type }>;

export const accountMachine = setup({
  types: {
    context: {} as AccountContext,
    events: {} as AccountEvent,
    input: {} as AccountInput,
  },
  actions: {
    credit: assign(({ context }, event: EventOfType<"PaymentAccepted">) => ({
      sender: event.sender,
      credited: add(context.credited, event.credit),
      tickets: context.tickets + event.creditedTickets,
      winners: context.winners + event.winners.length,
      ticketValue:
        event.creditedTickets > 0 ? ticketValue(event.faceValue, event.winProb) : context.ticketValue,
      idleDeadlineMs: event.idleDeadlineMs,
    })),
    fixPrice: assign((_, { sender, price, idleDeadlineMs }: EventOfType<"PriceFixed">) => ({
      sender,
      price,
      idleDeadlineMs,
    })),
    reserve: assign(({ context }, { jobId, price, fee }: EventOfType<"JobReserved">) => ({
      openJobs: [...context.openJobs, { jobId, price, fee }],
    })),
    debit: assign(({ context }, event: EventOfType<"JobDebited">) => ({
      openJobs: context.openJobs.filter(({ jobId }) => jobId !== event.jobId),
      debited: add(context.debited, event.fee),
      idleDeadlineMs: event.idleDeadlineMs,
    })),
    release: assign(({ context }, event: EventOfType<"JobReleased">) => ({
      openJobs: context.openJobs.filter(({ jobId }) => jobId !== event.jobId),
      idleDeadlineMs: event.idleDeadlineMs,
    })),
    /** The account's name is free again. */
    forgetAccount: effect<Record<never, never>>(),
  },
}).createMachine({
  id: "account",
  context: emptyContext,
  initial: "unused",
  states: {
    unused: {
      on: {
        PaymentAccepted: { target: "open", actions: { type: "credit", params: ({ event }) => event } },
        PriceFixed: { target: "open", actions: { type: "fixPrice", params: ({ event }) => event } },
      },
    },
    open: {
      on: {
        PaymentAccepted: { actions: { type: "credit", params: ({ event }) => event } },
        PriceFixed: { actions: { type: "fixPrice", params: ({ event }) => event } },
        JobReserved: { actions: { type: "reserve", params: ({ event }) => event } },
        JobDebited: { actions: { type: "debit", params: ({ event }) => event } },
        JobReleased: { actions: { type: "release", params: ({ event }) => event } },
        AccountExpired: { target: "expired" },
      },
    },
    expired: { type: "final", entry: { type: "forgetAccount", params: {} } },
  },
});
