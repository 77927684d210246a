import { expect, test } from "bun:test";
import { zeroAddress } from "viem";
import { noPoolHint, type PoolMember, poolHint } from "../../../src/chain/poolHints.ts";
import type { Hex } from "../../../src/shared/brand.ts";

/*
 * Goal: the neighbours are those that the contract's list will have. Method: the vectors of the chain sheet, and the
 * cases in which go-livepeer's own computation has them wrong.
 */

const account = (letter: string): Hex => `0x${letter.repeat(40)}`;
const members = (text: string): PoolMember[] =>
  text.split(" ").map((word) => ({ account: account(word.slice(0, 1)), stake: BigInt(word.slice(1)) }));
const pool = members("a5 b4 c3 d2 e1");

function hint(subject: string, stake: bigint, poolSizeMax: number): string {
  const { previous, next } = poolHint(pool, account(subject), stake, poolSizeMax);
  const name = (found: Hex) => (found === zeroAddress ? "0" : found.slice(2, 3));
  return `${name(previous)},${name(next)}`;
}

const vectors: readonly (readonly [string, bigint, number, string])[] = [
  // Full.
  ["f", 1n, 5, "0,0"],
  ["f", 2n, 5, "d,0"],
  ["a", 0n, 5, "0,0"],
  // Not full.
  ["f", 1n, 6, "e,0"],
  ["f", 100n, 6, "0,a"],
  ["f", 5n, 6, "a,b"],
  ["e", 3n, 6, "c,d"],
  ["c", 6n, 6, "0,a"],
  ["a", 1n, 6, "e,0"],
];

test.each(vectors)("chain check 9: %s with %p in a pool of at most %p stands between %s", (...vector) => {
  const [subject, stake, poolSizeMax, expected] = vector;
  expect(hint(subject, stake, poolSizeMax)).toBe(expected);
});

test("a member that moves in a full pool pushes nobody out", () => {
  expect(hint("e", 1n, 5)).toBe("d,0");
  expect(hint("e", 3n, 5)).toBe("c,d");
  expect(hint("d", 2n, 5)).toBe("c,e");
});

test("alone there is no neighbour", () => {
  expect(poolHint([], account("a"), 1n, 100)).toEqual(noPoolHint);
  expect(poolHint(members("a5"), account("a"), 7n, 1)).toEqual(noPoolHint);
});
