import { readFileSync, writeFileSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { type Codec, openCodec } from "../../../src/gpu/codec.ts";
import { keccak256 } from "../../../src/native/ffi.ts";
import { eventually } from "../../support/eventually.ts";
import {
  jobFor,
  madeMedia,
  madePath,
  profileWith,
  quickH264,
  testPicture,
  transcoded,
} from "./codecHelpers.ts";
import { audioPayload, inspectRendition } from "./inspectRendition.ts";
import { generatedMedia, sha256Of } from "./testMedia.ts";

// Goal: what the golden cases do not hold: joins between segments, sound that the reference drops, encoders that
// its software build lacks, memory. Method: real files through the real library, read back by ffprobe.

// Compilers, encoders and probes run here, perhaps beside other work.
setDefaultTimeout(120_000);

let codec: Codec;
beforeAll(async () => {
  codec = await openCodec({ jobsMax: 2 });
});
afterAll(() => codec.close());

async function media(name: string): Promise<Uint8Array> {
  const bytes = await generatedMedia(name);
  if (bytes === null) throw new Error(`${name} could not be made.`);
  return bytes;
}

test("video check 43: four segments of a stream join without a seam", async () => {
  let expectedDts: number | null = null;
  for (let i = 0; i < 4; i++) {
    const job = jobFor([profileWith({ profile: "baseline" })]);
    const outcome = transcoded(await codec.submit(await media(`gen-live-${i}.ts`), job).done);
    const facts = await inspectRendition(outcome.renditions[0]?.bytes ?? new Uint8Array(0));
    expect(facts.video?.pts.steps).toEqual([[3000, 59]]);
    const first = facts.video?.firstDts[0] ?? Number.NaN;
    expect(first).toBe(facts.video?.startPts ?? 0);
    if (expectedDts !== null) expect(first).toBe(expectedDts);
    expectedDts = first + 60 * 3000;
  }
});

describe("video check 44: sound is copied bit for bit", () => {
  test("AAC into both containers", async () => {
    const source = await media("gen-720p30-aac.ts");
    await Bun.write(madePath("source-aac.ts"), source);
    const wanted = sha256Of(await audioPayload(madePath("source-aac.ts"), "aac"));
    const profiles = [profileWith(), profileWith({ format: "mp4" })];
    const outcome = transcoded(await codec.submit(source, jobFor(profiles)).done);
    for (const rendition of outcome.renditions) {
      const facts = await inspectRendition(rendition.bytes);
      expect(facts.audio?.payloadSha256).toBe(wanted);
    }
  });

  test("AC-3 is kept, which the reference drops", async () => {
    const tone = "-f lavfi -i sine=frequency=440:sample_rate=48000:duration=2";
    const args = `${testPicture("320x180", 30, 2)} ${tone} ${quickH264} -c:a ac3 -b:a 96k -f mpegts`;
    const source = await madeMedia("ac3.ts", args);
    const wanted = sha256Of(await audioPayload(madePath("ac3.ts"), "ac3"));
    const profiles = [profileWith(), profileWith({ format: "mp4" })];
    const outcome = transcoded(await codec.submit(source, jobFor(profiles)).done);
    for (const rendition of outcome.renditions) {
      const facts = await inspectRendition(rendition.bytes);
      expect(facts.streams).toEqual(["video", "audio"]);
      expect(facts.audio).toMatchObject({ codec: "ac3", payloadSha256: wanted });
    }
  });
});

describe("video check 46: clips and key frames", () => {
  test("1000..3000 ms of 8 s at 60 frames/s is 121 frames", async () => {
    const source = await madeMedia(
      "60fps-8s.ts",
      `${testPicture("640x360", 60, 8)} ${quickH264} -g 120 -f mpegts`,
    );
    const job = jobFor([profileWith({ fps: 60 })], { clip: { fromMs: 1000, toMs: 3000 } });
    const outcome = transcoded(await codec.submit(source, job).done);
    expect(outcome.renditions[0]).toMatchObject({ frames: 121, pixels: 4_460_544 });
  });

  test("a gop of 300 ms gives 7 key frames in 2 s, -1 gives nothing else", async () => {
    const source = await media("gen-720p30-aac.ts");
    const profiles = [
      profileWith({ gopMs: 300 }),
      profileWith({ gopMs: 300, fps: 0 }),
      profileWith({ gopMs: -1 }),
    ];
    const outcome = transcoded(await codec.submit(source, jobFor(profiles)).done);
    const keys: number[] = [];
    for (const rendition of outcome.renditions) {
      keys.push((await inspectRendition(rendition.bytes)).video?.keyFrames.length ?? 0);
    }
    expect(keys).toEqual([7, 7, 60]);
  });
});

test("video check 47: MP4 has moov first and the provider as comment, MPEG-TS has it as provider", async () => {
  const profiles = [profileWith({ format: "mp4" }), profileWith()];
  const outcome = transcoded(await codec.submit(await media("gen-720p30-aac.ts"), jobFor(profiles)).done);
  const [mp4, ts] = await Promise.all(
    outcome.renditions.map((rendition) => inspectRendition(rendition.bytes)),
  );
  expect(mp4?.moovBeforeMdat).toBe(true);
  expect(mp4?.tags["comment"]).toBe("Processed by Livepeer Transcoder test (offchain)");
  expect(ts?.tags["service_provider"]).toBe("Livepeer Transcoder test (offchain)");
});

test("every rendition carries its Keccak-256, and its bytes are the caller's own", async () => {
  const source = await media("gen-720p30-aac.ts");
  const outcome = transcoded(
    await codec.submit(source, jobFor([profileWith(), profileWith({ width: 320 })])).done,
  );
  for (const rendition of outcome.renditions) {
    expect(rendition.keccak256).toEqual(keccak256(rendition.bytes));
    expect(rendition.bytes.buffer.byteLength).toBe(rendition.bytes.length);
  }
});

test("inputs of 10 bits, 4:2:2 and 4:4:4 come out as 8 bits 4:2:0", async () => {
  for (const format of ["yuv420p10le", "yuv422p", "yuv444p"]) {
    const args = `${testPicture("320x180", 30, 1)} ${quickH264} -pix_fmt ${format} -f mpegts`;
    const source = await madeMedia(`${format}.ts`, args);
    const outcome = transcoded(await codec.submit(source, jobFor([profileWith()])).done);
    const facts = await inspectRendition(outcome.renditions[0]?.bytes ?? new Uint8Array(0));
    expect(facts.video?.pixFmt).toBe("yuv420p");
  }
});

describe("encoders beyond the reference's software build", () => {
  test("H.265 into both containers, to the pixel", async () => {
    if (codec.encoders.h265 === null) return console.log("skipped: this system has no libx265");
    const profiles = [
      profileWith({ encoder: "h265" }),
      profileWith({ encoder: "h265", format: "mp4", fps: 0 }),
    ];
    const outcome = transcoded(await codec.submit(await media("gen-720p30-aac.ts"), jobFor(profiles)).done);
    for (const rendition of outcome.renditions) {
      const facts = await inspectRendition(rendition.bytes);
      expect(facts.video?.codec).toBe("hevc");
      expect(facts.countedPixels).toBe(rendition.pixels);
      expect(rendition.pixels).toBe(60 * 256 * 144);
    }
  });

  test("VP9 in MP4 has the requested size", async () => {
    if (codec.encoders.vp9 === null) return console.log("skipped: this system has no libvpx");
    const profiles = [profileWith({ encoder: "vp9", format: "mp4" })];
    const outcome = transcoded(await codec.submit(await media("gen-720p30-aac.ts"), jobFor(profiles)).done);
    const facts = await inspectRendition(outcome.renditions[0]?.bytes ?? new Uint8Array(0));
    expect(facts.video).toMatchObject({ codec: "vp9", width: 256, height: 144 });
    expect(facts.countedPixels).toBe(outcome.renditions[0]?.pixels ?? 0);
  });
});

test("many segments at once come out as one after the other", async () => {
  const source = await media("gen-live-0.ts");
  const job = jobFor([profileWith({ profile: "baseline" }), profileWith({ format: "mp4", fps: 0 })]);
  const outcomes = await Promise.all(Array.from({ length: 6 }, () => codec.submit(source, job).done));
  for (const outcome of outcomes) {
    expect(transcoded(outcome).renditions.map((rendition) => rendition.pixels)).toEqual([
      2_211_840, 2_211_840,
    ]);
  }
});

test("memory goes back to the system when the codec idles", async () => {
  const source = await media("gen-720p30-aac.ts");
  const job = jobFor([
    profileWith(),
    profileWith({ width: 640, height: 360 }),
    profileWith({ width: 1024, height: 576 }),
  ]);
  const residentMb = () => process.memoryUsage.rss() / 1e6;
  // The kernel keeps the peak, so that no sample can miss it; `5` lets it begin anew.
  writeFileSync("/proc/self/clear_refs", "5");
  for (let i = 0; i < 3; i++) await codec.submit(source, job).done;
  const peakKb = /^VmHWM:\s+(\d+) kB$/m.exec(readFileSync("/proc/self/status", "latin1"))?.[1];
  const busyMb = (Number(peakKb) * 1_024) / 1e6;
  expect(busyMb).toBeGreaterThan(100);
  // At the latest after 400 ms without work the library gives back what its encoders used.
  await eventually("memory is given back", () => (residentMb() < busyMb - 100 ? true : null));
});
