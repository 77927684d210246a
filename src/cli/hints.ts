import { bondingManagerAbi } from "../chain/abi.ts";
import { readAnswer, viewOf } from "../chain/contractView.ts";
import { readPool } from "../chain/lensPool.ts";
import { noPoolHint, poolHint } from "../chain/poolHints.ts";
import type { Hex } from "../shared/brand.ts";
import type { HintOf } from "./actions/step.ts";
import type { CliRpc } from "./ports.ts";

/** Reads the pool once. A pool that cannot be read gives no hints, which costs gas and nothing else. */
export async function readHints(rpc: CliRpc, bonding: Hex): Promise<HintOf> {
  const [pool, sizeMax] = await Promise.all([readPool(rpc, bonding), readPoolLimit(rpc, bonding)]);
  if (pool === null || sizeMax === null) return () => noPoolHint;
  return (account, stake) => poolHint(pool, account, stake, sizeMax);
}

/** How many orchestrators the pool holds at most; null when that cannot be read now. */
async function readPoolLimit(rpc: CliRpc, bonding: Hex): Promise<number | null> {
  const view = viewOf(bondingManagerAbi, bonding, "getTranscoderPoolMaxSize", []);
  const [answer] = await rpc.batch([view.call]);
  const read = readAnswer(view, answer);
  return read.type === "read" ? Number(read.value) : null;
}
