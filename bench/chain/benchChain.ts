import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { accountOfPrivateKey } from "../../src/native/ffi.ts";
import { toHex } from "../../src/protocol/bytes.ts";
import { bigintOfBytes } from "../../src/protocol/integerBytes.ts";
import { ZERO } from "../../src/protocol/rational.ts";
import { type DevChain, type DevChainOptions, startDevChain } from "../../test/support/chain/devChain.ts";
import { writeKeystore } from "../../test/support/keystores.ts";
import { PayingGateway, type PayingGatewayOptions } from "../../test/support/payingGateway.ts";
import { type NodeProcess, startNodeProcess } from "../nodeProcess.ts";
import { argument } from "../support.ts";

/*
 * A local chain with one orchestrator of ours in a pool, real node processes on it, and gateways that pay them. Shared
 * by the parts of `bench/chain.ts`.
 */

/** A line of the printed table. */
export type Figure = readonly [name: string, value: string];

const ether = 10n ** 18n;
const nodeKey = new Uint8Array(32).fill(0x0d);
const ticketEv = 8_000_000_000n;
let gatewaysMade = 0;

export type BenchChain = AsyncDisposable & {
  readonly chain: DevChain;
  /** Our orchestrator. */
  readonly account: Uint8Array;
  /** A new folder for a node. */
  dataDir(): string;
  /** A node in a process of its own. It polls every 12 s unless the flags say otherwise. */
  start(dataDir: string, flags?: readonly string[]): Promise<NodeProcess>;
  /** A gateway with an ether of deposit and reserve, which has opened no session. */
  gateway(serviceUri: string, options?: Partial<PayingGatewayOptions>): Promise<PayingGateway>;
  /** Resolves with the time when it is so; asks the chain itself every 20 ms, past the endpoint that is measured. */
  when(what: string, isSo: () => Promise<boolean>, withinMs?: number): Promise<number>;
  /** Mines a block every so often, and leaves transactions to be mined at once, as on an L2. Returns what ends it. */
  pump(everyMs: number): () => void;
};

export type BenchChainOptions = DevChainOptions & {
  /** Orchestrators in the pool, ours included. Default 1. */
  readonly pool?: number;
  /** scrypt's cost of the node's key file. */
  readonly keyCost?: number;
};

/** Starts the chain and registers the orchestrators; the chain stands in their first active round. */
export async function openBenchChain({
  pool = 1,
  keyCost,
  ...options
}: BenchChainOptions): Promise<BenchChain> {
  const dir = mkdtempSync(join(argument("dir") ?? tmpdir(), "reprise-bench-chain-"));
  const chain = await startDevChain(options);
  const account = accountOfPrivateKey(nodeKey);
  await chain.register(account, 5_000n * ether);
  if (pool > 1) await chain.addOrchestrators(pool - 1);
  await chain.nextRound();
  const keystore = writeKeystore(join(dir, "keystore"), nodeKey, "bench", keyCost);
  const nodes: { readonly stop: () => Promise<void>; readonly hasEnded: () => boolean }[] = [];
  const gateways: PayingGateway[] = [];
  let folders = 0;
  const folder = (count: number): string => join(dir, `data-${count}`);
  /** The end of each node's log. */
  const words = (): string =>
    Array.from({ length: folders }, (_, index) => join(folder(index + 1), "node.log"))
      .filter((path) => existsSync(path))
      .map((path) => readFileSync(path, "utf8").slice(-4_000))
      .join("\n");
  return {
    ...{ chain, account },
    dataDir: () => {
      folders += 1;
      return folder(folders);
    },
    start: async (dataDir, flags = []) => {
      const node = await startNodeProcess(dataDir, [
        ...["-network", "bench", "-ethUrl", chain.rpc.url, "-ethController", chain.controller],
        ...["-ethKeystorePath", keystore, "-ethAcctAddr", toHex(account), "-ethPassword", "bench"],
        ...["-pricePerUnit", "1200", "-autoAdjustPrice=false", "-ticketEV", `${ticketEv}`],
        // As good as every ticket wins.
        ...["-maxFaceValue", `${ticketEv + 1n}`, "-confirmations", "2", "-workers", "1", ...flags],
      ]);
      let isStopped = false;
      const stop = async (): Promise<void> => {
        isStopped = true;
        await node.stop();
      };
      // Whoever measures a node that has ended on its own measures nothing.
      nodes.push({ stop, hasEnded: () => !isStopped && !isAlive(node.pid) });
      return { ...node, stop };
    },
    gateway: async (serviceUri, gatewayOptions = {}) => {
      gatewaysMade += 1;
      const privateKey = new Uint8Array(32).fill(0x21);
      new DataView(privateKey.buffer).setUint32(28, gatewaysMade);
      await chain.fund(accountOfPrivateKey(privateKey), ether, ether);
      const gateway = new PayingGateway({
        ...{ serviceUri, privateKey },
        funds: () => ({ deposit: ether, reserve: ether, withdrawRound: 0n }),
        clock: async () => ({
          lastSeenL1Block: await chain.blockNumber(),
          ...{ lastRound: 1n, lastRoundHash: new Uint8Array(32).fill(1) },
        }),
        ...gatewayOptions,
      });
      gateways.push(gateway);
      return gateway;
    },
    when: async (what, isSo, withinMs = 120_000) => {
      const startedMs = performance.now();
      while (!(await isSo())) {
        if (nodes.some((node) => node.hasEnded())) throw new Error(`A node has ended:\n${words()}`);
        if (performance.now() - startedMs > withinMs) {
          throw new Error(`Not within ${withinMs} ms: ${what}. The nodes said:\n${words()}`);
        }
        await Bun.sleep(20);
      }
      return performance.now();
    },
    pump: (everyMs) => {
      const timer = setInterval(() => void chain.mine(1), everyMs);
      return () => clearInterval(timer);
    },
    [Symbol.asyncDispose]: async () => {
      for (const gateway of gateways) await gateway[Symbol.asyncDispose]();
      for (const node of nodes) await node.stop();
      await chain[Symbol.asyncDispose]();
      rmSync(dir, { recursive: true, force: true });
    },
  };
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

/** Opens a session; the node may not have read its chain yet. */
export async function openSession(gateway: PayingGateway): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    try {
      await gateway.open();
      return;
    } catch (error) {
      if (attempt === 100) throw error;
      await Bun.sleep(100);
    }
  }
}

/** Pays with `count` tickets that all win. Returns the L1 block from which they may be redeemed. */
export async function win(gateway: PayingGateway, count: number): Promise<bigint> {
  const params = gateway.info.ticketParams;
  const session = gateway.info.authToken?.sessionId ?? "";
  const { answer } = await gateway.sendPayment(session, ZERO, { count });
  if (answer.type !== "answer") throw new Error(`The payment was refused: ${answer.text}`);
  return bigintOfBytes(params?.expirationBlock ?? new Uint8Array(0));
}

/** How many tickets the broker has redeemed since a block. */
export async function redeemedSince(chain: DevChain, block: bigint): Promise<number> {
  return (await chain.logs("TicketBroker", "WinningTicketRedeemed", block)).length;
}

/** Such as `3.2 s`. */
export function seconds(ms: number): string {
  return `${(ms / 1_000).toFixed(1)} s`;
}
