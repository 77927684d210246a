import { watchKind } from "../../../../src/actors/watch/decide.ts";
import { chainLogsView } from "../../../../src/events/views/chainLogs.ts";
import { BlockWatch, type BlockWatchOptions } from "../../../../src/runtime/chain/blockWatch.ts";
import type { ChainLog, ChainLook, LogRange, Receipt } from "../../../../src/runtime/chainPorts.ts";
import type { Hex } from "../../../../src/shared/brand.ts";
import { type HostHarness, openHost } from "../../../support/hostHarness.ts";

/*
 * A chain of blocks with logs, which re-organises when a test says so, and a watch of it on a real log.
 */

export const recipient: Hex = `0x${"0e".repeat(20)}`;
export const sender: Hex = `0x${"51".repeat(20)}`;

type Block = { readonly hash: Hex; readonly logs: readonly ChainLog[] };

/** How an endpoint behaves for the next questions; `logs` may leave some out. */
export type Mood = "good" | "failed" | "no-hash" | "incomplete";

export class WatchedChain {
  readonly first: bigint;
  readonly #blocks: Block[] = [];
  #made = 0;
  mood: Mood = "good";
  /** Blocks that a provider gives at a time. */
  rangeMax = 1_000_000n;
  readonly asked: (readonly [from: bigint, to: bigint])[] = [];
  /** Runs before each answer: for a chain that moves while it is read. */
  onAsked: () => void = () => {};

  constructor(first = 1_000n) {
    this.first = first;
    this.mine();
  }

  get head(): bigint {
    return this.first + BigInt(this.#blocks.length) - 1n;
  }

  /** A block with so many payments to us. */
  mine(payments = 0): void {
    this.#made += 1;
    const block = this.first + BigInt(this.#blocks.length);
    const hash = hashOf(`block ${this.#made}`);
    const logs = Array.from({ length: payments }, (_, index): ChainLog => ({
      ...{ block, blockHash: hash, index: 3 * index + 1 },
      ...{ transaction: hashOf(`transaction ${this.#made}.${index}`), name: "WinningTicketTransfer" },
      ...{ account: sender, other: recipient, amounts: [BigInt(this.#made)], text: null },
    }));
    this.#blocks.push({ hash, logs });
  }

  mineMany(count: number): void {
    for (let index = 0; index < count; index++) this.mine();
  }

  /** Forgets the newest blocks. */
  reorganise(depth: number): void {
    this.#blocks.splice(Math.max(0, this.#blocks.length - depth));
  }

  /** All logs of the chain behind `block`. */
  logsAfter(block: bigint): readonly ChainLog[] {
    return this.#blocks.flatMap(({ logs }) => logs).filter((log) => log.block > block);
  }

  hash(block: bigint): Hex | null {
    return this.#blocks[Number(block - this.first)]?.hash ?? null;
  }

  receiptOf(log: ChainLog): Receipt {
    const { transaction: hash, block, blockHash } = log;
    return { hash, block, blockHash, isSuccess: true, gasUsed: 1n, gasPrice: 1n, logs: [log] };
  }

  async blockHash(block: bigint): Promise<Hex | null> {
    this.onAsked();
    return this.mood === "no-hash" ? null : this.hash(block);
  }

  async logs(from: bigint, to: bigint): Promise<LogRange> {
    this.onAsked();
    this.asked.push([from, to]);
    if (this.mood === "failed") return { type: "failed", text: "429" };
    if (to - from + 1n > this.rangeMax) return { type: "too-many", text: "range" };
    const toHash = this.hash(to);
    if (toHash === null) return { type: "failed", text: "header not found" };
    const all = this.logsAfter(from - 1n).filter(({ block }) => block <= to);
    return { type: "logs", toHash, logs: this.mood === "incomplete" ? [] : all };
  }

  look(atMs: number): ChainLook {
    // The watch reads nothing else of a look.
    return { atMs, chainId: 42_161n, block: this.head } as ChainLook;
  }
}

function hashOf(text: string): Hex {
  return `0x${new Bun.CryptoHasher("sha256").update(text).digest("hex")}`;
}

/** A watch with everything that it told. */
export type Watching = {
  readonly harness: HostHarness;
  readonly watch: BlockWatch;
  readonly told: (readonly ["logs", readonly ChainLog[]] | readonly ["undone", bigint])[];
  readonly troubles: (string | null)[];
  readonly incomplete: Receipt[];
};

export async function openWatch(
  dataDir: string,
  chain: WatchedChain,
  options: Partial<BlockWatchOptions> = {},
): Promise<Watching> {
  const harness = await openHost({ dataDir, kinds: [watchKind], views: [chainLogsView] });
  const told: Watching["told"] = [];
  const troubles: (string | null)[] = [];
  const incomplete: Receipt[] = [];
  const watch = new BlockWatch({
    ...{ host: harness.host, reader: harness.reader, desk: chain, recipient },
    onLogs: (logs) => told.push(["logs", logs]),
    onUndone: (block) => told.push(["undone", block]),
    onTrouble: (text) => troubles.push(text),
    onIncomplete: (receipt) => incomplete.push(receipt),
    ...options,
  });
  return { harness, watch, told, troubles, incomplete };
}

/** What the books hold, in the form of the chain. */
export function booked({ harness }: Pick<Watching, "harness">): readonly ChainLog[] {
  return [...harness.reader.chainLogs()].map((row) => ({
    ...{ block: BigInt(row.block), blockHash: row.blockHash as Hex, index: row.index },
    ...{ transaction: row.txHash as Hex, name: row.name as ChainLog["name"], account: row.account as Hex },
    ...{ other: row.other as Hex | null, amounts: row.amounts, text: row.text },
  }));
}
