// Goal: spans reach a collector with the ids, times and attributes we gave; a collector that is away costs nothing.
// Method: a real HTTP server plays the collector (OTLP/HTTP with JSON, as the exporter sends it).
import { describe, expect, test } from "bun:test";
import { noTracer, openTracing } from "../../../src/telemetry/tracing.ts";

type OtlpSpan = {
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId?: string;
  readonly name: string;
  readonly startTimeUnixNano: string;
  readonly endTimeUnixNano: string;
  readonly attributes: readonly { readonly key: string; readonly value: Readonly<Record<string, unknown>> }[];
  readonly status: { readonly code?: number; readonly message?: string };
};
type OtlpBody = {
  readonly resourceSpans: readonly {
    readonly resource: { readonly attributes: OtlpSpan["attributes"] };
    readonly scopeSpans: readonly { readonly spans: readonly OtlpSpan[] }[];
  }[];
};

function startCollector() {
  const bodies: OtlpBody[] = [];
  const paths: string[] = [];
  const server = Bun.serve({
    port: 0,
    hostname: "127.0.0.1",
    async fetch(request) {
      paths.push(new URL(request.url).pathname);
      bodies.push((await request.json()) as OtlpBody);
      return Response.json({});
    },
  });
  const spans = () =>
    bodies.flatMap((body) =>
      body.resourceSpans.flatMap((one) => one.scopeSpans.flatMap((scope) => scope.spans)),
    );
  return { url: `http://127.0.0.1:${server.port}`, paths, bodies, spans, stop: () => server.stop(true) };
}

describe("with a collector", () => {
  test("a walk of a segment arrives: parent and child, times, attributes, failure", async () => {
    const collector = startCollector();
    const tracer = await openTracing({
      endpoint: `${collector.url}/`,
      serviceName: "reprise",
      version: "1.2.3",
    });
    expect(tracer.isOn).toBe(true);
    // Work that began before this process did, as after a restart.
    const startMs = 1_700_000_000_000;
    const segment = tracer.startSpan("segment", { attributes: { sessionId: "s1" }, startMs });
    const transcode = tracer.startSpan("transcode", { parent: segment });
    transcode.set({ workerId: "w1" });
    transcode.end({ errorText: "worker lost" });
    transcode.end();
    transcode.set({ late: true });
    segment.end({ attributes: { pixels: 5 }, endMs: startMs + 1_500 });
    await tracer.close();
    const spans = collector.spans();
    expect(spans.length).toBe(2);
    const byName = (name: string) => spans.find((span) => span.name === name);
    expect(byName("segment")).toMatchObject({
      traceId: segment.traceId,
      spanId: segment.spanId,
      startTimeUnixNano: `${startMs}000000`,
      endTimeUnixNano: `${startMs + 1_500}000000`,
      attributes: [
        { key: "sessionId", value: { stringValue: "s1" } },
        { key: "pixels", value: { intValue: 5 } },
      ],
    });
    expect(byName("transcode")).toMatchObject({
      traceId: segment.traceId,
      parentSpanId: segment.spanId,
      attributes: [{ key: "workerId", value: { stringValue: "w1" } }],
      status: { code: 2, message: "worker lost" },
    });
    expect(collector.paths).toEqual(["/v1/traces"]);
    expect(collector.bodies[0]?.resourceSpans[0]?.resource.attributes).toContainEqual({
      key: "service.name",
      value: { stringValue: "reprise" },
    });
    collector.stop();
  });

  test("a parent may be known by its ids only", async () => {
    const collector = startCollector();
    const tracer = await openTracing({
      endpoint: `${collector.url}/v1/traces`,
      serviceName: "r",
      version: "0",
    });
    const parent = { traceId: "0af7651916cd43dd8448eb211c80319c", spanId: "b7ad6b7169203331" };
    tracer.startSpan("resumed", { parent }).end();
    tracer.startSpan("root", { parent: { traceId: "0".repeat(32), spanId: "0".repeat(16) } }).end();
    await tracer.close();
    const [resumed, root] = collector.spans();
    expect(resumed).toMatchObject({ traceId: parent.traceId, parentSpanId: parent.spanId });
    expect(root?.parentSpanId ?? "").toBe("");
    collector.stop();
  });
});

test("a collector that refuses is reported", async () => {
  const collector = Bun.serve({
    port: 0,
    hostname: "127.0.0.1",
    fetch: () => new Response("no", { status: 400 }),
  });
  const failures: string[] = [];
  const tracer = await openTracing({
    endpoint: `http://127.0.0.1:${collector.port}`,
    serviceName: "r",
    version: "0",
    onExportFailure: (text) => failures.push(text),
  });
  tracer.startSpan("lost").end();
  await tracer.close();
  expect(failures.length).toBe(1);
  collector.stop(true);
});

test("a stop does not wait for long for a collector that is away", async () => {
  const collector = startCollector();
  collector.stop();
  const tracer = await openTracing({ endpoint: collector.url, serviceName: "r", version: "0" });
  tracer.startSpan("lost").end();
  const startMs = performance.now();
  await tracer.close();
  expect(performance.now() - startMs).toBeLessThan(4_000);
});

describe("without an endpoint", () => {
  test("nothing is recorded and the OpenTelemetry packages are not loaded", async () => {
    expect(await openTracing({ endpoint: null, serviceName: "r", version: "0" })).toBe(noTracer);
    const script = `
      const { openTracing } = await import(${JSON.stringify(new URL("../../../src/telemetry/tracing.ts", import.meta.url).href)});
      const tracer = await openTracing({ endpoint: null, serviceName: "r", version: "0" });
      tracer.startSpan("x").end();
      console.log(Object.keys(require.cache).filter((path) => path.includes("@opentelemetry")).length);`;
    const child = Bun.spawn([process.execPath, "-e", script], { stdout: "pipe", stderr: "pipe" });
    expect((await new Response(child.stdout).text()).trim()).toBe("0");
    expect(await child.exited).toBe(0);
  });

  test("a span costs next to nothing", () => {
    const startMs = performance.now();
    for (let index = 0; index < 1_000_000; index++) noTracer.startSpan("segment").end();
    expect(((performance.now() - startMs) * 1_000) / 1_000_000).toBeLessThan(1);
  });
});
