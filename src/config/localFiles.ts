import { readFileSync, statSync } from "node:fs";
import type { FileContent } from "./readFlags.ts";

/** Settings and secrets are small; a larger file is not one of them. */
const fileBytesMax = 1024 * 1024;

/** Reads a settings or secret file from the local disk. Never throws. */
export function readLocalFile(path: string): FileContent {
  try {
    const stat = statSync(path);
    if (stat.isDirectory()) return { type: "directory" };
    if (!stat.isFile()) return { type: "unreadable", reason: "not a regular file" };
    if (stat.size > fileBytesMax) return { type: "unreadable", reason: "larger than 1 MiB" };
    return { type: "file", text: readFileSync(path, "utf8") };
  } catch (error) {
    const code = error instanceof Error && "code" in error ? String(error.code) : "";
    if (code === "ENOENT" || code === "ENOTDIR" || code === "ENAMETOOLONG") return { type: "missing" };
    return { type: "unreadable", reason: code === "EACCES" ? "permission denied" : code || "cannot be read" };
  }
}
