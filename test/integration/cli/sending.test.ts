import { afterAll, beforeAll, beforeEach, describe, expect, setDefaultTimeout, test } from "bun:test";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { privateKeyToAccount } from "viem/accounts";
import { parseTransaction } from "viem";
import { CliFailure } from "../../../src/cli/cliError.ts";
import type { CliPorts, CliRpc, Executor } from "../../../src/cli/ports.ts";
import { openCliRpc } from "../../../src/start/openCliNode.ts";
import { toHex } from "../../../src/protocol/bytes.ts";
import type { Hex } from "../../../src/shared/brand.ts";
import { type DevChain, startDevChain } from "../../support/chain/devChain.ts";
import { type CliOperator, goodRun, openCliOperator } from "../../support/cliOperator.ts";
import { cliRun, openRealExecutor, removeCliFolders } from "../../support/cliRun.ts";
import { recordedEvents } from "../../support/nodeLog.ts";

/*
 * Goal: nothing is sent that nobody agreed to, everything that is sent is in the log, and what is signed elsewhere
 * arrives. Method: whole commands against anvil; keys that "sign elsewhere" are viem's.
 */

const lpt = 10n ** 18n;
const somebody: Hex = `0x${"cd".repeat(20)}`;
let chain: DevChain;

setDefaultTimeout(120_000);

beforeAll(async () => {
  chain = await startDevChain({ roundLength: 100n, poolSize: 0n, baseFee: 1_000_000n });
  await chain.forgetPoolSize();
});

beforeEach(async () => {
  if ((await chain.blockNumber()) % 100n > 40n) await chain.nextRound();
});

afterAll(async () => {
  await chain[Symbol.asyncDispose]();
  removeCliFolders();
});

/** The real executor, but from the second transaction on nobody answers. */
const losingSecond: CliPorts["openExecutor"] = async (settings, account) => {
  const real = await openRealExecutor(settings, account);
  let sent = 0;
  return {
    ...real,
    run: (...wanted) => {
      sent += 1;
      if (sent === 1) return real.run(...wanted);
      throw new CliFailure("Nobody knows whether the node has taken it.");
    },
  };
};

const sentBy = async ({ hex }: CliOperator) =>
  Number(await chain.anvil.rpc("eth_getTransactionCount", hex, "latest"));

describe("asking", () => {
  test("what it will do and cost is shown, and a no sends nothing", async () => {
    const operator = await openCliOperator(chain);
    const run = await operator.ask(["transfer", "5", somebody], { answer: "n" });
    expect(run.code).toBe(1);
    expect(run.questions).toEqual(["Do it? [y/N] "]);
    expect(run.out).toContain("Send 5 LPT to 0xCdCDCdCdcdcdcdCdcDcDCdcDcDCdCdcdCdcDCDcD");
    expect(run.out).toContain("LivepeerToken");
    expect(run.out).toContain("amount: 5 LPT (5000000000000000000 wei)");
    expect(run.out).toMatch(/Cost: at most 0\.\d+ ETH \(\d+ wei\)/);
    expect(run.out).toContain("995 LPT");
    expect(run.out).toContain("Nothing was sent.");
    expect(await sentBy(operator)).toBe(0);
  });

  test.each(["y", "Y", "yes"])("`%s` is a yes", async (answer) => {
    const operator = await openCliOperator(chain);
    const run = goodRun(await operator.ask(["transfer", "5", somebody], { answer }));
    expect(run.out).toMatch(/1\. mined in block \d+, for 0\.\d+ ETH \(\d+ wei\): 0x[0-9a-f]{64}/);
    expect(run.out).toContain("LPT: 1000 -> 995");
    expect(await sentBy(operator)).toBe(1);
  });

  test("without a terminal and without --yes nothing is sent, and the exit code is 2", async () => {
    const operator = await openCliOperator(chain);
    const run = await operator.ask(["transfer", "5", somebody]);
    expect(run).toMatchObject({ code: 2, out: "", questions: [] });
    expect(run.err).toContain("There is no terminal to ask on: add `--yes`");
    const json = await operator.ask(["transfer", "5", somebody, "--json"], { answer: "y" });
    expect(json).toMatchObject({ code: 2, questions: [] });
    expect(json.json()).toMatchObject({
      ...{ command: "transfer", result: "error", code: "CLI_USAGE", advice: null },
      text: "`--json` asks no questions: add `--yes` to send.",
    });
    expect(await sentBy(operator)).toBe(0);
  });
});

