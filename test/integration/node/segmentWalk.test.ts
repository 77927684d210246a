import { toBinary } from "@bufbuild/protobuf";
import { keccak_256 } from "@noble/hashes/sha3";
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { segmentData } from "../../../src/demo/gatewayClient.ts";
import { encodeBase64 } from "../../../src/protocol/base64.ts";
import { toHex } from "../../../src/protocol/bytes.ts";
import { fromBinary } from "@bufbuild/protobuf";
import { SegDataSchema, TranscodeResultSchema } from "../../../src/protocol/gen/lp_rpc_pb.ts";
import { eventually } from "../../support/eventually.ts";
import { letGoOn } from "../../support/nodeProcess.ts";
import { openNode, type TestNode } from "../../support/nodeFixture.ts";
import { recordedEvents, segmentHistories, typesOf, verifyLog } from "../../support/nodeLog.ts";
import {
  dataOf,
  errorOf,
  profileOf,
  refusalOf,
  resultOf,
  submissionOf,
  tinySegment,
} from "../../support/nodeSegments.ts";
import { Http2Client, readHead } from "../../support/serverClients.ts";

/*
 * Goal: what happens to an accepted segment, from the early 200 to the rendition's last byte, is what a gateway
 * expects, and the log tells it.
 * Method: a whole node, a small gateway client, the node's own log read beside it.
 */

setDefaultTimeout(120_000);

let node: TestNode;
beforeAll(async () => {
  node = await openNode();
});
afterAll(async () => {
  await node[Symbol.asyncDispose]();
});

const walk = [
  "SegmentAccepted",
  "SegmentReceived",
  "SegmentDispatched",
  "SegmentTranscoded",
  "SegmentDelivered",
];

