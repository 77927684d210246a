import { create } from "@bufbuild/protobuf";
import { expect, test } from "bun:test";
import { createHmac } from "node:crypto";
import fc from "fast-check";
import { ZERO_ACCOUNT } from "../../../src/protocol/account.ts";
import {
  checkToken,
  issueToken,
  openToken,
  pureHmacSha256,
  sealToken,
  TOKEN_LIFETIME_SECONDS,
  type TokenKeys,
  tokenKey,
} from "../../../src/protocol/authToken.ts";
import { equalBytes, plainHex, toHex } from "../../../src/protocol/bytes.ts";
import { type AuthToken, AuthTokenSchema } from "../../../src/protocol/gen/lp_rpc_pb.ts";
import { readSegmentHeader } from "../../../src/protocol/headers.ts";
import { checkGoToken, goToken, goTokenMessage } from "./goAuthToken.ts";
import { bytes, vectors } from "./vectors.ts";

const nowMs = Date.UTC(2026, 10, 20, 12);
const nowSeconds = BigInt(nowMs / 1000);
const keys: TokenKeys = { keys: [tokenKey(new Uint8Array(32).fill(7))], hmac: pureHmacSha256 };
const account = new Uint8Array(20).fill(9);
const random = new Uint8Array(16).fill(0xab);

type TokenCase = {
  readonly name: string;
  readonly secret: string;
  readonly sessionId: string;
  readonly expiration: string;
  readonly message: string;
  readonly token: string;
};

for (const vector of vectors<TokenCase>("auth-token", "token")) {
  test(`recorded token: ${vector.name}, ${vector.expiration}`, () => {
    const expiration = BigInt(vector.expiration);
    expect<string>(toHex(goTokenMessage(vector.sessionId, expiration))).toBe(vector.message);
    expect<string>(toHex(goToken(bytes(vector.secret), vector.sessionId, expiration))).toBe(vector.token);
  });
}

type VerifyCase = {
  readonly name: string;
  readonly secret: string;
  readonly header: string;
  readonly error: string | null;
};

for (const vector of vectors<VerifyCase>("auth-token", "verify")) {
  test(`recorded check: ${vector.name}`, () => {
    const segment = readSegmentHeader(vector.header, "");
    if (segment.type === "refused") throw new Error(segment.text);
    const token = segment.authToken;
    const verdict = token === null ? "missing" : checkGoToken(bytes(vector.secret), token, nowSeconds);
    expect(verdict).toBe(vector.error === null ? "valid" : (vector.error.split(" ")[0] as typeof verdict));
  });
}

type EndCase = {
  readonly name: string;
  readonly request: {
    readonly auth_token?: {
      readonly token?: string;
      readonly session_id?: string;
      readonly expiration?: string;
    };
  };
  readonly error: string | null;
};

for (const vector of vectors<EndCase>("auth-token", "endTranscodingSession")) {
  test(`video check 10, EndTranscodingSession with our tokens: ${vector.name}`, () => {
    // The recorded requests carry the other rule's tokens. What was good there gets our token of the same
    // session; the same damage is then done to it. An absent token crashes the peer: the caller sees `undefined`.
    const wire = vector.request.auth_token;
    if (wire === undefined) return expect(vector.error).toStartWith("panic");
    const sessionId = wire.session_id ?? "";
    const expiration = BigInt(wire.expiration ?? "0");
    const token = sealToken(keys, account, sessionId, expiration);
    if (vector.name === "one bit altered") token[token.length - 1] = (token.at(-1) ?? 0) ^ 1;
    const sent = wire.token === undefined ? new Uint8Array(0) : token;
    const owner = openToken(keys, create(AuthTokenSchema, { token: sent, sessionId, expiration }));
    expect(owner === null).toBe(vector.error === "Invalid auth token");
  });
}

test("video check 5: a fresh token is good for 1800 seconds and not one more", () => {
  const token = issueToken(keys, account, random, nowMs);
  expect(token.sessionId).toBe("ab".repeat(16));
  expect(token.expiration).toBe(nowSeconds + BigInt(TOKEN_LIFETIME_SECONDS));
  expect(checkToken(keys, token, account, nowMs)).toBe("valid");
  const lastMs = Number(token.expiration) * 1000 - 1;
  expect(checkToken(keys, token, account, lastMs)).toBe("valid");
  expect(checkToken(keys, token, account, lastMs + 1)).toBe("expired");
});

test("a token belongs to its gateway", () => {
  const token = issueToken(keys, account, random, nowMs);
  expect(checkToken(keys, token, ZERO_ACCOUNT, nowMs)).toBe("invalid");
  expect(openToken(keys, token)).toEqual(account);
});

