import { expect, test } from "bun:test";
import { TokenBucket } from "../../../src/server/tokenBucket.ts";

test("a bucket gives its burst, then what time refills, and never more than its burst", () => {
  const bucket = new TokenBucket({ burst: 3, perSecond: 2 }, 1_000);
  const take = (nowMs: number, times: number) => Array.from({ length: times }, () => bucket.take(nowMs));
  expect(take(1_000, 4)).toEqual([true, true, true, false]);
  expect(take(1_499, 1)).toEqual([false]);
  expect(take(1_500, 2)).toEqual([true, false]);
  expect(take(60_000, 4)).toEqual([true, true, true, false]);
  // A clock that steps back earns nothing and takes nothing.
  expect(take(50_000, 1)).toEqual([false]);
});

test("earned tokens count up to the burst", () => {
  const bucket = new TokenBucket({ burst: 2, perSecond: 0 }, 0);
  bucket.take(0);
  bucket.earn(10);
  expect([bucket.take(0), bucket.take(0), bucket.take(0)]).toEqual([true, true, false]);
});
