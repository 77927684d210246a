import { expect, test } from "bun:test";
import { constants } from "node:http2";
import { keccak_256 } from "@noble/hashes/sha3.js";
import {
  connectTls,
  exchangeHttp1,
  FrameType,
  Http1Reader,
  Http2Client,
  RawHttp2,
  readAnswer,
  readHead,
} from "../../support/serverClients.ts";
import { openTestServer, signal } from "../../support/serverNode.ts";

/*
 * Goal: an upload is checked before it is read, hashed while it arrives, answered early, and every bad end of
 * it reaches the node once. Method: both protocol versions against a real listener; the node behind it is
 * scripted.
 */

const post = { ":method": "POST", ":path": "/segment" };
const head1 = (fields: string) => `POST /segment HTTP/1.1\r\nHost: node\r\n${fields}\r\n`;
const media = Buffer.from(Uint8Array.from({ length: 1_000_000 }, (_, index) => (index * 7919) >> 3));

test("video check 23 (transport): status 200 arrives before the result is there, on HTTP/2", async () => {
  await using server = await openTestServer();
  const result = signal<Uint8Array>();
  server.node.result = result.promise;
  await using client = new Http2Client(server.port);
  const stream = client.open({ ...post, "livepeer-segment": "c2Vn", "content-type": "video/MP2T" });
  const answer = readAnswer(stream);
  stream.end(media);
  const early = await readHead(stream);
  expect(early.status).toBe(200);
  expect(early.headers["content-type"]).toBeUndefined();
  result.resolve(Buffer.from("the result"));
  expect((await answer).body.toString()).toBe("the result");
  expect(await server.node.delivered.promise).toBe("sent");

  expect(server.node.openedWith).toEqual([{ segment: "c2Vn", payment: null, contentType: "video/MP2T" }]);
  const [completed] = server.node.completed;
  expect(Buffer.from(completed?.body ?? []).equals(media)).toBe(true);
  expect(Buffer.from(completed?.keccak256 ?? [])).toEqual(Buffer.from(keccak_256(media)));
  expect([server.node.aborts, server.node.deliveries]).toEqual([0, 1]);
});

test("video check 23 (transport): status 200 arrives before the result is there, on HTTP/1.1", async () => {
  await using server = await openTestServer();
  const result = signal<Uint8Array>();
  server.node.result = result.promise;
  const socket = await connectTls(server.port, ["http/1.1"]);
  const reader = new Http1Reader(socket);
  socket.write(head1(`Content-Length: ${media.length}\r\nLivepeer-Payment: cGF5\r\n`));
  socket.write(media);
  const early = await reader.head();
  expect([early.status, early.headers["content-type"]]).toEqual([200, undefined]);
  result.resolve(Buffer.from("the result"));
  expect((await reader.body(early.headers)).toString()).toBe("the result");
  expect(await server.node.delivered.promise).toBe("sent");
  expect(server.node.openedWith[0]?.payment).toBe("cGF5");
  // The connection serves the next segment.
  server.node.result = Promise.resolve(Buffer.from("next"));
  socket.write(`${head1("Content-Length: 3\r\n")}abc`);
  expect((await reader.answer()).body.toString()).toBe("next");
  socket.destroy();
});

test("nothing is answered before the acceptance is durable", async () => {
  await using server = await openTestServer();
  const durable = signal();
  server.node.acceptance = durable.promise;
  await using client = new Http2Client(server.port);
  const stream = client.open(post);
  const answer = readAnswer(stream);
  let isAnswered = false;
  stream.once("response", () => {
    isAnswered = true;
  });
  stream.end(media);
  await server.node.bodyCompleted.promise;
  // A round trip on the same connection: an early status would have arrived before its answer.
  expect((await client.request({ ":path": "/healthz" })).status).toBe(200);
  expect(isAnswered).toBe(false);
  durable.resolve();
  expect((await answer).status).toBe(200);
});

test("an empty body has the hash of nothing", async () => {
  await using server = await openTestServer();
  await using client = new Http2Client(server.port);
  expect((await client.request(post)).status).toBe(200);
  expect(Buffer.from(server.node.completed[0]?.keccak256 ?? []).toString("hex")).toBe(
    "c5d2460186f7233c927e7db2dcc703c0e500b653ca82273b7bfad8045d85a470",
  );
});

test("a chunked body without announced length is read whole", async () => {
  await using server = await openTestServer();
  const socket = await connectTls(server.port, ["http/1.1"]);
  const body = "5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n";
  const answer = await exchangeHttp1(socket, `${head1("Transfer-Encoding: chunked\r\n")}${body}`);
  expect(answer.status).toBe(200);
  expect(Buffer.from(server.node.completed[0]?.body ?? []).toString()).toBe("hello world");
  socket.destroy();
});

