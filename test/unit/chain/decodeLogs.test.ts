import { describe, expect, test } from "bun:test";
import { type AbiEvent, encodeAbiParameters, encodeEventTopics } from "viem";
import {
  bondingManagerAbi,
  roundsManagerAbi,
  serviceRegistryAbi,
  ticketBrokerAbi,
} from "../../../src/chain/abi.ts";
import { decodeLogs, logAddresses, logTopics } from "../../../src/chain/decodeLogs.ts";
import { type ChainLogName, chainLogNames } from "../../../src/runtime/chainPorts.ts";
import type { Hex } from "../../../src/shared/brand.ts";
import vectors from "../../vectors/eth-tx.json";

/*
 * Goal: every log of ours becomes what the port promises, nothing foreign does, and what cannot be read is never left
 * out. Method: each event is encoded by viem with different values in all places.
 */

const account = (byte: string): Hex => `0x${byte.repeat(20)}`;
const word = (byte: string): Hex => `0x${byte.repeat(32)}`;
const contracts = {
  RoundsManager: account("a1"),
  BondingManager: account("A2"),
  TicketBroker: account("a3"),
  registries: [account("a4"), account("00"), account("a5")],
};
const sources = [
  { address: account("a1"), abi: roundsManagerAbi },
  { address: account("a2"), abi: bondingManagerAbi },
  { address: account("a3"), abi: ticketBrokerAbi },
  { address: account("a5"), abi: serviceRegistryAbi },
] as const;

type RawLog = Readonly<Record<string, unknown>> & { readonly topics: readonly Hex[]; readonly data: Hex };

function rawLog(name: ChainLogName, args: Readonly<Record<string, unknown>>, changes: object = {}): RawLog {
  for (const { address, abi } of sources) {
    const event = (abi as readonly { type: string; name?: string }[]).find(
      (item): item is AbiEvent => item.type === "event" && item.name === name,
    );
    if (event === undefined) continue;
    const plain = event.inputs.filter((input) => input.indexed !== true);
    return {
      address: address.toUpperCase().replace("X", "x"),
      topics: encodeEventTopics({ abi: [event], args }) as Hex[],
      data: encodeAbiParameters(
        plain,
        plain.map((input) => args[input.name ?? ""]),
      ),
      blockNumber: "0x10",
      blockHash: word("b0"),
      transactionHash: word("c0"),
      logIndex: "0x5",
      removed: false,
      ...changes,
    };
  }
  throw new Error(`There is no event ${name}.`);
}

const [me, you, third] = [account("11"), account("22"), account("33")];
/** Arguments of each event, and the content that the port promises: account, other, amounts, text. */
const events: Readonly<
  Record<ChainLogName, readonly [Record<string, unknown>, Hex, Hex | null, readonly bigint[], string | null]>
> = {
  NewRound: [{ round: 7n, blockHash: word("9a") }, account("a1"), null, [7n], word("9a")],
  WinningTicketTransfer: [{ sender: me, recipient: you, amount: 1n }, me, you, [1n], null],
  WinningTicketRedeemed: [
    {
      sender: me,
      recipient: you,
      faceValue: 1n,
      winProb: 2n,
      senderNonce: 3n,
      recipientRand: 4n,
      auxData: "0x05",
    },
    ...([me, you, [1n, 2n, 3n, 4n], null] as const),
  ],
  ReserveClaimed: [{ reserveHolder: me, claimant: you, amount: 1n }, me, you, [1n], null],
  DepositFunded: [{ sender: me, amount: 2n ** 256n - 1n }, me, null, [2n ** 256n - 1n], null],
  ReserveFunded: [{ reserveHolder: me, amount: 1n }, me, null, [1n], null],
  Unlock: [{ sender: me, startRound: 1n, endRound: 2n }, me, null, [1n, 2n], null],
  UnlockCancelled: [{ sender: me }, me, null, [], null],
  Withdrawal: [{ sender: me, deposit: 1n, reserve: 2n }, me, null, [1n, 2n], null],
  Reward: [{ transcoder: me, amount: 1n }, me, null, [1n], null],
  TreasuryReward: [{ transcoder: me, treasury: you, amount: 1n }, me, you, [1n], null],
  Bond: [
    { newDelegate: you, oldDelegate: third, delegator: me, additionalAmount: 1n, bondedAmount: 2n },
    ...([me, you, [1n, 2n], third] as const),
  ],
  Unbond: [
    { delegate: you, delegator: me, unbondingLockId: 1n, amount: 2n, withdrawRound: 3n },
    ...([me, you, [1n, 2n, 3n], null] as const),
  ],
  Rebond: [{ delegate: you, delegator: me, unbondingLockId: 1n, amount: 2n }, me, you, [1n, 2n], null],
  WithdrawStake: [
    { delegator: me, unbondingLockId: 1n, amount: 2n, withdrawRound: 3n },
    ...([me, null, [1n, 2n, 3n], null] as const),
  ],
  WithdrawFees: [{ delegator: me, recipient: you, amount: 1n }, me, you, [1n], null],
  EarningsClaimed: [
    { delegate: you, delegator: me, rewards: 1n, fees: 2n, startRound: 3n, endRound: 4n },
    ...([me, you, [1n, 2n, 3n, 4n], null] as const),
  ],
  TransferBond: [
    { oldDelegator: me, newDelegator: you, oldUnbondingLockId: 1n, newUnbondingLockId: 2n, amount: 3n },
    ...([me, you, [1n, 2n, 3n], null] as const),
  ],
  TranscoderUpdate: [{ transcoder: me, rewardCut: 1n, feeShare: 2n }, me, null, [1n, 2n], null],
  TranscoderActivated: [{ transcoder: me, activationRound: 1n }, me, null, [1n], null],
  TranscoderDeactivated: [{ transcoder: me, deactivationRound: 1n }, me, null, [1n], null],
  RewardCallerSet: [{ transcoder: me, rewardCaller: you }, me, you, [], null],
  ServiceURIUpdate: [
    { addr: me, serviceURI: `https://${"é".repeat(2_000)}` },
    ...([me, account("a5"), [], `https://${"é".repeat(992)}`] as const),
  ],
};

