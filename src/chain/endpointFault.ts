import type { RpcAnswer, RpcCall } from "./jsonRpc.ts";

/*
 * Tells what an endpoint could not do from what the chain says. A revert is an answer: every endpoint gives the same
 * one. `header not found` is none: another endpoint may well know the block.
 */

/**
 * Why an answer is none:
 *
 * - `down`: there was no usable answer at all.
 * - `limited`: the provider wants fewer requests.
 * - `broken`: the endpoint lacks the state, or failed inside.
 * - `lacking`: it does not offer the method or so large an answer, which says nothing about its health.
 */
export type Fault = "down" | "limited" | "broken" | "lacking";

const limitCodes: readonly number[] = [429, -32005, -32016, -32029, -32097];
const brokenCodes: readonly number[] = [-32001, -32002, -32603];
const lackingCodes: readonly number[] = [-32601, -32004];
/** Of a revert and nothing else. Source: go-ethereum (3); OpenEthereum and Nethermind (-32015). */
const revertCodes: readonly number[] = [3, -32015];
/** Words of the chain itself, whatever code they come with. */
const chainWords = new RegExp(
  "revert|vm execution|vm exception|invalid (?:opcode|jump)|out ?of ?gas|bad instruction" +
    "|stack ?(?:under|over)flow|gas required exceeds|intrinsic gas|insufficient funds|nonce too|underpriced|already known|block base fee",
  "i",
);
const limitWords =
  /rate.?limit|too many requests|limit (?:was )?exceeded|request count|compute units|throttl|quota|capacity/i;
const brokenWords = new RegExp(
  "header not found|missing trie node|unknown block|block (?:\\S+ )?(?:is )?not found|could not find block" +
    "|state (?:\\S+ )?(?:is )?not available|no state available|historical state|unsupported block number" +
    "|not synced|syncing|pruned|internal (?:server )?error|bad gateway|unavailable",
  "i",
);
const lackingWords =
  /method .*(?:not (?:found|supported|available|allowed)|does not exist)|unsupported method/i;
const rangeWords = new RegExp(
  "more than \\d[\\d,_]* (?:results|logs|blocks)|(?:block|log) range|range (?:is )?(?:too|exceed|limit)" +
    "|too (?:many|large|wide|big)[^.]*(?:blocks|range|results|logs)|exceed\\w*[^.]*(?:range|blocks|results|logs)" +
    "|(?:log )?response size|limited to[^.]*(?:blocks|range|results)|max\\w*[^.]*(?:range|blocks|results)" +
    "|query time|timed out",
  "i",
);

/** Whether `eth_getLogs` was refused because it asked for too many blocks or logs at a time. */
export function isRangeRefusal(answer: RpcAnswer): boolean {
  return answer.type === "failed" && answer.kind === "remote" && rangeWords.test(answer.text);
}

/** Null when the answer is one, be it an error of the chain. */
export function faultOf(call: RpcCall, answer: RpcAnswer): Fault | null {
  if (answer.type === "result") return null;
  const { code, text } = answer;
  if (answer.kind === "transport") {
    if (code === 413 || /answered more than \d+ bytes/.test(text)) return "lacking";
    const isLimit = answer.retryAfterMs !== null || (code !== null && limitCodes.includes(code));
    return isLimit ? "limited" : "down";
  }
  if (call.method === "eth_getLogs" && isRangeRefusal(answer)) return null;
  if (revertCodes.includes(code ?? 0) || chainWords.test(text)) return null;
  if ((code !== null && limitCodes.includes(code)) || limitWords.test(text)) return "limited";
  if ((code !== null && lackingCodes.includes(code)) || lackingWords.test(text)) return "lacking";
  if ((code !== null && brokenCodes.includes(code)) || brokenWords.test(text)) return "broken";
  return null;
}
