import type { View } from "../chain/contractView.ts";
import { readAnswer } from "../chain/contractView.ts";
import type { Hex } from "../shared/brand.ts";
import type { CliPorts, CliRpc, Outcome } from "./ports.ts";

type Mined = { readonly isSuccess: boolean; readonly block: bigint; readonly fee: bigint };

/** Milliseconds between two questions. */
const pollMs = 1_000;

/** Waits until a transaction is in a block. An endpoint that is silent for a while changes nothing. */
export async function waitForReceipt(
  rpc: CliRpc,
  hash: Hex,
  { monotonicMs, sleep }: Pick<CliPorts, "monotonicMs" | "sleep">,
  timeoutMs: number,
): Promise<Outcome> {
  const untilMs = monotonicMs() + timeoutMs;
  const view = receiptView(hash);
  for (;;) {
    const [answer] = await rpc.batch([view.call]);
    const read = readAnswer(view, answer);
    if (read.type === "read" && read.value !== null) return { type: "mined", id: hash, hash, ...read.value };
    if (monotonicMs() >= untilMs) {
      const text =
        "It was broadcast, and may still be mined: `bun run cli send` with the same file looks again.";
      return { type: "waiting", id: hash, hash, text };
    }
    await sleep(pollMs);
  }
}

function receiptView(hash: Hex): View<Mined | null> {
  return {
    call: { method: "eth_getTransactionReceipt", params: [hash] },
    decode: (result) => {
      if (result === null) return null;
      const { status, blockNumber, gasUsed, effectiveGasPrice } = result as Readonly<Record<string, unknown>>;
      const [used, price] = [BigInt(String(gasUsed)), BigInt(String(effectiveGasPrice ?? "0x0"))];
      return { isSuccess: status === "0x1", block: BigInt(String(blockNumber)), fee: used * price };
    },
  };
}
