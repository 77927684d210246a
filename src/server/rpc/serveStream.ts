import type { Http2ServerResponse } from "node:http2";
import type { Peer } from "../../runtime/service.ts";
import { abandon, flushHead, http2Stream, isGone } from "../http/answer.ts";
import { encodeGrpcMessage, encodeMessage, type RpcFailure, RpcStatus } from "./frame.ts";
import type { StreamMethod } from "./methods.ts";

/** Bytes that may wait for a peer that does not read; then it is cut off. Hundreds of short messages. */
const unreadBytesMax = 16 * 1024;

/** A timer cannot be set for longer. Milliseconds. */
const timerMsMax = 2 ** 31 - 1;

/**
 * Answers a call with a stream: the header block at once, then whatever comes. It lasts until the peer goes, the
 * service ends it, or the time is over that the peer gave it.
 *
 * @returns why there is no stream; then nothing was written
 */
export function serveStream(
  method: StreamMethod,
  message: Uint8Array,
  response: Http2ServerResponse,
  peer: Peer,
  timeoutMs: number | null,
): RpcFailure | null {
  if (isGone(response)) return null;
  let isOver = false;
  const finish = (status: RpcStatus, text: string): void => {
    if (isOver || isGone(response)) return;
    isOver = true;
    response.addTrailers({ "grpc-status": String(status), "grpc-message": encodeGrpcMessage(text) });
    response.end();
  };
  const opened = method.open(message, peer, {
    push: (answer) => {
      if (isOver || isGone(response)) return;
      response.write(encodeMessage(answer));
      if ((http2Stream(response)?.writableLength ?? 0) > unreadBytesMax) abandon(response);
    },
    end: () => finish(RpcStatus.ok, ""),
  });
  if (opened.type === "failure") return opened;
  const timer =
    timeoutMs === null
      ? undefined
      : setTimeout(
          () => finish(RpcStatus.deadlineExceeded, "context deadline exceeded"),
          Math.min(timeoutMs, timerMsMax),
        );
  response.once("close", () => {
    isOver = true;
    clearTimeout(timer);
    opened.stop();
  });
  response.writeHead(200, { "content-type": "application/grpc" });
  flushHead(response);
  return null;
}
