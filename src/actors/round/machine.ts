import { assign, setup } from "xstate";
import { bigInteger, flag, hex, integer, nullable, object, oneOf, text } from "../../events/codec.ts";
import type { Decoded } from "../../events/codec.ts";
import type { RoundEvent } from "../../events/round.ts";

/*
 * A round of the protocol, and what we owe it: its reward, and its start when that is our role.
 *
 *   announced ─RoundOpened─▶ opened ─RoundInitialized─▶ initialized ─RewardDue─▶ due ◀─┐ RewardPostponed
 *                              │                            │                     │ ▲  └─┘
 *                              │                            │    RewardSubmitted  ▼ │ RewardReturned
 *                              │                            │                 submitted
 *                              │                            └──RewardMined──▶ mined ─RewardConfirmed─▶ rewarded
 *                              │                                                │ RewardUndone ─▶ due
 *                              └──RewardMissed, RewardNotDue─▶ missed, notDue (from everywhere but mined)
 *
 * The start of the round (`InitializationSubmitted`, `InitializationReturned`) goes on beside it in every state that
 * is not an end, because a re-org may take it back too.
 */

export const roundContext = object({
  /** L1 blocks. */
  startBlock: bigInteger,
  length: bigInteger,
  isInitialized: flag,
  /** The transaction that starts the round, while it is on its way. */
  initialization: nullable(text),
  initializationAttempts: integer,
  /** The transaction that calls the reward, while it is on its way. */
  transaction: nullable(text),
  attempts: integer,
  /** LPT wei; null before it was due. */
  forecast: nullable(bigInteger),
  /** Why the reward could not be called when that was last tried. */
  cause: nullable(text),
  causeText: nullable(text),
  minedBlock: nullable(bigInteger),
  txHash: nullable(hex),
  amount: nullable(bigInteger),
  end: nullable(oneOf("rewarded", "missed", "not-due")),
});

export type RoundContext = Decoded<typeof roundContext>;
export type RoundInput = { readonly id: string };

const empty: RoundContext = {
  startBlock: 0n,
  length: 0n,
  isInitialized: false,
  initialization: null,
  initializationAttempts: 0,
  transaction: null,
  attempts: 0,
  forecast: null,
  cause: null,
  causeText: null,
  minedBlock: null,
  txHash: null,
  amount: null,
  end: null,
};

/** The chain shows the reward as called: from wherever we were. */
const toMined = {
  target: "mined",
  actions: {
    type: "remember",
    params: ({ event }: { readonly event: Extract<RoundEvent, { readonly type: "RewardMined" }> }) => ({
      transaction: event.transaction,
      minedBlock: event.block,
      txHash: event.txHash,
      amount: event.amount,
    }),
  },
} as const;

export const roundMachine = setup({
  types: {
    context: {} as RoundContext,
    events: {} as RoundEvent,
    input: {} as RoundInput,
  },
  actions: {
    remember: assign((_, params: Partial<RoundContext>) => params),
    countInitialization: assign(({ context }, params: { readonly transaction: string }) => ({
      initialization: params.transaction,
      initializationAttempts: context.initializationAttempts + 1,
    })),
    countAttempt: assign(({ context }, params: { readonly transaction: string }) => ({
      transaction: params.transaction,
      attempts: context.attempts + 1,
    })),
  },
}).createMachine({
  id: "round",
  context: empty,
  initial: "announced",
  states: {
    announced: {
      on: {
        RoundOpened: {
          target: "open.opened",
          actions: {
            type: "remember",
            params: ({ event: { startBlock, length } }) => ({ startBlock, length }),
          },
        },
      },
    },
    open: {
      initial: "opened",
      on: {
        InitializationSubmitted: {
          actions: { type: "countInitialization", params: ({ event }) => event },
        },
        InitializationReturned: { actions: { type: "remember", params: { initialization: null } } },
        RoundInitialized: { actions: { type: "remember", params: { isInitialized: true } } },
      },
      states: {
        opened: {
          on: {
            RoundInitialized: {
              target: "initialized",
              actions: { type: "remember", params: { isInitialized: true } },
            },
            RewardMissed: { target: "#round.missed" },
            RewardNotDue: { target: "#round.notDue" },
          },
        },
        initialized: {
          on: {
            RewardDue: {
              target: "due",
              actions: { type: "remember", params: ({ event }) => ({ forecast: event.forecast }) },
            },
            RewardMined: toMined,
            RewardMissed: { target: "#round.missed" },
            RewardNotDue: { target: "#round.notDue" },
          },
        },
        due: {
          on: {
            RewardPostponed: {
              actions: {
                type: "remember",
                params: ({ event }) => ({ cause: event.cause, causeText: event.text }),
              },
            },
            RewardSubmitted: {
              target: "submitted",
              actions: { type: "countAttempt", params: ({ event }) => event },
            },
            RewardMined: toMined,
            RewardMissed: { target: "#round.missed" },
            RewardNotDue: { target: "#round.notDue" },
          },
        },
        submitted: {
          on: {
            RewardReturned: {
              target: "due",
              actions: {
                type: "remember",
                params: ({ event }) => ({ transaction: null, cause: event.cause, causeText: event.text }),
              },
            },
            RewardMined: toMined,
            RewardMissed: { target: "#round.missed" },
          },
        },
        mined: {
          on: {
            RewardUndone: {
              target: "due",
              actions: {
                type: "remember",
                params: { transaction: null, minedBlock: null, txHash: null, amount: null },
              },
            },
            RewardConfirmed: { target: "#round.rewarded" },
          },
        },
      },
    },
    rewarded: { type: "final", entry: { type: "remember", params: { end: "rewarded" } } },
    missed: { type: "final", entry: { type: "remember", params: { end: "missed" } } },
    notDue: { type: "final", entry: { type: "remember", params: { end: "not-due" } } },
  },
});
