import { expect, setDefaultTimeout, test } from "bun:test";
import { watchKind } from "../../../src/actors/watch/decide.ts";
import { openChainDesk } from "../../../src/chain/chainDesk.ts";
import { EndpointPool } from "../../../src/chain/endpointPool.ts";
import { chainLogsView } from "../../../src/events/views/chainLogs.ts";
import { accountOfPrivateKey } from "../../../src/native/ffi.ts";
import { toHex } from "../../../src/protocol/bytes.ts";
import { BlockWatch } from "../../../src/runtime/chain/blockWatch.ts";
import type { ChainLook } from "../../../src/runtime/chainPorts.ts";
import { startDevChain } from "../../support/chain/devChain.ts";
import { openHost } from "../../support/hostHarness.ts";
import { logFolder } from "../../support/logFolder.ts";

/*
 * Goal: the books of a real chain hold what its contracts logged about us, through re-orgs too. Method: a development
 * node with the contracts, the desk that a node has, and a watch on a real log.
 */

// Whoever comes first compiles the contracts, which takes seconds on a busy machine.
setDefaultTimeout(120_000);

test("rounds, stakes, rewards and funds are in the books, and a re-org takes its part back", async () => {
  using folder = logFolder();
  await using chain = await startDevChain();
  const [us, gateway] = [0x51, 0x52].map((byte) => accountOfPrivateKey(new Uint8Array(32).fill(byte)));
  if (us === undefined || gateway === undefined) throw new Error();
  const recipient = toHex(us);
  const rpc = new EndpointPool({ urls: [chain.rpc.url], timeoutMs: 30_000 });
  const { ticketBroker: TicketBroker, roundsManager: RoundsManager, bondingManager: BondingManager } = chain;
  const desk = openChainDesk({
    ...{ rpc, recipient, look: async () => null, chainId: () => chain.chainId, nowMs: () => 1_000 },
    contracts: async () => ({ TicketBroker, RoundsManager, BondingManager }),
  });
  const harness = await openHost({ dataDir: folder.path, kinds: [watchKind], views: [chainLogsView] });
  const undone: bigint[] = [];
  const watch = new BlockWatch({
    ...{ host: harness.host, reader: harness.reader, desk, recipient },
    onUndone: (block) => undone.push(block),
  });
  let atMs = 0;
  const look = async (): Promise<void> => {
    atMs += 12_000;
    // The watch reads nothing else of a look.
    const now = { atMs, chainId: chain.chainId, block: await chain.blockNumber() } as ChainLook;
    await watch.advance(now, { now: true });
  };
  const names = () => [...harness.reader.chainLogs()].map(({ name }) => name);
  const booksAreTheChain = async (from: bigint): Promise<void> => {
    const range = await desk.logs(from + 1n, await chain.blockNumber());
    if (range.type !== "logs") throw new Error(range.text);
    const booked = [...harness.reader.chainLogs()].map(({ block, index, blockHash }) => [
      block,
      index,
      blockHash,
    ]);
    expect(booked).toEqual(
      range.logs.map(({ block, index, blockHash }) => [Number(block), index, blockHash]),
    );
  };
  try {
    await look();
    const start = watch.block ?? 0n;
    await chain.register(us, 10n ** 21n, { rewardCut: 100_000n, feeShare: 500_000n });
    await chain.fund(gateway, 5n, 7n);
    await look();
    await chain.nextRound();
    await chain.write("BondingManager", "reward", [], { from: us });
    await look();
    expect(names()).toEqual(
      expect.arrayContaining(["Bond", "TranscoderUpdate", "DepositFunded", "NewRound", "Reward"]),
    );
    await booksAreTheChain(start);
    const minted = [...harness.reader.chainLogs({ names: ["Reward"] })].map(({ amounts }) => amounts[0]);
    expect(minted).toEqual([...(await chain.rewardsOf(us))]);
    // The reward is gone, and comes back later.
    await chain.reorg(1, { drop: "all" });
    await chain.mine(2);
    await look();
    await look();
    expect(undone).toHaveLength(1);
    expect(names()).not.toContain("Reward");
    await chain.write("BondingManager", "reward", [], { from: us });
    await look();
    expect(names()).toContain("Reward");
    await booksAreTheChain(start);
    // Deeper than everything since the registration.
    await chain.reorg(Number((await chain.blockNumber()) - start - 1n));
    await chain.mine(1);
    await look();
    await look();
    expect(undone).toHaveLength(2);
    await booksAreTheChain(start);
    expect(harness.faults).toEqual([]);
  } finally {
    await harness.close();
    rpc.close();
  }
});
