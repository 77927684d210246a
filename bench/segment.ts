import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { GatewayClient } from "../src/demo/gatewayClient.ts";
import { openDataDir } from "../src/replay/source.ts";
import { presetProfile } from "../src/protocol/presets.ts";
import { argument, isSmall, percentile, printFigure, printHeader, resultHash } from "./support.ts";
import { startNodeProcess, tinySegment } from "./nodeProcess.ts";

/*
 * Question: how long does a tiny segment (320x180, 6 frames, one 144p rendition) take end to end, upload to
 * downloaded rendition, and how much of that is ours rather than the codec's?
 *
 * Bound: the codec (about 5 ms), one commit before the early 200 that overlaps it, one commit before the result:
 * with a disk whose fsync takes f, ours is at least f. Raw fsync of the same disk is printed beside.
 *
 * Wanted: p50 and p99 ≤ 1.0 × the peer's on the same machine (`--peer https://host:port`, or its recorded
 * 11.3 ms and 15 ms); ours alone p50 < 4 ms, p99 < 15 ms at 20 segments/s on 4 sessions.
 *
 * Last, 2 × AMD EPYC, in the same run as go-livepeer 0.9.1: p50 1.05 to 1.07 ×, p99 0.97 to 1.17 × (the peer 19 and
 * 30 to 37 ms); ours alone p50 3.0, p99 6.9 ms.
 */

const count = isSmall ? 20 : 300;
const warmUp = isSmall ? 3 : 20;
const pacedSessions = 4;
const pacedPerSecond = 20;
const pacedMs = isSmall ? 1_500 : 15_000;
const peerRecorded = { p50: 11.3, p99: 15 };

const profile = presetProfile("P144p30fps16x9");
if (profile === null) throw new Error("The preset is missing.");
const media = await tinySegment();

async function oneSegment(client: GatewayClient, session: Session, seq: number): Promise<number> {
  const startedMs = performance.now();
  const answer = await client.submitSegment({
    authToken: session.authToken,
    manifestId: session.manifestId,
    seq,
    media,
    durationMs: 200,
    profiles: [profile as NonNullable<typeof profile>],
  });
  if (answer.type === "refused") throw new Error(`Refused: ${answer.status} ${answer.text}`);
  if (answer.result.result.case !== "data") throw new Error(`Failed: ${String(answer.result.result.value)}`);
  const url = answer.result.result.value.segments[0]?.url ?? "";
  const bytes = await client.download(url);
  if (bytes.length < 1_000) throw new Error("The rendition is too small.");
  return performance.now() - startedMs;
}

type Session = {
  readonly manifestId: string;
  readonly authToken: Awaited<ReturnType<typeof open>>["authToken"];
};

async function open(client: GatewayClient): Promise<Awaited<ReturnType<GatewayClient["getOrchestrator"]>>> {
  return client.getOrchestrator();
}

/** One after the other on one session, as a gateway sends them. */
async function sequential(serviceUri: string): Promise<readonly number[]> {
  const client = new GatewayClient({ serviceUri });
  const { authToken } = await open(client);
  const session: Session = { manifestId: "bench", authToken };
  const times: number[] = [];
  for (let seq = 0; seq < warmUp + count; seq++) {
    const ms = await oneSegment(client, session, seq);
    if (seq >= warmUp) times.push(ms);
  }
  await client.close();
  return times;
}

/** 20 segments a second on 4 sessions, started on time whatever the answers do. */
async function paced(serviceUri: string): Promise<void> {
  const clients = Array.from({ length: pacedSessions }, () => new GatewayClient({ serviceUri }));
  const sessions = await Promise.all(
    clients.map(async (client, index) => ({
      client,
      session: { manifestId: `paced-${index}`, authToken: (await open(client)).authToken } as Session,
    })),
  );
  const pending: Promise<number>[] = [];
  const startedMs = performance.now();
  for (let sent = 0; performance.now() - startedMs < pacedMs; sent++) {
    const slot = sessions[sent % sessions.length];
    if (slot !== undefined) pending.push(oneSegment(slot.client, slot.session, sent));
    await Bun.sleep(Math.max(0, startedMs + ((sent + 1) * 1_000) / pacedPerSecond - performance.now()));
  }
  await Promise.all(pending);
  await Promise.all(clients.map((client) => client.close()));
}

/** From the log: what each segment of the paced part took in the node beyond the codec. */
function ownPart(dataDir: string): readonly number[] {
  const source = openDataDir(dataDir);
  const received = new Map<string, number>();
  const times: number[] = [];
  for (const { stream, atMs, event } of source.reader.all()) {
    const fields = event as unknown as { type: string; codecUs?: number; manifestId?: string };
    if (fields.type === "SegmentAccepted" && fields.manifestId?.startsWith("0x70616365642d")) {
      received.set(stream, atMs);
    }
    if (fields.type === "SegmentTranscoded") {
      const codecMs = (fields.codecUs ?? 0) / 1_000;
      received.set(`${stream}#codec`, codecMs);
    }
    if (fields.type === "SegmentDelivered") {
      const start = received.get(stream);
      const codecMs = received.get(`${stream}#codec`);
      if (start !== undefined && codecMs !== undefined) times.push(atMs - start - codecMs);
    }
  }
  source.close();
  return times;
}

const show = (times: readonly number[]): string =>
  `p50 ${percentile(times, 0.5).toFixed(1)} ms, p99 ${percentile(times, 0.99).toFixed(1)} ms`;

printHeader("How long does a tiny segment take end to end, and how much of it is ours?");
const dataDir = mkdtempSync(join(argument("dir") ?? tmpdir(), "reprise-bench-segment-"));
const node = await startNodeProcess(dataDir);
try {
  const peer = argument("peer");
  const peerTimes: number[] = [];
  const ownTimes: number[] = [];
  // In turn, so that the machine's moods fall on both.
  for (let round = 0; round < (peer === null ? 1 : 3); round++) {
    ownTimes.push(...(await sequential(node.serviceUri)));
    if (peer !== null) peerTimes.push(...(await sequential(peer)));
  }
  printFigure("one after the other", show(ownTimes));
  const peerP50 = peer === null ? peerRecorded.p50 : percentile(peerTimes, 0.5);
  const peerP99 = peer === null ? peerRecorded.p99 : percentile(peerTimes, 0.99);
  printFigure(
    peer === null ? "go-livepeer, recorded on 2 cores" : "go-livepeer, same run",
    `p50 ${peerP50.toFixed(1)} ms, p99 ${peerP99.toFixed(1)} ms`,
  );
  const ratio = (value: number, other: number): string => (value / other).toFixed(2);
  printFigure(
    "ratio (wanted ≤ 1.0 both)",
    `p50 ${ratio(percentile(ownTimes, 0.5), peerP50)}, p99 ${ratio(percentile(ownTimes, 0.99), peerP99)}`,
  );
  await paced(node.serviceUri);
  printFigure("raw fsync of this disk", show(node.rawFsyncMs(isSmall ? 50 : 300)));
} finally {
  await node.stop();
}
const own = ownPart(dataDir);
printFigure(
  `our own part at ${pacedPerSecond}/s on ${pacedSessions} sessions (headers to delivered)`,
  show(own),
);
printFigure(
  "segments measured, and hash of the input",
  `${own.length} ${resultHash([Buffer.from(media).toString("hex")])}`,
);
rmSync(dataDir, { recursive: true });
