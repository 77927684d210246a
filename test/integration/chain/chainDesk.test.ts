import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { openChainDesk } from "../../../src/chain/chainDesk.ts";
import { EndpointPool } from "../../../src/chain/endpointPool.ts";
import { type LocalSigner, openSigner } from "../../../src/chain/signer.ts";
import { accountOfPrivateKey, signPersonalMessage } from "../../../src/native/ffi.ts";
import { fromHex, toHex } from "../../../src/protocol/bytes.ts";
import { firstFees, raisedFees } from "../../../src/protocol/fees.ts";
import { recipientRandHash } from "../../../src/protocol/recipientRand.ts";
import { maxWinProb, ticketHash } from "../../../src/protocol/ticket.ts";
import type {
  AttemptFees,
  ChainCall,
  ChainDesk,
  ChainLog,
  Receipt,
  RedeemableTicket,
  SignedTransaction,
} from "../../../src/runtime/chainPorts.ts";
import type { Hex } from "../../../src/shared/brand.ts";
import { type DevChain, startDevChain } from "../../support/chain/devChain.ts";
import { eventually } from "../../support/eventually.ts";

/*
 * Goal: what the desk makes up and signs does on a real chain what it should, and is read back. Method: a development
 * node with the contracts; our own key, and a gateway's.
 */

// Whoever comes first compiles the contracts, which takes seconds on a busy machine.
setDefaultTimeout(120_000);

const [ourKey, gatewayKey] = [new Uint8Array(32).fill(0x51), new Uint8Array(32).fill(0x52)] as const;
const [us, gateway] = [accountOfPrivateKey(ourKey), accountOfPrivateKey(gatewayKey)];
const recipient = toHex(us);
const ether = 10n ** 18n;
const gwei = 10n ** 9n;

/** Null until it is mined. */
async function receiptOf(desk: ChainDesk, hash: Hex): Promise<Receipt | null> {
  const [word = null] = (await desk.receipts([hash])) ?? [];
  if (word === "unreadable") throw new Error("The receipt cannot be read.");
  return word;
}

type World = AsyncDisposable & {
  readonly chain: DevChain;
  readonly desk: ChainDesk;
  readonly signer: LocalSigner;
  /** Signs a call with the next nonce, or the one given. */
  sign(call: ChainCall, gasLimit: bigint, fees?: AttemptFees, nonce?: number): Promise<SignedTransaction>;
  /** Sends a call and mines it. */
  execute(call: ChainCall, gasLimit: bigint): Promise<Receipt>;
  tickets(count: number, faceValue?: bigint): Promise<RedeemableTicket[]>;
};

async function openWorld(): Promise<World> {
  const chain = await startDevChain();
  await chain.setActive(us, true);
  await chain.setRound(3n);
  await chain.anvil.rpc("anvil_setBalance", recipient, `0x${(10n * ether).toString(16)}`);
  const rpc = new EndpointPool({ urls: [chain.rpc.url], timeoutMs: 30_000 });
  const { ticketBroker: TicketBroker, roundsManager: RoundsManager, bondingManager: BondingManager } = chain;
  const desk = openChainDesk({
    ...{ rpc, recipient, look: async () => null, chainId: () => chain.chainId, nowMs: () => 1_000 },
    contracts: async () => ({ TicketBroker, RoundsManager, BondingManager }),
  });
  const signer = openSigner([ourKey]);
  const fees = firstFees({ baseFee: gwei, gasPrice: gwei, tip: 1n }, null) as AttemptFees;
  const sign: World["sign"] = async (call, gasLimit, given = fees, nonce) => {
    const next = nonce ?? (await desk.nonces(recipient, null))?.pending ?? -1;
    return signer.sign({
      ...call,
      gasLimit,
      chainId: chain.chainId,
      from: recipient,
      nonce: next,
      fees: given,
    });
  };
  return {
    ...{ chain, desk, signer, sign },
    execute: async (call, gasLimit) => {
      const signed = await sign(call, gasLimit);
      expect(await desk.broadcast(signed)).toEqual({ type: "sent" });
      return eventually("it is mined", () => receiptOf(desk, signed.hash));
    },
    tickets: async (count, faceValue = ether / 10n) => {
      const hash = await roundHash(chain, 3n);
      return Array.from({ length: count }, (_, index) => winningTicket(hash, index + 1, faceValue));
    },
    [Symbol.asyncDispose]: async () => {
      rpc.close();
      await chain[Symbol.asyncDispose]();
    },
  };
}

async function roundHash(chain: DevChain, round: bigint): Promise<Hex> {
  const abi = chain.contracts["RoundsManager"]?.abi ?? [];
  return chain.call(chain.roundsManager, abi, "blockHashForRound", [round]);
}

