import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { openChain, type OpenChainOptions, type OpenedChain } from "../../../src/chain/openChain.ts";
import { fromHex } from "../../../src/protocol/bytes.ts";
import type { ChainLook } from "../../../src/runtime/chainPorts.ts";
import type { Hex } from "../../../src/shared/brand.ts";
import { eventually } from "../../support/eventually.ts";
import { type LensChain, places, startLensChain } from "../../support/chain/lensChain.ts";
import { changedLens, isLens, lensLiar } from "../../support/chain/lensLies.ts";
import { openRpcProxy, type RpcProxy } from "../../support/chain/rpcProxy.ts";
import { SteadyClock } from "../../support/chain/steadyClock.ts";

/*
 * Goal: those who spend money get whole and fresh looks at the chain, as often as they need and no more often, and
 * none from an endpoint that errs. Method: a real EVM behind a proxy with bad manners; the view's monotonic clock runs
 * ahead where minutes must pass.
 */

// Whoever comes first compiles the contracts, which takes seconds on a busy machine.
setDefaultTimeout(120_000);

const account = (digits: string): Hex => `0x${digits.padStart(40, "0")}`;

type LookWorld = AsyncDisposable & {
  readonly chain: LensChain;
  readonly rpc: RpcProxy;
  readonly view: OpenedChain;
  readonly looks: readonly ChainLook[];
  advance(ms: number): void;
  lookWhere(what: string, test: (look: ChainLook) => boolean): Promise<ChainLook>;
};

async function openLooks(
  options: Partial<OpenChainOptions> & {
    readonly chainId?: number;
    readonly before?: (chain: LensChain, rpc: RpcProxy) => Promise<unknown> | unknown;
  } = {},
): Promise<LookWorld> {
  const { chainId, before, ...viewOptions } = options;
  const chain = await startLensChain(chainId === undefined ? {} : { chainId });
  const rpc = await openRpcProxy(chain.anvil.url);
  await before?.(chain, rpc);
  const looks: ChainLook[] = [];
  const clock = new SteadyClock();
  const view = openChain({
    urls: [{ reveal: () => rpc.url }],
    controller: places.Names,
    recipient: fromHex(account("aa")) as Uint8Array,
    accounts: [account("aa"), account("cc")],
    ...{ network: "devnet", pollMs: 10, timeoutMs: 30_000, minGasPrice: 0n, maxGasPrice: 0n },
    nowMs: () => 1_700_000_000_000,
    monotonicMs: clock.now,
    ...{ seed: { clock: null, funds: new Map() }, expectedChainId: null },
    onClock: () => undefined,
    onFunds: () => undefined,
    onTrouble: () => undefined,
    onLook: (look) => looks.push(look),
    ...viewOptions,
  });
  return {
    ...{ chain, rpc, view, looks },
    advance: clock.advance,
    lookWhere: (what, test) =>
      eventually(what, () => {
        const look = view.look();
        return look !== null && test(look) ? look : null;
      }),
    [Symbol.asyncDispose]: async () => {
      view.close();
      clock[Symbol.dispose]();
      await rpc[Symbol.asyncDispose]();
      await chain[Symbol.asyncDispose]();
    },
  };
}

const some = (world: LookWorld) => world.lookWhere("a look", () => true);

test("a look is everything at one block, and is handed out after each poll", async () => {
  await using world = await openLooks({
    before: (chain) => chain.anvil.rpc("anvil_setBalance", account("cc"), "0x7b"),
  });
  expect(await some(world)).toEqual({
    ...{ atMs: 1_700_000_000_000, chainId: 54321n, block: 150n, l1Block: 150n, isPaused: true },
    ...{ baseFee: 0n, gasPrice: 0n, tip: 0n },
    round: {
      ...{ current: 1n, lastInitialized: 1n, startBlock: 100n, length: 100n, isLocked: false },
      ...{ ticketValidityPeriod: 2n, poolSize: 7n },
    },
    orchestrator: {
      ...{ isActive: true, isRegistered: true, lastRewardRound: 11n, activationRound: 55n },
      ...{ deactivationRound: 2n ** 256n - 1n, stake: 301_000n * 10n ** 18n },
      ...{ rewardCaller: account("ca11e4"), rewardForecast: 350_625n * 10n ** 15n },
      cuts: { rewardCut: 22n, feeShare: 33n },
    },
    balances: new Map([
      [account("aa"), 0n],
      [account("cc"), 123n],
    ]),
  });
  expect(world.looks[0]).toEqual((await some(world)) as ChainLook);
  expect(world.view.lookTrouble).toBeNull();
  const count = world.looks.length;
  await eventually("two more", () => (world.looks.length >= count + 2 ? true : null));
  expect(await world.view.contracts()).toEqual({
    ...{ RoundsManager: places.Rounds, BondingManager: places.Bonding, TicketBroker: places.Broker },
    ...{ ServiceRegistry: places.Registry, Minter: places.Mint, LivepeerToken: places.Token },
    LivepeerGovernor: account("0"),
  });
});

