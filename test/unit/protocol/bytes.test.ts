import { expect, test } from "bun:test";
import fc from "fast-check";
import {
  concatBytes,
  equalBytes,
  fitBytes,
  fromHex,
  plainHex,
  toHex,
  uint256Bytes,
  utf8,
} from "../../../src/protocol/bytes.ts";

test("hex goes there and back, and nothing else passes for hex", () => {
  fc.assert(
    fc.property(fc.uint8Array(), (bytes) => {
      expect(fromHex(toHex(bytes))).toEqual(bytes);
      expect(fromHex(plainHex(bytes).toUpperCase())).toEqual(bytes);
    }),
  );
  for (const text of ["0", "0x1", "zz", "0xg0", "1 ", " 1", "0x 1"]) expect(fromHex(text)).toBeNull();
  expect(fromHex("")).toEqual(new Uint8Array(0));
});

test("fitBytes keeps the low end and always gives the wanted length", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 64 }), fc.integer({ min: 1, max: 40 }), (bytes, length) => {
      const fitted = fitBytes(bytes, length);
      expect(fitted.length).toBe(length);
      const shared = Math.min(length, bytes.length);
      expect(plainHex(fitted.slice(length - shared))).toBe(plainHex(bytes.slice(bytes.length - shared)));
      expect(fitted.slice(0, length - shared).every((byte) => byte === 0)).toBe(true);
    }),
  );
});

test("equalBytes says the same as a plain comparison", () => {
  const pair = fc.tuple(fc.uint8Array({ maxLength: 4 }), fc.uint8Array({ maxLength: 4 }));
  fc.assert(fc.property(pair, ([left, right]) => equalBytes(left, right) === (toHex(left) === toHex(right))));
  expect(equalBytes(Uint8Array.of(1, 2), Uint8Array.of(1, 2))).toBe(true);
});

test("uint256Bytes is the number in base 256", () => {
  fc.assert(
    fc.property(fc.bigInt({ min: 0n, max: 2n ** 256n - 1n }), (value) => {
      expect(BigInt(toHex(uint256Bytes(value)))).toBe(value);
    }),
  );
});

test("concatBytes joins in order", () => {
  expect(concatBytes(utf8("ab"), new Uint8Array(0), utf8("é"))).toEqual(utf8("abé"));
});
