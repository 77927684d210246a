import { expect, test } from "bun:test";
import { describeFailures, failedTests } from "../../../scripts/verify/failedTests.ts";

const output = `bun test v1.4.5 (a7733435c)

test/unit/a.test.ts:
a line that the test prints
1 | test("inner", () => {
                     ^
error: expect(received).toBe(expected)

Expected: 2
Received: 1

      at <anonymous> (/repository/test/unit/a.test.ts:3:80)
\u001b[31m(fail)\u001b[0m outer > inner\u001b[2m [0.31ms]\u001b[0m
(fail) outer > slow [100.13ms]
  ^ this test timed out after 100ms.

test/unit/b.test.ts:
TypeError: undefined is not a function
      at <anonymous> (/repository/test/unit/b.test.ts:2:1)
(fail) alone

test/unit/c.test.ts:

# Unhandled error between tests
-------------------------------
error: Cannot find module './missing.ts'
-------------------------------


 1 pass
 3 fail
Ran 4 tests across 2 files. [121.00ms]
`;

test("failed tests are found with their file and their reason", () => {
  expect(failedTests(output)).toEqual([
    {
      file: "test/unit/a.test.ts",
      name: "outer > inner",
      reason: [
        "error: expect(received).toBe(expected)",
        "Expected: 2",
        "Received: 1",
        "      at <anonymous> (/repository/test/unit/a.test.ts:3:80)",
      ],
    },
    { file: "test/unit/a.test.ts", name: "outer > slow", reason: ["this test timed out after 100ms."] },
    {
      file: "test/unit/b.test.ts",
      name: "alone",
      reason: [
        "TypeError: undefined is not a function",
        "      at <anonymous> (/repository/test/unit/b.test.ts:2:1)",
      ],
    },
    {
      file: "test/unit/c.test.ts",
      name: "outside of any test",
      reason: ["error: Cannot find module './missing.ts'"],
    },
  ]);
});

test("a long reason is cut, and a good run has no failures", () => {
  const long = `error: much\n${"more\n".repeat(50)}(fail) talkative [1ms]\n`;
  expect(failedTests(long)[0]?.reason).toHaveLength(14);
  expect(failedTests("(pass) first\n 1 pass\n 0 fail\n")).toEqual([]);
  expect(describeFailures(failedTests(long)).slice(0, 2)).toEqual(["talkative", "    error: much"]);
});
