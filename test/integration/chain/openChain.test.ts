import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { type Abi, keccak256, stringToHex } from "viem";
import { localIdentity } from "../../../src/chain/localIdentity.ts";
import { ChainUrlError } from "../../../src/chain/jsonRpc.ts";
import { openChain } from "../../../src/chain/openChain.ts";
import { toHex } from "../../../src/protocol/bytes.ts";
import { recipientRandHash } from "../../../src/protocol/recipientRand.ts";
import { auxData, maxWinProb, ticketHash } from "../../../src/protocol/ticket.ts";
import type { ChainClock, SenderFunds } from "../../../src/runtime/ports.ts";
import { eventually } from "../../support/eventually.ts";
import { lensLiar } from "../../support/chain/lensLies.ts";
import { openChainWorld, recipient } from "../../support/chain/openedChain.ts";

/*
 * Goal: the view says what the chain says, soon, and one small request at a time. Method: a real development node
 * with our contracts.
 */

// Whoever comes first compiles the contracts, which takes seconds on a busy machine.
setDefaultTimeout(120_000);

const gateway = new Uint8Array(20).fill(0xbb);
const hash = (byte: string) => `0x${byte.repeat(32)}` as const;

describe("the clock", () => {
  test("equals the chain: round, hashes, pool, activity, validity, block", async () => {
    await using world = await openChainWorld({ before: (chain) => chain.setRound(3n) });
    const { chain } = world;
    await chain.setActive(recipient, true);
    await chain.setPoolSize(77n);
    const clock = await world.clockWhere(
      "all is read",
      (read) => read.isRecipientActive && read.transcoderPoolSize === 77n,
    );
    const abi: Abi = chain.contracts["RoundsManager"]?.abi ?? [];
    const hashOf = (round: bigint) => chain.call(chain.roundsManager, abi, "blockHashForRound", [round]);
    expect(toHex(clock.roundBlockHash)).toBe(await hashOf(3n));
    expect(toHex(clock.previousRoundBlockHash)).toBe(await hashOf(2n));
    expect(clock).toMatchObject({
      lastInitializedRound: 3n,
      ticketValidityPeriod: 2n,
      readAtMs: 1_700_000_000_000,
    });
    const block = await chain.blockNumber();
    await world.clockWhere("the block", (read) => read.l1Block === block);
    expect(world.view.chainId()).toBe(54321n);
    expect(world.view.trouble).toBeNull();
    expect(world.troubles).toEqual([null]);
    expect(world.clocks.at(-1)).toEqual(world.view.clock() as ChainClock);
  });

  test("a new round is seen with its hashes, all at once", async () => {
    await using world = await openChainWorld();
    const first = await world.clockWhere("round 1", (clock) => clock.lastInitializedRound === 1n);
    await world.chain.setRound(2n);
    const second = await world.clockWhere("round 2", (clock) => clock.lastInitializedRound === 2n);
    expect(second.previousRoundBlockHash).toEqual(first.roundBlockHash);
    expect(second.roundBlockHash).not.toEqual(first.roundBlockHash);
    // A round that nobody initialises has no hash, and is none of ours.
    await world.chain.setRound(5n);
    const fifth = await world.clockWhere("round 5", (clock) => clock.lastInitializedRound === 5n);
    expect(toHex(fifth.previousRoundBlockHash)).toBe(hash("00"));
  });

  test("chain check 39: a round whose hash is zero says so", async () => {
    await using world = await openChainWorld({ before: (chain) => chain.setRoundHash(1n, hash("00")) });
    const clock = await world.clockWhere("round 1", (read) => read.lastInitializedRound === 1n);
    expect(toHex(clock.roundBlockHash)).toBe(hash("00"));
  });

  test("activity that ends is seen", async () => {
    await using world = await openChainWorld({ before: (chain) => chain.setActive(recipient, true) });
    await world.clockWhere("active", (clock) => clock.isRecipientActive);
    await world.chain.setActive(recipient, false);
    await world.clockWhere("inactive", (clock) => !clock.isRecipientActive);
  });

  test("the L1 number is what contracts see, as long as the block says about the same", async () => {
    await using world = await openChainWorld();
    await world.troubleWhere(null);
    let said = 0x7b;
    const lens = lensLiar({ l1Block: 123n });
    world.chain.rpc.fault = {
      type: "liar",
      lie: (call, result) =>
        call.method === "eth_getBlockByNumber"
          ? { ...Object(result), l1BlockNumber: `0x${said.toString(16)}` }
          : lens.type === "liar"
            ? lens.lie(call, result)
            : result,
    };
    await world.clockWhere("123", (clock) => clock.l1Block === 123n);
    said = 20_000_000;
    world.advance(120_001);
    await world.troubleWhere("the RPC says L1 block 20000000, but its contracts see 123");
    const stood = world.view.clock()?.l1Block ?? 0n;
    expect(stood).toBeLessThan(140n);
    world.chain.rpc.fault = { type: "none" };
    await world.troubleWhere(null);
  });

  // Method: ten minutes pass for the view, twelve seconds a poll.
  test("an unchanged chain costs six calls in five requests a minute, and is no news", async () => {
    await using world = await openChainWorld({ before: (chain) => chain.setActive(recipient, true) });
    await world.troubleWhere(null);
    const { requests } = world.chain.rpc;
    await world.chain.rpc.nextRequest();
    await world.chain.rpc.nextRequest();
    const start = requests.length;
    const news = world.clocks.length;
    for (let poll = 0; poll < 50; poll += 1) {
      world.advance(12_000);
      await world.chain.rpc.nextRequest();
    }
    const seen = requests.slice(start, start + 50);
    expect(seen.length).toBe(50);
    const methods = seen.flatMap((calls) => calls.map((call) => call.method));
    const count = (method: string) => methods.filter((seenMethod) => seenMethod === method).length;
    expect(count("eth_call")).toBe(50);
    for (const method of ["eth_gasPrice", "eth_getBlockByNumber"]) {
      expect(count(method)).toBeGreaterThanOrEqual(4);
      expect(count(method)).toBeLessThanOrEqual(5);
    }
    // 6 a minute, where 7 are allowed, and 5 requests, where 6 are; the pool asks for the chain id now and then.
    expect(methods.length).toBeLessThanOrEqual(61);
    for (let first = 0; first + 5 <= 50; first += 1) {
      expect(seen.slice(first, first + 5).flat().length).toBeLessThanOrEqual(7);
    }
    expect(world.clocks.length).toBe(news);
  });
});

