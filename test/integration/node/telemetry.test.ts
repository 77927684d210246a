import { describe, expect, test } from "bun:test";
import { GatewayClient } from "../../../src/demo/gatewayClient.ts";
import { openDataDir } from "../../../src/replay/source.ts";
import { eventually } from "../../support/eventually.ts";
import { openNode } from "../../support/nodeFixture.ts";
import { dataOf, profileOf, submissionOf, tinySegment } from "../../support/nodeSegments.ts";

/*
 * Goal: what an operator watches is true. Method: a real node transcodes a real segment; a real HTTP server plays
 * the OTLP collector, and `/metrics` is read as Prometheus reads it.
 */

type OtlpSpan = {
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId?: string;
  readonly name: string;
  readonly startTimeUnixNano: string;
  readonly endTimeUnixNano: string;
};
type OtlpBody = { resourceSpans: { scopeSpans: { spans: OtlpSpan[] }[] }[] };

describe("telemetry of a node", () => {
  test("the whole walk of a segment is one trace, and its id is in the log", async () => {
    const spans: OtlpSpan[] = [];
    using collector = Bun.serve({
      port: 0,
      hostname: "127.0.0.1",
      fetch: async (request) => {
        const body = (await request.json()) as OtlpBody;
        for (const resource of body.resourceSpans) {
          for (const scope of resource.scopeSpans) spans.push(...scope.spans);
        }
        return Response.json({});
      },
    });
    await using node = await openNode({ flags: ["-otlpEndpoint", `http://127.0.0.1:${collector.port}`] });
    const client = new GatewayClient({ serviceUri: node.serviceUri });
    const submission = await submissionOf(client, { media: await tinySegment(), profiles: [profileOf()] });
    dataOf(await client.submitSegment(submission));
    await client.close();
    const root = await eventually(
      "the segment's span",
      () => spans.find(({ name }) => name === "segment") ?? null,
      20_000,
    );
    const parts = spans.filter(({ parentSpanId }) => parentSpanId === root.spanId);
    const order = parts.toSorted((left, right) =>
      Number(BigInt(left.startTimeUnixNano) - BigInt(right.startTimeUnixNano)),
    );
    expect(new Set(order.map(({ name }) => name))).toEqual(
      new Set(["segment.upload", "segment.queue", "segment.transcode", "segment.deliver"]),
    );
    expect(new Set(parts.map(({ traceId }) => traceId))).toEqual(new Set([root.traceId]));
    const log = openDataDir(node.dataDir);
    const traced = [...log.reader.all({ streamPrefix: "segment:" })].map(({ traceId }) => traceId);
    log.close();
    expect(new Set(traced)).toEqual(new Set([root.traceId]));
    for (const part of parts) {
      expect(BigInt(part.endTimeUnixNano) <= BigInt(root.endTimeUnixNano)).toBe(true);
      expect(BigInt(part.endTimeUnixNano) >= BigInt(part.startTimeUnixNano)).toBe(true);
    }
  }, 120_000);

  test("operator check 25: a transcoded segment counts in every metric that dashboards read", async () => {
    await using node = await openNode({ flags: ["-monitor"] });
    const client = new GatewayClient({ serviceUri: node.serviceUri });
    const profiles = [profileOf({ name: "b" }), profileOf({ name: "a" })];
    const submission = await submissionOf(client, {
      media: await tinySegment(),
      durationMs: 2_000,
      profiles,
    });
    const { segments } = dataOf(await client.submitSegment(submission));
    await client.close();
    const { address } = node.running.operator;
    const text = await (await fetch(`http://${address.host}:${address.port}/metrics`)).text();
    const value = (name: string, label = ""): number => {
      const line = text.split("\n").find((some) => some.startsWith(`${name}{`) && some.includes(label));
      return line === undefined ? Number.NaN : Number(line.slice(line.lastIndexOf(" ") + 1));
    };
    expect(value("livepeer_segment_source_emerged_unprocessed_total")).toBe(1);
    expect(value("livepeer_segment_transcoded_downloaded_total")).toBe(1);
    expect(
      value("livepeer_segment_transcoded_total", 'profiles="a,b",trusted="trusted",verified="verified"'),
    ).toBe(1);
    expect(value("livepeer_transcode_time_seconds_count")).toBe(1);
    expect(value("livepeer_source_segment_duration_seconds_sum")).toBe(2);
    const pixels = segments.reduce((sum, segment) => sum + Number(segment.pixels), 0);
    expect(value("livepeer_mil_pixels_processed")).toBeCloseTo(pixels / 1e6, 6);
    expect(value("livepeer_current_sessions_total")).toBe(1);
    // Every event that this walk wrote was counted when it was durable.
    expect(value("reprise_log_events_total")).toBeGreaterThanOrEqual(6);
  }, 120_000);
});
