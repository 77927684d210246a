import { describe, expect, test } from "bun:test";
import { bestOutcome, broadcastOutcome } from "../../../src/chain/broadcastOutcome.ts";
import { type Fault, faultOf, isRangeRefusal } from "../../../src/chain/endpointFault.ts";
import type { RpcAnswer } from "../../../src/chain/jsonRpc.ts";

/*
 * Goal: the words of nodes and providers are understood. Method: tables of what they say; each line was seen in the
 * wild or stands in the source of the node.
 */

function remote(text: string, code: number | null = -32000): RpcAnswer {
  return { type: "failed", kind: "remote", text, code, data: null, retryAfterMs: null };
}

function transport(text: string, code: number | null = null): RpcAnswer {
  return { type: "failed", kind: "transport", text, code, data: null, retryAfterMs: null };
}

describe("faultOf", () => {
  const cases: readonly (readonly [string, RpcAnswer, Fault | null])[] = [
    ["eth_call", { type: "result", result: "0x" }, null],
    ["eth_call", remote("execution reverted: ticket is used", 3), null],
    ["eth_call", remote("execution reverted", -32603), null],
    ["eth_call", remote("VM execution error.", -32015), null],
    ["eth_call", remote("out of gas"), null],
    ["eth_call", remote("insufficient funds for gas * price + value"), null],
    ["eth_call", remote("invalid argument 0: hex string without 0x prefix", -32602), null],
    ["eth_call", remote("header not found"), "broken"],
    ["eth_call", remote("missing trie node 11aa (path ) <nil>"), "broken"],
    ["eth_call", remote("something inside", -32603), "broken"],
    ["eth_call", remote("limit exceeded", -32005), "limited"],
    ["eth_call", remote("daily request count exceeded, request rate limited", -32005), "limited"],
    ["eth_call", remote("Your app has exceeded its compute units per second capacity.", 429), "limited"],
    ["eth_call", transport("the RPC answered HTTP 429", 429), "limited"],
    ["eth_call", transport("the RPC answered HTTP 502", 502), "down"],
    ["eth_call", transport("the RPC answered something that is no JSON"), "down"],
    [
      "eth_feeHistory",
      remote("the method eth_feeHistory does not exist/is not available", -32601),
      "lacking",
    ],
    ["eth_getLogs", transport("the RPC answered more than 2097152 bytes"), "lacking"],
    ["eth_getLogs", remote("query returned more than 10000 results", -32005), null],
    ["eth_getLogs", remote("exceed maximum block range: 5000"), null],
    ["eth_getLogs", remote("header not found"), "broken"],
  ];
  for (const [method, answer, fault] of cases) {
    const words = answer.type === "failed" ? `${answer.code} ${answer.text}` : "a result";
    test(`${method}: ${words}`, () => expect(faultOf({ method, params: [] }, answer)).toBe(fault));
  }
});

describe("isRangeRefusal", () => {
  for (const text of [
    "query returned more than 10000 results",
    "eth_getLogs is limited to a 10,000 range of blocks",
    "block range is too wide",
    "exceed maximum block range: 5000",
    "Log response size exceeded. You can make eth_getLogs requests with up to a 2K block range",
    "too many logs",
    "query timeout exceeded",
  ]) {
    test(text, () => expect(isRangeRefusal(remote(text))).toBe(true));
  }
  test("not a missing header", () => expect(isRangeRefusal(remote("header not found"))).toBe(false));
});

describe("broadcastOutcome", () => {
  const hash = `0x${"ab".repeat(32)}`;
  const cases: readonly (readonly [string, string])[] = [
    ["already known", "known"],
    ["AlreadyKnown", "known"],
    ["Known transaction", "known"],
    ["transaction already imported", "known"],
    ["Transaction with the same hash was already imported.", "known"],
    ["nonce too low: next nonce 5, tx nonce 4", "nonce-too-low"],
    ["Transaction nonce is too low. Try incrementing the nonce.", "nonce-too-low"],
    ["OldNonce", "nonce-too-low"],
    ["replacement transaction underpriced", "underpriced"],
    ["transaction underpriced", "underpriced"],
    ["max fee per gas less than block base fee: address 0x00, maxFeePerGas: 1 baseFee: 2", "underpriced"],
    ["FeeTooLowToCompete", "underpriced"],
    ["insufficient funds for gas * price + value: balance 1, tx cost 2, overshot 1", "no-gas-money"],
    ["Upfront cost exceeds account balance", "no-gas-money"],
    ["exceeds block gas limit", "other"],
    ["typed transaction too short", "other"],
  ];
  for (const [text, expected] of cases) {
    test(text, () => {
      const outcome = broadcastOutcome(remote(text), hash);
      const told: string | undefined = outcome?.type === "refused" ? outcome.cause : outcome?.type;
      expect(told).toBe(expected);
    });
  }

  test("its own hash is a success, in any spelling; another one says nothing", () => {
    const result = `0x${"AB".repeat(32)}`;
    expect(broadcastOutcome({ type: "result", result }, hash)).toEqual({ type: "sent" });
    expect(broadcastOutcome({ type: "result", result: `0x${"cd".repeat(32)}` }, hash)).toBeNull();
    expect(broadcastOutcome({ type: "result", result: null }, hash)).toBeNull();
  });

  test("silence and limits say nothing", () => {
    expect(broadcastOutcome(transport("the RPC gave no answer within 5 ms"), hash)).toBeNull();
    expect(broadcastOutcome(remote("rate limit reached", -32005), hash)).toBeNull();
  });

  test("of several, one that has it comes first, then a refusal with a cause", () => {
    const refused = (cause: "other" | "underpriced") => ({ type: "refused", cause, text: "" }) as const;
    expect(bestOutcome([refused("other"), { type: "known" }, { type: "sent" }])).toEqual({ type: "sent" });
    expect(bestOutcome([refused("other"), { type: "known" }])).toEqual({ type: "known" });
    expect(bestOutcome([refused("other"), refused("underpriced")])).toEqual(refused("underpriced"));
    expect(bestOutcome([])).toBeNull();
  });
});
