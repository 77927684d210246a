import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { Fold } from "../../../src/actors/fold.ts";
import { decodeSnapshot, encodeSnapshot } from "../../../src/actors/snapshot.ts";
import { type WatchCommand, watchKind, type WatchSnapshot } from "../../../src/actors/watch/decide.ts";
import { type Checkpoint, checkpointsMax, withCheckpoint } from "../../../src/actors/watch/machine.ts";
import type { WatchEvent } from "../../../src/events/watch.ts";
import { foldAll, Given } from "./given.ts";
import {
  blockHash,
  blocksSeen,
  blocksUndone,
  seenLog,
  startWatch,
  watchIn,
  watchStarted,
} from "./watchFacts.ts";

const given = (...events: readonly WatchEvent[]): Given<WatchEvent, WatchCommand> =>
  new Given(watchKind, events);
const see = (to: bigint, logs: readonly ReturnType<typeof seenLog>[] = []): WatchCommand => ({
  type: "SeeBlocks",
  ...{ to, toHash: blockHash(to), logs },
});
const undo = (block: bigint, fork = "aa"): WatchCommand => ({
  type: "UndoBlocks",
  block,
  blockHash: blockHash(block, fork),
});
const blocksOf = (snapshot: unknown): readonly bigint[] =>
  (snapshot as WatchSnapshot).context.checkpoints.map(({ block }) => block);

describe("seeing", () => {
  test("nothing is seen before the watch has begun", () => {
    given().refuses(see(5n), "WATCH_IDLE");
    given().refuses(undo(5n), "WATCH_IDLE");
  });

  test("a range joins the one before it, whoever asks", () => {
    const outcome = given(watchStarted).accepts(
      see(110n, [seenLog(101n, 3), seenLog(101n, 4), seenLog(110n)]),
    );
    expect(outcome.events).toEqual([
      blocksSeen(101n, 110n, [seenLog(101n, 3), seenLog(101n, 4), seenLog(110n)]),
    ]);
    expect(blocksOf(outcome.snapshot)).toEqual([100n, 110n]);
    given(watchStarted, blocksSeen(101n, 110n)).refuses(see(110n), "BLOCKS_KNOWN");
  });

  test("logs of other blocks, or in another order, are none", () => {
    for (const logs of [
      [seenLog(100n)],
      [seenLog(111n)],
      [seenLog(105n), seenLog(104n)],
      [seenLog(105n, 2), seenLog(105n, 2)],
      [seenLog(105n, 2), seenLog(105n, 1)],
    ]) {
      given(watchStarted).refuses(see(110n, logs), "LOGS_DISORDERED");
    }
  });
});

describe("going back", () => {
  test("what is above the block is forgotten, and it is where the watch stands", () => {
    const before = given(watchStarted, blocksSeen(101n, 110n), blocksSeen(111n, 120n));
    const { snapshot, events } = before.accepts(undo(115n));
    expect(events).toEqual([blocksUndone(115n)]);
    expect(blocksOf(snapshot)).toEqual([100n, 110n, 115n]);
    expect(blocksOf(before.accepts(undo(110n)).snapshot)).toEqual([100n, 110n]);
    // Deeper than all that was kept.
    expect(blocksOf(before.accepts(undo(40n)).snapshot)).toEqual([40n]);
  });

  test("the block itself is undone when another takes its place, and nothing when it stands", () => {
    const before = given(watchStarted, blocksSeen(101n, 110n));
    before.refuses(undo(110n), "NOTHING_UNDONE");
    before.refuses(undo(111n), "NOTHING_UNDONE");
    const { snapshot } = before.accepts(undo(110n, "ff"));
    expect((snapshot as unknown as WatchSnapshot).context.checkpoints.at(-1)).toEqual({
      ...{ block: 110n, hash: blockHash(110n, "ff") },
    });
  });

  test("a new beginning forgets everything", () => {
    const { snapshot } = given(watchStarted, blocksSeen(101n, 110n)).accepts({ ...startWatch, block: 7n });
    expect(blocksOf(snapshot)).toEqual([7n]);
  });
});

describe("checkpoints", () => {
  // Random steps: whatever they are, the list stays small, in order, with both of its ends, and dense near the head.
  test("are bounded, and thin out with the distance", () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: 50_000 }), { maxLength: 600 }), (steps) => {
        let checkpoints: readonly Checkpoint[] = [{ block: 0n, hash: "0x00" }];
        const blocks: bigint[] = [0n];
        for (const step of steps) {
          const block = (blocks.at(-1) ?? 0n) + BigInt(step);
          blocks.push(block);
          checkpoints = withCheckpoint(checkpoints, block, blockHash(block));
        }
        const kept = checkpoints.map(({ block }) => block);
        expect(kept.length).toBe(Math.min(blocks.length, checkpointsMax));
        expect(kept).toEqual(blocks.filter((block) => kept.includes(block)));
        expect([kept[0], kept.at(-1)]).toEqual([0n, blocks.at(-1)]);
        expect(kept.slice(-32)).toEqual(blocks.slice(-32));
      }),
    );
  });

  // A year of hours: a re-org of any depth costs at most as much again to read.
  test("after 9,000 even steps, no gap is longer than what lies behind it", () => {
    let checkpoints: readonly Checkpoint[] = [{ block: 0n, hash: "0x00" }];
    for (let step = 1n; step <= 9_000n; step++)
      checkpoints = withCheckpoint(checkpoints, step * 14_400n, "0x01");
    const blocks = checkpoints.map(({ block }) => block);
    const head = blocks.at(-1) ?? 0n;
    for (const [index, block] of blocks.slice(0, -1).entries()) {
      expect((blocks[index + 1] ?? 0n) - block).toBeLessThanOrEqual((head - block + 1n) / 2n + 28_800n);
    }
  });
});

test("a snapshot as text and back is the same state with the same future", () => {
  const fold = new Fold(watchKind);
  const before = foldAll(fold, watchIn.watching);
  const text = encodeSnapshot(watchKind, before);
  const after = decodeSnapshot(watchKind, text);
  expect(encodeSnapshot(watchKind, after)).toBe(text);
  const next = blocksSeen(106n, 107n);
  expect(encodeSnapshot(watchKind, fold.apply(after, next).snapshot)).toBe(
    encodeSnapshot(watchKind, fold.apply(before, next).snapshot),
  );
  expect(watchKind.deadline(before)).toBeNull();
});
