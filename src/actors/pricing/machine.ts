import { assign, setup } from "xstate";
import { rationalFields } from "../../events/account.ts";
import { bigInteger, list, nullable, object, text } from "../../events/codec.ts";
import type { Decoded } from "../../events/codec.ts";
import type { PricingEvent } from "../../events/pricing.ts";

/*
 * What we ask for. One entity: `pricing:own`.
 *
 *   unset ─PriceChanged | TicketTermsChanged─▶ set ◀─┐
 *                                               └─────┘ PriceChanged, PriceRemoved, TicketTermsChanged
 */

export const pricingContext = object({
  /** In the order in which scopes first got a price. */
  prices: list(object({ scope: text, price: rationalFields, wording: text })),
  terms: nullable(object({ ticketEv: bigInteger, maxFaceValue: bigInteger })),
});

export type PricingContext = Decoded<typeof pricingContext>;
export type PricingInput = { readonly id: string };

type EventOfType<Type extends PricingEvent["type"]> = Extract<PricingEvent, { type: Type }>;

export const pricingMachine = setup({
  types: {
    context: {} as PricingContext,
    events: {} as PricingEvent,
    input: {} as PricingInput,
  },
  actions: {
    setPrice: assign(({ context }, { scope, price, wording }: EventOfType<"PriceChanged">) => {
      const entry = { scope, price, wording };
      const isKnown = context.prices.some((known) => known.scope === scope);
      return {
        prices: isKnown
          ? context.prices.map((known) => (known.scope === scope ? entry : known))
          : [...context.prices, entry],
      };
    }),
    removePrice: assign(({ context }, { scope }: EventOfType<"PriceRemoved">) => ({
      prices: context.prices.filter((known) => known.scope !== scope),
    })),
    setTerms: assign((_, { ticketEv, maxFaceValue }: EventOfType<"TicketTermsChanged">) => ({
      terms: { ticketEv, maxFaceValue },
    })),
  },
}).createMachine({
  id: "pricing",
  context: { prices: [], terms: null },
  initial: "unset",
  states: {
    unset: {
      on: {
        PriceChanged: { target: "set", actions: { type: "setPrice", params: ({ event }) => event } },
        TicketTermsChanged: { target: "set", actions: { type: "setTerms", params: ({ event }) => event } },
      },
    },
    set: {
      on: {
        PriceChanged: { actions: { type: "setPrice", params: ({ event }) => event } },
        PriceRemoved: { actions: { type: "removePrice", params: ({ event }) => event } },
        TicketTermsChanged: { actions: { type: "setTerms", params: ({ event }) => event } },
      },
    },
  },
});
