import { homedir } from "node:os";
import { readLocalFile } from "./config/localFiles.ts";
import { parseConfig } from "./config/parseConfig.ts";
import type { Config } from "./config/config.ts";
import { checksumHex } from "./protocol/account.ts";
import { BaseError, errorText } from "./shared/errors.ts";
import { buildVersion } from "./shared/buildVersion.ts";
import { openAccount } from "./start/openAccount.ts";
import type { RunningNode } from "./startNode.ts";

/** Length of the demonstration's stream. */
const demoSeconds = 20;

/**
 * `bun run orchestrator`: reads the configuration, starts the node, tells the operator where it listens, and
 * ends when told to. Resolves with the exit code.
 */
export async function main(argv: readonly string[]): Promise<number> {
  const parsed = parseConfig({
    argv,
    env: process.env,
    readFile: readLocalFile,
    homeDir: homedir(),
    build: {
      version: buildVersion,
      runtime: `bun ${Bun.version}`,
      architecture: process.arch,
      operatingSystem: process.platform,
    },
  });
  if (parsed.type === "mistakes") {
    process.stderr.write(parsed.text);
    return parsed.exitCode;
  }
  if (parsed.type !== "config") {
    process.stdout.write(parsed.text);
    return 0;
  }
  process.stdout.write(parsed.settingsTable);
  for (const notice of parsed.notices) process.stderr.write(`${notice}\n`);
  const stop = Promise.withResolvers<number>();
  try {
    // A pass phrase takes half a second of one core: it is worked on while the rest of the program loads.
    const { chain } = parsed.config;
    const account = chain === null ? null : openAccount(chain);
    account?.catch(() => undefined);
    if (parsed.config.node.role === "redeemer") {
      const { runRedeemer } = await import("./start/runRedeemer.ts");
      return await runRedeemer(parsed.config, account, stopOnSignals);
    }
    const { startNode } = await import("./startNode.ts");
    const running = await startNode({
      config: parsed.config,
      ...(account === null ? {} : { account }),
      onFatal: () => stop.resolve(1),
    });
    // Whoever reads that the node runs may stop it at once.
    stopOnSignals(running, stop.resolve);
    announce(parsed.config, running);
    if (parsed.config.demo.isOn) void demo(parsed.config, running).then(stop.resolve, stop.reject);
    else if (parsed.config.workers.pixelsPerSecond === null) void running.workers.measureCapacity();
    if (parsed.config.node.isAvailabilityChecked)
      void checkAvailability(parsed.config, running, stop.resolve);
    const code = await stop.promise;
    // A broken log cannot be drained: memory is ahead of the disk, and the disk is right.
    if (code !== 0 && !parsed.config.demo.isOn) return code;
    const isSaved = await running.drain();
    return isSaved ? code : 1;
  } catch (error) {
    process.stderr.write(`${error instanceof BaseError ? error.message : errorText(error)}\n`);
    return 1;
  }
}

function announce(config: Config, running: RunningNode): void {
  const { bind, isTls } = config.listener;
  const host = bind.host === "" ? "all interfaces" : bind.host;
  const lines = [
    "",
    `Reprise ${buildVersion} is an orchestrator on the ${config.chain === null ? "off-chain network" : `network ${config.chain.network}`}.`,
    `  gateways reach it at   ${running.serviceUri === "" ? "(other nodes only)" : running.serviceUri}`,
    `  it listens on          ${host}, port ${running.listener.port}${isTls ? " (TLS)" : " (clear text)"}`,
    `  operators reach it at  http://${running.operator.address.host}:${running.operator.address.port}`,
    `  its event log is in    ${config.storage.dataDir}`,
    ...moneyLines(config, running),
    ...(running.resumed.sessions > 0
      ? [`  it resumed             ${running.resumed.sessions} open sessions`]
      : []),
    "",
    "Try next:",
    "  bun run orchestrator -- --demo",
    "      streams a sample through a node and checks the result",
    `  livepeer -gateway -orchAddr ${running.serviceUri || "URI"}`,
    "      points a go-livepeer gateway at it",
    `  bun run replay list --dataDir ${config.storage.dataDir}`,
    "      shows what happened",
    ...(config.chain === null
      ? []
      : [
          `  bun run tickets list --dataDir ${config.storage.dataDir}`,
          "      shows the winning tickets, their deadlines and what is at risk",
          `  bun run ledger --dataDir ${config.storage.dataDir}`,
          "      shows what was sold, paid and used",
        ]),
    "Stop it with Ctrl-C: running segments finish first.",
    "",
  ];
  process.stdout.write(`${lines.join("\n")}\n`);
}

/** Who is paid, and what is asked for. Nothing off-chain. */
function moneyLines({ pricing }: Config, { money }: RunningNode): readonly string[] {
  if (money === null || pricing === null) return [];
  const { account } = money.chainForOperator;
  const { recipient } = money.chain;
  const winners = money.money.solvency.totals();
  return [
    `  it signs as            ${checksumHex(account)}`,
    `  tickets are paid to    ${checksumHex(recipient)}`,
    `  it asks for            ${pricing.base.wording} a pixel${pricing.isAutoAdjusted ? ", and the cost of redemption" : ""}`,
    ...(winners.count > 0
      ? [`  it holds               ${winners.count} winning tickets worth ${winners.outstanding} wei`]
      : []),
  ];
}

/** A node that its own service address does not lead to would wait for gateways that cannot come. */
async function checkAvailability(
  config: Config,
  running: RunningNode,
  stop: (code: number) => void,
): Promise<void> {
  const { isAvailable } = await import("./start/isAvailable.ts");
  if (running.serviceUri === "" || (await isAvailable(running.serviceUri, running.logger))) return;
  const { host, port } = config.listener.bind;
  running.logger.error(
    `Orchestrator not available at ${running.serviceUri} (${host}:${port}) via grpc ping; shutting down. ` +
      "Correct -serviceAddr, or give -startupAvailabilityCheck=false when this machine cannot reach its public address.",
  );
  stop(1);
}

/** A terminal's Ctrl-C arrives twice, once from the terminal and once passed on by `bun run`. */
const sameSignalMs = 500;

/** The first signal drains; a second one ends at once. */
function stopOnSignals(running: Pick<RunningNode, "logger">, stop: (code: number) => void): void {
  let firstMs: number | null = null;
  const onSignal = (signal: string): void => {
    const nowMs = performance.now();
    if (firstMs !== null) {
      if (nowMs - firstMs > sameSignalMs) process.exit(130);
      return;
    }
    firstMs = nowMs;
    running.logger.info("Stopping: running segments finish first; a second signal ends at once", { signal });
    stop(0);
  };
  process.on("SIGINT", onSignal);
  process.on("SIGTERM", onSignal);
}

async function demo(config: Config, running: RunningNode): Promise<number> {
  const { runDemo } = await import("./demo/demo.ts");
  await running.workers.whenReady();
  const { ok } = await runDemo({
    serviceUri: running.serviceUri,
    dataDir: config.storage.dataDir,
    seconds: demoSeconds,
    print: (line) => {
      process.stdout.write(`${line}\n`);
    },
  });
  return ok ? 0 : 1;
}

if (import.meta.main) process.exit(await main(process.argv.slice(2)));
