import { create } from "@bufbuild/protobuf";
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { GrpcStatusError } from "../../../src/demo/gatewayClient.ts";
import {
  AuthTokenSchema,
  Capabilities_CapabilityConstraints_ModelConstraintSchema,
  Capabilities_CapabilityConstraintsSchema,
  Capabilities_ConstraintsSchema,
  CapabilitiesSchema,
  EndTranscodingSessionRequestSchema,
  OrchestratorInfoSchema,
  OrchestratorRequestSchema,
} from "../../../src/protocol/gen/lp_rpc_pb.ts";
import { freePort, openNode, type TestNode } from "../../support/nodeFixture.ts";
import { heavyProfiles, resultOf, submissionOf } from "../../support/nodeSegments.ts";
import { grpcCall } from "../../support/nodeGrpc.ts";
import { connectTls, exchangeHttp1, Http2Client } from "../../support/serverClients.ts";

/*
 * Goal: a gateway that looks for an orchestrator is answered as the network's own node would answer, or better.
 * Method: a whole node, real TLS and HTTP/2 sockets. Refusals are compared as a gateway sees them.
 */

setDefaultTimeout(120_000);

let node: TestNode;
beforeAll(async () => {
  node = await openNode();
});
afterAll(() => node[Symbol.asyncDispose]());

/** What a gateway is told when its call is refused. */
async function refusal(call: Promise<unknown>): Promise<{ status: number; text: string }> {
  try {
    await call;
  } catch (error) {
    if (error instanceof GrpcStatusError) return { status: error.grpcStatus, text: error.grpcMessage };
    throw error;
  }
  throw new Error("The call was not refused.");
}

const capped = { status: 2, text: "Invalid orchestrator request: OrchestratorCapped" };

describe("the port", () => {
  test("video check 1: ALPN selects h2 or http/1.1, GET /healthz is an empty 200 on both", async () => {
    const old = await connectTls(node.port, ["http/1.1"]);
    expect(old.alpnProtocol).toBe("http/1.1");
    const answer = await exchangeHttp1(old, "GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n");
    expect({ status: answer.status, body: answer.body.toString() }).toEqual({ status: 200, body: "" });
    old.destroy();

    const modern = await connectTls(node.port, ["h2"]);
    expect(modern.alpnProtocol).toBe("h2");
    modern.destroy();
    await using http2 = new Http2Client(node.port);
    const healthy = await http2.request({ ":path": "/healthz" });
    expect({ status: healthy.status, body: healthy.body.toString() }).toEqual({ status: 200, body: "" });
  });

  test("clear text: -httpAddr http://… serves gRPC, HTTP/2 and HTTP/1.1 without TLS", async () => {
    const address = `http://127.0.0.1:${await freePort()}`;
    await using clear = await openNode({ flags: ["-httpAddr", address, "-serviceAddr", address] });
    const client = clear.client();
    const info = await client.getOrchestrator();
    expect(info.transcoder).toBe(address);
    const answer = await client.submitSegment(await submissionOf(client));
    expect(resultOf(answer).result.case).toBe("data");
    expect((await fetch(`${address}/healthz`)).status).toBe(200);
  });
});

describe("Ping", () => {
  test("video check 2: off-chain, a ping of 32 bytes is answered with nothing signed", async () => {
    expect(await node.client().ping(new Uint8Array(32).fill(1))).toEqual(new Uint8Array(0));
  });

  test("video sheet 16.4: more than 32 bytes are not signed", async () => {
    expect((await refusal(node.client().ping(new Uint8Array(33)))).status).toBe(2);
  });
});

