import { create, toBinary } from "@bufbuild/protobuf";
import { keccak_256 } from "@noble/hashes/sha3";
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { type GatewayClient, segmentData } from "../../../src/demo/gatewayClient.ts";
import { encodeBase64 } from "../../../src/protocol/base64.ts";
import {
  AuthTokenSchema,
  CapabilitiesSchema,
  OSInfo_StorageType,
  OSInfoSchema,
  type SegData,
  SegDataSchema,
  VideoProfileSchema,
} from "../../../src/protocol/gen/lp_rpc_pb.ts";
import { eventually } from "../../support/eventually.ts";
import { openNode, type TestNode } from "../../support/nodeFixture.ts";
import { segmentHistories } from "../../support/nodeLog.ts";
import { profileOf, refusalOf, resultOf, submissionOf } from "../../support/nodeSegments.ts";

/*
 * Goal: every row of video sheet 4.2 that needs no payment, against a running node: status, text, order.
 * Method: credentials made by hand. A refusal must come before any work, so nothing of it may be in the log.
 */

setDefaultTimeout(120_000);

let node: TestNode;
let client: GatewayClient;
beforeAll(async () => {
  node = await openNode();
  client = node.client();
});
afterAll(() => node[Symbol.asyncDispose]());

/** Posts a good segment whose credentials or headers `change` spoils. */
async function post(
  change: (data: SegData) => void | Promise<void>,
  headers: Readonly<Record<string, string>> = {},
) {
  const submission = await submissionOf(client);
  const data = segmentData(submission);
  await change(data);
  return client.postSegment(toBinary(SegDataSchema, data), submission.media, headers);
}

const good = (): void => {};

describe("payment and segment headers", () => {
  test("video check 12: payment `foo` is 402 with `base64`, base64 of garbage is 402 with `protobuf`", async () => {
    const notBase64 = refusalOf(await post(good, { "livepeer-payment": "foo" }));
    expect(notBase64.status).toBe(402);
    expect(notBase64.text).toContain("base64");
    const garbage = encodeBase64(new TextEncoder().encode("garbage"));
    const notProto = refusalOf(await post(good, { "livepeer-payment": garbage }));
    expect(notProto.status).toBe(402);
    expect(notProto.text).toContain("protobuf");
  });

  test("video check 13: segment header `foo` is 403 `ErrorSegEncoding`", async () => {
    expect(refusalOf(await post(good, { "livepeer-segment": "foo" }))).toEqual({
      status: 403,
      text: "ErrorSegEncoding",
    });
  });

  test("no segment header at all: the message is empty, so the token is missing", async () => {
    expect(refusalOf(await post(good, { "livepeer-segment": "" }))).toEqual({
      status: 403,
      text: "missing auth token",
    });
  });

  test.each([-1, 300_001])("video check 14: duration %d is 403 `invalid duration`", async (duration) => {
    const answer = await post((data) => {
      data.duration = duration;
    });
    expect(refusalOf(answer)).toEqual({ status: 403, text: "invalid duration" });
  });

  test("video check 14: duration 0 counts as 2000 ms", async () => {
    const submission = await submissionOf(client, { durationMs: 0 });
    expect(resultOf(await client.submitSegment(submission)).result.case).toBe("data");
    const [accepted] = segmentHistories(node.dataDir).get(`${submission.authToken?.sessionId}.1/1`) ?? [];
    expect(accepted).toMatchObject({ type: "SegmentAccepted", durationMs: 2_000 });
  });

  test.each([
    ["format", 2, "unrecognized profile output format"],
    ["profile", 9, "unrecognized encoder profile"],
    ["encoder", 9, "unrecognized video codec"],
  ] as const)("video check 15: enum %s %d is 403 `%s`", async (field, value, text) => {
    const answer = await post((data) => {
      const [profile] = data.fullProfiles3;
      if (profile !== undefined) Object.assign(profile, { [field]: value });
    });
    expect(refusalOf(answer)).toEqual({ status: 403, text });
  });

  test("video check 17: a need for bit 63 is 403 `incompatible capabilities`, also without a token", async () => {
    for (const hasToken of [true, false]) {
      const answer = await post((data) => {
        data.capabilities = create(CapabilitiesSchema, { bitstring: [1n << 63n], version: "0.9.1" });
        if (!hasToken) data.authToken = undefined;
      });
      expect(refusalOf(answer)).toEqual({ status: 403, text: "incompatible capabilities" });
    }
  });

  test("video check 18: no token is 403 `missing auth token`", async () => {
    const answer = await post((data) => {
      data.authToken = undefined;
    });
    expect(refusalOf(answer)).toEqual({ status: 403, text: "missing auth token" });
  });

  test.each(["token", "sessionId", "expiration"] as const)(
    "video check 18: a token altered in its %s is 403 `invalid auth token`",
    async (field) => {
      const answer = await post((data) => {
        const { authToken } = data;
        if (authToken === undefined) throw new Error("no token");
        const altered = create(AuthTokenSchema, {
          token: Uint8Array.from(authToken.token),
          sessionId: authToken.sessionId,
          expiration: authToken.expiration,
        });
        if (field === "token") altered.token[50] = (altered.token[50] ?? 0) ^ 0x80;
        else if (field === "sessionId") altered.sessionId = altered.sessionId.replace(/.$/, "x");
        else altered.expiration += 1n;
        data.authToken = altered;
      });
      expect(refusalOf(answer)).toEqual({ status: 403, text: "invalid auth token" });
    },
  );

  test("video check 18: a token of another node is 403 `invalid auth token`", async () => {
    await using other = await openNode();
    const { authToken } = await other.client().getOrchestrator();
    const answer = await post((data) => {
      data.authToken = authToken;
    });
    expect(refusalOf(answer)).toEqual({ status: 403, text: "invalid auth token" });
  });

  test("video check 18: 1800 s later the token is 403 `expired auth token`; EndTranscodingSession still takes it", async () => {
    await using aging = await openNode();
    const gateway = aging.client();
    const submission = await submissionOf(gateway);
    aging.advance(1_801_000);
    expect(refusalOf(await gateway.submitSegment(submission))).toEqual({
      status: 403,
      text: "expired auth token",
    });
    if (submission.authToken === undefined) throw new Error("no token");
    await gateway.endTranscodingSession(submission.authToken);
  });

  test("a store of type S3 without its details crashes the peer; here it is a refusal", async () => {
    const answer = await post((data) => {
      data.storage = [create(OSInfoSchema, { storageType: OSInfo_StorageType.S3 })];
    });
    expect(refusalOf(answer).status).toBe(403);
  });
});

