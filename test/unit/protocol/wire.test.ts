import { create, toBinary } from "@bufbuild/protobuf";
import { expect, test } from "bun:test";
import fc from "fast-check";
import * as net from "../../../src/protocol/gen/lp_rpc_pb.ts";
import { MALFORMED_UTF8_TEXT, MALFORMED_WIRE_TEXT, messageDecoder } from "../../../src/protocol/wire.ts";
import { toHex } from "../../../src/protocol/bytes.ts";
import { bytes, vectors } from "./vectors.ts";

type DecodeCase = {
  readonly message: string;
  readonly name: string;
  readonly bytes: string;
  readonly fields: Readonly<Record<string, unknown>> | null;
  readonly error: string | null;
};

const decoders: Readonly<
  Record<string, (input: Uint8Array) => ReturnType<ReturnType<typeof messageDecoder>>>
> = {
  "net.Payment": messageDecoder(net.PaymentSchema),
  "net.Capabilities": messageDecoder(net.CapabilitiesSchema),
  "net.Capabilities.CapabilityConstraints": messageDecoder(net.Capabilities_CapabilityConstraintsSchema),
  "net.SegData": messageDecoder(net.SegDataSchema),
  "net.TicketSenderParams": messageDecoder(net.TicketSenderParamsSchema),
  "net.TicketParams": messageDecoder(net.TicketParamsSchema),
  "net.TranscodeResult": messageDecoder(net.TranscodeResultSchema),
  "net.RegisterRequest": messageDecoder(net.RegisterRequestSchema),
};

for (const vector of vectors<DecodeCase>("payment-proto", "decode")) {
  test(`recorded decoding of ${vector.message}: ${vector.name}`, () => {
    const outcome = decoders[vector.message]?.(bytes(vector.bytes));
    if (vector.name.startsWith("wrong wire type")) {
      // The one place where we are stricter: the reference node skips such a field, no sender writes one.
      expect(outcome).toEqual({ type: "malformed", text: MALFORMED_WIRE_TEXT });
      return;
    }
    if (vector.error !== null) {
      expect(outcome).toEqual({ type: "malformed", text: vector.error });
      return;
    }
    expect(outcome?.type).toBe("message");
    if (outcome?.type === "message") expect(plainFields(outcome.message)).toEqual(vector.fields ?? {});
  });
}

test("what the library writes is read back", () => {
  const decode = messageDecoder(net.SegDataSchema);
  const capabilities = fc.record({
    bitstring: fc.array(fc.bigInt({ min: 0n, max: 2n ** 64n - 1n })),
    capacities: fc.dictionary(fc.nat().map(String), fc.nat()),
    version: fc.string({ unit: "grapheme" }),
    constraints: fc.record({
      PerCapability: fc.constant({ 35: { models: { m: { warm: true, capacity: 3 } } } }),
    }),
  });
  const data = fc.record({
    manifestId: fc.uint8Array(),
    seq: fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
    duration: fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 }),
    capabilities,
    fullProfiles3: fc.array(
      fc.record({ name: fc.string({ unit: "grapheme" }), gop: fc.integer({ min: -2, max: 9 }) }),
    ),
  });
  fc.assert(
    fc.property(data, (fields) => {
      const message = create(net.SegDataSchema, fields);
      expect(decode(toBinary(net.SegDataSchema, message))).toEqual({ type: "message", message });
    }),
  );
});

test("random bytes never throw and never read past a nested message", () => {
  const decode = messageDecoder(net.SegDataSchema);
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 60 }), (input) => {
      expect(["message", "malformed"]).toContain(decode(input).type);
    }),
    { numRuns: 2000 },
  );
  // capabilities of 2 bytes whose own length-delimited field claims 4: the library alone reads into the neighbour.
  const overrun = Uint8Array.of(0x3a, 2, 0x22, 4, 0x30, 1, 0x30, 1);
  expect(decode(overrun)).toEqual({ type: "malformed", text: MALFORMED_WIRE_TEXT });
});

test("cutting a message anywhere but between fields is malformed", () => {
  const decode = messageDecoder(net.AuthTokenSchema);
  const whole = toBinary(net.AuthTokenSchema, create(net.AuthTokenSchema, { sessionId: "deadbeef" }));
  for (let length = 1; length < whole.length; length++) {
    expect(decode(whole.subarray(0, length)).type).toBe("malformed");
  }
  expect(decode(whole).type).toBe("message");
});

test("a varint of ten bytes may only carry 64 bits", () => {
  const decode = messageDecoder(net.AuthTokenSchema);
  const varint = (last: number) => Uint8Array.from([0x18, ...Array(9).fill(0xff), last]);
  expect(decode(varint(1))).toMatchObject({ type: "message", message: { expiration: -1n } });
  expect(decode(varint(2))).toEqual({ type: "malformed", text: MALFORMED_WIRE_TEXT });
});

test("nesting is bounded", () => {
  const decode = messageDecoder(net.AuthTokenSchema);
  const groups = (depth: number) => [...Array(depth).fill(0x7b), ...Array(depth).fill(0x7c)];
  expect(decode(Uint8Array.from(groups(10))).type).toBe("message");
  expect(decode(Uint8Array.from(groups(20_000)))).toEqual({ type: "malformed", text: MALFORMED_WIRE_TEXT });
});

test("invalid UTF-8 in a nested string is refused", () => {
  const decode = messageDecoder(net.SegDataSchema);
  const outcome = decode(Uint8Array.of(0x42, 4, 0x12, 2, 0xc3, 0x28));
  expect(outcome).toEqual({ type: "malformed", text: MALFORMED_UTF8_TEXT });
});

/** The fields that are set, as the vectors write them: .proto names, hex, decimal text for 64 bits. */
function plainFields(message: object): Record<string, unknown> {
  const fields: Record<string, unknown> = {};
  for (const [key, value] of Object.entries(message)) {
    if (key.startsWith("$")) continue;
    const plain = plainValue(value);
    if (plain === undefined) continue;
    if (key === "result" && typeof value === "object" && value !== null && "case" in value) {
      fields[String(value.case)] = "value" in value ? plainValue(value.value) : undefined;
      continue;
    }
    fields[protoName[key] ?? key] = plain;
  }
  return fields;
}

function plainValue(value: unknown): unknown {
  if (value instanceof Uint8Array) return value.length === 0 ? undefined : toHex(value);
  if (typeof value === "bigint") return value === 0n ? undefined : String(value);
  if (Array.isArray(value)) return value.length === 0 ? undefined : value.map(plainValue);
  if (typeof value === "object" && value !== null) {
    if ("$typeName" in value) return plainFields(value);
    if ("case" in value) return value.case === undefined ? undefined : value;
    return Object.keys(value).length === 0 ? undefined : value;
  }
  return value === 0 || value === "" || value === false ? undefined : value;
}

const protoName: Readonly<Record<string, string>> = {
  senderNonce: "sender_nonce",
  expirationParams: "expiration_params",
  creationRound: "creation_round",
  creationRoundBlockHash: "creation_round_block_hash",
  calcPerceptualHash: "calc_perceptual_hash",
};
