/** Status codes of gRPC that we send. Source: grpc/grpc doc/statuscodes.md. */
export const RpcStatus = {
  ok: 0,
  unknown: 2,
  invalidArgument: 3,
  deadlineExceeded: 4,
  permissionDenied: 7,
  resourceExhausted: 8,
  unimplemented: 12,
  internal: 13,
  unavailable: 14,
} as const;
export type RpcStatus = (typeof RpcStatus)[keyof typeof RpcStatus];

/** A refusal on the wire: `grpc-status` and `grpc-message`. */
export type RpcFailure = { readonly type: "failure"; readonly status: RpcStatus; readonly text: string };

const prefixBytes = 5;

/** Puts the length prefix in front of an uncompressed message. Source: grpc/grpc doc/PROTOCOL-HTTP2.md. */
export function encodeMessage(message: Uint8Array): Uint8Array {
  const framed = Buffer.allocUnsafe(prefixBytes + message.byteLength);
  framed[0] = 0;
  framed.writeUInt32BE(message.byteLength, 1);
  framed.set(message, prefixBytes);
  return framed;
}

/** Takes the one message out of the body of a unary request, or says what is wrong with it. */
export function decodeMessage(body: Uint8Array, bytesMax: number): Uint8Array | RpcFailure {
  if (body.byteLength < prefixBytes) return failure(RpcStatus.internal, "unexpected EOF");
  const length = new DataView(body.buffer, body.byteOffset).getUint32(1);
  if (length > bytesMax) return tooLarge(length, bytesMax);
  if (body[0] !== 0) {
    return failure(RpcStatus.unimplemented, "grpc: Decompressor is not installed for this grpc-encoding");
  }
  if (body.byteLength < prefixBytes + length) return failure(RpcStatus.internal, "unexpected EOF");
  if (body.byteLength > prefixBytes + length) {
    return failure(RpcStatus.internal, "a unary request carries one message only");
  }
  return body.subarray(prefixBytes);
}

/** The refusal of a message above the limit. */
export function tooLarge(length: number | null, bytesMax: number): RpcFailure {
  const size = length === null ? "" : ` (${length} vs. ${bytesMax})`;
  return failure(RpcStatus.resourceExhausted, `grpc: received message larger than max${size}`);
}

export function failure(status: RpcStatus, text: string): RpcFailure {
  return { type: "failure", status, text };
}

/** Percent-encodes all but printable ASCII, as the field `grpc-message` wants it. */
export function encodeGrpcMessage(text: string): string {
  if (/^[\x20-\x24\x26-\x7e]*$/.test(text)) return text;
  let encoded = "";
  for (const byte of Buffer.from(text)) {
    const isPlain = byte >= 0x20 && byte <= 0x7e && byte !== 0x25;
    encoded += isPlain ? String.fromCharCode(byte) : `%${byte.toString(16).toUpperCase().padStart(2, "0")}`;
  }
  return encoded;
}

/** Milliseconds of a `grpc-timeout` field; null when absent or malformed. */
export function readGrpcTimeoutMs(text: string | undefined): number | null {
  const match = /^(\d{1,8})([HMSmun])$/.exec(text ?? "");
  const unit = match?.[2];
  if (match === null || unit === undefined) return null;
  return Number(match[1]) * (unitMs[unit] ?? 0);
}

const unitMs: Readonly<Record<string, number>> = {
  H: 3_600_000,
  M: 60_000,
  S: 1000,
  m: 1,
  u: 1e-3,
  n: 1e-6,
};