test("on Arbitrum the L2 number is the block, the contracts' number the L1 block, and there is no tip", async () => {
  await using world = await openLooks({
    chainId: 421614,
    before: async (chain) => {
      await chain.put(account("64"), "Arb");
      await chain.put(account("6c"), "Arb");
      await chain.anvil.rpc("anvil_setNextBlockBaseFeePerGas", "0xf4240");
    },
  });
  expect(await some(world)).toMatchObject({
    ...{ block: 300_000_000n, l1Block: 150n, baseFee: 10_000_000n, tip: 0n },
  });
});

describe("when a look is not to be had", () => {
  test("payments go on when only those who spend money lack something, and it is said what", async () => {
    await using world = await openLooks();
    const look = await some(world);
    const status = "transcoderStatus of the BondingManager has an answer that is not understood";
    world.rpc.fault = lensLiar({ status: null });
    await eventually("the trouble", () => (world.view.lookTrouble === status ? true : null));
    expect(world.view.trouble).toBeNull();
    const count = world.looks.length;
    await world.rpc.nextRequest();
    await world.rpc.nextRequest();
    expect(world.looks.length).toBe(count);
    expect(world.view.look()?.block).toBe(look.block);
    expect(await world.view.freshLook()).toBeNull();
    world.rpc.fault = { type: "none" };
    expect((await world.view.freshLook())?.block).toBe(150n);
    expect(world.view.lookTrouble).toBeNull();
  });

  // A liar whose lens is from a year ahead, from long ago, from another chain, or stands still.
  test.each([
    ["an L1 block that is doubted", { l1Block: 5_000n }],
    ["a round that is doubted", { lastInitializedRound: 9n }],
    ["an older round", { lastInitializedRound: 0n }],
    ["another chain", { chainId: 7n }],
  ] as const)("%s gives none", async (_name, changes) => {
    await using world = await openLooks();
    await some(world);
    let lies = 0;
    world.rpc.fault = {
      type: "liar",
      lie: (call, result) => {
        if (!isLens(call) || lies > 0) return result;
        lies += 1;
        return changedLens(result, { ...changes, stake: 666n });
      },
    };
    await eventually("the lie", () => (lies > 0 ? true : null));
    await world.rpc.nextRequest();
    await world.rpc.nextRequest();
    expect(world.looks.some((look) => look.orchestrator.stake === 666n)).toBe(false);
  });

  test("an endpoint that is a block behind gives none for two polls; then the chain has gone back", async () => {
    await using world = await openLooks();
    await some(world);
    await world.chain.mine(1);
    await world.lookWhere("block 151", (look) => look.block === 151n);
    const told = world.looks.length;
    const start = world.rpc.requests.length;
    world.rpc.fault = lensLiar({ l1Block: 149n });
    await world.lookWhere("block 149", (look) => look.block === 149n);
    expect(world.rpc.requests.length - start).toBeGreaterThanOrEqual(3);
    expect(world.looks.slice(told).filter((look) => look.block === 150n)).toEqual([]);
  });

  test("in an outage there is none, and the last one keeps its time", async () => {
    await using world = await openLooks();
    const look = await some(world);
    world.rpc.fault = { type: "cut" };
    expect(await world.view.freshLook()).toBeNull();
    expect(world.view.look()?.atMs).toBe(look.atMs);
  });
});

