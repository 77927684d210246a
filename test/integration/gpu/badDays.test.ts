import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { type Codec, openCodec } from "../../../src/gpu/codec.ts";
import {
  jobFor,
  madeMedia,
  madePath,
  profileWith,
  quickH264,
  testPicture,
  transcoded,
} from "./codecHelpers.ts";
import { inspectRendition } from "./inspectRendition.ts";
import { generatedMedia } from "./testMedia.ts";

// Goal: no input kills, blocks or misleads the codec; refusals carry the texts that a gateway compares.
// Method: each bad day of the sheet as a real file through the real library; afterwards it still works.

// Compilers, encoders and probes run here, perhaps beside other work.
setDefaultTimeout(120_000);

let codec: Codec;

beforeAll(async () => {
  codec = await openCodec({ jobsMax: 2 });
});

afterAll(async () => {
  // Whatever the tests before have thrown at it, a good segment still comes out right.
  const outcome = transcoded(await codec.submit(await good(), jobFor([profileWith()])).done);
  expect(outcome.renditions[0]?.frames).toBe(60);
  await codec.close();
});

async function good(): Promise<Uint8Array> {
  const media = await generatedMedia("gen-720p30-aac.ts");
  if (media === null) throw new Error("The test segment could not be made.");
  return media;
}

async function refusalOf(media: Uint8Array, job = jobFor([profileWith()])): Promise<string> {
  const outcome = await codec.submit(media, job).done;
  return outcome.type === "failed" ? outcome.text : "transcoded";
}

const randomBytes = (length: number, seed: number) => {
  let state = seed;
  return Uint8Array.from({ length }, () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state >>> 24;
  });
};

describe("video check 45: refusals", () => {
  test("random bytes, an empty file and sound alone are TranscoderInvalidVideo", async () => {
    expect(await refusalOf(randomBytes(65_536, 1))).toBe("TranscoderInvalidVideo");
    expect(await refusalOf(new Uint8Array(0))).toBe("TranscoderInvalidVideo");
    const sound = await generatedMedia("gen-audio-only.ts");
    expect(await refusalOf(sound ?? new Uint8Array(0))).toBe("TranscoderInvalidVideo");
  });

  test("no key frame is No keyframes in input, with and without a signature asked for", async () => {
    await good();
    await madeMedia("key-only.ts", `${testPicture("320x180", 30, 2)} ${quickH264} -g 300 -f mpegts`);
    const media = await madeMedia(
      "no-key.ts",
      `-copyts -i ${madePath("key-only.ts")} -c copy -bsf:v filter_units=remove_types=5 -f mpegts`,
    );
    expect(await refusalOf(media)).toBe("No keyframes in input");
    const signed = jobFor([profileWith()], { calcPerceptualHash: true });
    expect(await refusalOf(media, signed)).toBe("No keyframes in input");
  });

  test("more than 300 seconds is TranscoderInvalidDuration, 300 are fine", async () => {
    const still = (seconds: number) => `${testPicture("64x64", 1, seconds)} ${quickH264} -g 1 -f mpegts`;
    expect(await refusalOf(await madeMedia("301s.ts", still(301)))).toBe("TranscoderInvalidDuration");
    const media = await madeMedia("300s.ts", still(300));
    const outcome = transcoded(await codec.submit(media, jobFor([profileWith({ fps: 1 })])).done);
    expect(outcome.timings.decodedFrames).toBe(300);
  });

  test("eleven profiles are Too many outputs, ten are not", async () => {
    const eleven = Array.from({ length: 11 }, () => profileWith());
    expect(await refusalOf(await good(), jobFor(eleven))).toBe("Too many outputs");
    const ten = transcoded(await codec.submit(await good(), jobFor(eleven.slice(1))).done);
    expect(ten.renditions.length).toBe(10);
  });

  test("a gop below -1 is TranscoderInvalidGOP", async () => {
    expect(await refusalOf(await good(), jobFor([profileWith({ gopMs: -2 })]))).toBe("TranscoderInvalidGOP");
  });

  test("five frames ten seconds apart at 5 frames/s are Encoded frames runaway, signed or not", async () => {
    const media = await madeMedia(
      "far-apart.ts",
      `${testPicture("320x180", 1, 41)} -vf select='not(mod(n\\,10))' -vsync vfr ${quickH264} -f mpegts`,
    );
    const job = jobFor([profileWith({ fps: 5 })]);
    expect(await refusalOf(media, job)).toBe("Encoded frames runaway");
    expect(await refusalOf(media, { ...job, calcPerceptualHash: true })).toBe("Encoded frames runaway");
  });

  test("impossible clip windows are TranscoderInvalidClipConfig, one beyond the end is ZeroSegments", async () => {
    const media = await good();
    const clipped = (fromMs: number, toMs: number, calcPerceptualHash = false) =>
      refusalOf(media, jobFor([profileWith()], { clip: { fromMs, toMs }, calcPerceptualHash }));
    expect(await clipped(-1, 0)).toBe("TranscoderInvalidClipConfig");
    expect(await clipped(1500, 1000)).toBe("TranscoderInvalidClipConfig");
    expect(await clipped(Number.MAX_SAFE_INTEGER, 0)).toBe("TranscoderInvalidClipConfig");
    expect(await clipped(3000, 4000)).toBe("ZeroSegments");
    // The reference's process dies of this one.
    expect(await clipped(3000, 4000, true)).toBe("ZeroSegments");
  });

  test("a picture of 16x4000 is refused, not scaled to something enormous", async () => {
    const media = await madeMedia("16x4000.ts", `${testPicture("16x4000", 30, 1)} ${quickH264} -f mpegts`);
    expect(await refusalOf(media, jobFor([profileWith({ width: 640, height: 360 })]))).toBe(
      "Generic error in an external library",
    );
  });

  test("codecs that a transport stream cannot carry are refused", async () => {
    expect(await refusalOf(await good(), jobFor([profileWith({ encoder: "vp9" })]))).toBe("Invalid argument");
  });
});

