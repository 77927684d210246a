import { expect, test } from "bun:test";
import { initializeRoundCall, redeemCall, rewardCall } from "../../../src/chain/chainCalls.ts";
import type { RedeemableTicket } from "../../../src/runtime/chainPorts.ts";
import type { Hex } from "../../../src/shared/brand.ts";
import vectors from "../../vectors/eth-tx.json";

// Goal: our calldata is what the reference node's binding makes of the same tickets. Method: its recorded calls.

const contract: Hex = `0x${"cc".repeat(20)}`;
const lower = (hex: string) => hex.toLowerCase() as Hex;

type Terms = (typeof vectors.cases)[number]["ticket"];

function ticketOf(terms: Terms, sig: string | undefined, rand: string | undefined): RedeemableTicket {
  if (terms === undefined || sig === undefined || rand === undefined)
    throw new Error("The row is incomplete.");
  return {
    hash: `0x${"00".repeat(32)}`,
    recipient: lower(terms.recipient),
    sender: lower(terms.sender),
    faceValue: BigInt(terms.faceValue),
    winProb: BigInt(terms.winProb),
    senderNonce: terms.senderNonce,
    recipientRandHash: lower(terms.recipientRandHash),
    recipientRand: `0x${BigInt(rand).toString(16).padStart(64, "0")}`,
    sig: lower(sig),
    creationRound: BigInt(terms.creationRound),
    creationRoundBlockHash: lower(terms.creationRoundBlockHash),
  };
}

test("payments 6.1: one ticket is redeemWinningTicket, without auxData when it names no round", () => {
  const rows = vectors.cases.filter((row) => row.kind === "redeemWinningTicket");
  expect(rows).toHaveLength(6);
  for (const { ticket, sig, recipientRand, calldata } of rows) {
    const call = redeemCall(contract, [ticketOf(ticket, sig, recipientRand)]);
    expect(call).toEqual({ to: contract, value: 0n, data: calldata as Hex });
  }
});

test("payments 6.5: several tickets are one batchRedeemWinningTickets", () => {
  const rows = vectors.cases.filter((row) => row.kind === "batchRedeemWinningTickets");
  const sizes: number[] = [];
  for (const { tickets, sigs, recipientRands, calldata } of rows) {
    const all = (tickets ?? []).map((terms, index) =>
      ticketOf(terms, sigs?.[index], recipientRands?.[index]),
    );
    if (all.length < 2) continue;
    sizes.push(all.length);
    expect(redeemCall(contract, all).data).toBe(calldata as Hex);
  }
  expect(sizes).toEqual([3, 5]);
});

test("rewards are called by the own account or for another one, rounds by anybody", () => {
  const [a, b, c] = ["aa", "bb", "dd"].map((byte) => byte.repeat(20));
  const hint = { previous: `0x${a}`, next: `0x${b}` } as const;
  const word = (account: string | undefined) => `${"0".repeat(24)}${account}`;
  expect(rewardCall(contract, { type: "own" }, hint).data).toBe(`0x81871056${word(a)}${word(b)}`);
  const delegated = rewardCall(contract, { type: "delegated", orchestrator: `0x${c}` }, hint);
  expect(delegated.data.slice(10)).toBe(`${word(c)}${word(a)}${word(b)}`);
  expect(initializeRoundCall(contract)).toEqual({ to: contract, value: 0n, data: "0xd4807fb2" });
});
