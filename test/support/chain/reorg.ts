import type { Anvil } from "./anvil.ts";
import type { Hex } from "./transactions.ts";

export type ReorgOptions = {
  /** Transactions that are not in the new blocks; "all" for none of them. They are forgotten. */
  readonly drop?: readonly Hex[] | "all";
  /** Transactions that are not in the new blocks and wait in the pool again. Only signed ones. */
  readonly unmine?: readonly Hex[] | "all";
};

type Block = { readonly transactions: readonly (Readonly<Record<string, Hex>> & { readonly hash: Hex })[] };

let reorgs = 0;

/** Replaces the last `depth` blocks. */
export async function reorg(anvil: Anvil, depth: number, options: ReorgOptions): Promise<void> {
  const head = BigInt(String(await anvil.rpc("eth_blockNumber")));
  const first = head - BigInt(depth) + 1n;
  if (first < 1n) throw new Error(`The chain has only ${head} blocks.`);
  const blocks = (await anvil.batch(
    Array.from({ length: depth }, (_, at) => {
      const number = `0x${(first + BigInt(at)).toString(16)}`;
      return ["eth_getBlockByNumber", [number, true]] as const;
    }),
  )) as Block[];
  const kept: [unknown, number][] = [];
  const waiting: Hex[] = [];
  for (const [at, block] of blocks.entries()) {
    for (const transaction of block.transactions) {
      if (isIn(options.drop, transaction.hash)) continue;
      const raw = await rawOf(anvil, transaction);
      if (!isIn(options.unmine, transaction.hash)) kept.push([raw ?? requestOf(transaction), at]);
      else if (raw === null)
        throw new Error(`${transaction.hash} is not signed: it cannot wait in the pool.`);
      else waiting.push(raw);
    }
  }
  // The same transactions at the same time would make the same blocks.
  reorgs += 1;
  await anvil.rpc("anvil_setCoinbase", `0x${reorgs.toString(16).padStart(40, "0")}`);
  await anvil.rpc("anvil_reorg", depth, kept);
  for (const raw of waiting) await anvil.rpc("eth_sendRawTransaction", raw);
}

function isIn(hashes: readonly Hex[] | "all" | undefined, hash: Hex): boolean {
  return hashes === "all" || hashes?.includes(hash) === true;
}

/** Null for what a test sent from an account without a key. */
async function rawOf(anvil: Anvil, transaction: Block["transactions"][number]): Promise<Hex | null> {
  if (transaction["r"] === "0x0") return null;
  return (await anvil.rpc("eth_getRawTransactionByHash", transaction.hash)) as Hex | null;
}

function requestOf(transaction: Block["transactions"][number]): Readonly<Record<string, unknown>> {
  const { from, to, input, value, nonce, gas, maxFeePerGas, maxPriorityFeePerGas } = transaction;
  return { from, to, input, value, nonce, gas, maxFeePerGas, maxPriorityFeePerGas };
}
