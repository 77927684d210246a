import tls, { type TLSSocket } from "node:tls";

/**
 * A client for measuring unary gRPC: it writes its frames by hand, so that it costs as little as a client in
 * this language can. Not a bench itself.
 */
export type LoadOptions = {
  readonly host: string;
  readonly port: number;
  readonly path: string;
  /** The encoded request message. */
  readonly message: Uint8Array;
  readonly clients: number;
  /** True keeps one connection per client; false opens one for every call, as a gateway does. */
  readonly isKept: boolean;
  readonly durationMs: number;
};

export type LoadResult = {
  readonly calls: number;
  readonly failures: number;
  readonly elapsedMs: number;
  readonly latenciesMs: readonly number[];
  /** The last answer message. */
  readonly lastMessage: Uint8Array;
  /** Processor time of this process: what the measuring itself took. */
  readonly clientCpuMs: number;
};

/** Calls as fast as the answers come, for the given time. */
export async function runLoad(options: LoadOptions): Promise<LoadResult> {
  const latenciesMs: number[] = [];
  let failures = 0;
  let lastMessage: Uint8Array = new Uint8Array(0);
  const cpuBefore = process.cpuUsage();
  const startedMs = performance.now();
  const untilMs = startedMs + options.durationMs;

  async function client(): Promise<void> {
    let connection: Connection | null = null;
    while (performance.now() < untilMs) {
      const calledMs = performance.now();
      try {
        connection ??= await Connection.open(options);
        lastMessage = await connection.call();
        latenciesMs.push(performance.now() - calledMs);
      } catch {
        failures += 1;
        connection?.close();
        connection = null;
      }
      if (options.isKept) continue;
      connection?.close();
      connection = null;
    }
    connection?.close();
  }
  await Promise.all(Array.from({ length: options.clients }, client));
  const cpu = process.cpuUsage(cpuBefore);
  return {
    calls: latenciesMs.length,
    failures,
    elapsedMs: performance.now() - startedMs,
    latenciesMs,
    lastMessage,
    clientCpuMs: (cpu.user + cpu.system) / 1_000,
  };
}

const Frame = { data: 0, headers: 1, reset: 3, settings: 4, ping: 6, goaway: 7, windowUpdate: 8 } as const;
const endStream = 1;
const endHeaders = 4;
const ack = 1;

class Connection {
  readonly #socket: TLSSocket;
  readonly #request: Buffer;
  readonly #headerFrameBytes: number;
  #nextStream = 1;
  #input: Buffer = Buffer.alloc(0);
  #message: Uint8Array | null = null;
  #pending: PromiseWithResolvers<Uint8Array> | null = null;
  #error: Error | null = null;

  private constructor(socket: TLSSocket, options: LoadOptions) {
    this.#socket = socket;
    const fields = requestFields(options);
    const body = Buffer.alloc(5 + options.message.byteLength);
    body.writeUInt32BE(options.message.byteLength, 1);
    body.set(options.message, 5);
    const headers = frame(Frame.headers, endHeaders, 0, fields);
    this.#headerFrameBytes = headers.byteLength;
    this.#request = Buffer.concat([headers, frame(Frame.data, endStream, 0, body)]);
    socket.on("data", (chunk: Buffer) => this.#read(chunk));
    socket.on("error", (error) => this.#fail(error));
    socket.on("close", () => this.#fail(new Error("The server closed the connection.")));
  }

  static open(options: LoadOptions): Promise<Connection> {
    return new Promise((resolve, reject) => {
      const socket = tls.connect({
        host: options.host,
        port: options.port,
        rejectUnauthorized: false,
        ALPNProtocols: ["h2"],
      });
      socket.once("error", reject);
      socket.once("secureConnect", () => {
        socket.off("error", reject);
        const connection = new Connection(socket, options);
        // The whole window at once: the client never has to think of it again.
        const window = frame(Frame.windowUpdate, 0, 0, Uint8Array.of(0x7f, 0xff, 0, 0));
        socket.write(Buffer.concat([preface, frame(Frame.settings, 0, 0, new Uint8Array(0)), window]));
        resolve(connection);
      });
    });
  }

  /** One call; resolves with the answer message when the trailers came. */
  call(): Promise<Uint8Array> {
    if (this.#error !== null) return Promise.reject(this.#error);
    const stream = this.#nextStream;
    this.#nextStream += 2;
    const request = Buffer.from(this.#request);
    request.writeUInt32BE(stream, 5);
    request.writeUInt32BE(stream, this.#headerFrameBytes + 5);
    this.#message = null;
    this.#pending = Promise.withResolvers<Uint8Array>();
    this.#socket.write(request);
    return this.#pending.promise;
  }

  close(): void {
    this.#pending = null;
    this.#socket.destroy();
  }

  #read(chunk: Buffer): void {
    this.#input = this.#input.byteLength === 0 ? chunk : Buffer.concat([this.#input, chunk]);
    for (;;) {
      if (this.#input.byteLength < 9) return;
      const length = this.#input.readUIntBE(0, 3);
      if (this.#input.byteLength < 9 + length) return;
      const type = this.#input[3] ?? 0;
      const flags = this.#input[4] ?? 0;
      const payload = this.#input.subarray(9, 9 + length);
      this.#input = this.#input.subarray(9 + length);
      this.#take(type, flags, payload);
    }
  }

  #take(type: number, flags: number, payload: Buffer): void {
    if (type === Frame.data && payload.byteLength >= 5) this.#message = payload.subarray(5);
    if (type === Frame.settings && (flags & ack) === 0) this.#socket.write(settingsAck);
    if (type === Frame.ping && (flags & ack) === 0) this.#socket.write(frame(Frame.ping, ack, 0, payload));
    if (type === Frame.reset || type === Frame.goaway) {
      this.#fail(new Error("The server gave up."));
      return;
    }
    const isEnd = (type === Frame.headers || type === Frame.data) && (flags & endStream) !== 0;
    if (!isEnd) return;
    // A refused call has no message, so a status need not be decoded to count it as a failure.
    if (this.#message === null) this.#fail(new Error("The call was refused."));
    else this.#pending?.resolve(this.#message);
  }

  #fail(error: Error): void {
    this.#error = error;
    this.#pending?.reject(error);
    this.#pending = null;
  }
}

/** HPACK without a dynamic table. Source: RFC 7541, 6.2.2 and appendix A. */
function requestFields(options: LoadOptions): Buffer {
  const text = (value: string): Buffer => Buffer.concat([Uint8Array.of(value.length), Buffer.from(value)]);
  const post = 0x83;
  const https = 0x87;
  return Buffer.concat([
    Uint8Array.of(post, https, 0x04),
    text(options.path),
    Uint8Array.of(0x01),
    text(`${options.host}:${options.port}`),
    // Index 31 does not fit the four bits of the prefix.
    Uint8Array.of(0x0f, 31 - 15),
    text("application/grpc"),
    Uint8Array.of(0x00),
    text("te"),
    text("trailers"),
  ]);
}

function frame(type: number, flags: number, stream: number, payload: Uint8Array): Buffer {
  const bytes = Buffer.alloc(9 + payload.byteLength);
  bytes.writeUIntBE(payload.byteLength, 0, 3);
  bytes[3] = type;
  bytes[4] = flags;
  bytes.writeUInt32BE(stream, 5);
  bytes.set(payload, 9);
  return bytes;
}

const preface = Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
const settingsAck = frame(Frame.settings, ack, 0, new Uint8Array(0));