describe("funds", () => {
  test("equal the chain, and changes are seen: top-up, unlock, its end, withdrawal", async () => {
    await using world = await openChainWorld({ before: (chain) => chain.fund(gateway, 5n, 7n) });
    const { chain, view } = world;
    expect(view.funds(gateway)).toBeNull();
    expect(await view.readFunds(gateway)).toEqual({
      ...{ deposit: 5n, reserve: 7n, claimedInRound: 0n, claimedByUs: 0n, withdrawRound: 0n },
      readAtMs: 1_700_000_000_000,
    });
    const seen = async (what: string, test: (funds: SenderFunds) => boolean) => {
      world.advance(15_001);
      await eventually(what, () => {
        const funds = view.funds(gateway);
        return funds !== null && test(funds) ? true : null;
      });
    };
    await chain.fund(gateway, 10n ** 30n, 1n);
    await seen("the top-up", (funds) => funds.deposit === 10n ** 30n + 5n && funds.reserve === 8n);
    await chain.unlock(gateway);
    await seen("the unlock", (funds) => funds.withdrawRound === 3n);
    await chain.cancelUnlock(gateway);
    await seen("its end", (funds) => funds.withdrawRound === 0n);
    await chain.unlock(gateway);
    await chain.setRound(3n);
    await chain.withdraw(gateway);
    await seen("the withdrawal", (funds) => funds.deposit === 0n && funds.reserve === 0n);
    expect(world.funds.length).toBe(5);
  });

  // Method: the snapshot is taken in the block of the top-up, before any poll has shown the view that block; then the
  // polls pass it. A view that also applied the event would show twice the deposit.
  test("chain check 41: a top-up in the snapshot is not counted again when its block comes", async () => {
    await using world = await openChainWorld();
    const { chain, view } = world;
    const before = await world.clockWhere("a clock", () => true);
    await chain.fund(gateway, 5n, 7n);
    const block = await chain.blockNumber();
    expect(block).toBeGreaterThan(before.l1Block);
    expect(await view.readFunds(gateway)).toMatchObject({ deposit: 5n, reserve: 7n });
    await chain.mine(3);
    await world.clockWhere("the block is passed", (clock) => clock.l1Block >= block + 3n);
    expect(view.funds(gateway)).toMatchObject({ deposit: 5n, reserve: 7n });
    await chain.fund(gateway, 1n, 0n);
    world.advance(15_001);
    await eventually("the next top-up", () => (view.funds(gateway)?.deposit === 6n ? true : null));
    expect(world.funds.length).toBe(2);
  });

  // Method: a ticket, made with the code that checks tickets of gateways, is redeemed out of the reserve.
  test("payments check 52: what the recipient took from the reserve is counted as ours, in its round only", async () => {
    const signer = localIdentity(new Uint8Array(32).fill(7));
    const rand = new Uint8Array(32).fill(9);
    await using world = await openChainWorld({
      before: async (chain) => {
        await chain.setActive(recipient, true);
        await chain.fund(signer.account, 0n, 1_000n);
      },
    });
    const { chain, view } = world;
    const clock = await world.clockWhere("round 1", (read) => read.lastInitializedRound === 1n);
    const expiration = { creationRound: 1n, creationRoundBlockHash: clock.roundBlockHash };
    const terms = {
      ...{ recipient, sender: signer.account, faceValue: 60n, winProb: maxWinProb, expiration },
      recipientRandHash: recipientRandHash(rand),
    };
    await chain.redeem(
      { ...terms, senderNonce: 1n, auxData: auxData(expiration) },
      signer.sign(ticketHash(terms, 1)),
      rand,
    );
    expect(await view.readFunds(signer.account)).toMatchObject({
      ...{ reserve: 940n, claimedInRound: 60n, claimedByUs: 60n },
    });
    await chain.setRound(2n);
    await world.clockWhere("round 2", (read) => read.lastInitializedRound === 2n);
    expect(view.funds(signer.account)).toMatchObject({ reserve: 940n, claimedInRound: 0n, claimedByUs: 0n });
  });

  test("many gateways share requests", async () => {
    const gateways = Array.from({ length: 20 }, (_, index) => new Uint8Array(20).fill(index + 1));
    await using world = await openChainWorld({
      pollMs: 60_000,
      before: async (chain) => {
        for (const [index, sender] of gateways.entries()) await chain.fund(sender, BigInt(index + 1), 0n);
      },
    });
    await world.troubleWhere(null);
    const before = world.chain.rpc.requests.length;
    const read = await Promise.all(gateways.map((sender) => world.view.readFunds(sender)));
    expect(read.map((funds) => funds?.deposit)).toEqual(gateways.map((_, index) => BigInt(index + 1)));
    expect(world.chain.rpc.requests.length - before).toBe(4);
  });

  // Anybody can make up accounts: they cost us only so many calls, and known gateways are read all the same.
  test("a flood of unknown accounts has a budget, and known gateways are no part of it", async () => {
    const funds = {
      deposit: 1n,
      reserve: 1n,
      claimedInRound: 0n,
      claimedByUs: 0n,
      withdrawRound: 0n,
      readAtMs: 0,
    };
    await using world = await openChainWorld({
      pollMs: 60_000,
      seed: { clock: null, funds: new Map([[toHex(gateway), funds]]) },
      before: (chain) => chain.fund(gateway, 5n, 7n),
    });
    await world.troubleWhere(null);
    const strangers = Array.from({ length: 400 }, (_, index) => {
      const account = new Uint8Array(20);
      new DataView(account.buffer).setUint32(0, index + 1);
      return account;
    });
    const flood = strangers.map((stranger) => world.view.readFunds(stranger));
    expect((await world.view.readFunds(gateway))?.deposit).toBe(5n);
    const answered = (await Promise.all(flood)).filter((read) => read !== null).length;
    expect(answered).toBeGreaterThanOrEqual(100);
    expect(answered).toBeLessThan(200);
  });
});

