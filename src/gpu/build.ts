import { readdirSync } from "node:fs";
import { join } from "node:path";
import { compileLibrary } from "../native/compile.ts";

/**
 * The path of the codec library for the media libraries of this system, built when needed.
 *
 * @throws CompileError when the compiler or a header is missing; its advice names what to install.
 */
export function buildCodecLibrary(): string {
  const shim = join(import.meta.dir, "shim");
  const native = join(import.meta.dir, "../native");
  const files = readdirSync(shim).sort();
  return compileLibrary({
    name: "libreprise.so",
    folder: "shim",
    sources: [
      ...files.filter((name) => name.endsWith(".c")).map((name) => join(shim, name)),
      join(native, "keccak.c"),
    ],
    headers: [
      ...files.filter((name) => name.endsWith(".h")).map((name) => join(shim, name)),
      join(native, "keccak.h"),
    ],
    packages: ["libavformat", "libavfilter", "libavcodec", "libavutil"],
    advice:
      "Install the media libraries: apt-get install build-essential pkg-config " +
      "libavformat-dev libavfilter-dev libavcodec-dev libavutil-dev.",
  });
}
