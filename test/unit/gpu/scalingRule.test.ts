import { expect, setDefaultTimeout, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { $ } from "bun";

// Goal: the scaling rule in C gives the sizes of the video sheet's table, and follows the sheet's formula for
// any size. Method: scale.c is compiled with a small main that reads questions and prints answers.

// A compiler runs here, perhaps beside other work.
setDefaultTimeout(60_000);

const shim = resolve(import.meta.dir, "../../../src/gpu/shim");

type Question = {
  readonly encoder: number;
  readonly wanted: readonly [number, number];
  readonly source: readonly [number, number];
};

const main = `
#include <stdio.h>
#include "internal.h"
int main(void) {
  int encoder, w, h, iw, ih;
  while (scanf("%d %d %d %d %d", &encoder, &w, &h, &iw, &ih) == 5) {
    rp_size size = rp_scaled_size(encoder, w, h, (rp_size){iw, ih});
    printf("%d %d\\n", size.width, size.height);
  }
  return 0;
}`;

async function answers(questions: readonly Question[]): Promise<number[][]> {
  const folder = mkdtempSync(join(tmpdir(), "reprise-scale-"));
  try {
    writeFileSync(join(folder, "main.c"), main);
    const flags = (
      await $`pkg-config --cflags libavfilter libavformat libavcodec libavutil`.quiet().text()
    ).trim();
    const include = flags === "" ? [] : flags.split(/\s+/);
    const program = join(folder, "scale");
    await $`cc -std=c11 -D_GNU_SOURCE ${include} -I ${shim} -o ${program} ${join(folder, "main.c")} ${join(shim, "scale.c")}`.quiet();
    const text = questions.map((q) => [q.encoder, ...q.wanted, ...q.source].join(" ")).join("\n");
    const output = await $`${program} < ${Buffer.from(text)}`.quiet().text();
    return output
      .trim()
      .split("\n")
      .map((line) => line.split(" ").map(Number));
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

const h264 = (source: [number, number], wanted: [number, number], output: [number, number]) => ({
  question: { encoder: 0, wanted, source } satisfies Question,
  output,
});

test("video check 42: every row of the scaling table", async () => {
  const rows = [
    h264([1280, 720], [426, 240], [426, 240]),
    h264([1920, 1080], [640, 360], [640, 360]),
    h264([1080, 1920], [640, 360], [360, 640]),
    h264([640, 480], [640, 360], [640, 480]),
    h264([1280, 720], [0, 123], [146, 82]),
    h264([200, 300], [0, 427], [284, 426]),
    h264([56, 100], [256, 144], [146, 260]),
    h264([456, 123], [0, 301], [300, 80]),
    h264([500, 100], [0, 200], [250, 50]),
    h264([456, 400], [100, 0], [146, 128]),
    h264([400, 456], [0, 40], [146, 166]),
    h264([123, 456], [0, 426], [146, 542]),
    h264([123, 123], [426, 0], [426, 426]),
    h264([150, 200], [0, 250], [188, 250]),
  ];
  expect(await answers(rows.map((row) => row.question))).toEqual(rows.map((row) => row.output));
});

test("the rule of the sheet holds for many sizes, requests and encoders", async () => {
  const limits = [
    [146, 50, 4096],
    [132, 40, 8192],
  ] as const;
  const questions: Question[] = [];
  for (const encoder of [0, 1]) {
    for (const iw of [1, 2, 16, 123, 146, 320, 854, 1280, 4096]) {
      for (const ih of [1, 2, 50, 123, 180, 360, 480, 720, 2160, 4000]) {
        for (const wanted of [0, -5, 145, 427, 1280, 5000] as const) {
          questions.push({ encoder, wanted: [wanted, 100], source: [iw, ih] });
        }
      }
    }
  }
  const even = (x: number) => 2 * Math.trunc(x / 2);
  const ratio = (a: number, b: number, c: number) => 2 * Math.floor((a * b + c) / (2 * c));
  const byTheSheet = ({ encoder, wanted, source: [iw, ih] }: Question): [number, number] => {
    const [wMin, hMin, max] = limits[encoder === 0 ? 0 : 1];
    const m = Math.max(Math.min(Math.max(wanted[0], wMin), max), Math.min(Math.max(wanted[1], hMin), max));
    if (iw >= ih) {
      if (m * ih > hMin * iw) return [even(m), ratio(even(m), ih, iw)];
      if (m * ih === hMin * iw) return [even(m), even(hMin)];
      return [ratio(even(hMin), iw, ih), even(hMin)];
    }
    if (m * iw > wMin * ih) return [ratio(even(m), iw, ih), even(m)];
    if (m * iw === wMin * ih) return [even(wMin), even(m)];
    return [even(wMin), ratio(even(wMin), ih, iw)];
  };
  expect(await answers(questions)).toEqual(questions.map(byTheSheet));
});
