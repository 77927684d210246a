import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { $ } from "bun";
import * as layout from "../../../src/gpu/layout.ts";

// Goal: the numbers of src/gpu/layout.ts are those of the C header on this machine.
// Method: a small C program, compiled here, prints every size, offset and constant of the header.

// Compilers, encoders and probes run here, perhaps beside other work.
setDefaultTimeout(120_000);

const shim = resolve(import.meta.dir, "../../../src/gpu/shim");
const structs = {
  reprise_options: layout.optionsLayout,
  reprise_profile: layout.profileLayout,
  reprise_job: layout.jobLayout,
  reprise_rendition: layout.renditionLayout,
  reprise_probe: layout.probeLayout,
  reprise_result: layout.resultLayout,
} as const;

async function compiledNumbers(): Promise<Map<string, number>> {
  const folder = mkdtempSync(join(tmpdir(), "reprise-layout-"));
  try {
    const lines = ["#include <stdio.h>", '#include "reprise.h"', "int main(void) {"];
    const print = (name: string, expression: string) =>
      lines.push(`printf("${name} %llu\\n", (unsigned long long)(${expression}));`);
    for (const [struct, fields] of Object.entries(structs)) {
      for (const field of Object.keys(fields)) {
        if (field === "size") print(`${struct}.size`, `sizeof(${struct})`);
        else print(`${struct}.${field}`, `offsetof(${struct}, ${field})`);
      }
    }
    print("abiVersion", "REPRISE_ABI_VERSION");
    print("outputsMax", "REPRISE_OUTPUTS_MAX");
    print("jobsMax", "REPRISE_JOBS_MAX");
    print("jobSignature", "REPRISE_JOB_SIGNATURE");
    print("textBytes.name", "sizeof(((reprise_probe *)0)->format)");
    print("textBytes.message", "sizeof(((reprise_result *)0)->text)");
    print("textBytes.hash", "sizeof(((reprise_rendition *)0)->keccak256)");
    lines.push("return 0; }");
    const source = join(folder, "layout.c");
    writeFileSync(source, lines.join("\n"));
    await $`cc -std=c11 -I ${shim} -o ${join(folder, "layout")} ${source}`.quiet();
    const text = await $`${join(folder, "layout")}`.quiet().text();
    return new Map(
      text
        .trim()
        .split("\n")
        .map((line) => line.split(" "))
        .map(([name, value]) => [name ?? "", Number(value)]),
    );
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

describe("the ABI of the codec library", () => {
  test("sizes, offsets and constants equal the header's", async () => {
    const compiled = await compiledNumbers();
    for (const [struct, fields] of Object.entries(structs)) {
      for (const [field, offset] of Object.entries(fields)) {
        expect([`${struct}.${field}`, compiled.get(`${struct}.${field}`)]).toEqual([
          `${struct}.${field}`,
          offset,
        ]);
      }
    }
    expect(compiled.get("abiVersion")).toBe(layout.abiVersion);
    expect(compiled.get("outputsMax")).toBe(layout.outputsMax);
    expect(compiled.get("jobsMax")).toBe(layout.jobsMax);
    expect(compiled.get("jobSignature")).toBe(layout.jobSignature);
    expect(compiled.get("textBytes.name")).toBe(layout.textBytes.name);
    expect(compiled.get("textBytes.message")).toBe(layout.textBytes.message);
    expect(compiled.get("textBytes.hash")).toBe(layout.textBytes.hash);
  });

  test("no field of the header is missing here", async () => {
    const header = await Bun.file(join(shim, "reprise.h")).text();
    for (const [struct, fields] of Object.entries(structs)) {
      const body = new RegExp(`typedef struct ${struct} \\{([^}]*)\\} ${struct};`).exec(header)?.[1] ?? "";
      const declared = body
        .replace(/\/\*[\s\S]*?\*\//g, "")
        .split(";")
        .map((line) => /(\w+)(?:\[\w+\])?\s*$/.exec(line.trim())?.[1])
        .filter((name) => name !== undefined);
      expect([struct, ...declared]).toEqual([
        struct,
        ...Object.keys(fields).filter((name) => name !== "size"),
      ]);
    }
  });
});
