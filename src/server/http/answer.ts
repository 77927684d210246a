import type { IncomingMessage, ServerResponse } from "node:http";
import { constants, type Http2ServerRequest, type Http2ServerResponse } from "node:http2";

/** A request of either protocol version. The compatibility layer of `node:http2` makes them alike. */
export type Request = IncomingMessage | Http2ServerRequest;
export type Response = ServerResponse | Http2ServerResponse;

/**
 * Answers as Go's `http.Error` does: the text and a newline.
 *
 * Source: video sheet, Conventions.
 */
export function answerError(response: Response, status: number, text: string): void {
  answerText(response, status, `${text}\n`, { "x-content-type-options": "nosniff" });
}

/** Answers a plain text without a newline added. */
export function answerText(
  response: Response,
  status: number,
  text: string,
  headers: Readonly<Record<string, string>> = {},
): void {
  if (!isAnswerable(response)) return;
  const body = Buffer.from(text);
  writeHead(response, status, {
    ...headers,
    "content-type": "text/plain; charset=utf-8",
    "content-length": String(body.byteLength),
  });
  response.end(body);
}

/** Nothing of the answer has left yet and the peer is still there. */
export function isAnswerable(response: Response): boolean {
  return !response.headersSent && !response.writableEnded && !isGone(response);
}

/** The peer closed the connection or reset the stream. */
export function isGone(response: Response): boolean {
  if (response.destroyed) return true;
  const stream = http2Stream(response);
  if (stream !== null) return stream.destroyed || stream.closed;
  return response.socket?.destroyed ?? true;
}

/** The two `writeHead`s have different overloads; this is the part they share. */
export function writeHead(
  response: Response,
  status: number,
  headers: Readonly<Record<string, string>>,
): void {
  (response as ServerResponse).writeHead(status, headers);
}

/** Sends the status and header fields now, before any body. */
export function flushHead(response: Response): void {
  // Both have it; the type of the HTTP/2 one lacks it.
  (response as ServerResponse).flushHeaders();
}

/**
 * Bytes handed to the transport at once: enough to fill a round trip, little enough to notice a stalled peer.
 */
const writeBytes = 256 * 1024;

/**
 * Ends the answer with `bytes` and resolves with what became of it. Never rejects. A peer that does not take
 * the answer within `timeoutMs` is cut off.
 *
 * "Sent" means that the last byte left for the socket. `finish` alone does not say so: it comes early for a
 * body given in one piece, and also when an HTTP/2 peer resets the stream.
 */
export function endAnswer(
  response: Response,
  bytes: Uint8Array,
  timeoutMs: number,
): Promise<"sent" | "client-gone"> {
  if (isGone(response)) return Promise.resolve("client-gone");
  if (bytes.byteLength === 0) {
    response.end();
    return Promise.resolve("sent");
  }
  return new Promise((resolve) => {
    const timer = setTimeout(() => abandon(response), timeoutMs);
    let offset = 0;
    function settle(outcome: "sent" | "client-gone"): void {
      clearTimeout(timer);
      resolve(outcome);
    }
    function writeNext(): void {
      while (offset < bytes.byteLength && !isGone(response)) {
        const part = bytes.subarray(offset, offset + writeBytes);
        offset += part.byteLength;
        const isLast = offset >= bytes.byteLength;
        const onWritten = (error?: Error | null): void => {
          if (error) settle("client-gone");
          else if (isLast) settle("sent");
        };
        const hasRoom = (response as ServerResponse).write(part, onWritten);
        if (isLast) response.end();
        else if (!hasRoom) {
          response.once("drain", writeNext);
          return;
        }
      }
    }
    response.once("close", () => settle("client-gone"));
    response.once("error", () => settle("client-gone"));
    writeNext();
  });
}

/** Cuts the peer off: resets the HTTP/2 stream, or closes the HTTP/1.1 connection. */
export function abandon(response: Response): void {
  const stream = http2Stream(response);
  if (stream === null) response.socket?.destroy();
  else if (!stream.destroyed) stream.close(constants.NGHTTP2_CANCEL);
}

/** The HTTP/2 stream under an answer; null on HTTP/1.1. */
export function http2Stream(response: Response): Http2ServerResponse["stream"] | null {
  return "stream" in response ? (response.stream ?? null) : null;
}