/** A ticket that wins whatever is drawn. */
function winningTicket(
  creationRoundBlockHash: Hex,
  senderNonce: number,
  faceValue: bigint,
): RedeemableTicket {
  const rand = new Uint8Array(32).fill(7);
  const randHash = recipientRandHash(rand);
  const terms = {
    ...{ recipient: us, sender: gateway, faceValue, winProb: maxWinProb, recipientRandHash: randHash },
    expiration: {
      creationRound: 3n,
      creationRoundBlockHash: fromHex(creationRoundBlockHash) ?? new Uint8Array(),
    },
  };
  const hash = ticketHash(terms, senderNonce);
  return {
    ...{ hash: toHex(hash), recipient, sender: toHex(gateway), faceValue, winProb: maxWinProb, senderNonce },
    ...{
      recipientRandHash: toHex(randHash),
      recipientRand: toHex(rand),
      creationRound: 3n,
      creationRoundBlockHash,
    },
    sig: toHex(signPersonalMessage(hash, gatewayKey)),
  };
}

function made<T>(value: T | null): T {
  if (value === null) throw new Error("The desk knows no contracts.");
  return value;
}

const named = (logs: readonly ChainLog[], name: string) => logs.filter((log) => log.name === name);

describe("redeeming", () => {
  test("one ticket: simulated, sent, mined, read back from receipt, logs and contract", async () => {
    await using world = await openWorld();
    const { chain, desk } = world;
    await chain.fund(gateway, ether, 2n * ether);
    const [ticket] = await world.tickets(1);
    if (ticket === undefined) throw new Error("There is no ticket.");
    expect(await desk.payable([toHex(gateway)])).toMatchObject([
      { deposit: ether, reserve: 2n * ether, claimedByUs: 0n, withdrawRound: 0n },
    ]);
    const from = await chain.blockNumber();
    const call = made(desk.redeemCall([ticket]));
    expect(await desk.simulate([call], recipient)).toEqual([{ type: "runs" }]);
    expect(await desk.areTicketsUsed([ticket.hash])).toEqual([false]);
    const gasLimit = await desk.gasLimit("redeem", call, 1);
    const receipt = await world.execute(call, gasLimit);
    expect(receipt.isSuccess).toBe(true);
    expect(receipt.gasUsed).toBeLessThan((gasLimit * 8n) / 10n);
    const { logs } = receipt;
    expect(named(logs, "WinningTicketTransfer")).toMatchObject([
      { account: toHex(gateway), other: recipient, amounts: [ether / 10n] },
    ]);
    expect(named(logs, "WinningTicketRedeemed")).toMatchObject([
      { amounts: [ticket.faceValue, ticket.winProb, 1n, BigInt(ticket.recipientRand)] },
    ]);

    expect(await desk.areTicketsUsed([ticket.hash, `0x${"01".repeat(32)}`])).toEqual([true, false]);
    expect(await desk.simulate([call], recipient)).toEqual([{ type: "reverts", reason: "ticket is used" }]);
    expect(await desk.payable([toHex(gateway)])).toMatchObject([{ deposit: (ether * 9n) / 10n }]);
    const block = receipt.block;
    expect(await desk.blockHash(block)).toBe(receipt.blockHash);
    const range = await desk.logs(from, block);
    expect(range).toMatchObject({ type: "logs", toHash: receipt.blockHash });
    const ofTransaction =
      range.type === "logs" ? range.logs.filter((log) => log.transaction === receipt.hash) : [];
    expect(ofTransaction).toEqual([...logs]);
    expect(await desk.nonces(recipient, null)).toEqual({ mined: 1, pending: 1 });
    expect(await desk.nonces(recipient, block - 1n)).toEqual({ mined: 0, pending: 0 });
    expect(await desk.logs(block + 100n, block + 200n)).toMatchObject({ type: "failed" });
  });

  // Payments 6.5: the batch succeeds whatever becomes of each ticket; the logs tell.
  test("a batch: the good ones are paid, a used and a bad one do not disturb", async () => {
    await using world = await openWorld();
    const { chain, desk } = world;
    await chain.fund(gateway, ether, 2n * ether);
    const [used, bad, ...good] = await world.tickets(7);
    if (used === undefined || bad === undefined) throw new Error("There are no tickets.");
    expect((await world.execute(made(desk.redeemCall([used])), 460_000n)).isSuccess).toBe(true);
    const tickets = [used, { ...bad, sig: good[0]?.sig ?? "0x" }, ...good];
    const call = made(desk.redeemCall(tickets));
    const gasLimit = await desk.gasLimit("redeem", call, tickets.length);
    const receipt = await world.execute(call, gasLimit);
    expect(receipt.isSuccess).toBe(true);
    const redeemed = named(receipt.logs, "WinningTicketRedeemed");
    expect(redeemed.map((log) => log.amounts[2])).toEqual(good.map((ticket) => BigInt(ticket.senderNonce)));
    expect(await desk.areTicketsUsed(tickets.map((ticket) => ticket.hash))).toEqual([
      ...[true, false],
      ...good.map(() => true),
    ]);
    expect(receipt.gasUsed).toBeLessThan((gasLimit * 8n) / 10n);
  });

  // Issue 5: at most 0.6 of one by one at 5 tickets, 0.45 at 20. Method: the deposit pays for ten of them, the reserve
  // for the others, for the first time in the round; the single one comes after it, when most is warm.
  test.each([
    [5, 0.6],
    [20, 0.45],
  ])(
    "a batch of %d takes at most %d of one by one, and far less gas than its limit",
    async (count, share) => {
      await using world = await openWorld();
      const { chain, desk } = world;
      await chain.fund(gateway, ether, 1_000n * ether);
      const [alone, ...tickets] = await world.tickets(count + 1, ether / 10n);
      const batch = made(desk.redeemCall(tickets));
      const gasLimit = await desk.gasLimit("redeem", batch, count);
      const batchReceipt = await world.execute(batch, gasLimit);
      expect(named(batchReceipt.logs, "WinningTicketRedeemed")).toHaveLength(count);
      expect(batchReceipt.gasUsed).toBeLessThan((gasLimit * 8n) / 10n);
      const single = await world.execute(made(desk.redeemCall([alone as RedeemableTicket])), 460_000n);
      expect(single.isSuccess).toBe(true);
      expect(Number(batchReceipt.gasUsed)).toBeLessThan(share * count * Number(single.gasUsed));
    },
  );

  test("payments checks 6.3: each refusal comes with the contract's words", async () => {
    await using world = await openWorld();
    const { chain, desk } = world;
    const [ticket] = await world.tickets(1);
    if (ticket === undefined) throw new Error("There is no ticket.");
    const reasons = async (...tickets: readonly RedeemableTicket[]) =>
      (
        await desk.simulate(
          tickets.map((one) => made(desk.redeemCall([one]))),
          recipient,
        )
      )?.map((simulation) => (simulation.type === "reverts" ? simulation.reason : "runs"));
    expect(await reasons(ticket)).toEqual(["sender deposit and reserve are zero"]);
    await chain.fund(gateway, ether, ether);
    const other = `0x${"12".repeat(32)}` as const;
    expect(
      await reasons(
        { ...ticket, creationRound: 0n, creationRoundBlockHash: `0x${"00".repeat(32)}` },
        { ...ticket, creationRoundBlockHash: other },
        { ...ticket, creationRound: 99n },
        { ...ticket, recipientRand: other },
        { ...ticket, winProb: 1n },
        ticket,
      ),
    ).toEqual([
      "invalid length for ticket auxData: must be 64 bytes",
      "ticket creationRoundBlockHash invalid for creationRound",
      "ticket creationRound does not have a block hash",
      "recipientRand does not match recipientRandHash",
      "invalid signature over ticket hash",
      "runs",
    ]);
    expect(await desk.simulate([made(desk.initializeRoundCall())], recipient)).toEqual([
      { type: "reverts", reason: "round already initialized" },
    ]);
    await chain.setRound(5n);
    expect(await reasons(ticket)).toEqual(["ticket is expired"]);
  });
});

