import { describe, expect, test } from "bun:test";
import { keccak_256 } from "@noble/hashes/sha3";
import fc from "fast-check";
import { Keccak256, keccak256, NativeError, trimMemory } from "../../../src/native/ffi.ts";

// Goal: our C implementation gives the hash of the network for every length and every way of cutting the input.
// Method: compare with @noble/hashes, an independent implementation.

const bytesOf = (length: number) =>
  Uint8Array.from({ length }, (_, index) => (index * 131 + (index >> 8)) & 0xff);

describe("keccak256", () => {
  test("known values of the network", () => {
    expect(Buffer.from(keccak256(new Uint8Array(0))).toString("hex")).toBe(
      "c5d2460186f7233c927e7db2dcc703c0e500b653ca82273b7bfad8045d85a470",
    );
    expect(Buffer.from(keccak256(new TextEncoder().encode("abc"))).toString("hex")).toBe(
      "4e03657aea45a94fc7d47ba826c8d667c0d1e6e33a64a036ec44f58fa12d6c45",
    );
  });

  test("every length around the block borders", () => {
    for (let length = 0; length <= 3 * 136 + 1; length++) {
      const bytes = bytesOf(length);
      expect(keccak256(bytes)).toEqual(keccak_256(bytes));
    }
  });

  test("pieces of any size give the same hash as the whole", () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 500 }), { maxLength: 12 }), (pieces) => {
        const hash = new Keccak256();
        for (const piece of pieces) hash.update(piece);
        expect(hash.digest()).toEqual(keccak_256(Buffer.concat(pieces)));
      }),
    );
  });

  test("a view into a larger buffer is hashed by its own bytes only", () => {
    const whole = bytesOf(1000);
    expect(keccak256(whole.subarray(7, 700))).toEqual(keccak_256(whole.slice(7, 700)));
  });

  test("two hashes at once do not disturb each other", () => {
    const first = new Keccak256().update(bytesOf(100));
    const second = new Keccak256().update(bytesOf(200));
    first.update(bytesOf(300));
    expect(second.digest()).toEqual(keccak_256(bytesOf(200)));
    expect(first.digest()).toEqual(keccak_256(Buffer.concat([bytesOf(100), bytesOf(300)])));
  });

  test("a finished hash refuses more", () => {
    const hash = new Keccak256();
    hash.digest();
    expect(() => hash.update(bytesOf(1))).toThrow(NativeError);
    expect(() => hash.digest()).toThrow(NativeError);
  });
});

test("memory can be trimmed at any time", () => {
  expect(typeof trimMemory()).toBe("boolean");
});
