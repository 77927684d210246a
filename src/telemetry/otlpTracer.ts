import { type HrTime, ROOT_CONTEXT, SpanStatusCode, TraceFlags, trace } from "@opentelemetry/api";
import { OTLPTraceExporter } from "@opentelemetry/exporter-trace-otlp-http";
import { resourceFromAttributes } from "@opentelemetry/resources";
import { BatchSpanProcessor, type SpanExporter, TracerProvider } from "@opentelemetry/sdk-trace";
import { errorText } from "../shared/errors.ts";
import type { Span, SpanParent, StartSpanOptions, Tracer, TracingOptions } from "./tracing.ts";

/** Longest wait of a stop for a collector that does not answer. */
const closeTimeoutMs = 2_000;

/** Longest time of one export. */
const exportTimeoutMs = 5_000;

/**
 * A tracer that sends spans to an OTLP/HTTP collector in batches, in the background. A collector that is away costs
 * spans, never work: the queue is bounded and the oldest batch is given up after its time-out.
 *
 * Imported only when tracing is on, so that a node without it does not load the OpenTelemetry packages.
 */
export function openOtlpTracer(options: TracingOptions & { readonly endpoint: string }): Tracer {
  const exporter = withFailureReport(
    new OTLPTraceExporter({ url: tracesUrl(options.endpoint), timeoutMillis: exportTimeoutMs }),
    options.onExportFailure ?? (() => {}),
  );
  const provider = new TracerProvider({
    resource: resourceFromAttributes({
      "service.name": options.serviceName,
      "service.version": options.version,
    }),
    spanProcessors: [
      new BatchSpanProcessor({
        exporter,
        maxQueueSize: 4_096,
        maxExportBatchSize: 512,
        scheduledDelayMillis: 1_000,
        exportTimeoutMillis: exportTimeoutMs,
      }),
    ],
  });
  const tracer = provider.getTracer(options.serviceName, options.version);
  return {
    isOn: true,
    startSpan: (name, spanOptions = {}) => startSpan(tracer, name, spanOptions),
    close: () => withinTime(provider.shutdown(), closeTimeoutMs),
  };
}

/** The traces path of a collector's base URL; a URL that names the path already stays. */
function tracesUrl(endpoint: string): string {
  const base = endpoint.replace(/\/+$/, "");
  return base.endsWith("/v1/traces") ? base : `${base}/v1/traces`;
}

function startSpan(
  tracer: ReturnType<TracerProvider["getTracer"]>,
  name: string,
  options: StartSpanOptions,
): Span {
  const span = tracer.startSpan(
    name,
    {
      ...(options.attributes === undefined ? {} : { attributes: options.attributes }),
      ...(options.startMs === undefined ? {} : { startTime: hrTimeOf(options.startMs) }),
    },
    contextOf(options.parent ?? null),
  );
  const { traceId, spanId } = span.spanContext();
  let hasEnded = false;
  return {
    traceId,
    spanId,
    set(attributes) {
      if (!hasEnded) span.setAttributes(attributes);
    },
    end(end = {}) {
      if (hasEnded) return;
      hasEnded = true;
      if (end.attributes !== undefined) span.setAttributes(end.attributes);
      if (end.errorText !== undefined) span.setStatus({ code: SpanStatusCode.ERROR, message: end.errorText });
      span.end(end.endMs === undefined ? undefined : hrTimeOf(end.endMs));
    },
  };
}

/** A parent is named by its ids, because it may come from the log and belong to a process that is gone. */
function contextOf(parent: SpanParent | null) {
  if (parent === null || /^0*$/.test(parent.traceId)) return ROOT_CONTEXT;
  return trace.setSpanContext(ROOT_CONTEXT, {
    traceId: parent.traceId,
    spanId: parent.spanId,
    traceFlags: TraceFlags.SAMPLED,
  });
}

/** Seconds and nanoseconds. A plain number would be read as "since process start" when it is older than that. */
function hrTimeOf(unixMs: number): HrTime {
  const seconds = Math.floor(unixMs / 1_000);
  return [seconds, Math.round((unixMs - seconds * 1_000) * 1e6)];
}

/** Reports the first failure of each run of failures. */
function withFailureReport(exporter: SpanExporter, report: (text: string) => void): SpanExporter {
  let isFailing = false;
  return {
    export(spans, done) {
      exporter.export(spans, (result) => {
        const hasFailed = result.code !== 0;
        if (hasFailed && !isFailing) report(errorText(result.error ?? "export failed"));
        isFailing = hasFailed;
        done(result);
      });
    },
    shutdown: () => exporter.shutdown(),
    forceFlush: () => exporter.forceFlush?.() ?? Promise.resolve(),
  };
}

async function withinTime(work: Promise<void>, limitMs: number): Promise<void> {
  const { promise: timeUp, resolve } = Promise.withResolvers<void>();
  const timer = setTimeout(resolve, limitMs);
  await Promise.race([work.catch(() => {}), timeUp]);
  clearTimeout(timer);
}
