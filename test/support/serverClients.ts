import http2, { type ClientHttp2Session, type ClientHttp2Stream, type OutgoingHttpHeaders } from "node:http2";
import net, { type Socket } from "node:net";
import tls, { type TLSSocket } from "node:tls";

export type PlainAnswer = {
  readonly status: number;
  /** Names in lower case. */
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Buffer;
};

/** Opens a TLS connection that offers exactly the given ALPN protocols. */
export function connectTls(port: number, alpn: readonly string[]): Promise<TLSSocket> {
  return new Promise((resolve, reject) => {
    const socket = tls.connect({
      host: "127.0.0.1",
      port,
      rejectUnauthorized: false,
      ALPNProtocols: [...alpn],
    });
    socket.once("secureConnect", () => resolve(socket)).once("error", reject);
  });
}

/** Opens a TCP connection. */
export function connectTcp(port: number): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = net.connect(port, "127.0.0.1");
    socket.once("connect", () => resolve(socket)).once("error", reject);
  });
}

/** Resolves when the other side has ended or cut the connection. Data is thrown away. */
export function untilClosed(socket: Socket): Promise<void> {
  return new Promise((resolve) => {
    if (socket.destroyed) return resolve();
    socket.resume();
    socket.once("close", () => resolve()).once("error", () => resolve());
    socket.once("end", () => socket.destroy());
  });
}

/**
 * Writes a request text on an HTTP/1.1 connection and reads one answer, which must be framed or end the
 * connection.
 */
export async function exchangeHttp1(socket: Socket, request: string | Uint8Array): Promise<PlainAnswer> {
  const reader = new Http1Reader(socket);
  socket.write(request);
  return reader.answer();
}

/** Reads answers from an HTTP/1.1 connection, head and body apart. */
export class Http1Reader {
  #buffer = Buffer.alloc(0);
  #isEnded = false;
  #wake: () => void = () => {};

  constructor(socket: Socket) {
    socket.on("data", (chunk: Buffer) => {
      this.#buffer = Buffer.concat([this.#buffer, chunk]);
      this.#wake();
    });
    const end = (): void => {
      this.#isEnded = true;
      this.#wake();
    };
    socket.on("end", end).on("close", end).on("error", end);
  }

  async answer(): Promise<PlainAnswer> {
    const head = await this.head();
    return { ...head, body: await this.body(head.headers) };
  }

