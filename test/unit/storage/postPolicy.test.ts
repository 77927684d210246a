import { describe, expect, test } from "bun:test";
import { createPublicKey, generateKeyPairSync, verify } from "node:crypto";
import { createPostPolicy, signatureV4 } from "../../../src/storage/postPolicy.ts";
import vectors from "../../vectors/s3-grant.json";

type Policy = { expiration: string; conditions: unknown[] };

function policyOf(text: string): Policy {
  return JSON.parse(Buffer.from(text, "base64").toString()) as Policy;
}

describe("recorded grants", () => {
  for (const vector of vectors.cases) {
    const { region, bucket, accessKey, secretKey, session, keyPrefix } = vector;
    const recorded = vector.osInfo.s3info;

    test(`prefix "${keyPrefix}": our signature of the recorded policy is the recorded one`, () => {
      const day = recorded.xAmzDate.slice(0, 8);
      expect(signatureV4(recorded.policy, { secretKey, day, region })).toBe(recorded.signature);
    });

    // The recorded policy binds the key to the session alone, which a key with a prefix does not satisfy,
    // and to every longer session id; ours binds to the announced key as a folder, and bounds the size.
    test(`prefix "${keyPrefix}": our grant says the same, but for the narrower key`, () => {
      const theirs = policyOf(recorded.policy);
      const nowMs = Date.parse(theirs.expiration) - 86_400_000;
      const key = keyPrefix === "" ? session : `${keyPrefix}/${session}`;
      const signer = { type: "s3", region, accessKey, secretKey } as const;
      const grant = createPostPolicy({ signer, host: recorded.host, bucket, key, nowMs });
      const { host, credential, xAmzDate } = recorded;
      expect(grant).toMatchObject({ type: "s3", host, credential, xAmzDate, key });
      const ours = policyOf(grant.policy);
      expect(ours.expiration).toBe(theirs.expiration);
      const isKey = (condition: unknown): boolean => Array.isArray(condition) && condition[1] === "$key";
      expect(ours.conditions.find(isKey)).toEqual(["starts-with", "$key", `${key}/`]);
      expect(ours.conditions.filter((condition) => !isKey(condition))).toEqual(
        expect.arrayContaining(theirs.conditions.filter((condition) => !isKey(condition))),
      );
      expect(ours.conditions).toContainEqual(["content-length-range", 0, 300_000_000]);
      expect(ours.conditions.length).toBe(theirs.conditions.length + 1);
    });
  }
});

test("a Google grant is an RSA-SHA256 signature over the policy", () => {
  const { privateKey, publicKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
  const signer = { type: "gcs", clientEmail: "me@project.example", privateKey } as const;
  const host = "https://clips.storage.googleapis.com";
  const grant = createPostPolicy({ signer, host, bucket: "clips", key: "ab12", nowMs: 1_700_000_000_000 });
  expect(grant).toMatchObject({
    type: "gcs",
    host,
    key: "ab12",
    credential: "me@project.example",
    xAmzDate: "",
  });
  const pem = createPublicKey(publicKey.export({ type: "spki", format: "pem" }));
  expect(verify("sha256", Buffer.from(grant.policy), pem, Buffer.from(grant.signature, "base64"))).toBe(true);
  expect(policyOf(grant.policy)).toEqual({
    expiration: "2023-11-15T22:13:20.000Z",
    conditions: [
      { bucket: "clips" },
      { acl: "public-read" },
      ["starts-with", "$Content-Type", ""],
      ["starts-with", "$key", "ab12/"],
      ["content-length-range", 0, 300_000_000],
    ],
  });
});
