import { describe, expect, setDefaultTimeout, test } from "bun:test";
import type { WalletSnapshot } from "../../../src/actors/wallet/decide.ts";
import type {
  OpenTransaction,
  PlanRefusal,
  TransactionRequest,
} from "../../../src/runtime/chain/transactionTypes.ts";
import type { Hex } from "../../../src/shared/brand.ts";
import type { OfficeWorldOptions } from "../../support/chain/officeLife.ts";
import { oneEther, oneGwei, type OfficeWorld, openOfficeWorld } from "../../support/chain/officeWorld.ts";
import { eventually } from "../../support/eventually.ts";

/*
 * Transactions on a real chain: transfers of 1 wei that the operator might make, and what becomes of them when fees,
 * nonces, pools, blocks and endpoints do what they do.
 */

// Whoever comes first compiles the contracts, which takes seconds on a busy machine.
setDefaultTimeout(120_000);

const receiver: Hex = `0x${"57".repeat(20)}`;
/** How long an attempt waits before it is raised, in these worlds. Milliseconds. */
const timeoutMs = 60_000;

const openWorld = (options: OfficeWorldOptions = {}): Promise<OfficeWorld> =>
  openOfficeWorld({ ...options, config: { redeem: false, ...options.config } });

function transfer(world: OfficeWorld, change: Partial<TransactionRequest> = {}): TransactionRequest {
  return {
    ...{ purpose: "operator", subject: "a test", from: world.us, gasLimit: 60_000n, feeMax: null },
    ...{ call: { to: receiver, data: "0x", value: 1n }, round: null, tickets: [], ...change },
  };
}

/** Looks at the chain, plans, and waits until it is sent. */
async function plan(
  world: OfficeWorld,
  change: Partial<TransactionRequest> = {},
): Promise<PlanRefusal | { readonly type: "planned"; readonly id: string }> {
  const look = await world.tick();
  const planned = await world.life.transactions.plan(transfer(world, change), look);
  await world.settled();
  return planned;
}

async function planned(world: OfficeWorld, change: Partial<TransactionRequest> = {}): Promise<string> {
  const outcome = await plan(world, change);
  if (outcome.type === "refused") throw new Error(`It was refused: ${outcome.text}`);
  return outcome.id;
}

function open(world: OfficeWorld, id: string): OpenTransaction {
  const found = world.life.transactions.open().find((transaction) => transaction.id === id);
  if (found === undefined) throw new Error(`${id} is not open.`);
  return found;
}

const attempts = (world: OfficeWorld, id: string): OpenTransaction["context"]["attempts"] =>
  open(world, id).context.attempts;
const record = (world: OfficeWorld, id: string) => world.life.log.reader.transaction(id);
const received = async ({ chain }: OfficeWorld): Promise<bigint> =>
  BigInt(String(await chain.anvil.rpc("eth_getBalance", receiver, "latest")));
const nextNonce = (world: OfficeWorld): number | undefined =>
  (world.life.host.snapshot("wallet", world.us) as WalletSnapshot | null)?.context.nextNonce;
const untilConfirmed = (world: OfficeWorld, ...ids: readonly string[]): Promise<true> =>
  world.tickUntil(
    "all are confirmed",
    () => ids.every((id) => record(world, id)?.state === "confirmed") || null,
  );

/** Uses up nonces of ours, as a wallet with the same key would. */
async function sendFromAnotherWallet({ chain, us }: OfficeWorld, count = 1): Promise<void> {
  const fees = { maxFeePerGas: "0x77359400", maxPriorityFeePerGas: "0x0" };
  for (let sent = 0; sent < count; sent += 1) {
    await chain.anvil.rpc("eth_sendTransaction", { from: us, to: us, gas: "0x5208", ...fees });
    await chain.mine(1);
  }
}

/** What the chain's pool holds of a transaction. */
async function onChain(
  { chain }: OfficeWorld,
  hash: Hex | undefined,
): Promise<Readonly<Record<string, Hex>>> {
  return (await chain.anvil.rpc("eth_getTransactionByHash", hash)) as Readonly<Record<string, Hex>>;
}

/** The last block had this base fee, wei per gas. */
const withBaseFee = (baseFee: bigint): OfficeWorldOptions => ({
  prepare: async (chain, us) => {
    await chain.setActive(us, true);
    await chain.setRound(3n);
    await chain.mineAt(1, baseFee);
  },
});

