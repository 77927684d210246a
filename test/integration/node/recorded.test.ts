import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import type { GatewayClient } from "../../../src/demo/gatewayClient.ts";
import { decodeBase64, encodeBase64 } from "../../../src/protocol/base64.ts";
import { toHex } from "../../../src/protocol/bytes.ts";
import {
  AuthTokenSchema,
  OrchestratorInfoSchema,
  OrchestratorRequestSchema,
  PingPongSchema,
  SegDataSchema,
  TranscodeResultSchema,
} from "../../../src/protocol/gen/lp_rpc_pb.ts";
import { openNode, type TestNode } from "../../support/nodeFixture.ts";
import { Http2Client } from "../../support/serverClients.ts";
import { bytes, vectors } from "../../unit/protocol/vectors.ts";

/*
 * Goal: requests that were recorded with the network's reference node get the same answers from a running node.
 * Method: the recorded bytes over a real connection. What a request carries that only the recorded node could have
 * made, its session token, is replaced by one of ours; what needs a chain is left to the protocol's own tests.
 */

setDefaultTimeout(120_000);

let node: TestNode;
let head: TestNode;
let client: GatewayClient;
beforeAll(async () => {
  node = await openNode();
  head = await openNode({ flags: ["-serviceAddr", "none", "-nodes", "https://n1:1"] });
  client = node.client();
});
afterAll(async () => {
  await node[Symbol.asyncDispose]();
  await head[Symbol.asyncDispose]();
});

type HttpCase = {
  readonly name: string;
  readonly onChain: boolean;
  readonly request: {
    readonly method: string;
    readonly path: string;
    readonly headers: Readonly<Record<string, string>>;
    readonly body: string;
  };
  readonly status: number | null;
  readonly responseHeaders: Readonly<Record<string, string>>;
  readonly text: string | null;
  readonly bytes: string | null;
};

/** Decided by signatures or payments, which an off-chain node does not look at. */
const chainTexts = /^(ErrSegSig|Insufficient balance|invalid |Internal Server Error)/;

const refusals = vectors<HttpCase>("http-segment").filter(
  ({ request, text, status }) =>
    request.path === "/segment" && status !== 200 && status !== null && !chainTexts.test(text ?? ""),
);

describe("recorded requests to /segment", () => {
  test("there are enough of them", () => {
    expect(refusals.length).toBeGreaterThanOrEqual(9);
  });

  for (const vector of refusals) {
    test(`video checks 12 to 22: ${vector.name}`, async () => {
      await using http2 = new Http2Client(node.port);
      const answer = await http2.request(await headersOf(vector), bytes(vector.request.body));
      expect(answer.status).toBe(vector.status ?? 0);
      expect(answer.body.toString()).toBe(vector.text ?? "");
      for (const [name, value] of Object.entries(vector.responseHeaders)) {
        expect([name, answer.headers[name.toLowerCase()]]).toEqual([name, value]);
      }
    });
  }

  const served = vectors<HttpCase>("http-segment").filter(
    ({ onChain, status }) => !onChain && status === 200,
  );
  for (const vector of served) {
    test(`video check 23: ${vector.name}: 200 without a type, seq and info as recorded`, async () => {
      await using http2 = new Http2Client(node.port);
      const answer = await http2.request(await headersOf(vector), bytes(vector.request.body));
      expect(answer.status).toBe(200);
      expect(answer.headers["content-type"]).toBeUndefined();
      const recorded = fromBinary(TranscodeResultSchema, bytes(vector.bytes ?? ""));
      const result = fromBinary(TranscodeResultSchema, answer.body);
      expect(result.seq).toBe(recorded.seq);
      // The recorded media is three letters, which a stub transcoded. A codec says what it is.
      expect(result.result).toMatchObject({ case: "error", value: "TranscoderInvalidVideo" });
      expect(shapeOf(result.info)).toEqual(shapeOf(recorded.info));
    });
  }

  test("a bucket without its details, which crashes the recorded node, is a refusal", async () => {
    const vector = vectors<HttpCase>("http-segment").find(({ name }) => name.startsWith("storage type S3"));
    if (vector === undefined) throw new Error("no such vector");
    await using http2 = new Http2Client(node.port);
    const answer = await http2.request(await headersOf(vector), bytes(vector.request.body));
    expect([answer.status, answer.body.toString()]).toEqual([403, "storage without its details\n"]);
  });
});

type InfoCase = {
  readonly name: string;
  readonly onChain: boolean;
  readonly serviceURI: string;
  readonly requestBytes: string;
  readonly answerBytes: string | null;
  readonly error: string | null;
};

