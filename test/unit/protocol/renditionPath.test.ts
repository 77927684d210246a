import { expect, test } from "bun:test";
import fc from "fast-check";
import {
  isStreamPath,
  perceptualHashObject,
  renditionDirectories,
  renditionObject,
  streamPath,
  streamUrl,
} from "../../../src/protocol/renditionPath.ts";
import { extensionOf, mediaTypeOf, mediaTypeOfPath, providerText } from "../../../src/protocol/container.ts";
import { vectors } from "./vectors.ts";

type StoreCase = {
  readonly serviceURI: string;
  readonly session: string;
  readonly name: string;
  readonly url: string;
  readonly servedBack: { readonly found: boolean };
};

/** Rows whose URL we deliberately do not make: unescaped, climbing, or unreachable names of the peer's store. */
const avoided = [
  "../up/1.ts",
  "a/b/c/1.ts",
  "a//b/./1.ts",
  "ü/1.ts",
  "sp ace/1.ts",
  "per%20cent/1.ts",
  "q?x=1/1.ts",
];

test("video check 25: URLs of ordinary renditions equal the recorded ones", () => {
  let compared = 0;
  for (const vector of vectors<StoreCase>("os-info", "memoryStore")) {
    const [, directory, number, extension] =
      /^([^/]+)\/(\d+)(\.ts|\.mp4)(?:\.phash)?$/.exec(vector.name) ?? [];
    if (directory === undefined || number === undefined || avoided.includes(vector.name)) continue;
    if (!/^\w+$/.test(vector.session) || vector.serviceURI.endsWith("/")) continue;
    const format = extension === ".mp4" ? "mp4" : "mpegts";
    const object = renditionObject(renditionDirectories([{ name: directory }])[0] ?? "", BigInt(number), {
      format,
    });
    const path = streamPath(
      vector.session,
      vector.name.endsWith(".phash") ? perceptualHashObject(object) : object,
    );
    expect(streamUrl(vector.serviceURI, path)).toBe(vector.url);
    expect(isStreamPath(path)).toBe(true);
    compared++;
  }
  expect(compared).toBe(6);
});

test("a service URI with a slash at the end gives no double slash", () => {
  expect(streamUrl("https://127.0.0.1:8935/", "s/d/7.ts")).toBe("https://127.0.0.1:8935/stream/s/d/7.ts");
});

test("names that the peer puts into URLs unescaped stay inside their session and can be fetched", () => {
  for (const name of [...avoided, "..", ".", "", "/", "\\..\\x", "a\0b", "%2e%2e", "x".repeat(5000)]) {
    const [directory] = renditionDirectories([{ name }]);
    const path = streamPath("0123abcd", renditionObject(directory ?? "", 7n, { format: "mpegts" }));
    expect(isStreamPath(path)).toBe(true);
    expect(new URL(streamUrl("https://h:1", path)).pathname).toBe(`/stream/${path}`);
    expect(path.split("/")).toHaveLength(3);
    expect(path.length).toBeLessThan(200);
  }
});

test("two profiles never share an object, whatever their names", () => {
  const name = fc.oneof(
    fc.constantFrom("a", "a~2", "a/b", "a_b", "", "..", "A"),
    fc.string({ unit: "binary" }),
  );
  fc.assert(
    fc.property(fc.array(name, { maxLength: 12 }), (names) => {
      const directories = renditionDirectories(names.map((some) => ({ name: some })));
      expect(new Set(directories).size).toBe(names.length);
      for (const directory of directories) expect(isStreamPath(`s/${directory}/-1.mp4`)).toBe(true);
    }),
    { numRuns: 500 },
  );
  expect(renditionDirectories([{ name: "P240p30fps16x9" }, { name: "P240p30fps16x9" }])).toEqual([
    "P240p30fps16x9",
    "P240p30fps16x9~2",
  ]);
});

test("paths from a peer that cannot be ours are no stream paths", () => {
  const foreign = [
    "",
    "/",
    "a",
    "a//b",
    "../a/1.ts",
    "a/../1.ts",
    "a/./1.ts",
    "a/b/1.ts?x",
    "a/b/1%2ets",
    "a/b/",
    "/a/b",
  ];
  for (const path of [...foreign, "a/b/c/d", "a/b\\c/1.ts", "a/b/1.ts\n", `a/${"b".repeat(300)}/1.ts`]) {
    expect(isStreamPath(path)).toBe(false);
  }
  expect(isStreamPath("deadbeef/P240p30fps16x9/-5.ts.phash")).toBe(true);
});

test("formats: extensions and media types are the recorded ones", () => {
  type FormatCase = { readonly format: number; readonly extension: string; readonly mime: string };
  const ours = ["mpegts", "mpegts", "mp4"] as const;
  for (const vector of vectors<FormatCase>("os-info", "format")) {
    const format = ours[vector.format];
    // Formats beyond the known ones cannot be expressed here: they are refused where profiles are decoded.
    if (format === undefined) continue;
    expect(extensionOf(format) as string).toBe(vector.extension);
    expect(mediaTypeOf(format) as string).toBe(vector.mime);
  }
  type ExtensionCase = { readonly extension: string; readonly mime: string };
  for (const { extension, mime } of vectors<ExtensionCase>("os-info", "typeByExtension")) {
    // The peer has no type for perceptual hashes; ours is what it sends them with elsewhere.
    expect(mediaTypeOfPath(`7${extension}`)).toBe(extension === ".phash" ? "application/octet-stream" : mime);
  }
});

test("the provider tag is the recorded one", () => {
  type Metadata = {
    readonly orchId: string;
    readonly version: string;
    readonly metadata: { readonly service_provider: string };
  };
  for (const { orchId, version, metadata } of vectors<Metadata>("os-info", "metadata")) {
    expect(providerText(version, orchId)).toBe(metadata.service_provider);
  }
});
