import { create } from "@bufbuild/protobuf";
import { expect, test } from "bun:test";
import fc from "fast-check";
import { isPersonalSignatureOf } from "../../support/signatures.ts";
import { ZERO_ACCOUNT } from "../../../src/protocol/account.ts";
import { capabilitySet } from "../../../src/protocol/capabilities.ts";
import { AuthTokenSchema, SegDataSchema } from "../../../src/protocol/gen/lp_rpc_pb.ts";
import { readSegmentHeader } from "../../../src/protocol/headers.ts";
import { type SegmentCredentials, segmentCredentials } from "../../../src/protocol/segmentCredentials.ts";
import { type SegmentGate, verifySegment } from "../../../src/protocol/verifySegment.ts";
import { checkGoToken } from "./goAuthToken.ts";
import { bytes, capabilitySetOf, type VectorCapabilities, vectors } from "./vectors.ts";

type CredentialsCase = {
  readonly name: string;
  readonly unsafe: boolean;
  readonly onChain: boolean;
  readonly paymentSender: string;
  readonly tokenSecret: string;
  readonly orchestratorCapabilities: VectorCapabilities;
  readonly maxSessions: number;
  readonly liveSessions: readonly string[];
  readonly header: string;
  readonly error: string | null;
};

const nowSeconds = 1_795_000_000n;

for (const vector of vectors<CredentialsCase>("seg-creds")) {
  test(`recorded credentials, video checks 14 to 19: ${vector.name}`, () => {
    // Tokens in the records follow the peer's rule, so its check is injected; everything else is ours. The one
    // unsafe row passes that rule: `authToken.test.ts` shows that ours refuses it.
    const gate: SegmentGate = {
      isSignedBy: vector.onChain ? isPersonalSignatureOf : () => true,
      capabilities: capabilitySetOf(vector.orchestratorCapabilities),
      checkToken: (token) => checkGoToken(bytes(vector.tokenSecret), token, nowSeconds),
      hasCapacity: (id) =>
        vector.liveSessions.includes(id) || vector.liveSessions.length < vector.maxSessions,
    };
    const segment = readSegmentHeader(vector.header, "0.9.1");
    const sender = vector.onChain ? bytes(vector.paymentSender) : ZERO_ACCOUNT;
    const outcome = segment.type === "refused" ? segment : verifySegment(segment, sender, gate);
    if (vector.error === null) expect(outcome.type).toBe("verified");
    else expect(outcome).toEqual({ type: "refused", status: 403, text: vector.error });
  });
}

test("video check 17: the first failing check decides, in the order of the sheet", () => {
  const texts = [
    "ErrSegSig",
    "incompatible capabilities",
    "missing auth token",
    "invalid auth token",
    "expired auth token",
    "OrchestratorCapped",
  ];
  const flaw = fc.record({
    signature: fc.boolean(),
    capabilities: fc.boolean(),
    missing: fc.boolean(),
    verdict: fc.constantFrom("valid", "invalid", "expired"),
    capped: fc.boolean(),
  });
  fc.assert(
    fc.property(flaw, ({ signature, capabilities, missing, verdict, capped }) => {
      const flaws = [signature, capabilities, missing, verdict === "invalid", verdict === "expired", capped];
      const first = flaws.indexOf(true);
      const outcome = verifySegment(segmentWith(!missing), ZERO_ACCOUNT, {
        isSignedBy: () => !signature,
        capabilities: capabilitySet(capabilities ? [] : [0], "0.9.1"),
        checkToken: () => verdict as "valid" | "invalid" | "expired",
        hasCapacity: () => !capped,
      });
      if (first === -1) expect(outcome.type).toBe("verified");
      else expect(outcome).toEqual({ type: "refused", status: 403, text: texts[first] ?? "" });
    }),
  );
});

test("the signature is judged over the 32-byte message, the gateway's bytes and the payment's sender", () => {
  const seen: unknown[] = [];
  const segment = segmentWith(true);
  const gate: SegmentGate = {
    isSignedBy: (...args) => seen.push(...args) > 0,
    capabilities: capabilitySet([0], ""),
    checkToken: () => "valid",
    hasCapacity: () => true,
  };
  const outcome = verifySegment(segment, new Uint8Array(20).fill(3), gate);
  expect(outcome).toEqual({ type: "verified", authToken: create(AuthTokenSchema, { sessionId: "s" }) });
  expect((seen[0] as Uint8Array).length).toBe(32);
  expect(seen.slice(1)).toEqual([segment.signature, new Uint8Array(20).fill(3)]);
});

function segmentWith(hasToken: boolean): SegmentCredentials {
  const data = create(SegDataSchema, { sig: Uint8Array.of(1), capabilities: { bitstring: [1n] } });
  if (hasToken) data.authToken = create(AuthTokenSchema, { sessionId: "s" });
  const segment = segmentCredentials(data, "");
  if (segment.type === "refused") throw new Error(segment.text);
  return segment;
}