test("refused credentials are answered without reading the body, on both versions", async () => {
  await using server = await openTestServer();
  server.node.refusal = { type: "refused", status: 403, text: "OrchestratorCapped" };
  // More than the window of HTTP/2, so that a part is still to come when the answer leaves.
  const large = Buffer.alloc(8_000_000, 1);
  await using client = new Http2Client(server.port);
  const two = await client.request(post, large);
  expect([two.status, two.body.toString()]).toEqual([403, "OrchestratorCapped\n"]);
  expect(two.headers["x-content-type-options"]).toBe("nosniff");
  // The connection lives on.
  expect((await client.request({ ":path": "/healthz" })).status).toBe(200);

  const socket = await connectTls(server.port, ["http/1.1"]);
  const reader = new Http1Reader(socket);
  socket.write(head1(`Content-Length: ${large.length}\r\n`));
  socket.write(large);
  const one = await reader.answer();
  expect([one.status, one.body.toString()]).toEqual([403, "OrchestratorCapped\n"]);
  socket.destroy();
  expect(server.node.completed).toEqual([]);
});

test("a refusal after the upload, such as a wrong hash, replaces the early status", async () => {
  await using server = await openTestServer();
  server.node.verdict = { type: "refused", status: 403, text: "Forbidden" };
  await using client = new Http2Client(server.port);
  const answer = await client.request(post, media);
  expect([answer.status, answer.body.toString()]).toEqual([403, "Forbidden\n"]);
  expect(server.node.deliveries).toBe(0);
});

test("video check 21 (transport): a body of 300,000,001 bytes is refused with 500 when announced", async () => {
  await using server = await openTestServer();
  const socket = await connectTls(server.port, ["http/1.1"]);
  const answer = await exchangeHttp1(socket, head1("Content-Length: 300000001\r\n"));
  expect([answer.status, answer.body.toString()]).toEqual([500, "Internal Server Error\n"]);
  expect(await server.node.aborted.promise).toBe("too-large");
  expect(server.node.aborts).toBe(1);
  socket.destroy();
});

test("video check 21 (transport): one byte more than the limit is refused when it arrives", async () => {
  await using server = await openTestServer();
  server.node.bodyBytesMax = media.length;
  await using client = new Http2Client(server.port);
  expect((await client.request(post, media)).status).toBe(200);
  // No length is announced here, so only counting can tell.
  const answer = await client.request(post, Buffer.concat([media, Buffer.of(0)]));
  expect([answer.status, answer.body.toString()]).toEqual([500, "Internal Server Error\n"]);
  expect(await server.node.aborted.promise).toBe("too-large");
  expect(server.node.completed.length).toBe(1);
});

test("a client that leaves in mid-upload is reported once, on both versions", async () => {
  for (const version of ["h2", "http/1.1"]) {
    await using server = await openTestServer();
    if (version === "h2") {
      const client = await RawHttp2.connect(server.port);
      client.post(1);
      for (let part = 0; part < 6; part += 1) client.send(FrameType.data, 0, 1, media.subarray(0, 16_384));
      await server.node.uploadOpened.promise;
      client.reset(1);
      expect(await server.node.aborted.promise).toBe("client-gone");
      expect(client.socket.destroyed).toBe(false);
      client.socket.destroy();
    } else {
      const socket = await connectTls(server.port, ["http/1.1"]);
      socket.write(head1(`Content-Length: ${media.length}\r\n`));
      socket.write(media.subarray(0, 100_000));
      await server.node.uploadOpened.promise;
      socket.destroy();
      expect(await server.node.aborted.promise).toBe("client-gone");
    }
    expect([server.node.aborts, server.node.completed.length]).toEqual([1, 0]);
  }
});

test("an upload that ends before its announced length is no segment", async () => {
  await using server = await openTestServer();
  const socket = await connectTls(server.port, ["http/1.1"]);
  socket.write(head1("Content-Length: 10\r\n"));
  socket.end("half ");
  expect(await server.node.aborted.promise).toBe("client-gone");
  expect(server.node.completed).toEqual([]);
});

test("a client that leaves before the answer is reported, and the work goes on", async () => {
  for (const version of ["h2", "http/1.1"]) {
    await using server = await openTestServer();
    const result = signal<Uint8Array>();
    server.node.result = result.promise;
    if (version === "h2") {
      await using client = new Http2Client(server.port);
      const stream = client.open(post);
      stream.end(media);
      await readHead(stream);
      stream.close(constants.NGHTTP2_CANCEL);
      // The answer to a later request shows that the reset was seen.
      await client.request({ ":path": "/healthz" });
      result.resolve(Buffer.from("late"));
      expect(await server.node.delivered.promise).toBe("client-gone");
    } else {
      const socket = await connectTls(server.port, ["http/1.1"]);
      const reader = new Http1Reader(socket);
      socket.write(head1(`Content-Length: ${media.length}\r\n`));
      socket.write(media);
      await reader.head();
      socket.destroy();
      while (server.listener.connectionCount() > 0) await Bun.sleep(1);
      result.resolve(Buffer.from("late"));
      expect(await server.node.delivered.promise).toBe("client-gone");
    }
    expect(server.node.deliveries).toBe(1);
  }
});

