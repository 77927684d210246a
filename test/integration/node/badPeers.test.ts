import { create, toBinary } from "@bufbuild/protobuf";
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import type { ClientHttp2Stream } from "node:http2";
import { type GatewayClient, type SegmentSubmission, segmentData } from "../../../src/demo/gatewayClient.ts";
import { encodeBase64 } from "../../../src/protocol/base64.ts";
import {
  PaymentSchema,
  SegDataSchema,
  TicketSenderParamsSchema,
} from "../../../src/protocol/gen/lp_rpc_pb.ts";
import { eventually } from "../../support/eventually.ts";
import { letGoOn } from "../../support/nodeProcess.ts";
import { openNode, type TestNode } from "../../support/nodeFixture.ts";
import { RawUpload } from "../../support/nodeRawHttp2.ts";
import { segmentHistories, verifyLog } from "../../support/nodeLog.ts";
import { dataOf, refusalOf, resultOf, submissionOf } from "../../support/nodeSegments.ts";
import {
  connectTls,
  exchangeHttp1,
  Http1Reader,
  Http2Client,
  readHead,
} from "../../support/serverClients.ts";

/*
 * Goal: peers that send too much, too slowly or not at all cost themselves their request and nobody else anything;
 * what they began ends in the log with its reason, and their session goes on.
 * Method: raw TLS sockets and HTTP/2 streams against a whole node; afterwards the same session serves a segment.
 */

setDefaultTimeout(120_000);

/** Makes the node wait two minutes for the upload, and as long for the work. */
const longMs = 30_000;

let node: TestNode;
let client: GatewayClient;
beforeAll(async () => {
  // Uploads that tests leave open stay open, however slow the machine is.
  node = await openNode({ listenerLimits: { bodyIdleTimeoutMs: 60_000 } });
  client = node.client();
  await node.running.workers.whenReady();
});
afterAll(async () => {
  expect(node.fatal).toEqual([]);
  await verifyLog(node.dataDir);
  await node[Symbol.asyncDispose]();
});

function headerOf(submission: SegmentSubmission): string {
  return encodeBase64(toBinary(SegDataSchema, segmentData(submission)));
}

/** Starts POST /segment on an HTTP/2 stream, with `body` of the announced media. */
function begin(http2: Http2Client, submission: SegmentSubmission, body: Uint8Array): ClientHttp2Stream {
  const stream = http2.open({
    ":method": "POST",
    ":path": "/segment",
    "content-type": "video/MP2T",
    "livepeer-segment": headerOf(submission),
  });
  stream.write(body);
  return stream;
}

/** Resolves with the reason for which the first segment of this submission's session ended. */
function failureOf(submission: SegmentSubmission, of = node): Promise<string> {
  return eventually("the segment has failed", () => {
    const last = segmentHistories(of.dataDir).get(`${submission.authToken?.sessionId}.1/1`)?.at(-1);
    return last?.type === "SegmentFailed" ? (last as unknown as { code: string }).code : null;
  });
}

async function expectServed(submission: SegmentSubmission, by = client): Promise<void> {
  expect(dataOf(await by.submitSegment({ ...submission, seq: 99 })).segments).toHaveLength(1);
}

