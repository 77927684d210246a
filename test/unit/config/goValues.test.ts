import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import {
  parseGoBoolean,
  parseGoDuration,
  parseGoFloat,
  parseGoInteger,
  printGoDuration,
} from "../../../src/config/goValues.ts";

const value = <T>(parsed: T) => ({ type: "value", value: parsed }) as const;
const parseError = { type: "bad", reason: "parse error" } as const;

describe("integers in Go's base-0 form", () => {
  const good: readonly (readonly [string, bigint])[] = [
    ["10", 10n],
    ["-3", -3n],
    ["+7", 7n],
    ["0", 0n],
    ["0x1f", 31n],
    ["0X_1F", 31n],
    ["0o17", 15n],
    ["017", 15n],
    ["0b101", 5n],
    ["1_000", 1000n],
    ["0_7", 7n],
    ["9223372036854775807", 2n ** 63n - 1n],
    ["-9223372036854775808", -(2n ** 63n)],
  ];
  for (const [text, expected] of good) {
    test(`${text} is ${expected}`, () => expect(parseGoInteger(text)).toEqual(value(expected)));
  }
  for (const text of ["", "x", "1.5", "0x", "08", "1__0", "_1", "1_", "0b2", " 1", "1e3", "0xg", "--1"]) {
    test(`"${text}" is a parse error`, () => expect(parseGoInteger(text)).toEqual(parseError));
  }
  test("2^63 is out of range", () => {
    expect(parseGoInteger("9223372036854775808")).toEqual({ type: "bad", reason: "value out of range" });
  });
  test("every 64-bit integer comes back", () => {
    fc.assert(
      fc.property(fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }), (integer) => {
        expect(parseGoInteger(integer.toString())).toEqual(value(integer));
      }),
    );
  });
});

test("booleans are exactly Go's twelve words", () => {
  for (const word of ["1", "t", "T", "true", "TRUE", "True"])
    expect(parseGoBoolean(word)).toEqual(value(true));
  for (const word of ["0", "f", "F", "false", "FALSE", "False"])
    expect(parseGoBoolean(word)).toEqual(value(false));
  for (const word of ["", "yes", "on", "tRUE", "maybe", "2"])
    expect(parseGoBoolean(word)).toEqual(parseError);
});

describe("durations", () => {
  const good: readonly (readonly [string, number])[] = [
    ["500ms", 500],
    ["1m30s", 90_000],
    ["1.5h", 5_400_000],
    ["-2s", -2_000],
    ["0", 0],
    ["1us", 0.001],
  ];
  for (const [text, ms] of good) {
    test(`${text} is ${ms} ms`, () => expect(parseGoDuration(text)).toEqual(value(ms)));
  }
  for (const text of ["", "5", "1 s", "s", "1d", "1m30", "99999999h"]) {
    test(`"${text}" is a parse error`, () => expect(parseGoDuration(text)).toEqual(parseError));
  }
  test("print as Go does, and printing then parsing gives the duration back", () => {
    expect([0, 500, 5_000, 300_000, 3_600_000, 1_500].map(printGoDuration)).toEqual([
      "0s",
      "500ms",
      "5s",
      "5m0s",
      "1h0m0s",
      "1.5s",
    ]);
    fc.assert(
      fc.property(fc.integer({ min: -1e10, max: 1e10 }), (ms) => {
        expect(parseGoDuration(printGoDuration(ms))).toEqual(value(ms));
      }),
    );
  });
});

test("floats", () => {
  expect(parseGoFloat("0.3")).toEqual(value(0.3));
  expect(parseGoFloat("1e3")).toEqual(value(1_000));
  expect(parseGoFloat(".5")).toEqual(value(0.5));
  expect(parseGoFloat("x")).toEqual(parseError);
  expect(parseGoFloat("")).toEqual(parseError);
  expect(parseGoFloat("1e999")).toEqual({ type: "bad", reason: "value out of range" });
});