describe("mining", () => {
  test("chain check 31: a chain that mines at once: sent, and at the next look it is mined", async () => {
    await using world = await openWorld();
    await world.chain.automine();
    const id = await planned(world);
    // The node takes it, and mines it a moment later.
    const { hash } = attempts(world, id)[0] ?? {};
    await eventually("it is mined", () => world.chain.anvil.rpc("eth_getTransactionReceipt", hash));
    await world.tick();
    expect(open(world, id)).toMatchObject({ state: "mined", context: { mined: { isSuccess: true } } });
    expect(world.history(`transaction:${id}`)).toEqual([
      ...["TransactionPlanned", "TransactionSigned", "TransactionMined"],
    ]);
    await untilConfirmed(world, id);
    expect(await received(world)).toBe(1n);
    await world.audit();
  });

  test("confirmed only so many blocks deep, with the gas that it cost", async () => {
    await using world = await openWorld();
    await world.chain.mineAt(1, oneGwei);
    const id = await planned(world);
    await world.chain.mine(1);
    await world.tick();
    await world.chain.mine(1);
    await world.tick();
    expect(open(world, id).state).toBe("mined");
    await world.chain.mine(1);
    await world.tick();
    const receipt = (await world.chain.anvil.rpc("eth_getTransactionReceipt", record(world, id)?.hash)) as {
      readonly gasUsed: string;
      readonly effectiveGasPrice: string;
    };
    expect(world.events(`transaction:${id}`).at(-1)).toMatchObject({
      type: "TransactionConfirmed",
      fee: BigInt(receipt.gasUsed) * BigInt(receipt.effectiveGasPrice),
    });
  });

  test("one that the contract refuses is mined too: with its cost, and without success", async () => {
    await using world = await openWorld();
    const to = world.chain.bondingManager.toLowerCase() as Hex;
    const id = await planned(world, { call: { to, data: "0xdeadbeef", value: 0n }, gasLimit: 200_000n });
    await world.chain.mine(1);
    await world.tick();
    expect(open(world, id).context.mined).toMatchObject({ isSuccess: false });
  });

  for (const how of ["unmine", "drop"] as const) {
    test(`a re-org takes it back${how === "drop" ? " and loses it" : ""}: it is mined again, once`, async () => {
      await using world = await openWorld();
      await world.chain.mine(2);
      const id = await planned(world);
      await world.chain.mine(1);
      await world.tick();
      await world.chain.reorg(1, { [how]: "all" });
      await world.tick();
      expect([open(world, id).state, open(world, id).context.undone]).toEqual(["sent", 1]);
      await untilConfirmed(world, id);
      expect(await received(world)).toBe(1n);
      await world.audit();
    });
  }

  test("a re-org moves it to another block: the log follows", async () => {
    await using world = await openWorld();
    await world.chain.mine(2);
    const id = await planned(world);
    await world.chain.mine(1);
    await world.tick();
    const before = open(world, id).context.mined?.blockHash;
    await world.chain.reorg(1);
    await world.tick();
    const after = open(world, id).context.mined?.blockHash;
    expect([after === before, open(world, id).state]).toEqual([false, "mined"]);
    await untilConfirmed(world, id);
    expect(await received(world)).toBe(1n);
  });
});

