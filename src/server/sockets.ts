import { createServer as createHttp1Server } from "node:http";
import {
  createServer as createHttp2Server,
  createSecureServer,
  type Http2Session,
  type Http2ServerRequest,
  type Http2ServerResponse,
} from "node:http2";
import { createServer as createTcpServer, type Server, type Socket } from "node:net";
import type { ListenerLimits } from "./limits.ts";

export type SocketEvents = {
  /** A TCP connection, before any handshake. Return false to refuse it. */
  onConnection(socket: Socket): boolean;
  onSession(session: Http2Session, socket: Socket): void;
  onRequest(request: Http2ServerRequest, response: Http2ServerResponse): void;
  /** A handshake or protocol error of a peer. */
  onPeerError(error: unknown): void;
};

/** The PEM texts of the certificate and its private key. */
export type TlsCredentials = { readonly cert: string; readonly key: string };

/** A TLS port that selects `h2` or `http/1.1` by ALPN; without ALPN it speaks HTTP/1.1. */
export function createSecureFront(
  credentials: TlsCredentials,
  limits: ListenerLimits,
  events: SocketEvents,
): Server {
  const server = createSecureServer({ ...credentials, ...secureOptions(limits) });
  // The compatibility layer calls back with HTTP/1.1 requests too; they have the same surface.
  server.on("request", events.onRequest);
  let handedOver: Socket | null = null;
  server.prependListener("connection", (socket: Socket) => {
    if (!events.onConnection(socket)) socket.destroy();
  });
  // The session is made, and announced, in the next listener of the same event.
  server.prependListener("secureConnection", (socket) => {
    handedOver = socket;
  });
  server.on("session", (session) => {
    if (handedOver !== null) events.onSession(session, handedOver);
  });
  server.on("tlsClientError", events.onPeerError).on("sessionError", events.onPeerError);
  answerBadHttp1(server, events);
  return server;
}

/** A clear-text port: the first bytes tell HTTP/2 with prior knowledge from HTTP/1.1. */
export function createClearFront(limits: ListenerLimits, events: SocketEvents): Server {
  const http1 = createHttp1Server(
    { maxHeaderSize: limits.http1HeaderBytesMax, keepAliveTimeout: limits.idleTimeoutMs },
    events.onRequest as never,
  );
  const http2 = createHttp2Server(http2Options(limits), events.onRequest);
  let handedOver: Socket | null = null;
  http2.on("session", (session) => {
    if (handedOver !== null) events.onSession(session, handedOver);
  });
  http2.on("sessionError", events.onPeerError);
  answerBadHttp1(http1, events);
  return createTcpServer((socket) => {
    if (!events.onConnection(socket)) return void socket.destroy();
    let first: Buffer = Buffer.alloc(0);
    const sniff = (): void => {
      const more: Buffer | null = socket.read();
      if (more === null) return;
      first = first.byteLength === 0 ? more : Buffer.concat([first, more]);
      const isHttp2 = preface.startsWith(first.toString("latin1", 0, preface.length));
      // Three bytes decide: no HTTP/1.1 method begins with `PRI`.
      if (isHttp2 && first.byteLength < preface.length) return;
      socket.off("readable", sniff);
      socket.unshift(first);
      handedOver = socket;
      (isHttp2 ? http2 : http1).emit("connection", socket);
    };
    socket.on("readable", sniff);
  });
}

const preface = "PRI";

function http2Options(limits: ListenerLimits) {
  return {
    // MiB that the streams of one connection may hold; above it, new ones are refused. Answers hold 256 KiB
    // each.
    maxSessionMemory: 128,
    settings: {
      maxConcurrentStreams: limits.streamsPerConnectionMax,
      maxHeaderListSize: limits.http2HeaderListBytesMax,
      // An upload of a distant gateway may have this much on the way; the default of 64 kB allows 1.3 MB/s at
      // 50 ms.
      initialWindowSize: uploadWindowBytes,
      enablePush: false,
    },
  };
}

function secureOptions(limits: ListenerLimits) {
  return {
    allowHTTP1: true,
    handshakeTimeout: limits.handshakeTimeoutMs,
    // Not one level up: there Bun would announce it as the HTTP/2 limit.
    http1Options: {
      maxHeaderSize: limits.http1HeaderBytesMax,
      // Announced only; the connection table closes idle connections.
      keepAliveTimeout: limits.idleTimeoutMs,
    },
    ...http2Options(limits),
  };
}

const uploadWindowBytes = 4 * 1024 * 1024;

/** Answers what is not HTTP/1.1, or has too large a header block, and hangs up. */
function answerBadHttp1(server: NodeJS.EventEmitter, events: SocketEvents): void {
  server.on("clientError", (error: Error & { code?: string }, socket: Socket) => {
    events.onPeerError(error);
    // A failed handshake or a broken connection comes this way too; only the parser's errors can be answered.
    if (socket.destroyed || !socket.writable || error.code?.startsWith("HPE_") !== true) {
      socket.destroy();
      return;
    }
    const isTooLarge = error.code === "HPE_HEADER_OVERFLOW";
    const text = isTooLarge ? "431 Request Header Fields Too Large" : "400 Bad Request";
    const head = `HTTP/1.1 ${text}\r\nContent-Type: text/plain; charset=utf-8\r\nConnection: close\r\n\r\n`;
    socket.end(head + text);
  });
}
