import { pureHmacSha256 } from "../../../src/protocol/authToken.ts";
import { concatBytes, equalBytes, fromHex, utf8 } from "../../../src/protocol/bytes.ts";
import type { AuthToken } from "../../../src/protocol/gen/lp_rpc_pb.ts";

/*
 * The reference node's token rule, only to read its recorded tokens: HMAC-SHA-256 over session id and expiry
 * without a border between them. Our own rule (`src/protocol/authToken.ts`) refuses what this one lets through.
 * Source: video sheet 3.3.
 */

/** What the reference node's MAC covers. */
export function goTokenMessage(sessionId: string, expiration: bigint): Uint8Array {
  const magnitude = expiration < 0n ? -expiration : expiration;
  const digits = magnitude === 0n ? "" : magnitude.toString(16);
  const minimal = fromHex(digits.length % 2 === 0 ? digits : `0${digits}`) ?? new Uint8Array(0);
  return concatBytes(utf8(sessionId), minimal);
}

/** The reference node's token. */
export function goToken(secret: Uint8Array, sessionId: string, expiration: bigint): Uint8Array {
  return pureHmacSha256(secret, goTokenMessage(sessionId, expiration));
}

/** The reference node's check. */
export function checkGoToken(
  secret: Uint8Array,
  token: AuthToken,
  nowSeconds: bigint,
): "valid" | "invalid" | "expired" {
  if (!equalBytes(goToken(secret, token.sessionId, token.expiration), token.token)) return "invalid";
  return nowSeconds >= token.expiration ? "expired" : "valid";
}
