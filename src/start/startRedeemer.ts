import { allKinds } from "../actors/allKinds.ts";
import type { OpenLog } from "../events/log/openLog.ts";
import { recoverPersonalSigner } from "../native/ffi.ts";
import type { OperatorPort } from "../operator/operatorPort.ts";
import { transactionEffects } from "../runtime/chain/transactionDesk.ts";
import { Host } from "../runtime/host.ts";
import { accountEffects } from "../runtime/money/money.ts";
import { FloatBoard } from "../runtime/redeemer/floatBoard.ts";
import { RedeemerNode } from "../runtime/redeemer/redeemerNode.ts";
import { ensureCertificate } from "../server/certificate.ts";
import type { Listener } from "../server/listener.ts";
import { openRedeemerListener } from "../server/redeemerListener.ts";
import { assert } from "../shared/assert.ts";
import { once } from "../shared/once.ts";
import { type Ground, layGround, logNotice, type StartOptions } from "../startNode.ts";
import type { Logger } from "../telemetry/logger.ts";
import type { Account } from "./openAccount.ts";
import { type OpenMoney, openMoney } from "./openMoney.ts";
import { closeDoor, closeLog, nativeHmacSha256, openLogAndAccount } from "./openNodeLog.ts";
import { openOperator } from "./openOperator.ts";
import { StartError } from "./startError.ts";

/** A node that redeems what orchestrators elsewhere have won. */
export type RunningRedeemer = {
  readonly node: RedeemerNode;
  readonly floats: FloatBoard;
  readonly listener: Listener;
  readonly operator: OperatorPort;
  readonly money: OpenMoney;
  readonly logger: Logger;
  /** As of an orchestrator. What was not redeemed stays in the log for the next start. */
  drain(): Promise<boolean>;
};

/** Refusals are told so often: whoever reaches the port can cause them. Milliseconds. */
const refusalNewsMs = 10_000;

/**
 * Starts a redeemer: the log, the desks that spend gas, and a port for orchestrators. The port opens last: an
 * orchestrator tries again, and nothing is taken in that cannot be recorded.
 *
 * @throws BaseError with what the operator can do
 */
export async function startRedeemer(options: StartOptions): Promise<RunningRedeemer> {
  const ground = await layGround(options);
  const { log, account } = await openLogAndAccount(ground);
  await using held = new AsyncDisposableStack();
  held.defer(ground.unlock);
  held.defer(() => log.close());
  assert(account !== null, "A redeemer is on a chain: the configuration says so.");
  assertOwnFolder(log);
  const { host, money, floats, node } = buildRedeemer(options, ground, log, account);
  held.defer(() => money.close());
  const { config, telemetry, version } = ground;
  const { logger } = telemetry;
  const tickets = money.money.tickets.open();
  telemetry.events.resumeMoney({ accounts: host.idsOf("account"), tickets });
  telemetry.events.resumeTransactions(log.reader.transactions({ states: ["planned", "sent", "mined"] }));
  logger.info("Tickets were taken up where the log left them", money.resumed);
  await host.committed();
  const operatorNode = { maxSessions: 0, unhealthyReason: () => node.unhealthyReason() };
  const operator = await openOperator({ config, node: operatorNode, telemetry, version, money });
  held.defer(() => operator.close());
  const { bind, isTls, certificateHost } = config.listener;
  const listener = await openRedeemerListener({
    bind,
    tls: isTls ? await ensureCertificate(config.storage.dataDir, certificateHost) : null,
    service: node,
    limits: options.listenerLimits ?? {},
    onNotice: (notice) => logNotice(logger, notice),
  });
  held.move();
  const drain = once(() => drainRedeemer(ground, { log, host, node, listener, operator, money }));
  return { node, floats, listener, operator, money, logger, drain };
}

function buildRedeemer(options: StartOptions, ground: Ground, log: OpenLog, account: Account) {
  const { config, edge, telemetry, fatal } = ground;
  const { chain, pricing, storage } = config;
  assert(chain !== null && pricing !== null, "A redeemer is on a chain: the configuration says so.");
  const { logger } = telemetry;
  const { probe } = options;
  let money: OpenMoney | null = null;
  let floats: FloatBoard | null = null;
  const host = new Host({
    kinds: allKinds,
    effects: {
      ...accountEffects(() => null),
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
  host.start();
  money = openMoney({
    ...{ chain, pricing, account, host, edge, telemetry, dataDir: storage.dataDir, reader: log.reader },
    hmac: nativeHmacSha256,
    onFault: fatal,
    isSelling: false,
    onTick: () => floats?.check(),
  });
  const { redemption } = money.office;
  const board = new FloatBoard({ chain: money.chain, pending: (sender) => redemption.inFlight(sender) });
  floats = board;
  const { tickets, solvency } = money.money;
  const node = new RedeemerNode({
    ...{ host, tickets, solvency, chain: money.chain, floats: board, redeemGas: chain.redeemGas },
    recoverSigner: recoverPersonalSigner,
    logRefusal: () => log.journal.refusal,
    onRefused: refusalNews(logger, edge.nowMs),
  });
  return { host, money, floats: board, node };
}

/** What was refused, now and then, with how much was not told. */
function refusalNews(logger: Logger, nowMs: () => number) {
  let toldMs = Number.NEGATIVE_INFINITY;
  let untold = 0;
  return ({ status, text }: { readonly status: string; readonly text: string }, sender: string): void => {
    const fields = { status, reason: text.slice(0, 200), sender };
    if (Math.abs(nowMs() - toldMs) < refusalNewsMs) {
      untold += 1;
      logger.debug("A ticket was refused", fields);
      return;
    }
    toldMs = nowMs();
    logger.warn("A ticket was refused", { ...fields, refusedSinceTheLastLine: untold });
    untold = 0;
  };
}

/** Work of an orchestrator that waits in the log would wait for ever here. */
function assertOwnFolder(log: OpenLog): void {
  const isOrchestrators = log.reader
    .openStreams()
    .some(({ stream }) => stream.startsWith("session:") || stream.startsWith("segment:"));
  if (!isOrchestrators) return;
  throw new StartError(
    "The data folder holds the open sessions of an orchestrator.",
    "Give the redeemer a folder of its own with -dataDir, or start the orchestrator here.",
  );
}

async function drainRedeemer(
  ground: Ground,
  running: {
    readonly log: OpenLog;
    readonly host: Host;
    readonly node: RedeemerNode;
    readonly listener: Listener;
    readonly operator: OperatorPort;
    readonly money: OpenMoney;
  },
): Promise<boolean> {
  const { log, host, node, listener, operator, money } = running;
  node.drain();
  await closeDoor(listener);
  await operator.close();
  await money.close();
  host.stop();
  return closeLog(ground, host, log);
}
