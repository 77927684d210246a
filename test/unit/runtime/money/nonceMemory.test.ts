import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { keccak256 } from "../../../../src/native/ffi.ts";
import { uint256Bytes } from "../../../../src/protocol/bytes.ts";
import { NonceMemory } from "../../../../src/runtime/money/nonceMemory.ts";

// Goal: no nonce counts twice while its parameters live, none is forgotten too early, and nothing is kept longer.
// Method: random runs beside the plainest model, a Map of Sets; runs with a limit of a few blocks reach the table
// that late-comers share.

const hashOf = (number: number): Uint8Array => keccak256(uint256Bytes(BigInt(number)));

/** The same rules with one set for each hash. */
class NaiveMemory {
  readonly sets = new Map<string, { readonly nonces: Set<number>; readonly block: bigint }>();

  check(hash: Uint8Array, nonce: number): string {
    const nonces = this.sets.get(String(hash))?.nonces;
    if (nonces?.has(nonce) === true) return "seen";
    return (nonces?.size ?? 0) >= 600 ? "full" : "fresh";
  }

  add(hash: Uint8Array, nonce: number, block: bigint): void {
    const known = this.sets.get(String(hash)) ?? { nonces: new Set<number>(), block };
    this.sets.set(String(hash), known);
    known.nonces.add(nonce);
  }

  countOf(hash: Uint8Array): number {
    return this.sets.get(String(hash))?.nonces.size ?? 0;
  }

  dropExpired(l1Block: bigint): void {
    for (const [hash, { block }] of this.sets) if (block <= l1Block) this.sets.delete(hash);
  }

  get size(): number {
    return [...this.sets.values()].reduce((sum, { nonces }) => sum + nonces.size, 0);
  }
}

describe("beside the model", () => {
  // Each hash has its own block, as the MAC of the parameters guarantees.
  const hashes = Array.from({ length: 12 }, (_, number) => ({
    hash: hashOf(number),
    block: BigInt(100 + (number % 6)),
  }));
  const nonce = fc.oneof(fc.nat(40), fc.constantFrom(2 ** 31, 2 ** 32 - 2, 2 ** 32 - 1));
  const step = fc.oneof(
    { weight: 20, arbitrary: fc.record({ hash: fc.nat(11), nonce, run: fc.nat(90) }) },
    { weight: 1, arbitrary: fc.record({ block: fc.integer({ min: 99, max: 106 }) }) },
  );

  test("every answer is the model's", () => {
    fc.assert(
      fc.property(fc.nat(), fc.array(step, { maxLength: 60 }), (seed, steps) => {
        const memory = new NonceMemory(seed);
        const model = new NaiveMemory();
        for (const one of steps) {
          if ("block" in one) {
            memory.dropExpired(BigInt(one.block));
            model.dropExpired(BigInt(one.block));
            continue;
          }
          const { hash, block } = hashes[one.hash] ?? { hash: hashOf(0), block: 100n };
          for (let nonce = one.nonce; nonce <= Math.min(2 ** 32 - 1, one.nonce + one.run); nonce++) {
            expect(memory.check(hash, nonce, block)).toBe(model.check(hash, nonce) as "fresh");
            memory.add(hash, nonce, block);
            model.add(hash, nonce, block);
          }
          expect(memory.countOf(hash, block)).toBe(model.countOf(hash));
        }
        expect(memory.size).toBe(model.size);
      }),
      { numRuns: 60 },
    );
  });

  // What shares a table is kept until the last of it ends: too long is allowed, too short never.
  test("with room for few blocks nothing is forgotten early, and everything in the end", () => {
    fc.assert(
      fc.property(fc.nat(), fc.array(step, { maxLength: 60 }), (seed, steps) => {
        const memory = new NonceMemory(seed, 2);
        const model = new NaiveMemory();
        for (const one of steps) {
          if ("block" in one) {
            memory.dropExpired(BigInt(one.block));
            model.dropExpired(BigInt(one.block));
            continue;
          }
          const { hash, block } = hashes[one.hash] ?? { hash: hashOf(0), block: 100n };
          if (model.check(hash, one.nonce) === "seen") {
            expect(memory.check(hash, one.nonce, block)).toBe("seen");
          }
          memory.add(hash, one.nonce, block);
          model.add(hash, one.nonce, block);
          expect(memory.check(hash, one.nonce, block)).toBe("seen");
          expect(memory.size).toBeGreaterThanOrEqual(model.size);
        }
        memory.dropExpired(106n);
        expect(memory.size).toBe(0);
      }),
      { numRuns: 60 },
    );
  });
});