describe("polling sooner", () => {
  test("the soonest wish counts, and the rhythm is the usual one afterwards", async () => {
    await using world = await openLooks({ pollMs: 60_000 });
    await some(world);
    expect(world.rpc.requests.length).toBe(1);
    world.view.pollSoon(600_000);
    world.view.pollSoon(0);
    world.view.pollSoon(30_000);
    await world.chain.mine(1);
    await world.lookWhere("block 151", (look) => look.block === 151n);
    expect(world.rpc.requests.length).toBe(2);
    await Bun.sleep(700);
    expect(world.rpc.requests.length).toBe(2);
  });

  test.each([
    ["polls", (view: OpenedChain): unknown => view.pollSoon(0)],
    ["fresh looks", (view: OpenedChain): unknown => view.freshLook()],
  ] as const)("wishes for %s without end make no flood", async (_name, wish) => {
    await using world = await openLooks({ pollMs: 60_000, onLook: () => void wish(world.view) });
    await eventually("two polls", () => (world.rpc.requests.length >= 2 ? true : null));
    const start = world.rpc.requests.length;
    await Bun.sleep(1_200);
    // Twice a second.
    expect(world.rpc.requests.length - start).toBeLessThanOrEqual(3);
  });

  test("an endpoint that wants to be left alone is, whoever wishes what", async () => {
    await using world = await openLooks();
    await some(world);
    world.rpc.fault = { type: "answer", status: 429, body: "", headers: { "retry-after": "60" } };
    await eventually("the trouble", () => (world.view.trouble?.includes("429") ? true : null));
    world.rpc.fault = { type: "none" };
    const count = world.rpc.requests.length;
    world.view.pollSoon(0);
    expect(await world.view.freshLook()).toBeNull();
    expect(world.rpc.requests.length).toBe(count);
  });

  test("fresh looks are of after the call, and shared", async () => {
    await using world = await openLooks({ pollMs: 60_000 });
    await some(world);
    await world.chain.mine(3);
    const looks = await Promise.all([1, 2, 3].map(() => world.view.freshLook()));
    expect(looks.map((look) => look?.block)).toEqual([153n, 153n, 153n]);
    expect(world.rpc.requests.length).toBe(2);
  });
});

describe("the price of gas", () => {
  const gwei = 10n ** 9n;

  test("is the base fee of each poll and the tip that the node had in mind", async () => {
    await using world = await openLooks({
      before: async (chain, rpc) => {
        await chain.anvil.rpc("anvil_setNextBlockBaseFeePerGas", `0x${(7n * gwei).toString(16)}`);
        await chain.mine(1);
        // A node that thinks of a tip of 2 gwei.
        rpc.fault = {
          type: "liar",
          lie: (call, result) =>
            call.method === "eth_gasPrice"
              ? `0x${(9n * gwei).toString(16)}`
              : call.method === "eth_getBlockByNumber"
                ? { ...Object(result), baseFeePerGas: `0x${(7n * gwei).toString(16)}` }
                : result,
        };
      },
    });
    expect(await some(world)).toMatchObject({ baseFee: 7n * gwei, gasPrice: 9n * gwei, tip: 2n * gwei });
    await world.chain.anvil.rpc("anvil_setNextBlockBaseFeePerGas", `0x${(5n * gwei).toString(16)}`);
    await world.chain.mine(1);
    const look = await world.lookWhere("5 gwei", ({ baseFee }) => baseFee === 5n * gwei);
    expect(look).toMatchObject({ gasPrice: 7n * gwei, tip: 2n * gwei });
    expect(world.view.gasPrice()).toBe(7n * gwei);
  });

  const answers = (gasPrice: () => bigint, baseFee: string | undefined) =>
    ({
      type: "liar",
      lie: (call: { readonly method: string }, result: unknown) =>
        call.method === "eth_gasPrice"
          ? `0x${gasPrice().toString(16)}`
          : call.method === "eth_getBlockByNumber"
            ? { ...Object(result), baseFeePerGas: baseFee }
            : result,
    }) as const;

  test("is asked for at each poll where the lens sees no base fee though there is one", async () => {
    let price = 9n * gwei;
    await using world = await openLooks({
      before: (_chain, rpc) => {
        rpc.fault = answers(() => price, `0x${(7n * gwei).toString(16)}`);
      },
    });
    expect(await some(world)).toMatchObject({ baseFee: 7n * gwei, gasPrice: 9n * gwei, tip: 2n * gwei });
    price = 12n * gwei;
    expect(await world.lookWhere("12 gwei", ({ gasPrice }) => gasPrice === price)).toMatchObject({
      ...{ baseFee: 10n * gwei, tip: 2n * gwei },
    });
  });

  test("is asked for at each poll on a chain without EIP-1559", async () => {
    let price = 9n * gwei;
    await using world = await openLooks({
      before: (_chain, rpc) => {
        rpc.fault = answers(() => price, undefined);
      },
    });
    expect(await some(world)).toMatchObject({ baseFee: null, gasPrice: 9n * gwei, tip: 0n });
    price = 12n * gwei;
    await world.lookWhere("12 gwei", ({ gasPrice, baseFee }) => gasPrice === price && baseFee === null);
  });
});