describe("profiles", () => {
  test("video check 24: fullProfiles with an invalid enum beside a valid fullProfiles3: the latter is used", async () => {
    const answer = await post((data) => {
      const old = create(VideoProfileSchema, { name: "old", width: 64, height: 64 });
      data.fullProfiles = [Object.assign(old, { format: 9 })];
    });
    expect(resultOf(answer).result.case).toBe("data");
  });

  test.each(["fullProfiles", "fullProfiles2"] as const)(
    "video sheet 4.4: %s alone is understood",
    async (field) => {
      const answer = await post((data) => {
        data[field] = data.fullProfiles3;
        data.fullProfiles3 = [];
      });
      expect(resultOf(answer).result).toMatchObject({ case: "data", value: { segments: [{}] } });
    },
  );

  test("video check 24: an unnamed profile 160x90 of 100000 is `net_160x90_100000`", async () => {
    const answer = await post((data) => {
      data.fullProfiles3 = segmentData({
        ...unused,
        profiles: [profileOf({ name: "", width: 160, height: 90, bitrate: 100_000 })],
      }).fullProfiles3;
    });
    const { result } = resultOf(answer);
    expect(result.case === "data" && result.value.segments[0]?.url).toEndWith("/net_160x90_100000/0.ts");
  });

  test("video check 29: no profiles: data with no segments", async () => {
    const answer = await client.submitSegment(await submissionOf(client, { profiles: [] }));
    expect(resultOf(answer).result).toMatchObject({ case: "data", value: { segments: [] } });
  });
});

describe("the body", () => {
  test("video check 21: another hash than promised is 403 `Forbidden`, and the segment ended with that reason", async () => {
    const submission = await submissionOf(client, { keccak256: keccak_256(new Uint8Array(1)) });
    expect(refusalOf(await client.submitSegment(submission))).toEqual({ status: 403, text: "Forbidden" });
    const failed = await eventually("its end is recorded", () => {
      const history = segmentHistories(node.dataDir).get(`${submission.authToken?.sessionId}.1/1`);
      return history?.find(({ type }) => type === "SegmentFailed") ?? null;
    });
    expect(failed).toMatchObject({ code: "HASH_MISMATCH" });
    // The session lives on.
    const right = { ...submission, keccak256: keccak_256(submission.media) };
    expect(resultOf(await client.submitSegment(right)).result.case).toBe("data");
  });
});

test("video sheet 4.2: what is refused by its headers leaves nothing in the log", async () => {
  await using quiet = await openNode();
  const gateway = quiet.client();
  const submission = await submissionOf(gateway);
  const data = segmentData(submission);
  data.authToken = undefined;
  await gateway.postSegment(toBinary(SegDataSchema, data), submission.media);
  expect(segmentHistories(quiet.dataDir).size).toBe(0);
});

const unused = {
  authToken: undefined,
  manifestId: "",
  seq: 0,
  media: new Uint8Array(0),
  durationMs: 0,
};
