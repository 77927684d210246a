import type { Http2ServerRequest, Http2ServerResponse } from "node:http2";
import type { AddressInfo, Server } from "node:net";
import type { AnyElysia } from "elysia";
import type { OrchestratorService, Peer } from "../runtime/service.ts";
import { BaseError, errorText } from "../shared/errors.ts";
import {
  type Connection,
  type ConnectionCloseReason,
  type ConnectionRefusal,
  ConnectionTable,
} from "./connections.ts";
import { abandon, answerError, http2Stream, isAnswerable } from "./http/answer.ts";
import { createHttpApp } from "./http/app.ts";
import type { Keccak256Hasher } from "./http/segment.ts";
import { type HttpOptions, serveHttp } from "./http/serveHttp.ts";
import { defaultListenerLimits, type ListenerLimits } from "./limits.ts";
import { createMethods } from "./rpc/methods.ts";
import { isRpc, type RpcOptions, serveRpc } from "./rpc/serveRpc.ts";
import { createClearFront, createSecureFront, type SocketEvents, type TlsCredentials } from "./sockets.ts";

/** What the listener has to say to a log. Nothing that a peer does is an error of ours: only `bug` is. */
export type ListenerNotice =
  | {
      readonly type: "connection-refused";
      readonly remoteAddress: string;
      readonly reason: ConnectionRefusal;
    }
  | {
      readonly type: "connection-closed";
      readonly remoteAddress: string;
      readonly reason: ConnectionCloseReason;
    }
  | { readonly type: "peer-error"; readonly text: string }
  | { readonly type: "bug"; readonly path: string; readonly error: unknown };

export type ListenerOptions = {
  /** Port 0 picks a free one. */
  readonly bind: { readonly host: string; readonly port: number };
  /** Null listens in clear text: HTTP/1.1 and HTTP/2 with prior knowledge on the same port. */
  readonly tls: TlsCredentials | null;
  readonly service: OrchestratorService;
  /** Makes a Keccak-256 hash for one body. */
  readonly createHasher: () => Keccak256Hasher;
  readonly limits?: Partial<ListenerLimits>;
  /** Further plain HTTP routes. */
  readonly plugins?: readonly AnyElysia[];
  readonly onNotice?: (notice: ListenerNotice) => void;
};

export type Listener = {
  readonly port: number;
  readonly address: string;
  /** Open connections, for metrics. */
  connectionCount(): number;
  /** Refuses new connections, lets open requests finish and resolves when the last connection has ended. */
  drain(): Promise<void>;
  /** Cuts everything off and releases the port. */
  close(): Promise<void>;
};

/** The port could not be opened. */
export class ListenError extends BaseError {
  constructor(bind: ListenerOptions["bind"], cause: unknown) {
    super(`The node cannot listen on \`${bind.host}:${bind.port}\`: ${errorText(cause)}.`, {
      code: "LISTEN_FAILED",
      disposition: "halt",
      action: "Free the port, or choose another address with `-httpAddr`.",
      cause,
    });
  }
}

/**
 * Opens the one public port: gRPC, HTTP/2 and HTTP/1.1.
 *
 * Source: video sheet section 2; go-livepeer server/rpc.go StartTranscodeServer.
 *
 * @throws {ListenError} when the address cannot be bound.
 */
export async function openListener(options: ListenerOptions): Promise<Listener> {
  const limits: ListenerLimits = { ...defaultListenerLimits, ...options.limits };
  return openPort(options, limits, serviceAt(options, limits));
}

/** Answers one request of either protocol version. Rejects only on a bug of ours. */
export type ServeRequest = (
  request: Http2ServerRequest,
  response: Http2ServerResponse,
  peer: Peer,
) => Promise<void>;

/**
 * Opens a port with all its bounds on connections, for whoever serves there.
 *
 * @throws {ListenError} when the address cannot be bound.
 */
