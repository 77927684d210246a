import { expect, test } from "bun:test";
import { openChainDesk } from "../../../src/chain/chainDesk.ts";
import type { PoolAnswer, QuorumOptions } from "../../../src/chain/chainRpc.ts";
import type { RpcCall } from "../../../src/chain/jsonRpc.ts";
import type { Hex } from "../../../src/shared/brand.ts";

/*
 * Goal: what is asked as the word of two endpoints is asked that way, and endpoints need agree about what matters
 * only. Method: an RPC that tells by which way it was asked, and what was said to be the core of its answers.
 */

const recipient: Hex = `0x${"0e".repeat(20)}`;
const word = (value: bigint): string => value.toString(16).padStart(64, "0");

function open(resultOf: (call: RpcCall) => unknown) {
  const asked: { readonly way: "batch" | "quorum"; readonly method: string; readonly core: unknown }[] = [];
  const answer = (way: "batch" | "quorum", calls: readonly RpcCall[], options: QuorumOptions = {}) =>
    calls.map((call): PoolAnswer => {
      const result = resultOf(call);
      const core = options.essence === undefined ? result : options.essence(result, call);
      asked.push({ way, method: call.method, core });
      return { type: "result", result, endpoint: 0 };
    });
  const address = (byte: string): Hex => `0x${byte.repeat(20)}`;
  const desk = openChainDesk({
    rpc: {
      batch: async (calls) => answer("batch", calls),
      quorum: async (calls, options) => answer("quorum", calls, options),
      broadcast: async () => ({ type: "sent" }),
      incomplete: () => {},
    },
    contracts: async () => ({
      ...{ RoundsManager: address("a1"), BondingManager: address("a2"), TicketBroker: address("a3") },
    }),
    look: async () => null,
    recipient,
    chainId: () => 1n,
    nowMs: () => 0,
  });
  return { desk, asked };
}

test("rounds are the word of two, of an orchestrator its last reward only", async () => {
  let index = 0n;
  const { desk, asked } = open((call) => {
    const { to } = call.params[0] as { to: Hex };
    index += 1n;
    return to.startsWith("0xa2") ? `0x${word(41n)}${word(index).repeat(9)}` : `0x${word(40n + index)}`;
  });
  expect(await desk.rounds?.()).toEqual({ current: 41n, lastInitialized: 42n, lastReward: 41n });
  expect(asked.map(({ way, core }) => [way, String(core).length])).toEqual(Array(3).fill(["quorum", 66]));
});

test("an answer that is no round is none", async () => {
  expect(await open(() => "0x").desk.rounds?.()).toBeNull();
  expect(await open(() => `0x${"ff".repeat(32)}`).desk.rounds?.()).toBeNull();
});

test("receipts and simulations: as a rule of one endpoint, and of two when that is wanted", async () => {
  const hash: Hex = `0x${"01".repeat(32)}`;
  const receipt = {
    ...{ transactionHash: hash, blockHash: `0x${"02".repeat(32)}`, blockNumber: "0x5", status: "0x1" },
    ...{ gasUsed: "0x5208", effectiveGasPrice: "0x1", logs: [], l1BlockNumber: "0x9" },
  };
  const { desk, asked } = open(({ method }) => (method === "eth_call" ? "0x" : receipt));
  const [one] = (await desk.receipts([hash])) ?? [];
  const [two] = (await desk.receipts([hash], "quorum")) ?? [];
  expect(two).toEqual(one ?? null);
  const call = { to: recipient, data: "0x", value: 0n } as const;
  expect(await desk.simulate([call], recipient, "quorum")).toEqual([{ type: "runs" }]);
  expect(asked.map(({ way, method }) => `${way} ${method}`)).toEqual([
    "batch eth_getTransactionReceipt",
    "quorum eth_getTransactionReceipt",
    "quorum eth_call",
  ]);
  // Nodes differ in the fields that they add.
  expect(asked[1]?.core).toEqual([receipt.blockHash, "0x1", "0x5208", "0x1"]);
});