describe("nonces", () => {
  test("chain check 32: two at the same moment get n and n + 1, and both are mined", async () => {
    await using world = await openWorld();
    const look = await world.tick();
    const outcomes = await Promise.all(
      [1n, 2n].map((value) =>
        world.life.transactions.plan(transfer(world, { call: { to: receiver, data: "0x", value } }), look),
      ),
    );
    expect(outcomes).toEqual([
      { type: "planned", id: `${world.us}/0` },
      { type: "planned", id: `${world.us}/1` },
    ]);
    await untilConfirmed(world, `${world.us}/0`, `${world.us}/1`);
    expect(await received(world)).toBe(3n);
    await world.audit();
  });

  test("chain check 33: the chain counts 10 and we 3: 10 is next, and the log says that somebody else was there", async () => {
    await using world = await openWorld();
    for (let sent = 0; sent < 3; sent += 1) {
      await planned(world);
      await world.chain.mine(1);
    }
    await sendFromAnotherWallet(world, 7);
    expect(await planned(world)).toBe(`${world.us}/10`);
    expect(world.events(`wallet:${world.us}`)).toContainEqual({
      type: "NonceCorrected",
      ...{ nonce: 10, cause: "ahead" },
    });
    await untilConfirmed(world, `${world.us}/10`);
    await world.audit();
  });

  test("chain check 33: the chain counts 10 and we 12: 12 is next, and what its pool has dropped comes back", async () => {
    await using world = await openWorld();
    await sendFromAnotherWallet(world, 10);
    const ids = [await planned(world), await planned(world)];
    for (const hash of await world.pool()) await world.chain.dropTransaction(hash);
    expect(await world.pool()).toEqual([]);
    ids.push(await planned(world));
    expect(ids).toEqual([10, 11, 12].map((nonce) => `${world.us}/${nonce}`));
    await untilConfirmed(world, ...ids);
    expect([await received(world), nextNonce(world)]).toEqual([3n, 13]);
    await world.audit();
  });

  test("chain check 33: a wallet's pending transaction takes a nonce and is dropped: ours, behind the gap, still comes", async () => {
    await using world = await openWorld();
    const fees = { maxFeePerGas: "0x77359400", maxPriorityFeePerGas: "0x0" };
    const theirs = await world.chain.anvil.rpc("eth_sendTransaction", {
      ...{ from: world.us, to: world.us, gas: "0x5208", ...fees },
    });
    const id = await planned(world);
    expect(id).toBe(`${world.us}/1`);
    await world.chain.dropTransaction(theirs as Hex);
    await world.chain.mine(1);
    await world.tick();
    await world.tick(130_000);
    await untilConfirmed(world, id);
    expect(await received(world)).toBe(1n);
    // And the account goes on behind it.
    const next = await planned(world);
    expect(next).toBe(`${world.us}/2`);
    await untilConfirmed(world, next);
    await world.audit();
  });

  test("a re-org deeper than any confirmation loses a transaction: it is broadcast again, from the log", async () => {
    await using world = await openWorld();
    await world.chain.mine(6);
    const id = await planned(world);
    await world.chain.mine(1);
    await untilConfirmed(world, id);
    const depth = Number((await world.chain.blockNumber()) - BigInt(record(world, id)?.block ?? 0)) + 1;
    await world.chain.reorg(depth, { drop: "all" });
    expect(await received(world)).toBe(0n);
    await world.chain.mine(32n - ((await world.chain.blockNumber()) % 32n));
    await world.tick();
    await world.tick(130_000);
    await world.chain.mine(1);
    expect(await received(world)).toBe(1n);
    expect(await planned(world)).toBe(`${world.us}/1`);
  });

  test("a deep re-org puts another wallet's transaction and ours back into the pool: we wait, and nothing fails", async () => {
    await using world = await openWorld();
    await world.chain.mine(6);
    await sendFromAnotherWallet(world);
    const id = await planned(world);
    await world.chain.mine(1);
    await untilConfirmed(world, id);
    // Signed by a key that only the chain has here: it can go, but not wait in the pool. Another takes its place.
    const depth = Number((await world.chain.blockNumber()) - BigInt(record(world, id)?.block ?? 0)) + 2;
    const hash = record(world, id)?.hash as Hex;
    const raw = await world.chain.anvil.rpc("eth_getRawTransactionByHash", hash);
    await world.chain.reorg(depth, { drop: "all" });
    await world.chain.mine(32n - ((await world.chain.blockNumber()) % 32n));
    const fees = { maxFeePerGas: "0x77359400", maxPriorityFeePerGas: "0x0" };
    await world.chain.anvil.rpc("eth_sendTransaction", {
      from: world.us,
      to: world.us,
      gas: "0x5208",
      ...fees,
    });
    await world.chain.anvil.rpc("eth_sendRawTransaction", raw);
    await world.tick();
    await world.tick(130_000);
    await world.tick(130_000);
    await world.chain.mine(1);
    await world.tick();
    expect([await received(world), nextNonce(world)]).toEqual([1n, 2]);
    expect(await planned(world)).toBe(`${world.us}/2`);
  });

  test("another wallet used the nonce of one that waits: it ends as displaced, and the next one goes", async () => {
    await using world = await openWorld();
    world.isSending = false;
    const id = await planned(world);
    await sendFromAnotherWallet(world);
    world.isSending = true;
    await world.tickUntil("it is displaced", () => record(world, id)?.state === "displaced" || null);
    const next = await planned(world);
    expect(next).toBe(`${world.us}/1`);
    await untilConfirmed(world, next);
    expect(await received(world)).toBe(1n);
    await world.audit();
  });
});

