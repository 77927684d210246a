import { describe, expect, test } from "bun:test";
import { secp256k1 } from "@noble/curves/secp256k1";
import fc from "fast-check";
import {
  accountOfPrivateKey,
  isPersonalSignatureOf,
  NativeError,
  recoverPersonalSigner,
  signPersonalMessage,
} from "../../../src/native/ffi.ts";
import * as noble from "../../support/signatures.ts";
import vectors from "../../vectors/ticket-signature.json";

// Goal: signatures are made and read exactly as the network's reference node does.
// Method: its recorded values, and for all others @noble/curves, an independent implementation.

const bytes = (hex: string): Uint8Array => new Uint8Array(Buffer.from(hex.slice(2), "hex"));
const signed = vectors.cases.flatMap(({ privateKey, hash, message, sig, address, kind }) =>
  kind !== "verify" && privateKey !== undefined && address !== undefined
    ? [{ privateKey, address, sig, message: hash ?? message ?? "" }]
    : [],
);
const verified = vectors.cases.flatMap(({ kind, name, address, message, sig, ok, recovered }) =>
  kind === "verify" && address !== undefined && message !== undefined
    ? [{ name, address, message, sig, ok, recovered: recovered ?? null }]
    : [],
);

const privateKeys = fc
  .uint8Array({ minLength: 32, maxLength: 32 })
  .filter((key) => secp256k1.utils.isValidPrivateKey(key));
const messages = fc.oneof(fc.uint8Array({ minLength: 32, maxLength: 32 }), fc.uint8Array({ maxLength: 300 }));

describe("recorded signatures", () => {
  test("every signed row is made byte for byte", () => {
    expect(signed.length).toBeGreaterThan(20);
    for (const { privateKey, address, message, sig } of signed) {
      const signature = signPersonalMessage(bytes(message), bytes(privateKey));
      expect(Buffer.from(signature)).toEqual(Buffer.from(bytes(sig)));
      expect(Buffer.from(accountOfPrivateKey(bytes(privateKey)))).toEqual(Buffer.from(bytes(address)));
    }
  });

  test("every row that was verified gets the same answer", () => {
    expect(verified.length).toBeGreaterThan(90);
    for (const { name, address, message, sig, ok, recovered } of verified) {
      const signer = recoverPersonalSigner(bytes(message), bytes(sig));
      const hex = signer === null ? null : `0x${Buffer.from(signer).toString("hex")}`;
      expect(`${name}: ${hex}`).toBe(`${name}: ${recovered?.toLowerCase() ?? null}`);
      expect(`${name}: ${isPersonalSignatureOf(bytes(message), bytes(sig), bytes(address))}`).toBe(
        `${name}: ${ok}`,
      );
    }
  });
});

describe("any signature", () => {
  test("is the same as noble's and leads back to the account", () => {
    fc.assert(
      fc.property(messages, privateKeys, (message, key) => {
        const signature = signPersonalMessage(message, key);
        expect(signature).toEqual(noble.signPersonalMessage(message, key));
        expect(recoverPersonalSigner(message, signature)).toEqual(accountOfPrivateKey(key));
        expect(accountOfPrivateKey(key)).toEqual(noble.accountOfPrivateKey(key));
      }),
    );
  });

  // One changed byte hits every part: r, s above and below the half, v.
  test("with one byte changed is read as noble reads it", () => {
    const changes = fc.record({ index: fc.nat(64), byte: fc.nat(255) });
    fc.assert(
      fc.property(messages, privateKeys, changes, (message, key, { index, byte }) => {
        const signature = signPersonalMessage(message, key);
        signature[index] = byte;
        expect(recoverPersonalSigner(message, signature)).toEqual(
          noble.recoverPersonalSigner(message, signature),
        );
      }),
      { numRuns: 300 },
    );
  });

  test("that is no signature is nobody's, whatever its bytes and length", () => {
    fc.assert(
      fc.property(messages, fc.uint8Array({ maxLength: 70 }), (message, signature) => {
        expect(recoverPersonalSigner(message, signature)).toEqual(
          noble.recoverPersonalSigner(message, signature),
        );
      }),
    );
  });
});

test("the digest carries the decimal length of a long message", () => {
  const key = new Uint8Array(32).fill(1);
  for (const length of [9, 10, 99, 100, 135, 136, 1_000, 123_456]) {
    const message = new Uint8Array(length).fill(length & 255);
    expect(signPersonalMessage(message, key)).toEqual(noble.signPersonalMessage(message, key));
  }
});

test("views into larger buffers are read by their own bytes only", () => {
  const whole = new Uint8Array(400).fill(3);
  const key = whole.subarray(5, 37);
  const message = whole.subarray(100, 132);
  const place = new Uint8Array(100);
  place.set(signPersonalMessage(message, key), 11);
  expect(recoverPersonalSigner(message, place.subarray(11, 76))).toEqual(accountOfPrivateKey(key));
});

test("an account of another length is nobody's", () => {
  const key = new Uint8Array(32).fill(1);
  const message = new Uint8Array(32);
  const signature = signPersonalMessage(message, key);
  const account = accountOfPrivateKey(key);
  expect(isPersonalSignatureOf(message, signature, account)).toBe(true);
  expect(isPersonalSignatureOf(message, signature, account.subarray(0, 19))).toBe(false);
  expect(isPersonalSignatureOf(message, signature, new Uint8Array([...account, 0]))).toBe(false);
});

test("what is no private key is refused", () => {
  const order = uint256(secp256k1.CURVE.n);
  const message = new Uint8Array(32);
  for (const key of [new Uint8Array(32), order, new Uint8Array(32).fill(255), new Uint8Array(31).fill(1)]) {
    expect(() => signPersonalMessage(message, key)).toThrow(NativeError);
    expect(() => accountOfPrivateKey(key)).toThrow(NativeError);
  }
  const last = uint256(secp256k1.CURVE.n - 1n);
  expect(accountOfPrivateKey(last)).toEqual(noble.accountOfPrivateKey(last));
});

function uint256(value: bigint): Uint8Array {
  return bytes(`0x${value.toString(16).padStart(64, "0")}`);
}
