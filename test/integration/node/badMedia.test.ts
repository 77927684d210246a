import { mkdtempSync, rmSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { $ } from "bun";
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import type { GatewayClient, SegmentSubmission } from "../../../src/demo/gatewayClient.ts";
import { isNonRetryable } from "../../../src/protocol/texts.ts";
import { generatedMediaBytes, liveMedia } from "../../support/media.ts";
import { openNode, type TestNode } from "../../support/nodeFixture.ts";
import { recordedEvents } from "../../support/nodeLog.ts";
import { dataOf, errorOf, profileOf, resultOf, submissionOf } from "../../support/nodeSegments.ts";
import { inspectRendition } from "../gpu/inspectRendition.ts";

/*
 * Goal: whatever a gateway sends as media, it gets the text that its own rules know, no worker is lost by it, and
 * the next good segment of the same session is served.
 * Method: one node for all; each test ends with a good segment in the session that sent the bad one.
 */

setDefaultTimeout(120_000);

const scratch = mkdtempSync(join(tmpdir(), "reprise-stills-"));
let node: TestNode;
let client: GatewayClient;
beforeAll(async () => {
  node = await openNode();
  client = node.client();
});
afterAll(async () => {
  rmSync(scratch, { recursive: true });
  expect(node.running.workers.stats()).toMatchObject({ workersDied: 0, problem: null });
  expect(node.fatal).toEqual([]);
  expect(node.running.node.unhealthyReason()).toBeNull();
  await node[Symbol.asyncDispose]();
});

/** Sends a segment; afterwards the session must still serve a good one. */
async function submit(changes: Partial<SegmentSubmission>) {
  const submission = await submissionOf(client, changes);
  const answer = await client.submitSegment(submission);
  const good = await submissionOf(client, { authToken: submission.authToken, seq: 1 });
  expect(dataOf(await client.submitSegment(good)).segments).toHaveLength(1);
  return answer;
}

/** A stream without sound: `seconds` of one small picture a second, of which `kept` (a filter) stay. */
async function stills(seconds: number, kept = "1"): Promise<Uint8Array> {
  const path = join(scratch, `${crypto.randomUUID()}.ts`);
  const source = `testsrc2=size=64x64:rate=1:duration=${seconds}`;
  const encoding = "-vsync vfr -c:v libx264 -preset ultrafast -g 1 -f mpegts".split(" ");
  await $`ffmpeg -nostdin -v error -f lavfi -i ${source} -vf select=${kept} ${encoding} ${path}`.quiet();
  return new Uint8Array(await readFile(path));
}

describe("video check 45: what the gateway takes as the input's fault", () => {
  test.each([
    ["random bytes", "gen-garbage.ts", "TranscoderInvalidVideo"],
    ["an empty file", "gen-empty.ts", "TranscoderInvalidVideo"],
    ["sound without a picture", "gen-audio-only.ts", "TranscoderInvalidVideo"],
    ["a zero-frame segment", "gen-zero-frame.ts", "TranscoderInvalidVideo"],
  ])("%s", async (_what, name, text) => {
    expect(errorOf(await submit({ media: await generatedMediaBytes(name) }))).toBe(text);
    expect(isNonRetryable(text)).toBe(true);
  });

  test.each([false, true])(
    "no key frame (perceptual hash asked for: %p, which kills the peer's whole process)",
    async (calcPerceptualHash) => {
      const media = await generatedMediaBytes("gen-no-key-frame.ts");
      const text = errorOf(await submit({ media, calcPerceptualHash }));
      expect(["No keyframes in input", "TranscoderInvalidVideo"]).toContain(text);
    },
  );

  test("301 s is `TranscoderInvalidDuration`", async () => {
    expect(errorOf(await submit({ media: await stills(301) }))).toBe("TranscoderInvalidDuration");
  });

  test("300 s is served, every frame of it", async () => {
    const media = await stills(300);
    const answer = await submit({ media, durationMs: 300_000, profiles: [profileOf({ fps: 1 })] });
    const [segment] = dataOf(answer).segments;
    const facts = await inspectRendition(await client.download(segment?.url ?? ""));
    expect(facts.countedPixels).toBe(Number(segment?.pixels));
    expect(facts.video?.packets).toBe(300);
  });

  test("eleven profiles are `Too many outputs`, ten are served", async () => {
    const profiles = Array.from({ length: 11 }, (_, index) => profileOf({ name: `p${index}` }));
    expect(errorOf(await submit({ profiles }))).toBe("Too many outputs");
    expect(dataOf(await submit({ profiles: profiles.slice(1) })).segments).toHaveLength(10);
  });

  test("a gop of -2 is `TranscoderInvalidGOP`", async () => {
    expect(errorOf(await submit({ profiles: [profileOf({ gopMs: -2 })] }))).toBe("TranscoderInvalidGOP");
  });

  test("five frames 10 s apart at 5 frames/s are `Encoded frames runaway`", async () => {
    const media = await stills(41, "not(mod(n\\,10))");
    expect(errorOf(await submit({ media, profiles: [profileOf({ fps: 5 })] }))).toBe(
      "Encoded frames runaway",
    );
  });

  test("an impossible clip window is `TranscoderInvalidClipConfig`; one behind the end, with a hash, is `ZeroSegments`", async () => {
    expect(errorOf(await submit({ clip: { fromMs: 150, toMs: 100 } }))).toBe("TranscoderInvalidClipConfig");
    const beyond = await submit({ clip: { fromMs: 3_000, toMs: 4_000 }, calcPerceptualHash: true });
    expect(errorOf(beyond)).toBe("ZeroSegments");
  });
});

describe("odd media that is served, to the pixel", () => {
  test("a truncated stream", async () => {
    const answer = await submit({ media: await generatedMediaBytes("gen-truncated.ts") });
    await expectExactPixels(answer);
  });

  test.each(["mpegts", "mp4"] as const)("a change of size inside a segment, as %s", async (format) => {
    const media = await generatedMediaBytes("gen-size-change.ts");
    await expectExactPixels(await submit({ media, profiles: [profileOf({ format })] }));
  });

  test("video check 42: sizes that do not fit the source follow the scaling rule", async () => {
    const media = await generatedMediaBytes("gen-dim-200x300.ts");
    const answer = await submit({ media, profiles: [profileOf({ width: 0, height: 427 })] });
    expect(dataOf(answer).segments[0]?.pixels).toBe(5n * 284n * 426n);
    await expectExactPixels(answer);
  });

  test("a picture of 16x4000 ends with an error, in time", async () => {
    const media = await generatedMediaBytes("gen-16x4000.ts");
    const answer = await submit({ media, profiles: [profileOf({ width: 640, height: 360 })] });
    expect(errorOf(answer)).not.toBe("");
  });
});

describe("media semantics that a gateway sees", () => {
  test("video check 43: four segments of a live stream join without a seam", async () => {
    const authToken = (await client.getOrchestrator()).authToken;
    const dts: number[] = [];
    for (let seq = 0; seq < 4; seq += 1) {
      const media = await generatedMediaBytes(`gen-live-${seq}.ts`);
      const profiles = [profileOf({ fps: 30, profile: "baseline" })];
      const submission = await submissionOf(client, { authToken, seq, media, durationMs: 2_000, profiles });
      const url = dataOf(await client.submitSegment(submission)).segments[0]?.url ?? "";
      const { video } = await inspectRendition(await client.download(url));
      dts.push(video?.startPts ?? 0, video?.lastPts ?? 0);
      expect(video?.dtsStrictlyIncreasing).toBe(true);
      expect(video?.packets).toBe(60);
    }
    for (let seam = 1; seam + 1 < dts.length; seam += 2)
      expect((dts[seam + 1] ?? 0) - (dts[seam] ?? 0)).toBe(3_000);
  });

  test.each(["mpegts", "mp4"] as const)(
    "video check 44: sound is copied bit by bit into %s",
    async (format) => {
      const media = await generatedMediaBytes("gen-live-0.ts");
      const source = await inspectRendition(media);
      const answer = await submit({ media, durationMs: 2_000, profiles: [profileOf({ format })] });
      const facts = await inspectRendition(await client.download(dataOf(answer).segments[0]?.url ?? ""));
      expect(facts.audio?.packets).toBe(source.audio?.packets ?? 0);
      if (format === "mpegts") expect(facts.audio?.payloadSha256).toBe(source.audio?.payloadSha256 ?? "");
    },
  );

  test("video check 46: 1000..3000 ms of 8 s at 60 frames/s are 121 frames of 256x144", async () => {
    const [path = ""] = await liveMedia({
      ...{ width: 320, height: 180, framesPerSecond: 60, segmentSeconds: 8, segmentCount: 1 },
    });
    const media = new Uint8Array(await readFile(path));
    const answer = await submit({ media, durationMs: 8_000, clip: { fromMs: 1_000, toMs: 3_000 } });
    expect(dataOf(answer).segments[0]?.pixels).toBe(4_460_544n);
  });

  test.each([0, 30])(
    "video check 46: a gop of 300 ms on 2 s gives 7 key frames, at %d frames/s",
    async (fps) => {
      const media = await generatedMediaBytes("gen-live-0.ts");
      const answer = await submit({ media, durationMs: 2_000, profiles: [profileOf({ fps, gopMs: 300 })] });
      const facts = await inspectRendition(await client.download(dataOf(answer).segments[0]?.url ?? ""));
      expect(facts.video?.keyFrames).toHaveLength(7);
    },
  );

  test("video check 46: a gop of -1 makes every frame a key frame", async () => {
    const answer = await submit({ profiles: [profileOf({ gopMs: -1 })] });
    const facts = await inspectRendition(await client.download(dataOf(answer).segments[0]?.url ?? ""));
    expect(facts.video?.keyFrames).toHaveLength(6);
  });

  test("video check 47: MP4 has `moov` before `mdat`", async () => {
    const answer = await submit({ profiles: [profileOf({ format: "mp4" })] });
    const bytes = Buffer.from(await client.download(dataOf(answer).segments[0]?.url ?? ""));
    expect(bytes.indexOf("moov")).toBeGreaterThan(0);
    expect(bytes.indexOf("moov")).toBeLessThan(bytes.indexOf("mdat"));
  });
});

test("each bad segment has ended in the log as the gateway was told", async () => {
  const garbage = await submissionOf(client, { media: await generatedMediaBytes("gen-garbage.ts") });
  await client.submitSegment(garbage);
  const stream = `segment:${garbage.authToken?.sessionId}.1/1`;
  const events = recordedEvents(node.dataDir).filter((recorded) => recorded.stream === stream);
  expect(events.at(-1)?.event).toMatchObject({
    type: "SegmentFailed",
    code: "CODEC_REFUSED",
    text: "TranscoderInvalidVideo",
  });
});

/** Decodes every rendition with the system's own tools: it must hold exactly the billed pixels. */
async function expectExactPixels(answer: Awaited<ReturnType<GatewayClient["submitSegment"]>>): Promise<void> {
  expect(resultOf(answer).result.case).toBe("data");
  for (const { url, pixels } of dataOf(answer).segments) {
    const facts = await inspectRendition(await client.download(url));
    expect(facts.countedPixels).toBe(Number(pixels));
    expect(pixels).toBeGreaterThan(0n);
  }
}
