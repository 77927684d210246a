import { create } from "@bufbuild/protobuf";
import { expect, test } from "bun:test";
import { keccak_256 } from "@noble/hashes/sha3";
import fc from "fast-check";
import { accountOfPrivateKey, isPersonalSignatureOf, signPersonalMessage } from "../../support/signatures.ts";
import { encodeBase64 } from "../../../src/protocol/base64.ts";
import { toHex, utf8 } from "../../../src/protocol/bytes.ts";
import { SegDataSchema } from "../../../src/protocol/gen/lp_rpc_pb.ts";
import { readSegmentHeader, SEGMENT_HEADER_CHARS_MAX } from "../../../src/protocol/headers.ts";
import { personalMessageDigest } from "../../support/personalMessage.ts";
import { presetProfile } from "../../../src/protocol/presets.ts";
import type { RenditionProfile } from "../../../src/protocol/profile.ts";
import {
  flattenSegment,
  type SegmentCredentials,
  segmentCredentials,
  segmentMessage,
} from "../../../src/protocol/segmentCredentials.ts";
import { bytes, capabilitySetOf, type VectorCapabilities, vectors } from "./vectors.ts";

type VectorProfile = {
  readonly name: string;
  readonly bitrate: string;
  readonly fps: number;
  readonly fpsDen: number;
  readonly resolution: string;
  readonly format: number;
  readonly profile: number;
  readonly gopNanoseconds: string;
  readonly encoder: number;
  readonly quality: number;
};

type Decoded = {
  readonly seq: string;
  readonly hash: string;
  readonly durationMs: string;
  readonly profiles: readonly VectorProfile[];
  readonly storage: { readonly storageType: number; readonly s3info?: { readonly host: string } } | null;
  readonly capabilities: VectorCapabilities;
  readonly authToken: {
    readonly token?: string;
    readonly session_id?: string;
    readonly expiration?: string;
  } | null;
  readonly calcPerceptualHash: boolean;
  readonly clip: { readonly fromNanoseconds: string; readonly toNanoseconds: string } | null;
  readonly forceSessionReinit: boolean;
  readonly flattened: string;
};

type EncodeCase = {
  readonly name: string;
  readonly onChain: boolean;
  readonly privateKey: string;
  readonly flattened: string;
  readonly flattenedKeccak: string;
  readonly digest: string;
  readonly sig: string;
  readonly header: string;
  readonly decoded: Decoded | null;
  readonly decodeError: string | null;
};

/** Version of the node that recorded the vectors. */
const recordedVersion = "undefined";

for (const vector of vectors<EncodeCase>("segdata", "encode")) {
  test(`recorded segment header: ${vector.name}`, () => {
    const outcome = readSegmentHeader(vector.header, recordedVersion);
    if (vector.decoded === null) {
      expect(outcome).toEqual({ type: "refused", status: 403, text: vector.decodeError ?? "" });
      return;
    }
    const credentials = credentialsOf(outcome);
    expectDecoded(credentials, vector.decoded);
    // A gateway hashes an unnamed profile's empty name but sends another one, so only then the two differ.
    if (!vector.name.startsWith("unnamed"))
      expect(toHex(flattenSegment(credentials))).toBe(hex(vector.flattened));
    expect(toHex(keccak_256(bytes(vector.flattened)))).toBe(hex(vector.flattenedKeccak));
    expect(toHex(personalMessageDigest(bytes(vector.flattenedKeccak)))).toBe(hex(vector.digest));
    expect(toHex(credentials.signature)).toBe(hex(vector.onChain ? vector.sig : "0x"));
    if (vector.onChain) {
      const privateKey = bytes(vector.privateKey);
      const message = bytes(vector.flattenedKeccak);
      expect(toHex(signPersonalMessage(message, privateKey))).toBe(hex(vector.sig));
      expect(isPersonalSignatureOf(message, bytes(vector.sig), accountOfPrivateKey(privateKey))).toBe(true);
    }
  });
}

type DecodeCase = {
  readonly name: string;
  readonly bytes: string | null;
  readonly decoded: Decoded | null;
  readonly error: string | null;
};

for (const vector of vectors<DecodeCase>("segdata", "decode")) {
  // `nil` is a Go pointer; on our side absent data is an empty header, the next case.
  if (vector.bytes === null) continue;
  test(`recorded segment data: ${vector.name}`, () => {
    const outcome = readSegmentHeader(encodeBase64(bytes(vector.bytes ?? "")), recordedVersion);
    if (vector.error !== null) {
      expect(outcome).toEqual({ type: "refused", status: 403, text: vector.error });
    } else if (vector.decoded !== null) {
      expectDecoded(credentialsOf(outcome), vector.decoded);
    }
  });
}

test("video sheet 13, signature of a segment: preimage, hash and signature", () => {
  const segment = {
    manifestId: utf8("mid"),
    seq: 7n,
    hash: keccak_256(utf8("foo")),
    profiles: [presetProfile("P240p30fps16x9"), presetProfile("P360p30fps16x9")].filter(
      (some) => some !== null,
    ),
  };
  const flattened = flattenSegment(segment);
  expect(flattened.length).toBe(83);
  expect(toHex(segmentMessage(segment))).toBe(
    "0xf760c81b59b8bda20592fba615a63d8059efb2645e54566d52a3e6346b2fc2e1",
  );
  const key = new Uint8Array(32);
  key[31] = 1;
  expect(toHex(signPersonalMessage(segmentMessage(segment), key))).toBe(
    "0x3b5f867ec7c60e9a5508be46bfb6ad9d9c22e1f96c2d9d9ffa116152701e50a112d3c4a428016417922d5a8ef9820dac4edb522a342a94204ca0193029a94def1c",
  );
});

