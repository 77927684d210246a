import { connect } from "node:net";

export type RawAnswer = {
  readonly status: number;
  /** By lower-case name. */
  readonly headers: ReadonlyMap<string, string>;
  readonly body: Uint8Array;
};

export type RawRequest = {
  readonly method: string;
  readonly target: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
};

/** Sends one request exactly as given, over its own connection, and reads the answer until the peer closes. */
export function rawRequest(port: number, request: RawRequest): Promise<RawAnswer> {
  const { promise, resolve, reject } = Promise.withResolvers<RawAnswer>();
  const headers: Record<string, string> = { Host: "127.0.0.1", Connection: "close", ...request.headers };
  if (request.body !== undefined) headers["Content-Length"] = String(Buffer.byteLength(request.body));
  const head = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
  const chunks: Buffer[] = [];
  const socket = connect(port, "127.0.0.1", () => {
    socket.write(`${request.method} ${request.target} HTTP/1.1\r\n${head.join("")}\r\n${request.body ?? ""}`);
  });
  socket.on("data", (chunk: Buffer | string) => chunks.push(Buffer.from(chunk)));
  socket.on("error", reject);
  socket.on("close", () => {
    const bytes = Buffer.concat(chunks);
    const end = bytes.indexOf("\r\n\r\n");
    if (end < 0) reject(new Error(`no answer to ${request.method} ${request.target}`));
    else resolve(readAnswer(bytes.subarray(0, end).toString("latin1"), bytes.subarray(end + 4)));
  });
  return promise;
}

function readAnswer(head: string, rest: Buffer): RawAnswer {
  const [statusLine = "", ...lines] = head.split("\r\n");
  const headers = new Map(
    lines.map(
      (line) =>
        [line.slice(0, line.indexOf(":")).toLowerCase(), line.slice(line.indexOf(":") + 1).trim()] as const,
    ),
  );
  return { status: Number(statusLine.split(" ")[1]), headers, body: rest };
}
