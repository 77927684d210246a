import { describe, expect, test } from "bun:test";
import { encodeErrorResult, parseAbi } from "viem";
import { livepeerGovernorAbi } from "../../../src/chain/abi.ts";
import type { RpcAnswer } from "../../../src/chain/jsonRpc.ts";
import { isTooMany } from "../../../src/chain/logTrouble.ts";
import { revertReason } from "../../../src/chain/revertReasons.ts";

// Goal: a revert is told from an endpoint's trouble, and its reason is found wherever the node puts it. Method: the
// shapes of go-ethereum, Arbitrum, anvil, Hardhat, Ganache and Nethermind.

const standard = parseAbi(["error Error(string reason)", "error Panic(uint256 code)"]);
const errorData = (reason: string) =>
  encodeErrorResult({ abi: standard, errorName: "Error", args: [reason] });

type Failed = Extract<RpcAnswer, { type: "failed" }>;
function remote(text: string, code: number | null = -32000, data: string | null = null): Failed {
  return { type: "failed", kind: "remote", text, retryAfterMs: null, code, data };
}
function transport(text: string, code: number | null = null): Failed {
  return { type: "failed", kind: "transport", text, retryAfterMs: null, code, data: null };
}

describe("the reason of a revert", () => {
  const rows: readonly (readonly [string, RpcAnswer, string])[] = [
    [
      "go-ethereum",
      remote("execution reverted: ticket is used", 3, errorData("ticket is used")),
      "ticket is used",
    ],
    ["go-ethereum without data", remote("execution reverted: ticket is used"), "ticket is used"],
    ["Arbitrum, no reason", remote("execution reverted", 3, "0x"), ""],
    [
      "anvil",
      remote("execution reverted: ticket is expired", 3, errorData("ticket is expired")),
      "ticket is expired",
    ],
    [
      "data beats text",
      remote("execution reverted", 3, errorData("sender is unlocked")),
      "sender is unlocked",
    ],
    [
      "Hardhat",
      remote(
        "VM Exception while processing transaction: reverted with reason string 'caller must be bonded'",
      ),
      "caller must be bonded",
    ],
    ["Ganache", remote("VM Exception while processing transaction: revert ticket is used"), "ticket is used"],
    ["Nethermind", remote("VM execution error.", -32015), "VM execution error."],
    ["out of gas", remote("out of gas"), "out of gas"],
    [
      "an overflow",
      remote(
        "execution reverted",
        3,
        encodeErrorResult({ abi: standard, errorName: "Panic", args: [0x11n] }),
      ),
      "panic: arithmetic overflow or underflow",
    ],
    [
      "an unknown panic",
      remote(
        "execution reverted",
        3,
        encodeErrorResult({ abi: standard, errorName: "Panic", args: [0x99n] }),
      ),
      "panic: code 153",
    ],
    [
      "VoteAlreadyCast",
      remote(
        "execution reverted",
        3,
        encodeErrorResult({ abi: livepeerGovernorAbi, errorName: "VoteAlreadyCast" }),
      ),
      "VoteAlreadyCast()",
    ],
    [
      "InvalidVoteType",
      remote(
        "execution reverted",
        3,
        encodeErrorResult({ abi: livepeerGovernorAbi, errorName: "InvalidVoteType", args: [3] }),
      ),
      "InvalidVoteType(3)",
    ],
    ["an unknown custom error", remote("execution reverted", 3, "0xDEADBEEF00"), "custom error 0xdeadbeef"],
    ["data that is cut", remote("execution reverted: a", 3, errorData("abc").slice(0, 80)), "a"],
    ["rubbish for data", remote("execution reverted: words", 3, "0x1"), "words"],
    ["control characters", remote("execution reverted", 3, errorData("a\n\u001b[31m€b")), "a [31m b"],
  ];
  test.each(rows)("%s", (_name, answer, reason) => expect(revertReason(answer)).toBe(reason));

  test("is bounded", () => {
    expect(revertReason(remote("execution reverted", 3, errorData("x".repeat(5_000))))).toBe("x".repeat(200));
  });

  test("is none where the answer says nothing about the call", () => {
    for (const answer of [
      { type: "result", result: "0x" } as const,
      transport("the RPC gave no answer within 5000 ms"),
      transport("execution reverted"),
      remote("rate limit exceeded", -32005),
      remote("header not found"),
      remote("daily request count exceeded, request rate limited", -32005),
      remote("missing trie node"),
      remote("the method eth_call does not exist/is not available", -32601),
    ]) {
      expect([answer, revertReason(answer)]).toEqual([answer, null]);
    }
  });
});

describe("logs that are too many", () => {
  test.each([
    remote("query returned more than 10000 results", -32005),
    remote("query returned more than 10000 results. Try with this block range [0x1, 0x2].", -32005),
    remote(
      "Log response size exceeded. You can make eth_getLogs requests with up to a 2K block range",
      -32602,
    ),
    remote("block range is too wide", -32000),
    remote("exceed maximum block range: 5000", -32000),
    remote("block range too large", -32012),
    remote("eth_getLogs is limited to a 10,000 range", -32614),
    remote("eth_getLogs requests with up to a 10 block range are allowed", -32600),
    remote("response size exceeded the maximum", -32000),
    remote("logs matched by query exceeds limit of 10000", -32005),
    remote("backend response too large", -32020),
    remote("Please limit the query to at most 1000 blocks", -32000),
    remote("query timeout exceeded", -32000),
    remote("requested too many blocks from 1 to 5000, maximum is set to 2048", -32000),
    remote("limit exceeded", -32005),
    transport("the RPC answered HTTP 413", 413),
    transport("the RPC answered more than 2097152 bytes"),
  ])("%j", (answer) => expect(isTooMany(answer)).toBe(true));

  test.each([
    remote("daily request count exceeded, request rate limited", -32005),
    remote("Too Many Requests", -32005),
    remote("Your app has exceeded its compute units per second capacity", 429),
    remote("header not found"),
    remote("unknown block"),
    remote("internal error", -32603),
    transport("the RPC answered HTTP 429", 429),
    transport("the RPC gave no answer within 5000 ms"),
  ])("not %j", (answer) => expect(isTooMany(answer)).toBe(false));
});
