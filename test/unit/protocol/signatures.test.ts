import { expect, test } from "bun:test";
import { secp256k1 } from "@noble/curves/secp256k1";
import fc from "fast-check";
import {
  accountOfPrivateKey,
  isPersonalSignatureOf,
  recoverPersonalSigner,
  signPersonalMessage,
} from "../../support/signatures.ts";
import { toHex, uint256Bytes } from "../../../src/protocol/bytes.ts";
import { bytes } from "./vectors.ts";

const privateKey = fc.bigInt({ min: 1n, max: secp256k1.CURVE.n - 1n }).map((value) => uint256Bytes(value));

test("video sheet 13: the signature recorded in the network's own repository", () => {
  const message = bytes("0xb7da355477356fc4c47fcabcf232dc77a6db9b07b7e48b76261cc55cc8fbabb3");
  const signature = bytes(
    "0x206443228e8f784bc3a122de0d85eb3ebff82d6a79cca26c7eeb907099a6404f6dff57bc6828f28bd6cd073c89d94cf3364204679ed8365fa45b5ee6af19a9841c",
  );
  expect(isPersonalSignatureOf(message, signature, bytes("0x3BadDb1eeE2105893136A3F96c8a963E9C6309d6"))).toBe(
    true,
  );
});

test("whoever signs is recovered, for messages of any length; nobody else is", () => {
  fc.assert(
    fc.property(privateKey, fc.uint8Array({ maxLength: 80 }), (key, message) => {
      const signature = signPersonalMessage(message, key);
      const account = accountOfPrivateKey(key);
      expect(recoverPersonalSigner(message, signature)).toEqual(account);
      expect(isPersonalSignatureOf(message, signature, new Uint8Array(20))).toBe(false);
      const other = Uint8Array.from([...message, 0]);
      expect(isPersonalSignatureOf(other, signature, account)).toBe(false);
    }),
    { numRuns: 20 },
  );
});

test("video check 3: the twin with a high S, V of 0 or 1, other lengths and numbers off the curve are no signatures", () => {
  const message = new Uint8Array(32).fill(5);
  const key = uint256Bytes(1n);
  const account = accountOfPrivateKey(key);
  const good = signPersonalMessage(message, key);
  const twin = good.slice();
  twin.set(uint256Bytes(secp256k1.CURVE.n - BigInt(toHex(good.subarray(32, 64)))), 32);
  twin[64] = 55 - (good[64] ?? 0);
  expect(recoverPersonalSigner(message, twin)).toBeNull();
  for (const v of [0, 1, 26, 29, 255]) expect(recoverPersonalSigner(message, withV(good, v))).toBeNull();
  expect(isPersonalSignatureOf(message, withV(good, 55 - (good[64] ?? 0)), account)).toBe(false);
  for (const length of [0, 1, 64, 66]) {
    const cut = new Uint8Array(length);
    cut.set(good.subarray(0, length));
    expect(recoverPersonalSigner(message, cut)).toBeNull();
  }
  for (const fill of [0, 255])
    expect(recoverPersonalSigner(message, withV(new Uint8Array(65).fill(fill), 27))).toBeNull();
});

test("random bytes never throw", () => {
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 64, maxLength: 64 }), fc.constantFrom(27, 28), (compact, v) => {
      const signer = recoverPersonalSigner(new Uint8Array(32), Uint8Array.from([...compact, v]));
      expect(signer === null || signer.length === 20).toBe(true);
    }),
    { numRuns: 50 },
  );
});

function withV(signature: Uint8Array, v: number): Uint8Array {
  const changed = signature.slice();
  changed[64] = v;
  return changed;
}
