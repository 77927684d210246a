import { create } from "@bufbuild/protobuf";
import { hmac } from "@noble/hashes/hmac";
import { sha256 } from "@noble/hashes/sha2";
import { assert } from "../shared/assert.ts";
import type { UnixMs } from "../shared/brand.ts";
import { ACCOUNT_BYTES } from "./account.ts";
import { concatBytes, equalBytes, plainHex, utf8 } from "./bytes.ts";
import { type AuthToken, AuthTokenSchema } from "./gen/lp_rpc_pb.ts";

/*
 * Session tokens. To a gateway the token is opaque bytes beside a session id and an expiry. Ours hold
 *
 *   version (1) | key id (8) | account (20) | HMAC-SHA-256 (32)
 *
 * and the MAC covers a domain text, the account, the expiry and the session id, each with a fixed length or
 * with its length in front. So, unlike the peer's, a token says for whom it was made, none can be stretched
 * into another one, and it stays valid over a restart and a change of key (video sheet 16.5, 16.7, 16.23).
 */

/** HMAC-SHA-256. The edge may hand in a native one; it must equal `pureHmacSha256`. */
export type HmacSha256 = (key: Uint8Array, message: Uint8Array) => Uint8Array;

/** HMAC-SHA-256 without the platform's help: about 10 µs a call. */
export const pureHmacSha256: HmacSha256 = (key, message) => hmac(sha256, key, message);

/** A secret that makes tokens. Make it with `tokenKey`. */
export type TokenKey = { readonly id: Uint8Array; readonly secret: Uint8Array };

/** The keys of a node: the first makes tokens, all of them verify. */
export type TokenKeys = { readonly keys: readonly [TokenKey, ...TokenKey[]]; readonly hmac: HmacSha256 };

/** Seconds a fresh token is good for. Gateways ask for a new one when a tenth of it is left. */
export const TOKEN_LIFETIME_SECONDS = 1800;

/** Random bytes in a session id. The id also guards the URLs of renditions, so it must not be guessed. */
export const SESSION_ID_BYTES = 16;

/** Shortest secret that may make tokens, in bytes. */
export const TOKEN_SECRET_BYTES_MIN = 32;

/** Makes a key from a secret of at least 32 random bytes; its id reveals nothing of it. */
export function tokenKey(secret: Uint8Array, hmacSha256: HmacSha256 = pureHmacSha256): TokenKey {
  assert(secret.length >= TOKEN_SECRET_BYTES_MIN, "A token secret needs at least 32 bytes.");
  return { id: hmacSha256(secret, utf8("reprise token key id")).slice(0, KEY_ID_BYTES), secret };
}

/**
 * Makes the token of a new session.
 *
 * @param account - the gateway's account, 20 bytes; the zero account on an off-chain node, where nobody proves one
 * @param random - `SESSION_ID_BYTES` random bytes for the session id
 */
export function issueToken(
  keys: TokenKeys,
  account: Uint8Array,
  random: Uint8Array,
  nowMs: UnixMs,
): AuthToken {
  assert(random.length === SESSION_ID_BYTES, "A session id needs 16 random bytes.");
  return tokenOf(keys, account, plainHex(random), nowMs);
}

/** A fresh token of a session that exists: it ends later, and is otherwise the same. */
export function tokenOf(keys: TokenKeys, account: Uint8Array, sessionId: string, nowMs: UnixMs): AuthToken {
  const expiration = BigInt(Math.floor(nowMs / 1000) + TOKEN_LIFETIME_SECONDS);
  return create(AuthTokenSchema, {
    token: sealToken(keys, account, sessionId, expiration),
    sessionId,
    expiration,
  });
}

/** The opaque bytes for a session; deterministic, so they never need to be stored. */
export function sealToken(
  keys: TokenKeys,
  account: Uint8Array,
  sessionId: string,
  expiration: bigint,
): Uint8Array {
  assert(account.length === ACCOUNT_BYTES, "An account has 20 bytes.");
  const [key] = keys.keys;
  const mac = keys.hmac(key.secret, macInput(account, sessionId, expiration));
  return concatBytes(Uint8Array.of(TOKEN_VERSION), key.id, account, mac);
}

/**
 * The account for which we made this token; null when we did not make it. The expiry is not looked at, as
 * `EndTranscodingSession` wants it.
 */
export function openToken(keys: TokenKeys, token: AuthToken): Uint8Array | null {
  const bytes = token.token;
  if (bytes.length !== TOKEN_BYTES || bytes[0] !== TOKEN_VERSION) return null;
  if (token.sessionId.length > SESSION_ID_LENGTH_MAX) return null;
  const keyId = bytes.subarray(1, 1 + KEY_ID_BYTES);
  const key = keys.keys.find((candidate) => equalBytes(candidate.id, keyId));
  if (key === undefined) return null;
  const account = bytes.subarray(1 + KEY_ID_BYTES, 1 + KEY_ID_BYTES + ACCOUNT_BYTES);
  const mac = keys.hmac(key.secret, macInput(account, token.sessionId, token.expiration));
  return equalBytes(mac, bytes.subarray(TOKEN_BYTES - MAC_BYTES)) ? account.slice() : null;
}

/**
 * Whether this token is ours, was made for `account` and is still good. In the very second of its expiry it is
 * expired.
 */
export function checkToken(
  keys: TokenKeys,
  token: AuthToken,
  account: Uint8Array,
  nowMs: UnixMs,
): "valid" | "invalid" | "expired" {
  const owner = openToken(keys, token);
  if (owner === null || !equalBytes(owner, account)) return "invalid";
  return BigInt(Math.floor(nowMs / 1000)) >= token.expiration ? "expired" : "valid";
}

const TOKEN_VERSION = 1;
const KEY_ID_BYTES = 8;
const MAC_BYTES = 32;
const TOKEN_BYTES = 1 + KEY_ID_BYTES + ACCOUNT_BYTES + MAC_BYTES;
/** Ours have 32 characters; longer ones are not worth hashing. */
const SESSION_ID_LENGTH_MAX = 128;
const DOMAIN = utf8("reprise session token\0");

function macInput(account: Uint8Array, sessionId: string, expiration: bigint): Uint8Array {
  const session = utf8(sessionId);
  const input = new Uint8Array(DOMAIN.length + ACCOUNT_BYTES + 8 + 4 + session.length);
  const view = new DataView(input.buffer);
  input.set(DOMAIN);
  input.set(account, DOMAIN.length);
  view.setBigInt64(DOMAIN.length + ACCOUNT_BYTES, expiration);
  view.setUint32(DOMAIN.length + ACCOUNT_BYTES + 8, session.length);
  input.set(session, DOMAIN.length + ACCOUNT_BYTES + 12);
  return input;
}
