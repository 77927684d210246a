import { describe, expect, test } from "bun:test";
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { decodeBase64 } from "../../../src/protocol/base64.ts";
import { fromHex, toHex } from "../../../src/protocol/bytes.ts";
import {
  AuthTokenSchema,
  OrchestratorInfoSchema,
  PriceInfoSchema,
} from "../../../src/protocol/gen/lp_rpc_pb.ts";
import { readRefreshRequest } from "../../../src/server/http/refreshPayment.ts";
import {
  connectTls,
  exchangeHttp1,
  Http1Reader,
  Http2Client,
  untilClosed,
} from "../../support/serverClients.ts";
import { openTestServer } from "../../support/serverNode.ts";
import { vectors } from "../../unit/protocol/vectors.ts";

/*
 * Goal: /payment and /refresh-payment look to a peer as recorded, headers of 600 tickets come through, and
 * nothing larger does harm. Method: both protocol versions against a real listener; the node is scripted.
 */

/** Length of the recorded header of 600 tickets (`payment-header.json` of the reference node). */
const sixHundredTickets = "p".repeat(57_708);

const pay = { ":method": "POST", ":path": "/payment" };

describe("/payment", () => {
  test("headers reach the node, the result reaches the peer, for any method and both versions", async () => {
    await using server = await openTestServer();
    await using client = new Http2Client(server.port);
    const headers = { "livepeer-segment": "c2Vn", "livepeer-payment": "cGF5" };
    const socket = await connectTls(server.port, ["http/1.1"]);
    const reader = new Http1Reader(socket);
    const lines = "Host: node\r\nLivepeer-Segment: c2Vn\r\nLivepeer-Payment: cGF5\r\n";
    for (const method of ["POST", "GET", "PUT"]) {
      const two = await client.request({ ":path": "/payment", ":method": method, ...headers });
      // The same connection carries them all: nothing of an answer or a body is left over.
      socket.write(`${method} /payment HTTP/1.1\r\n${lines}Content-Length: 4\r\n\r\nbody`);
      const one = await reader.answer();
      for (const answer of [one, two]) {
        expect([answer.status, answer.body.toString()]).toEqual([200, "paid"]);
        expect(answer.headers["content-type"]).toBe("application/octet-stream");
        expect(answer.headers["content-length"]).toBe("4");
      }
    }
    socket.destroy();
    expect(server.node.paidWith).toEqual(Array(6).fill({ segment: "c2Vn", payment: "cGF5" }));
    expect(server.node.peers[0]?.remoteAddress).toBe("127.0.0.1");
  });

  test("absent headers are absent, and an empty body is no reason to wait", async () => {
    await using server = await openTestServer();
    await using client = new Http2Client(server.port);
    expect((await client.request(pay, new Uint8Array(0))).status).toBe(200);
    expect(server.node.paidWith).toEqual([{ segment: null, payment: null }]);
  });

  test("a refusal is plain text with a line feed, as recorded", async () => {
    await using server = await openTestServer();
    await using client = new Http2Client(server.port);
    const recorded = vectors<HttpCase>("http-segment").filter(
      ({ request, status }) => request.path === "/payment" && status !== 200,
    );
    expect(recorded.length).toBeGreaterThanOrEqual(4);
    for (const { name, responseHeaders, status, text } of recorded) {
      server.node.payment = { type: "refused", status, text: text.trimEnd() };
      const answer = await client.request(pay);
      expect([name, answer.status, answer.body.toString()]).toEqual([name, status, text]);
      for (const [field, value] of Object.entries(responseHeaders)) {
        expect([field, answer.headers[field.toLowerCase()]]).toEqual([field, value]);
      }
    }
  });

  test("a body that never ends is not read, and the answer arrives all the same", async () => {
    await using server = await openTestServer();
    const socket = await connectTls(server.port, ["http/1.1"]);
    const answer = await exchangeHttp1(
      socket,
      "POST /payment HTTP/1.1\r\nHost: node\r\nContent-Length: 1000000000\r\n\r\nx",
    );
    expect([answer.status, answer.body.toString()]).toEqual([200, "paid"]);
    await untilClosed(socket);
    await using client = new Http2Client(server.port);
    const two = await client.request(pay, Buffer.alloc(8_000_000));
    expect([two.status, two.body.toString()]).toEqual([200, "paid"]);
    expect((await client.request({ ":path": "/healthz" })).status).toBe(200);
    // The connection that was hung up on in mid-body is the peer's mistake, not ours.
    expect(server.notices.filter(({ type }) => type === "bug")).toEqual([]);
  });
});