describe("--json", () => {
  test("is one document with everything that was sent", async () => {
    const operator = await openCliOperator(chain);
    const run = goodRun(await operator.cli(["transfer", "5", somebody, "--json"])).json();
    expect(run).toMatchObject({
      ...{ command: "transfer", result: "done", text: null, chainId: "54321", account: operator.hex },
      before: { lptBalance: String(1_000n * lpt) },
      after: { lptBalance: String(995n * lpt) },
    });
    const [step] = run["steps"] as Record<string, unknown>[];
    expect(step).toMatchObject({
      ...{
        name: "transfer",
        contract: "LivepeerToken",
        function: "transfer",
        to: chain.livepeerToken.toLowerCase(),
      },
      ...{ value: "0", simulation: "runs", reason: null },
      outcome: { type: "mined", isSuccess: true },
    });
    expect(step?.["data"]).toMatch(/^0xa9059cbb/);
    expect(BigInt(String(step?.["cost"]))).toBeGreaterThan(0n);
  });

  test("a refusal is a document too", async () => {
    const operator = await openCliOperator(chain);
    const run = await operator.cli(["unbond", "1", "--json"]);
    expect(run.code).toBe(1);
    expect(run.json()).toMatchObject({ result: "refused", text: "caller must be bonded", steps: [] });
  });

  // A machine that reads standard output finds the reason there, whatever went wrong and however early.
  test("every error is a document too, and its words for people go to standard error", async () => {
    const operator = await openCliOperator(chain);
    const poll = ["vote", somebody, "yes", "--json"];
    const silent = { openRpc: () => ({ batch: async () => [], close: () => undefined }) };
    const cases = [
      [["frobnicate", "--json"], {}, 2, null, "There is no command `frobnicate`."],
      [["bond", "1", "--amuont", "2", "-json"], {}, 2, null, "There is no option `--amuont`."],
      [["bond", "-1", "--json"], {}, 2, null, "`-1` is no option, and amounts are not negative."],
      [["bond", "", "--json"], {}, 2, "bond", "`` is no amount: write it like 100, 0.5 or 12wei."],
      [poll, {}, 1, "vote", "invalid poll contract address"],
      [
        ["transfer", "1", somebody, "--json"],
        silent,
        1,
        "transfer",
        "The chain cannot be read: the RPC left a call unanswered.",
      ],
    ] as const;
    for (const [argv, ports, code, command, text] of cases) {
      const run = await operator.cli([...argv], { ports });
      expect(run.code).toBe(code);
      expect(run.err).toStartWith(text);
      // What is wrong with the words is found before the command is known to exist.
      expect(run.json()).toMatchObject({ ...(command === null ? {} : { command }), result: "error", text });
    }
    const flags = operator.flags.map((flag) => (flag === "secret" ? "wrong" : flag));
    const locked = await cliRun(["transfer", "1", somebody, "--yes", "--json", ...flags]);
    expect(locked).toMatchObject({ code: 2 });
    expect(locked.json()).toMatchObject({ command: "transfer", result: "error" });
    expect(locked.json()["text"]).toContain("could not decrypt key with given password");
    expect(locked.out).not.toContain("wrong");
    expect(await sentBy(operator)).toBe(0);
  });

  // Method: the first step is mined on the chain by the real executor, and the second one's answer is lost.
  test("what is mined already is in the document when a later step cannot even be asked for", async () => {
    const operator = await openCliOperator(chain);
    const [orchestrator] = await chain.addOrchestrators(1);
    const words = ["bond", "1", "--to", String(orchestrator), "--json"];
    const run = await operator.cli(words, { ports: { openExecutor: losingSecond } });
    expect(run.code).toBe(1);
    const document = run.json();
    expect(document).toMatchObject({ result: "failed" });
    expect(document["text"]).toContain("Nobody knows whether the node has taken it");
    expect(document["text"]).toContain("Run the same command again");
    expect(document["steps"]).toMatchObject([
      { name: "approve", outcome: { type: "mined", isSuccess: true } },
      { name: "bond", outcome: null },
    ]);
    expect(await sentBy(operator)).toBe(1);
    const again = goodRun(await operator.cli(words)).json();
    expect(again).toMatchObject({ result: "done", steps: [{ name: "bond" }] });
  });

  test("status has everything that an operator looks for", async () => {
    const operator = await openCliOperator(chain);
    const run = goodRun(await operator.ask(["status", "--json"])).json();
    expect(Object.keys(run).sort()).toEqual(
      [
        ...[
          "command",
          "chainId",
          "network",
          "isPaused",
          "l1Block",
          "gasPrice",
          "round",
          "account",
          "orchestrator",
        ],
        ...["feeCut", "contracts", "locks", "tickets", "drift", "gasRunwayDays", "advice"],
      ].sort(),
    );
    expect(run["account"]).toMatchObject({ account: operator.hex, lptBalance: String(1_000n * lpt) });
    expect(run["tickets"]).toBeNull();
  });
});