describe("the answer", () => {
  test("video check 23: the 200 comes before the work is done; the body is the result, info has the request's token", async () => {
    await using slow = await openNode();
    await slow.running.workers.whenReady();
    const client = slow.client();
    const submission = await submissionOf(client);
    const id = `${submission.authToken?.sessionId}.1/1`;
    const pids = slow.running.workers.stats().workers.map(({ pid }) => pid);
    for (const pid of pids) process.kill(pid, "SIGSTOP");
    await using http2 = new Http2Client(slow.port);
    const stream = http2.open({
      ":method": "POST",
      ":path": "/segment",
      "content-type": "video/MP2T",
      "livepeer-segment": encodeBase64(toBinary(SegDataSchema, segmentData(submission))),
    });
    const head = readHead(stream);
    const chunks: Buffer[] = [];
    stream.on("data", (chunk: Buffer) => chunks.push(chunk));
    const ended = new Promise<void>((resolve) => stream.once("end", () => resolve()));
    stream.end(submission.media);
    const { status, headers } = await head;
    expect(status).toBe(200);
    expect(headers["content-type"]).toBeUndefined();
    // Durable before visible: the acceptance is on the disk, the result is not made yet.
    const early = typesOf(segmentHistories(slow.dataDir).get(id));
    expect(early.slice(0, 2)).toEqual(["SegmentAccepted", "SegmentReceived"]);
    expect(early).not.toContain("SegmentTranscoded");
    expect(Buffer.concat(chunks).length).toBe(0);
    letGoOn(pids);
    await ended;
    const result = fromBinary(TranscodeResultSchema, Buffer.concat(chunks));
    expect(result.result.case).toBe("data");
    expect(result.info?.authToken).toEqual(submission.authToken);
    expect(result.info?.transcoder).toBe(slow.serviceUri);
    // Off-chain nothing is signed.
    expect(result.result.case === "data" && result.result.value.sig.length).toBe(0);
    await eventually("the delivery is recorded", () =>
      typesOf(segmentHistories(slow.dataDir).get(id)).length === walk.length ? true : null,
    );
    expect(typesOf(segmentHistories(slow.dataDir).get(id))).toEqual(walk);
  });

  test.each(["h1", "h2"] as const)(
    "video check 25: TS and MP4, seq 5, over %s: URLs, bytes, hashes, pixels",
    async (segmentHttp) => {
      const client = node.client({ segmentHttp });
      const profiles = [
        profileOf({ name: "P144p30fps16x9" }),
        profileOf({ name: "m4", format: "mp4", width: 160, height: 90 }),
      ];
      const submission = await submissionOf(client, { seq: 5, profiles });
      const data = dataOf(await client.submitSegment(submission));
      const session = submission.authToken?.sessionId;
      expect(data.segments.map(({ url }) => url)).toEqual([
        `${node.serviceUri}/stream/${session}/P144p30fps16x9/5.ts`,
        `${node.serviceUri}/stream/${session}/m4/5.mp4`,
      ]);
      expect(data.segments.map(({ pixels }) => pixels)).toEqual([6n * 256n * 144n, 6n * 160n * 90n]);
      const transcoded = segmentHistories(node.dataDir).get(`${session}.1/1`)?.[3] as unknown as {
        renditions: { keccak256: string; bytes: number }[];
      };
      for (const [index, { url }] of data.segments.entries()) {
        const bytes = await client.download(url);
        expect<string | undefined>(toHex(keccak_256(bytes))).toBe(transcoded.renditions[index]?.keccak256);
        expect(bytes.length).toBe(transcoded.renditions[index]?.bytes ?? 0);
      }
    },
  );

  test("video sheet 7: a rendition's headers; HEAD; an unknown one is 404 `ErrNotFound`", async () => {
    const client = node.client();
    const url = dataOf(await client.submitSegment(await submissionOf(client))).segments[0]?.url ?? "";
    const tls = { rejectUnauthorized: false };
    const answer = await fetch(url, { tls });
    const bytes = await answer.bytes();
    expect(Object.fromEntries(answer.headers)).toMatchObject({
      "content-length": String(bytes.length),
      "access-control-allow-origin": "*",
      "access-control-expose-headers": "Content-Length",
      "cache-control": "max-age=5",
      "content-type": "video/mp2t",
    });
    const head = await fetch(url, { method: "HEAD", tls });
    expect([head.status, head.headers.get("content-length")]).toEqual([200, String(bytes.length)]);
    const unknown = await fetch(url.replace("/0.ts", "/1.ts"), { tls });
    expect([unknown.status, (await unknown.text()).trimEnd()]).toEqual([404, "ErrNotFound"]);
    const outside = await fetch(`${node.serviceUri}/stream/..%2f..%2fetc%2fpasswd`, { tls });
    expect(outside.status).toBe(404);
    await outside.body?.cancel();
  });

  test("video sheet 16.24: two profiles of one name get an object each", async () => {
    const client = node.client();
    const profiles = [profileOf({ name: "same" }), profileOf({ name: "same", width: 160, height: 90 })];
    const data = dataOf(await client.submitSegment(await submissionOf(client, { profiles })));
    const [first, second] = data.segments.map(({ url }) => url);
    expect(first).not.toBe(second);
    const hashes = await Promise.all(
      [first, second].map(async (url) => toHex(keccak_256(await client.download(url ?? "")))),
    );
    expect(hashes[0]).not.toBe(hashes[1] ?? "");
  });

  test("video sheet 16.9: profile names cannot leave their directory", async () => {
    const client = node.client();
    const profiles = [profileOf({ name: "../../../etc/cron.d/x" })];
    const data = dataOf(
      await client.submitSegment(await submissionOf(client, { profiles, manifestId: "../../evil" })),
    );
    const url = data.segments[0]?.url ?? "";
    expect(new URL(url).pathname).toMatch(/^\/stream\/[0-9a-f]+\/_[\w.-]+\/0\.ts$/);
    expect((await client.download(url)).length).toBeGreaterThan(25);
  });

  test("video check 26: after 13 segments nobody fetched, the first is still served, with perceptual hashes too", async () => {
    const client = node.client();
    const first = await submissionOf(client, { calcPerceptualHash: true });
    const urls: string[] = [];
    const hashUrls: string[] = [];
    for (let seq = 0; seq < 13; seq += 1) {
      const [segment] = dataOf(await client.submitSegment({ ...first, seq })).segments;
      urls.push(segment?.url ?? "");
      hashUrls.push(segment?.perceptualHashUrl ?? "");
    }
    expect(hashUrls[0]).toBe(`${urls[0]}.phash`);
    for (const url of [...urls, ...hashUrls]) {
      expect((await client.download(url)).length).toBeGreaterThan(25);
    }
  });

  test("duplicate seq: the second is transcoded again and replaces the first", async () => {
    const client = node.client();
    const submission = await submissionOf(client, { seq: 7 });
    const first = dataOf(await client.submitSegment(submission)).segments[0];
    const second = dataOf(
      await client.submitSegment({ ...submission, profiles: [profileOf({ width: 160, height: 90 })] }),
    ).segments[0];
    expect(second?.url).toBe(first?.url ?? "");
    expect([first?.pixels, second?.pixels]).toEqual([6n * 256n * 144n, 6n * 160n * 90n]);
    const history = segmentHistories(node.dataDir).get(`${submission.authToken?.sessionId}.1/2`);
    const transcoded = history?.[3] as unknown as { renditions: { keccak256: string }[] };
    const served = toHex(keccak_256(await client.download(second?.url ?? "")));
    expect<string | undefined>(served).toBe(transcoded.renditions[0]?.keccak256);
  });

  test("negative and very large sequence numbers are served under their own names", async () => {
    const client = node.client();
    const submission = await submissionOf(client);
    for (const seq of [-5n, 2n ** 63n - 1n]) {
      const answer = await client.submitSegment({ ...submission, seq });
      expect(resultOf(answer).seq).toBe(seq);
      expect(dataOf(answer).segments[0]?.url).toEndWith(`/${seq}.ts`);
    }
  });
});