describe("fees", () => {
  test("chain check 25: the price is above the maximum: refused with both figures, nothing leaves", async () => {
    await using world = await openWorld({ ...withBaseFee(2n * oneGwei), config: { maxGasPrice: oneGwei } });
    expect(await plan(world)).toMatchObject({
      ...{ type: "refused", cause: "fee" },
      text: "The gas price 2000000000 is above the limit 1000000000 wei.",
    });
    expect([await world.pool(), nextNonce(world)]).toEqual([[], undefined]);
  });

  for (const [max, cap] of [
    [100n * oneGwei, 200_000_000n],
    [150_000_000n, 150_000_000n],
  ] as const) {
    test(`chain check 26: base fee 0.1 gwei, maximum ${max}: the chain gets a cap of ${cap}`, async () => {
      await using world = await openWorld({ ...withBaseFee(oneGwei / 10n), config: { maxGasPrice: max } });
      const id = await planned(world);
      const seen = await onChain(world, attempts(world, id)[0]?.hash);
      expect([seen["maxFeePerGas"], seen["maxPriorityFeePerGas"]]).toEqual([`0x${cap.toString(16)}`, "0x0"]);
      await untilConfirmed(world, id);
    });
  }

  /** The endpoint says so when it is asked for the price of gas. */
  function sayGasPrice(world: OfficeWorld, wei: bigint): void {
    const lie = (call: { readonly method: string }, result: unknown): unknown =>
      call.method === "eth_gasPrice" ? `0x${wei.toString(16)}` : result;
    world.chain.rpc.fault = { type: "liar", lie };
  }

  test("chain check 27: a tip far above the base fee is sent within the maximum", async () => {
    await using world = await openWorld({ ...withBaseFee(7n), config: { maxGasPrice: 2n * oneGwei } });
    sayGasPrice(world, 7n + oneGwei);
    // Until the tip is asked for again.
    for (let look = 0; look < 130 && (await world.tick()).tip !== oneGwei; look += 1);
    const id = await planned(world);
    const [first] = attempts(world, id);
    expect([first?.feeCap, first?.tip]).toEqual([oneGwei + 14n, oneGwei]);
    await untilConfirmed(world, id);
  });

  test("chain check 28: what is stuck is raised with the same nonce, by an eighth or to what is asked now", async () => {
    await using world = await openWorld(withBaseFee(oneGwei));
    const id = await planned(world);
    // The price doubles and more: two gwei of cap are not enough.
    await world.chain.mineAt(1, 3n * oneGwei);
    await world.tick();
    expect(attempts(world, id).length).toBe(1);
    await world.chain.mineAt(1, 3n * oneGwei);
    await world.tick(timeoutMs);
    const [first, raise] = attempts(world, id);
    expect([first?.feeCap, raise?.feeCap, raise?.kind]).toEqual([2n * oneGwei, 6n * oneGwei, "raise"]);
    expect([await world.pool(), (await onChain(world, raise?.hash))["nonce"]]).toEqual([
      [raise?.hash ?? "0x"],
      "0x0",
    ]);
    await world.chain.mineAt(1, 3n * oneGwei);
    await world.tick();
    expect(open(world, id).context.mined?.hash).toBe(raise?.hash ?? "0x");
    await untilConfirmed(world, id);
    expect(await received(world)).toBe(1n);
    await world.audit();
  });

  test("chain check 29: no attempt ever offers more than the maximum; it waits for the price instead", async () => {
    const max = 2n * oneGwei;
    await using world = await openWorld({ ...withBaseFee(oneGwei), config: { maxGasPrice: max } });
    const id = await planned(world);
    for (let look = 0; look < 4; look += 1) {
      await world.chain.mineAt(1, 3n * oneGwei);
      await world.tick(timeoutMs);
    }
    expect(attempts(world, id).every(({ feeCap }) => feeCap <= max)).toBe(true);
    await world.chain.mineAt(1, oneGwei);
    await untilConfirmed(world, id);
    expect(await received(world)).toBe(1n);
  });

  test("chain check 30: the original is mined while its replacement waits: success, with its receipt", async () => {
    await using world = await openWorld(withBaseFee(oneGwei));
    const id = await planned(world);
    // Raised, and the pool that mines never hears of it.
    world.isSending = false;
    await world.tick(timeoutMs);
    const [first, raise] = attempts(world, id);
    expect(raise?.kind).toBe("raise");
    await world.chain.mine(1);
    await world.tick();
    expect(open(world, id)).toMatchObject({
      state: "mined",
      context: { mined: { hash: first?.hash, isSuccess: true } },
    });
    await untilConfirmed(world, id);
    expect([record(world, id)?.hash, await received(world)]).toEqual([first?.hash ?? null, 1n]);
    await world.audit();
  });

  test("a legacy chain: gas price instead of a cap and a tip, raised likewise", async () => {
    await using world = await openWorld();
    // No block has a base fee.
    const lie = (call: { readonly method: string }, result: unknown): unknown => {
      if (call.method === "eth_gasPrice") return "0x3b9aca00";
      if (call.method !== "eth_getBlockByNumber") return result;
      return { ...(result as object), baseFeePerGas: undefined };
    };
    await world.close();
    world.chain.rpc.fault = { type: "liar", lie };
    await world.open();
    expect((await world.tick()).baseFee).toBeNull();
    const id = await planned(world);
    const [first] = attempts(world, id);
    expect([first?.feeCap, first?.tip]).toEqual([oneGwei, null]);
    await world.tick(timeoutMs);
    const raise = attempts(world, id)[1];
    expect([raise?.feeCap, raise?.tip]).toEqual([(oneGwei * 9n) / 8n, null]);
    expect(await onChain(world, raise?.hash)).toMatchObject({ type: "0x0", gasPrice: "0x430e2340" });
    await untilConfirmed(world, id);
    expect(await received(world)).toBe(1n);
    await world.audit();
  });

  test("no gas money: refused with the figures; what is spoken for by those under way counts", async () => {
    await using world = await openWorld({ ...withBaseFee(oneGwei), gasMoney: 60_000n * 3n * oneGwei });
    await planned(world);
    expect(await plan(world)).toMatchObject({ type: "refused", cause: "gas-money" });
    await world.chain.giveEther(world.us, oneEther);
    await world.chain.mineAt(1, oneGwei);
    const id = await planned(world);
    await untilConfirmed(world, `${world.us}/0`, id);
    expect(await received(world)).toBe(2n);
  });

  test("a key that is not ours is refused before anything else", async () => {
    await using world = await openWorld();
    expect(await plan(world, { from: receiver })).toMatchObject({ type: "refused", cause: "unauthorized" });
  });
});

