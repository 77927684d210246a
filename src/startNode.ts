import { createServer } from "node:net";
import { allKinds } from "./actors/allKinds.ts";
import { offchainIdentity } from "./chain/offchainIdentity.ts";
import type { Config } from "./config/config.ts";
import { loadTokenSecret } from "./config/tokenKeyFile.ts";
import { lockDataDir } from "./events/log/lock.ts";
import { type OpenLog, openLog } from "./events/log/openLog.ts";
import { Keccak256, keccak256 } from "./native/ffi.ts";
import type { OperatorPort } from "./operator/operatorPort.ts";
import { advertisedCapabilities } from "./protocol/advertised.ts";
import { type HmacSha256, tokenKey } from "./protocol/authToken.ts";
import { capability } from "./protocol/capability.ts";
import { advertisedVersion } from "./protocol/version.ts";
import { Host } from "./runtime/host.ts";
import { transactionEffects } from "./runtime/chain/transactionDesk.ts";
import { accountEffects } from "./runtime/money/money.ts";
import { OrchestratorNode } from "./runtime/node/orchestratorNode.ts";
import { RenditionStore } from "./runtime/node/renditionStore.ts";
import { SegmentWork } from "./runtime/node/segmentWork.ts";
import type { Edge } from "./runtime/ports.ts";
import { ensureCertificate } from "./server/certificate.ts";
import type { ListenerLimits } from "./server/limits.ts";
import { type Listener, type ListenerNotice, openListener } from "./server/listener.ts";
import { buildVersion } from "./shared/buildVersion.ts";
import { errorText } from "./shared/errors.ts";
import { type Account, openAccount } from "./start/openAccount.ts";
import { type OpenMoney, openMoney } from "./start/openMoney.ts";
import { type NodeTelemetry, openNodeTelemetry } from "./start/openNodeTelemetry.ts";
import { openOperator } from "./start/openOperator.ts";
import { openOutside } from "./start/openOutside.ts";
import { openWorkers } from "./start/openWorkers.ts";
import { WorkerHealth } from "./start/workerHealth.ts";
import type { Logger } from "./telemetry/logger.ts";
import { residentBytesOf } from "./telemetry/processMetrics.ts";
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

const nativeHmacSha256: HmacSha256 = (key, message) =>
  new Uint8Array(new Bun.CryptoHasher("sha256", key).update(message).digest());

/** Optional capabilities of the software codec: what the peer's own software node decodes. */
const softwareCapabilities = [
  capability.vp8Decode,
  capability.h264Decode444,
  capability.h264Decode422,
  capability.h264Decode444TenBit,
  capability.h264Decode422TenBit,
  capability.h264Decode420TenBit,
];

/** How long open connections may take to end once all work is done. */
const connectionsEndMs = 1_000;
/** How long a full disk may keep the node from ending. */
const lastCommitMs = 5_000;

/**
 * Wires every room to every other and opens the node for business: log, actors, workers, listener. The port
 * opens before anything slow is measured.
 *
 * @throws BaseError with what the operator can do
 */
