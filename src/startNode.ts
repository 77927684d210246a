import { createServer } from "node:net";
import type { Config } from "./config/config.ts";
import { lockDataDir } from "./events/log/lock.ts";
import { Keccak256, keccak256 } from "./native/ffi.ts";
import type { OperatorPort } from "./operator/operatorPort.ts";
import { advertisedVersion } from "./protocol/version.ts";
import type { OrchestratorNode } from "./runtime/node/orchestratorNode.ts";
import type { Edge } from "./runtime/ports.ts";
import { ensureCertificate } from "./server/certificate.ts";
import type { ListenerLimits } from "./server/limits.ts";
import { type Listener, type ListenerNotice, openListener } from "./server/listener.ts";
import { buildVersion } from "./shared/buildVersion.ts";
import { errorText } from "./shared/errors.ts";
import { once } from "./shared/once.ts";
import { type Account, mayAskForPassword, openAccount } from "./start/openAccount.ts";
import type { OpenMoney } from "./start/openMoney.ts";
import { type NodeTelemetry, openNodeTelemetry } from "./start/openNodeTelemetry.ts";
import { WaitingService } from "./start/waitingService.ts";
import type { Logger } from "./telemetry/logger.ts";
import type { LocalTranscodeWorkers, TranscodeWorkersOptions } from "./workers/openTranscodeWorkers.ts";

export { buildVersion };

export type StartOptions = {
  readonly config: Config;
  /** The account of the configuration when it is being opened already; opened here when absent. */
  readonly account?: Promise<Account>;
  /** The process must end: the log is broken for good, or a bug was found. Called at most once. */
  readonly onFatal: (error: unknown) => void;
  /**
   * Called at every step of every walk, for tests that end the process there: `decided:TYPE` before an event is
   * durable, `durable:TYPE` after it.
   */
  readonly probe?: (point: string) => void;
  /** Where log lines go; standard error when absent. */
  readonly writeLog?: (line: string) => void;
  /** Replaces the system's clock or randomness, for tests. A clock must not run behind the system's. */
  readonly edge?: Partial<Edge>;
  /** Ranges outside the public Internet that media may be fetched from, such as `10.1.0.0/16`. */
  readonly allowNetworks?: readonly string[];
  /** Bounds of the listener that differ from the defaults. */
  readonly listenerLimits?: Partial<ListenerLimits>;
  /** Settings of the workers that differ from the configured ones. */
  readonly workers?: TranscodeWorkersOptions;
};

export type RunningNode = {
  readonly node: OrchestratorNode;
  readonly listener: Listener;
  readonly operator: OperatorPort;
  readonly workers: LocalTranscodeWorkers;
  readonly logger: Logger;
  /** What gateways are told; the port is the real one when the configured one was 0. */
  readonly serviceUri: string;
  /** What was found open in the log. */
  readonly resumed: { readonly sessions: number; readonly entities: number };
  /** Null off-chain. */
  readonly money: OpenMoney | null;
  /**
   * Stops taking work, lets running segments finish (within `drainTimeoutMs`), saves and closes everything.
   * Resolves with false when the log could not take its last events: the disk refuses. Nobody was told of them.
   */
  drain(): Promise<boolean>;
};

const systemEdge: Edge = {
  nowMs: () => Date.now(),
  randomBytes: (length) => crypto.getRandomValues(new Uint8Array(length)),
  keccak256,
};

/**
 * Opens the port, then wires every room to every other: log, actors, workers, money. The port opens before anything
 * slow: what arrives until the key is unlocked and the log is read waits for the node. Nothing is decided, recorded,
 * answered or sent before that.
 *
 * @throws BaseError with what the operator can do
 */
export async function startNode(options: StartOptions): Promise<RunningNode> {
  const foundation = await layFoundation(options);
  try {
    // The larger part of the program is loaded while the port is open and the key is worked on.
    const { openForBusiness } = await import("./start/openForBusiness.ts");
    return await openForBusiness(options, foundation);
  } catch (error) {
    await foundation.listener.close();
    throw error;
  }
}

