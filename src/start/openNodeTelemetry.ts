import { hostname } from "node:os";
import type { Config } from "../config/config.ts";
import { EventTelemetry } from "../telemetry/eventTelemetry.ts";
import { createLivepeerMetrics, type LivepeerMetrics, nodeIdOf } from "../telemetry/livepeerMetrics.ts";
import {
  createLogger,
  createVerbosity,
  type Logger,
  type Verbosity,
  writeToStderr,
} from "../telemetry/logger.ts";
import { createMetricsRegistry, type MetricsRegistry } from "../telemetry/metrics.ts";
import { addProcessMetrics } from "../telemetry/processMetrics.ts";
import { createRepriseMetrics, type RepriseMetrics } from "../telemetry/repriseMetrics.ts";
import { openTracing, type Tracer } from "../telemetry/tracing.ts";

/** Logs, metrics and traces of one node. */
export type NodeTelemetry = {
  readonly verbosity: Verbosity;
  readonly logger: Logger;
  readonly registry: MetricsRegistry;
  readonly livepeer: LivepeerMetrics;
  readonly reprise: RepriseMetrics;
  readonly tracer: Tracer;
  readonly events: EventTelemetry;
};

export type NodeTelemetryOptions = {
  readonly config: Config;
  readonly nowMs: () => number;
  /** What gateways are told, for `livepeer_versions`. */
  readonly version: string;
  /** Our own release, for traces. */
  readonly buildVersion: string;
  readonly writeLog?: ((line: string) => void) | undefined;
};

/** Opens what is switched on; everything else costs next to nothing. */
export async function openNodeTelemetry(options: NodeTelemetryOptions): Promise<NodeTelemetry> {
  const { config, nowMs } = options;
  const verbosity = createVerbosity(config.log.verbosity);
  const write = options.writeLog ?? writeToStderr;
  const logger = createLogger({ verbosity, format: config.log.format, write, nowMs });
  const registry = createMetricsRegistry({
    baseLabels: {
      node_id: nodeIdOf(config.telemetry.accountText, hostname()),
      node_type: config.node.role === "redeemer" ? "rdmr" : "orch",
    },
  });
  const reprise = createRepriseMetrics(registry);
  const livepeer = createLivepeerMetrics({
    registry,
    isPerStream: config.telemetry.isPerStream,
    isClientIpLabelled: config.telemetry.isClientIpLabelled,
    maxSessions: config.node.maxSessions,
    version: options.version,
    runtime: { name: "bun", version: Bun.version, operatingSystem: process.platform },
  });
  addProcessMetrics(registry, nowMs);
  const tracer = await openTracing({
    endpoint: config.telemetry.otlpEndpoint?.reveal() ?? null,
    serviceName: "reprise",
    version: options.buildVersion,
    onExportFailure: (text) => logger.warn("Traces are not exported", { text }),
  });
  const events = new EventTelemetry({ livepeer, reprise, logger, tracer });
  return { verbosity, logger, registry, livepeer, reprise, tracer, events };
}
