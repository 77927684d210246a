import { describe, expect, test } from "bun:test";
import {
  encodeAbiParameters,
  encodeErrorResult,
  encodeEventTopics,
  parseAbi,
  toFunctionSelector,
} from "viem";
import { roundsManagerAbi, ticketBrokerAbi } from "../../../src/chain/abi.ts";
import { type ChainDeskOptions, openChainDesk } from "../../../src/chain/chainDesk.ts";
import type { PoolAnswer } from "../../../src/chain/chainRpc.ts";
import type { RpcCall } from "../../../src/chain/jsonRpc.ts";
import type { Broadcast, ChainCall } from "../../../src/runtime/chainPorts.ts";
import type { Hex } from "../../../src/shared/brand.ts";

/*
 * Goal: the desk takes whole answers only, tells reverts from an endpoint's troubles, and asks in few requests. Method:
 * an endpoint that answers each call as the test says.
 */

const account = (byte: string): Hex => `0x${byte.repeat(20)}`;
const word = (byte: string): Hex => `0x${byte.repeat(32)}`;
const recipient = account("aa");
const contracts = {
  RoundsManager: account("a1"),
  BondingManager: account("a2"),
  TicketBroker: account("a3"),
};

const reverted = encodeErrorResult({
  abi: parseAbi(["error Panic(uint256 code)"]),
  errorName: "Panic",
  args: [0x11n],
});
const failed = (
  text: string,
  kind: "remote" | "transport" = "transport",
  code: number | null = null,
): PoolAnswer => ({
  ...{ type: "failed", kind, text, retryAfterMs: null, code, data: null },
  endpoint: 0,
});
const revert: PoolAnswer = {
  ...{
    type: "failed",
    kind: "remote",
    text: "execution reverted",
    retryAfterMs: null,
    code: 3,
    data: reverted,
  },
  endpoint: 0,
};
const result = (value: unknown): PoolAnswer => ({ type: "result", result: value, endpoint: 0 });
const words = (...values: readonly bigint[]): Hex =>
  encodeAbiParameters(
    values.map(() => ({ type: "uint256" }) as const),
    values,
  );

type Answers = (call: RpcCall) => PoolAnswer;

function desk(answer: Answers, options: Partial<ChainDeskOptions> = {}) {
  const requests: { readonly kind: "batch" | "quorum"; readonly calls: readonly RpcCall[] }[] = [];
  const incomplete: [number, string][] = [];
  const opened = openChainDesk({
    rpc: {
      batch: async (calls) => {
        requests.push({ kind: "batch", calls });
        return calls.map(answer);
      },
      quorum: async (calls) => {
        requests.push({ kind: "quorum", calls });
        return calls.map(answer);
      },
      broadcast: async (raw): Promise<Broadcast> => ({ type: "unknown", text: raw }),
      incomplete: (endpoint, reason) => incomplete.push([endpoint, reason]),
    },
    contracts: async () => contracts,
    look: async () => null,
    recipient,
    chainId: () => 54321n,
    nowMs: () => 1_000,
    ...options,
  });
  return { desk: opened, requests, incomplete };
}

const dataOf = (call: RpcCall): string => String((call.params[0] as { data?: unknown }).data ?? "");
const isCallOf = (call: RpcCall, signature: string) => dataOf(call).startsWith(toFunctionSelector(signature));

describe("nonces", () => {
  test("the mined ones must be agreed about, the pending ones need not", async () => {
    const { desk: opened, requests } = desk((call) => result(call.params[1] === "latest" ? "0x5" : "0x7"));
    expect(await opened.nonces(recipient, null)).toEqual({ mined: 5, pending: 7 });
    expect(requests.map(({ kind, calls }) => [kind, calls[0]?.params[1]])).toEqual([
      ["quorum", "latest"],
      ["batch", "pending"],
    ]);
  });

  test("a pool that lags knows no fewer than are mined", async () => {
    const { desk: opened } = desk((call) => result(call.params[1] === "latest" ? "0x5" : "0x4"));
    expect(await opened.nonces(recipient, null)).toEqual({ mined: 5, pending: 5 });
  });

  test("as of a block only that one is asked for", async () => {
    const { desk: opened, requests } = desk(() => result("0x5"));
    expect(await opened.nonces(recipient, 16n)).toEqual({ mined: 5, pending: 5 });
    expect(requests.map(({ kind, calls }) => [kind, calls[0]?.params])).toEqual([
      ["quorum", [recipient, "0x10"]],
    ]);
  });

  test.each([
    ["latest", failed("no two endpoints agree")],
    ["pending", failed("down")],
    ["latest", result("0xffffffffffffffffff")],
    ["pending", result(null)],
  ])("nothing is known when %s is not read", async (tag, answer) => {
    const { desk: opened } = desk((call) => (call.params[1] === tag ? answer : result("0x5")));
    expect(await opened.nonces(recipient, null)).toBeNull();
  });
});

