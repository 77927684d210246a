import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { $ } from "bun";

// Goal: SEI units behind a slice are moved in front of it without touching anything else of a transport stream.
// Method: sei.c is compiled with a small main (transport stream in, repaired one out). Units of a real stream are
// put in the wrong order by this test; the repair must give back the very bytes of the original.

// Compilers, encoders and probes run here, perhaps beside other work.
setDefaultTimeout(120_000);

const shim = resolve(import.meta.dir, "../../../src/gpu/shim");
const videoPid = 256;
let folder = "";

const main = `
#include <stdio.h>
#include "internal.h"
int main(void) {
  static uint8_t media[8 << 20];
  size_t size = fread(media, 1, sizeof media, stdin);
  uint8_t *fixed = rp_sei_fixed(media, size);
  if (!fixed) return 3;
  fwrite(fixed, 1, size, stdout);
  free(fixed);
  return 0;
}`;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "reprise-sei-"));
  writeFileSync(join(folder, "main.c"), main);
  const flags = (
    await $`pkg-config --cflags libavfilter libavformat libavcodec libavutil`.quiet().text()
  ).trim();
  const include = flags === "" ? [] : flags.split(/\s+/);
  const sources = [join(folder, "main.c"), join(shim, "sei.c")];
  const checks = ["-fsanitize=address,undefined", "-fno-sanitize-recover=undefined", "-g"];
  await $`cc -std=c11 -D_GNU_SOURCE ${checks} ${include} -I ${shim} -o ${join(folder, "sei")} ${sources}`.quiet();
});

afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** The repaired stream, or null when there was nothing to repair. */
async function repaired(media: Uint8Array): Promise<Uint8Array | null> {
  const done = await $`${join(folder, "sei")} < ${Buffer.from(media)}`.quiet().nothrow();
  if (done.exitCode === 3) return null;
  expect(done.stderr.toString()).toBe("");
  return new Uint8Array(done.stdout);
}

async function realStream(): Promise<Uint8Array> {
  const path = join(folder, "real.ts");
  const picture = "testsrc2=size=320x180:rate=30:duration=0.5";
  await $`ffmpeg -v error -y -f lavfi -i ${picture} -c:v libx264 -preset veryfast -aud 1 -bf 0 -f mpegts ${path}`.quiet();
  return new Uint8Array(await Bun.file(path).arrayBuffer());
}

/** Byte ranges of the video payload: transport and PES headers left out. */
function payloads(media: Uint8Array): [number, number][] {
  const ranges: [number, number][] = [];
  for (let at = 0; at + 188 <= media.length; at += 188) {
    const byte = (offset: number) => media[at + offset] ?? 0;
    if ((((byte(1) & 0x1f) << 8) | byte(2)) !== videoPid || (byte(3) & 0x10) === 0) continue;
    let start = 4;
    if (byte(3) & 0x20) start += 1 + byte(4);
    if (byte(1) & 0x40) start += 9 + byte(start + 8);
    ranges.push([at + start, at + 188]);
  }
  return ranges;
}

type Unit = { readonly start: number; readonly end: number; readonly type: number };

function units(stream: Uint8Array): Unit[] {
  const starts: number[] = [];
  for (let i = 0; i + 3 < stream.length; i++) {
    if (stream[i] === 0 && stream[i + 1] === 0 && stream[i + 2] === 1) {
      starts.push(i > 0 && stream[i - 1] === 0 ? i - 1 : i);
      i += 2;
    }
  }
  return starts.map((start, index) => {
    const header = stream[start + 2] === 1 ? start + 3 : start + 4;
    return { start, end: starts[index + 1] ?? stream.length, type: (stream[header] ?? 0) & 0x1f };
  });
}

/** The stream with its first SEI unit and the slice after it in exchanged places. */
function misordered(media: Uint8Array): Uint8Array {
  const ranges = payloads(media);
  const stream = Buffer.concat(ranges.map(([start, end]) => media.subarray(start, end)));
  const list = units(stream);
  const sei = list.findIndex((unit) => unit.type === 6);
  const first = list[sei];
  const second = list[sei + 1];
  if (first === undefined || second === undefined) throw new Error("The stream has no SEI unit.");
  expect(second.type).toBe(5);
  const swapped = Buffer.concat([
    stream.subarray(0, first.start),
    stream.subarray(second.start, second.end),
    stream.subarray(first.start, first.end),
    stream.subarray(second.end),
  ]);
  const result = media.slice();
  let from = 0;
  for (const [start, end] of ranges) {
    result.set(swapped.subarray(from, from + end - start), start);
    from += end - start;
  }
  return result;
}

describe("SEI order", () => {
  test("a stream in order is left alone", async () => {
    expect(await repaired(await realStream())).toBeNull();
  });

  test("a SEI unit behind its slice goes back to where it was, to the byte", async () => {
    const original = await realStream();
    const broken = misordered(original);
    expect(Buffer.from(broken).equals(original)).toBe(false);
    const fixed = await repaired(broken);
    expect(fixed !== null && Buffer.from(fixed).equals(original)).toBe(true);
  });

  test("what is no transport stream, or a damaged one, is survived", async () => {
    expect(await repaired(new Uint8Array(0))).toBeNull();
    expect(await repaired(new Uint8Array(188 * 20).fill(0x47))).toBeNull();
    const broken = misordered(await realStream());
    for (let seed = 1; seed <= 25; seed++) {
      const damaged = broken.slice(0, broken.length - seed * 97);
      for (let i = 0; i < 60; i++)
        damaged[(seed * 7919 + i * 104_729) % damaged.length] = (seed * 31 + i) & 0xff;
      const fixed = await repaired(damaged);
      if (fixed !== null) expect(fixed.length).toBe(damaged.length);
    }
  }, 60_000);
});
