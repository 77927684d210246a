import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { GatewayClient } from "../src/demo/gatewayClient.ts";
import { presetProfile } from "../src/protocol/presets.ts";
import type { RenditionProfile } from "../src/protocol/profile.ts";
import { hdSegment, startNodeProcess, tinySegment } from "./nodeProcess.ts";
import { argument, isSmall, printFigure, printHeader } from "./support.ts";

/*
 * Question: how much memory does the node hold: idle, for each active stream, and after thousands of segments?
 *
 * Bound: Bun itself takes about 60 MB with our modules; a stream holds one source segment (1 MB) and the renditions
 * of the last seconds until they were fetched (2 MB); nothing is kept of segments that ended.
 *
 * Wanted: orchestrator process idle < 150 MB, < 20 MB more per active stream, flat over 5,000 segments.
 */

const streams = isSmall ? 1 : 4;
const hdSegmentsPerStream = isSmall ? 1 : 8;
const tinySegments = isSmall ? 100 : 5_000;
const samples = 5;

const mb = (bytes: number): string => `${(bytes / 1e6).toFixed(0)} MB`;
const preset = (name: string): RenditionProfile => {
  const profile = presetProfile(name);
  if (profile === null) throw new Error(`There is no preset \`${name}\`.`);
  return profile;
};

/** Plays `segments` of `media` in a row on a session of its own. */
async function play(
  serviceUri: string,
  name: string,
  media: Uint8Array,
  profiles: readonly RenditionProfile[],
  segments: number,
  onSegment: (seq: number) => void,
): Promise<void> {
  const client = new GatewayClient({ serviceUri });
  const { authToken } = await client.getOrchestrator();
  for (let seq = 0; seq < segments; seq++) {
    const answer = await client.submitSegment({
      authToken,
      manifestId: name,
      seq,
      media,
      durationMs: 2_000,
      profiles,
    });
    if (answer.type === "refused") throw new Error(`Refused: ${answer.text}`);
    if (answer.result.result.case !== "data")
      throw new Error(`Failed: ${String(answer.result.result.value)}`);
    await Promise.all(answer.result.result.value.segments.map(({ url }) => client.download(url)));
    onSegment(seq);
  }
  if (authToken !== undefined) await client.endTranscodingSession(authToken);
  await client.close();
}

printHeader("How much memory does the node hold?");
const dataDir = mkdtempSync(join(argument("dir") ?? tmpdir(), "reprise-bench-memory-"));
// What may be sold is set, so that a busy machine does not refuse the bench's streams.
const node = await startNodeProcess(dataDir, ["-capacity", "1000000000"]);
try {
  await measure();
} finally {
  await node.stop();
  rmSync(dataDir, { recursive: true });
}

async function measure(): Promise<void> {
  await Bun.sleep(isSmall ? 500 : 5_000);
  const idle = node.memory();
  printFigure("idle: orchestrator (wanted < 150 MB), with its workers", `${mb(idle.node)}, ${mb(idle.all)}`);

  const tiny = await tinySegment();
  const during: number[] = [];
  await play(node.serviceUri, "flat", tiny, [preset("P144p30fps16x9")], tinySegments, (seq) => {
    if ((seq + 1) % (tinySegments / samples) === 0) during.push(node.memory().node);
  });
  printFigure(`orchestrator at each fifth of ${tinySegments} segments (flat?)`, during.map(mb).join(", "));

  const before = node.memory();
  let most = before;
  const sampler = setInterval(() => {
    const now = node.memory();
    most = { node: Math.max(most.node, now.node), all: Math.max(most.all, now.all) };
  }, 100);
  const hd = await hdSegment();
  const ladder = ["P240p30fps16x9", "P360p30fps16x9", "P576p30fps16x9"].map(preset);
  await Promise.all(
    Array.from({ length: streams }, (_, index) =>
      play(node.serviceUri, `hd-${index}`, hd, ladder, hdSegmentsPerStream, () => {}),
    ),
  );
  clearInterval(sampler);
  const perStream = (most.node - before.node) / streams;
  printFigure(
    `${streams} streams of 720p: orchestrator more per stream (wanted < 20 MB)`,
    mb(Math.max(0, perStream)),
  );
  printFigure("all processes together at most (wanted < 600 MB)", mb(most.all));
  await Bun.sleep(isSmall ? 500 : 35_000);
  const after = node.memory();
  printFigure("after the sessions ended: orchestrator, all", `${mb(after.node)}, ${mb(after.all)}`);
}
