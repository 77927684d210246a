import { create, toBinary } from "@bufbuild/protobuf";
import { expect, test } from "bun:test";
import fc from "fast-check";
import { advertisedCapabilities, type ServedVideo } from "../../../src/protocol/advertised.ts";
import { bitNumbers, bitstringOf, isBitSubset } from "../../../src/protocol/bitstring.ts";
import { toHex } from "../../../src/protocol/bytes.ts";
import {
  type CapabilitySet,
  capabilitiesFromNet,
  capabilitiesToNet,
  capabilitySet,
  isCompatible,
} from "../../../src/protocol/capabilities.ts";
import { capability, capabilityName, defaultCapabilities } from "../../../src/protocol/capability.ts";
import { CapabilitiesSchema } from "../../../src/protocol/gen/lp_rpc_pb.ts";
import { type H264PixelFormat, jobNeeds } from "../../../src/protocol/jobNeeds.ts";
import type { RenditionProfile } from "../../../src/protocol/profile.ts";
import { advertisedVersion, isVersionSufficient, NETWORK_VERSION } from "../../../src/protocol/version.ts";
import { messageDecoder } from "../../../src/protocol/wire.ts";
import { bytes, capabilitySetOf, type VectorCapabilities, vectors } from "./vectors.ts";

type ListCase = {
  readonly name: string;
  readonly capabilities?: readonly number[];
  readonly bitstring: readonly string[];
};

test("recorded lists: default set and its bitstring", () => {
  const lists = vectors<ListCase>("capabilities", "list");
  for (const { capabilities, bitstring } of lists) {
    if (capabilities !== undefined) expect(bitstringOf(capabilities)).toEqual(bitstring.map(BigInt));
  }
  expect(lists.find((list) => list.name === "default")?.capabilities).toEqual([...defaultCapabilities]);
});

test("recorded names", () => {
  type NameCase = { readonly capability: number; readonly string: string };
  for (const vector of vectors<NameCase>("capabilities", "name")) {
    // -1 and -2 are markers inside the peer and never leave it.
    if (vector.capability >= 0) expect(capabilityName(vector.capability)).toBe(vector.string);
  }
  const numbers = Object.values(capability);
  expect(new Set(numbers).size).toBe(numbers.length);
});

test("video check 39: recorded sets, and their bytes on the wire", () => {
  type NewCase = {
    readonly capabilities: readonly number[];
    readonly mandatories?: readonly number[];
    readonly result: VectorCapabilities;
    readonly bytes: string;
  };
  for (const vector of vectors<NewCase>("capabilities", "newCapabilities")) {
    // Negative numbers have no bit; the peer still writes capacities for them, we have none to write.
    if (vector.capabilities.some((number) => number < 0)) {
      expect(bitstringOf(vector.capabilities)).toEqual(vector.result.bitstring.map(BigInt));
      continue;
    }
    const set: CapabilitySet = {
      ...capabilitySet(vector.capabilities, "undefined"),
      mandatories: bitstringOf(vector.mandatories ?? []),
    };
    expect(set).toEqual(capabilitySetOf(vector.result));
    expect<string>(toHex(toBinary(CapabilitiesSchema, capabilitiesToNet(set)))).toBe(vector.bytes);
  }
  expect(bitstringOf([193, 54, 192, 79])).toEqual([2n ** 54n, 2n ** 15n, 0n, 3n]);
});

test("recorded subsets", () => {
  type SubsetCase = {
    readonly need: readonly string[];
    readonly have: readonly string[];
    readonly ok: boolean;
  };
  for (const { need, have, ok } of vectors<SubsetCase>("capabilities", "bitstringSubset")) {
    expect(isBitSubset(need.map(BigInt), have.map(BigInt))).toBe(ok);
  }
});

test("video check 40: the 289 recorded version comparisons", () => {
  type VersionCase = { readonly minVersion: string; readonly version: string; readonly ok: boolean };
  const cases = vectors<VersionCase>("capabilities", "version");
  expect(cases.length).toBe(289);
  for (const { minVersion, version, ok } of cases) {
    expect(`${minVersion} ≤ ${version}: ${isVersionSufficient(minVersion, version)}`).toBe(
      `${minVersion} ≤ ${version}: ${ok}`,
    );
  }
});

