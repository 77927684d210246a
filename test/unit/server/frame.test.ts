import { expect, test } from "bun:test";
import fc from "fast-check";
import {
  decodeMessage,
  encodeGrpcMessage,
  encodeMessage,
  readGrpcTimeoutMs,
} from "../../../src/server/rpc/frame.ts";

test("a message survives its framing", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 500 }), (message) => {
      const decoded = decodeMessage(encodeMessage(message), 500);
      expect(decoded instanceof Uint8Array && Buffer.from(decoded).equals(message)).toBe(true);
    }),
  );
});

test("a body that is not one whole uncompressed message is refused", () => {
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 1, maxLength: 50 }), fc.nat(60), (message, cut) => {
      const framed = encodeMessage(message);
      const short = framed.subarray(0, Math.min(cut, framed.length - 1));
      expect(decodeMessage(short, 500)).toMatchObject({ type: "failure", status: 13 });
      expect(decodeMessage(Buffer.concat([framed, framed]), 500)).toMatchObject({
        type: "failure",
        status: 13,
      });
      expect(decodeMessage(framed, message.length - 1)).toMatchObject({ type: "failure", status: 8 });
    }),
  );
  expect(decodeMessage(Uint8Array.of(1, 0, 0, 0, 0), 500)).toMatchObject({ type: "failure", status: 12 });
});

test("any text becomes printable ASCII and decodes to itself", () => {
  fc.assert(
    fc.property(fc.string({ unit: "grapheme" }), (text) => {
      const encoded = encodeGrpcMessage(text);
      expect(encoded).toMatch(/^[\x20-\x7e]*$/);
      expect(decodeURIComponent(encoded)).toBe(text);
    }),
  );
  expect(encodeGrpcMessage("a lone surrogate \ud800")).toBe("a lone surrogate %EF%BF%BD");
});

test("grpc-timeout is read in all its units", () => {
  expect(["1H", "2M", "3S", "4m", "5u", "6n"].map(readGrpcTimeoutMs)).toEqual([
    3_600_000, 120_000, 3_000, 4, 0.005, 6e-6,
  ]);
  for (const text of [undefined, "", "S", "5", "-5S", "5 S", "123456789S", "5x"]) {
    expect(readGrpcTimeoutMs(text)).toBeNull();
  }
});
