import { closeSync, fsyncSync, openSync, readFileSync, renameSync, writeSync } from "node:fs";
import { dirname } from "node:path";

/** The text of a file with secrets; null when there is none. Throws what the system says. */
export function readSecretFile(path: string): string | null {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return null;
    throw error;
  }
}

/**
 * Writes a file that only its owner may read. It is written whole and synced under another name first: a crash
 * leaves either the old content or the new one. Throws what the system says.
 */
export function writeSecretFile(path: string, text: string): void {
  const draft = `${path}.new`;
  const file = openSync(draft, "w", 0o600);
  writeSync(file, text);
  fsyncSync(file);
  closeSync(file);
  renameSync(draft, path);
  // The name too: after a power cut the folder must not show the old file, whose successor is in use already.
  const folder = openSync(dirname(path), "r");
  fsyncSync(folder);
  closeSync(folder);
}
