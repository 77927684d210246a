import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { parseEther } from "viem";
import { privateKeyToAccount } from "viem/accounts";
import { callRpc } from "../../support/chain/anvil.ts";
import { type DevChain, type Hex, startDevChain } from "../../support/chain/devChain.ts";
import type { FaultKind } from "../../support/chain/rpcProxy.ts";
import { eventually } from "../../support/eventually.ts";

/*
 * Goal: the bad days that other tests rely on do happen. Method: each helper is used on a real chain, and the chain is
 * asked what became of it.
 */

setDefaultTimeout(120_000);

const own: Hex = `0x${"0d".repeat(20)}`;
/** The second account of anvil's usual mnemonic, which has ether. */
const rich = privateKeyToAccount("0x59c6995e998f97a5a0044966f0945389dc9e86dae88c7a8412f4603b6b78690d");

async function hashAt(chain: DevChain, block: bigint): Promise<unknown> {
  const found = await chain.anvil.rpc("eth_getBlockByNumber", `0x${block.toString(16)}`, false);
  return (found as { readonly hash: unknown }).hash;
}

async function receiptOf(chain: DevChain, hash: Hex): Promise<{ readonly blockHash: Hex } | null> {
  return (await chain.anvil.rpc("eth_getTransactionReceipt", hash)) as { readonly blockHash: Hex } | null;
}

/** A transaction with a signature; not waited for. */
async function sendSigned(chain: DevChain): Promise<Hex> {
  const nonce = Number(await chain.anvil.rpc("eth_getTransactionCount", rich.address, "latest"));
  const raw = await rich.signTransaction({
    ...{ chainId: Number(chain.chainId), nonce, to: own, value: 1n, gas: 21_000n },
    ...{ maxFeePerGas: 10n ** 12n, maxPriorityFeePerGas: 0n },
  });
  return (await chain.anvil.rpc("eth_sendRawTransaction", raw)) as Hex;
}

describe("a re-org", () => {
  test("keeps transactions at their heights under other hashes, or drops them", async () => {
    await using chain = await startDevChain();
    await chain.register(own, parseEther("100"));
    const { hash, block } = await chain.giveTokens(own, 5n);
    await chain.mine(2);
    const head = await chain.blockNumber();
    const before = [await hashAt(chain, block), await hashAt(chain, head)];
    const balance = () => chain.read("LivepeerToken", "balanceOf", [own]);

    await chain.reorg(3);
    expect(await chain.blockNumber()).toBe(head);
    expect(await balance()).toBe(5n);
    const after = [await hashAt(chain, block), await hashAt(chain, head)];
    expect(after).not.toContain(before[0]);
    expect(after).not.toContain(before[1]);
    expect((await receiptOf(chain, hash))?.blockHash).toBe(after[0] as Hex);

    await chain.reorg(3, { drop: [hash] });
    expect(await balance()).toBe(0n);
    expect(await receiptOf(chain, hash)).toBeNull();
    expect(await chain.logs("LivepeerToken", "Transfer", block)).toEqual([]);
  });

  test("of 30 blocks over a round's beginning", async () => {
    await using chain = await startDevChain();
    await chain.setRound(2n);
    const old = await chain.read("RoundsManager", "blockHashForRound", [2n]);
    await chain.mine(10);
    await chain.reorg(30);
    expect(await chain.read("RoundsManager", "lastInitializedRound", [])).toBe(2n);
    expect(await chain.read("RoundsManager", "blockHashForRound", [2n])).not.toBe(old);
    await chain.reorg(30, { drop: "all" });
    expect(await chain.read("RoundsManager", "lastInitializedRound", [])).toBe(1n);
  });

  test("puts a signed transaction back into the pool", async () => {
    await using chain = await startDevChain();
    await chain.automine();
    const hash = await sendSigned(chain);
    // The node takes it, and mines it a moment later.
    await eventually("it is mined", () => receiptOf(chain, hash));
    await chain.holdMining();
    await chain.reorg(1, { unmine: [hash] });
    expect(await receiptOf(chain, hash)).toBeNull();
    expect(await chain.anvil.rpc("eth_getTransactionByHash", hash)).toMatchObject({ blockHash: null });
    await chain.mine(1);
    expect(await receiptOf(chain, hash)).not.toBeNull();
  });
});

describe("blocks", () => {
  test("come only when wanted; a dropped transaction was never heard of", async () => {
    await using chain = await startDevChain();
    await chain.holdMining();
    const head = await chain.blockNumber();
    const hash = await sendSigned(chain);
    expect(await receiptOf(chain, hash)).toBeNull();
    expect(await chain.dropTransaction(hash)).toBe(true);
    expect(await chain.dropTransaction(hash)).toBe(false);
    expect(await chain.anvil.rpc("eth_getTransactionByHash", hash)).toBeNull();
    expect(await chain.blockNumber()).toBe(head);
    // What a test does itself is mined all the same.
    await chain.giveTokens(own, 1n);
    expect(await chain.blockNumber()).toBe(head + 1n);
    expect(await receiptOf(chain, hash)).toBeNull();
    await chain.automine();
    const mined = await sendSigned(chain);
    await eventually("the chain mines by itself again", () => receiptOf(chain, mined));
  });

  test("have the base fee that was asked for", async () => {
    await using chain = await startDevChain();
    await chain.mineAt(3, 5_000_000_000n);
    const head = await chain.blockNumber();
    for (const block of [head - 2n, head]) {
      const found = await chain.anvil.rpc("eth_getBlockByNumber", `0x${block.toString(16)}`, false);
      expect(found).toMatchObject({ baseFeePerGas: "0x12a05f200" });
    }
  });
});

