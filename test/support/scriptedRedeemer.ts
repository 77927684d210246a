import { createSecureServer, type Http2SecureServer, type Http2ServerRequest } from "node:http2";
import type { Http2ServerResponse, ServerHttp2Session } from "node:http2";
import type { AddressInfo } from "node:net";
import {
  encodeMaxFloat,
  type QueuedTicket,
  queuedTicketHash,
  readMaxFloatRequest,
  readQueuedTicket,
  redeemerPaths,
} from "../../src/protocol/redeemer.ts";
import { toHex } from "../../src/protocol/bytes.ts";
import { makeCertificate } from "../../src/server/derCertificate.ts";
import type { Hex } from "../../src/shared/brand.ts";
import { eventually } from "./eventually.ts";

/** What a scripted redeemer does with one call. */
export type Reply =
  | { readonly type: "take" }
  | { readonly type: "error"; readonly code: number; readonly text: string }
  /** Says nothing, ever. */
  | { readonly type: "hang" }
  /** Ends the connection. */
  | { readonly type: "cut" }
  /** Writes this, whatever it means. */
  | {
      readonly type: "raw";
      readonly status?: number;
      readonly headers?: Readonly<Record<string, string>>;
      readonly body?: Uint8Array;
      readonly trailers?: Readonly<Record<string, string>>;
    };

export type ReceivedCall = {
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly message: Uint8Array;
  /** Of `QueueTicket`, when it is one. */
  readonly ticket: QueuedTicket | null;
  readonly hash: Hex | null;
};

/**
 * A redeemer that does what the test says, over real sockets: HTTP/2 and TLS with a certificate of its own, as
 * go-livepeer's. It can be stopped and started again on the same port.
 */
export class ScriptedRedeemer implements AsyncDisposable {
  readonly calls: ReceivedCall[] = [];
  /** Connections that were made. */
  connections = 0;
  reply: (call: ReceivedCall) => Reply = () => ({ type: "take" });
  readonly #sessions = new Set<ServerHttp2Session>();
  readonly #credentials = makeCertificate({
    host: "127.0.0.1",
    notBeforeMs: Date.now() - 3_600_000,
    notAfterMs: Date.now() + 86_400_000,
    serial: new Uint8Array(16).fill(7),
  });
  #server: Http2SecureServer | null = null;
  #port = 0;

  /** One that listens. */
  static async start(): Promise<ScriptedRedeemer> {
    const redeemer = new ScriptedRedeemer();
    await redeemer.start();
    return redeemer;
  }

  get port(): number {
    return this.#port;
  }

  /** Hashes of the tickets that were handed over, in order, those again that came again. */
  get hashes(): readonly Hex[] {
    return this.calls.flatMap(({ hash }) => hash ?? []);
  }

  /** Senders that were asked about with `MaxFloat`. */
  get senders(): readonly Hex[] {
    return this.calls.flatMap(({ path, message }) => {
      const read = path === redeemerPaths.maxFloat ? readMaxFloatRequest(message) : null;
      return read?.type === "sender" ? [toHex(read.sender)] : [];
    });
  }

  async start(): Promise<void> {
    const server = createSecureServer({ ...this.#credentials });
    server.on("session", (session) => {
      this.connections += 1;
      this.#sessions.add(session);
      session.on("close", () => this.#sessions.delete(session));
      session.on("error", () => {});
    });
    server.on("sessionError", () => {});
    server.on("request", (request, response) => {
      void this.#serve(request, response);
    });
    await new Promise<void>((resolve) => server.listen(this.#port, "127.0.0.1", resolve));
    this.#port = (server.address() as AddressInfo).port;
    this.#server = server;
  }

  /** As if it was killed: nobody listens, and its connections are gone. */
  async stop(): Promise<void> {
    const server = this.#server;
    this.#server = null;
    for (const session of this.#sessions) session.destroy();
    this.#sessions.clear();
    if (server === null) return;
    server.close();
    await eventually("the port is free", async () => {
      const isThere = await Bun.connect({ hostname: "127.0.0.1", port: this.#port, socket: { data() {} } })
        .then((socket) => {
          socket.end();
          return true;
        })
        .catch(() => false);
      return isThere ? null : true;
    });
  }

  /** Resolves when `count` calls have come. */
  async received(count: number): Promise<void> {
    await eventually(`${count} calls have come`, () => (this.calls.length >= count ? true : null));
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }

  async #serve(request: Http2ServerRequest, response: Http2ServerResponse): Promise<void> {
    const chunks: Uint8Array[] = [];
    request.on("error", () => {});
    response.on("error", () => {});
    try {
      for await (const chunk of request) chunks.push(chunk as Uint8Array);
    } catch {
      return;
    }
    const message = new Uint8Array(Buffer.concat(chunks).subarray(5));
    const path = String(request.headers[":path"]);
    const { ticket } = readQueuedTicket(path === redeemerPaths.queueTicket ? message : new Uint8Array());
    const read = ticket.type === "ticket" ? ticket : null;
    const headers = Object.fromEntries(
      Object.entries(request.headers).map(([name, value]) => [name, String(value)]),
    );
    const hash = read === null ? null : queuedTicketHash(read);
    const call: ReceivedCall = { path, headers, message, ticket: read, hash };
    this.calls.push(call);
    answer(request, response, path, this.reply(call));
  }
}

function answer(
  request: Http2ServerRequest,
  response: Http2ServerResponse,
  path: string,
  reply: Reply,
): void {
  switch (reply.type) {
    case "hang":
      return;
    case "cut":
      request.stream.session?.destroy();
      return;
    case "take": {
      const message = path === redeemerPaths.maxFloat ? encodeMaxFloat(2n * 10n ** 18n) : new Uint8Array();
      write(response, { body: framed(message), trailers: { "grpc-status": "0", "grpc-message": "" } });
      return;
    }
    case "error":
      write(response, {
        headers: { "grpc-status": `${reply.code}`, "grpc-message": encodeURIComponent(reply.text) },
      });
      return;
    case "raw":
      write(response, reply);
  }
}

function write(response: Http2ServerResponse, parts: Omit<Extract<Reply, { type: "raw" }>, "type">): void {
  response.writeHead(parts.status ?? 200, { "content-type": "application/grpc", ...parts.headers });
  if (parts.body !== undefined) response.write(parts.body);
  if (parts.trailers !== undefined) response.addTrailers(parts.trailers);
  response.end();
}

/** A message behind its length, as gRPC sends it. */
export function framed(message: Uint8Array): Uint8Array {
  const frame = new Uint8Array(5 + message.length);
  new DataView(frame.buffer).setUint32(1, message.length);
  frame.set(message, 5);
  return frame;
}