const hash = word("c0");
const goodReceipt = {
  ...{ transactionHash: hash, blockNumber: "0x10", blockHash: word("b0"), status: "0x1" },
  ...{ gasUsed: "0x5208", effectiveGasPrice: "0x64", logs: [] as unknown[] },
};
const transferLog = {
  address: contracts.TicketBroker,
  topics: encodeEventTopics({
    abi: ticketBrokerAbi,
    eventName: "WinningTicketTransfer",
    args: { sender: account("bb"), recipient },
  }),
  data: words(5n),
  ...{ blockNumber: "0x10", blockHash: word("b0"), transactionHash: hash, logIndex: "0x3", removed: false },
};

describe("receipts", () => {
  test("all travel in one request, in order, each mined or not", async () => {
    const { desk: opened, requests } = desk((call) =>
      result(call.params[0] === hash ? { ...goodReceipt, logs: [transferLog] } : null),
    );
    const receipts = await opened.receipts([word("01"), hash, word("02")]);
    expect(requests).toHaveLength(1);
    expect(receipts).toMatchObject([null, { hash }, null]);
    expect(receipts?.[1]).toMatchObject({
      ...{ block: 16n, blockHash: word("b0"), isSuccess: true, gasUsed: 21_000n, gasPrice: 100n },
      logs: [
        { name: "WinningTicketTransfer", account: account("bb"), other: recipient, amounts: [5n], index: 3 },
      ],
    });
  });

  test("a failed one says so, and one without a block is not mined", async () => {
    const failedReceipt = { ...goodReceipt, status: "0x0" };
    const { desk: opened } = desk(() => result(failedReceipt));
    expect(await opened.receipts([hash])).toMatchObject([{ isSuccess: false }]);
    const { desk: other } = desk(() => result({ ...goodReceipt, blockHash: null, blockNumber: null }));
    expect(await other.receipts([hash])).toEqual([null]);
  });

  test.each(
    Object.entries({
      "of another transaction": { ...goodReceipt, transactionHash: word("c1") },
      "without status": { ...goodReceipt, status: undefined },
      "with a status of 2": { ...goodReceipt, status: "0x2" },
      "without a price": { ...goodReceipt, effectiveGasPrice: undefined },
      "with an absurd price": { ...goodReceipt, effectiveGasPrice: `0x${"f".repeat(64)}` },
      "without logs": { ...goodReceipt, logs: null },
      "with a log of another block": { ...goodReceipt, logs: [{ ...transferLog, blockNumber: "0x11" }] },
      "with a log of another transaction": {
        ...goodReceipt,
        logs: [{ ...transferLog, transactionHash: word("c1") }],
      },
      "with half a log": { ...goodReceipt, logs: [{ ...transferLog, data: "0x" }] },
      "that is text": "0x",
    }),
  )("one %s is unreadable, and the others are read all the same", async (_name, bad) => {
    const { desk: opened } = desk((call) => result(call.params[0] === hash ? bad : null));
    expect(await opened.receipts([word("01"), hash])).toEqual([null, "unreadable"]);
    expect(await opened.receipts([hash])).toEqual(["unreadable"]);
  });

  test("one that the endpoint has an error for is unreadable; none are read when nobody answers", async () => {
    const failed = (kind: "remote" | "transport"): PoolAnswer => ({
      ...{
        type: "failed",
        kind,
        text: "an error",
        retryAfterMs: null,
        code: null,
        data: null,
        endpoint: null,
      },
    });
    const { desk: opened } = desk((call) => (call.params[0] === hash ? failed("remote") : result(null)));
    expect(await opened.receipts([hash, word("01")])).toEqual(["unreadable", null]);
    const { desk: half } = desk((call) => (call.params[0] === hash ? failed("transport") : result(null)));
    expect(await half.receipts([hash, word("01")])).toEqual(["unreadable", null]);
    const { desk: dead } = desk(() => failed("transport"));
    expect(await dead.receipts([hash, word("01")])).toBeNull();
  });

  test("thousands of foreign logs do no harm, and nothing asked is nothing sent", async () => {
    const foreign = Array.from({ length: 5_000 }, (_, index) => ({
      ...transferLog,
      address: account("77"),
      logIndex: `0x${index.toString(16)}`,
    }));
    const { desk: opened, requests } = desk(() =>
      result({ ...goodReceipt, logs: [...foreign, transferLog] }),
    );
    expect(await opened.receipts([hash])).toMatchObject([{ logs: [{ name: "WinningTicketTransfer" }] }]);
    requests.length = 0;
    expect(await opened.receipts([])).toEqual([]);
    expect(requests).toEqual([]);
  });
});

