import type { TLSSocket } from "node:tls";
import { connectTls } from "./serverClients.ts";

/*
 * HTTP/2 frame by frame, for what a well-behaved client library cannot do: Bun's own ends a body properly before it
 * resets a stream, so nobody would notice that the upload was cut off.
 */

/** A request on stream 1 of a connection of its own, whose body the caller cuts off. */
export class RawUpload {
  readonly #socket: TLSSocket;

  private constructor(socket: TLSSocket) {
    this.#socket = socket;
  }

  /** Connects and sends the header block of a POST. Values are ASCII. */
  static async open(
    port: number,
    path: string,
    headers: Readonly<Record<string, string>>,
  ): Promise<RawUpload> {
    const socket = await connectTls(port, ["h2"]);
    socket.on("error", () => {});
    socket.resume();
    socket.write("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
    socket.write(frame(4, 0, 0, Buffer.alloc(0)));
    const fields = {
      ":method": "POST",
      ":scheme": "https",
      ":path": path,
      ":authority": "localhost",
      ...headers,
    };
    const block = Buffer.concat(Object.entries(fields).flatMap(([name, value]) => [literal(name, value)]));
    socket.write(frame(1, 4, 1, block));
    return new RawUpload(socket);
  }

  send(bytes: Uint8Array): void {
    this.#socket.write(frame(0, 0, 1, Buffer.from(bytes)));
  }

  /** RST_STREAM with the code CANCEL, as Go's client sends it when a request's context ends. */
  reset(): void {
    const code = Buffer.alloc(4);
    code.writeUInt32BE(8);
    this.#socket.write(frame(3, 0, 1, code));
  }

  close(): void {
    this.#socket.destroy();
  }
}

function frame(type: number, flags: number, stream: number, payload: Buffer): Buffer {
  const head = Buffer.alloc(9);
  head.writeUIntBE(payload.length, 0, 3);
  head[3] = type;
  head[4] = flags;
  head.writeUInt32BE(stream, 5);
  return Buffer.concat([head, payload]);
}

/** A header field without indexing (RFC 7541, 6.2.2). */
function literal(name: string, value: string): Buffer {
  return Buffer.concat([Buffer.of(0), text(name), text(value)]);
}

function text(value: string): Buffer {
  const bytes = Buffer.from(value, "latin1");
  return Buffer.concat([prefixed(bytes.length), bytes]);
}

/** An integer with a prefix of seven bits (RFC 7541, 5.1). */
function prefixed(value: number): Buffer {
  if (value < 127) return Buffer.of(value);
  const parts = [127];
  for (let rest = value - 127; ; rest >>>= 7) {
    if (rest < 128) {
      parts.push(rest);
      return Buffer.from(parts);
    }
    parts.push((rest & 127) | 128);
  }
}
