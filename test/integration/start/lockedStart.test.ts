import { afterAll, expect, test } from "bun:test";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { ChainConfig, Config } from "../../../src/config/config.ts";
import { GatewayClient } from "../../../src/demo/gatewayClient.ts";
import { lockDataDir } from "../../../src/events/log/lock.ts";
import { isPersonalSignatureOf } from "../../../src/native/ffi.ts";
import { pingMessage } from "../../../src/protocol/ping.ts";
import { type Account, openAccount } from "../../../src/start/openAccount.ts";
import { type RunningNode, startNode } from "../../../src/startNode.ts";
import { eventually } from "../../support/eventually.ts";
import { standardCost, writeKeystore } from "../../support/keystores.ts";
import { freePort, nodeConfig } from "../../support/nodeFixture.ts";
import { recordedEvents } from "../../support/nodeLog.ts";
import { accountOfPrivateKey } from "../../support/signatures.ts";
import { repositoryDir } from "../../support/sourceFiles.ts";

/*
 * Goal: on a chain the port is open before the key is unlocked; until then nothing is answered and nothing recorded,
 * and without the right key the node ends as if the port had never been open. Method: whole nodes, whose key comes
 * when the test says so; and a process with a pass phrase that is wrong.
 */

const root = mkdtempSync(join(tmpdir(), "reprise-locked-"));
afterAll(() => rmSync(root, { recursive: true, force: true }));

const privateKey = new Uint8Array(32).fill(0x21);
/** Nobody listens there: the chain cannot be read. */
const chainFlags = [
  ...["-network", "arbitrum-one-mainnet", "-ethUrl", "http://127.0.0.1:1", "-pricePerUnit", "1"],
];
const challenge = new Uint8Array(32).fill(5);

type LockedStart = {
  readonly config: Config & { readonly chain: ChainConfig };
  readonly port: number;
  readonly dataDir: string;
  readonly account: PromiseWithResolvers<Account>;
  readonly starting: Promise<RunningNode>;
  readonly client: GatewayClient;
};

/** A node that waits for its key, and whose port is open. */
async function startLocked(name: string): Promise<LockedStart> {
  const dataDir = join(root, name);
  writeKeystore(join(dataDir, "keystore"), privateKey, "right");
  const port = await freePort();
  const config = nodeConfig([
    ...[
      "-dataDir",
      dataDir,
      "-serviceAddr",
      `127.0.0.1:${port}`,
      "-cliAddr",
      `127.0.0.1:${await freePort()}`,
    ],
    ...["-capacity", "1000000000", "-ethPassword", "right", ...chainFlags],
  ]);
  const { chain } = config;
  if (chain === null) throw new Error("no chain in the config");
  const account = Promise.withResolvers<Account>();
  const starting = startNode({
    config,
    account: account.promise,
    onFatal: () => {},
    writeLog: () => {},
  });
  starting.catch(() => {});
  await eventually("an open port", async () => ((await accepts(port)) ? true : null));
  const client = new GatewayClient({ serviceUri: `https://127.0.0.1:${port}`, callTimeoutMs: 20_000 });
  return { config: { ...config, chain }, port, dataDir, account, starting, client };
}

function accepts(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1");
    socket
      .once("error", () => resolve(false))
      .once("connect", () => {
        socket.destroy();
        resolve(true);
      });
  });
}

async function health(port: number): Promise<[number, string]> {
  const answer = await fetch(`https://127.0.0.1:${port}/healthz`, { tls: { rejectUnauthorized: false } });
  return [answer.status, (await answer.text()).trim()];
}

/** Null while there is no log that can be read. */
function eventsOrNull(dataDir: string): ReturnType<typeof recordedEvents> | null {
  try {
    return recordedEvents(dataDir);
  } catch {
    return null;
  }
}

test("a request that comes before the key waits for it, and nothing is recorded before", async () => {
  const { config, port, dataDir, account, starting, client } = await startLocked("waits");
  let isAnswered = false;
  const pong = client.ping(challenge).finally(() => {
    isAnswered = true;
  });
  expect(await health(port)).toEqual([503, "The node is starting."]);
  expect(await eventually("an open log", () => eventsOrNull(dataDir))).toEqual([]);
  expect(await health(port)).toEqual([503, "The node is starting."]);
  expect(isAnswered).toBe(false);
  expect(recordedEvents(dataDir)).toEqual([]);

  account.resolve(await openAccount(config.chain, { ask: null }));
  const signature = await pong;
  const own = accountOfPrivateKey(privateKey);
  expect(isPersonalSignatureOf(pingMessage(challenge) ?? challenge, signature, own)).toBe(true);
  const running = await starting;
  expect(await health(port)).toEqual([200, ""]);
  expect(recordedEvents(dataDir).length).toBeGreaterThan(0);
  await client.close();
  expect(await running.drain()).toBe(true);
});

test("a key that cannot be unlocked ends the start: port and folder are free, and nobody was answered", async () => {
  const { port, dataDir, account, starting, client } = await startLocked("refused");
  const pong = client.ping(challenge);
  pong.catch(() => {});
  expect(await health(port)).toEqual([503, "The node is starting."]);
  account.reject(new Error("wrong pass phrase"));
  await expect(starting).rejects.toThrow("wrong pass phrase");
  await expect(pong).rejects.toThrow();
  expect(await accepts(port)).toBe(false);
  expect(recordedEvents(dataDir)).toEqual([]);
  lockDataDir(dataDir)();
  await client.close();
});

test("chain checks 43 and 44: a wrong pass phrase ends the process with its words and status 1; for an account without a key nothing is even begun", async () => {
  const keystore = writeKeystore(join(root, "keystore"), privateKey, "right", standardCost);
  const run = async (name: string, ...flags: readonly string[]) => {
    const dataDir = join(root, name);
    const child = Bun.spawn(
      [
        ...[process.execPath, join(repositoryDir, "src/main.ts"), "-dataDir", dataDir],
        ...["-serviceAddr", `127.0.0.1:${await freePort()}`, "-cliAddr", `127.0.0.1:${await freePort()}`],
        ...[...chainFlags, "-ethKeystorePath", keystore, ...flags],
      ],
      { cwd: repositoryDir, stdin: "ignore", stdout: "pipe", stderr: "pipe" },
    );
    const texts = [child.stdout, child.stderr].map((stream) => new Response(stream).text());
    const [out = "", err = ""] = await Promise.all(texts);
    return { code: await child.exited, out, err, dataDir };
  };
  const wrong = await run("wrong", "-ethPassword", "wrong");
  expect(wrong.code).toBe(1);
  expect(wrong.err).toContain("\ncould not decrypt key with given password Check `-ethPassword`");
  expect(wrong.out).not.toContain("it listens on");
  // How far it had come with its log when the key was refused is chance.
  expect(eventsOrNull(wrong.dataDir) ?? []).toEqual([]);

  const unknown = await run("unknown", "-ethPassword", "right", "-ethAcctAddr", `0x${"99".repeat(20)}`);
  expect(unknown.code).toBe(1);
  expect(unknown.err).toContain("there is no key for the account 0x9999");
  expect(() => readdirSync(unknown.dataDir)).toThrow();
}, 30_000);
