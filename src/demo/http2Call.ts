import { type ClientHttp2Session, connect, constants } from "node:http2";
import { BaseError } from "../shared/errors.ts";

/** What one HTTP/2 request may cost. */
export type CallLimits = {
  /** Whole call, connection included. */
  readonly timeoutMs: number;
  /** Largest body that is read; one byte more fails the call. */
  readonly answerBytesMax: number;
};

/** An answer, read to its end. */
export type Http2Answer = {
  readonly status: number;
  readonly headers: ReadonlyMap<string, string>;
  /** Empty when the answer had none. */
  readonly trailers: ReadonlyMap<string, string>;
  readonly body: Uint8Array;
  /** Milliseconds from the start of the request to its response headers. */
  readonly headersMs: number;
};

/**
 * Opens a connection to `origin` (`https://host:port`, or `http://` for HTTP/2 without TLS). The certificate is not
 * verified, as no peer of the network does: identity is proven by signatures above TLS.
 *
 * @throws GatewayCallError when nothing is connected after `timeoutMs`
 */
export function connectHttp2(origin: string, timeoutMs: number): Promise<ClientHttp2Session> {
  return new Promise((resolve, reject) => {
    const session = connect(origin, { rejectUnauthorized: false });
    const fail = (cause: unknown) => {
      clearTimeout(timer);
      session.destroy();
      reject(callFailed(`No connection to \`${origin}\`.`, cause));
    };
    const timer = setTimeout(() => fail(new Error(`no answer in ${timeoutMs} ms`)), timeoutMs);
    session.once("error", fail);
    session.once("connect", () => {
      clearTimeout(timer);
      session.off("error", fail);
      // A connection that breaks later fails its calls; the event itself needs no reaction.
      session.on("error", () => {});
      resolve(session);
    });
  });
}

/**
 * Sends one request on an open connection and reads the whole answer.
 *
 * @throws GatewayCallError when the connection breaks, time runs out or the answer is too large
 */
export function http2Call(
  session: ClientHttp2Session,
  request: {
    readonly method: "GET" | "POST";
    readonly path: string;
    readonly headers: Readonly<Record<string, string>>;
    readonly body: Uint8Array | null;
  },
  limits: CallLimits,
): Promise<Http2Answer> {
  const startedMs = performance.now();
  return new Promise((resolve, reject) => {
    const stream = session.request({ ":method": request.method, ":path": request.path, ...request.headers });
    const chunks: Uint8Array[] = [];
    let byteCount = 0;
    let headers = new Map<string, string>();
    let trailers = new Map<string, string>();
    let headersMs = 0;

    const fail = (cause: unknown) => {
      clearTimeout(timer);
      if (!stream.closed) stream.close(constants.NGHTTP2_CANCEL);
      reject(callFailed(`${request.method} \`${request.path}\` failed.`, cause));
    };
    const timer = setTimeout(() => fail(new Error(`no answer in ${limits.timeoutMs} ms`)), limits.timeoutMs);

    stream.on("response", (fields) => {
      headers = fieldMap(fields);
      headersMs = performance.now() - startedMs;
    });
    stream.on("trailers", (fields) => {
      trailers = fieldMap(fields);
    });
    stream.on("data", (chunk: Uint8Array) => {
      byteCount += chunk.byteLength;
      if (byteCount > limits.answerBytesMax) fail(new Error(`answer over ${limits.answerBytesMax} bytes`));
      else chunks.push(chunk);
    });
    let isWhole = false;
    stream.on("end", () => {
      isWhole = true;
    });
    stream.on("error", fail);
    stream.on("close", () => {
      clearTimeout(timer);
      const status = Number(headers.get(":status"));
      if (!Number.isInteger(status)) fail(new Error("the stream was closed without an answer"));
      else if (!isWhole) fail(new Error("the answer was cut off"));
      else resolve({ status, headers, trailers, body: Buffer.concat(chunks), headersMs });
    });
    if (request.body === null) stream.end();
    else stream.end(request.body);
  });
}

/** A call to an orchestrator that got no usable answer: nobody there, time over, limits broken, not gRPC. */
export class GatewayCallError extends BaseError {}

function callFailed(what: string, cause: unknown): GatewayCallError {
  const detail = cause instanceof Error ? cause.message : String(cause);
  return new GatewayCallError(`${what} ${detail}`, {
    code: "GATEWAY_CALL_FAILED",
    disposition: "retry",
    cause,
  });
}

function fieldMap(fields: Readonly<Record<string, unknown>>): Map<string, string> {
  return new Map(Object.entries(fields).map(([name, value]) => [name.toLowerCase(), String(value)]));
}
