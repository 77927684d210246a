import { describe, expect, test } from "bun:test";
import { secp256k1 } from "@noble/curves/secp256k1";
import fc from "fast-check";
import { NativeError, signDigest } from "../../../src/native/ffi.ts";

// Goal: a digest is signed bare, as transactions need it. Method: @noble/curves, an independent implementation.

const words = fc.uint8Array({ minLength: 32, maxLength: 32 });
const privateKeys = words.filter((key) => secp256k1.utils.isValidPrivateKey(key));

describe("signDigest", () => {
  test("equals noble's deterministic low-s signature", () => {
    fc.assert(
      fc.property(words, privateKeys, (digest, key) => {
        const { r, s, yParity } = signDigest(digest, key);
        const expected = secp256k1.sign(digest, key, { lowS: true });
        expect(Buffer.concat([r, s]).toString("hex")).toBe(expected.toCompactHex());
        expect(yParity).toBe(expected.recovery === 1 ? 1 : 0);
      }),
    );
  });

  test("refuses other lengths and what is no private key", () => {
    const [digest, key] = [new Uint8Array(32).fill(1), new Uint8Array(32).fill(2)];
    for (const length of [0, 31, 33, 64]) {
      expect(() => signDigest(new Uint8Array(length), key)).toThrow(NativeError);
      expect(() => signDigest(digest, new Uint8Array(length).fill(2))).toThrow(NativeError);
    }
    expect(() => signDigest(digest, new Uint8Array(32))).toThrow(NativeError);
    expect(() => signDigest(digest, new Uint8Array(32).fill(0xff))).toThrow(NativeError);
  });
});