describe("media by URL", () => {
  const uri = { "content-type": "application/vnd+livepeer.uri" };

  async function submitUrl(target: TestNode, path: string, hashOf: Uint8Array) {
    const client = target.client();
    const submission = await submissionOf(client, { media: hashOf });
    const data = toBinary(SegDataSchema, segmentData(submission));
    return client.postSegment(data, new TextEncoder().encode(path), uri);
  }

  test("video check 22: an address inside the machine is refused unseen, 400 `BadRequest`", async () => {
    let calls = 0;
    using store = Bun.serve({
      port: 0,
      hostname: "127.0.0.1",
      fetch: () => {
        calls += 1;
        return new Response("x");
      },
    });
    for (const host of ["127.0.0.1", "localhost", "[::ffff:127.0.0.1]", "2130706433"]) {
      const answer = await submitUrl(node, `http://${host}:${store.port}/0.ts`, await tinySegment());
      expect(refusalOf(answer)).toEqual({ status: 400, text: "BadRequest" });
    }
    expect(calls).toBe(0);
  });

  test("video check 22: 404 is 400 `BadRequest`, good is transcoded, the hash is over the fetched bytes", async () => {
    const media = await tinySegment();
    using store = Bun.serve({
      port: 0,
      hostname: "127.0.0.1",
      fetch: (request) =>
        request.url.endsWith("/0.ts")
          ? new Response(media as Uint8Array<ArrayBuffer>)
          : new Response("no", { status: 404 }),
    });
    await using open = await openNode({ allowNetworks: ["127.0.0.0/8"] });
    const base = `http://127.0.0.1:${store.port}`;
    expect(refusalOf(await submitUrl(open, `${base}/1.ts`, media))).toEqual({
      status: 400,
      text: "BadRequest",
    });
    expect(dataOf(await submitUrl(open, `${base}/0.ts`, media)).segments).toHaveLength(1);
    expect(refusalOf(await submitUrl(open, `${base}/0.ts`, new Uint8Array(9)))).toEqual({
      status: 403,
      text: "Forbidden",
    });
    // Every one of them ended once, with a reason.
    await eventually("the delivery is recorded", () =>
      [...segmentHistories(open.dataDir).values()].every((history) =>
        ["SegmentDelivered", "SegmentFailed"].includes(history.at(-1)?.type ?? ""),
      )
        ? true
        : null,
    );
  });
});