test("truncated and damaged transport streams never break the pixel count", async () => {
  const media = await good();
  for (let seed = 1; seed <= 24; seed++) {
    const damaged = media.slice(0, seed % 3 === 0 ? Math.floor(media.length * (seed / 30)) : media.length);
    const noise = randomBytes(400, seed);
    for (let i = 0; i + 3 < noise.length; i += 4) {
      const at =
        ((noise[i] ?? 0) * 65_536 + (noise[i + 1] ?? 0) * 256 + (noise[i + 2] ?? 0)) % damaged.length;
      // The first packets stay, so that the stream is recognised and really decoded.
      if (at > 4000) damaged[at] = noise[i + 3] ?? 0;
    }
    const format = seed % 2 === 0 ? "mp4" : "mpegts";
    const job = jobFor([profileWith({ format, fps: seed % 4 === 0 ? 0 : 30 })], {
      calcPerceptualHash: seed % 2 === 1,
    });
    const outcome = await codec.submit(damaged, job).done;
    if (outcome.type === "failed") {
      expect(outcome.text).not.toBe("");
      continue;
    }
    for (const rendition of outcome.renditions) {
      const facts = await inspectRendition(rendition.bytes);
      expect([seed, facts.countedPixels]).toEqual([seed, rendition.pixels]);
    }
  }
}, 180_000);

test("MP4 of a stream that changes its size decodes to the billed pixels", async () => {
  // 640x360, then 180x320: both sides change and the box turns, so a second encoder continues the file.
  const part = (size: string, offset: number) =>
    `${testPicture(size, 30, 1)} ${quickH264} -g 60 -muxdelay 0 -muxpreload 0 -output_ts_offset ${offset} -f mpegts`;
  const first = await madeMedia("wide.ts", part("640x360", 0));
  const second = await madeMedia("tall.ts", part("180x320", 1));
  const media = Buffer.concat([first, second]);
  for (const fps of [0, 30]) {
    const profiles = [profileWith({ format: "mp4", fps }), profileWith({ fps })];
    const outcome = transcoded(
      await codec.submit(media, jobFor(profiles, { calcPerceptualHash: true })).done,
    );
    for (const rendition of outcome.renditions) {
      const facts = await inspectRendition(rendition.bytes);
      expect(rendition.frames).toBe(60);
      expect(facts.countedPixels).toBe(rendition.pixels);
    }
    expect(outcome.renditions[0]?.pixels).toBe(30 * 256 * 144 + 30 * 146 * 260 - 0);
  }
});

test("a picture that changes one side only is squeezed into the first box", async () => {
  const part = (size: string, offset: number) =>
    `${testPicture(size, 30, 1)} ${quickH264} -g 60 -muxdelay 0 -muxpreload 0 -output_ts_offset ${offset} -f mpegts`;
  const media = Buffer.concat([
    await madeMedia("wide.ts", part("640x360", 0)),
    await madeMedia("wide-tall.ts", part("640x480", 1)),
  ]);
  const outcome = transcoded(await codec.submit(media, jobFor([profileWith()])).done);
  expect(outcome.renditions[0]?.pixels).toBe(60 * 256 * 144);
});

test("a job that is cancelled or out of time ends as TranscoderStopped", async () => {
  const media = await good();
  const large = jobFor([profileWith({ width: 1280, height: 720, fps: 60 })]);
  const task = codec.submit(media, large);
  task.cancel();
  expect(await task.done).toMatchObject({ type: "failed", text: "TranscoderStopped" });
  expect(await codec.submit(media, { ...large, timeLimitMs: 20 }).done).toMatchObject({
    type: "failed",
    text: "TranscoderStopped",
  });
});

test("closing with work under way stops it and resolves every job", async () => {
  const other = await openCodec({ encoders: ["h264"] });
  const media = await good();
  const tasks = [1, 2, 3].map(() => other.submit(media, jobFor([profileWith({ width: 1280, height: 720 })])));
  await other.close();
  for (const task of tasks)
    expect(await task.done).toMatchObject({ type: "failed", text: "TranscoderStopped" });
});

test("a library of another ABI, or none, is refused with advice", async () => {
  const path = madePath("wrong-abi.so");
  await Bun.write(
    madePath("wrong-abi.c"),
    ["abi_version", "libraries", "open", "encoder_name", "submit", "poll", "cancel", "release", "close"]
      .map((name) => `unsigned reprise_${name}(void) { return 99; }`)
      .join("\n"),
  );
  await Bun.$`cc -shared -fPIC -o ${path} ${madePath("wrong-abi.c")}`.quiet();
  await expect(openCodec({ libraryPath: path })).rejects.toMatchObject({ code: "CODEC_LIBRARY" });
  await Bun.write(madePath("broken.so"), "no library");
  await expect(openCodec({ libraryPath: madePath("broken.so") })).rejects.toMatchObject({
    code: "CODEC_LIBRARY",
  });
});