test("video check 18: any change of any part makes a token invalid, also when it is expired", () => {
  const token = issueToken(keys, account, random, nowMs);
  const change = fc.record({
    position: fc.nat(token.token.length - 1),
    bit: fc.nat(7),
    where: fc.constantFrom("token", "session", "expiration", "length"),
  });
  fc.assert(
    fc.property(change, fc.boolean(), ({ position, bit, where }, late) => {
      const changed = create(AuthTokenSchema, { ...token, token: token.token.slice() });
      if (where === "token") changed.token[position] = (changed.token[position] ?? 0) ^ (1 << bit);
      if (where === "session") changed.sessionId = `${token.sessionId.slice(1)}c`;
      if (where === "expiration") changed.expiration = token.expiration + BigInt(position + 1);
      if (where === "length") changed.token = token.token.subarray(0, position);
      expect(checkToken(keys, changed, account, late ? nowMs * 2 : nowMs)).toBe("invalid");
    }),
  );
});

test("no token can be stretched: another session id or expiry never gives the same bytes", () => {
  const part = fc.tuple(fc.string({ maxLength: 6 }), fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }));
  fc.assert(
    fc.property(part, part, ([oneId, oneEnd], [otherId, otherEnd]) => {
      const isSame = oneId === otherId && oneEnd === otherEnd;
      const one = sealToken(keys, account, oneId, oneEnd);
      expect(equalBytes(one, sealToken(keys, account, otherId, otherEnd))).toBe(isSame);
    }),
  );
});

test("UNSAFE rows of the peer are refused: a stretched token and a flipped sign", () => {
  const expired = 1_700_000_000n;
  const token = sealToken(keys, account, "deadbeef", expired);
  // Under the peer's rule the same bytes are good for session `deadbee` until the year 15906.
  const secret = bytes("0x01");
  const goBytes = goToken(secret, "deadbeef", expired);
  const stretched = { sessionId: "deadbee", expiration: 439_786_664_192n };
  expect(checkGoToken(secret, made({ token: goBytes, ...stretched }), nowSeconds)).toBe("valid");
  expect(checkToken(keys, made({ token, ...stretched }), account, nowMs)).toBe("invalid");
  const negative = sealToken(keys, account, "deadbeef", -4_102_444_800n);
  expect(
    checkToken(
      keys,
      made({ token: negative, sessionId: "deadbeef", expiration: 4_102_444_800n }),
      account,
      nowMs,
    ),
  ).toBe("invalid");
});

test("a new key signs, the old one still verifies, a dropped one does not", () => {
  const oldKey = keys.keys[0];
  const newKey = tokenKey(new Uint8Array(32).fill(8));
  const both: TokenKeys = { keys: [newKey, oldKey], hmac: pureHmacSha256 };
  const oldToken = issueToken(keys, account, random, nowMs);
  const newToken = issueToken(both, account, random, nowMs);
  expect(checkToken(both, oldToken, account, nowMs)).toBe("valid");
  expect(checkToken(both, newToken, account, nowMs)).toBe("valid");
  expect(checkToken(keys, newToken, account, nowMs)).toBe("invalid");
});

test("a token survives a restart: the same secret makes the same keys, natively or not", () => {
  const native = (key: Uint8Array, message: Uint8Array) =>
    new Uint8Array(createHmac("sha256", key).update(message).digest());
  const restarted: TokenKeys = { keys: [tokenKey(new Uint8Array(32).fill(7), native)], hmac: native };
  const token = issueToken(keys, account, random, nowMs);
  expect(checkToken(restarted, token, account, nowMs)).toBe("valid");
  expect(plainHex(restarted.keys[0].id)).toBe(plainHex(keys.keys[0].id));
});

test("garbage from a peer is invalid, and short secrets or accounts are bugs", () => {
  const garbage = fc.record({
    token: fc.uint8Array({ maxLength: 80 }),
    sessionId: fc.string(),
    expiration: fc.bigInt({ min: 0n, max: 1n << 62n }),
  });
  fc.assert(fc.property(garbage, (fields) => checkToken(keys, made(fields), account, nowMs) === "invalid"));
  expect(checkToken(keys, made({ sessionId: "x".repeat(1_000_000) }), account, nowMs)).toBe("invalid");
  expect(() => tokenKey(new Uint8Array(31))).toThrow("32 bytes");
  expect(() => sealToken(keys, new Uint8Array(19), "s", 1n)).toThrow("20 bytes");
  expect(() => issueToken(keys, account, new Uint8Array(4), nowMs)).toThrow("16 random bytes");
});

function made(fields: { token?: Uint8Array; sessionId?: string; expiration?: bigint }): AuthToken {
  return create(AuthTokenSchema, fields);
}
