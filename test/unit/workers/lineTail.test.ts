import { expect, test } from "bun:test";
import { LineTail } from "../../../src/workers/lineTail.ts";

test("LineTail keeps the last lines, across chunks, bounded in number and length", () => {
  const tail = new LineTail(2, 5);
  tail.push("one\ntw");
  expect(tail.lines()).toEqual(["one", "tw"]);
  tail.push("o\n\nthree-and-more\nfour");
  expect(tail.lines()).toEqual(["two", "three", "four"]);
  for (let i = 0; i < 1_000; i += 1) tail.push("x".repeat(1_000));
  expect(tail.lines()).toEqual(["two", "three", "fourx"]);
});