export async function startNode(options: StartOptions): Promise<RunningNode> {
  const config = await withFreePort(options.config);
  const edge: Edge = { ...systemEdge, ...options.edge };
  const version = advertisedVersion(buildVersion);
  const { nowMs } = edge;
  const telemetry = await openNodeTelemetry({
    config,
    nowMs,
    version,
    buildVersion,
    writeLog: options.writeLog,
  });
  const { logger } = telemetry;
  const fatal = once((error: unknown) => {
    logger.error("The node stops", { error: error instanceof Error ? error : new Error(errorText(error)) });
    options.onFatal(error);
  });
  const account = config.chain === null ? null : await (options.account ?? openAccount(config.chain));
  const unlock = lockDataDir(config.storage.dataDir);
  const log = await openLogAt(config.storage.dataDir, telemetry, fatal);
  const outside = openOutside(config, edge, logger, options.allowNetworks ?? []);
  const health = new WorkerHealth();
  const workers = openWorkers(config, logger, telemetry.reprise, {
    ...options.workers,
    onEvent: (event) => {
      health.note(event);
      options.workers?.onEvent?.(event);
    },
  });
  const core = buildCore({
    ...{ options, config, edge, version, telemetry, log, outside, workers, health, account, fatal },
  });
  const { node, host, money, entities } = core;
  const sessions = node.resume();
  await money?.ready();
  if (money !== null) {
    const tickets = money.money.tickets.open();
    telemetry.events.resumeMoney({ accounts: host.idsOf("account"), tickets });
    telemetry.events.resumeTransactions(log.reader.transactions({ states: ["planned", "sent", "mined"] }));
    logger.info("Money was taken up where the log left it", money.resumed);
  }
  await host.committed();
  const listener = await openListener({
    bind: config.listener.bind,
    tls: config.listener.isTls
      ? await ensureCertificate(config.storage.dataDir, config.listener.certificateHost)
      : null,
    service: node,
    createHasher: () => new Keccak256(),
    limits: options.listenerLimits ?? {},
    onNotice: (notice) => logNotice(logger, notice),
  });
  const operator = await openOperator({ config, node, telemetry, version, money });
  readGauges(telemetry, node, workers);
  return {
    node,
    listener,
    operator,
    workers,
    logger,
    serviceUri: config.node.serviceUri,
    resumed: { sessions, entities },
    money,
    drain: once(async () => {
      node.drain();
      await within(config.node.drainTimeoutMs, async () => {
        while (node.isOwing) await Bun.sleep(20);
      });
      await within(connectionsEndMs, () => listener.drain());
      await listener.close();
      await operator.close();
      await workers.stop();
      await money?.close();
      host.stop();
      node.stop();
      const isSaved = await within(lastCommitMs, async () => {
        await host.committed();
        host.saveSnapshots();
        await log.close();
      });
      if (!isSaved) logger.error("The event log could not take its last events", { waitedMs: lastCommitMs });
      await telemetry.tracer.close();
      unlock();
      return isSaved;
    }),
  };
}

type CoreParts = {
  readonly options: StartOptions;
  readonly config: Config;
  readonly edge: Edge;
  readonly version: string;
  readonly telemetry: NodeTelemetry;
  readonly log: OpenLog;
  readonly outside: ReturnType<typeof openOutside>;
  readonly workers: LocalTranscodeWorkers;
  readonly health: WorkerHealth;
  /** Null off-chain. */
  readonly account: Account | null;
  readonly fatal: (error: unknown) => void;
};

/** The node without its doors: work, host, money, decisions. */
function buildCore(parts: CoreParts): {
  readonly node: OrchestratorNode;
  readonly host: Host;
  /** Null off-chain. */
  readonly money: OpenMoney | null;
  /** Loaded from the log. */
  readonly entities: number;
} {
  const { config, edge, version, telemetry, log, outside, workers, account, fatal } = parts;
  const identity = account?.identity ?? offchainIdentity;
  const { serviceUri } = config.node;
  const { objectStore } = outside;
  const renditions = new RenditionStore();
  let node: OrchestratorNode | null = null;
  let money: OpenMoney | null = null;
  const work = new SegmentWork({
    edge,
    identity,
    workers,
    objectStore,
    renditions,
    serviceUri,
    version,
    harmfulInputs: log.reader.harmfulInputs(1),
    fees: {
      debit: (jobId, units, origin) => money?.money.accounts.debit(jobId, units, origin),
      release: (jobId, origin) => money?.money.accounts.release(jobId, origin),
    },
    onSessionReleased: (stream) => node?.sessionReleased(stream),
    onFault: fatal,
  });
  const { probe } = parts.options;
  const host = new Host({
    kinds: allKinds,
    effects: {
      ...work.effects,
      ...accountEffects(() => money?.money.accounts ?? null),
      ...transactionEffects(() => money?.office.transactions ?? null),
    },
    journal: log.journal,
    reader: log.reader,
    views: log.views,
    edge,
    onRecorded: (recorded) => {
      telemetry.events.onRecorded(recorded);
      if (probe === undefined) return;
      probe(`decided:${recorded.event.type}`);
      log.journal.afterCommit(() => probe(`durable:${recorded.event.type}`));
    },
    onFault: fatal,
  });
  work.attach(host);
  const { entities } = host.start();
  money = openMoneyOf(parts, host);
  const secret = loadTokenSecret(config.storage.dataDir, edge.randomBytes);
  node = new OrchestratorNode({
    edge,
    identity,
    serviceUri,
    nodes: config.node.nodes,
    version,
    capabilities: capabilitiesOf(config, version),
    tokenKeys: { keys: [tokenKey(secret, nativeHmacSha256)], hmac: nativeHmacSha256 },
    maxSessions: config.node.maxSessions,
    pixelsPerSecond: config.workers.pixelsPerSecond,
    host,
    reader: log.reader,
    work,
    workers,
    renditions,
    objectStore,
    mediaFetcher: outside.mediaFetcher,
    authorizer: outside.authorizer,
    till: money?.money.till ?? null,
    logRefusal: () => log.journal.refusal,
    workersProblem: () => parts.health.problem,
    newTraceId: () => telemetry.events.begin(),
  });
  return { node, host, money, entities };
}

