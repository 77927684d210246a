import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** A folder that is deleted with everything in it when the scope ends. */
export type LogFolder = { readonly path: string; [Symbol.dispose](): void };

/** A fresh folder on the disk, as a node's data folder is: `using folder = logFolder()`. */
export function logFolder(parent = tmpdir()): LogFolder {
  const path = mkdtempSync(join(parent, "reprise-log-"));
  return { path, [Symbol.dispose]: () => rmSync(path, { recursive: true, force: true }) };
}
