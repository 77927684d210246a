import { create, fromBinary } from "@bufbuild/protobuf";
import { expect, test } from "bun:test";
import { keccak_256 } from "@noble/hashes/sha3";
import { accountOfPrivateKey, isPersonalSignatureOf } from "../../support/signatures.ts";
import { toHex } from "../../../src/protocol/bytes.ts";
import { capabilitySet } from "../../../src/protocol/capabilities.ts";
import { defaultCapabilities } from "../../../src/protocol/capability.ts";
import { AuthTokenSchema, TranscodeResultSchema } from "../../../src/protocol/gen/lp_rpc_pb.ts";
import {
  PAYMENT_HEADER_CHARS_MAX,
  readPaymentHeader,
  readSegmentRequest,
} from "../../../src/protocol/headers.ts";
import { orchestratorInfo } from "../../../src/protocol/orchestratorInfo.ts";
import {
  perceptualHashObject,
  renditionDirectories,
  renditionObject,
  streamPath,
  streamUrl,
} from "../../../src/protocol/renditionPath.ts";
import { deliveredResult, encodeResult, failedResult } from "../../../src/protocol/transcodeResult.ts";
import { type VerifiedSegment, verifySegment } from "../../../src/protocol/verifySegment.ts";
import type { Refusal } from "../../../src/protocol/refusal.ts";
import type { SegmentRequest } from "../../../src/protocol/headers.ts";
import { checkGoToken } from "./goAuthToken.ts";
import { bytes, vectors } from "./vectors.ts";

type HttpCase = {
  readonly name: string;
  readonly unsafe: boolean;
  readonly onChain: boolean;
  readonly nodePrivateKey: string;
  readonly tokenSecret: string;
  readonly request: { readonly headers: Readonly<Record<string, string>>; readonly body: string };
  readonly status: number | null;
  readonly text: string | null;
  readonly bytes: string | null;
};

const cases = vectors<HttpCase>("http-segment");

/** Decided by the payment layer, which is no part of this room. */
const paymentTexts = ["Insufficient balance", "invalid ticket signature", "invalid recipientRand"];

for (const vector of cases) {
  test(`recorded request, video checks 12 to 19: ${vector.name}`, () => {
    const request = readSegmentRequest(headersOf(vector), "undefined");
    const outcome = request.type === "refused" ? request : judge(request, vector);
    if (vector.name.startsWith("storage type S3 without s3info")) {
      // The peer crashes after its 200; we say why we do not start.
      expect(outcome).toEqual({ type: "refused", status: 403, text: "storage without its details" });
      return;
    }
    const isLater = vector.status === 500 || paymentTexts.some((text) => vector.text?.startsWith(text));
    const isBody = vector.text === "Forbidden\n" || vector.text === "BadRequest\n";
    if (vector.status === 200 || vector.status === null || isLater || isBody) {
      expect(outcome.type).toBe("verified");
      if (request.type === "request") expect(hashFits(request, vector)).toBe(vector.text !== "Forbidden\n");
      return;
    }
    expect(outcome).toEqual({ type: "refused", status: vector.status, text: (vector.text ?? "").trimEnd() });
  });
}

for (const vector of cases.filter((some) => !some.onChain && some.bytes !== null)) {
  test(`video check 23, recorded result built again: ${vector.name}`, () => {
    const request = requestOf(vector);
    const recorded = fromBinary(TranscodeResultSchema, bytes(vector.bytes ?? ""));
    const { authToken, profiles, seq } = request.segment;
    if (authToken === null) throw new Error("no token");
    const info = orchestratorInfo(
      {
        serviceUri: "https://127.0.0.1:8935",
        account: null,
        capabilities: capabilitySet([...defaultCapabilities], "undefined"),
        nodes: [],
      },
      { authToken },
    );
    const directories = renditionDirectories(profiles);
    const renditions = profiles.map((profile, index) => {
      const object = renditionObject(directories[index] ?? "", seq, profile);
      const url = streamUrl("https://127.0.0.1:8935", streamPath(authToken.sessionId, object));
      return { url, pixels: 1000 * (index + 1), perceptualHashUrl: null };
    });
    const built = deliveredResult(seq, renditions, new Uint8Array(0), info);
    expect(built).toEqual(recorded);
    expect(fromBinary(TranscodeResultSchema, encodeResult(built))).toEqual(recorded);
  });
}

