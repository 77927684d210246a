import { afterEach, beforeEach, expect, test } from "bun:test";
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { TicketKeys, ticketSecretGraceMs, ticketSecretLifeMs } from "../../../src/config/ticketKeyFile.ts";

let dataDir = "";
let made = 0;
/** Secrets that tell their number. */
const nextBytes = (length: number): Uint8Array => {
  made += 1;
  return new Uint8Array(length).fill(made);
};
const numbers = (keys: TicketKeys): number[] => keys.current().map((secret) => secret[0] ?? 0);
const dayMs = ticketSecretLifeMs;
const startMs = 1_800_000_000_000;

beforeEach(() => {
  dataDir = mkdtempSync(join(tmpdir(), "reprise-ticket-keys-"));
  made = 0;
});
afterEach(() => rmSync(dataDir, { recursive: true }));

test("the first start makes one secret that only its owner can read; later starts find it", () => {
  expect(numbers(TicketKeys.open(dataDir, nextBytes, startMs))).toEqual([1]);
  expect(statSync(join(dataDir, "ticket.keys")).mode & 0o777).toBe(0o600);
  expect(numbers(TicketKeys.open(dataDir, nextBytes, startMs + dayMs - 1))).toEqual([1]);
  expect(made).toBe(1);
});

test("a secret is replaced after a day, and verifies until nothing can depend on it", () => {
  const keys = TicketKeys.open(dataDir, nextBytes, startMs);
  keys.rotate(startMs + dayMs);
  expect(numbers(keys)).toEqual([2, 1]);
  // The grace is counted from its successor: parameters that it made a moment before are still good.
  keys.rotate(startMs + dayMs + ticketSecretGraceMs - 1);
  expect(numbers(keys)).toEqual([2, 1]);
  expect(numbers(TicketKeys.open(dataDir, nextBytes, startMs + dayMs + ticketSecretGraceMs - 1))).toEqual([
    2, 1,
  ]);
  keys.rotate(startMs + dayMs + ticketSecretGraceMs);
  expect(numbers(keys)).toEqual([2]);
  expect(readFileSync(join(dataDir, "ticket.keys"), "utf8").trim().split("\n")).toHaveLength(1);
});

test("a node that was down for days starts with a fresh secret and keeps none that is useless", () => {
  TicketKeys.open(dataDir, nextBytes, startMs);
  const keys = TicketKeys.open(dataDir, nextBytes, startMs + 30 * dayMs);
  expect(numbers(keys)).toEqual([2, 1]);
  keys.rotate(startMs + 30 * dayMs + ticketSecretGraceMs);
  expect(numbers(keys)).toEqual([2]);
});

test("a clock that jumps back makes at most a fresh secret: the old one still verifies", () => {
  const keys = TicketKeys.open(dataDir, nextBytes, startMs);
  keys.rotate(startMs - dayMs);
  expect(numbers(keys)).toEqual([2, 1]);
  keys.rotate(startMs - dayMs + 1);
  expect(numbers(keys)).toEqual([2, 1]);
});

test("a damaged file is an error that says what to do, and is left as it is", () => {
  for (const text of ["", "x\n", `${startMs} 00\n`, `${startMs} ${"ab".repeat(32)}\nrubbish\n`]) {
    writeFileSync(join(dataDir, "ticket.keys"), text);
    if (text === "") {
      // An empty file holds nothing to lose.
      expect(numbers(TicketKeys.open(dataDir, nextBytes, startMs))).toEqual([1]);
      continue;
    }
    expect(() => TicketKeys.open(dataDir, nextBytes, startMs)).toThrow(/ticket secrets .* are unusable/);
    expect(readFileSync(join(dataDir, "ticket.keys"), "utf8")).toBe(text);
  }
});
