import { expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import {
  examplePath,
  referencePath,
  renderExample,
  renderReference,
} from "../../../scripts/generateConfigDocs.ts";
import { flagNames, flagOf } from "../../../src/config/flagTable.ts";
import { configOf } from "./parseSupport.ts";

const root = new URL("../../../", import.meta.url);
const read = (path: string) => readFileSync(new URL(path, root), "utf8");

test("the reference page equals the flag table", () => {
  expect(read(referencePath)).toBe(renderReference());
});

test("the example file equals the flag table", () => {
  expect(read(examplePath)).toBe(renderExample());
});

// Goal: the example's defaults are the true ones. Method: switch every line on and start with that file.
test("the example file with every line switched on changes no setting", () => {
  const text = read(examplePath).replaceAll(/^#(?=\w)/gm, "");
  // Settings that are empty by default show a placeholder and stay off.
  const lines = text.split("\n").filter((line) => /^\w+ [^<]/.test(line));
  expect(lines.length).toBeGreaterThan(10);
  const fromFile = configOf({ argv: ["-config", "f"], files: { f: lines.join("\n") } });
  expect(fromFile.config).toEqual(configOf({}).config);
  expect(fromFile.settingsTable).toBe("");
});

test("every flag has a help line without a full stop, and every status a text", () => {
  for (const name of flagNames) {
    const flag = flagOf(name);
    expect(`${name}: ${flag.help}`).toMatch(/^\w+: .{5,}[^.]$/);
    if (flag.status.type === "accepted") expect(flag.status.notice).toMatch(/[^.]$/);
    if (flag.status.type === "refused") expect(flag.status.instead).toMatch(/\.$/);
  }
});
