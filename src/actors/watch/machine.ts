import { assign, setup } from "xstate";
import { bigInteger, hex, list, nullable, object } from "../../events/codec.ts";
import type { Decoded } from "../../events/codec.ts";
import type { WatchEvent } from "../../events/watch.ts";

/*
 * How far the chain was looked through for logs that concern us. One entity: `watch:own`.
 *
 *   idle ─WatchStarted─▶ watching ◀─┐
 *                            └──────┘ BlocksSeen, BlocksUndone, WatchStarted
 *
 * What was seen is in the events and in the view `chain-logs`; the context holds only where we stand, and places
 * further back at which a re-org may be found to have begun.
 */

/** A block of which we knew that it was part of the chain. */
export const checkpoint = object({ block: bigInteger, hash: hex });

export type Checkpoint = Decoded<typeof checkpoint>;

export const watchContext = object({
  chainId: bigInteger,
  recipient: nullable(hex),
  /** Oldest first; the first is where the watch began, the last where it stands. Empty before it began. */
  checkpoints: list(checkpoint),
});

export type WatchContext = Decoded<typeof watchContext>;
export type WatchInput = { readonly id: string };

/** Checkpoints that are kept: few enough for a search in seven questions, and a snapshot of 6 kB. */
export const checkpointsMax = 64;
/** Of these, the newest are never thinned out. */
const denseCheckpoints = 32;

/**
 * Adds a checkpoint and keeps the list bounded. What goes is the one whose neighbours are closest together for how
 * far back it lies: near the head every step stays, and the gaps grow with the distance. The first is kept for ever.
 */
export function withCheckpoint(
  checkpoints: readonly Checkpoint[],
  block: bigint,
  hash: Checkpoint["hash"],
): readonly Checkpoint[] {
  const kept = [...checkpoints, { block, hash }];
  if (kept.length <= checkpointsMax) return kept;
  let worst = 1;
  for (let index = 2; index < kept.length - denseCheckpoints; index++) {
    // gap(index) / age(index) < gap(worst) / age(worst), in whole numbers.
    if (
      gapAt(kept, index) * (block - blockAt(kept, worst)) <
      gapAt(kept, worst) * (block - blockAt(kept, index))
    ) {
      worst = index;
    }
  }
  return kept.toSpliced(worst, 1);
}

function gapAt(checkpoints: readonly Checkpoint[], index: number): bigint {
  return blockAt(checkpoints, index + 1) - blockAt(checkpoints, index - 1);
}

function blockAt(checkpoints: readonly Checkpoint[], index: number): bigint {
  return checkpoints[index]?.block ?? 0n;
}

export const watchMachine = setup({
  types: {
    context: {} as WatchContext,
    events: {} as WatchEvent,
    input: {} as WatchInput,
  },
  actions: {
    start: assign((_, params: WatchContext) => params),
    advance: assign(({ context }, { block, hash }: Checkpoint) => ({
      checkpoints: withCheckpoint(context.checkpoints, block, hash),
    })),
    goBack: assign(({ context }, { block, hash }: Checkpoint) => ({
      checkpoints: [...context.checkpoints.filter((known) => known.block < block), { block, hash }],
    })),
  },
}).createMachine({
  id: "watch",
  context: { chainId: 0n, recipient: null, checkpoints: [] },
  initial: "idle",
  on: {
    WatchStarted: {
      target: ".watching",
      actions: {
        type: "start",
        params: ({ event: { chainId, recipient, block, blockHash } }) => ({
          ...{ chainId, recipient },
          checkpoints: [{ block, hash: blockHash }],
        }),
      },
    },
  },
  states: {
    idle: {},
    watching: {
      on: {
        BlocksSeen: {
          actions: {
            type: "advance",
            params: ({ event }) => ({ block: event.to, hash: event.toHash }),
          },
        },
        BlocksUndone: {
          actions: {
            type: "goBack",
            params: ({ event }) => ({ block: event.block, hash: event.blockHash }),
          },
        },
      },
    },
  },
});