  async head(): Promise<Omit<PlainAnswer, "body">> {
    const text = (await this.#upTo("\r\n\r\n")).toString("latin1");
    const [statusLine = "", ...lines] = text.split("\r\n");
    const headers: Record<string, string> = {};
    for (const line of lines.filter((line) => line !== "")) {
      const colon = line.indexOf(":");
      headers[line.slice(0, colon).toLowerCase()] = line.slice(colon + 1).trim();
    }
    const status = Number(statusLine.split(" ")[1]);
    return status === 100 ? this.head() : { status, headers };
  }

  async body(headers: Readonly<Record<string, string>>): Promise<Buffer> {
    if (headers["transfer-encoding"] === "chunked") {
      const parts: Buffer[] = [];
      for (;;) {
        const size = Number.parseInt((await this.#upTo("\r\n")).toString("latin1"), 16);
        const part = await this.#take(size + 2);
        if (size === 0) return Buffer.concat(parts);
        parts.push(part.subarray(0, size));
      }
    }
    const length = headers["content-length"];
    if (length !== undefined) return this.#take(Number(length));
    while (!this.#isEnded) await this.#more();
    return this.#buffer;
  }

  async #upTo(mark: string): Promise<Buffer> {
    for (;;) {
      const at = this.#buffer.indexOf(mark);
      if (at >= 0) return this.#take(at + mark.length);
      await this.#more();
    }
  }

  async #take(length: number): Promise<Buffer> {
    while (this.#buffer.length < length) await this.#more();
    const taken = this.#buffer.subarray(0, length);
    this.#buffer = this.#buffer.subarray(length);
    return taken;
  }

  async #more(): Promise<void> {
    if (this.#isEnded) throw new Error("The connection ended inside an answer.");
    await new Promise<void>((resolve) => {
      this.#wake = resolve;
    });
  }
}

/** An HTTP/2 connection with what the tests need of it. */
export class Http2Client implements AsyncDisposable {
  readonly session: ClientHttp2Session;
  readonly closed: Promise<void>;

  constructor(port: number, options: { readonly clear?: boolean } = {}) {
    const scheme = options.clear === true ? "http" : "https";
    this.session = http2.connect(`${scheme}://127.0.0.1:${port}`, { rejectUnauthorized: false });
    this.session.on("error", () => {});
    this.closed = new Promise((resolve) => this.session.once("close", () => resolve()));
  }

  /** Starts a request whose body the caller writes. */
  open(headers: OutgoingHttpHeaders, options: { endStream?: boolean } = {}): ClientHttp2Stream {
    const stream = this.session.request(headers, { endStream: options.endStream ?? false });
    stream.on("error", () => {});
    return stream;
  }

  async request(headers: OutgoingHttpHeaders, body: Uint8Array | null = null): Promise<PlainAnswer> {
    const stream = this.open(headers, { endStream: body === null });
    const answer = readAnswer(stream);
    if (body !== null) stream.end(body);
    return answer;
  }

  /** One unary gRPC call. */
  async call(path: string, message: Uint8Array, headers: OutgoingHttpHeaders = {}): Promise<RpcResult> {
    const framed = Buffer.alloc(5 + message.byteLength);
    framed.writeUInt32BE(message.byteLength, 1);
    framed.set(message, 5);
    return this.callRaw(path, framed, headers);
  }

  /** One gRPC call with the framing given by the caller. */
  async callRaw(path: string, body: Uint8Array, headers: OutgoingHttpHeaders = {}): Promise<RpcResult> {
    const stream = this.open({
      ":method": "POST",
      ":path": path,
      "content-type": "application/grpc",
      te: "trailers",
      ...headers,
    });
    let trailers: Record<string, unknown> = {};
    stream.once("trailers", (fields) => {
      trailers = fields;
    });
    const answer = readAnswer(stream);
    stream.end(body);
    const { body: bytes, status } = await answer;
    return {
      httpStatus: status,
      status: trailers["grpc-status"] === undefined ? null : Number(trailers["grpc-status"]),
      message: decodeURIComponent(String(trailers["grpc-message"] ?? "")),
      rawMessage: String(trailers["grpc-message"] ?? ""),
      value: bytes.length >= 5 ? bytes.subarray(5) : null,
    };
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.session.destroy();
    return this.closed;
  }
}

/** Frame types of HTTP/2. Source: RFC 9113, section 6. */
export const FrameType = {
  data: 0,
  headers: 1,
  reset: 3,
  settings: 4,
  ping: 6,
  goaway: 7,
  continuation: 9,
} as const;

/** An HTTP/2 connection written frame by frame, for what a well-behaved client never sends. */
export class RawHttp2 {
  readonly socket: TLSSocket;
  readonly closed: Promise<void>;

  private constructor(socket: TLSSocket) {
    this.socket = socket;
    this.closed = untilClosed(socket);
    socket.write("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
    this.send(FrameType.settings, 0, 0, new Uint8Array(0));
  }

  static async connect(port: number): Promise<RawHttp2> {
    return new RawHttp2(await connectTls(port, ["h2"]));
  }

  /** Writes one frame; false when the socket is full. */
  send(type: number, flags: number, streamId: number, payload: Uint8Array): boolean {
    const frame = Buffer.alloc(9 + payload.byteLength);
    frame.writeUIntBE(payload.byteLength, 0, 3);
    frame[3] = type;
    frame[4] = flags;
    frame.writeUInt32BE(streamId, 5);
    frame.set(payload, 9);
    return this.socket.destroyed ? true : this.socket.write(frame);
  }

  /** Begins `POST /segment` without ending it. */
  post(streamId: number): void {
    const endHeaders = 4;
    this.send(FrameType.headers, endHeaders, streamId, segmentFields);
  }

  /** Cancels a stream. */
  reset(streamId: number): void {
    this.send(FrameType.reset, 0, streamId, Uint8Array.of(0, 0, 0, 8));
  }
}

/** `:method POST`, `:scheme https`, `:path /segment`, `:authority x`. Source: RFC 7541, appendix A. */
const segmentFields = Buffer.from([0x83, 0x87, 0x04, 8, ...Buffer.from("/segment"), 0x01, 1, 0x78]);

export type RpcResult = {
  readonly httpStatus: number;
  readonly status: number | null;
  readonly message: string;
  readonly rawMessage: string;
  readonly value: Buffer | null;
};

/** Waits for the status and headers of an answer. */
export function readHead(stream: ClientHttp2Stream): Promise<Omit<PlainAnswer, "body">> {
  return new Promise((resolve, reject) => {
    stream.once("response", (fields) => {
      const headers: Record<string, string> = {};
      for (const [name, value] of Object.entries(fields)) headers[name] = String(value);
      resolve({ status: Number(fields[":status"]), headers });
    });
    stream.once("close", () =>
      reject(new Error(`The stream closed with ${stream.rstCode} before an answer.`)),
    );
  });
}

/** Reads a whole answer. Rejects when the stream is reset before one. */
export async function readAnswer(stream: ClientHttp2Stream): Promise<PlainAnswer> {
  const parts: Buffer[] = [];
  stream.on("data", (part: Buffer) => parts.push(part));
  const ended = new Promise<void>((resolve) => stream.once("end", () => resolve()));
  const head = await readHead(stream);
  await ended;
  return { ...head, body: Buffer.concat(parts) };
}
