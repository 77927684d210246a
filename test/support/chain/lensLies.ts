import { type LensWord, lensWords } from "../../../src/chain/lens.ts";
import type { RpcFault, SeenCall } from "./rpcProxy.ts";

/** Whether a call is the lens's: it has no receiver, and the Controller among its arguments. */
export function isLens(call: SeenCall): boolean {
  const [transaction] = call.params;
  return (
    call.method === "eth_call" &&
    typeof transaction === "object" &&
    transaction !== null &&
    !("to" in transaction)
  );
}

/** The lens's answer with other words in it; null for one that could not be read. */
export function changedLens(answer: unknown, changes: Partial<Record<LensWord, bigint | null>>): string {
  if (typeof answer !== "string") throw new Error(`${String(answer)} is no answer of the lens.`);
  const words = answer.slice(2).match(/.{64}/g) ?? [];
  let readable = BigInt(`0x${words[0]}`);
  for (const name of lensWords) {
    const value = changes[name];
    if (value === undefined) continue;
    const at = lensWords.indexOf(name);
    if (value === null) readable &= ~(1n << BigInt(at));
    else readable |= 1n << BigInt(at);
    words[at + 1] = (value ?? 0n).toString(16).padStart(64, "0");
  }
  words[0] = readable.toString(16).padStart(64, "0");
  return `0x${words.join("")}`;
}

/** An endpoint whose lens shows other words. */
export function lensLiar(changes: Partial<Record<LensWord, bigint | null>>): RpcFault {
  return {
    type: "liar",
    lie: (call, result) => (isLens(call) ? changedLens(result, changes) : result),
  };
}
