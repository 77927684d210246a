import { create } from "@bufbuild/protobuf";
import { expect, test } from "bun:test";
import fc from "fast-check";
import { SegDataSchema, type VideoProfile, VideoProfileSchema } from "../../../src/protocol/gen/lp_rpc_pb.ts";
import { presetProfile, presetProfiles } from "../../../src/protocol/presets.ts";
import type { RenditionProfile } from "../../../src/protocol/profile.ts";
import { loadCost, PROFILES_MAX, profileId, renditionProfiles } from "../../../src/protocol/profiles.ts";
import { vectors } from "./vectors.ts";

type Preset = {
  readonly name: string;
  readonly id: string;
  readonly knownToGatewayFlag: boolean;
  readonly profile: { readonly bitrate: string; readonly fps: number; readonly resolution: string } | null;
};

test("presets are the network's, with their ids", () => {
  const recorded = vectors<Preset>("segdata", "preset");
  expect(presetProfiles.length).toBe(recorded.length);
  for (const vector of recorded) {
    const preset = presetProfile(vector.name);
    expect(profileId(vector.name)).toBe(vector.id);
    if (preset === null) throw new Error(`${vector.name} is missing`);
    // The reference node knows the id of P144p25fps16x9 but forgot its name; we know both.
    expect(vector.knownToGatewayFlag).toBe(vector.name !== "P144p25fps16x9");
    if (vector.profile === null || !vector.knownToGatewayFlag) continue;
    expect(`${preset.width}x${preset.height}`).toBe(vector.profile.resolution);
    expect(`${preset.bitrate / 1000}k`).toBe(vector.profile.bitrate);
    expect(preset.fps).toBe(vector.profile.fps);
  }
  expect(presetProfile("p240p30fps16x9")).toBeNull();
});

test("profile ids of any name", () => {
  for (const { name, id } of vectors<{ readonly name: string; readonly id: string }>(
    "segdata",
    "profileId",
  )) {
    expect(profileId(name)).toBe(id);
  }
});

test("load cost equals the recorded one", () => {
  type Cost = {
    readonly profiles: readonly {
      readonly fps: number;
      readonly fpsDen: number;
      readonly resolution: string;
    }[];
    readonly cost: number;
  };
  for (const vector of vectors<Cost>("segdata", "loadCost")) {
    const profiles = vector.profiles.map(({ fps, fpsDen, resolution }) => {
      const [width, height] = resolution.split("x").map(Number);
      return { ...anyProfile, fps, fpsDen, width: width ?? 0, height: height ?? 0 };
    });
    expect(loadCost(profiles)).toBe(vector.cost);
  }
});

test("video check 24: the highest list that holds anything counts, and the others are not looked at", () => {
  const bad = { name: "bad", format: 7 };
  const data = create(SegDataSchema, { fullProfiles: [wire(bad)], fullProfiles3: [wire({ name: "good" })] });
  expect(renditionProfiles(data)).toMatchObject([{ name: "good" }]);
  const unnamed = create(SegDataSchema, { fullProfiles: [wire({ width: 1, height: 2, bitrate: 3 })] });
  expect(renditionProfiles(unnamed)).toMatchObject([{ name: "net_1x2_3" }]);
});

test("video check 15: enum values that nobody knows are refused by name", () => {
  const refusalOf = (profile: object) =>
    renditionProfiles(create(SegDataSchema, { fullProfiles: [wire({ name: "fine" }), wire(profile)] }));
  expect(refusalOf({ format: 2 })).toMatchObject({ status: 403, text: "unrecognized profile output format" });
  expect(refusalOf({ profile: 9 })).toMatchObject({ status: 403, text: "unrecognized encoder profile" });
  expect(refusalOf({ encoder: 9 })).toMatchObject({ status: 403, text: "unrecognized video codec" });
  expect(refusalOf({ chromaFormat: 9, colorDepth: 99 })).toBeArrayOfSize(2);
});

test("more profiles than anyone means are refused before they cost anything", () => {
  const data = (count: number) =>
    renditionProfiles(create(SegDataSchema, { fullProfiles: Array.from({ length: count }, () => wire({})) }));
  expect(data(PROFILES_MAX)).toBeArrayOfSize(PROFILES_MAX);
  expect(data(PROFILES_MAX + 1)).toEqual({ type: "refused", status: 403, text: "Too many outputs" });
});

test("every wire profile either becomes a whole profile or a refusal", () => {
  const enumValue = fc.integer({ min: -2, max: 6 });
  const fieldSets = fc.record({
    width: fc.integer(),
    fps: fc.nat(),
    format: enumValue,
    profile: enumValue,
    encoder: enumValue,
  });
  fc.assert(
    fc.property(fieldSets, (fields) => {
      const isKnown =
        [0, 1].includes(fields.format) &&
        fields.profile >= 0 &&
        fields.profile <= 4 &&
        [0, 1, 2, 3].includes(fields.encoder);
      const outcome = renditionProfiles(create(SegDataSchema, { fullProfiles2: [wire(fields)] }));
      expect(Array.isArray(outcome)).toBe(isKnown);
      if (Array.isArray(outcome)) expect(outcome[0]).toMatchObject({ width: fields.width, fps: fields.fps });
    }),
  );
});

const anyProfile: RenditionProfile = {
  name: "any",
  width: 1,
  height: 1,
  bitrate: 1,
  fps: 1,
  fpsDen: 1,
  gopMs: 0,
  profile: "default",
  format: "mpegts",
  encoder: "h264",
  quality: 0,
};

/** A profile as it comes off the wire; enum fields may hold any number. */
function wire(fields: object): VideoProfile {
  return Object.assign(create(VideoProfileSchema), fields);
}
