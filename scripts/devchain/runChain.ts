import { lookup } from "node:dns/promises";
import { hostname, networkInterfaces } from "node:os";
import { parseEther } from "viem";
import { type DevChain, startDevChain } from "../../test/support/chain/devChain.ts";
import { type DevchainRecord, gateway, orchestrator, pathsIn, prepareFolder, writeRecord } from "./folder.ts";
import type { ChainOptions } from "./options.ts";
import { introduction } from "./introduction.ts";
import { logLines } from "./logLines.ts";

const servicePort = 8935;

/**
 * Starts a chain with accounts and key files, says what to do with it, and keeps its rounds going until `stop` fires.
 *
 * @throws Error when the port is taken or the folder is somebody else's
 */
export async function runChain(
  options: ChainOptions,
  print: (line: string) => void,
  stop: AbortSignal,
): Promise<void> {
  if (options.port !== 0 && (await isTaken(options.port))) {
    throw new Error(`port ${options.port} is taken. Name another one with --port.`);
  }
  prepareFolder(options.outDir);
  await using chain = await startDevChain({ port: options.port, roundLength: options.roundLength });
  const serviceAddr = `${await ownHost()}:${servicePort}`;
  await fillChain(chain, options, serviceAddr);
  await chain.interval(options.blockTimeS);
  const record = recordOf(chain, options, serviceAddr);
  writeRecord(options.outDir, record);
  if (options.isJson) print(JSON.stringify(record));
  else for (const line of introduction(record, options)) print(line);
  await keepGoing(chain, options, options.isJson ? () => undefined : print, stop);
}

async function fillChain(chain: DevChain, options: ChainOptions, serviceAddr: string): Promise<void> {
  const gatewayAccount = Uint8Array.from(Buffer.from(gateway.account.slice(2), "hex"));
  await chain.fund(gatewayAccount, parseEther("10"), parseEther("10"));
  await chain.giveEther(gateway.account, parseEther("90"));
  await chain.giveEther(orchestrator.account, parseEther("100"));
  await chain.giveTokens(orchestrator.account, parseEther("10000"));
  await chain.forgetPoolSize();
  if (options.poolSize > 0) await chain.addOrchestrators(options.poolSize);
  if (options.isRegistered) {
    await chain.register(orchestrator.account, parseEther("5000"), {
      rewardCut: 100_000n,
      feeShare: 50_000n,
      serviceUri: `https://${serviceAddr}`,
    });
    await chain.nextRound();
  }
}

function recordOf(chain: DevChain, options: ChainOptions, serviceAddr: string): DevchainRecord {
  const paths = pathsIn(options.outDir);
  const url = chain.anvil.url;
  return {
    ...{ url, chainId: Number(chain.chainId), controller: chain.controller },
    ...{ aiServiceRegistry: chain.aiServiceRegistry, pollCreator: chain.pollCreator },
    ...{ roundLength: Number(options.roundLength), blockTimeS: options.blockTimeS, serviceAddr },
    orchestrator: { account: orchestrator.account, keystore: paths.orchestratorKeys },
    gateway: { account: gateway.account, keystore: paths.gatewayKeys },
    passwordFile: paths.password,
    nodeFlags: [
      ...["-network", "devnet", "-ethUrl", url, "-ethController", chain.controller],
      ...["-ethKeystorePath", paths.orchestratorKeys, "-ethAcctAddr", orchestrator.account],
      ...["-ethPassword", paths.password, "-blockPollingInterval", "1"],
      // Several tickets a segment, of which every tenth wins: a newcomer should see one.
      ...["-pricePerUnit", "12000", "-maxFaceValue", "80000000000"],
      ...["-serviceAddr", serviceAddr, "-dataDir", paths.nodeData],
    ],
    nodeConfig: paths.nodeConfig,
  };
}

/** Starts each round, and says what happens on the chain. */
async function keepGoing(
  chain: DevChain,
  options: ChainOptions,
  print: (line: string) => void,
  stop: AbortSignal,
): Promise<void> {
  const stopped = new Promise<void>((resolve) => {
    if (stop.aborted) resolve();
    stop.addEventListener("abort", () => resolve(), { once: true });
  });
  let told = await chain.blockNumber();
  while (!stop.aborted) {
    await Promise.race([stopped, Bun.sleep(Math.min(options.blockTimeS, 1) * 1_000)]);
    if (stop.aborted) return;
    const head = await chain.blockNumber();
    if (head > told) {
      for (const line of await logLines(chain, told + 1n, head)) print(line);
      told = head;
    }
    if (options.hasKeeper && !(await chain.read("RoundsManager", "currentRoundInitialized", []))) {
      // Somebody else may be faster: then this one fails, and nothing is lost.
      await chain.write("RoundsManager", "initializeRound", []).catch(() => undefined);
    }
  }
}

/** A name of this machine that may be registered: `bun run cli` refuses loopback addresses. */
async function ownHost(): Promise<string> {
  const found = await lookup(hostname()).catch(() => null);
  if (found !== null) return hostname();
  const addresses = Object.values(networkInterfaces()).flatMap((each) => each ?? []);
  const own = addresses.find(({ family, internal }) => family === "IPv4" && !internal);
  return own?.address ?? "127.0.0.1";
}

async function isTaken(port: number): Promise<boolean> {
  const socket = await Bun.connect({
    hostname: "127.0.0.1",
    port,
    socket: { data: () => undefined, error: () => undefined },
  }).catch(() => null);
  socket?.end();
  return socket !== null;
}
