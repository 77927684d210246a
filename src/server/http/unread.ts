import { constants } from "node:http2";
import { http2Stream, type Request, type Response } from "./answer.ts";

/** Bytes and time that a refused HTTP/1.1 upload gets to end by itself, as Go's server gives it. */
const drainBytesMax = 256 * 1024;
const drainTimeoutMs = 1000;

/**
 * Stops a body from arriving until {@link releaseBody}. Bun's HTTP/1.1 parser on TLS sockets pushes whatever
 * comes into the request without bound, so the socket itself must pause; HTTP/2 streams stop at their window.
 */
export function holdBody(request: Request): void {
  if (request.httpVersionMajor < 2 && !request.complete) request.socket.pause();
}

/** Lets the body of a held request flow. */
export function releaseBody(request: Request): void {
  if (request.httpVersionMajor < 2) request.socket.resume();
}

/**
 * Gets rid of a request whose body was not read, after its answer was written, so that the peer still gets
 * the answer: HTTP/2 resets the stream with NO_ERROR (RFC 9113, 8.1), HTTP/1.1 takes a little more, then
 * nothing, and hangs up when the peer had time to read.
 */
export function endUnreadRequest(request: Request, response: Response): void {
  if (request.complete) {
    releaseBody(request);
    return;
  }
  const stream = http2Stream(response);
  if (stream !== null) {
    request.on("error", () => {});
    const reset = (): void => {
      if (!stream.destroyed) stream.close(constants.NGHTTP2_NO_ERROR);
    };
    if (response.writableFinished) reset();
    else response.once("finish", reset);
    return;
  }
  const socket = request.socket;
  let drained = 0;
  const timer = setTimeout(() => socket.destroy(), drainTimeoutMs);
  socket.once("close", () => clearTimeout(timer));
  request.on("error", () => {});
  request.on("data", (chunk: Uint8Array) => {
    drained += chunk.byteLength;
    // Closing now would make the kernel send a reset, and the peer would lose the answer with it.
    if (drained > drainBytesMax) socket.pause();
  });
  request.once("end", () => clearTimeout(timer));
  socket.resume();
}
