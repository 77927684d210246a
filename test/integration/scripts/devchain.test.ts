import { afterAll, expect, setDefaultTimeout, test } from "bun:test";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { keccak256, stringToHex } from "viem";
import { findKey, unlockKey } from "../../../src/chain/keystore.ts";
import { readFlags } from "../../../src/config/readFlags.ts";
import { readLocalFile } from "../../../src/config/localFiles.ts";
import type { DevchainRecord } from "../../../scripts/devchain/folder.ts";
import { callRpc } from "../../support/chain/anvil.ts";
import { repositoryDir } from "../../support/sourceFiles.ts";
import { eventually } from "../../support/eventually.ts";

/*
 * Goal: what `bun run devchain` prints is true. Method: it is started as a process, and the chain, the key files and
 * the settings that it names are used.
 */

// Whoever comes first compiles the contracts.
setDefaultTimeout(240_000);

/** A process, the compiler, a chain and a round of blocks: seconds, and many more on a busy machine. */
const startMs = 110_000;

const folder = mkdtempSync(join(tmpdir(), "devchain-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

type Devchain = AsyncDisposable & {
  /** Everything printed so far. */
  output(): string;
  /** What it complained of, when it has ended. */
  complaint(): Promise<{ readonly code: number; readonly text: string }>;
  /** Sends an interrupt, and resolves with the exit code. */
  stop(): Promise<number>;
};

function startDevchain(...args: readonly string[]): Devchain {
  const code = `process.exit(await (await import("./scripts/devchain.ts")).main(process.argv.slice(1)))`;
  const child = Bun.spawn([process.execPath, "-e", code, "--", ...args], {
    cwd: repositoryDir,
    stdio: ["ignore", "pipe", "pipe"],
  });
  let text = "";
  const complaint = new Response(child.stderr).text();
  void (async () => {
    const decoder = new TextDecoder();
    for await (const chunk of child.stdout) text += decoder.decode(chunk, { stream: true });
  })();
  return {
    output: () => text,
    complaint: async () => ({ text: await complaint, code: await child.exited }),
    stop: async () => {
      child.kill("SIGINT");
      return child.exited;
    },
    [Symbol.asyncDispose]: async () => {
      child.kill("SIGKILL");
      await child.exited;
    },
  };
}

async function isAnswering(url: string): Promise<boolean> {
  return callRpc(url, "eth_chainId", []).then(
    () => true,
    () => false,
  );
}

test("a chain in an initialised round, keys that open, settings that the node reads; Ctrl-C ends it all", async () => {
  const out = join(folder, "json");
  await using running = startDevchain(
    "--json",
    "--port",
    "0",
    "--out",
    out,
    "--register",
    "--round-length",
    "10",
  );
  const line = await eventually("the record", () => /^(.+)\n/.exec(running.output())?.[1] ?? null, startMs);
  const record: DevchainRecord = JSON.parse(line);
  expect(await callRpc(record.url, "eth_chainId", [])).toBe("0xd431");
  const rounds = await callRpc(record.url, "eth_call", [
    { to: record.controller, data: `0xe16c7d98${keccak256(stringToHex("RoundsManager")).slice(2)}` },
    "latest",
  ]);
  const to = `0x${String(rounds).slice(-40)}`;
  const round = async () =>
    BigInt(String(await callRpc(record.url, "eth_call", [{ to, data: "0x8807f36e" }, "latest"])));
  const first = await round();
  expect(first).toBeGreaterThan(0n);
  // Registered in an earlier round: gateways are served at once.
  const bonding = await callRpc(record.url, "eth_call", [
    { to: record.controller, data: `0xe16c7d98${keccak256(stringToHex("BondingManager")).slice(2)}` },
    "latest",
  ]);
  const isActive = `${keccak256(stringToHex("isActiveTranscoder(address)")).slice(0, 10)}${record.orchestrator.account.slice(2).padStart(64, "0")}`;
  const active = await callRpc(record.url, "eth_call", [
    { to: `0x${String(bonding).slice(-40)}`, data: isActive },
    "latest",
  ]);
  expect(BigInt(String(active))).toBe(1n);
  // The keeper starts the next one.
  await eventually("the next round", async () => ((await round()) > first ? true : null), startMs);

  const password = readFileSync(record.passwordFile, "utf8").trim();
  for (const { account, keystore } of [record.orchestrator, record.gateway]) {
    const key = await unlockKey(findKey(keystore, null), password);
    expect(`0x${Buffer.from(key.account).toString("hex")}`).toBe(account);
  }
  const flags = readFlags(["-config", record.nodeConfig], {}, readLocalFile);
  expect(flags.mistakes).toEqual([]);
  expect(flags.values.ethController).toBe(record.controller);
  expect(readFlags(record.nodeFlags, {}, readLocalFile).values).toEqual({ ...flags.values, config: "" });

  expect(await running.stop()).toBe(0);
  expect(await isAnswering(record.url)).toBe(false);
});

test("people are told which commands to type, and what happens on the chain", async () => {
  const out = join(folder, "text");
  await using running = startDevchain("--port", "0", "--out", out, "--round-length", "10", "--pool", "2");
  const text = await eventually(
    "a round",
    () => (/ NewRound {2}round \d+/.test(running.output()) ? running.output() : null),
    startMs,
  );
  for (const words of [
    `bun run orchestrator -- -config ${join(out, "node.conf")}`,
    "-network devnet",
    "-blockPollingInterval 1",
    "bun run cli register 5000 --rewardCut 10 --feeCut 95 --serviceUri https://",
    `bun run devchain stream 60 --out ${out}`,
    "livepeer -gateway -network devnet -ethUrl http://127.0.0.1:",
    `bun run tickets list --dataDir ${join(out, "node")}`,
  ]) {
    expect(text).toContain(words);
  }
});

test("a folder of somebody else is left alone; mistakes are named", async () => {
  const out = join(folder, "somebody");
  await Bun.write(join(out, "thesis.txt"), "years of work");
  await using other = startDevchain("--port", "0", "--out", out);
  expect(await other.complaint()).toMatchObject({
    code: 1,
    text: expect.stringContaining("not of an earlier devchain"),
  });
  expect(readFileSync(join(out, "thesis.txt"), "utf8")).toBe("years of work");
  await using mistaken = startDevchain("--round-length", "many");
  expect(await mistaken.complaint()).toMatchObject({ code: 2, text: expect.stringContaining("roundLength") });
});