export async function openPort(
  options: Pick<ListenerOptions, "bind" | "tls" | "onNotice"> & {
    /** Silence after which the system asks a peer whether it is still there; never when absent. Milliseconds. */
    readonly keepAliveMs?: number;
  },
  limits: ListenerLimits,
  serve: ServeRequest,
): Promise<Listener> {
  const notify = options.onNotice ?? (() => {});
  const table = new ConnectionTable(limits, (connection, reason) =>
    notify({ type: "connection-closed", remoteAddress: connection.remoteAddress, reason }),
  );
  const events: SocketEvents = {
    onConnection: (socket) => {
      // Every socket error also closes the socket, which is what the rest listens to.
      socket.on("error", () => {});
      const admitted = table.admit(socket);
      if (options.keepAliveMs !== undefined) socket.setKeepAlive(true, options.keepAliveMs);
      if (typeof admitted !== "string") return true;
      const remoteAddress = socket.remoteAddress ?? "";
      notify({ type: "connection-refused", remoteAddress, reason: admitted });
      return false;
    },
    onSession: (session, socket) => {
      session.on("error", () => {});
      const connection = table.find(socket);
      if (connection !== null) table.adopt(session, connection);
    },
    onRequest: createRequestHandler(serve, table, notify),
    onPeerError: (error) => notify({ type: "peer-error", text: errorText(error) }),
  };
  const front =
    options.tls === null ? createClearFront(limits, events) : createSecureFront(options.tls, limits, events);
  await listen(front, options.bind);
  front.on("error", (error) => notify({ type: "bug", path: "", error }));

  const address = front.address() as AddressInfo;
  return {
    port: address.port,
    address: address.address,
    connectionCount: () => table.size,
    drain: () => {
      front.close();
      return table.drain();
    },
    close: () =>
      new Promise((resolve) => {
        table.destroy();
        if (front.listening) front.close(() => resolve());
        else resolve();
      }),
  };
}

function serviceAt(options: ListenerOptions, limits: ListenerLimits): ServeRequest {
  const rpc: RpcOptions = { methods: createMethods(options.service), limits };
  const http: HttpOptions = {
    service: options.service,
    limits,
    createHasher: options.createHasher,
    app: createHttpApp(options.service, options.plugins ?? []),
    held: { bytes: 0 },
  };
  return (request, response, peer) =>
    request.httpVersionMajor === 2 && isRpc(request.headers["content-type"])
      ? serveRpc(rpc, request, response, peer)
      : serveHttp(http, request, response, peer);
}

function createRequestHandler(
  serve: ServeRequest,
  table: ConnectionTable,
  notify: (notice: ListenerNotice) => void,
): SocketEvents["onRequest"] {
  return (request, response) => {
    const connection = findConnection(table, request, response);
    if (connection === null) return abandon(response);
    trackRequest(table, connection, response);
    serve(request, response, connection).catch((error: unknown) => {
      notify({ type: "bug", path: request.url, error });
      if (isAnswerable(response)) answerError(response, 500, "Internal Server Error");
      else abandon(response);
    });
  };
}

function findConnection(
  table: ConnectionTable,
  request: Http2ServerRequest,
  response: Http2ServerResponse,
): Connection | null {
  const stream = http2Stream(response);
  return stream === null ? table.find(request.socket) : table.findBySession(stream.session);
}

function trackRequest(table: ConnectionTable, connection: Connection, response: Http2ServerResponse): void {
  // Late errors of an answer whose peer has gone.
  response.on("error", () => {});
  table.requestStarted(connection);
  const stream = http2Stream(response);
  let isOpen = true;
  const onEnd = (): void => {
    if (!isOpen) return;
    isOpen = false;
    table.requestEnded(connection, stream !== null && stream.rstCode !== 0);
  };
  if (stream !== null) {
    stream.once("close", onEnd);
    return;
  }
  response.once("close", onEnd).once("finish", onEnd);
  if (connection.watchesHeaders) return;
  connection.watchesHeaders = true;
  connection.socket.on("data", () => table.headerStarted(connection));
}

function listen(front: Server, bind: ListenerOptions["bind"]): Promise<void> {
  return new Promise((resolve, reject) => {
    const onError = (error: Error): void => reject(new ListenError(bind, error));
    front.once("error", onError);
    front.listen({ host: bind.host, port: bind.port, backlog: 1024 }, () => {
      front.off("error", onError);
      resolve();
    });
  });
}
