import { assign, setup } from "xstate";
import { object } from "../../events/codec.ts";
import type { Decoded } from "../../events/codec.ts";
import { type GatewayEvent, gatewayFundsRead } from "../../events/gateway.ts";

/*
 * A gateway that pays us, as the chain has shown it last.
 *
 *   unknown ─GatewayFundsRead─▶ known ◀─┐
 *                                 └──────┘ GatewayFundsRead
 */

/** All that the last reading said, in wei. */
export const gatewayContext = object(gatewayFundsRead.fields);

export type GatewayContext = Decoded<typeof gatewayContext>;
export type GatewayInput = { readonly id: string };

export const gatewayMachine = setup({
  types: {
    context: {} as GatewayContext,
    events: {} as GatewayEvent,
    input: {} as GatewayInput,
  },
  actions: {
    remember: assign((_, { type: _type, ...funds }: GatewayEvent) => funds),
  },
}).createMachine({
  id: "gateway",
  context: { deposit: 0n, reserve: 0n, claimedInRound: 0n, claimedByUs: 0n, withdrawRound: 0n, readAtMs: 0 },
  initial: "unknown",
  states: {
    unknown: {
      on: {
        GatewayFundsRead: { target: "known", actions: { type: "remember", params: ({ event }) => event } },
      },
    },
    known: {
      on: { GatewayFundsRead: { actions: { type: "remember", params: ({ event }) => event } } },
    },
  },
});
