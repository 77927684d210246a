import { expect, test } from "bun:test";
import type { TLSSocket } from "node:tls";
import { eventually } from "../../support/eventually.ts";
import {
  connectTcp,
  connectTls,
  exchangeHttp1,
  FrameType,
  Http1Reader,
  Http2Client,
  RawHttp2,
  untilClosed,
} from "../../support/serverClients.ts";
import { openTestServer } from "../../support/serverNode.ts";

/*
 * Goal: no peer exhausts the listener or breaks the service of another peer.
 * Method: one misbehaving client per test against small limits, then an honest request on a new connection.
 */

const healthz1 = "GET /healthz HTTP/1.1\r\nHost: node\r\n\r\n";

async function expectAlive(port: number): Promise<void> {
  await using client = new Http2Client(port);
  expect((await client.request({ ":path": "/healthz" })).status).toBe(200);
}

test("a connection that never shakes hands is closed", async () => {
  await using server = await openTestServer({ limits: { handshakeTimeoutMs: 100 } });
  await untilClosed(await connectTcp(server.port));
  await expectAlive(server.port);
});

test("a connection that never sends a request is closed, in TLS and in clear text", async () => {
  const limits = { handshakeTimeoutMs: 300, headerTimeoutMs: 50 };
  await using secure = await openTestServer({ limits });
  await untilClosed(await handshaken(secure.port, "http/1.1"));
  expect(await secure.notice("connection-closed")).toMatchObject({ reason: "header-timeout" });
  await untilClosed(await handshaken(secure.port, "h2"));
  await using clear = await openTestServer({ limits, clear: true });
  await untilClosed(await connectTcp(clear.port));
});

/** A connection whose handshake is done. On a machine that stalls, a short limit may end some before. */
function handshaken(port: number, protocol: string): Promise<TLSSocket> {
  return eventually("a handshake is done", () => connectTls(port, [protocol]).catch(() => null));
}

/** A connection that has served one request; short limits, as with {@link handshaken}. */
function connectionInUse(port: number): Promise<TLSSocket> {
  return eventually("a connection has served a request", async () => {
    const socket = await handshaken(port, "http/1.1");
    const status = await exchangeHttp1(socket, healthz1).then((answer) => answer.status, String);
    if (status === 200) return socket;
    socket.destroy();
    expect(status).toContain("The connection ended");
    return null;
  });
}

test("a header block that trickles is cut off, also on the second request of a connection", async () => {
  await using server = await openTestServer({ limits: { handshakeTimeoutMs: 300, headerTimeoutMs: 100 } });
  for (const isSecond of [false, true]) {
    const socket = await (isSecond ? connectionInUse(server.port) : handshaken(server.port, "http/1.1"));
    socket.write("GET /healthz HTTP/1.1\r\n");
    const trickle = setInterval(() => socket.write("a: b\r\n"), 10);
    await untilClosed(socket);
    clearInterval(trickle);
  }
  expect(await server.notice("connection-closed")).toMatchObject({ reason: "header-timeout" });
});

test("an idle connection is closed after the idle time-out, not before an open request has its answer", async () => {
  await using server = await openTestServer({ limits: { idleTimeoutMs: 80 } });
  const gate = Promise.withResolvers<Uint8Array>();
  server.node.result = gate.promise;
  const busy = await connectTls(server.port, ["http/1.1"]);
  const reader = new Http1Reader(busy);
  busy.write("POST /segment HTTP/1.1\r\nHost: node\r\nContent-Length: 1\r\n\r\nx");
  await reader.head();

  const idle = await connectTls(server.port, ["http/1.1"]);
  expect((await exchangeHttp1(idle, healthz1)).status).toBe(200);
  await using idleTwo = new Http2Client(server.port);
  expect((await idleTwo.request({ ":path": "/healthz" })).status).toBe(200);
  await untilClosed(idle);
  await idleTwo.closed;
  expect(await server.notice("connection-closed")).toMatchObject({ reason: "idle" });
  // The clients may see the end before the listener does.
  await eventually("one is left", () => (server.listener.connectionCount() === 1 ? true : null));
  gate.resolve(Buffer.from("done"));
  await server.node.delivered.promise;
  await untilClosed(busy);
});

test("connections beyond the limits are refused, and room comes back", async () => {
  for (const [limits, reason] of [
    [{ connectionsMax: 2 }, "too-many-connections"],
    [{ connectionsPerAddressMax: 2 }, "too-many-from-address"],
  ] as const) {
    await using server = await openTestServer({ limits });
    const first = await connectTls(server.port, ["http/1.1"]);
    const second = await connectTls(server.port, ["http/1.1"]);
    await untilClosed(await connectTcp(server.port));
    expect(await server.notice("connection-refused")).toMatchObject({ reason, remoteAddress: "127.0.0.1" });
    expect((await exchangeHttp1(second, healthz1)).status).toBe(200);
    first.destroy();
    while (server.listener.connectionCount() > 1) await Bun.sleep(1);
    await expectAlive(server.port);
    second.destroy();
  }
});

