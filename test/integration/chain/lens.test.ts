import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { type Abi, keccak256, toFunctionSelector } from "viem";
import { JsonRpc } from "../../../src/chain/jsonRpc.ts";
import { type LensView, lensWords, readLens } from "../../../src/chain/lens.ts";
import { readPool } from "../../../src/chain/lensPool.ts";
import { outcomeOf } from "../../../src/chain/reads.ts";
import { toHex } from "../../../src/protocol/bytes.ts";
import { lensCodePath, renderLensCode } from "../../../scripts/generateLens.ts";
import { type LensChain, places, startLensChain } from "../../support/chain/lensChain.ts";
import { repositoryDir } from "../../support/sourceFiles.ts";

/*
 * Goal: one `eth_call` shows what many would have, and what cannot be read costs nothing but itself. Method: a real
 * EVM with contracts that answer constants, too little, or nothing.
 */

// Whoever comes first compiles the contracts, which takes seconds on a busy machine.
setDefaultTimeout(120_000);

const account = (digits: string) => `0x${digits.padStart(40, "0")}` as const;
const lpt = (text: string) => BigInt(text.replace(".", "").padEnd(text.indexOf(".") + 18, "0"));

async function lensOf(
  chain: LensChain,
  recipient = account("aa"),
  accounts = [account("aa")],
): Promise<LensView> {
  const rpc = new JsonRpc({ url: chain.anvil.url });
  const read = readLens({ controller: places.Names, recipient, accounts });
  const outcome = outcomeOf(read, (await rpc.batch([read.call]))[0]);
  if (outcome.type === "failed") throw new Error(outcome.text);
  return outcome.value;
}

const unreadable = (view: LensView) => lensWords.filter((name) => !view.has(name));

test("shows every word as the contracts have it", async () => {
  await using chain = await startLensChain();
  await chain.anvil.rpc("anvil_setBalance", account("aa"), "0x7b");
  const view = await lensOf(chain, account("aa"), [account("dead"), account("aa")]);
  // No Arbitrum, no base fee, no governor: that name is known to be nobody's.
  expect(unreadable(view)).toEqual(["arbBlock", "baseFee"]);
  expect(
    Object.fromEntries(lensWords.slice(13).map((name) => [name, view.has(name) && view.word(name)])),
  ).toEqual({
    ...{ coded: 0b1111111n, currentRound: 1n, lastInitializedRound: 1n, startBlock: 100n, roundLength: 100n },
    ...{
      isLocked: 0n,
      poolSize: 7n,
      ticketValidityPeriod: 2n,
      isActive: 1n,
      status: 1n,
      lastRewardRound: 11n,
    },
    roundBlockHash: BigInt(keccak256(`0x${"1".padStart(64, "0")}`)),
    previousRoundBlockHash: BigInt(keccak256(`0x${"0".padStart(64, "0")}`)),
    ...{ activationRound: 55n, deactivationRound: 2n ** 256n - 1n, stake: lpt("301000.0") },
    ...{ rewardCut: 22n, feeShare: 33n },
    ...{ rewardForecast: lpt("350.625"), rewardCaller: 0xca11e4n },
  });
  expect([view.number("chainId"), view.number("l1Block"), view.block]).toEqual([54321n, 150n, 150n]);
  expect(view.flag("paused")).toBe(true);
  expect(view.account("ServiceRegistry")).toBe(places.Registry);
  expect(view.account("LivepeerGovernor")).toBeNull();
  expect(view.balances).toEqual([0n, 123n]);
  expect(toHex(view.hash("roundBlockHash"))).toBe(keccak256(`0x${"1".padStart(64, "0")}`));
});

describe("chain check 10: the forecast of a reward", () => {
  test("takes the stake of this round's pool, or of the round of its last change", async () => {
    await using chain = await startLensChain();
    expect((await lensOf(chain, account("aa"))).word("rewardForecast")).toBe(lpt("350.625"));
    // Chain check 11: a third is 333,333,333 parts per billion.
    expect((await lensOf(chain, account("bb"))).word("rewardForecast")).toBe(
      (28_050n * 10n ** 18n * 333_333_333n) / 10n ** 9n,
    );
    // In round 2 the pool of round 1 still counts.
    await chain.mine(100);
    expect((await lensOf(chain, account("aa"))).word("rewardForecast")).toBe(lpt("350.625"));
  });

  test("is none without the Minter", async () => {
    await using chain = await startLensChain();
    await chain.put(places.Mint, null);
    expect(unreadable(await lensOf(chain))).toEqual(["arbBlock", "baseFee", "rewardForecast"]);
  });
});

