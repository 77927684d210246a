import type { Broadcast } from "../runtime/chainPorts.ts";
import { faultOf } from "./endpointFault.ts";
import type { RpcAnswer } from "./jsonRpc.ts";

/*
 * What endpoints say to a transaction. Each kind of node has words of its own; codes tell nothing (nearly all is
 * -32000).
 */

/** Source: the error texts of geth, Nitro, Erigon, Nethermind, Besu, OpenEthereum and anvil. */
const knownWords =
  /already known|alreadyknown|known transaction|already (?:been )?imported|existing tx with same hash/i;
const underpricedWords = new RegExp(
  "underpriced|block base fee|fee ?too ?low|gas ?price (?:is )?too low|below configured minimum gas price" +
    "|replacement ?not ?allowed|max fee per gas less|fee cap less than",
  "i",
);
const nonceWords = /nonce (?:is )?too low|oldnonce|old nonce|invalid nonce.*lower/i;
const moneyWords = /insufficient ?funds|upfront cost exceeds|insufficient balance|not enough funds/i;

/**
 * What one endpoint made of a transaction; null when that is not known, such as after a time-out.
 *
 * @param hash - of the transaction: an endpoint that names another one has not taken it
 */
export function broadcastOutcome(answer: RpcAnswer, hash: string): Broadcast | null {
  if (answer.type === "result") {
    const named = typeof answer.result === "string" ? answer.result.toLowerCase() : null;
    return named === hash ? { type: "sent" } : null;
  }
  const { kind, text } = answer;
  if (kind === "transport") return null;
  if (knownWords.test(text)) return { type: "known" };
  if (underpricedWords.test(text)) return { type: "refused", cause: "underpriced", text };
  if (nonceWords.test(text)) return { type: "refused", cause: "nonce-too-low", text };
  if (moneyWords.test(text)) return { type: "refused", cause: "no-gas-money", text };
  const fault = faultOf({ method: "eth_sendRawTransaction", params: [] }, answer);
  return fault === null ? { type: "refused", cause: "other", text } : null;
}

/** The one outcome of several, in the order of the endpoints' standing. Null when there is none. */
export function bestOutcome(outcomes: readonly Broadcast[]): Broadcast | null {
  return (
    outcomes.find((outcome) => outcome.type === "sent") ??
    outcomes.find((outcome) => outcome.type === "known") ??
    outcomes.find((outcome) => outcome.type === "refused" && outcome.cause !== "other") ??
    outcomes[0] ??
    null
  );
}