test("video check 25: recorded results name the node's account and the URLs we would make", () => {
  let compared = 0;
  for (const vector of cases) {
    if (vector.bytes === null || vector.bytes === "0x") continue;
    const recorded = fromBinary(TranscodeResultSchema, bytes(vector.bytes));
    if (recorded.result.case !== "data") continue;
    const { segment } = requestOf(vector);
    const directories = renditionDirectories(segment.profiles);
    recorded.result.value.segments.forEach((rendition, index) => {
      const profile = segment.profiles[index];
      if (profile === undefined) throw new Error("more renditions than profiles");
      const path = streamPath("deadbeef", renditionObject(directories[index] ?? "", segment.seq, profile));
      expect(rendition.url).toBe(streamUrl("https://127.0.0.1:8935", path));
      if (rendition.perceptualHashUrl !== "") {
        expect(rendition.perceptualHashUrl).toBe(
          streamUrl("https://127.0.0.1:8935", perceptualHashObject(path)),
        );
      }
    });
    if (!vector.onChain) continue;
    expect(recorded.info?.address).toEqual(accountOfPrivateKey(bytes(vector.nodePrivateKey)));
    compared++;
  }
  expect(compared).toBeGreaterThan(2);
});

test("a failed result keeps seq and info, and its text is always valid UTF-8", () => {
  const info = orchestratorInfo(
    { serviceUri: "", account: null, capabilities: capabilitySet([], ""), nodes: [] },
    { authToken: someToken },
  );
  const decoded = fromBinary(TranscodeResultSchema, encodeResult(failedResult(-5n, "bad \ud800 text", info)));
  expect(decoded.seq).toBe(-5n);
  expect(decoded.result).toEqual({ case: "error", value: "bad \ufffd text" });
  expect(decoded.info).toEqual(info);
});

type PaymentCase = {
  readonly name: string;
  readonly header: string;
  readonly senderAddress: string;
  readonly error: string | null;
};

for (const vector of vectors<PaymentCase>("payment-header", "decode")) {
  test(`recorded payment header: ${vector.name}`, () => {
    const outcome = readPaymentHeader(vector.header);
    if (vector.error !== null) expect(outcome).toEqual({ type: "refused", status: 402, text: vector.error });
    else expect(outcome.type === "payment" && toHex(outcome.sender)).toBe(lower(vector.senderAddress));
  });
}

test("video check 12: an absurdly long payment header is refused before it is decoded", () => {
  const refusal = readPaymentHeader("A".repeat(PAYMENT_HEADER_CHARS_MAX + 4));
  expect(refusal).toMatchObject({ type: "refused", status: 402 });
  expect(refusal.type === "refused" && refusal.text).toStartWith("base64 decode error: ");
});

const someToken = create(AuthTokenSchema, { sessionId: "deadbeef" });

function headersOf(vector: HttpCase): { readonly segment: string | null; readonly payment: string | null } {
  const { headers } = vector.request;
  return { segment: headers["Livepeer-Segment"] ?? null, payment: headers["Livepeer-Payment"] ?? null };
}

function requestOf(vector: HttpCase | undefined): SegmentRequest {
  if (vector === undefined) throw new Error("no such case");
  const request = readSegmentRequest(headersOf(vector), "undefined");
  if (request.type === "refused") throw new Error(request.text);
  return request;
}

function judge(request: SegmentRequest, vector: HttpCase): VerifiedSegment | Refusal {
  return verifySegment(request.segment, request.payment.sender, {
    isSignedBy: vector.onChain ? isPersonalSignatureOf : () => true,
    capabilities: capabilitySet([...defaultCapabilities], "undefined"),
    checkToken: (token) => checkGoToken(bytes(vector.tokenSecret), token, 1_795_000_000n),
    hasCapacity: () => true,
  });
}

function hashFits(request: SegmentRequest, vector: HttpCase): boolean {
  if (vector.request.headers["Content-Type"] === "application/vnd+livepeer.uri") return true;
  return toHex(keccak_256(bytes(vector.request.body))) === toHex(request.segment.hash);
}

function lower(address: string): `0x${string}` {
  return address.toLowerCase() as `0x${string}`;
}