describe("the session", () => {
  test("video check 28: six segments at once, one running: exactly one is `OrchestratorBusy`, five are delivered in turn", async () => {
    await using busy = await openNode();
    const client = busy.client();
    const submission = await submissionOf(client);
    await client.submitSegment(submission);
    // With the workers stopped for a moment, the order of things does not depend on the speed of the machine.
    const pids = busy.running.workers.stats().workers.map(({ pid }) => pid);
    for (const pid of pids) process.kill(pid, "SIGSTOP");
    const busyAnswers: number[] = [];
    const answers = Array.from({ length: 6 }, async (_, index) => {
      const answer = await client.submitSegment({ ...submission, seq: index + 1 });
      if (resultOf(answer).result.case === "error") busyAnswers.push(index);
      return answer;
    });
    await Promise.race(answers);
    expect(busyAnswers).toHaveLength(1);
    letGoOn(pids);
    const results = await Promise.all(answers);
    const texts = results.filter((answer) => resultOf(answer).result.case === "error").map(errorOf);
    expect(texts).toEqual(["OrchestratorBusy"]);
  });

  test("video check 30: idle for 70 s: the session ends, its renditions are 404; the same token opens it again", async () => {
    await using idle = await openNode();
    const client = idle.client();
    const submission = await submissionOf(client);
    const url = dataOf(await client.submitSegment(submission)).segments[0]?.url ?? "";
    await client.download(url);
    idle.advance(40_000);
    // Still there: a second segment starts the 70 s anew.
    dataOf(await client.submitSegment({ ...submission, seq: 1 }));
    idle.advance(40_000);
    dataOf(await client.submitSegment({ ...submission, seq: 2 }));
    const sessionId = submission.authToken?.sessionId;
    expect(segmentHistories(idle.dataDir).has(`${sessionId}.1/3`)).toBe(true);
    idle.advance(70_500);
    await eventually("the session has ended", () => (idle.running.node.sessionCount === 0 ? true : null));
    await expect(client.download(url)).rejects.toThrow("404");
    const last = await eventually("its end is recorded", () => {
      const recorded = recordedEvents(idle.dataDir).at(-1);
      return recorded?.event.type === "SessionEnded" ? recorded : null;
    });
    expect(last).toMatchObject({ stream: `session:${sessionId}.1`, event: { cause: "idle" } });
    const again = dataOf(await client.submitSegment({ ...submission, seq: 3 })).segments[0]?.url ?? "";
    expect((await client.download(again)).length).toBeGreaterThan(25);
    expect(segmentHistories(idle.dataDir).has(`${sessionId}.2/1`)).toBe(true);
  });

  test("sessions run side by side and nothing of one reaches the other", async () => {
    const client = node.client();
    const submissions = await Promise.all([0, 1, 2].map(() => submissionOf(client)));
    const answers = await Promise.all(submissions.map((submission) => client.submitSegment(submission)));
    const urls = answers.map((answer) => dataOf(answer).segments[0]?.url);
    expect(new Set(urls).size).toBe(3);
    const ids = submissions.map(({ authToken }) => `${authToken?.sessionId}.1/1`);
    await eventually("all deliveries are recorded", () => {
      const histories = segmentHistories(node.dataDir);
      return ids.every((id) => typesOf(histories.get(id)).join() === walk.join()) ? true : null;
    });
  });

  test("replay verify finds nothing wrong in the log of a running node", async () => {
    const client = node.client();
    dataOf(await client.submitSegment(await submissionOf(client)));
    await verifyLog(node.dataDir);
  });
});