describe("large headers", () => {
  for (const path of ["/payment", "/segment"]) {
    test(`payments check 23 (transport): 600 tickets on ${path} pass over HTTP/2 and HTTP/1.1`, async () => {
      await using server = await openTestServer();
      await using client = new Http2Client(server.port);
      const segment = "s".repeat(1_500);
      const headers = { "livepeer-segment": segment, "livepeer-payment": sixHundredTickets };
      const two = await client.request({ ":path": path, ":method": "POST", ...headers });
      expect(two.status).toBe(200);
      const socket = await connectTls(server.port, ["http/1.1"]);
      const fields = `Livepeer-Segment: ${segment}\r\nLivepeer-Payment: ${sixHundredTickets}\r\n`;
      const head = `POST ${path} HTTP/1.1\r\nHost: node\r\nContent-Length: 0\r\n${fields}\r\n`;
      expect((await exchangeHttp1(socket, head)).status).toBe(200);
      socket.destroy();
      const seen = path === "/payment" ? server.node.paidWith : server.node.openedWith;
      expect(seen.map(({ payment }) => payment)).toEqual([sixHundredTickets, sixHundredTickets]);
      expect(seen.map((each) => each.segment)).toEqual([segment, segment]);
    });

    test(`more than HTTP/1.1 may carry is refused with 431 on ${path}`, async () => {
      await using server = await openTestServer();
      const socket = await connectTls(server.port, ["http/1.1"]);
      const field = `Livepeer-Payment: ${"p".repeat(1_100_000)}`;
      const answer = await exchangeHttp1(socket, `POST ${path} HTTP/1.1\r\nHost: node\r\n${field}\r\n\r\n`);
      expect(answer.status).toBe(431);
      await untilClosed(socket);
      expect([server.node.paidWith, server.node.openedWith]).toEqual([[], []]);
    });

    test(`more than HTTP/2 may carry never reaches the node on ${path}, and others are served`, async () => {
      await using server = await openTestServer();
      {
        // Not a conforming client: it sends more than the announced limit.
        await using client = new Http2Client(server.port);
        const sent = client.request({
          ":path": path,
          ":method": "POST",
          "livepeer-payment": "p".repeat(70_000),
        });
        const outcome = await sent.then(
          (answer) => answer.status,
          () => "cut off",
        );
        expect(["cut off", 431]).toContain(outcome);
      }
      expect([server.node.paidWith, server.node.openedWith]).toEqual([[], []]);
      await using other = new Http2Client(server.port);
      expect((await other.request(pay)).status).toBe(200);
    });
  }
});

