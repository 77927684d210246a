import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { statSync } from "node:fs";
import { join } from "node:path";
import { nodeExecutor } from "../../../src/cli/nodeExecutor.ts";
import {
  createOperatorToken,
  operatorTokenFile,
  readOperatorToken,
} from "../../../src/config/operatorTokenFile.ts";
import type { Hex } from "../../../src/shared/brand.ts";
import { type DevChain, startDevChain } from "../../support/chain/devChain.ts";
import { cliFolder, removeCliFolders } from "../../support/cliRun.ts";
import { goodRun, openCliOperator } from "../../support/cliOperator.ts";
import { openNode } from "../../support/nodeFixture.ts";
import { recordedEvents } from "../../support/nodeLog.ts";
import { withFastPolls } from "../../support/onchainNode.ts";

/*
 * Goal: while a node runs, it alone sends, so that no nonce is given twice. Method: a whole node in this process, and
 * commands beside it on the same data folder.
 */

setDefaultTimeout(120_000);

const lpt = 10n ** 18n;
const somebody: Hex = `0x${"cd".repeat(20)}`;
let chain: DevChain;

beforeAll(async () => {
  chain = await startDevChain({ roundLength: 100n, poolSize: 0n, baseFee: 1_000_000n });
});

afterAll(async () => {
  await chain[Symbol.asyncDispose]();
  removeCliFolders();
});

test("a command hands its transactions to the node that runs, and the node's log has them", async () => {
  const operator = await openCliOperator(chain);
  const node = await openNode({
    dataDir: operator.dataDir,
    flags: [...operator.flags, "-pricePerUnit", "1200"],
    alterConfig: withFastPolls,
  });
  try {
    const { host, port } = node.running.operator.address;
    const cliAddr = ["-cliAddr", `${host}:${port}`];
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
    const run = goodRun(await operator.cli([...words, ...cliAddr]));
    expect(run.out).toContain(`through the running node (http://${host}:${port})`);
    expect(run.out).toContain("registered: no -> yes");
    const planned = recordedEvents(operator.dataDir).filter(
      ({ event }) => event.type === "TransactionPlanned",
    );
    expect(planned.map(({ stream }) => String(stream))).toEqual(
      [0, 1, 2, 3].map((nonce) => `transaction:${operator.hex}/${nonce}`),
    );
    const both = await Promise.all([
      operator.cli(["transfer", "1", somebody, ...cliAddr]),
      operator.cli(["transfer", "2", somebody, ...cliAddr]),
    ]);
    for (const one of both) goodRun(one);
    expect(await chain.read("LivepeerToken", "balanceOf", [somebody])).toBe(3n * lpt);
    const wrongPort = await operator.cli(["transfer", "1", somebody, "-cliAddr", "127.0.0.1:1"]);
    expect(wrongPort).toMatchObject({ code: 1 });
    expect(wrongPort.err).toContain("works in the data folder, but the operator port");
    const status = goodRun(await operator.ask(["status", "--json"])).json();
    expect(status["tickets"]).toEqual({ count: 0, wei: "0" });
  } finally {
    await node[Symbol.asyncDispose]();
  }
  // The node is gone: the next nonce is the log's, and the command sends by itself.
  const alone = goodRun(await operator.cli(["transfer", "1", somebody]));
  expect(alone.out).toContain("by itself (no node runs on");
  expect(alone.out).toContain(`${operator.hex}/6`);
});

describe("the node's executor", () => {
  type Reply = { readonly status: number; readonly body: unknown };

  /** Runs one action against a port that answers from a list, the last one for ever. */
  async function against(replies: readonly Reply[], timeoutMs = 60_000) {
    const left = [...replies];
    const asked: string[] = [];
    const server = Bun.serve({
      port: 0,
      hostname: "127.0.0.1",
      fetch: (request) => {
        asked.push(
          `${request.method} ${new URL(request.url).pathname} ${request.headers.get("authorization") ?? ""}`,
        );
        const reply = left.length > 1 ? left.shift() : left[0];
        return Response.json(reply?.body ?? null, { status: reply?.status ?? 500 });
      },
    });
    const executor = nodeExecutor({
      operator: { host: "0.0.0.0", port: server.port ?? 0 },
      token: "ab".repeat(32),
      monotonicMs: () => performance.now(),
      sleep: () => Bun.sleep(1),
    });
    const call = { to: somebody, data: "0x", value: 0n } as const;
    try {
      const outcome = await executor.run(
        { from: somebody, call, gasLimit: 1n, subject: "x" },
        timeoutMs,
        () => undefined,
      );
      return { outcome, asked };
    } finally {
      await server.stop(true);
    }
  }

  const hash = `0x${"11".repeat(32)}`;
  const taken = { status: 202, body: { id: "0xab/1" } };

  test("waits through silence and errors until it is mined", async () => {
    const { outcome, asked } = await against([
      taken,
      { status: 500, body: null },
      { status: 200, body: { state: "sent", hash } },
      { status: 200, body: { state: "confirmed", hash, isSuccess: true, block: "5", fee: "7" } },
    ]);
    expect(outcome).toEqual({
      type: "mined",
      id: "0xab/1",
      hash,
      isSuccess: true,
      block: 5n,
      fee: 7n,
    } as typeof outcome);
    expect(asked[0]).toBe(`POST /api/transactions Bearer ${"ab".repeat(32)}`);
    expect(asked[1]).toBe(`GET /api/transactions/0xab%2F1 Bearer ${"ab".repeat(32)}`);
  });

  test("an answer that is lost is not taken for a refusal: it may have been sent", async () => {
    await expect(against([{ status: 202, body: { nothing: true } }])).rejects.toThrow(
      "Nobody knows whether the node",
    );
  });

  test("tells refused, displaced and still under way", async () => {
    expect((await against([{ status: 409, body: { error: "no gas money" } }])).outcome).toEqual({
      type: "refused",
      text: "no gas money",
    });
    expect((await against([taken, { status: 200, body: { state: "displaced", hash } }])).outcome.type).toBe(
      "displaced",
    );
    const waiting = await against([taken, { status: 200, body: { state: "sent", hash } }], 0);
    expect(waiting.outcome).toMatchObject({ type: "waiting", hash });
  });
});

test("the token is new at each start, whole, and its owner's alone", () => {
  const folder = cliFolder();
  expect(readOperatorToken(folder)).toBeNull();
  const first = createOperatorToken(folder, (length) => new Uint8Array(length).fill(1));
  const second = createOperatorToken(folder, (length) => new Uint8Array(length).fill(2));
  expect([first, second]).toEqual(["01".repeat(32), "02".repeat(32)]);
  expect(readOperatorToken(folder)).toBe(second);
  expect(statSync(join(folder, operatorTokenFile)).mode & 0o777).toBe(0o600);
});