describe("too much", () => {
  test.each(["h1", "h2"] as const)(
    "a payment header of 600 tickets (58 kB) passes over %s",
    async (segmentHttp) => {
      const payment = create(PaymentSchema, {
        ticketSenderParams: Array.from({ length: 600 }, (_, index) =>
          create(TicketSenderParamsSchema, { senderNonce: index + 1, sig: new Uint8Array(65).fill(7) }),
        ),
      });
      const header = encodeBase64(toBinary(PaymentSchema, payment));
      expect(header.length).toBeGreaterThan(56_000);
      const submission = await submissionOf(client);
      const answer = await node
        .client({ segmentHttp })
        .postSegment(toBinary(SegDataSchema, segmentData(submission)), submission.media, {
          "livepeer-payment": header,
        });
      expect(resultOf(answer).result.case).toBe("data");
    },
  );

  test("a header block over 1 MiB on HTTP/1.1 is refused, the port goes on", async () => {
    const submission = await submissionOf(client);
    const socket = await connectTls(node.port, ["http/1.1"]);
    const text = `POST /segment HTTP/1.1\r\nhost: x\r\nlivepeer-payment: ${"A".repeat(1_100_000)}\r\n\r\n`;
    const answer = await exchangeHttp1(socket, text);
    expect(answer.status).toBe(431);
    socket.destroy();
    await expectServed(submission);
  });

  test("a header field over what HTTP/2 takes here ends its own connection at most", async () => {
    const submission = await submissionOf(client);
    await using http2 = new Http2Client(node.port);
    const stream = http2.open({
      ":method": "POST",
      ":path": "/segment",
      "livepeer-payment": "A".repeat(70_000),
    });
    const ended = new Promise<void>((resolve) => stream.once("close", () => resolve()));
    stream.end();
    await ended;
    await expectServed(submission);
  });

  test.each(["h1", "h2"] as const)(
    "video check 21: an announced body of 300,000,001 bytes over %s is 500 before it is sent",
    async (segmentHttp) => {
      const submission = await submissionOf(client);
      const header = headerOf(submission);
      let status: number;
      if (segmentHttp === "h1") {
        const socket = await connectTls(node.port, ["http/1.1"]);
        const head = `POST /segment HTTP/1.1\r\nhost: x\r\nlivepeer-segment: ${header}\r\ncontent-length: 300000001\r\n\r\n`;
        const answer = await exchangeHttp1(socket, head);
        expect(answer.body.toString()).toBe("Internal Server Error\n");
        status = answer.status;
        socket.destroy();
      } else {
        await using http2 = new Http2Client(node.port);
        const stream = http2.open({
          ":method": "POST",
          ":path": "/segment",
          "livepeer-segment": header,
          "content-length": "300000001",
        });
        status = (await readHead(stream)).status;
      }
      expect(status).toBe(500);
      expect(await failureOf(submission)).toBe("UPLOAD_TOO_LARGE");
      await expectServed(submission);
    },
  );

  test("a URL of more than 4 kB is 500", async () => {
    const submission = await submissionOf(client);
    const url = new TextEncoder().encode(`https://example.com/${"x".repeat(5_000)}`);
    const data = toBinary(SegDataSchema, segmentData(submission));
    const answer = await client.postSegment(data, url, { "content-type": "application/vnd+livepeer.uri" });
    expect(refusalOf(answer).status).toBe(500);
    expect(await failureOf(submission)).toBe("UPLOAD_TOO_LARGE");
  });

  test("an eleventh upload at once on one session is refused; when the others are gone, it is served", async () => {
    const submission = await submissionOf(client, { durationMs: longMs });
    await using http2 = new Http2Client(node.port);
    const streams = Array.from({ length: 10 }, () =>
      begin(http2, submission, submission.media.subarray(0, 9)),
    );
    await eventually("ten uploads are open", () =>
      [...segmentHistories(node.dataDir).keys()].filter((id) =>
        id.startsWith(`${submission.authToken?.sessionId}.`),
      ).length === 10
        ? true
        : null,
    );
    expect(refusalOf(await client.submitSegment(submission))).toEqual({
      status: 403,
      text: "OrchestratorCapped",
    });
    for (const stream of streams) stream.close();
    await failureOf(submission);
    await eventually("the session takes segments again", async () =>
      (await client.submitSegment(submission)).type === "answer" ? true : null,
    );
  });
});

describe("too slow", () => {
  test.each(["h1", "h2"] as const)(
    "an upload over %s that stops in the middle is 408, its segment ended",
    async (segmentHttp) => {
      // A node of its own: what other tests leave open for a while must stay open.
      await using hasty = await openNode({ listenerLimits: { bodyIdleTimeoutMs: 400 } });
      const gateway = hasty.client();
      const submission = await submissionOf(gateway);
      const half = submission.media.subarray(0, 1_000);
      if (segmentHttp === "h1") {
        const socket = await connectTls(hasty.port, ["http/1.1"]);
        const reader = new Http1Reader(socket);
        socket.write(
          `POST /segment HTTP/1.1\r\nhost: x\r\nlivepeer-segment: ${headerOf(submission)}\r\n` +
            `content-length: ${submission.media.length}\r\n\r\n`,
        );
        socket.write(half);
        expect((await reader.answer()).status).toBe(408);
        socket.destroy();
      } else {
        await using http2 = new Http2Client(hasty.port);
        expect((await readHead(begin(http2, submission, half))).status).toBe(408);
      }
      expect(await failureOf(submission, hasty)).toBe("UPLOAD_TIMEOUT");
      await expectServed(submission, gateway);
    },
  );

  test("slow loris: one byte now and then keeps nothing alive beyond the segment's own deadline", async () => {
    await using patient = await openNode();
    const gateway = patient.client();
    const submission = await submissionOf(gateway);
    await using http2 = new Http2Client(patient.port);
    const stream = begin(http2, submission, submission.media.subarray(0, 1));
    await eventually("the upload is known", () =>
      segmentHistories(patient.dataDir).size === 1 ? true : null,
    );
    patient.advance(8_500);
    stream.write(submission.media.subarray(1, 2));
    expect(await failureOf(submission, patient)).toBe("UPLOAD_TIMED_OUT");
    // A body that still comes whole is too late.
    const head = readHead(stream);
    stream.end(submission.media.subarray(2));
    expect((await head).status).toBe(500);
    await expectServed(submission, gateway);
  });
});

