import { REDEEMER_MESSAGE_BYTES_MAX } from "../protocol/redeemer.ts";

/** What came back of one unary gRPC call. `silent`: nothing, or nothing that can be understood. */
export type RpcAnswer =
  | { readonly type: "message"; readonly message: Uint8Array }
  | { readonly type: "error"; readonly code: number; readonly text: string }
  | { readonly type: "silent"; readonly text: string };

/** Bytes before a message: whether it is compressed, and its length. Source: grpc/grpc doc/PROTOCOL-HTTP2.md. */
const prefixBytes = 5;
/** Characters of a peer's words that are kept. */
const textMax = 160;

/** An uncompressed message behind its length prefix. */
export function rpcFrame(message: Uint8Array): Uint8Array {
  const frame = new Uint8Array(prefixBytes + message.length);
  new DataView(frame.buffer).setUint32(1, message.length);
  frame.set(message, prefixBytes);
  return frame;
}

/**
 * Reads the answer of a unary call. Pure.
 *
 * @param fields - response headers and trailers by lower-case name
 * @param isWhole - whether the body came to its end
 */
export function readRpcAnswer(
  fields: ReadonlyMap<string, string>,
  body: Uint8Array,
  isWhole: boolean,
): RpcAnswer {
  const httpStatus = fields.get(":status");
  if (httpStatus === undefined) return silent("the stream ended without an answer");
  if (httpStatus !== "200") return silent(`HTTP status ${plainText(httpStatus)}`);
  const type = fields.get("content-type") ?? "";
  if (!/^application\/grpc(?:$|[+;])/.test(type)) return silent("the answer is not gRPC");
  const code = fields.get("grpc-status");
  if (code === undefined || !/^\d{1,3}$/.test(code)) return silent("the answer has no gRPC status");
  if (code !== "0") {
    return {
      type: "error",
      code: Number(code),
      text: plainText(percentDecoded(fields.get("grpc-message") ?? "")),
    };
  }
  if (!isWhole) return silent("the answer was cut off");
  if (body.length < prefixBytes) return silent("the answer has no message");
  const length = new DataView(body.buffer, body.byteOffset).getUint32(1);
  if (body[0] !== 0) return silent("the answer is compressed");
  if (length !== body.length - prefixBytes || length > REDEEMER_MESSAGE_BYTES_MAX) {
    return silent("the answer is not one message");
  }
  return { type: "message", message: body.subarray(prefixBytes) };
}

function silent(text: string): RpcAnswer {
  return { type: "silent", text };
}

/** `grpc-message` is percent-encoded; one that is not is taken as it stands. */
function percentDecoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/** A peer's words for logs and terminals: bounded, and without anything that steers one. */
function plainText(text: string): string {
  return text.slice(0, textMax).replaceAll(/[^\x20-\x7e]/g, "?");
}
