/** Values of span attributes, as OpenTelemetry takes them. Never a secret. */
export type SpanAttributes = Readonly<Record<string, string | number | boolean>>;

/** A running piece of work in a trace. */
export type Span = {
  /** 32 hexadecimal digits; 32 zeros when tracing is off. */
  readonly traceId: string;
  /** 16 hexadecimal digits; 16 zeros when tracing is off. */
  readonly spanId: string;
  /** Adds attributes to a span that has not ended. */
  set(attributes: SpanAttributes): void;
  /** Ends it, once; later calls do nothing. `errorText` marks it as failed. */
  end(options?: {
    readonly attributes?: SpanAttributes;
    readonly errorText?: string;
    readonly endMs?: number;
  }): void;
};

/** Where a span hangs in a trace: another span, or the two ids of one that a log entry names. */
export type SpanParent = { readonly traceId: string; readonly spanId: string };

export type StartSpanOptions = {
  readonly parent?: SpanParent | null;
  readonly attributes?: SpanAttributes;
  /** Unix milliseconds, for work that began earlier. */
  readonly startMs?: number;
};

/** The port through which every room traces. Costs next to nothing when off. */
export type Tracer = {
  readonly isOn: boolean;
  startSpan(name: string, options?: StartSpanOptions): Span;
  /** Sends what is pending and ends; waits no longer than a few seconds. Never rejects. */
  close(): Promise<void>;
};

const noSpan: Span = Object.freeze({
  traceId: "0".repeat(32),
  spanId: "0".repeat(16),
  set() {},
  end() {},
});

/** A tracer that records nothing. */
export const noTracer: Tracer = Object.freeze({
  isOn: false,
  startSpan: () => noSpan,
  close: () => Promise.resolve(),
});

export type TracingOptions = {
  /** Base URL of an OTLP/HTTP collector, such as `http://127.0.0.1:4318`; null is off. */
  readonly endpoint: string | null;
  readonly serviceName: string;
  readonly version: string;
  /** Hears about a collector that cannot be reached. Called rarely: once for each run of failures. */
  readonly onExportFailure?: (text: string) => void;
};

/** Opens tracing. The OpenTelemetry packages are loaded only when there is an endpoint. */
export async function openTracing(options: TracingOptions): Promise<Tracer> {
  if (options.endpoint === null) return noTracer;
  const { openOtlpTracer } = await import("./otlpTracer.ts");
  return openOtlpTracer({ ...options, endpoint: options.endpoint });
}