describe("the gas price", () => {
  test("payments check 53: one below the minimum is reported as the minimum, whatever it was before", async () => {
    const gwei = 10n ** 9n;
    await using world = await openChainWorld({ minGasPrice: gwei, maxGasPrice: 100n * gwei });
    const { chain, view } = world;
    expect(view.gasPrice()).toBe(0n);
    // The node's price is asked for every two minutes.
    const shows = (price: bigint) => {
      world.advance(120_001);
      return eventually(`${price}`, () => (view.gasPrice() === price ? true : null));
    };
    await chain.setGasPrice(50n * gwei);
    await shows(50n * gwei);
    await chain.setGasPrice(7n);
    await shows(gwei);
    await chain.setGasPrice(3n * gwei);
    await shows(3n * gwei);
    await chain.setGasPrice(101n * gwei);
    await shows(100n * gwei);
  });
});

describe("another chain than expected", () => {
  test("chain check 3: is refused in go-livepeer's words, and nothing is taken from it", async () => {
    await using world = await openChainWorld({ expectedChainId: 42161n });
    await world.troubleWhere(
      "expecting chainID of 42161, but got 54321. " +
        "Did you change networks without changing network name or datadir?",
    );
    expect(world.view.clock()).toBeNull();
    expect(world.view.chainId()).toBeNull();
    expect(await world.view.readFunds(gateway)).toBeNull();
  });

  test("a network name goes with its chain id", async () => {
    await using world = await openChainWorld({ network: "arbitrum-one-mainnet" });
    await world.troubleWhere(
      "network arbitrum-one-mainnet is the chain 42161, but the RPC serves the chain 54321",
    );
    expect(world.view.clock()).toBeNull();
  });

  test("an endpoint that changes the chain under our feet is not followed, and comes back", async () => {
    await using world = await openChainWorld({ before: (chain) => chain.fund(gateway, 5n, 7n) });
    await world.troubleWhere(null);
    world.chain.rpc.fault = lensLiar({ chainId: 1n });
    await world.troubleWhere("expecting chainID of 54321, but got 1");
    await world.chain.mine(10);
    const stood = world.view.clock()?.l1Block;
    await world.chain.rpc.nextRequest();
    await world.chain.rpc.nextRequest();
    expect(world.view.clock()?.l1Block).toBe(stood as bigint);
    expect(await world.view.readFunds(gateway)).toBeNull();
    world.chain.rpc.fault = { type: "none" };
    await world.troubleWhere(null);
    expect((await world.view.readFunds(gateway))?.deposit).toBe(5n);
  });

  test("a Controller that knows no contract, or is none, is said to be so", async () => {
    await using world = await openChainWorld({ controller: `0x${"12".repeat(20)}` });
    await world.troubleWhere("no contract code at given address");
    await using other = await openChainWorld({
      before: (chain) => chain.anvil.rpc("anvil_setStorageAt", chain.controller, hash("00"), hash("00")),
    });
    await other.troubleWhere(null);
  });

  test("an Arbitrum chain without l1BlockNumber is not followed by its own numbers", async () => {
    // anvil gives that field to Arbitrum's ids, so that has to be taken away.
    await using world = await openChainWorld({
      devChain: { chainId: 421614 },
      before: (chain) => {
        chain.rpc.fault = {
          type: "liar",
          lie: (call, result) =>
            call.method === "eth_getBlockByNumber" ? { ...Object(result), l1BlockNumber: undefined } : result,
        };
      },
    });
    await world.troubleWhere("leaves out l1BlockNumber");
    expect(world.view.clock()).toBeNull();
    world.chain.rpc.fault = { type: "none" };
    await world.clockWhere("its own L1 number", (clock) => clock.l1Block > 0n);
  });
});

