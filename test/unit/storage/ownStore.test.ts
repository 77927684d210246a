import { describe, expect, test } from "bun:test";
import { generateKeyPairSync } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseObjectStoreUrl } from "../../../src/storage/ownStore.ts";

describe("S3 forms of -objectStore", () => {
  test("AWS names a region, the host follows from the bucket", () => {
    expect(parseObjectStoreUrl("s3://AKID:se%2Fcret%2B1@eu-west-1/mybucket")).toEqual({
      type: "store",
      config: {
        host: "https://mybucket.s3.amazonaws.com",
        bucket: "mybucket",
        keyPrefix: "",
        signer: { type: "s3", region: "eu-west-1", accessKey: "AKID", secretKey: "se/cret+1" },
      },
    });
  });

  test.each([
    ["s3+https://A:S@s3.eu-west-1.example.com/b", "https://s3.eu-west-1.example.com/b", "eu-west-1", ""],
    ["s3+http://A:S@127.0.0.1:9000/b/pre/fix/", "http://127.0.0.1:9000/b", "us-east-1", "pre/fix"],
    ["s3+https://A:S@storage.googleapis.com//b//p", "https://storage.googleapis.com/b", "us-east-1", "p"],
    ["s3+http://A:S@minio/b", "http://minio/b", "us-east-1", ""],
  ])("%s", (text, host, region, keyPrefix) => {
    const signer = { type: "s3", region, accessKey: "A", secretKey: "S" } as const;
    expect(parseObjectStoreUrl(text)).toEqual({
      type: "store",
      config: { host, bucket: "b", keyPrefix, signer },
    });
  });

  test.each([
    ["foo://bar", "unrecognized OS scheme: foo"],
    ["s3://eu-west-1/bucket", "password is required with s3:// OS"],
    ["s3://KEY@eu-west-1/bucket", "password is required with s3:// OS"],
    ["s3://KEY:SECRET@eu-west-1", "S3 bucket not found in URL path"],
    ["s3://KEY:SECRET@eu-west-1//", "S3 bucket not found in URL path"],
    [
      "ipfs://k:s@pinata.cloud",
      "object store scheme `ipfs` is not supported: use s3, s3+http, s3+https or gs",
    ],
    ["/var/media", "the object store is not a URL"],
    ["s3://KEY:%zz@eu-west-1/bucket", "the object store URL holds a broken percent sign"],
    ["gs://bucket", "the key of the Google service account cannot be read"],
    ["gs://bucket?keyfile=/nowhere/key.json", "the key of the Google service account cannot be read"],
  ])("%s is refused without showing a secret", (url, text) => {
    expect(parseObjectStoreUrl(url)).toEqual({ type: "invalid", text });
  });
});

describe("Google forms of -objectStore", () => {
  const { privateKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
  const account = JSON.stringify({
    client_email: "me@project.example",
    private_key: privateKey.export({ type: "pkcs8", format: "pem" }),
  });

  function expectGoogle(url: string): void {
    const parsed = parseObjectStoreUrl(url);
    if (parsed.type !== "store") throw new Error(parsed.text);
    const { host, bucket, keyPrefix, signer } = parsed.config;
    expect([host, bucket, keyPrefix]).toEqual(["https://clips.storage.googleapis.com", "clips", ""]);
    expect(signer.type === "gcs" && signer.clientEmail).toBe("me@project.example");
  }

  test("the key comes from a file or stands in the URL", () => {
    const dir = mkdtempSync(join(tmpdir(), "reprise-gs-"));
    try {
      writeFileSync(join(dir, "key.json"), account);
      expectGoogle(`gs://clips?keyfile=${join(dir, "key.json")}`);
      expectGoogle(`gs://${encodeURIComponent(account)}@clips`);
    } finally {
      rmSync(dir, { recursive: true, force: true });
    }
  });

  test("a key that is no service account is refused without quoting it", () => {
    const elliptic = generateKeyPairSync("ec", { namedCurve: "P-256" });
    const pem = elliptic.privateKey.export({ type: "pkcs8", format: "pem" });
    const accounts = ["{", "null", "{}", '{"client_email":"a","private_key":"b"}'];
    accounts.push(JSON.stringify({ client_email: "a", private_key: pem }));
    for (const text of accounts) {
      expect(parseObjectStoreUrl(`gs://${encodeURIComponent(text)}@clips`)).toEqual({
        type: "invalid",
        text: "the key of the Google service account cannot be read",
      });
    }
  });
});