describe("GetOrchestrator", () => {
  test("video check 4: off-chain, with and without capabilities: no hardware, no prices, no ticket parameters", async () => {
    for (const need of [undefined, { capabilities: create(CapabilitiesSchema, {}) }]) {
      const info = await node.client().getOrchestrator(need);
      expect(info).toMatchObject({
        transcoder: node.serviceUri,
        address: new Uint8Array(20),
        hardware: [],
        capabilitiesPrices: [],
      });
      expect(info.ticketParams).toBeUndefined();
      expect(info.priceInfo).toBeUndefined();
    }
  });

  test("video check 5: two calls give two sessions that end in 1800 s", async () => {
    const before = Math.floor(Date.now() / 1000);
    const [one, two] = await Promise.all([node.client().getOrchestrator(), node.client().getOrchestrator()]);
    const after = Math.floor(Date.now() / 1000);
    expect(one.authToken?.sessionId).toMatch(/^[0-9a-f]{8,}$/);
    expect(one.authToken?.sessionId).not.toBe(two.authToken?.sessionId);
    for (const { authToken } of [one, two]) {
      expect(Number(authToken?.expiration)).toBeGreaterThanOrEqual(before + 1800);
      expect(Number(authToken?.expiration)).toBeLessThanOrEqual(after + 1800);
    }
  });

  test("video check 11: renditions in memory: no storage is offered", async () => {
    expect((await node.client().getOrchestrator()).storage).toEqual([]);
  });

  test("video sheet 10: the default bits are advertised, AI bits are not", async () => {
    const { capabilities } = await node.client().getOrchestrator();
    const bits = capabilities?.bitstring[0] ?? 0n;
    for (const bit of [0n, 1n, 2n, 4n, 5n, 6n, 7n, 8n, 9n, 10n, 11n, 12n]) {
      expect((bits >> bit) & 1n).toBe(1n);
    }
    for (let bit = 27n; bit <= 36n; bit += 1n) expect((bits >> bit) & 1n).toBe(0n);
    expect(capabilities?.version).toMatch(/^\d+\.\d+\.\d+/);
  });

  test("video checks 6 and 19: at the cap a new gateway is refused, the running one gets its refresh", async () => {
    await using small = await openNode({ flags: ["-maxSessions", "1"] });
    const client = small.client();
    const second = await client.getOrchestrator();
    const first = await submissionOf(client);
    expect(resultOf(await client.submitSegment(first)).result.case).toBe("data");

    // All our calls come from one address and one (zero) account, so this is what a refresh looks like: it passes.
    const refreshed = await client.getOrchestrator();
    // A further session of another stream is refused when it wants to open, whatever its token says.
    const other = { ...first, authToken: second.authToken, manifestId: "another" };
    expect(await client.submitSegment(other)).toMatchObject({
      type: "refused",
      status: 403,
      text: "OrchestratorCapped\n",
    });
    // The existing session passes, and so does its stream under the refreshed token.
    expect(resultOf(await client.submitSegment({ ...first, seq: 1 })).result.case).toBe("data");
    const goesOn = { ...first, seq: 2, authToken: refreshed.authToken };
    expect(resultOf(await client.submitSegment(goesOn)).result.case).toBe("data");
  });

  test("video check 6: sessions == maxSessions, another gateway: OrchestratorCapped; a session's end makes room", async () => {
    await using small = await openNode({ flags: ["-maxSessions", "1"] });
    const client = small.client();
    const first = await submissionOf(client);
    await client.submitSegment(first);
    expect(await refusal(askFrom(small, "127.0.0.2"))).toEqual(capped);
    if (first.authToken === undefined) throw new Error("no token");
    await client.endTranscodingSession(first.authToken);
    expect((await askFrom(small, "127.0.0.2")).transcoder).toBe(small.serviceUri);
  });

  test("measured capacity: a stream that asks for more than is left is refused", async () => {
    await using small = await openNode({ flags: ["-capacity", "20000000"] });
    const client = small.client();
    const spare = await client.getOrchestrator();
    const profiles = heavyProfiles.map((profile) => ({ ...profile, fps: 30 }));
    const first = await submissionOf(client, {
      profiles: [],
    });
    // 45 million pixels a second would be sold: a node that serves nobody takes one stream of any size.
    expect((await client.submitSegment({ ...first, profiles: profiles.slice(1) })).type).toBe("answer");
    const second = { ...first, profiles, manifestId: "another", authToken: spare.authToken };
    expect(await client.submitSegment(second)).toMatchObject({ status: 403, text: "OrchestratorCapped\n" });
    expect(await refusal(askFrom(small, "127.0.0.2"))).toEqual(capped);
  });

  test("video check 8: capability 35, which this node serves no model of, is refused; with ignoreCapacityCheck it is answered", async () => {
    const capabilities = liveAiNeed();
    expect(await refusal(node.client().getOrchestrator({ capabilities }))).toEqual(capped);
    const request = create(OrchestratorRequestSchema, { capabilities, ignoreCapacityCheck: true });
    const info = await grpcCall(
      node.serviceUri,
      "GetOrchestrator",
      OrchestratorRequestSchema,
      request,
      OrchestratorInfoSchema,
    );
    expect(info.transcoder).toBe(node.serviceUri);
  });

  test("video check 9: -serviceAddr none: transcoder is empty, the nodes are listed, no capacity test", async () => {
    const nodes = ["https://one.example:8935", "https://two.example:8935"];
    await using head = await openNode({ flags: ["-serviceAddr", "none", "-nodes", nodes.join(",")] });
    const info = await head.client().getOrchestrator({ capabilities: liveAiNeed() });
    expect({ transcoder: info.transcoder, nodes: info.nodes }).toEqual({ transcoder: "", nodes });
  });
});