describe("the log", () => {
  test("holds the plan before anything leaves, and counts nonces over several commands", async () => {
    const operator = await openCliOperator(chain);
    goodRun(await operator.cli(["transfer", "1", somebody]));
    goodRun(await operator.cli(["transfer", "2", somebody]));
    const events = recordedEvents(operator.dataDir);
    const planned = events.filter(({ event }) => event.type === "TransactionPlanned");
    expect(planned.map(({ stream }) => stream)).toEqual([
      `transaction:${operator.hex}/0`,
      `transaction:${operator.hex}/1`,
    ]);
    expect(planned[0]?.event).toMatchObject({
      purpose: "operator",
      subject: `transfer 1 LPT to ${somebody}`,
    });
    expect(events.filter(({ event }) => event.type === "NonceReserved")).toHaveLength(2);
  });

  // Method: no block is mined, so that the first command gives up waiting; the second one mines both.
  test("a command that gave up waiting is carried on by the next one", async () => {
    const operator = await openCliOperator(chain);
    await chain.holdMining();
    const first = await operator.cli(["transfer", "1", somebody, "--timeout", "0"]);
    expect(first.code).toBe(1);
    expect(first.out).toContain("not mined yet");
    expect(first.out).toContain("the node goes on with it when it starts, and so does the next command");
    await chain.automine();
    await chain.mine(1);
    goodRun(await operator.cli(["transfer", "2", somebody]));
    expect(await sentBy(operator)).toBe(2);
    const mined = recordedEvents(operator.dataDir).filter(({ event }) => event.type === "TransactionMined");
    expect(mined).toHaveLength(2);
  });

  test("a wrong pass phrase ends with exit code 2, and nothing is sent", async () => {
    const operator = await openCliOperator(chain);
    const flags = operator.flags.map((flag) => (flag === "secret" ? "wrong" : flag));
    const run = await cliRun(["transfer", "1", somebody, "--yes", ...flags]);
    expect(run.code).toBe(2);
    expect(run.err).toContain("could not decrypt key with given password");
    expect(await sentBy(operator)).toBe(0);
  });
});