describe("broadcast", () => {
  for (const kind of ["cut", "429", "html", "halfJson", "error", "null"] as const) {
    test(`every answer to a broadcast is ${kind} for a while: it arrives later, once`, async () => {
      await using world = await openWorld();
      world.chain.rpc.failMethod("eth_sendRawTransaction", kind);
      const id = await planned(world);
      await world.tick();
      world.chain.rpc.behave();
      await world.tick(25_000);
      expect(await world.pool()).toEqual([attempts(world, id)[0]?.hash ?? "0x"]);
      await untilConfirmed(world, id);
      expect(await received(world)).toBe(1n);
    });
  }

  test("the gas money is gone when it is sent: noted once, and it goes when there is some again", async () => {
    await using world = await openWorld(withBaseFee(oneGwei));
    world.isSending = false;
    const id = await planned(world);
    world.isSending = true;
    await world.chain.anvil.rpc("anvil_setBalance", world.us, "0x0");
    for (let look = 0; look < 3; look += 1) await world.tick(25_000);
    const refusals = world.events(`transaction:${id}`).filter(({ type }) => type === "TransactionRefused");
    expect(refusals).toMatchObject([{ cause: "no-gas-money" }]);
    await world.chain.giveEther(world.us, oneEther);
    await world.tick(25_000);
    await untilConfirmed(world, id);
    expect(await received(world)).toBe(1n);
    await world.audit();
  });

  test("no pool takes it because it is too cheap by now: noted, and raised with the same nonce", async () => {
    await using world = await openWorld(withBaseFee(oneGwei));
    world.isSending = false;
    const id = await planned(world);
    world.isSending = true;
    await world.chain.mineAt(1, 5n * oneGwei);
    await world.tick();
    expect(record(world, id)?.refusal).toBe("underpriced");
    await world.tick(15_000);
    expect(attempts(world, id).map(({ kind }) => kind)).toEqual(["first", "raise"]);
    await untilConfirmed(world, id);
    expect(await received(world)).toBe(1n);
    await world.audit();
  });

  test("a pool that forgets: broadcast again after twenty seconds, with the same hash", async () => {
    await using world = await openWorld();
    const id = await planned(world);
    const [hash = "0x"] = await world.pool();
    await world.chain.dropTransaction(hash);
    await world.tick(10_000);
    expect(await world.pool()).toEqual([]);
    await world.tick(11_000);
    expect(await world.pool()).toEqual([hash]);
    await untilConfirmed(world, id);
  });

  test("killed between signature and broadcast: the restart sends the same bytes", async () => {
    await using world = await openWorld();
    world.isSending = false;
    const id = await planned(world);
    const hash = attempts(world, id)[0]?.hash ?? "0x";
    await world.crash();
    world.isSending = true;
    await world.open();
    await world.tick();
    expect(await world.pool()).toEqual([hash]);
    await untilConfirmed(world, id);
    expect([record(world, id)?.hash, await received(world)]).toEqual([hash, 1n]);
    await world.audit();
  });
});