describe("simulate", () => {
  const call: ChainCall = { to: contracts.TicketBroker, data: "0x01", value: 0n };

  test("tells running from reverting, in order", async () => {
    const { desk: opened, requests } = desk((sent) => (dataOf(sent) === "0x01" ? result("0x") : revert));
    expect(await opened.simulate([call, { ...call, data: "0x02" }], recipient)).toEqual([
      { type: "runs" },
      { type: "reverts", reason: "panic: arithmetic overflow or underflow" },
    ]);
    expect(requests[0]?.calls[0]?.params).toEqual([
      { from: recipient, to: call.to, data: "0x01", value: "0x0" },
      "latest",
    ]);
  });

  test("an endpoint's trouble with one call says nothing about any", async () => {
    for (const trouble of [
      failed("down"),
      failed("header not found", "remote"),
      failed("limit exceeded", "remote", -32005),
    ]) {
      const { desk: opened } = desk((sent) => (dataOf(sent) === "0x01" ? result("0x") : trouble));
      expect(await opened.simulate([call, { ...call, data: "0x02" }], recipient)).toBeNull();
    }
  });
});

describe("payable", () => {
  const senders = [account("b1"), account("b2")];
  const answers =
    (claimable: PoolAnswer): Answers =>
    (call) => {
      if (isCallOf(call, "function getSenderInfo(address)")) return result(words(10n, 4n, 20n, 3n));
      if (isCallOf(call, "function claimedReserve(address,address)")) return result(words(2n));
      return claimable;
    };

  test("reads deposits, reserves and what may be claimed", async () => {
    const { desk: opened, requests } = desk(answers(result(words(7n))));
    const funds = {
      deposit: 10n,
      withdrawRound: 4n,
      reserve: 20n,
      claimedInRound: 3n,
      claimedByUs: 2n,
      claimable: 7n,
    };
    expect(await opened.payable(senders)).toEqual(senders.map(() => ({ ...funds, readAtMs: 1_000 })));
    expect(requests.map(({ calls }) => calls.length)).toEqual([6]);
  });

  test("payments 6.4: a claim that underflows gives nothing", async () => {
    expect((await desk(answers(revert)).desk.payable(senders))?.map(({ claimable }) => claimable)).toEqual([
      0n,
      0n,
    ]);
  });

  test("trouble of any call leaves all unread", async () => {
    expect(await desk(answers(failed("down"))).desk.payable(senders)).toBeNull();
    expect(await desk(answers(failed("header not found", "remote"))).desk.payable(senders)).toBeNull();
    expect(await desk(answers(result("0x"))).desk.payable(senders)).toBeNull();
    expect(await desk(() => revert).desk.payable(senders)).toBeNull();
    expect(
      await desk(answers(result(words(7n))), { contracts: async () => null }).desk.payable(senders),
    ).toBeNull();
  });

  test("five senders share a request", async () => {
    const { desk: opened, requests } = desk(answers(result(words(7n))));
    expect(
      await opened.payable(Array.from({ length: 12 }, (_, index) => account(`b${index.toString(16)}`))),
    ).toHaveLength(12);
    expect(requests.map(({ calls }) => calls.length)).toEqual([15, 15, 6]);
  });
});

test("whether tickets are used needs agreement, and one unread leaves all unread", async () => {
  const used = word("0d");
  const { desk: opened, requests } = desk((call) =>
    result(words(dataOf(call).endsWith(used.slice(2)) ? 1n : 0n)),
  );
  expect(await opened.areTicketsUsed([word("01"), used])).toEqual([false, true]);
  expect(requests.map(({ kind }) => kind)).toEqual(["quorum"]);
  const { desk: split } = desk((call) =>
    dataOf(call).endsWith(used.slice(2)) ? failed("no two agree") : result(words(0n)),
  );
  expect(await split.areTicketsUsed([word("01"), used])).toBeNull();
});