test("a rapid reset of streams costs the connection", async () => {
  await using server = await openTestServer({ limits: { resets: { burst: 20, perSecond: 1 } } });
  const attacker = await RawHttp2.connect(server.port);
  for (let count = 0; count < 100; count += 1) {
    attacker.post(2 * count + 1);
    attacker.reset(2 * count + 1);
  }
  await attacker.closed;
  expect(await server.notice("connection-closed")).toMatchObject({ reason: "reset-flood" });
  await expectAlive(server.port);
});

test("a few resets are part of the protocol", async () => {
  await using server = await openTestServer({ limits: { resets: { burst: 20, perSecond: 1 } } });
  const peer = await RawHttp2.connect(server.port);
  for (let count = 0; count < 10; count += 1) {
    peer.post(2 * count + 1);
    peer.reset(2 * count + 1);
  }
  await server.node.aborted.promise;
  await expectAlive(server.port);
  expect(peer.socket.destroyed).toBe(false);
  expect(server.notices).toEqual([]);
  peer.socket.destroy();
});

test("a flood of pings costs the connection, an occasional one does not", async () => {
  await using server = await openTestServer({ limits: { pings: { burst: 50, perSecond: 1 } } });
  await using client = new Http2Client(server.port);
  await new Promise<void>((resolve) => client.session.ping(() => resolve()));
  expect((await client.request({ ":path": "/healthz" })).status).toBe(200);
  const attacker = await RawHttp2.connect(server.port);
  for (let count = 0; count < 200; count += 1) attacker.send(FrameType.ping, 0, 0, new Uint8Array(8));
  await attacker.closed;
  expect(await server.notice("connection-closed")).toMatchObject({ reason: "ping-flood" });
  expect((await client.request({ ":path": "/healthz" })).status).toBe(200);
});

test("a flood of SETTINGS costs the connection", async () => {
  await using server = await openTestServer({ limits: { settings: { burst: 20, perSecond: 1 } } });
  const attacker = await RawHttp2.connect(server.port);
  const setting = Buffer.from("000300000064", "hex");
  for (let count = 0; count < 200; count += 1) attacker.send(FrameType.settings, 0, 0, setting);
  await attacker.closed;
  expect(await server.notice("connection-closed")).toMatchObject({ reason: "settings-flood" });
  await expectAlive(server.port);
});

test("streams beyond the limit of a connection are refused, the others are served", async () => {
  await using server = await openTestServer({ limits: { streamsPerConnectionMax: 5 } });
  const gate = Promise.withResolvers<Uint8Array>();
  server.node.result = gate.promise;
  await using client = new Http2Client(server.port);
  await client.request({ ":path": "/healthz" });
  expect(client.session.remoteSettings.maxConcurrentStreams).toBe(5);
  const answers = Array.from({ length: 5 }, () =>
    client.request({ ":method": "POST", ":path": "/segment" }, Buffer.from("x")),
  );
  while (server.node.completed.length < 5) await Bun.sleep(1);
  gate.resolve(Buffer.from("done"));
  expect((await Promise.all(answers)).map((answer) => answer.status)).toEqual(Array(5).fill(200));
});

test("a header block without end is cut off", async () => {
  await using server = await openTestServer();
  const attacker = await RawHttp2.connect(server.port);
  // HEADERS without END_HEADERS, then CONTINUATION frames of `a: b` up to 300 MB.
  attacker.send(FrameType.headers, 0, 1, Uint8Array.of(0x82));
  const fields = Buffer.from("0001610162".repeat(3000), "hex");
  let isOpen = true;
  const closed = attacker.closed.then(() => {
    isOpen = false;
  });
  for (let count = 0; count < 20_000 && isOpen; count += 1) {
    const hasRoom = attacker.send(FrameType.continuation, 0, 1, fields);
    if (!hasRoom) {
      await Promise.race([closed, new Promise((resolve) => attacker.socket.once("drain", resolve))]);
    }
  }
  expect(isOpen).toBe(false);
  await expectAlive(server.port);
});

test("peers that vanish in every phase leave nothing behind", async () => {
  await using server = await openTestServer();
  for (const text of [
    "",
    "G",
    "GET /healthz HTTP/1.1\r\n",
    "POST /segment HTTP/1.1\r\nContent-Length: 9\r\n\r\nx",
  ]) {
    const socket = await connectTls(server.port, ["http/1.1"]);
    socket.write(text, () => socket.destroy());
    const raw = await connectTcp(server.port);
    raw.write("\x16\x03\x01", () => raw.resetAndDestroy());
  }
  while (server.listener.connectionCount() > 0) await Bun.sleep(1);
  await expectAlive(server.port);
});
