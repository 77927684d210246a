import type { ReadFile } from "./readFlags.ts";
import { Secret } from "./secret.ts";

/** A value that names an existing, non-empty file stands for that file's trimmed content. */
export function readFileOrLiteral(text: string, readFile: ReadFile): string {
  if (text === "") return "";
  const content = readFile(text);
  return content.type === "file" && content.text.trim() !== "" ? content.text.trim() : text;
}

/** {@link readFileOrLiteral} for a secret; null when none was given. */
export function readSecret(text: string, readFile: ReadFile): Secret | null {
  return text === "" ? null : new Secret(readFileOrLiteral(text, readFile));
}
