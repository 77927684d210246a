import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { type Hex, keccak256, parseGwei } from "viem";
import { generatePrivateKey, type PrivateKeyAccount, privateKeyToAccount } from "viem/accounts";
import { EndpointPool } from "../../../src/chain/endpointPool.ts";
import { type Anvil, startAnvil } from "../../support/chain/anvil.ts";
import { openEndpoints } from "../../support/chain/endpoints.ts";
import { openRpcProxy } from "../../support/chain/rpcProxy.ts";
import { eventually } from "../../support/eventually.ts";

/*
 * Goal: what becomes of a transaction is told rightly, whichever endpoint says it first. Method: transactions signed
 * by fresh keys, sent to a real development node that does not mine by itself; fake nodes where words of other nodes
 * matter.
 */

setDefaultTimeout(120_000);

const gwei = parseGwei("1");
let anvil: Anvil;

beforeAll(async () => {
  anvil = await startAnvil();
  await anvil.rpc("evm_setAutomine", false);
});
afterAll(() => anvil[Symbol.asyncDispose]());

/** A key that nobody used, with one ether. */
async function funded(wei = 10n ** 18n): Promise<PrivateKeyAccount> {
  const account = privateKeyToAccount(generatePrivateKey());
  await anvil.rpc("anvil_setBalance", account.address, `0x${wei.toString(16)}`);
  return account;
}

function signed(account: PrivateKeyAccount, nonce: number, maxFeePerGas: bigint): Promise<Hex> {
  const fees = { maxFeePerGas, maxPriorityFeePerGas: maxFeePerGas / 2n };
  return account.signTransaction({
    ...{ type: "eip1559", chainId: 54321, nonce, gas: 21_000n, to: account.address, value: 0n, ...fees },
  });
}

function openPool(...urls: string[]): EndpointPool & Disposable {
  const pool = new EndpointPool({ urls, timeoutMs: 60_000 });
  return Object.assign(pool, { [Symbol.dispose]: () => pool.close() });
}

describe("a real node", () => {
  test("takes it, and then knows it; the nonce of a mined one is too low", async () => {
    using pool = openPool(anvil.url);
    const account = await funded();
    const raw = await signed(account, 0, 10n * gwei);
    expect(await pool.broadcast(raw)).toEqual({ type: "sent" });
    expect(await pool.broadcast(raw)).toEqual({ type: "known" });
    await anvil.rpc("evm_mine");
    const [receipt] = await pool.batch([{ method: "eth_getTransactionReceipt", params: [keccak256(raw)] }]);
    expect(receipt).toMatchObject({ type: "result", result: { status: "0x1" } });
    expect(await pool.broadcast(await signed(account, 0, 20n * gwei))).toMatchObject({
      ...{ type: "refused", cause: "nonce-too-low" },
    });
  });

  test("refuses a replacement that pays less, and takes one that pays more", async () => {
    using pool = openPool(anvil.url);
    const account = await funded();
    expect(await pool.broadcast(await signed(account, 0, 10n * gwei))).toEqual({ type: "sent" });
    expect(await pool.broadcast(await signed(account, 0, 9n * gwei))).toMatchObject({
      ...{ type: "refused", cause: "underpriced" },
    });
    expect(await pool.broadcast(await signed(account, 0, 12n * gwei))).toEqual({ type: "sent" });
  });

  test("refuses a fee below the base fee", async () => {
    await using dear = await startAnvil();
    await dear.rpc("anvil_setNextBlockBaseFeePerGas", `0x${(50n * gwei).toString(16)}`);
    await dear.rpc("evm_mine");
    using pool = openPool(dear.url);
    const account = privateKeyToAccount(generatePrivateKey());
    await dear.rpc("anvil_setBalance", account.address, `0x${(10n ** 18n).toString(16)}`);
    expect(await pool.broadcast(await signed(account, 0, gwei))).toMatchObject({
      ...{ type: "refused", cause: "underpriced" },
    });
  });

  test("refuses an account without money for gas", async () => {
    using pool = openPool(anvil.url);
    expect(await pool.broadcast(await signed(await funded(1_000n), 0, 10n * gwei))).toMatchObject({
      ...{ type: "refused", cause: "no-gas-money", text: expect.stringMatching(/insufficient funds/i) },
    });
  });

  test("refuses what is no transaction", async () => {
    using pool = openPool(anvil.url);
    expect(await pool.broadcast("0x02")).toMatchObject({ type: "refused", cause: "other" });
  });
});

describe("several endpoints", () => {
  test("all are told, and one that takes it is enough, however silent the other is", async () => {
    await using door = await openRpcProxy(anvil.url);
    door.fault = { type: "silent" };
    using pool = openPool(door.url, anvil.url);
    const startMs = performance.now();
    expect(await pool.broadcast(await signed(await funded(), 0, 10n * gwei))).toEqual({ type: "sent" });
    // Long before the time-out of the silent one.
    expect(performance.now() - startMs).toBeLessThan(30_000);
    await eventually("the silent one is told too", () =>
      door.requests.flat().some(({ method }) => method === "eth_sendRawTransaction") ? true : null,
    );
  });

  test("none that answers leaves it unknown", async () => {
    await using first = await openRpcProxy(anvil.url);
    await using second = await openRpcProxy(anvil.url);
    first.fault = { type: "cut" };
    second.fault = { type: "answer", status: 429, body: "" };
    using pool = openPool(first.url, second.url);
    const outcome = await pool.broadcast(await signed(await funded(), 0, 10n * gwei));
    expect(outcome).toMatchObject({ type: "unknown", text: expect.stringMatching(/^rpc [12] .*the RPC/) });
  });

  test("a limit, or a hash of another transaction, is no word about it", async () => {
    await using world = await openEndpoints(2);
    const [first, second] = world.nodes;
    if (first === undefined || second === undefined) throw new Error("Two nodes were started.");
    first.answers = { eth_sendRawTransaction: Object.assign(new Error("limit exceeded"), { cause: -32005 }) };
    second.answers = { eth_sendRawTransaction: `0x${"12".repeat(32)}` };
    expect((await world.pool.broadcast("0x02aa")).type).toBe("unknown");
    second.answers = { eth_sendRawTransaction: keccak256("0x02aa") };
    expect(await world.pool.broadcast("0x02aa")).toEqual({ type: "sent" });
  });

  test("is not sent to an endpoint of another chain, nor believed by its word", async () => {
    await using world = await openEndpoints(2, { chainFault: (id) => (id === 7n ? null : "another chain") });
    const [first, second] = world.nodes;
    if (first === undefined || second === undefined) throw new Error("Two nodes were started.");
    second.chainId = 8n;
    first.answers = { eth_sendRawTransaction: new Error("nonce too low") };
    second.answers = { eth_sendRawTransaction: keccak256("0x02aa") };
    expect(await world.pool.broadcast("0x02aa")).toMatchObject({ type: "refused", cause: "nonce-too-low" });
    await world.pool.broadcast("0x02aa");
    expect(world.callsAt(1).filter((method) => method === "eth_sendRawTransaction").length).toBe(1);
  });
});