/** What there is before the node and its port: a claimed data folder. */
export type Ground = {
  readonly config: Config;
  readonly edge: Edge;
  readonly version: string;
  readonly telemetry: NodeTelemetry;
  readonly fatal: (error: unknown) => void;
  /** Null off-chain. Rejects when the key cannot be unlocked. */
  readonly account: Promise<Account> | null;
  /** Gives the data folder up. */
  readonly unlock: () => void;
};

/** What there is before the node: a claimed data folder and an open port. */
export type Foundation = Ground & {
  /** Who stands at the port; see {@link WaitingService.open}. */
  readonly service: WaitingService;
  readonly listener: Listener;
};

async function layFoundation(options: StartOptions): Promise<Foundation> {
  const ground = await layGround(options);
  using held = new DisposableStack();
  held.defer(ground.unlock);
  const service = new WaitingService();
  const listener = await openDoor(options, ground.config, service, ground.telemetry.logger);
  held.move();
  return { ...ground, service, listener };
}

/**
 * Claims the data folder, and begins to unlock the key.
 *
 * @throws BaseError with what the operator can do
 */
export async function layGround(options: StartOptions): Promise<Ground> {
  const config = await withFreePort(options.config);
  const edge: Edge = { ...systemEdge, ...options.edge };
  const version = advertisedVersion(buildVersion);
  const telemetry = await openNodeTelemetry({
    config,
    nowMs: edge.nowMs,
    version,
    buildVersion,
    writeLog: options.writeLog,
  });
  const { logger } = telemetry;
  const fatal = once((error: unknown) => {
    logger.error("The node stops", { error: error instanceof Error ? error : new Error(errorText(error)) });
    options.onFatal(error);
  });
  const account = config.chain === null ? null : (options.account ?? openAccount(config.chain));
  // It is awaited once the log is open; until then a failure is nobody's.
  account?.catch(() => undefined);
  // A person may take a minute to type: no gateway shall wait for that. And an account that does not exist is known
  // by now.
  if (config.chain !== null && mayAskForPassword(config.chain)) await account;
  else await Promise.race([account, null]);
  return { config, edge, version, telemetry, fatal, account, unlock: lockDataDir(config.storage.dataDir) };
}

async function openDoor(
  { listenerLimits }: StartOptions,
  { listener: { bind, isTls, certificateHost }, storage }: Config,
  service: WaitingService,
  logger: Logger,
): Promise<Listener> {
  return openListener({
    bind,
    tls: isTls ? await ensureCertificate(storage.dataDir, certificateHost) : null,
    service,
    createHasher: () => new Keccak256(),
    limits: listenerLimits ?? {},
    onNotice: (notice) => logNotice(logger, notice),
  });
}

/** A configured port 0 becomes a free one now, because gateways are told the port before it is bound. */
async function withFreePort(config: Config): Promise<Config> {
  const { bind } = config.listener;
  if (bind.port !== 0) return config;
  const probe = createServer();
  const port = await new Promise<number>((resolve, reject) => {
    probe.once("error", reject);
    probe.listen(0, bind.host === "" ? undefined : bind.host, () => {
      const address = probe.address();
      resolve(typeof address === "object" && address !== null ? address.port : 0);
    });
  });
  await new Promise((resolve) => probe.close(resolve));
  return {
    ...config,
    listener: { ...config.listener, bind: { ...bind, port } },
    node: { ...config.node, serviceUri: config.node.serviceUri.replace(/:0$/, `:${port}`) },
  };
}

/** What a listener has to say, in the log. */
export function logNotice(logger: Logger, notice: ListenerNotice): void {
  if (notice.type === "bug") {
    const error = notice.error instanceof Error ? notice.error : new Error(errorText(notice.error));
    logger.error("A request met a bug", { path: notice.path, error });
    return;
  }
  const { type, ...fields } = notice;
  logger.debug(`Listener: ${type}`, fields);
}