test("what we advertise satisfies every minimum that the network's own release satisfies", () => {
  const number = fc.nat(30);
  fc.assert(
    fc.property(number, number, number, (major, minor, patch) => {
      const minimum = `${major}.${minor}.${patch}`;
      expect(isVersionSufficient(minimum, advertisedVersion("0.1.0"))).toBe(
        isVersionSufficient(minimum, NETWORK_VERSION),
      );
    }),
  );
  expect(isVersionSufficient("0.9.1", advertisedVersion("0.1.0-dev"))).toBe(true);
});

test("absurd versions are answered at once", () => {
  expect(isVersionSufficient("1.0.0", `1.${"9".repeat(100_000)}`)).toBe(false);
  expect(isVersionSufficient("0.0.1", "1.99999999999999999999999.0")).toBe(false);
  expect(isVersionSufficient("0.0.1", `1-${"a.".repeat(50_000)}`)).toBe(false);
});

test("video checks 39 and 41: the 143 recorded compatibilities", () => {
  type CompatibleCase = {
    readonly need: VectorCapabilities;
    readonly have: VectorCapabilities;
    readonly ok?: boolean;
    readonly versionOk?: boolean;
  };
  const cases = vectors<
    CompatibleCase & { readonly need: VectorCapabilities | null; readonly have: VectorCapabilities | null }
  >("capabilities", "compatible");
  expect(cases.length).toBe(143);
  cases.forEach(({ need, have, ok }, index) => {
    // A Go nil pointer on either side; here absent capabilities are an empty set, so the case cannot arise.
    if (need === null || have === null || ok === undefined) return;
    const ours = isCompatible(capabilitySetOf(need), capabilitySetOf(have));
    expect(`${index}: ${ours}`).toBe(`${index}: ${ok}`);
  });
});

test("recorded readings from the wire, and back", () => {
  type FromNetCase = {
    readonly net: object | null;
    readonly bytes?: string;
    readonly result: VectorCapabilities | null;
  };
  const decode = messageDecoder(CapabilitiesSchema);
  for (const vector of vectors<FromNetCase>("capabilities", "fromNet")) {
    if (vector.bytes === undefined || vector.result === null) continue;
    const outcome = decode(bytes(vector.bytes));
    if (outcome.type === "malformed") throw new Error(outcome.text);
    const set = capabilitiesFromNet(outcome.message, "own");
    expect(set).toEqual(capabilitySetOf(vector.result));
    expect(capabilitiesFromNet(capabilitiesToNet(set), "own")).toEqual(set);
  }
  expect(capabilitiesFromNet(undefined, "own")).toEqual(capabilitySet([], "own"));
});

test("a bitstring of absurd length is kept for the comparison but not counted out", () => {
  const message = create(CapabilitiesSchema, { bitstring: Array.from({ length: 50_000 }, () => 1n) });
  const need = capabilitiesFromNet(message, "");
  expect(Object.keys(need.capacities).length).toBe(16);
  expect(isCompatible(need, capabilitySet([...defaultCapabilities], "0.9.1"))).toBe(false);
});

test("a model with a hostile name is only a name", () => {
  const models = Object.fromEntries([["__proto__", { warm: false, capacity: 1, runnerVersion: "" }]]);
  const message = create(CapabilitiesSchema, {
    bitstring: [1n],
    constraints: { PerCapability: { 35: { models } } },
  });
  const need = capabilitiesFromNet(message, "");
  expect(Object.keys(need.perCapability[35] ?? {})).toEqual(["__proto__"]);
  expect(isCompatible(need, { ...capabilitySet([0], ""), perCapability: { 35: {} } })).toBe(false);
  expect(isCompatible(need, need)).toBe(true);
});

test("bits and numbers are two forms of one set; compatibility is reflexive and grows with the node", () => {
  const numbers = fc.uniqueArray(fc.nat(200), { maxLength: 20 });
  fc.assert(
    fc.property(numbers, numbers, (need, more) => {
      expect(bitNumbers(bitstringOf(need))).toEqual([...need].sort((a, b) => a - b));
      const job = capabilitySet(need, "");
      expect(isCompatible(job, capabilitySet([...need, ...more], "0.9.1"))).toBe(true);
      const missing = more.find((number) => !need.includes(number));
      if (missing !== undefined) expect(isCompatible(capabilitySet([...need, missing], ""), job)).toBe(false);
    }),
  );
});

