import { expect, test } from "bun:test";
import {
  connectTcp,
  connectTls,
  exchangeHttp1,
  Http2Client,
  untilClosed,
} from "../../support/serverClients.ts";
import { openTestServer } from "../../support/serverNode.ts";

/*
 * Goal: one port speaks HTTP/2 and HTTP/1.1, in TLS and in clear text, and answers paths as the protocol
 * says. Method: real sockets against a real listener; the node behind it is scripted.
 */

const healthz1 = "GET /healthz HTTP/1.1\r\nHost: node\r\n\r\n";

test("video check 1: ALPN selects h2 or http/1.1, and both answer /healthz with an empty 200", async () => {
  await using server = await openTestServer();
  const two = await connectTls(server.port, ["h2"]);
  expect(two.alpnProtocol).toBe("h2");
  two.destroy();
  await using client = new Http2Client(server.port);
  const overTwo = await client.request({ ":path": "/healthz" });
  expect([overTwo.status, overTwo.body.length]).toEqual([200, 0]);

  const one = await connectTls(server.port, ["http/1.1"]);
  expect(one.alpnProtocol).toBe("http/1.1");
  const overOne = await exchangeHttp1(one, healthz1);
  expect([overOne.status, overOne.body.length]).toEqual([200, 0]);
  one.destroy();
});

test("a client without ALPN gets HTTP/1.1", async () => {
  await using server = await openTestServer();
  const socket = await connectTls(server.port, []);
  expect((await exchangeHttp1(socket, healthz1)).status).toBe(200);
  socket.destroy();
});

test("the clear-text port tells HTTP/2 with prior knowledge from HTTP/1.1", async () => {
  await using server = await openTestServer({ clear: true });
  await using client = new Http2Client(server.port, { clear: true });
  expect((await client.request({ ":path": "/healthz" })).status).toBe(200);
  const socket = await connectTcp(server.port);
  expect((await exchangeHttp1(socket, healthz1)).status).toBe(200);
  // A request that arrives in pieces must not be taken for the preface.
  const slow = await connectTcp(server.port);
  slow.setNoDelay(true);
  slow.write("P");
  // The answer to another connection shows that the server has been round its loop since.
  expect((await client.request({ ":path": "/healthz" })).status).toBe(200);
  const answer = await exchangeHttp1(
    slow,
    "OST /nothing HTTP/1.1\r\nHost: node\r\nContent-Length: 0\r\n\r\n",
  );
  expect(answer.status).toBe(404);
  socket.destroy();
  slow.destroy();
});

test("an unhealthy node says why", async () => {
  await using server = await openTestServer();
  server.node.unhealthy = "the log cannot be written";
  await using client = new Http2Client(server.port);
  const answer = await client.request({ ":path": "/healthz" });
  expect([answer.status, answer.body.toString()]).toEqual([503, "the log cannot be written\n"]);
});

test("unknown paths are 404 with the headers of Go's http.Error", async () => {
  await using server = await openTestServer();
  await using client = new Http2Client(server.port);
  for (const path of ["/", "/nope", "/segment/x", "/stream", "/healthz/x", "/net.Orchestrator/Ping"]) {
    const answer = await client.request({ ":path": path });
    expect([path, answer.status, answer.body.toString()]).toEqual([path, 404, "404 page not found\n"]);
    expect(answer.headers["content-type"]).toBe("text/plain; charset=utf-8");
    expect(answer.headers["x-content-type-options"]).toBe("nosniff");
  }
});

test("a path that is not clean is redirected to the clean one", async () => {
  await using server = await openTestServer();
  await using client = new Http2Client(server.port);
  for (const [path, location] of [
    ["//segment", "/segment"],
    ["/stream/../healthz", "/healthz"],
    ["/a/./b/?x=1", "/a/b/?x=1"],
    ["/stream/%2e%2e/segment", "/segment"],
  ]) {
    const answer = await client.request({ ":path": path });
    expect([path, answer.status, answer.headers["location"]]).toEqual([path, 301, location]);
  }
  expect(server.node.openedWith).toEqual([]);
  const malformed = await client.request({ ":path": "/stream/%zz" });
  expect(malformed.status).toBe(400);
});

test("HTTP/1.1 header blocks up to 1 MiB are read, larger ones get 431", async () => {
  await using server = await openTestServer();
  const withHeader = (bytes: number) =>
    `GET /healthz HTTP/1.1\r\nHost: node\r\nX-Large: ${"a".repeat(bytes)}\r\n\r\n`;
  const fits = await connectTls(server.port, ["http/1.1"]);
  expect((await exchangeHttp1(fits, withHeader(1_000_000))).status).toBe(200);
  fits.destroy();
  const tooLarge = await connectTls(server.port, ["http/1.1"]);
  expect((await exchangeHttp1(tooLarge, withHeader(1_100_000))).status).toBe(431);
  await untilClosed(tooLarge);
});

test("HTTP/2 fields up to 65.4 kB are read, and the limit is announced so that clients keep to it", async () => {
  await using server = await openTestServer();
  await using client = new Http2Client(server.port);
  const field = "p".repeat(65_400);
  server.node.refusal = { type: "refused", status: 403, text: "ErrSegSig" };
  const answer = await client.request({ ":path": "/segment", ":method": "POST", "livepeer-payment": field });
  expect([answer.status, answer.body.toString()]).toEqual([403, "ErrSegSig\n"]);
  expect(server.node.openedWith[0]?.payment).toBe(field);
  // A conforming client, such as Go's, refuses a larger header list by itself: that request alone fails.
  expect(client.session.remoteSettings.maxHeaderListSize).toBe(65_850);
});

test("bytes that are no HTTP get 400 and the connection ends", async () => {
  await using server = await openTestServer();
  const socket = await connectTls(server.port, ["http/1.1"]);
  const answer = await exchangeHttp1(socket, "\x16\x03\x01 not http\r\n\r\n");
  expect(answer.status).toBe(400);
  await untilClosed(socket);
  await using client = new Http2Client(server.port);
  expect((await client.request({ ":path": "/healthz" })).status).toBe(200);
});

test("draining lets an open request finish and refuses new connections", async () => {
  await using server = await openTestServer();
  const gate = Promise.withResolvers<Uint8Array>();
  server.node.result = gate.promise;
  await using client = new Http2Client(server.port);
  const answer = client.request({ ":path": "/segment", ":method": "POST" }, Buffer.from("media"));
  await server.node.bodyCompleted.promise;
  const idle = await connectTls(server.port, ["http/1.1"]);
  await exchangeHttp1(idle, healthz1);

  const drained = server.listener.drain();
  await untilClosed(idle);
  const refused = await connectTcp(server.port).then(
    (socket) => untilClosed(socket).then(() => "closed"),
    () => "refused",
  );
  expect(["closed", "refused"]).toContain(refused);
  gate.resolve(Buffer.from("done"));
  expect((await answer).body.toString()).toBe("done");
  await drained;
  expect(server.listener.connectionCount()).toBe(0);
});