test("payments check 19: any order counts, the same nonce does not, nor does the 601st", () => {
  const memory = new NonceMemory();
  const hash = hashOf(1);
  for (const nonce of [5, 3, 4]) {
    expect(memory.check(hash, nonce, 50n)).toBe("fresh");
    memory.add(hash, nonce, 50n);
  }
  expect(memory.check(hash, 3, 50n)).toBe("seen");
  for (let nonce = 1_000; nonce < 1_597; nonce++) {
    expect(memory.check(hash, nonce, 50n)).toBe("fresh");
    memory.add(hash, nonce, 50n);
  }
  expect(memory.countOf(hash, 50n)).toBe(600);
  expect(memory.check(hash, 7, 50n)).toBe("full");
  // Seen is said before full.
  expect(memory.check(hash, 1_000, 50n)).toBe("seen");
  // Another hash has its own 600.
  expect(memory.check(hashOf(2), 7, 50n)).toBe("fresh");
});

test("payments check 21: nonces are gone with their parameters, at the block itself and not before", () => {
  const memory = new NonceMemory();
  memory.add(hashOf(1), 1, 50n);
  memory.add(hashOf(2), 1, 51n);
  memory.dropExpired(49n);
  expect(memory.size).toBe(2);
  memory.dropExpired(50n);
  expect(memory.check(hashOf(1), 1, 50n)).toBe("fresh");
  expect(memory.check(hashOf(2), 1, 51n)).toBe("seen");
  memory.dropExpired(1_000n);
  expect([memory.size, memory.bytes]).toEqual([0, 0]);
});

test("adding a nonce again changes nothing", () => {
  const memory = new NonceMemory();
  for (let turn = 0; turn < 3; turn++) memory.add(hashOf(1), 9, 50n);
  expect([memory.size, memory.countOf(hashOf(1), 50n)]).toEqual([1, 1]);
});

test("hashes that differ only behind their first words are kept apart", () => {
  const memory = new NonceMemory();
  const first = hashOf(1);
  const second = first.slice();
  second[11] = (second[11] ?? 0) ^ 1;
  memory.add(first, 1, 50n);
  expect(memory.check(second, 1, 50n)).toBe("fresh");
});

// 47 MB at a million of one block is what the bench prints; the bound here is the promise.
test("200,000 nonces under as many parameters take less than 20 MB, and all are found", () => {
  const memory = new NonceMemory();
  const count = 200_000;
  const hash = new Uint8Array(32);
  const words = new DataView(hash.buffer);
  const hashAt = (index: number): Uint8Array => {
    words.setUint32(0, Math.imul(index, 0x9e3779b1));
    words.setUint32(4, index);
    return hash;
  };
  for (let index = 0; index < count; index++) memory.add(hashAt(index), index % 3, 50n);
  let found = 0;
  for (let index = 0; index < count; index++) {
    if (memory.check(hashAt(index), index % 3, 50n) === "seen") found += 1;
    if (memory.check(hashAt(index), 3, 50n) !== "fresh") found -= 1;
  }
  expect(found).toBe(count);
  expect(memory.size).toBe(count);
  expect(memory.bytes).toBeLessThan(20e6);
});