describe("the endpoint", () => {
  /** What one call meets: its result, or words that say how it went wrong. */
  function asked(chain: DevChain, method: string, ...params: readonly unknown[]): Promise<unknown> {
    return askedWithin(30_000, chain, method, params);
  }

  async function askedWithin(
    withinMs: number,
    chain: DevChain,
    method: string,
    params: readonly unknown[] = [],
  ): Promise<unknown> {
    const response = await fetch(chain.rpc.url, {
      method: "POST",
      body: JSON.stringify({ jsonrpc: "2.0", id: 7, method, params }),
      signal: AbortSignal.timeout(withinMs),
    }).catch((error: unknown) => (error as Error).name);
    if (typeof response === "string") return response === "TimeoutError" ? "no answer" : "cut";
    if (response.status !== 200) return response.status;
    const text = await response.text();
    if (text.startsWith("<")) return "html";
    try {
      const answer: { readonly result?: unknown; readonly error?: { readonly message: string } } =
        JSON.parse(text);
      return answer.error?.message ?? answer.result;
    } catch {
      return "half";
    }
  }

  const outcomes: readonly (readonly [FaultKind, unknown])[] = [
    ["429", 429],
    ["cut", "cut"],
    ["html", "html"],
    ["halfJson", "half"],
    ["silent", "no answer"],
    ["error", "header not found"],
    ["null", null],
  ];
  test.each(outcomes)("fails the second call with %s, and no other", async (kind, outcome) => {
    await using chain = await startDevChain();
    const head = `0x${(await chain.blockNumber()).toString(16)}`;
    // An answer that is due has all the time that it needs.
    const failing = (method: string) => askedWithin(kind === "silent" ? 500 : 30_000, chain, method);
    chain.rpc.failNth("eth_blockNumber", 2, kind);
    expect(await asked(chain, "eth_chainId")).toBe("0xd431");
    expect(await asked(chain, "eth_blockNumber")).toBe(head);
    expect(chain.rpc.pendingFaults).toBe(1);
    expect(await failing("eth_blockNumber")).toBe(outcome as string);
    await eventually("it has come", () => (chain.rpc.pendingFaults === 0 ? true : null));
    expect(await asked(chain, "eth_blockNumber")).toBe(head);
    chain.rpc.failMethod("*", kind);
    expect(await failing("eth_chainId")).toBe(outcome as string);
    chain.rpc.behave();
    expect(await asked(chain, "eth_chainId")).toBe("0xd431");
  });

  test("stands still while the chain goes on", async () => {
    await using chain = await startDevChain();
    const head = await chain.blockNumber();
    const text = (block: bigint) => `0x${block.toString(16)}`;
    chain.rpc.staleness = { at: head };
    const { hash } = await chain.giveTokens(own, 7n);
    const balance = { to: chain.livepeerToken, data: `0x70a08231${own.slice(2).padStart(64, "0")}` };
    const zero = `0x${"00".repeat(32)}`;
    expect(await asked(chain, "eth_blockNumber")).toBe(text(head));
    expect(await asked(chain, "eth_call", balance, "latest")).toBe(zero);
    expect(await asked(chain, "eth_getBlockByNumber", "latest", false)).toMatchObject({ number: text(head) });
    expect(await asked(chain, "eth_getBlockByNumber", text(head + 1n), false)).toBeNull();
    expect(await asked(chain, "eth_getTransactionReceipt", hash)).toBeNull();
    const filter = { address: chain.livepeerToken, fromBlock: text(head + 1n), toBlock: text(head + 1n) };
    expect(await asked(chain, "eth_getLogs", filter)).not.toBeArrayOfSize(1);
    chain.rpc.staleness = null;
    expect(await asked(chain, "eth_getLogs", filter)).toBeArrayOfSize(1);
    expect(await asked(chain, "eth_call", balance, "latest")).not.toBe(zero);
    await chain.mine(20);
    chain.rpc.failNth("eth_blockNumber", 1, "stale");
    expect(await asked(chain, "eth_blockNumber")).toBe(text(head + 11n));
  });

  test("loses logs, counts calls, and takes its time", async () => {
    await using chain = await startDevChain();
    const { hash, block } = await chain.giveTokens(own, 7n);
    const filter = { fromBlock: `0x${block.toString(16)}`, toBlock: "latest" };
    chain.rpc.failNth("eth_getLogs", 1, "missingLogs");
    expect(await asked(chain, "eth_getLogs", filter)).toEqual([]);
    expect(await asked(chain, "eth_getLogs", filter)).toBeArrayOfSize(1);
    chain.rpc.hidesLog = () => true;
    expect(await asked(chain, "eth_getLogs", filter)).toEqual([]);
    expect(await asked(chain, "eth_getTransactionReceipt", hash)).toMatchObject({ logs: [] });
    expect(chain.rpc.counts).toEqual({
      ...{ requests: 4, calls: 4 },
      byMethod: { eth_getLogs: 3, eth_getTransactionReceipt: 1 },
    });
    chain.rpc.resetCounts();
    expect(chain.rpc.counts).toEqual({ requests: 0, calls: 0, byMethod: {} });
    chain.rpc.behave();
    chain.rpc.latencyMs = 40;
    const startMs = performance.now();
    await callRpc(chain.rpc.url, "eth_chainId", []);
    expect(performance.now() - startMs).toBeGreaterThanOrEqual(39);
  });
});