describe("/refresh-payment", () => {
  const refresh = { ":method": "POST", ":path": "/refresh-payment" };
  const account = "3c27c7d0e89fc7b4cfb869ca8f270cfce28509b6";
  const wish = Buffer.from(JSON.stringify({ sender: `0x${account}`, manifest_id: "mid" }));

  test("video check 31 (transport): every recorded answer, bytes and headers", async () => {
    await using server = await openTestServer();
    await using client = new Http2Client(server.port);
    for (const vector of vectors<HttpCase>("refresh-payment")) {
      server.node.refresh = scriptedRefresh(vector);
      const { method, path, body } = vector.request;
      const headers = { ":method": method, ":path": path };
      const bytes = fromHex(body) ?? new Uint8Array(0);
      const answer = await client.request(headers, method === "GET" ? null : bytes);
      expect([vector.name, answer.status, answer.body.toString()]).toEqual([
        vector.name,
        vector.status,
        vector.text,
      ]);
      for (const [field, value] of Object.entries(vector.responseHeaders)) {
        expect([field, answer.headers[field.toLowerCase()]]).toEqual([field, value]);
      }
    }
    // The node was asked by the three rows that name an account and a manifest id, trimmed.
    expect(server.node.refreshedWith.map(({ manifestId, sender }) => [manifestId, toHex(sender)])).toEqual(
      Array(3).fill(["mid", `0x${account}`]),
    );
  });

  test("the answer names the payment URL below the service URI", async () => {
    await using server = await openTestServer();
    await using client = new Http2Client(server.port);
    for (const transcoder of ["https://node.example:8935", "https://node.example:8935/"]) {
      const authToken = create(AuthTokenSchema, { sessionId: "<mid>" });
      const priceInfo = create(PriceInfoSchema, { pricePerUnit: 7n, pixelsPerUnit: 3n });
      const info = create(OrchestratorInfoSchema, { transcoder, authToken, priceInfo });
      server.node.refresh = { type: "refreshed", info };
      const answer = await client.request(refresh, wish);
      expect(answer.headers["content-type"]).toBe("application/json");
      const { payment_params: params, ...rest } = JSON.parse(answer.body.toString());
      expect(rest).toEqual({
        orchestrator: transcoder,
        manifest_id: "<mid>",
        payment_url: "https://node.example:8935/payment",
      });
      expect(fromBinary(OrchestratorInfoSchema, base64(params))).toEqual(info);
    }
  });

  test("only POST, whatever else comes", async () => {
    await using server = await openTestServer();
    await using client = new Http2Client(server.port);
    for (const method of ["GET", "PUT", "DELETE", "OPTIONS", "HEAD"]) {
      const answer = await client.request({ ":path": "/refresh-payment", ":method": method });
      expect([method, answer.status, answer.headers["allow"]]).toEqual([method, 405, "POST"]);
    }
    expect(server.node.refreshedWith).toEqual([]);
  });

  test("a body is bounded in size and in time, and the error is JSON", async () => {
    await using server = await openTestServer({ limits: { bodyIdleTimeoutMs: 60 } });
    await using client = new Http2Client(server.port);
    const large = await client.request(refresh, Buffer.alloc(64 * 1024 + 1, 32));
    expect([large.status, large.body.toString()]).toEqual([
      413,
      '{"error":{"message":"Request Entity Too Large"}}\n',
    ]);
    const socket = await connectTls(server.port, ["http/1.1"]);
    const slow = await exchangeHttp1(
      socket,
      "POST /refresh-payment HTTP/1.1\r\nHost: node\r\nContent-Length: 9\r\n\r\n{",
    );
    expect([slow.status, slow.body.toString()]).toEqual([408, '{"error":{"message":"Request Timeout"}}\n']);
    socket.destroy();
    const just = await client.request(
      refresh,
      Buffer.concat([wish, Buffer.alloc(64 * 1024 - wish.length, 32)]),
    );
    expect(just.status).toBe(200);
    expect(server.node.refreshedWith.length).toBe(1);
  });

  const mid = { manifest_id: "mid" };
  const bodies: readonly (readonly [name: string, body: string, expected: string | null])[] = [
    ["nothing", "", "EOF"],
    ["a cut object", `{"sender":"0x${account}"`, "unexpected EOF"],
    ["a cut string", '{"sender":"0x12\\"}', "unexpected EOF"],
    ["a bracket too many", "{}}", "invalid JSON"],
    ["no JSON", "sender=1", "invalid JSON"],
    ["an array", "[]", "invalid JSON: no object"],
    ["a number", "7", "invalid JSON: no object"],
    ["null, which is an empty object", "null", "invalid sender"],
    ["a number as sender", '{"sender":1}', "invalid JSON: sender is no text"],
    ["an object as manifest id", '{"sender":"","manifest_id":{}}', "invalid JSON: manifest_id is no text"],
    ["39 digits", JSON.stringify({ sender: `0x${account.slice(1)}`, ...mid }), "invalid sender"],
    ["41 digits", JSON.stringify({ sender: `0x0${account}`, ...mid }), "invalid sender"],
    ["a digit that is none", JSON.stringify({ sender: `0x${account.slice(1)}g`, ...mid }), "invalid sender"],
    ["space around the sender", JSON.stringify({ sender: ` 0x${account}`, ...mid }), "invalid sender"],
    ["no manifest id", JSON.stringify({ sender: account }), "missing manifest_id"],
    ["a sender without prefix", JSON.stringify({ sender: account, ...mid }), null],
    ["a sender in capitals", JSON.stringify({ sender: `0X${account.toUpperCase()}`, ...mid }), null],
    ["deep nesting", "[".repeat(60_000), "unexpected EOF"],
  ];
  for (const [name, body, expected] of bodies) {
    test(`body: ${name}`, () => {
      const read = readRefreshRequest(body);
      if (expected !== null) expect(read).toEqual({ type: "refused", text: expected });
      else expect(read.type === "wish" && toHex(read.sender)).toBe(`0x${account}`);
    });
  }
});

type HttpCase = {
  readonly name: string;
  readonly request: { readonly method: string; readonly path: string; readonly body: string };
  readonly status: number;
  readonly responseHeaders: Readonly<Record<string, string>>;
  readonly text: string;
};

/** What the node says in a recorded situation; the listener's own refusals come before it. */
function scriptedRefresh({ status, text }: HttpCase) {
  if (status !== 200) {
    const { error } = status === 405 ? { error: { message: "" } } : JSON.parse(text);
    return { type: "refused", status, text: error.message as string } as const;
  }
  const info = fromBinary(OrchestratorInfoSchema, base64(JSON.parse(text).payment_params));
  // What was recorded holds nothing that we would lose.
  const again = Buffer.from(toBinary(OrchestratorInfoSchema, info));
  expect(again.toString("base64")).toBe(JSON.parse(text).payment_params);
  return { type: "refreshed", info } as const;
}

function base64(text: string): Uint8Array {
  const decoded = decodeBase64(text);
  if (decoded.type === "corrupt") throw new Error(`No base64: ${text}`);
  return decoded.bytes;
}
