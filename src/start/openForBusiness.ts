import { allKinds } from "../actors/allKinds.ts";
import { offchainIdentity } from "../chain/offchainIdentity.ts";
import type { Config } from "../config/config.ts";
import { loadTokenSecret } from "../config/tokenKeyFile.ts";
import type { OpenLog } from "../events/log/openLog.ts";
import { advertisedCapabilities } from "../protocol/advertised.ts";
import { tokenKey } from "../protocol/authToken.ts";
import { capability } from "../protocol/capability.ts";
import { toHex } from "../protocol/bytes.ts";
import { Host } from "../runtime/host.ts";
import { transactionEffects } from "../runtime/chain/transactionDesk.ts";
import { accountEffects } from "../runtime/money/money.ts";
import { OrchestratorNode } from "../runtime/node/orchestratorNode.ts";
import { RenditionStore } from "../runtime/node/renditionStore.ts";
import { SegmentWork } from "../runtime/node/segmentWork.ts";
import { once } from "../shared/once.ts";
import type { Foundation, RunningNode, StartOptions } from "../startNode.ts";
import { residentBytesOf } from "../telemetry/processMetrics.ts";
import type { LocalTranscodeWorkers } from "../workers/openTranscodeWorkers.ts";
import type { Account } from "./openAccount.ts";
import { type OpenMoney, openMoney } from "./openMoney.ts";
import type { NodeTelemetry } from "./openNodeTelemetry.ts";
import { openOperator } from "./openOperator.ts";
import { closeDoor, closeLog, nativeHmacSha256, openLogAndAccount, within } from "./openNodeLog.ts";
import { openOutside } from "./openOutside.ts";
import { followRegistry, registryReader } from "./registryAddress.ts";
import { openWorkers } from "./openWorkers.ts";
import { WorkerHealth } from "./workerHealth.ts";

/** Optional capabilities of the software codec: what the peer's own software node decodes. */
const softwareCapabilities = [
  capability.vp8Decode,
  capability.h264Decode444,
  capability.h264Decode422,
  capability.h264Decode444TenBit,
  capability.h264Decode422TenBit,
  capability.h264Decode420TenBit,
];

/**
 * Puts the node behind the open port and lets it serve. The log is opened while the key is still being unlocked;
 * whatever decides, records or sends begins when it is there.
 *
 * @throws BaseError with what the operator can do. Without the right key everything that was opened here is closed,
 *   and nothing was recorded.
 */
export async function openForBusiness(options: StartOptions, foundation: Foundation): Promise<RunningNode> {
  const { config, edge, version, telemetry, service, listener } = foundation;
  const { logger } = telemetry;
  const { log, account } = await openLogAndAccount(foundation);
  const outside = openOutside(config, edge, logger, options.allowNetworks ?? []);
  const health = new WorkerHealth();
  const workers = openWorkers(config, logger, telemetry.reprise, {
    ...options.workers,
    onEvent: (event) => {
      health.note(event);
      options.workers?.onEvent?.(event);
    },
  });
  const core = buildCore({ ...foundation, options, log, account, outside, workers, health });
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
  const operator = await openOperator({ config, node, telemetry, version, money });
  readGauges(telemetry, node, workers);
  service.open(node);
  const registry = money === null ? null : followOwnAddress(foundation, node, money);
  return {
    node,
    listener,
    operator,
    workers,
    logger,
    serviceUri: config.node.serviceUri,
    resumed: { sessions, entities },
    money,
    drain: once(() => {
      registry?.[Symbol.dispose]();
      return drainNode(foundation, { log, node, host, money, operator, workers });
    }),
  };
}

/** On a chain: what the registry says of us is told to gateways, or compared with what they are told. */
function followOwnAddress(
  { config, listener, telemetry }: Foundation,
  node: OrchestratorNode,
  { chain }: OpenMoney,
): Disposable | null {
  const { serviceUri, isServiceUriGiven } = config.node;
  if (config.chain === null || serviceUri === "") return null;
  const { aiServiceRegistry } = config.chain;
  const registry = async () => aiServiceRegistry ?? (await chain.contracts())?.ServiceRegistry ?? null;
  return followRegistry({
    // Gateways look for the account that tickets are made out to.
    read: registryReader({ registry, rpc: chain.rpc, account: toHex(chain.recipient) }),
    isReadable: () => chain.trouble === null && chain.clock() !== null,
    configured: isServiceUriGiven ? serviceUri : null,
    port: listener.port,
    onAddress: (uri) => node.advertise(uri),
    logger: telemetry.logger,
  });
}

type Running = Pick<RunningNode, "node" | "money" | "operator" | "workers"> & {
  readonly log: OpenLog;
  readonly host: Host;
};

async function drainNode(foundation: Foundation, running: Running): Promise<boolean> {
  const { config, listener } = foundation;
  const { log, node, host, money, operator, workers } = running;
  node.drain();
  await within(config.node.drainTimeoutMs, async () => {
    while (node.isOwing) await Bun.sleep(20);
  });
  await closeDoor(listener);
  await operator.close();
  await workers.stop();
  await money?.close();
  host.stop();
  node.stop();
  return closeLog(foundation, host, log);
}

type CoreParts = Omit<Foundation, "account"> & {
  readonly options: StartOptions;
  readonly log: OpenLog;
  /** Null off-chain. */
  readonly account: Account | null;
  readonly outside: ReturnType<typeof openOutside>;
  readonly workers: LocalTranscodeWorkers;
  readonly health: WorkerHealth;
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
      if (recorded.event.type === "TicketWon")
        log.journal.afterCommit(() => money?.office.entrust?.desk.poke());
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
    isSelling: true,
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
