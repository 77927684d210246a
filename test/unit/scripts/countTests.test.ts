import { expect, test } from "bun:test";
import { countTests } from "../../../scripts/verify/countTests.ts";

test("the summary of `bun test` is read, colours or not", () => {
  const summary =
    "\n 825 pass\n 3 skip\n 2 todo\n 2 fail\n 1 error\n 1300 expect() calls\nRan 832 tests across 9 files. [9s]\n";
  expect(countTests(summary)).toEqual({ passed: 825, failed: 2, skipped: 5 });
  const red = summary
    .replace(" 825 pass", "\u001b[0m\u001b[32m 825 pass\u001b[0m")
    .replace("Ran", "\u001b[0mRan");
  expect(countTests(red)).toEqual({ passed: 825, failed: 2, skipped: 5 });
});

test("what a test itself prints is not taken for the summary", () => {
  const output = "\n 9 pass\nRan out of luck\n 1 pass\n 0 fail\nRan 1 test across 1 file. [1ms]\n";
  expect(countTests(output)).toEqual({ passed: 1, failed: 0, skipped: 0 });
});

test("a run that was cut off has no counts", () => {
  expect(countTests("(pass) first\n(pass) second\n")).toBeNull();
  expect(countTests("")).toBeNull();
});