describe("logs", () => {
  const block = (call: RpcCall) => ({ number: call.params[0], hash: word("b0") });
  const newRound = {
    ...transferLog,
    address: contracts.RoundsManager,
    topics: encodeEventTopics({ abi: roundsManagerAbi, eventName: "NewRound", args: { round: 5n } }),
    data: word("9a"),
    logIndex: "0x1",
  };
  const range =
    (logs: PoolAnswer, head: Answers = (call) => result(block(call))): Answers =>
    (call) =>
      call.method === "eth_getLogs" ? logs : head(call);

  test("those that concern us, with the hash of the last block, in one request", async () => {
    const foreignTransfer = {
      ...transferLog,
      logIndex: "0x9",
      topics: encodeEventTopics({
        abi: ticketBrokerAbi,
        eventName: "WinningTicketTransfer",
        args: { sender: account("bb"), recipient: account("bc") },
      }),
    };
    const funded = {
      ...foreignTransfer,
      logIndex: "0xa",
      topics: encodeEventTopics({
        abi: ticketBrokerAbi,
        eventName: "DepositFunded",
        args: { sender: account("bb") },
      }),
    };
    const { desk: opened, requests } = desk(range(result([transferLog, newRound, foreignTransfer, funded])));
    const answer = await opened.logs(10n, 16n);
    expect(answer).toMatchObject({
      ...{ type: "logs", toHash: word("b0") },
      logs: [{ name: "NewRound" }, { name: "WinningTicketTransfer" }, { name: "DepositFunded" }],
    });
    expect(requests).toHaveLength(1);
    const filter = (requests[0]?.calls[0]?.params[0] ?? {}) as { readonly topics?: readonly Hex[][] };
    expect(filter).toMatchObject({ fromBlock: "0xa", toBlock: "0x10", address: Object.values(contracts) });
    expect(filter.topics?.[0]?.length).toBe(23);
  });

  test.each([
    ["too-many", range(failed("query returned more than 10000 results", "remote", -32005))],
    ["too-many", range(failed("the RPC answered more than 2097152 bytes"))],
    ["failed", range(failed("the RPC gave no answer within 5000 ms"))],
    ["failed", range(failed("daily request count exceeded", "remote", -32005))],
    ["failed", range(result([{ ...transferLog, data: "0x" }]))],
    ["failed", range(result([{ ...transferLog, blockNumber: "0x11" }]))],
    ["failed", range(result([{ ...transferLog, blockNumber: "0x9" }]))],
    // The block that holds it is not the one that ends the range now.
    ["failed", range(result([{ ...transferLog, blockHash: word("b1") }]))],
    [
      "failed",
      range(
        result([
          { ...transferLog, blockNumber: "0xb" },
          { ...newRound, blockNumber: "0xb", blockHash: word("b2") },
        ]),
      ),
    ],
    ["failed", range(result([]), () => result(null))],
    ["failed", range(result([]), () => result({ number: "0x11", hash: word("b0") }))],
    ["failed", range(result([]), () => failed("down"))],
    ["failed", range(result("0x"))],
  ] as const)("%s: %#", async (type, answers) => {
    expect((await desk(answers).desk.logs(10n, 16n)).type).toBe(type);
  });

  test("without contracts nothing is asked", async () => {
    const { desk: opened, requests } = desk(range(result([])), { contracts: async () => null });
    expect((await opened.logs(1n, 2n)).type).toBe("failed");
    expect(requests).toEqual([]);
  });

  // Method: a receipt shows a log of ours; then the endpoint leaves it out of the range.
  test("an endpoint that leaves out what a receipt showed is told on", async () => {
    let chainHash = word("b0");
    const answers: Answers = (call) => {
      if (call.method === "eth_getTransactionReceipt") return result({ ...goodReceipt, logs: [transferLog] });
      if (call.method === "eth_getLogs")
        return result([newRound].map((log) => ({ ...log, blockHash: chainHash })));
      return result({ number: call.params[0], hash: chainHash });
    };
    const { desk: opened, incomplete } = desk(answers);
    await opened.receipts([hash]);
    expect((await opened.logs(17n, 20n)).type).toBe("failed");
    expect(incomplete).toEqual([]);
    expect(await opened.logs(10n, 16n)).toEqual({
      ...{ type: "failed", text: "logs of block 16 are left out that a receipt showed" },
    });
    expect(incomplete).toEqual([[0, "logs of block 16 are left out that a receipt showed"]]);
    // A re-org took the block away: nothing is missing any more.
    chainHash = word("b7");
    expect((await opened.logs(10n, 16n)).type).toBe("logs");
    chainHash = word("b0");
    expect((await opened.logs(10n, 16n)).type).toBe("logs");
  });
});

