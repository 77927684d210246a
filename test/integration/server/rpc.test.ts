import { expect, test } from "bun:test";
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import {
  AuthTokenSchema,
  EndTranscodingSessionRequestSchema,
  OrchestratorInfoSchema,
  OrchestratorRequestSchema,
  PingPongSchema,
} from "../../../src/protocol/gen/lp_rpc_pb.ts";
import { Http2Client } from "../../support/serverClients.ts";
import { openTestServer, sampleInfo } from "../../support/serverNode.ts";

/*
 * Goal: the three unary methods travel as gRPC defines it, refusals are UNKNOWN with the node's text, and
 * malformed calls end in the status that grpc-go gives.
 * Method: calls framed by hand over node:http2, so that the framing itself can be wrong.
 */

const getOrchestrator = "/net.Orchestrator/GetOrchestrator";

test("GetOrchestrator hands the request over and returns the info", async () => {
  await using server = await openTestServer();
  await using client = new Http2Client(server.port);
  const request = create(OrchestratorRequestSchema, {
    address: new Uint8Array(20).fill(9),
    sig: new Uint8Array(65).fill(1),
    ignoreCapacityCheck: true,
  });
  const result = await client.call(getOrchestrator, toBinary(OrchestratorRequestSchema, request));
  expect([result.httpStatus, result.status, result.message]).toEqual([200, 0, ""]);
  expect(fromBinary(OrchestratorInfoSchema, result.value ?? Buffer.alloc(0))).toEqual(sampleInfo());
  expect(server.node.requests).toEqual([request]);
  expect(server.node.peers[0]?.remoteAddress).toBe("127.0.0.1");
});

test("an empty request message is a request", async () => {
  await using server = await openTestServer();
  await using client = new Http2Client(server.port);
  expect((await client.call(getOrchestrator, Buffer.alloc(0))).status).toBe(0);
  expect(server.node.requests[0]?.capabilities).toBeUndefined();
});

test("a refusal is UNKNOWN with the text, percent-encoded where gRPC wants it", async () => {
  await using server = await openTestServer();
  await using client = new Http2Client(server.port);
  for (const [text, raw] of [
    ["Invalid orchestrator request: OrchestratorCapped", "Invalid orchestrator request: OrchestratorCapped"],
    ["authentication failed: 50 % of\nthe ñandús", "authentication failed: 50 %25 of%0Athe %C3%B1and%C3%BAs"],
  ] as const) {
    server.node.infoRefusal = text;
    const result = await client.call(getOrchestrator, Buffer.alloc(0));
    expect([result.httpStatus, result.status, result.rawMessage]).toEqual([200, 2, raw]);
    expect(result.message).toBe(text);
    expect(result.value).toBeNull();
  }
});

test("video check 2 (transport): Ping carries the challenge in and the node's answer out", async () => {
  await using server = await openTestServer();
  await using client = new Http2Client(server.port);
  const value = Uint8Array.from({ length: 32 }, (_, index) => index);
  const message = toBinary(PingPongSchema, create(PingPongSchema, { value }));
  const result = await client.call("/net.Orchestrator/Ping", message);
  const answer = fromBinary(PingPongSchema, result.value ?? Buffer.alloc(0)).value;
  expect(Buffer.from(answer)).toEqual(Buffer.from(value).reverse());
});

test("EndTranscodingSession returns the empty message, or the refusal; without a token too", async () => {
  await using server = await openTestServer();
  await using client = new Http2Client(server.port);
  const path = "/net.Orchestrator/EndTranscodingSession";
  const encode = (sessionId: string | null) =>
    toBinary(
      EndTranscodingSessionRequestSchema,
      create(EndTranscodingSessionRequestSchema, {
        ...(sessionId === null ? {} : { authToken: create(AuthTokenSchema, { sessionId }) }),
      }),
    );
  const known = await client.call(path, encode("deadbeef"));
  expect([known.status, known.value?.length]).toEqual([0, 0]);
  expect(await client.call(path, encode("other"))).toMatchObject({
    status: 2,
    message: "Invalid auth token",
  });
  expect(await client.call(path, encode(null))).toMatchObject({ status: 2, message: "Invalid auth token" });
});

test("methods and services that are not registered are UNIMPLEMENTED", async () => {
  await using server = await openTestServer();
  await using client = new Http2Client(server.port);
  for (const [path, message] of [
    ["/net.Orchestrator/Nope", "unknown method Nope for service net.Orchestrator"],
    ["/net.Transcoder/RegisterTranscoder", "unknown service net.Transcoder"],
    ["/grpc.health.v1.Health/Check", "unknown service grpc.health.v1.Health"],
    ["/nope", 'malformed method name: "/nope"'],
  ] as const) {
    expect(await client.call(path, Buffer.alloc(0))).toMatchObject({ status: 12, message });
  }
});

