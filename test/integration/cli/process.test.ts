import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { join } from "node:path";
import type { Hex } from "../../../src/shared/brand.ts";
import { type DevChain, startDevChain } from "../../support/chain/devChain.ts";
import { type CliOperator, goodRun, openCliOperator } from "../../support/cliOperator.ts";
import { removeCliFolders } from "../../support/cliRun.ts";
import { recordedEvents } from "../../support/nodeLog.ts";
import { repositoryDir } from "../../support/sourceFiles.ts";

/*
 * Goal: what only a process can show: exit codes, output that is there when somebody is asked, a death at the wrong
 * moment. Method: `src/cli.ts` as a process of its own.
 */

setDefaultTimeout(120_000);

const somebody: Hex = `0x${"cd".repeat(20)}`;
let chain: DevChain;

beforeAll(async () => {
  chain = await startDevChain({ roundLength: 100n, baseFee: 1_000_000n });
});

afterAll(async () => {
  await chain[Symbol.asyncDispose]();
  removeCliFolders();
});

function start(operator: CliOperator, argv: readonly string[]) {
  return Bun.spawn([process.execPath, join(repositoryDir, "src/cli.ts"), ...argv, ...operator.flags], {
    ...{ stdin: "ignore", stdout: "pipe", stderr: "pipe" },
    env: { PATH: process.env["PATH"] ?? "", HOME: operator.dataDir },
  });
}

test("a command prints, ends with its exit code, and asks nobody where there is no terminal", async () => {
  const operator = await openCliOperator(chain);
  const status = start(operator, ["status"]);
  expect(await new Response(status.stdout).text()).toContain("not registered");
  expect(await status.exited).toBe(0);
  const transfer = start(operator, ["transfer", "1", somebody]);
  expect(await new Response(transfer.stderr).text()).toContain("There is no terminal to ask on");
  expect(await transfer.exited).toBe(2);
});

// Method: no block is mined, so that the command waits; it is killed once it has said that it has sent.
test("a command that is killed loses nothing: the next one carries on, and no nonce is used twice", async () => {
  const operator = await openCliOperator(chain);
  await chain.holdMining();
  const killed = start(operator, ["transfer", "1", somebody, "--yes"]);
  const decoder = new TextDecoder();
  let text = "";
  for await (const chunk of killed.stdout) {
    text += decoder.decode(chunk, { stream: true });
    if (text.includes("sent as")) break;
  }
  killed.kill("SIGKILL");
  await killed.exited;
  await chain.automine();
  await chain.mine(1);
  goodRun(await operator.cli(["transfer", "2", somebody]));
  expect(await chain.read("LivepeerToken", "balanceOf", [somebody])).toBe(3n * 10n ** 18n);
  const events = recordedEvents(operator.dataDir).map(({ event }) => event.type);
  expect(events.filter((type) => type === "NonceReserved")).toHaveLength(2);
  expect(events.filter((type) => type === "TransactionMined")).toHaveLength(2);
});