test("video check 14: duration -1 and 300001 are refused, 0 means 2000", () => {
  const outcome = (duration: number) => segmentCredentials(create(SegDataSchema, { duration }), "");
  expect(outcome(-1)).toEqual({ type: "refused", status: 403, text: "invalid duration" });
  expect(outcome(300_001)).toEqual({ type: "refused", status: 403, text: "invalid duration" });
  expect(outcome(300_000)).toMatchObject({ type: "credentials", durationMs: 300_000 });
  expect(outcome(0)).toMatchObject({ type: "credentials", durationMs: 2000 });
});

test("video check 13: a header that is no base64, and one that is absurdly long, are refused alike", () => {
  const refusal = { type: "refused", status: 403, text: "ErrorSegEncoding" } as const;
  expect(readSegmentHeader("foo", "")).toEqual(refusal);
  expect(readSegmentHeader("A".repeat(SEGMENT_HEADER_CHARS_MAX + 4), "")).toEqual(refusal);
});

test("the preimage covers manifest, number, hash and names, and nothing else", () => {
  const name = fc.string({ maxLength: 8 });
  const message = fc.record({
    manifestId: fc.uint8Array({ maxLength: 8 }),
    seq: fc.bigInt({ min: 0n, max: 2n ** 63n - 1n }),
    hash: fc.uint8Array({ minLength: 32, maxLength: 32 }),
    fullProfiles: fc.array(fc.record({ name, width: fc.nat(), bitrate: fc.nat() }), { maxLength: 3 }),
  });
  fc.assert(
    fc.property(message, (fields) => {
      const one = credentialsOf(segmentCredentials(create(SegDataSchema, fields), ""));
      const noise = {
        duration: 1,
        calcPerceptualHash: true,
        ForceSessionReinit: true,
        segmentParameters: { from: 5n },
      };
      const named = fields.fullProfiles.every((profile) => profile.name !== "");
      const profiles = named
        ? fields.fullProfiles.map((profile) => ({ ...profile, bitrate: 1, height: 9 }))
        : fields.fullProfiles;
      const other = credentialsOf(
        segmentCredentials(create(SegDataSchema, { ...fields, ...noise, fullProfiles: profiles }), ""),
      );
      expect(flattenSegment(other)).toEqual(flattenSegment(one));
      expect(flattenSegment(one).length).toBe(fields.manifestId.length + 64 + 8 * fields.fullProfiles.length);
      const moved = { ...one, seq: one.seq + 1n };
      expect(flattenSegment(moved)).not.toEqual(flattenSegment(one));
    }),
  );
});

function credentialsOf(outcome: ReturnType<typeof segmentCredentials>): SegmentCredentials {
  if (outcome.type === "refused") throw new Error(`refused: ${outcome.text}`);
  return outcome;
}

function expectDecoded(credentials: SegmentCredentials, decoded: Decoded): void {
  expect(String(credentials.seq)).toBe(decoded.seq);
  expect(toHex(credentials.hash)).toBe(hex(decoded.hash));
  expect(String(credentials.durationMs)).toBe(decoded.durationMs);
  expect(credentials.profiles).toEqual(decoded.profiles.map(profileOf));
  expect(credentials.capabilities).toEqual(capabilitySetOf(decoded.capabilities));
  expect(credentials.calcPerceptualHash).toBe(decoded.calcPerceptualHash);
  expect(credentials.forceSessionReinit).toBe(decoded.forceSessionReinit);
  expect(toHex(flattenSegment(credentials))).toBe(hex(decoded.flattened));
  const { clip, authToken, store } = credentials;
  expect(clip).toEqual(
    decoded.clip && { fromMs: ms(decoded.clip.fromNanoseconds), toMs: ms(decoded.clip.toNanoseconds) },
  );
  expect(authToken?.sessionId).toBe(decoded.authToken?.session_id);
  expect(authToken && toHex(authToken.token)).toBe(decoded.authToken && hex(decoded.authToken.token ?? "0x"));
  expect(authToken && String(authToken.expiration)).toBe(
    decoded.authToken && (decoded.authToken.expiration ?? "0"),
  );
  expect(store === null).toBe((decoded.storage?.storageType ?? 0) === 0);
}

function profileOf(vector: VectorProfile): RenditionProfile {
  const [width, height] = vector.resolution.split("x").map(Number);
  const { name, fps, fpsDen, quality } = vector;
  return {
    name,
    width: width ?? 0,
    height: height ?? 0,
    bitrate: Number(vector.bitrate),
    fps,
    fpsDen,
    // In the vectors a negative distance is the bare number, a positive one nanoseconds.
    gopMs: vector.gopNanoseconds.startsWith("-") ? Number(vector.gopNanoseconds) : ms(vector.gopNanoseconds),
    profile:
      (["default", "baseline", "main", "high", "constrained-high"] as const)[vector.profile] ?? "default",
    format: vector.format === 2 ? "mp4" : "mpegts",
    encoder: (["h264", "h265", "vp8", "vp9"] as const)[vector.encoder] ?? "h264",
    quality,
  };
}

function ms(nanoseconds: string): number {
  return Number(BigInt(nanoseconds) / 1_000_000n);
}

function hex(text: string): `0x${string}` {
  return text as `0x${string}`;
}