test("malformed calls get the status of grpc-go and do no harm", async () => {
  await using server = await openTestServer();
  await using client = new Http2Client(server.port);
  const garbage = await client.call(getOrchestrator, Buffer.from("ffffffffff", "hex"));
  expect(garbage).toMatchObject({ status: 13 });
  expect(garbage.message).toStartWith("grpc: error unmarshalling request: ");
  // A frame cut short, no frame at all, two frames, a compressed frame.
  expect((await client.callRaw(getOrchestrator, Buffer.from("0000000009ab", "hex"))).status).toBe(13);
  expect((await client.callRaw(getOrchestrator, Buffer.alloc(0))).status).toBe(13);
  expect((await client.callRaw(getOrchestrator, Buffer.alloc(10))).status).toBe(13);
  expect((await client.callRaw(getOrchestrator, Buffer.from("0100000000", "hex"))).status).toBe(12);
  const json = await client.callRaw(getOrchestrator, Buffer.alloc(5), {
    "content-type": "application/grpc+json",
  });
  expect(json.httpStatus).toBe(415);
  const get = await client.request({ ":path": getOrchestrator, "content-type": "application/grpc" });
  expect(get.status).toBe(405);
  expect(server.node.requests).toEqual([]);
  expect((await client.call(getOrchestrator, Buffer.alloc(0))).status).toBe(0);
});

test("a request message above 4 MiB is RESOURCE_EXHAUSTED, announced or sent; one of 4 MiB is read", async () => {
  await using server = await openTestServer();
  await using client = new Http2Client(server.port);
  const limit = 4 * 1024 * 1024;
  const largest = Buffer.alloc(limit);
  // A message of unknown field 100 as long as the limit allows: tag (2 bytes), length (4 bytes), bytes.
  largest.set([0xa2, 0x06]);
  const inner = limit - 6;
  largest.set(
    [(inner & 0x7f) | 0x80, ((inner >> 7) & 0x7f) | 0x80, ((inner >> 14) & 0x7f) | 0x80, inner >> 21],
    2,
  );
  expect((await client.call(getOrchestrator, largest)).status).toBe(0);
  const announced = Buffer.alloc(5);
  announced.writeUInt32BE(limit + 1, 1);
  expect(await client.callRaw(getOrchestrator, announced)).toMatchObject({
    status: 8,
    message: `grpc: received message larger than max (${limit + 1} vs. ${limit})`,
  });
  expect((await client.call(getOrchestrator, Buffer.alloc(limit + 1))).status).toBe(8);
  expect(server.node.requests.length).toBe(1);
});

test("a slow node answers DEADLINE_EXCEEDED when the client's time is up", async () => {
  await using server = await openTestServer();
  const gate = Promise.withResolvers<void>();
  server.node.onGetOrchestrator = () => gate.promise;
  await using client = new Http2Client(server.port);
  const result = await client.call(getOrchestrator, Buffer.alloc(0), { "grpc-timeout": "50m" });
  expect(result).toMatchObject({ status: 4, message: "context deadline exceeded" });
  gate.resolve();
});

test("a bug in the node is answered 500 without its text, and reported", async () => {
  await using server = await openTestServer();
  server.node.onGetOrchestrator = () => Promise.reject(new Error("a secret"));
  await using client = new Http2Client(server.port);
  const result = await client.call(getOrchestrator, Buffer.alloc(0));
  expect(result.httpStatus).toBe(500);
  expect(await server.notice("bug")).toMatchObject({ path: getOrchestrator });
  server.node.onGetOrchestrator = () => {
    throw new Error("thrown at once");
  };
  expect((await client.call(getOrchestrator, Buffer.alloc(0))).httpStatus).toBe(500);
  server.node.onGetOrchestrator = () => null;
  expect((await client.call(getOrchestrator, Buffer.alloc(0))).status).toBe(0);
});

test("many calls at once on one connection are all answered", async () => {
  await using server = await openTestServer();
  await using client = new Http2Client(server.port);
  const calls = Array.from({ length: 200 }, () => client.call(getOrchestrator, Buffer.alloc(0)));
  const statuses = (await Promise.all(calls)).map((result) => result.status);
  expect(statuses).toEqual(Array(200).fill(0));
});