describe("transactions", () => {
  test("chain check 47: a round is initialised once; a second one fails and costs gas", async () => {
    await using world = await openWorld();
    const { chain, desk } = world;
    await chain.mine(100n);
    const call = made(desk.initializeRoundCall());
    const gasLimit = await desk.gasLimit("initialize", call, 0);
    const receipt = await world.execute(call, gasLimit);
    expect(named(receipt.logs, "NewRound")).toMatchObject([
      { account: chain.roundsManager.toLowerCase() as Hex, other: null },
    ]);
    const second = await world.execute(call, gasLimit);
    expect(second).toMatchObject({ isSuccess: false, logs: [] });
    expect(second.gasPrice).toBeGreaterThan(0n);
  });

  // Method: nothing is mined while two attempts of one nonce compete.
  test("a replacement with raised fees is taken, one without is not, and one of them is mined", async () => {
    await using world = await openWorld();
    const { chain, desk } = world;
    await chain.anvil.rpc("evm_setAutomine", false);
    const call: ChainCall = { to: recipient, data: "0x", value: 1n };
    const look = { baseFee: gwei, gasPrice: gwei, tip: 0n };
    const fees = firstFees(look, null) as AttemptFees;
    const raised = raisedFees(fees, look, null) as AttemptFees;
    const first = await world.sign(call, 21_000n, fees, 0);
    expect(await desk.broadcast(first)).toEqual({ type: "sent" });
    expect(await desk.broadcast(first)).toEqual({ type: "known" });
    expect(await desk.nonces(recipient, null)).toEqual({ mined: 0, pending: 1 });
    const same = await world.sign({ ...call, value: 2n }, 21_000n, fees, 0);
    expect(await desk.broadcast(same)).toMatchObject({ type: "refused", cause: "underpriced" });
    const second = await world.sign(call, 21_000n, raised, 0);
    expect(await desk.broadcast(second)).toEqual({ type: "sent" });
    expect(await desk.receipts([first.hash, second.hash])).toEqual([null, null]);
    await chain.mine(1n);
    const receipts = await desk.receipts([first.hash, second.hash]);
    expect(receipts).toMatchObject([null, { hash: second.hash }]);
    expect(await desk.broadcast(first)).toMatchObject({ type: "refused", cause: "nonce-too-low" });
    expect(await desk.nonces(recipient, null)).toEqual({ mined: 1, pending: 1 });
  });

  test("who has no money for gas is told so", async () => {
    await using world = await openWorld();
    await world.chain.anvil.rpc("anvil_setBalance", recipient, "0x1");
    const signed = await world.sign({ to: recipient, data: "0x", value: 0n }, 21_000n, undefined, 0);
    expect(await world.desk.broadcast(signed)).toMatchObject({ type: "refused", cause: "no-gas-money" });
  });

  test("a re-org takes a receipt and its logs back", async () => {
    await using world = await openWorld();
    const { chain, desk } = world;
    await chain.fund(gateway, ether, 0n);
    const [ticket] = await world.tickets(1);
    const before = await chain.blockNumber();
    const receipt = await world.execute(made(desk.redeemCall([ticket as RedeemableTicket])), 460_000n);
    expect(receipt.isSuccess).toBe(true);
    await chain.reorg(1, { drop: "all" });
    expect(await desk.receipts([receipt.hash])).toEqual([null]);
    expect(await desk.blockHash(receipt.block)).not.toBe(receipt.blockHash);
    expect(await desk.logs(before + 1n, receipt.block)).toMatchObject({ type: "logs", logs: [] });
    expect(await desk.areTicketsUsed([ticket?.hash ?? "0x"])).toEqual([false]);
  });
});

