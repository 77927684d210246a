import { join } from "node:path";
import { compileLibrary } from "./compile.ts";

/**
 * The path of the small library without media code (Keccak-256, signatures, memory trimming), built when needed.
 *
 * @throws CompileError when there is no C compiler or no libsecp256k1.
 */
export function buildNativeLibrary(): string {
  const file = (name: string) => join(import.meta.dir, name);
  return compileLibrary({
    name: "libreprise-native.so",
    folder: "native",
    sources: ["keccak.c", "native.c", "signatures.c", "tickets.c"].map(file),
    headers: ["keccak.h", "signatures.h", "tickets.h"].map(file),
    packages: ["libsecp256k1"],
    advice: "Install what is missing: apt-get install build-essential pkg-config libsecp256k1-dev.",
  });
}
