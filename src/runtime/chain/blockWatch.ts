import { ownWatch, type WatchCommand, type WatchSnapshot } from "../../actors/watch/decide.ts";
import type { Checkpoint } from "../../actors/watch/machine.ts";
import type { LogReader } from "../../events/log/reader.ts";
import { assert } from "../../shared/assert.ts";
import type { Hex, UnixMs } from "../../shared/brand.ts";
import type { ChainDesk, ChainLog, ChainLook, Receipt } from "../chainPorts.ts";
import type { Host } from "../host.ts";
import { LogRangeSize } from "./logRangeSize.ts";
import { ReceiptNotes } from "./receiptNotes.ts";

export type BlockWatchOptions = {
  readonly host: Host;
  readonly reader: LogReader;
  readonly desk: Pick<ChainDesk, "logs" | "blockHash">;
  /** The registered account that tickets are made out to. */
  readonly recipient: Hex;
  /**
   * The watch of a fresh data folder begins behind this block; null: at the head. What happened before is no part of
   * the node's books, and a round of Arbitrum alone is 300,000 blocks, which many providers do not give.
   */
  readonly startBlock?: bigint | null;
  /** Between two questions while nothing is under way, ms. */
  readonly idleMs?: number;
  /** Logs that are new and durable, in the order of the chain. A log may be told again after it was read again. */
  readonly onLogs?: (logs: readonly ChainLog[]) => void;
  /** What was told above this block is not part of the chain. Durable. */
  readonly onUndone?: (block: bigint) => void;
  /** An endpoint left logs out that a receipt holds. */
  readonly onIncomplete?: (receipt: Receipt) => void;
  /** Why the watch does not get on; null: it does again. Told when the trouble is another one. */
  readonly onTrouble?: (text: string | null) => void;
};

/**
 * Four minutes: three calls each time (logs, the hash of the last block, the hash of the one before) come to 0.75 a
 * minute; with 5 of the lens and 1 for fees that is below 7. Only what others do is seen later by it: for work of our
 * own the caller asks at once.
 */
const idleMsDefault = 240_000;
/** Ranges that one advance reads: after an outage the rest follows with the next look. */
const requestsPerAdvance = 8;
/**
 * An empty range is written down after so many blocks or so much time. An hour of Arbitrum is 14,400 blocks: an idle
 * chain costs 24 events of about 0.5 kB a day, 4 MB a year, and a restart reads an hour again, in one request.
 */
const recordBlocks = 14_400n;
const recordMs = 3_600_000;
/** A head that stays behind what was seen is no slow endpoint any more, but another chain. */
const shorterMs = 600_000;
/** Of one event, so that no row of the log grows without bound. */
const logsPerEvent = 200;

/** How a step ended: `on` = go on, `stop` = with the next look again. */
type Step = "on" | "stop";

/**
 * Looks through all blocks for logs that concern us, in order and without a gap, and takes back what re-orgs undo.
 *
 * What stands in the log of events is the truth; in memory it may be a range of empty blocks ahead. A crash between
 * reading and writing means reading again: nothing is told twice to the log, nothing is left out.
 */
export class BlockWatch {
  readonly #options: BlockWatchOptions;
  readonly #size = new LogRangeSize();
  readonly #notes: ReceiptNotes;
  /** Seen and found empty beyond what is written; null: nothing. */
  #ahead: Checkpoint | null = null;
  #askedMs: UnixMs | null = null;
  #recordedMs: UnixMs | null = null;
  #shorterSinceMs: UnixMs | null = null;
  #isBehind = true;
  #isRunning = false;
  #trouble: string | null = null;

  constructor(options: BlockWatchOptions) {
    this.#options = options;
    this.#notes = new ReceiptNotes(options.recipient);
  }

  /** The last block that is written down as seen; null before the first look. */
  get block(): bigint | null {
    return this.#recorded()?.block ?? null;
  }

  /** A receipt of ours is known: the range that holds it must show its logs. Cheap; to be called as often as wanted. */
  note(receipt: Receipt): void {
    this.#notes.add(receipt);
  }

