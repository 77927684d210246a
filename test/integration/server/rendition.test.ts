import { expect, test } from "bun:test";
import { constants } from "node:http2";
import {
  connectTls,
  exchangeHttp1,
  Http1Reader,
  Http2Client,
  readHead,
} from "../../support/serverClients.ts";
import { openTestServer } from "../../support/serverNode.ts";

/*
 * Goal: GET /stream/… gives whole objects with the headers of the protocol, and the node hears of an object
 * only when its last byte left.
 */

const bytes = Buffer.from(Uint8Array.from({ length: 700_001 }, (_, index) => index % 251));
const path = "deadbeef/P240p30fps16x9/5.ts";

test("a rendition is served whole on both versions, with the headers of the protocol", async () => {
  await using server = await openTestServer();
  server.node.renditions.set(path, { bytes, contentType: "video/mp2t" });
  await using client = new Http2Client(server.port);
  const socket = await connectTls(server.port, ["http/1.1"]);
  const two = await client.request({ ":path": `/stream/${path}` });
  const one = await exchangeHttp1(socket, `GET /stream/${path} HTTP/1.1\r\nHost: node\r\n\r\n`);
  for (const answer of [one, two]) {
    expect(answer.status).toBe(200);
    expect(answer.body.equals(bytes)).toBe(true);
    expect(answer.headers).toMatchObject({
      "content-length": String(bytes.length),
      "access-control-allow-origin": "*",
      "access-control-expose-headers": "Content-Length",
      "cache-control": "max-age=5",
      "content-type": "video/mp2t",
    });
  }
  expect(await server.node.served.promise).toBe(path);
  socket.destroy();
});

test("any method works, a range is ignored, an empty content type is left out, HEAD has no body", async () => {
  await using server = await openTestServer();
  server.node.renditions.set("s/5.phash", { bytes, contentType: "" });
  await using client = new Http2Client(server.port);
  const answer = await client.request({
    ":path": "/stream/s/5.phash?x=1",
    ":method": "POST",
    range: "bytes=0-1",
  });
  expect([answer.status, answer.body.length]).toEqual([200, bytes.length]);
  expect(answer.headers["content-type"]).toBeUndefined();
  const head = await client.request({ ":path": "/stream/s/5.phash", ":method": "HEAD" });
  expect([head.status, head.body.length, head.headers["content-length"]]).toEqual([
    200,
    0,
    String(bytes.length),
  ]);
});

test("an unknown object is 404 ErrNotFound; the node gets the path undecoded", async () => {
  await using server = await openTestServer();
  server.node.renditions.set("s/my%20profile/1.ts", { bytes, contentType: "video/mp2t" });
  await using client = new Http2Client(server.port);
  const missing = await client.request({ ":path": "/stream/nope/1.ts" });
  expect([missing.status, missing.body.toString()]).toEqual([404, "ErrNotFound\n"]);
  expect((await client.request({ ":path": "/stream/s/my%20profile/1.ts" })).status).toBe(200);
});

test("an object whose reader stops half-way does not count as served", async () => {
  // More than the socket buffers of both sides and the windows of HTTP/2 take in.
  const huge = Buffer.alloc(60_000_000, 7);
  for (const version of ["h2", "http/1.1"]) {
    await using server = await openTestServer();
    let served = 0;
    server.node.renditionServed = () => {
      served += 1;
    };
    server.node.renditions.set("huge", { bytes: huge, contentType: "" });
    if (version === "h2") {
      await using client = new Http2Client(server.port);
      const stream = client.open({ ":path": "/stream/huge" }, { endStream: true });
      await readHead(stream);
      stream.close(constants.NGHTTP2_CANCEL);
      expect((await client.request({ ":path": "/healthz" })).status).toBe(200);
    } else {
      const socket = await connectTls(server.port, ["http/1.1"]);
      const reader = new Http1Reader(socket);
      socket.write("GET /stream/huge HTTP/1.1\r\nHost: node\r\n\r\n");
      await reader.head();
      socket.destroy();
    }
    while (server.listener.connectionCount() > 0) await Bun.sleep(1);
    expect(served).toBe(0);
  }
});

test("a reader that stops is cut off", async () => {
  await using server = await openTestServer({ limits: { answerTimeoutMs: 100 } });
  server.node.renditions.set("huge", { bytes: Buffer.alloc(60_000_000, 7), contentType: "" });
  const socket = await connectTls(server.port, ["http/1.1"]);
  socket.write("GET /stream/huge HTTP/1.1\r\nHost: node\r\n\r\n");
  socket.pause();
  while (server.listener.connectionCount() > 0) await Bun.sleep(5);
  socket.destroy();
});
