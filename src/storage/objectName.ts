/**
 * Turns a path that holds peers' words (profile names, session ids) into one that every object store and URL
 * reader takes alike: `a b/1.ts` → `a=20b/1.ts`. Letters, digits, `-`, `_`, `.` and `/` stay; any other byte
 * becomes `=XX`, so different names stay different. `.`, `..` and empty parts cannot climb: dots are
 * encoded, empty parts dropped.
 */
export function objectName(path: string): string {
  return path
    .split("/")
    .filter((part) => part !== "")
    .map(safePart)
    .join("/");
}

/** Percent-encodes a key for use in a URL, slash by slash. The key itself is left as it is in the store. */
export function urlPath(key: string): string {
  return key
    .split("/")
    .map((part) => encodeURIComponent(part.toWellFormed()).replaceAll("%3D", "="))
    .join("/");
}

/** Joins the parts of a key with single slashes; empty parts vanish. */
export function joinKey(...parts: readonly string[]): string {
  return parts
    .map((part) => part.replace(/^\/+|\/+$/g, ""))
    .filter((part) => part !== "")
    .join("/");
}

function safePart(part: string): string {
  if (/^\.+$/.test(part)) return part.replaceAll(".", "=2E");
  return part
    .toWellFormed()
    .replace(/[^A-Za-z0-9._-]/gu, (character) =>
      Array.from(new TextEncoder().encode(character), (byte) => `=${hexByte(byte)}`).join(""),
    );
}

function hexByte(byte: number): string {
  return byte.toString(16).toUpperCase().padStart(2, "0");
}
