import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import * as http from "node:http";
import * as https from "node:https";
import * as net from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** A server of one test on a loopback address. */
export type Fixture = {
  readonly port: number;
  /** `http://127.0.0.1:<port>` or `https://…`. */
  readonly origin: string;
  close(): Promise<void>;
};

const fixtures: Fixture[] = [];

/** Ends every server started since the last call; for `afterEach`. */
export async function closeFixtures(): Promise<void> {
  await Promise.all(fixtures.splice(0).map((fixture) => fixture.close()));
}

export async function httpServer(handler: http.RequestListener, address = "127.0.0.1"): Promise<Fixture> {
  return started(http.createServer(handler), "http", address);
}

export async function tlsServer(
  handler: http.RequestListener,
  tls: { readonly cert: string; readonly key: string },
): Promise<Fixture> {
  return started(https.createServer(tls, handler), "https", "127.0.0.1");
}

/** A server that speaks bytes, for answers that no HTTP library would send. */
export async function rawServer(onData: (socket: net.Socket, data: Buffer) => void): Promise<Fixture> {
  const server = net.createServer((socket) => {
    socket.on("error", () => {});
    socket.on("data", (data) => onData(socket, Buffer.from(data)));
  });
  return started(server, "http", "127.0.0.1");
}

/** The whole body of a request. */
export async function bodyOf(request: http.IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}

/** A self-signed certificate for `name`. */
export function selfSigned(name: string): { readonly cert: string; readonly key: string } {
  const dir = mkdtempSync(join(tmpdir(), "reprise-cert-"));
  try {
    const [cert, key] = [join(dir, "cert.pem"), join(dir, "key.pem")];
    const curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"];
    const subject = ["-subj", `/CN=${name}`, "-addext", `subjectAltName=DNS:${name}`];
    execFileSync("openssl", ["req", "-x509", ...curve, ...subject, "-keyout", key, "-out", cert], {
      stdio: "ignore",
    });
    return { cert: readFileSync(cert, "utf8"), key: readFileSync(key, "utf8") };
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}

async function started(server: net.Server, scheme: string, address: string): Promise<Fixture> {
  const sockets = new Set<net.Socket>();
  const track = (socket: net.Socket): void => {
    sockets.add(socket);
    socket.once("close", () => sockets.delete(socket));
  };
  server.on("connection", track);
  await new Promise<void>((resolve) => server.listen(0, address, () => resolve()));
  const { port } = server.address() as net.AddressInfo;
  const fixture: Fixture = {
    port,
    origin: `${scheme}://${address}:${port}`,
    close() {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      for (const socket of sockets) socket.destroy();
      return closed;
    },
  };
  fixtures.push(fixture);
  return fixture;
}
