import { isRangeRefusal } from "./endpointFault.ts";
import type { RpcAnswer } from "./jsonRpc.ts";

type Failed = Extract<RpcAnswer, { readonly type: "failed" }>;

/** The payload is too large. */
const httpTooLarge = 413;
/** `limit exceeded` of EIP-1474: of a range with some providers, of requests with others. */
const limitCode = -32005;
/** Further words for "ask for less at a time", beside those by which an endpoint's health is judged. */
const tooManyWords =
  /(?:response|result|payload|body|data)[^.]{0,20}too (?:large|big)|(?:logs|results|events)[^.]{0,40}exceed|at most [\d,_]+ (?:blocks|logs|results)|reduce (?:your|the)[^.]{0,10} range/i;
/** Words of a provider that wants fewer requests, not smaller ones. */
const tooOftenWords =
  /rate|too many requests|per (?:second|minute|day)|compute units|throughput|capacity|quota|daily|credits/i;

/**
 * Whether a failed `eth_getLogs` would have been answered for fewer blocks. Not for a provider that wants fewer
 * requests: smaller ranges would make more of them.
 */
export function isTooMany(failed: Failed): boolean {
  if (failed.kind === "transport") {
    return failed.code === httpTooLarge || /answered more than \d+ bytes/.test(failed.text);
  }
  if (isRangeRefusal(failed) || tooManyWords.test(failed.text)) return true;
  return failed.code === limitCode && !tooOftenWords.test(failed.text);
}
