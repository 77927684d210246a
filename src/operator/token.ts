import { equalBytes, utf8 } from "../protocol/bytes.ts";

/**
 * Whether an `Authorization` header shows the token of the data folder, in a time that tells nothing about it.
 *
 * @param header - null without the header
 * @param token - 64 hexadecimal digits, lower case
 */
export function isAuthorized(header: string | null, token: string): boolean {
  const shown = /^Bearer ([0-9a-f]{64})$/i.exec(header ?? "")?.[1] ?? "";
  return token.length === 64 && shown.length === 64 && equalBytes(utf8(shown.toLowerCase()), utf8(token));
}