describe("signing elsewhere", () => {
  test("--unsigned writes what a signer needs and sends nothing; signed elsewhere, `send` has it mined", async () => {
    const operator = await openCliOperator(chain);
    const path = join(operator.dataDir, "unsigned.json");
    const words = [
      "register",
      "100",
      "--rewardCut",
      "10",
      "--feeCut",
      "95",
      "--serviceUri",
      "https://o.example:8935",
    ];
    const run = goodRun(await operator.ask([...words, "--unsigned", path]));
    expect(run.out).toContain("Wrote 4 unsigned");
    expect(await sentBy(operator)).toBe(0);
    const document = JSON.parse(readFileSync(path, "utf8"));
    expect(document).toMatchObject({ format: "reprise-unsigned", version: 1, command: "register" });
    const signer = privateKeyToAccount(toHex(operator.privateKey));
    for (const entry of document.transactions) {
      expect(entry.transaction.from).toBe(operator.hex);
      const unsigned = parseTransaction(entry.unsigned);
      expect(unsigned.to?.toLowerCase()).toBe(entry.transaction.to);
      entry.raw = await signer.signTransaction(unsigned as Parameters<typeof signer.signTransaction>[0]);
    }
    expect(
      document.transactions.map((entry: { transaction: { nonce: string } }) =>
        Number(entry.transaction.nonce),
      ),
    ).toEqual([0, 1, 2, 3]);
    writeFileSync(path, JSON.stringify(document));
    const sent = goodRun(await operator.cli(["send", path]));
    expect(sent.out).toContain("to ServiceRegistry");
    expect(sent.out).toContain("4. mined in block");
    const status = goodRun(await operator.ask(["status", "--json"])).json();
    expect(status["orchestrator"]).toMatchObject({
      isRegistered: true,
      rewardCut: "100000",
      feeShare: "50000",
    });
    const again = goodRun(await operator.cli(["send", path, "--json"])).json();
    expect(again).toMatchObject({ result: "done" });
    expect(await sentBy(operator)).toBe(4);
  });

  test("a file that exists is not overwritten, and no key is needed to write one", async () => {
    const operator = await openCliOperator(chain);
    const path = join(operator.dataDir, "there.json");
    writeFileSync(path, "mine");
    const run = await operator.ask(["transfer", "1", somebody, "--unsigned", path]);
    expect(run).toMatchObject({ code: 1 });
    expect(run.err).toContain("was not written: EEXIST");
    expect(readFileSync(path, "utf8")).toBe("mine");
    const cold = `${path}.cold`;
    const other = await openCliOperator(chain, 0n);
    const words = ["transfer", "1", somebody, "--unsigned", cold, "--nonce", "7"];
    goodRun(await other.ask([...words, "-ethAcctAddr", operator.hex, "-ethKeystorePath", other.dataDir]));
    expect(JSON.parse(readFileSync(cold, "utf8")).transactions[0].transaction).toMatchObject({
      from: operator.hex,
      nonce: "0x7",
    });
    expect(existsSync(join(other.dataDir, "reprise.sqlite3"))).toBe(false);
  });

  test("a nonce that is used already, or that nothing is to be signed with, is refused", async () => {
    const operator = await openCliOperator(chain);
    const stray = await operator.cli(["transfer", "1", somebody, "--nonce", "7"]);
    expect(stray).toMatchObject({ code: 2 });
    expect(stray.err).toContain("`--nonce` goes with `--unsigned FILE` only");
    goodRun(await operator.cli(["transfer", "1", somebody]));
    const path = join(operator.dataDir, "late.json");
    const late = await operator.ask(["transfer", "1", somebody, "--unsigned", path, "--nonce", "0"]);
    expect(late).toMatchObject({ code: 1 });
    expect(late.err).toContain("nonce too low");
    expect(existsSync(path)).toBe(false);
    for (const nonce of ["-1", "", "0x1", "1.5"]) {
      const run = await operator.ask(["transfer", "1", somebody, "--unsigned", path, `--nonce=${nonce}`]);
      expect(run).toMatchObject({ code: 2 });
      expect(run.err).toContain("`--nonce` takes a whole number");
    }
    expect(await sentBy(operator)).toBe(1);
  });

  test("what cannot be sent is refused with the reason", async () => {
    const operator = await openCliOperator(chain);
    const signer = privateKeyToAccount(toHex(operator.privateKey));
    const base = {
      to: somebody,
      gas: 21_000n,
      maxFeePerGas: 10n ** 9n,
      maxPriorityFeePerGas: 0n,
      type: "eip1559",
    } as const;
    const foreign = await operator.cli([
      "send",
      await signer.signTransaction({ ...base, chainId: 1, nonce: 0 }),
    ]);
    expect(foreign).toMatchObject({ code: 2 });
    expect(foreign.err).toContain("was signed for chain 1; this is chain 54321");
    const gap = await operator.cli([
      "send",
      await signer.signTransaction({ ...base, chainId: 54_321, nonce: 3 }),
    ]);
    expect(gap.err).toContain("nonce 3 cannot be mined yet");
    goodRun(await operator.cli(["transfer", "1", somebody]));
    const used = await operator.cli([
      "send",
      await signer.signTransaction({ ...base, chainId: 54_321, nonce: 0 }),
    ]);
    expect(used.err).toContain("nonce too low");
    for (const junk of [
      "0x",
      "0x1234",
      join(operator.dataDir, "missing"),
      `${operator.dataDir}/lock.sqlite3`,
    ]) {
      expect((await operator.cli(["send", junk])).code).toBe(2);
    }
    const reverting = await signer.signTransaction({
      ...{ ...base, to: chain.bondingManager, chainId: 54_321, nonce: 1, gas: 500_000n },
      data: `0x25d5971f${"0".repeat(64)}`,
    });
    const refused = await operator.cli(["send", reverting]);
    expect(refused.err).toContain("invalid unbonding lock ID");
    expect(await sentBy(operator)).toBe(1);
  });
});