describe("gone", () => {
  test("client gone mid-upload, HTTP/1.1: the segment ends with that reason", async () => {
    const submission = await submissionOf(client, { durationMs: longMs });
    const socket = await connectTls(node.port, ["http/1.1"]);
    socket.write(
      `POST /segment HTTP/1.1\r\nhost: x\r\nlivepeer-segment: ${headerOf(submission)}\r\n` +
        `content-length: ${submission.media.length}\r\n\r\n`,
    );
    socket.write(submission.media.subarray(0, 1_000));
    await eventually("the upload is known", () =>
      segmentHistories(node.dataDir).has(`${submission.authToken?.sessionId}.1/1`) ? true : null,
    );
    socket.destroy();
    expect(await failureOf(submission)).toBe("UPLOAD_CLIENT_GONE");
    await expectServed(submission);
  });

  test.each(["the stream is reset", "the connection is cut"])(
    "client gone mid-upload, HTTP/2: %s",
    async (how) => {
      const submission = await submissionOf(client, { durationMs: longMs });
      const upload = await RawUpload.open(node.port, "/segment", {
        "content-type": "video/MP2T",
        "livepeer-segment": headerOf(submission),
      });
      upload.send(submission.media.subarray(0, 1_000));
      await eventually("the upload is known", () =>
        segmentHistories(node.dataDir).has(`${submission.authToken?.sessionId}.1/1`) ? true : null,
      );
      if (how === "the stream is reset") upload.reset();
      else upload.close();
      expect(await failureOf(submission)).toBe("UPLOAD_CLIENT_GONE");
      upload.close();
      await expectServed(submission);
    },
  );

  test.each(["h1", "h2"] as const)(
    "client gone before the answer, %s: the work is recorded, the delivery is not",
    async (segmentHttp) => {
      const submission = await submissionOf(client);
      const id = `${submission.authToken?.sessionId}.1/1`;
      const pids = node.running.workers.stats().workers.map(({ pid }) => pid);
      const connections = node.running.listener.connectionCount();
      for (const pid of pids) process.kill(pid, "SIGSTOP");
      try {
        if (segmentHttp === "h1") {
          const socket = await connectTls(node.port, ["http/1.1"]);
          const reader = new Http1Reader(socket);
          socket.write(
            `POST /segment HTTP/1.1\r\nhost: x\r\nlivepeer-segment: ${headerOf(submission)}\r\n` +
              `content-length: ${submission.media.length}\r\n\r\n`,
          );
          socket.write(submission.media);
          expect((await reader.head()).status).toBe(200);
          socket.destroy();
        } else {
          await using http2 = new Http2Client(node.port);
          const stream = begin(http2, submission, submission.media);
          stream.end();
          expect((await readHead(stream)).status).toBe(200);
        }
        // Only then is the work done: the node has noticed that the gateway is gone.
        const { listener } = node.running;
        await eventually("the connection is gone", () =>
          listener.connectionCount() <= connections ? true : null,
        );
      } finally {
        letGoOn(pids);
      }
      expect(await failureOf(submission)).toBe("GATEWAY_GONE");
      const types = segmentHistories(node.dataDir)
        .get(id)
        ?.map(({ type }) => type);
      expect(types?.slice(-2)).toEqual(["SegmentTranscoded", "SegmentFailed"]);
      await expectServed(submission);
    },
  );
});
