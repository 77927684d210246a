import type { SnapshotFrom } from "xstate";
import type { EventOf } from "../../events/definition.ts";
import { watchEvents } from "../../events/watch.ts";
import type { blocksSeen, blocksUndone, SeenLog, WatchEvent, watchStarted } from "../../events/watch.ts";
import type { ActorKind, Decided } from "../kind.ts";
import { decided, rejected } from "../kind.ts";
import { watchContext, watchMachine } from "./machine.ts";

/** The only entity of its kind. */
export const ownWatch = "own";

export type WatchCommand =
  /** Begins behind a block, at first or anew. */
  | ({ readonly type: "StartWatch" } & Omit<EventOf<typeof watchStarted>, "type">)
  /** What all blocks behind the last one that was seen hold, up to `to`. */
  | ({ readonly type: "SeeBlocks" } & Omit<EventOf<typeof blocksSeen>, "type" | "from">)
  /** The chain above this block is not what was seen. */
  | ({ readonly type: "UndoBlocks" } & Omit<EventOf<typeof blocksUndone>, "type">);

export type WatchSnapshot = SnapshotFrom<typeof watchMachine>;

/** Pure: no block is seen twice, none is left out, and logs stand in the order of the chain. */
export function decideWatch(snapshot: WatchSnapshot | null, command: WatchCommand): Decided<WatchEvent> {
  const cursor = snapshot?.context.checkpoints.at(-1) ?? null;
  if (command.type === "StartWatch") return decided({ ...command, type: "WatchStarted" });
  if (cursor === null) return rejected("WATCH_IDLE", "The watch has not begun.");
  switch (command.type) {
    case "SeeBlocks": {
      const { to, toHash, logs } = command;
      const from = cursor.block + 1n;
      if (to < from) return rejected("BLOCKS_KNOWN", "These blocks were seen already.");
      if (!isInOrder(logs, from, to)) {
        return rejected("LOGS_DISORDERED", "The logs are not in the order of the chain, or of other blocks.");
      }
      return decided({ type: "BlocksSeen", from, to, toHash, logs });
    }
    case "UndoBlocks": {
      const { block, blockHash } = command;
      const isOther = block < cursor.block || (block === cursor.block && blockHash !== cursor.hash);
      if (!isOther) return rejected("NOTHING_UNDONE", "Nothing above this block was seen.");
      return decided({ type: "BlocksUndone", block, blockHash });
    }
  }
}

function isInOrder(logs: readonly SeenLog[], from: bigint, to: bigint): boolean {
  return logs.every((log, index) => {
    if (log.block < from || log.block > to) return false;
    const before = logs[index - 1];
    if (before === undefined) return true;
    return log.block > before.block || (log.block === before.block && log.index > before.index);
  });
}

export const watchKind: ActorKind = {
  kind: "watch",
  machine: watchMachine,
  events: watchEvents,
  context: watchContext as ActorKind["context"],
  decide: decideWatch as unknown as ActorKind["decide"],
  deadline: () => null,
  isMovedFromOutside: true,
};
