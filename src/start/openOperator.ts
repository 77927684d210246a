import type { Config } from "../config/config.ts";
import { openOperatorPort } from "../operator/operatorPort.ts";
import type { OrchestratorNode } from "../runtime/node/orchestratorNode.ts";
import { errorText } from "../shared/errors.ts";
import { expositionContentType } from "../telemetry/metrics.ts";
import type { OpenMoney } from "./openMoney.ts";
import type { NodeTelemetry } from "./openNodeTelemetry.ts";

/** Go's names for processors, which readers of `/status` know. */
const goArchitectures: Readonly<Record<string, string>> = { x64: "amd64", arm64: "arm64" };

/** Opens the operator port on a running node. */
export function openOperator({
  config,
  node,
  telemetry,
  version,
  money,
}: {
  readonly config: Config;
  readonly node: Pick<OrchestratorNode, "maxSessions" | "unhealthyReason">;
  readonly telemetry: NodeTelemetry;
  readonly version: string;
  /** Null off-chain. */
  readonly money: OpenMoney | null;
}): ReturnType<typeof openOperatorPort> {
  const { logger, livepeer, registry, verbosity } = telemetry;
  return openOperatorPort({
    bind: config.operator.bind,
    node: {
      role: config.node.role,
      facts: () => ({
        version,
        runtimeVersion: `bun ${Bun.version}`,
        architecture: goArchitectures[process.arch] ?? process.arch,
        operatingSystem: process.platform,
        registeredTranscoders: [],
        isLocalTranscoding: config.node.role === "orchestrator",
      }),
      maxSessions: () => node.maxSessions,
      setMaxSessions: (count) => {
        node.maxSessions = count;
        livepeer.setMaxSessions(count);
      },
      verbosity: () => verbosity.get(),
      setVerbosity: (next) => verbosity.set(next),
      money: config.node.role === "orchestrator" ? (money?.forOperator ?? null) : null,
      chain: money?.chainForOperator ?? null,
      transactions: money?.transactionsForOperator ?? null,
      tickets: money?.ticketsForOperator ?? null,
      actions: money?.actionsForOperator ?? null,
      unhealthyReason: () => node.unhealthyReason(),
      metrics: config.telemetry.isMonitored
        ? { contentType: expositionContentType, expose: () => registry.expose() }
        : null,
    },
    onNotice: (notice) => {
      if (notice.type === "bug") {
        logger.error("A request to the operator port met a bug", {
          path: notice.path,
          error: notice.error instanceof Error ? notice.error : new Error(errorText(notice.error)),
        });
        return;
      }
      const { type, ...fields } = notice;
      if (type === "changed") logger.info("The operator changed a setting", fields);
      else if (type === "action") logger.info("The operator asked for an action", fields);
      else logger.debug(`Operator port: ${type}`, fields);
    },
  });
}
