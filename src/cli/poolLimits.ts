import { bondingManagerAbi } from "../chain/abi.ts";
import { readAnswer, viewOf } from "../chain/contractView.ts";
import type { Hex } from "../shared/brand.ts";
import type { CliRpc } from "./ports.ts";

/** How many orchestrators the pool holds at most; null when that cannot be read now. */
export async function readPoolLimits(rpc: CliRpc, bonding: Hex): Promise<number | null> {
  const view = viewOf(bondingManagerAbi, bonding, "getTranscoderPoolMaxSize", []);
  const [answer] = await rpc.batch([view.call]);
  const read = readAnswer(view, answer);
  return read.type === "read" ? Number(read.value) : null;
}