describe("a log of ours", () => {
  test.each(chainLogNames.map((name) => [name] as const))("%s says what the port promises", (name) => {
    const [args, who, other, amounts, text] = events[name];
    expect(decodeLogs([rawLog(name, args)], contracts)).toEqual([
      {
        ...{ block: 16n, blockHash: word("b0"), index: 5, transaction: word("c0"), name },
        ...{ account: who, other, amounts, text },
      },
    ]);
  });

  test("every event has its topic in the filter", () => {
    expect(logTopics).toHaveLength(chainLogNames.length);
    for (const name of chainLogNames)
      expect(logTopics).toContain(rawLog(name, events[name][0]).topics[0] as Hex);
    expect(logAddresses(contracts)).toEqual(["a1", "a2", "a3", "a4", "a5"].map(account));
  });

  test("as the reference node saw it is read the same", () => {
    const rows = vectors.cases.filter((row) => row.kind === "log");
    expect(rows).toHaveLength(4);
    for (const row of rows) {
      const { address: _, ...base } = rawLog("UnlockCancelled", { sender: me });
      const raw = { ...base, address: contracts.TicketBroker, topics: row.topics, data: row.data };
      const [log] = decodeLogs([raw], contracts);
      expect(log?.account).toBe(row.sender?.toLowerCase() as Hex);
      expect(log?.other).toBe(row.recipient?.toLowerCase() as Hex);
      const amounts =
        row.amount === undefined
          ? [row.faceValue, row.winProb, row.senderNonce, row.recipientRand]
          : [row.amount];
      expect(log?.amounts).toEqual(amounts.map((amount) => BigInt(amount ?? -1)));
    }
  });
});

describe("what is left out", () => {
  const log = (changes: object) => rawLog("Withdrawal", events.Withdrawal[0], changes);

  test("chain check 38: an event of an unrelated contract with the same topic", () => {
    expect(decodeLogs([log({ address: account("77") })], contracts)).toEqual([]);
    // Nor does one contract of ours speak for another.
    expect(decodeLogs([log({ address: contracts.BondingManager })], contracts)).toEqual([]);
  });

  test("foreign topics, logs without any, and those that were taken back", () => {
    expect(
      decodeLogs([log({ topics: [word("77")] }), log({ topics: [] }), log({ removed: true })], contracts),
    ).toEqual([]);
  });

  test("the same log once more", () => {
    expect(decodeLogs([log({}), log({})], contracts)).toHaveLength(1);
  });
});

describe("order", () => {
  test("is that of blocks and indexes, however the endpoint gave them", () => {
    const places = [
      ["0x11", "0x0"],
      ["0x10", "0x64"],
      ["0x10", "0x2"],
      ["0x9", "0x3"],
    ].map(([blockNumber, logIndex]) => rawLog("Reward", events.Reward[0], { blockNumber, logIndex }));
    expect(decodeLogs(places, contracts).map((log) => [log.block, log.index])).toEqual([
      [9n, 3],
      [16n, 2],
      [16n, 100],
      [17n, 0],
    ]);
  });
});

describe("what cannot be read is an error, never a gap", () => {
  const good = rawLog("Unbond", events.Unbond[0]);
  const bad: Readonly<Record<string, unknown>> = {
    "no object": null,
    "no address": { ...good, address: "0x12" },
    "no topics": { ...good, topics: "0x" },
    "a broken topic": { ...good, topics: [good.topics[0], "0x12", good.topics[2]] },
    "too few topics": { ...good, topics: good.topics.slice(0, 2) },
    "data too short": { ...good, data: good.data.slice(0, -2) },
    "no data": { ...good, data: "0x" },
    "data that is no text": { ...good, data: 5 },
    "a pending block": { ...good, blockHash: null, blockNumber: null },
    "no index": { ...good, logIndex: null },
    "an index out of bounds": { ...good, logIndex: "0xffffffffffffffff" },
    "no transaction": { ...good, transactionHash: "0x" },
  };
  test.each(Object.entries(bad))("%s", (_name, raw) => {
    expect(() => decodeLogs([raw], contracts)).toThrow("the RPC");
    expect(() =>
      decodeLogs([rawLog("Reward", events.Reward[0], { logIndex: "0x1" }), raw], contracts),
    ).toThrow();
  });

  test("two different logs at one place, and a list that is none", () => {
    const other = rawLog("Reward", events.Reward[0]);
    expect(() => decodeLogs([good, other], contracts)).toThrow("two logs for one place");
    for (const list of [null, {}, "0x", undefined])
      expect(() => decodeLogs(list, contracts)).toThrow("no list");
  });
});