describe("calls", () => {
  test("are null until the contracts are found, and follow them", async () => {
    let found: typeof contracts | null = null;
    const { desk: opened } = desk(() => failed("down"), { contracts: async () => found });
    expect(opened.initializeRoundCall()).toBeNull();
    expect(opened.rewardCall({ type: "own" }, { previous: account("00"), next: account("00") })).toBeNull();
    found = contracts;
    expect(opened.initializeRoundCall()).toBeNull();
    await Promise.resolve();
    expect(opened.initializeRoundCall()?.to).toBe(contracts.RoundsManager);
    found = { ...contracts, RoundsManager: account("e1") };
    await opened.receipts([]);
    expect(opened.initializeRoundCall()?.to).toBe(account("e1"));
  });
});

describe("gas limits", () => {
  const call: ChainCall = { to: contracts.TicketBroker, data: `0x${"11".repeat(548)}`, value: 0n };

  test("are ample against what was measured on the real contracts", async () => {
    const { desk: opened, requests } = desk(() => failed("down"));
    expect(await opened.gasLimit("redeem", call, 1)).toBe(460_000n);
    for (const [tickets, measured] of [
      [2, 296_000n],
      [5, 537_000n],
      [20, 1_745_000n],
      [40, 3_358_000n],
    ] as const) {
      // First in a round: 293,000 against 198,000 alone. First claim: two new slots.
      const worst = measured + 95_000n + 44_000n;
      expect(await opened.gasLimit("redeem", call, tickets)).toBeGreaterThan((worst * 115n) / 100n);
    }
    expect(await opened.gasLimit("reward", call, 0)).toBeGreaterThan((576_000n * 130n) / 100n);
    expect(await opened.gasLimit("initialize", call, 0)).toBeGreaterThan(2n * 233_000n);
    expect(await opened.gasLimit("redeem", call, 1_000)).toBe(30_000_000n);
    expect(requests).toEqual([]);
  });

  test("on Arbitrum hold what its node says for L1, and three tenths more", async () => {
    const estimate = result(words(700_000n, 1n, 2n));
    const { desk: opened, requests } = desk(() => estimate, { chainId: () => 42161n });
    expect(await opened.gasLimit("redeem", call, 1)).toBe(460_000n + 910_000n);
    expect(requests[0]?.calls[0]?.params[0]).toMatchObject({
      to: "0x00000000000000000000000000000000000000c8",
    });
  });

  test.each([failed("down"), revert, result("0x"), result(words(0n, 0n, 0n))])(
    "on Arbitrum are guessed high when it does not say: %#",
    async (answer) => {
      const { desk: opened } = desk(() => answer, { chainId: () => 42161n });
      expect(await opened.gasLimit("redeem", call, 1)).toBe(460_000n + 668n * 1_600n);
    },
  );

  test("are guessed high while the chain is not known", async () => {
    const { desk: opened, requests } = desk(() => failed("down"), { chainId: () => null });
    expect(await opened.gasLimit("redeem", call, 1)).toBeGreaterThan(1_200_000n);
    expect(requests).toEqual([]);
  });
});

test("a reward goes without hints when the pool cannot be read, or does not hold us", async () => {
  const none = { previous: account("00"), next: account("00") };
  expect(await desk(() => failed("down")).desk.rewardHint(1n)).toEqual(none);
  expect(await desk(() => result("0x")).desk.rewardHint(1n)).toEqual(none);
  const member = (byte: string, stake: bigint) => (BigInt(account(byte)) << 96n) | stake;
  const pool = (...members: bigint[]) => desk(() => result(words(0n, ...members))).desk.rewardHint(10n);
  expect(await pool(member("11", 9n), member("22", 5n))).toEqual(none);
  expect(await pool(member("11", 30n), member("22", 12n), member("aa", 5n))).toEqual({
    ...{ previous: account("11"), next: account("22") },
  });
});
