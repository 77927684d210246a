import type { Http2ServerRequest, Http2ServerResponse } from "node:http2";
import type { Peer } from "../../runtime/service.ts";
import { answerError, isGone } from "../http/answer.ts";
import { readBody } from "../http/body.ts";
import { endUnreadRequest } from "../http/unread.ts";
import type { ListenerLimits } from "../limits.ts";
import {
  decodeMessage,
  encodeGrpcMessage,
  encodeMessage,
  failure,
  type RpcFailure,
  RpcStatus,
  readGrpcTimeoutMs,
  tooLarge,
} from "./frame.ts";
import type { RpcMethods, RpcOutcome } from "./methods.ts";
import { serveStream } from "./serveStream.ts";

export type RpcOptions = {
  readonly methods: RpcMethods;
  readonly limits: ListenerLimits;
};

/** True for a request that belongs to gRPC. Source: go-livepeer lphttp.ServeHTTP. */
export function isRpc(contentType: string | undefined): boolean {
  return contentType?.startsWith("application/grpc") ?? false;
}

/**
 * Answers one gRPC call: a message comes, and one goes back, or a stream of them. Rejects only on a bug of ours.
 *
 * Written on the compatibility layer of `node:http2`, without a gRPC library: one header block, one DATA
 * frame and the trailers, no stream objects or copies in between (decision 0002 has the figures).
 */
export async function serveRpc(
  options: RpcOptions,
  request: Http2ServerRequest,
  response: Http2ServerResponse,
  peer: Peer,
): Promise<void> {
  const contentType = request.headers["content-type"] ?? "";
  if (request.method !== "POST") return answerError(response, 405, "gRPC requires POST");
  if (!/^application\/grpc(\+proto)?(;.*)?$/.test(contentType)) {
    answerError(response, 415, `invalid gRPC request content-type "${printable(contentType)}"`);
    return endUnreadRequest(request, response);
  }
  const method = options.methods.get(request.url);
  if (method === undefined) {
    answerFailure(response, unknownMethod(request.url, options.methods));
    return endUnreadRequest(request, response);
  }
  const wantedMs = readGrpcTimeoutMs(request.headers["grpc-timeout"] as string | undefined);
  const timeoutMs = Math.min(wantedMs ?? Number.POSITIVE_INFINITY, options.limits.rpcTimeoutMs);
  const bytesMax = options.limits.rpcRequestBytesMax;
  const body = await readBody(
    request,
    { bytesMax: bytesMax + 5, deadlineMs: Date.now() + timeoutMs, idleTimeoutMs: timeoutMs },
    null,
  );
  if (body.type === "client-gone") return;
  if (body.type !== "complete") {
    answerFailure(response, body.type === "timeout" ? deadlineExceeded : tooLarge(null, bytesMax));
    return endUnreadRequest(request, response);
  }
  const message = decodeMessage(body.bytes, bytesMax);
  if ("type" in message) return answerFailure(response, message);
  if (typeof method !== "function") {
    const refusal = serveStream(method, message, response, peer, wantedMs);
    return refusal === null ? undefined : answerFailure(response, refusal);
  }
  const called = method(message, peer);
  const answer = called instanceof Promise ? await withTimeout(called, timeoutMs) : called;
  if (isGone(response)) return;
  if (answer.type === "failure") return answerFailure(response, answer);
  // go-livepeer's handlers return plain errors, which its library sends as UNKNOWN.
  if (answer.type === "refused") return answerFailure(response, failure(RpcStatus.unknown, answer.text));
  response.writeHead(200, { "content-type": "application/grpc" });
  response.write(encodeMessage(answer.value));
  response.addTrailers({ "grpc-status": "0", "grpc-message": "" });
  response.end();
}

const deadlineExceeded = failure(RpcStatus.deadlineExceeded, "context deadline exceeded");

/**
 * An answer without a message. The status goes into a trailer block of its own: Bun sends the first block
 * without END_STREAM, so the shorter "Trailers-Only" form would end without a status for the client.
 */
function answerFailure(response: Http2ServerResponse, refusal: RpcFailure): void {
  if (isGone(response) || response.headersSent) return;
  response.writeHead(200, { "content-type": "application/grpc" });
  response.addTrailers({
    "grpc-status": String(refusal.status),
    "grpc-message": encodeGrpcMessage(refusal.text),
  });
  response.end();
}

function unknownMethod(path: string, methods: RpcMethods): RpcFailure {
  const match = /^\/([^/]+)\/([^/]+)$/.exec(path);
  const service = match?.[1];
  if (service === undefined) {
    return failure(RpcStatus.unimplemented, `malformed method name: "${printable(path)}"`);
  }
  const isKnown = [...methods.keys()].some((known) => known.startsWith(`/${service}/`));
  return isKnown
    ? failure(
        RpcStatus.unimplemented,
        `unknown method ${printable(match?.[2] ?? "")} for service ${printable(service)}`,
      )
    : failure(RpcStatus.unimplemented, `unknown service ${printable(service)}`);
}

/** A peer's own text in an answer to it: short and without control characters. */
function printable(text: string): string {
  return text.slice(0, 128).replace(/[^\x20-\x7e]/g, "?");
}

function withTimeout(call: Promise<RpcOutcome>, timeoutMs: number): Promise<RpcOutcome> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => resolve(deadlineExceeded), timeoutMs);
    call.then(resolve, reject).finally(() => clearTimeout(timer));
  });
}