test("a slow-loris upload is given up: 408, and the node hears of it", async () => {
  await using server = await openTestServer({ limits: { bodyIdleTimeoutMs: 60 } });
  await using client = new Http2Client(server.port);
  const stream = client.open(post);
  stream.write("a little");
  const answer = await readAnswer(stream);
  expect([answer.status, answer.body.toString()]).toEqual([408, "Request Timeout\n"]);
  expect(await server.node.aborted.promise).toBe("timeout");
});

test("an upload that trickles is given up at the node's deadline", async () => {
  await using server = await openTestServer();
  server.node.uploadTimeoutMs = 150;
  const socket = await connectTls(server.port, ["http/1.1"]);
  const reader = new Http1Reader(socket);
  socket.write(head1("Content-Length: 1000000\r\n"));
  const trickle = setInterval(() => socket.write("x"), 10);
  expect((await reader.answer()).status).toBe(408);
  clearInterval(trickle);
  expect(await server.node.aborted.promise).toBe("timeout");
  expect(server.node.aborts).toBe(1);
  socket.destroy();
});

test("a body waits in the socket, not in memory, while the node checks the credentials", async () => {
  const noHash = { update: () => {}, digest: () => new Uint8Array(32) };
  await using server = await openTestServer({ createHasher: () => noHash });
  const checked = signal();
  server.node.opening = checked.promise;
  const socket = await connectTls(server.port, ["http/1.1"]);
  const large = Buffer.alloc(64_000_000, 1);
  const reader = new Http1Reader(socket);
  socket.write(head1(`Content-Length: ${large.length}\r\n`));
  // The server takes what the socket buffers hold, then nothing more.
  let unsent = Number.POSITIVE_INFINITY;
  socket.write(large);
  while (socket.bufferSize < unsent) {
    unsent = socket.bufferSize;
    await Bun.sleep(50);
  }
  expect(unsent).toBeGreaterThan(large.length / 2);
  checked.resolve();
  expect((await reader.answer()).status).toBe(200);
  expect(server.node.completed[0]?.body.byteLength).toBe(large.length);
  socket.destroy();
});

test("uploads beyond the memory budget are refused with 503, and the budget comes back", async () => {
  await using server = await openTestServer({ limits: { uploadBytesHeldMax: 1_500_000 } });
  const result = signal<Uint8Array>();
  server.node.result = result.promise;
  await using client = new Http2Client(server.port);
  const first = client.request({ ...post, "content-length": String(media.length) }, media);
  await server.node.bodyCompleted.promise;
  const second = await client.request({ ...post, "content-length": String(media.length) }, media);
  expect([second.status, second.body.toString()]).toEqual([503, "Service Unavailable\n"]);
  expect(await server.node.aborted.promise).toBe("too-large");
  result.resolve(Buffer.from("done"));
  expect((await first).status).toBe(200);
  await server.node.delivered.promise;
  const third = await client.request({ ...post, "content-length": String(media.length) }, media);
  expect(third.status).toBe(200);
});

test("a bug in the node ends that request with 500 and nothing else", async () => {
  await using server = await openTestServer();
  const broken = Promise.reject(new Error("a secret"));
  broken.catch(() => {});
  server.node.opening = broken;
  await using client = new Http2Client(server.port);
  const answer = await client.request(post, media);
  expect([answer.status, answer.body.toString()]).toEqual([500, "Internal Server Error\n"]);
  expect(await server.notice("bug")).toMatchObject({ path: "/segment" });
  server.node.opening = Promise.resolve();
  expect((await client.request(post, media)).status).toBe(200);
});

test("a hash that fails ends that request with 500, and the node hears of the upload's end", async () => {
  const broken = {
    update: () => {
      throw new Error("a secret");
    },
    digest: () => new Uint8Array(32),
  };
  await using server = await openTestServer({ createHasher: () => broken });
  await using client = new Http2Client(server.port);
  const answer = await client.request(post, media);
  expect([answer.status, answer.body.toString()]).toEqual([500, "Internal Server Error\n"]);
  await server.node.aborted.promise;
  expect([server.node.aborts, server.node.completed.length]).toEqual([1, 0]);
});