test("what the executor refuses, fails or loses ends with exit code 1 and says how to go on", async () => {
  const operator = await openCliOperator(chain);
  const cases = [
    [{ type: "refused", text: "no gas money" }, "not sent: no gas money", "failed"],
    [{ type: "displaced", id: "x", text: "nonce gone" }, "lost: nonce gone", "failed"],
    [
      { type: "mined", id: "x", hash: `0x${"11".repeat(32)}`, isSuccess: false, block: 5n, fee: 7n },
      "FAILED in block 5: the contract refused it, and the gas is spent",
      "failed",
    ],
    [
      { type: "waiting", id: "x", hash: null, text: "The node goes on." },
      "not mined yet. The node goes on.",
      "waiting",
    ],
  ] as const;
  for (const [outcome, text, result] of cases) {
    const executor: Executor = { words: "somehow", run: async () => outcome, close: async () => undefined };
    const ports = { openExecutor: async () => executor };
    const run = await operator.cli(["bond", "1", "--to", chain.bondingManager], { ports });
    expect(run.code).toBe(1);
    expect(run.out).toContain(text);
    expect(run.err).toContain("1 more to do: run the same command again");
    const json = await operator.cli(["bond", "1", "--to", chain.bondingManager, "--json"], { ports });
    expect(json.json()).toMatchObject({ result });
  }
});

describe("endpoints", () => {
  test("one of another chain than -network names is refused, before a contract is missed and whatever is wanted", async () => {
    const operator = await openCliOperator(chain);
    const path = join(operator.dataDir, "never.json");
    const network = operator.flags.map((flag) => (flag === "devnet" ? "arbitrum-one-mainnet" : flag));
    for (const words of [["status"], ["transfer", "1", somebody, "--unsigned", path]]) {
      const run = await cliRun([...words, ...network]);
      expect(run).toMatchObject({ code: 1, out: "" });
      expect(run.err).toContain(
        "network arbitrum-one-mainnet is the chain 42161, but the RPC serves the chain 54321",
      );
    }
    expect(existsSync(path)).toBe(false);
  });

  // Method: of the questions after the approval, the first two are answered as of the block before it.
  test("one that has not seen the step before yet is asked again", async () => {
    const operator = await openCliOperator(chain);
    const [orchestrator] = await chain.addOrchestrators(1);
    const lagging = laggingBehind(await chain.blockNumber(), 2);
    const run = goodRun(
      await operator.cli(["bond", "1", "--to", String(orchestrator)], { ports: { openRpc: lagging.open } }),
    );
    expect(run.out).toContain("2. mined in block");
    expect(lagging.stale()).toBe(2);
  });
});

/** An endpoint that tries the first `count` bonds on an old state. */
function laggingBehind(block: bigint, count: number): { open: CliPorts["openRpc"]; stale(): number } {
  let stale = 0;
  const bondWithHint = "0x6bd9add4";
  const open: CliPorts["openRpc"] = (settings): CliRpc => {
    const real = openCliRpc(settings);
    return {
      ...real,
      batch: (calls) => {
        const isBond = calls.some(({ params }) => JSON.stringify(params).includes(bondWithHint));
        if (!isBond || stale === count) return real.batch(calls);
        stale += 1;
        return real.batch(
          calls.map(({ method, params }) => ({ method, params: [params[0], toQuantity(block)] })),
        );
      },
    };
  };
  return { open, stale: () => stale };
}

const toQuantity = (value: bigint): string => `0x${value.toString(16)}`;