describe("the webhook of check 7", () => {
  test("video check 7: 500 with a text refuses the gateway with it, 200 {} admits it", async () => {
    const asked: unknown[] = [];
    let answer = (): Response => new Response("some error", { status: 500 });
    using hook = Bun.serve({
      port: 0,
      hostname: "127.0.0.1",
      fetch: async (request) => {
        asked.push(await request.json());
        return answer();
      },
    });
    await using guarded = await openNode({
      flags: ["-authWebhookUrl", `http://127.0.0.1:${hook.port}/auth`],
    });
    const client = guarded.client();
    expect(await refusal(client.getOrchestrator())).toEqual({
      status: 2,
      text: "authentication failed: some error",
    });
    expect(asked).toEqual([{ id: "0x0000000000000000000000000000000000000000" }]);
    answer = () => new Response("{}");
    expect((await client.getOrchestrator()).transcoder).toBe(guarded.serviceUri);
    // Off-chain there is no price to set; the answer is accepted all the same.
    answer = () => new Response(`{"priceInfo":{"pricePerUnit":7,"pixelsPerUnit":3}}`);
    const info = await client.getOrchestrator();
    expect(info.priceInfo).toBeUndefined();
    answer = () => new Response("not json");
    expect((await refusal(client.getOrchestrator())).text).toStartWith("authentication failed: ");
  });

  test("a webhook that cannot be reached refuses the gateway and says nothing of where it is", async () => {
    const url = `http://127.0.0.1:${await freePort()}/secret-path`;
    await using guarded = await openNode({ flags: ["-authWebhookUrl", url] });
    const { text } = await refusal(guarded.client().getOrchestrator());
    expect(text).toStartWith("authentication failed: ");
    expect(text).not.toContain("secret-path");
  });
});

describe("EndTranscodingSession", () => {
  test("video check 10: a token altered in one byte, or none at all, is `Invalid auth token`; the node lives on", async () => {
    const client = node.client();
    const { authToken } = await client.getOrchestrator();
    if (authToken === undefined) throw new Error("no token");
    const { sessionId, expiration } = authToken;
    const altered = create(AuthTokenSchema, {
      sessionId,
      expiration,
      token: Uint8Array.from(authToken.token),
    });
    altered.token[40] = (altered.token[40] ?? 0) ^ 1;
    const invalid = { status: 2, text: "Invalid auth token" };
    expect(await refusal(client.endTranscodingSession(altered))).toEqual(invalid);
    const none = create(EndTranscodingSessionRequestSchema, {});
    const call = grpcCall(
      node.serviceUri,
      "EndTranscodingSession",
      EndTranscodingSessionRequestSchema,
      none,
      EndTranscodingSessionRequestSchema,
    );
    expect(await refusal(call)).toEqual(invalid);
    // A correct token of a session that nobody used is fine, and the token opens a session afterwards.
    await client.endTranscodingSession(authToken);
    const answer = await client.submitSegment(await submissionOf(client, { authToken }));
    expect(resultOf(answer).result.case).toBe("data");
  });

  test("video sheet 16.14: the session's renditions go with it; the token then opens a new one", async () => {
    const client = node.client();
    const submission = await submissionOf(client);
    const first = resultOf(await client.submitSegment(submission));
    const url = first.result.case === "data" ? (first.result.value.segments[0]?.url ?? "") : "";
    expect((await client.download(url)).length).toBeGreaterThan(25);
    if (submission.authToken === undefined) throw new Error("no token");
    await client.endTranscodingSession(submission.authToken);
    await expect(client.download(url)).rejects.toThrow("404");
    expect(resultOf(await client.submitSegment(submission)).result.case).toBe("data");
    expect((await client.download(url)).length).toBeGreaterThan(25);
  });
});

/** A need for the live AI model `m`. */
function liveAiNeed() {
  return create(CapabilitiesSchema, {
    bitstring: [1n << 35n],
    constraints: create(Capabilities_ConstraintsSchema, {
      PerCapability: {
        35: create(Capabilities_CapabilityConstraintsSchema, {
          models: { m: create(Capabilities_CapabilityConstraints_ModelConstraintSchema) },
        }),
      },
    }),
  });
}

/** GetOrchestrator from another loopback address: another gateway, as far as an off-chain node can tell. */
async function askFrom(target: TestNode, localAddress: string) {
  return grpcCall(
    target.serviceUri,
    "GetOrchestrator",
    OrchestratorRequestSchema,
    create(OrchestratorRequestSchema, {}),
    OrchestratorInfoSchema,
    { localAddress },
  );
}
