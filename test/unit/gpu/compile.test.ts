import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { existsSync, mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { buildCodecLibrary } from "../../../src/gpu/build.ts";
import { buildNativeLibrary } from "../../../src/native/build.ts";
import { CompileError, compileLibrary, type LibraryRecipe } from "../../../src/native/compile.ts";

// Goal: a library is built once per content of its sources, and a missing part is named with its remedy.

// Compilers, encoders and probes run here, perhaps beside other work.
setDefaultTimeout(120_000);

let folder = "";
const made = new Set<string>();

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "reprise-compile-"));
});

afterAll(() => {
  rmSync(folder, { recursive: true, force: true });
  for (const path of made) rmSync(path, { recursive: true, force: true });
});

function recipe(changes: Partial<LibraryRecipe> = {}): LibraryRecipe {
  const source = join(folder, "answer.c");
  const base = {
    name: "libanswer.so",
    folder: "test-answer",
    headers: [],
    packages: [],
    advice: "Install cc.",
  };
  return { ...base, sources: [source], ...changes };
}

function build(text: string): string {
  writeFileSync(join(folder, "answer.c"), text);
  const path = compileLibrary(recipe());
  made.add(dirname(path));
  return path;
}

describe("compileLibrary", () => {
  test("the same sources are compiled once, changed ones anew", () => {
    const first = build("int answer(void) { return 42; }");
    const madeMs = statSync(first).mtimeMs;
    expect(build("int answer(void) { return 42; }")).toBe(first);
    expect(statSync(first).mtimeMs).toBe(madeMs);
    expect(build("int answer(void) { return 43; }")).not.toBe(first);
  });

  test("a missing package is an error that says what to install", () => {
    const missing = recipe({ packages: ["no-such-package-here"], advice: "Install the thing." });
    expect(() => compileLibrary(missing)).toThrow(CompileError);
    expect(() => compileLibrary(missing)).toThrow("Install the thing.");
    expect(() => compileLibrary(missing)).toThrow("no-such-package-here");
  });

  test("a broken source is an error with the compiler's words, and leaves no library behind", () => {
    writeFileSync(join(folder, "answer.c"), "int answer(void) { return nonsense; }");
    expect(() => compileLibrary(recipe())).toThrow("nonsense");
  });
});

test("both libraries of the project build", () => {
  expect(existsSync(buildNativeLibrary())).toBe(true);
  expect(existsSync(buildCodecLibrary())).toBe(true);
});