describe("what cannot be read", () => {
  const bondingWords = [
    ...["poolSize", "isActive", "status", "lastRewardRound", "activationRound", "deactivationRound", "stake"],
    ...["rewardCut", "feeShare"],
    ...["rewardForecast", "rewardCaller"],
  ];

  test.each(["Burner", "Short", null] as const)(
    "%p in a contract's place takes nothing else along",
    async (stub) => {
      await using chain = await startLensChain();
      await chain.put(places.Bonding, stub);
      const view = await lensOf(chain);
      expect(unreadable(view)).toEqual(["arbBlock", "baseFee", ...bondingWords] as never);
      expect(view.balances).toEqual([0n]);
      expect(() => view.number("poolSize")).toThrow(
        stub === null
          ? `no contract code at given address ${places.Bonding}`
          : "getTranscoderPoolSize of the BondingManager has an answer that is not understood",
      );
    },
  );

  test("every contract burning all gas it gets leaves enough for what the chain itself knows", async () => {
    await using chain = await startLensChain();
    for (const place of [places.Rounds, places.Bonding, places.Broker, places.Mint])
      await chain.put(place, "Burner");
    const view = await lensOf(chain);
    expect([view.block, view.balances[0]]).toEqual([150n, 0n]);
    expect(view.has("paused")).toBe(true);
    expect(view.has("lastInitializedRound")).toBe(false);
  });

  test("without a Controller there is the chain, and no contract", async () => {
    await using chain = await startLensChain();
    await chain.put(places.Names, null);
    const view = await lensOf(chain);
    expect(view.number("chainId")).toBe(54321n);
    expect(() => view.account("RoundsManager")).toThrow(`no contract code at given address ${places.Names}`);
  });

  test("a contract of before LIP-118 knows no reward caller", async () => {
    await using chain = await startLensChain();
    await chain.put(places.Bonding, "OldBonding");
    expect(unreadable(await lensOf(chain))).toEqual(["arbBlock", "baseFee", "rewardCaller"]);
  });
});

test("on Arbitrum the block and the base fee come from its own contracts", async () => {
  await using chain = await startLensChain();
  await chain.put(account("64"), "Arb");
  await chain.put(account("6c"), "Arb");
  const view = await lensOf(chain);
  expect([view.block, view.number("l1Block"), view.amount("baseFee")]).toEqual([
    300_000_000n,
    150n,
    10_000_000n,
  ]);
});

describe("the pool", () => {
  async function poolOf(chain: LensChain, size: number) {
    await chain.put(places.Bonding, "BigPool");
    await chain.anvil.rpc("anvil_setBalance", places.Bonding, `0x${size.toString(16)}`);
    return readPool(new JsonRpc({ url: chain.anvil.url }), places.Bonding);
  }

  test.each([0, 1, 100, 700, 701, 1_000, 1_001])(
    "of %p is read in its order, a thousand at most",
    async (size) => {
      await using chain = await startLensChain();
      const pool = await poolOf(chain, size);
      expect(pool).toEqual(
        Array.from({ length: Math.min(size, 1_000) }, (_, index) => ({
          account: account((index + 1).toString(16)),
          stake: BigInt(9_999 - index),
        })),
      );
    },
  );

  test.each(["BrokenPool", "Burner", "Short", null] as const)("that is %p is none", async (stub) => {
    await using chain = await startLensChain();
    await chain.put(places.Bonding, stub);
    expect(await readPool(new JsonRpc({ url: chain.anvil.url }), places.Bonding)).toBeNull();
  });
});

test("the code in the tree is what the compiler makes of contracts/Lens.sol", async () => {
  expect(await renderLensCode()).toBe(readFileSync(join(repositoryDir, lensCodePath), "utf8"));
});

// The ABIs of the deployed contracts do not travel with the repository: this runs where they are at hand.
const abiDir = process.env["REPRISE_ABI_DIR"] ?? join(repositoryDir, "../shared/abi");
const isAtHand = existsSync(abiDir);
if (!isAtHand) console.log("skipped: the deployed contracts' ABIs are not at hand (REPRISE_ABI_DIR)");
test.skipIf(!isAtHand)("every function that the lens asks for is one of the deployed contracts'", () => {
  const known = new Set(
    ["Controller", "RoundsManager", "BondingManager", "TicketBroker", "Minter"].flatMap((name) => {
      const abi: Abi = JSON.parse(readFileSync(join(abiDir, `${name}.json`), "utf8"));
      return abi.flatMap((item) => (item.type === "function" ? [toFunctionSelector(item)] : []));
    }),
  );
  const source = readFileSync(join(repositoryDir, "contracts/Lens.sol"), "utf8");
  const asked = [...source.matchAll(/"(\w+\([\w,]*\))"/g)].map((match) => match[1] ?? "");
  expect(asked.length).toBeGreaterThan(20);
  const unknown = asked.filter((signature) => !known.has(toFunctionSelector(`function ${signature}`)));
  // Newer than the recorded ABIs (LIP-118), and Arbitrum's own.
  expect(unknown.toSorted()).toEqual([
    "arbBlockNumber()",
    "getPricesInWei()",
    "transcoderToRewardCaller(address)",
  ]);
});