test("recorded needs of jobs", () => {
  type JobCase = {
    readonly name: string;
    readonly inputCodec: number;
    readonly pixelFormat: string;
    readonly verificationFreq: number;
    readonly storage: string;
    readonly segmentParameters: boolean;
    readonly profiles: readonly {
      readonly fpsDen: number;
      readonly format: number;
      readonly profile: number;
      readonly gopNanoseconds: string;
      readonly encoder: number;
    }[];
    readonly result: VectorCapabilities | null;
  };
  let compared = 0;
  for (const vector of vectors<JobCase>("capabilities", "job")) {
    // Unknown codecs, formats, profiles, stores and pixel formats are the peer's run-time errors; our types rule
    // them out.
    if (vector.result === null) continue;
    const needs = jobNeeds({
      inputCodec: codecs[vector.inputCodec] ?? "h264",
      pixelFormat: pixelFormats[vector.pixelFormat] ?? "yuv420p",
      profiles: vector.profiles.map((profile) => ({
        ...anyProfile,
        fpsDen: profile.fpsDen,
        format: profile.format === 2 ? "mp4" : "mpegts",
        profile:
          (["default", "baseline", "main", "high", "constrained-high"] as const)[profile.profile] ??
          "default",
        gopMs: Number(profile.gopNanoseconds),
        encoder: codecs[profile.encoder] ?? "h264",
      })),
      store: stores[vector.storage] ?? null,
      verifiesFast: vector.verificationFreq > 0,
      isSliced: vector.segmentParameters,
    });
    expect({ name: vector.name, needs }).toEqual({
      name: vector.name,
      needs: capabilitySetOf(vector.result),
    });
    compared++;
  }
  expect(compared).toBe(33);
});

test("a software node promises what it serves: no AI, no HEVC unless told", () => {
  const software: ServedVideo = {
    device: "software",
    proven: [capability.hevcDecode, capability.vp8Decode, capability.h264Decode444],
    hasPerceptualHash: true,
    foreignStores: { s3: true, gcs: true },
    hevcDecoding: null,
  };
  const numbersOf = (served: ServedVideo) => bitNumbers(advertisedCapabilities(served, "0.9.1").bitstring);
  expect(numbersOf(software)).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 14, 17, 21, 26]);
  expect(numbersOf({ ...software, hevcDecoding: true })).toContain(15);
  expect(numbersOf({ ...software, hevcDecoding: false, device: "gpu" })).not.toContain(15);
  expect(numbersOf({ ...software, device: "gpu" })).toContain(15);
  expect(numbersOf({ ...software, hasPerceptualHash: false })).not.toContain(14);
  expect(numbersOf({ ...software, foreignStores: { s3: false, gcs: false } })).not.toContain(5);
  expect(() => numbersOf({ ...software, proven: [capability.llm] })).toThrow("33");
  // A gateway's usual stream is always served.
  const need = jobNeeds({
    inputCodec: "h264",
    pixelFormat: "yuv420p",
    profiles: [anyProfile],
    store: null,
    verifiesFast: true,
    isSliced: true,
  });
  expect(isCompatible(need, advertisedCapabilities(software, "0.9.1"))).toBe(true);
});

const codecs = ["h264", "h265", "vp8", "vp9"] as const;
const stores: Readonly<Record<string, "direct" | "s3" | "google">> = {
  direct: "direct",
  s3: "s3",
  google: "google",
};
const pixelFormats: Readonly<Record<string, H264PixelFormat>> = {
  yuyv422: "yuv422p",
  yuv422p: "yuv422p",
  yuv444p: "yuv444p",
  yuv420p10le: "yuv420p10",
  yuv422p10le: "yuv422p10",
  yuv444p10be: "yuv444p10",
};
const anyProfile: RenditionProfile = {
  name: "any",
  width: 426,
  height: 240,
  bitrate: 600_000,
  fps: 30,
  fpsDen: 0,
  gopMs: 0,
  profile: "default",
  format: "mpegts",
  encoder: "h264",
  quality: 0,
};
