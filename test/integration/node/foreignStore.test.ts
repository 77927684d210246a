import { create, toBinary } from "@bufbuild/protobuf";
import { keccak_256 } from "@noble/hashes/sha3";
import { afterAll, afterEach, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { segmentData } from "../../../src/demo/gatewayClient.ts";
import { toHex } from "../../../src/protocol/bytes.ts";
import {
  OSInfo_StorageType,
  OSInfoSchema,
  S3OSInfoSchema,
  SegDataSchema,
} from "../../../src/protocol/gen/lp_rpc_pb.ts";
import { createPostPolicy } from "../../../src/storage/postPolicy.ts";
import { eventually } from "../../support/eventually.ts";
import { openNode, type TestNode } from "../../support/nodeFixture.ts";
import { recordedEvents } from "../../support/nodeLog.ts";
import { dataOf, errorOf, profileOf, submissionOf } from "../../support/nodeSegments.ts";
import { closeFixtures, httpServer } from "../storage/httpFixtures.ts";
import { policyStore } from "../storage/policyStore.ts";

/*
 * Goal: renditions go to the gateway's own bucket when the segment grants one, and a bucket that fails makes the
 * segment fail with a reason instead of a result with holes (video sheet 7 and 16.8).
 * Method: a strict small store on loopback, which the node is allowed to reach here.
 */

setDefaultTimeout(120_000);

const account = { bucket: "clips", secretKey: "not-a-secret", region: "us-east-1" };
let node: TestNode;
beforeAll(async () => {
  node = await openNode({ allowNetworks: ["127.0.0.1/32"] });
});
afterEach(closeFixtures);
afterAll(() => node[Symbol.asyncDispose]());

/** Sends a segment of two renditions whose results shall go to the bucket at `origin`. */
async function submitTo(target: TestNode, origin: string, secretKey = account.secretKey) {
  const client = target.client();
  const profiles = [profileOf(), profileOf({ name: "m4", format: "mp4" })];
  const submission = await submissionOf(client, { profiles, seq: 3 });
  const grant = createPostPolicy({
    signer: { type: "s3", region: "us-east-1", accessKey: "AK", secretKey },
    host: `${origin}/clips`,
    bucket: "clips",
    key: "stream/ab12",
    nowMs: Date.now(),
  });
  const { type: _, ...s3info } = grant;
  const data = segmentData(submission);
  data.storage = [
    create(OSInfoSchema, { storageType: OSInfo_StorageType.S3, s3info: create(S3OSInfoSchema, s3info) }),
  ];
  return client.postSegment(toBinary(SegDataSchema, data), submission.media);
}

test("both renditions lie in the bucket, the URLs lead there, the node keeps none", async () => {
  const bucket = await policyStore(account);
  const { segments } = dataOf(await submitTo(node, bucket.origin));
  expect(segments.map(({ url }) => url)).toEqual([
    `${bucket.origin}/clips/stream/ab12/P144p30fps16x9/3.ts`,
    `${bucket.origin}/clips/stream/ab12/m4/3.mp4`,
  ]);
  const transcoded = recordedEvents(node.dataDir).findLast(({ event }) => event.type === "SegmentTranscoded");
  if (transcoded === undefined) throw new Error("nothing was transcoded");
  const { renditions } = transcoded.event as unknown as { renditions: { keccak256: string }[] };
  const hashes = [...bucket.objects.values()].map(({ bytes }) => String(toHex(keccak_256(bytes))));
  expect(hashes.toSorted()).toEqual(renditions.map(({ keccak256 }) => keccak256).toSorted());
  await eventually("nothing is owed", () => (node.running.node.isOwing ? null : true));
});

test("a bucket that refuses makes the segment fail with the bucket's words", async () => {
  const bucket = await policyStore(account);
  const answer = await submitTo(node, bucket.origin, "another secret");
  expect(errorOf(answer)).toContain("SignatureDoesNotMatch");
  const failed = recordedEvents(node.dataDir).findLast(({ event }) => event.type === "SegmentFailed");
  expect(failed?.event).toMatchObject({ code: "STORE_REFUSED" });
});

test("a bucket that takes the first rendition only makes the whole segment fail", async () => {
  let posts = 0;
  const bucket = await httpServer((request, response) => {
    posts += 1;
    request.resume();
    request.on("end", () => response.writeHead(posts === 1 ? 204 : 500).end());
  });
  expect(errorOf(await submitTo(node, bucket.origin))).not.toBe("");
  expect(posts).toBe(2);
});

test("a bucket inside the machine is refused when the operator did not allow it", async () => {
  await using closed = await openNode();
  let posts = 0;
  const bucket = await httpServer((_, response) => {
    posts += 1;
    response.end();
  });
  expect(errorOf(await submitTo(closed, bucket.origin))).not.toBe("");
  expect(posts).toBe(0);
});