// An endpoint that has fallen asleep answers with the same block for ever, and looks well.
test("on a chain that never rests, a head that stands still for a minute is trouble, and our clock goes on", async () => {
  await using world = await openChainWorld({ devChain: { chainId: 42161 }, network: "arbitrum-one-mainnet" });
  await world.troubleWhere(null);
  const block = world.view.clock()?.l1Block ?? 0n;
  world.advance(60_001);
  await world.troubleWhere(`the RPC stands still at L1 block ${block}`);
  world.advance(60_000);
  await world.clockWhere("ten blocks by the clock", (clock) => clock.l1Block === block + 10n);
  await world.chain.mine(50);
  await world.troubleWhere(null);
  await world.clockWhere("the chain's number", (clock) => clock.l1Block === block + 50n);
});

test("contracts that move are found again through the Controller", async () => {
  await using world = await openChainWorld();
  const { chain } = world;
  await world.clockWhere("round 1", (clock) => clock.lastInitializedRound === 1n);
  // The old RoundsManager is gone: whoever asks it gets no bytes.
  const code = await chain.anvil.rpc("eth_getCode", chain.roundsManager, "latest");
  await chain.anvil.rpc("anvil_setCode", chain.roundsManager, "0x");
  await world.troubleWhere("no contract code at given address");
  await chain.anvil.rpc("anvil_setCode", chain.roundsManager, code);
  await world.troubleWhere(null);
  const broker = `0x${"34".repeat(20)}` as const;
  await chain.anvil.rpc(
    "anvil_setCode",
    broker,
    await chain.anvil.rpc("eth_getCode", chain.ticketBroker, "latest"),
  );
  const abi: Abi = chain.contracts["Controller"]?.abi ?? [];
  const id = keccak256(stringToHex("TicketBroker"));
  const anybody = `0x${"56".repeat(20)}` as const;
  await chain.anvil.rpc("anvil_setBalance", anybody, "0x8ac7230489e80000");
  await chain.send(anybody, chain.controller, abi, "setContractInfo", [id, broker, `0x${"00".repeat(20)}`]);
  await eventually("the new broker", async () =>
    (await world.view.contracts())?.TicketBroker === broker ? true : null,
  );
});

test("only http and https URLs are endpoints, and the error does not print them", () => {
  const open = (url: string) => () =>
    openChain({
      ...{ urls: [{ reveal: () => url }], controller: `0x${"12".repeat(20)}`, recipient, network: "devnet" },
      ...{ minGasPrice: 0n, maxGasPrice: 0n, nowMs: () => 0, expectedChainId: null },
      seed: { clock: null, funds: new Map() },
      onClock: (_clock: ChainClock) => undefined,
      onFunds: () => undefined,
      onTrouble: () => undefined,
    });
  for (const url of ["", "geth.ipc", "ws://secretkey@host", "file:///etc/passwd"]) {
    expect(open(url)).toThrow(ChainUrlError);
    expect(open(url)).not.toThrow("secretkey");
  }
});