function openMoneyOf(
  { config, edge, telemetry, log, account, fatal }: CoreParts,
  host: Host,
): OpenMoney | null {
  const { chain, pricing, storage } = config;
  if (chain === null || pricing === null || account === null) return null;
  return openMoney({
    ...{ chain, pricing, account, host, edge, dataDir: storage.dataDir, reader: log.reader },
    hmac: nativeHmacSha256,
    telemetry,
    onFault: fatal,
  });
}

function capabilitiesOf({ workers }: Config, version: string): ReturnType<typeof advertisedCapabilities> {
  return advertisedCapabilities(
    {
      device: workers.nvidia === null ? "software" : "gpu",
      proven: softwareCapabilities,
      hasPerceptualHash: true,
      foreignStores: { s3: true, gcs: true },
      hevcDecoding: workers.hevcDecoding,
    },
    version,
  );
}

async function openLogAt(
  dataDir: string,
  { reprise, logger }: NodeTelemetry,
  fatal: (error: unknown) => void,
): Promise<OpenLog> {
  return openLog(dataDir, {
    onCommitted: (ms, rows) => {
      reprise.commitSeconds.observe(ms / 1_000);
      reprise.batchEvents.observe(rows);
      reprise.eventsAppended.add(rows);
    },
    onStalled: (reason) => {
      if (reason === null) logger.info("The event log can be written again");
      else logger.error("The event log cannot be written: the node takes no new work", { reason });
    },
    onHalted: fatal,
  });
}

/** Gauges that are read at a scrape rather than recorded. */
function readGauges(telemetry: NodeTelemetry, node: OrchestratorNode, workers: LocalTranscodeWorkers): void {
  const { registry, livepeer, reprise } = telemetry;
  registry.beforeCollect(() => {
    const { workers: processes, queued } = workers.stats();
    livepeer.setCurrentSessions(node.sessionCount);
    reprise.workers.set(processes.length);
    reprise.segmentsQueued.set(queued);
    reprise.capacityPixelsPerSecond.set(workers.capacity().pixelsPerSecond ?? 0);
    reprise.residentBytes.set(residentBytesOf(process.pid) ?? 0, ["orchestrator"]);
    const bytes = processes.reduce((sum, { rssBytes }) => sum + (rssBytes ?? 0), 0);
    reprise.residentBytes.set(bytes, ["workers"]);
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

function logNotice(logger: Logger, notice: ListenerNotice): void {
  if (notice.type === "bug") {
    const error = notice.error instanceof Error ? notice.error : new Error(errorText(notice.error));
    logger.error("A request met a bug", { path: notice.path, error });
    return;
  }
  const { type, ...fields } = notice;
  logger.debug(`Listener: ${type}`, fields);
}

function once<Args extends readonly unknown[], T>(action: (...args: Args) => T): (...args: Args) => T {
  let done: { readonly value: T } | null = null;
  return (...args) => {
    done ??= { value: action(...args) };
    return done.value;
  };
}

/** Waits for `action`, but not longer than `limitMs`; tells whether it ended in time. */
async function within(limitMs: number, action: () => Promise<unknown>): Promise<boolean> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const limit = new Promise<boolean>((resolve) => {
    timer = setTimeout(() => resolve(false), limitMs);
  });
  const isInTime = await Promise.race([action().then(() => true), limit]);
  clearTimeout(timer);
  return isInTime;
}