describe("rewards", () => {
  const lpt = 10n ** 18n;
  const none = { previous: `0x${"00".repeat(20)}`, next: `0x${"00".repeat(20)}` } as const;

  /** We, with 50,005 LPT, and 40 others with 50,000 LPT and 10 more for each: last but one. */
  async function openPool(): Promise<World> {
    const world = await openWorld();
    const { chain } = world;
    await chain.forgetPoolSize();
    await chain.register(us, 50_005n * lpt);
    await chain.addOrchestrators(40, (index) => (50_000n + 10n * BigInt(index)) * lpt);
    await chain.nextRound();
    return world;
  }

  test("the own call names the neighbours that it gets, and is logged", async () => {
    await using world = await openPool();
    const { chain, desk } = world;
    const added = 100n * lpt;
    const hint = await desk.rewardHint(added);
    const stakes = await Promise.all(
      [hint.previous, hint.next].map((account) =>
        chain.read("BondingManager", "transcoderTotalStake", [account]),
      ),
    );
    expect(stakes).toEqual([50_110n * lpt, 50_100n * lpt]);
    const call = made(desk.rewardCall({ type: "own" }, hint));
    expect(await desk.simulate([call], recipient)).toEqual([{ type: "runs" }]);
    const gasLimit = await desk.gasLimit("reward", call, 0);
    const receipt = await world.execute(call, gasLimit);
    expect(receipt.isSuccess).toBe(true);
    expect(receipt.gasUsed).toBeLessThan((gasLimit * 8n) / 10n);
    expect(named(receipt.logs, "Reward")).toMatchObject([{ account: recipient, other: null }]);
    expect(named(receipt.logs, "Reward")[0]?.amounts).toEqual(await chain.rewardsOf(us));
    expect(await desk.simulate([call], recipient)).toEqual([
      { type: "reverts", reason: "caller has already called reward for the current round" },
    ]);
  });

  test("LIP-118: the account that was named calls for us, and nobody else", async () => {
    await using world = await openPool();
    const { chain, desk } = world;
    const caller = openSigner([gatewayKey]);
    const [from] = caller.accounts as [Hex];
    const call = made(desk.rewardCall({ type: "delegated", orchestrator: recipient }, none));
    const before = await desk.simulate([call], from);
    expect(before).toMatchObject([{ type: "reverts" }]);
    const start = await chain.blockNumber();
    await chain.write("BondingManager", "setRewardCaller", [from], { from: us });
    await chain.giveEther(from, ether);
    expect(await desk.simulate([call], from)).toEqual([{ type: "runs" }]);
    const signed = caller.sign({
      ...{ ...call, from, chainId: chain.chainId, nonce: 0, gasLimit: 800_000n },
      fees: { cap: gwei, tip: 1n },
    });
    expect(await desk.broadcast(signed)).toEqual({ type: "sent" });
    const receipt = await eventually("it is mined", () => receiptOf(desk, signed.hash));
    expect(named(receipt.logs, "Reward")).toMatchObject([{ account: recipient }]);
    const range = await desk.logs(start, receipt.block);
    const found = range.type === "logs" ? range.logs : [];
    expect(named(found, "RewardCallerSet")).toMatchObject([{ account: recipient, other: from, amounts: [] }]);
  });

  // Everybody's rounds and funds, our own and our delegators' bonds; no bond of another orchestrator.
  test("a range of logs holds what concerns us", async () => {
    await using world = await openPool();
    const { chain, desk } = world;
    await chain.fund(gateway, ether, ether);
    const range = await desk.logs(0n, await chain.blockNumber());
    const found = range.type === "logs" ? range.logs : [];
    const own = found.filter((log) => !["NewRound", "DepositFunded", "ReserveFunded"].includes(log.name));
    expect(new Set(own.map((log) => log.account))).toEqual(new Set([recipient]));
    expect(named(found, "Bond")).toMatchObject([
      { other: recipient, amounts: [50_005n * lpt, 50_005n * lpt + 1n] },
    ]);
    expect(named(found, "NewRound").length).toBe((await chain.logs("RoundsManager", "NewRound")).length);
    expect(named(found, "DepositFunded")).toMatchObject([{ account: toHex(gateway), amounts: [ether] }]);
    // 41 joined the pool, and one of them is us.
    expect(await chain.logs("BondingManager", "TranscoderActivated")).toHaveLength(41);
    expect(named(found, "TranscoderActivated")).toHaveLength(1);
  });
});