describe("recorded GetOrchestrator calls", () => {
  const cases = vectors<InfoCase>("discovery", "getOrchestrator").filter(
    ({ onChain, error }) => !onChain && !(error?.startsWith("panic") ?? false),
  );
  for (const vector of cases) {
    test(`video checks 4, 5, 8 and 9: ${vector.name}`, async () => {
      const target = vector.serviceURI === "" ? head : node;
      await using http2 = new Http2Client(target.port);
      const beforeS = Math.floor(Date.now() / 1_000);
      const answer = await http2.call("/net.Orchestrator/GetOrchestrator", bytes(vector.requestBytes));
      if (vector.error !== null) {
        expect([answer.status, answer.message]).toEqual([2, vector.error]);
        return;
      }
      expect(answer.status).toBe(0);
      const info = fromBinary(OrchestratorInfoSchema, answer.value ?? new Uint8Array());
      const recorded = fromBinary(OrchestratorInfoSchema, bytes(vector.answerBytes ?? ""));
      expect(shapeOf(info)).toEqual(shapeOf(recorded));
      expect(info.transcoder).toBe(vector.serviceURI === "" ? "" : node.serviceUri);
      expect(info.nodes).toEqual(recorded.nodes);
      const afterS = Math.ceil(Date.now() / 1_000);
      const expirationS = Number(info.authToken?.expiration ?? 0n);
      expect(expirationS).toBeGreaterThanOrEqual(beforeS + 1_800);
      expect(expirationS).toBeLessThanOrEqual(afterS + 1_800);
    });
  }

  type VerifyCase = { readonly name: string; readonly address: string; readonly sig: string };
  for (const vector of vectors<VerifyCase>("discovery", "verify")) {
    test(`video check 3: off-chain every signature passes: ${vector.name}`, async () => {
      const request = create(OrchestratorRequestSchema, {
        address: bytes(vector.address),
        sig: bytes(vector.sig),
      });
      await using http2 = new Http2Client(node.port);
      const message = toBinary(OrchestratorRequestSchema, request);
      expect((await http2.call("/net.Orchestrator/GetOrchestrator", message)).status).toBe(0);
    });
  }

  type PingCase = { readonly value: string; readonly offChainReplyBytes: string };
  for (const vector of vectors<PingCase>("discovery", "ping")) {
    const value = bytes(vector.value);
    if (value.length > 32) continue;
    test(`video check 2: a ping of ${value.length} bytes`, async () => {
      await using http2 = new Http2Client(node.port);
      const message = toBinary(PingPongSchema, create(PingPongSchema, { value }));
      const answer = await http2.call("/net.Orchestrator/Ping", message);
      expect<string>(toHex(answer.value ?? Uint8Array.of(1))).toBe(vector.offChainReplyBytes);
    });
  }
});

/** The recorded headers; a token in them is replaced by one that this node made. */
async function headersOf(vector: HttpCase): Promise<Record<string, string>> {
  const headers: Record<string, string> = { ":method": vector.request.method, ":path": vector.request.path };
  for (const [name, value] of Object.entries(vector.request.headers)) headers[name.toLowerCase()] = value;
  const decoded = decodeBase64(headers["livepeer-segment"] ?? "");
  if (decoded.type === "corrupt" || decoded.bytes.length === 0) return headers;
  try {
    const data = fromBinary(SegDataSchema, decoded.bytes);
    if (data.authToken !== undefined) {
      const { authToken } = await client.getOrchestrator();
      if (authToken !== undefined) data.authToken = create(AuthTokenSchema, authToken);
    }
    headers["livepeer-segment"] = encodeBase64(toBinary(SegDataSchema, data));
  } catch {
    // It is meant to be unreadable.
  }
  return headers;
}

/** Which fields an answer has, and those values that every off-chain node gives. */
function shapeOf(info: ReturnType<typeof fromBinary<typeof OrchestratorInfoSchema>> | undefined) {
  if (info === undefined) return null;
  const { address, ticketParams, priceInfo, storage, hardware, capabilitiesPrices, capabilities, authToken } =
    info;
  return {
    address: [...address],
    ticketParams,
    priceInfo,
    storage,
    hardware,
    capabilitiesPrices,
    hasCapabilities: capabilities !== undefined,
    hasConstraints: capabilities?.constraints !== undefined,
    hasToken: authToken !== undefined && authToken.token.length >= 32 && authToken.sessionId.length >= 8,
  };
}
