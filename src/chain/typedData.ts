import { hashTypedData } from "viem";
import { signDigest } from "../native/ffi.ts";
import { concatBytes, fromHex } from "../protocol/bytes.ts";

/** 65 bytes with v 27 or 28, or why there are none. */
export type TypedDataSignature =
  | { readonly type: "signed"; readonly signature: Uint8Array }
  /** The text is no JSON. */
  | { readonly type: "malformed"; readonly text: string }
  /** It is JSON, but not what can be signed. */
  | { readonly type: "refused"; readonly text: string };

type Fields = Readonly<Record<string, unknown>>;
type Types = Readonly<Record<string, readonly { readonly name: string; readonly type: string }[]>>;

/**
 * Signs typed data as wallets take it: JSON with `types`, `primaryType`, `domain` and `message`. Stricter than wallets
 * are: every field must be there and no other one, and whole numbers beyond 2⁵³ must be texts, so that what is signed
 * is what was meant.
 *
 * Source: EIP-712; go-ethereum signer/core/apitypes, whose words the refusals have; recorded `/signMessage` answers.
 *
 * @param privateKey - 32 bytes
 */
export function signTypedData(json: string, privateKey: Uint8Array): TypedDataSignature {
  let parsed: unknown;
  try {
    parsed = JSON.parse(json);
  } catch {
    return { type: "malformed", text: "it is no JSON" };
  }
  const data = fieldsOf(parsed);
  if (data === null) return { type: "malformed", text: "it is no JSON object" };
  const digest = digestOf(data);
  if (typeof digest === "string") return { type: "refused", text: digest };
  const { r, s, yParity } = signDigest(digest, privateKey);
  return { type: "signed", signature: concatBytes(r, s, Uint8Array.of(27 + yParity)) };
}

/** 32 bytes, or why there are none. */
function digestOf(data: Fields): Uint8Array | string {
  const domain = fieldsOf(data["domain"]);
  if (domain === null || Object.keys(domain).length === 0) return "domain is undefined";
  const types = typesOf(data["types"]);
  if (types === null) return "types is undefined";
  const primaryType = data["primaryType"];
  if (typeof primaryType !== "string") return "primaryType is undefined";
  const message = fieldsOf(data["message"]);
  if (message === null) return "message is undefined";
  const mistake = mistakeIn(types, "EIP712Domain", domain, 0) ?? mistakeIn(types, primaryType, message, 0);
  if (mistake !== null) return mistake;
  try {
    // What the types say is checked by viem, and above.
    const typedData = { domain, types, primaryType, message } as Parameters<typeof hashTypedData>[0];
    return fromHex(hashTypedData(typedData)) ?? "the data do not match their types";
  } catch {
    return "the data do not match their types";
  }
}

/** Structures in structures in structures: nobody goes deeper. */
const depthMax = 32;

/** What in a structure does not fit its type, or null. */
function mistakeIn(types: Types, name: string, value: Fields, depth: number): string | null {
  const fields = Object.hasOwn(types, name) ? (types[name] ?? []) : [];
  const given = Object.keys(value).length;
  if (fields.length < given) {
    return `there is extra data provided in the message (${fields.length} < ${given})`;
  }
  for (const field of fields) {
    const mistake = mistakeOf(types, field.type, value[field.name], depth);
    if (mistake !== null) return mistake;
  }
  return null;
}

function mistakeOf(types: Types, type: string, value: unknown, depth: number): string | null {
  const mismatch = `provided data '${shown(value)}' doesn't match type '${type.slice(0, 100)}'`;
  if (value === undefined || value === null || depth > depthMax) return mismatch;
  const element = /^(.+)\[\d*\]$/.exec(type)?.[1];
  if (element !== undefined) {
    if (!Array.isArray(value)) return mismatch;
    for (const item of value) {
      const mistake = mistakeOf(types, element, item, depth + 1);
      if (mistake !== null) return mistake;
    }
    return null;
  }
  if (Object.hasOwn(types, type)) {
    const inner = fieldsOf(value);
    return inner === null ? mismatch : mistakeIn(types, type, inner, depth + 1);
  }
  return isOfType(type, value) ? null : mismatch;
}

function isOfType(type: string, value: unknown): boolean {
  if (type === "string") return typeof value === "string";
  if (type === "bool") return typeof value === "boolean";
  if (type === "address") return typeof value === "string" && /^0x[0-9a-fA-F]{40}$/.test(value);
  if (/^bytes\d*$/.test(type)) return typeof value === "string" && /^0x(?:[0-9a-fA-F]{2})*$/.test(value);
  if (/^u?int\d*$/.test(type)) {
    if (typeof value === "number") return Number.isSafeInteger(value);
    return typeof value === "string" && /^(?:-?\d{1,78}|0x[0-9a-fA-F]{1,64})$/.test(value);
  }
  return false;
}

function typesOf(value: unknown): Types | null {
  const types = fieldsOf(value);
  if (types === null) return null;
  const isList = (fields: unknown): boolean =>
    Array.isArray(fields) &&
    fields.every((field) => {
      const { name, type } = fieldsOf(field) ?? {};
      return typeof name === "string" && typeof type === "string";
    });
  return Object.values(types).every(isList) ? (types as Types) : null;
}

function fieldsOf(value: unknown): Fields | null {
  return typeof value === "object" && value !== null && !Array.isArray(value) ? (value as Fields) : null;
}

/** A value for an error: bounded, in Go's form for nothing. */
function shown(value: unknown): string {
  return value === undefined || value === null ? "<nil>" : String(value).slice(0, 100);
}
