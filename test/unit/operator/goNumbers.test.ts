import { expect, test } from "bun:test";
import { parseGoRational } from "../../../src/operator/goNumbers.ts";
import { formatRational } from "../../../src/protocol/rational.ts";

// What Go's big.Rat reads, by its documented grammar; the recorded requests cover the usual forms.
test("numbers of the operator port: Go's forms, with bounds", () => {
  const read = (text: string) => {
    const value = parseGoRational(text);
    return value === null ? null : formatRational(value);
  };
  const forms = {
    "5": "5",
    "+5": "5",
    "-0": "0",
    ".5": "1/2",
    "1e-3": "1/1000",
    "017": "17",
    "017/1": "15",
    "-4/6": "-2/3",
    "0x10/0b11": "16/3",
    "0o17": "15",
    "1_000.5": "2001/2",
  };
  for (const [text, value] of Object.entries(forms))
    expect(`${text} = ${read(text)}`).toBe(`${text} = ${value}`);
  const none = [
    "",
    " 5",
    "5 ",
    "1/0",
    "1/-2",
    "1/",
    "/2",
    "1//2",
    "0b2",
    "0xg",
    "1__0",
    "_1",
    "1_",
    "1_.5",
    "NaN",
  ];
  for (const text of none) expect(`${text} = ${read(text)}`).toBe(`${text} = null`);
  // A short text must not become a number of a gigabyte.
  expect(read("1e999999999")).toBeNull();
  expect(read("9".repeat(201))).toBeNull();
});