  /**
   * Looks further, if it is time to: up to the head of `look`, within the bounds of one advance. Never rejects for what
   * an endpoint does. `now`: something of ours is under way.
   */
  async advance(look: ChainLook, { now = false }: { readonly now?: boolean } = {}): Promise<void> {
    if (this.#isRunning || !(now || this.#isBehind || this.#notes.isAny || this.#isIdleOver(look.atMs)))
      return;
    this.#isRunning = true;
    try {
      this.#askedMs = look.atMs;
      await this.#walk(look);
    } finally {
      this.#isRunning = false;
    }
  }

  #isIdleOver(atMs: UnixMs): boolean {
    const idleMs = this.#options.idleMs ?? idleMsDefault;
    // A clock that was set back must not stop it.
    return this.#askedMs === null || atMs - this.#askedMs >= idleMs || atMs < this.#askedMs;
  }

  async #walk(look: ChainLook): Promise<void> {
    if ((await this.#begin(look)) === "stop") return;
    if ((await this.#rewindForNotes()) === "stop") return;
    if (look.block < this.#position().block) {
      if ((await this.#shorter(look)) === "stop") return;
    } else this.#shorterSinceMs = null;
    for (let request = 0; request < requestsPerAdvance; request++) {
      if (this.#position().block >= look.block) {
        this.#isBehind = false;
        return;
      }
      if ((await this.#readRange(look)) === "stop") return;
    }
    this.#isBehind = this.#position().block < look.block;
  }

  /** Starts the watch where there is none for this chain and account. */
  async #begin({ block: head, chainId }: ChainLook): Promise<Step> {
    const { desk, recipient, startBlock = null } = this.#options;
    const context = this.#snapshot()?.context;
    if (context !== undefined && context.chainId === chainId && context.recipient === recipient) return "on";
    const block = startBlock === null || startBlock > head ? head : startBlock;
    const blockHash = await desk.blockHash(block);
    if (blockHash === null) return this.#stop(`The hash of block ${block} cannot be read.`);
    this.#ahead = null;
    await this.#execute({ type: "StartWatch", chainId, recipient, block, blockHash });
    return "on";
  }

  /** A receipt came late: its block was looked through already. Goes back when its logs are not in the books. */
  async #rewindForNotes(): Promise<Step> {
    const { reader } = this.#options;
    for (const receipt of this.#notes.until(this.#position().block)) {
      if (receipt.block > this.#written().block) {
        this.#ahead = null;
        continue;
      }
      const known = [...reader.chainLogs({ txHash: receipt.hash })];
      const isIn = (log: ChainLog): boolean =>
        known.some((row) => row.index === log.index && row.blockHash === log.blockHash);
      if (this.#notes.expected(receipt).every(isIn)) {
        this.#notes.settle(receipt.hash);
        continue;
      }
      this.#options.onIncomplete?.(receipt);
      const back = this.#checkpoints().findLast(({ block }) => block < receipt.block);
      if (back === undefined) {
        // From before the watch began: no part of the books.
        this.#notes.settle(receipt.hash);
        continue;
      }
      // Nobody is told: the chain has not changed, we had not seen all of it.
      await this.#undo(back.block, back.hash);
    }
    return "on";
  }

  /** The head is behind what was seen: a slow endpoint for a while, another chain in the long run. */
  async #shorter({ block: head, atMs }: ChainLook): Promise<Step> {
    this.#ahead = null;
    if (head >= this.#written().block) return "on";
    this.#shorterSinceMs ??= atMs;
    if (atMs - this.#shorterSinceMs < shorterMs) {
      return this.#stop(`The head ${head} is behind block ${this.#written().block}, which was seen.`);
    }
    this.#shorterSinceMs = null;
    return await this.#goBack(head);
  }

  async #readRange({ block: head, atMs }: ChainLook): Promise<Step> {
    const { desk } = this.#options;
    const before = this.#position();
    const from = before.block + 1n;
    const to = this.#size.endOf(from, head);
    const range = await desk.logs(from, to);
    if (range.type === "failed") return this.#stop(`Logs of ${from} to ${to} cannot be read: ${range.text}`);
    if (range.type === "too-many") {
      if (this.#size.shrink(from, to)) return "on";
      return this.#stop(`Block ${from} has more logs than the endpoint gives: ${range.text}`);
    }
    const flaw = flawOf(range.logs, from, to);
    if (flaw !== null) return this.#stop(`The logs of ${from} to ${to} cannot be used: ${flaw}`);
    // Asked after the logs: when the place behind which they were read still stands now, it stood then.
    const hash = await desk.blockHash(before.block);
    if (hash === null) return this.#stop(`The hash of block ${before.block} cannot be read.`);
    if (hash !== before.hash) return await this.#reorganised(before, hash, head);
    const logs = await this.#completed(range.logs, from, to);
    if (logs === null) return this.#stop(`An endpoint leaves out logs of ${from} to ${to}.`);
    this.#size.grow(from, to);
    this.#tell(null);
    await this.#take({ block: to, hash: range.toHash }, logs, atMs);
    return "on";
  }

  /** The logs of a range with those that receipts prove; null when the range shall be read again. */
  async #completed(logs: readonly ChainLog[], from: bigint, to: bigint): Promise<readonly ChainLog[] | null> {
    let all = logs;
    for (const receipt of this.#notes.between(from, to)) {
      const lacking = this.#notes.lacking(receipt, all);
      if (lacking.length > 0) {
        const hash = await this.#options.desk.blockHash(receipt.block);
        if (hash === null) return null;
        // A receipt of a block that is gone proves nothing.
        if (hash === receipt.blockHash) {
          this.#options.onIncomplete?.(receipt);
          if (this.#notes.mayAskAgain(receipt.hash)) return null;
          all = inOrder([...all, ...lacking]);
        }
      }
    }
    for (const receipt of this.#notes.between(from, to)) this.#notes.settle(receipt.hash);
    return all;
  }

  /** Writes a range down, unless it is empty and the last writing is not long ago. */
  async #take(end: Checkpoint, logs: readonly ChainLog[], atMs: UnixMs): Promise<void> {
    this.#recordedMs ??= atMs;
    const isDue =
      end.block - this.#written().block >= recordBlocks ||
      atMs - this.#recordedMs >= recordMs ||
      atMs < this.#recordedMs;
    if (logs.length === 0 && !isDue) {
      this.#ahead = end;
      return;
    }
    this.#ahead = null;
    this.#recordedMs = atMs;
    for (const part of partsOf(logs, end)) {
      const { block: to, hash: toHash } = part.end;
      await this.#execute({ type: "SeeBlocks", to, toHash, logs: part.logs });
      if (part.logs.length > 0) this.#options.onLogs?.(part.logs);
    }
  }

  /** The place that we stood at has another hash now. */
  async #reorganised(before: Checkpoint, hash: Hex, head: bigint): Promise<Step> {
    if (this.#ahead !== null) {
      // Nothing was written about it: from what is written it goes on, which is checked in its turn.
      this.#ahead = null;
      return "on";
    }
    // An endpoint may be alone with its view: another one is asked, by luck of the pool.
    if ((await this.#options.desk.blockHash(before.block)) !== hash) {
      return this.#stop(`Endpoints do not agree on block ${before.block}.`);
    }
    return await this.#goBack(head);
  }

  /** Finds the newest checkpoint that is part of the chain up to `head`, and forgets what was seen above it. */
  async #goBack(head: bigint): Promise<Step> {
    const { desk } = this.#options;
    const known = this.#checkpoints().filter(({ block }) => block <= head);
    // All checkpoints up to some place are part of the chain, and none behind it.
    let [low, high] = [-1, known.length];
    while (high - low > 1) {
      const middle = Math.floor((low + high) / 2);
      const checkpoint = known[middle];
      assert(checkpoint !== undefined, "A search left its list.");
      const hash = await desk.blockHash(checkpoint.block);
      if (hash === null) return this.#stop(`The hash of block ${checkpoint.block} cannot be read.`);
      if (hash === checkpoint.hash) low = middle;
      else high = middle;
    }
    const common = known[low] ?? null;
    // Deeper than we remember: from the place where the watch began, or from the head of a chain that is shorter.
    if (common !== null && common.block === this.#written().block) {
      return this.#stop(`Endpoints do not agree on block ${common.block}.`);
    }
    const block = common?.block ?? known[0]?.block ?? head;
    const blockHash = common?.hash ?? (await desk.blockHash(block));
    if (blockHash === null) return this.#stop(`The hash of block ${block} cannot be read.`);
    await this.#undo(block, blockHash);
    this.#options.onUndone?.(block);
    return "on";
  }

  async #undo(block: bigint, blockHash: Hex): Promise<void> {
    this.#ahead = null;
    const { block: written, hash } = this.#written();
    if (block === written && blockHash === hash) return;
    await this.#execute({ type: "UndoBlocks", block, blockHash });
  }

  /** Resolves when it is durable. */
  async #execute(command: WatchCommand): Promise<void> {
    const { host } = this.#options;
    const origin = { correlationId: "watch:own", causationId: "block-watch" };
    const execution = host.execute("watch", ownWatch, command, origin);
    assert(execution.type === "accepted", `The watch refused \`${command.type}\`.`);
    await host.committed();
  }

  #stop(trouble: string): Step {
    this.#isBehind = true;
    this.#tell(trouble);
    return "stop";
  }

  /** The same trouble with other blocks is no news. */
  #tell(trouble: string | null): void {
    const kind = trouble?.replaceAll(/\d+/g, "") ?? null;
    if (kind === this.#trouble) return;
    this.#trouble = kind;
    this.#options.onTrouble?.(trouble);
  }

  #position(): Checkpoint {
    return this.#ahead ?? this.#written();
  }