// Payments 6.4: the share of the reserve shrinks when the pool grows inside a round.
test("a reserve that gave more than its share gives nothing now", async () => {
  await using world = await openWorld();
  const { chain, desk } = world;
  await chain.setPoolSize(1n);
  await chain.fund(gateway, 0n, ether);
  const [first, second] = await world.tickets(2, ether / 2n);
  expect((await world.execute(made(desk.redeemCall([first as RedeemableTicket])), 460_000n)).isSuccess).toBe(
    true,
  );
  expect(await desk.payable([toHex(gateway)])).toMatchObject([
    { claimable: ether / 2n, claimedByUs: ether / 2n },
  ]);
  await chain.setPoolSize(4n);
  expect(await desk.payable([toHex(gateway)])).toMatchObject([{ claimable: 0n, reserve: ether / 2n }]);
  expect(await desk.simulate([made(desk.redeemCall([second as RedeemableTicket]))], recipient)).toEqual([
    { type: "reverts", reason: expect.any(String) },
  ]);
});

test("bad days: an endpoint that is dead or lies gives nothing, and nothing rejects", async () => {
  await using world = await openWorld();
  const { chain, desk } = world;
  const call = made(desk.initializeRoundCall());
  const hash: Hex = `0x${"01".repeat(32)}`;
  const all = async (): Promise<unknown[]> => [
    await desk.nonces(recipient, null),
    await desk.receipts([hash]),
    await desk.blockHash(1n),
    await desk.simulate([call], recipient),
    await desk.payable([toHex(gateway)]),
    await desk.areTicketsUsed([hash]),
    (await desk.logs(1n, 2n)).type,
  ];
  const nothing = [null, null, null, null, null, null, "failed"];
  const signed = await world.sign(call, 500_000n);
  chain.rpc.fault = { type: "answer", status: 200, body: "<html>" };
  expect(await all()).toEqual(nothing);
  expect((await desk.broadcast(signed)).type).toBe("unknown");
  chain.rpc.fault = { type: "liar", lie: () => ({ rubbish: true }) };
  expect(await all()).toEqual(nothing);
});
