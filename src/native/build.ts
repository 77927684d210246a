import { join } from "node:path";
import { compileLibrary } from "./compile.ts";

/**
 * The path of the small library without media code (Keccak-256, memory trimming), built when needed.
 *
 * @throws CompileError when there is no C compiler.
 */
export function buildNativeLibrary(): string {
  const file = (name: string) => join(import.meta.dir, name);
  return compileLibrary({
    name: "libreprise-native.so",
    folder: "native",
    sources: [file("keccak.c"), file("native.c")],
    headers: [file("keccak.h")],
    packages: [],
    advice: "Install a C compiler: apt-get install build-essential.",
  });
}