  #written(): Checkpoint {
    const recorded = this.#recorded();
    assert(recorded !== null, "The watch has not begun.");
    return recorded;
  }

  #recorded(): Checkpoint | null {
    return this.#checkpoints().at(-1) ?? null;
  }

  #checkpoints(): readonly Checkpoint[] {
    return this.#snapshot()?.context.checkpoints ?? [];
  }

  #snapshot(): WatchSnapshot | null {
    return this.#options.host.snapshot("watch", ownWatch) as WatchSnapshot | null;
  }
}

/** What an endpoint may not do, or null. */
function flawOf(logs: readonly ChainLog[], from: bigint, to: bigint): string | null {
  for (const [index, log] of logs.entries()) {
    if (log.block < from || log.block > to) return `one is of block ${log.block}`;
    const before = logs[index - 1];
    if (before !== undefined && compareLogs(before, log) >= 0) return "they are not in order";
  }
  return null;
}

function compareLogs(left: ChainLog, right: ChainLog): number {
  if (left.block !== right.block) return left.block < right.block ? -1 : 1;
  return left.index - right.index;
}

/** In the order of the chain; of two in one place the first, which the endpoint gave. */
function inOrder(logs: readonly ChainLog[]): readonly ChainLog[] {
  return logs
    .toSorted(compareLogs)
    .filter((log, index, all) => index === 0 || compareLogs(all[index - 1] as ChainLog, log) !== 0);
}

/** Cuts a range between two blocks, so that no event holds too many logs. The last part ends where the range does. */
function partsOf(
  logs: readonly ChainLog[],
  end: Checkpoint,
): readonly { readonly end: Checkpoint; readonly logs: readonly ChainLog[] }[] {
  const parts: { end: Checkpoint; logs: readonly ChainLog[] }[] = [];
  let part: ChainLog[] = [];
  for (const [index, log] of logs.entries()) {
    part.push(log);
    const next = logs[index + 1];
    if (part.length < logsPerEvent || next === undefined || next.block === log.block) continue;
    parts.push({ end: { block: log.block, hash: log.blockHash }, logs: part });
    part = [];
  }
  return [...parts, { end, logs: part }];
}
