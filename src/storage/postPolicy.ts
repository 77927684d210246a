import { createHmac, type KeyObject, sign } from "node:crypto";
import type { ForeignBucket } from "../runtime/ports.ts";
import type { UnixMs } from "../shared/brand.ts";

/** Who may sign for a bucket. */
export type BucketSigner =
  | { readonly type: "s3"; readonly region: string; readonly accessKey: string; readonly secretKey: string }
  | { readonly type: "gcs"; readonly clientEmail: string; readonly privateKey: KeyObject };

export type PostPolicyRequest = {
  readonly signer: BucketSigner;
  /** Base URL of the store, without a slash at the end. */
  readonly host: string;
  readonly bucket: string;
  /** Only keys below this one may be written. */
  readonly key: string;
  readonly nowMs: UnixMs;
};

/** How long a grant lasts. Source: video sheet 7. */
export const grantLifeMs = 86_400_000;

/** Largest object that a grant lets in: the limit of a segment. Source: video sheet 4.2 step 16. */
export const grantBytesMax = 300_000_000;

/**
 * A signed permission to write objects below one key for 24 hours, in the fields of `net.S3OSInfo`. It allows
 * nothing outside the bucket, the key and the public-read ACL, and no object larger than a segment.
 *
 * Source: AWS "Browser-based uploads using POST (Signature Version 4)"; Cloud Storage "policy documents"
 * (RSA-SHA256 over the policy).
 */
export function createPostPolicy(request: PostPolicyRequest): ForeignBucket {
  const { signer, host, bucket, key, nowMs } = request;
  const day = new Date(nowMs).toISOString().slice(0, 10).replaceAll("-", "");
  const xAmzDate = signer.type === "s3" ? `${day}T000000Z` : "";
  const credential =
    signer.type === "s3" ? `${signer.accessKey}/${day}/${signer.region}/s3/aws4_request` : signer.clientEmail;
  const conditions: unknown[] = [
    { bucket },
    { acl: "public-read" },
    ["starts-with", "$Content-Type", ""],
    // The slash keeps a session out of another one whose id starts alike.
    ["starts-with", "$key", `${key}/`],
    ["content-length-range", 0, grantBytesMax],
  ];
  if (signer.type === "s3") {
    conditions.push({ "x-amz-algorithm": "AWS4-HMAC-SHA256" });
    conditions.push({ "x-amz-credential": credential }, { "x-amz-date": xAmzDate });
  }
  const expiration = new Date(nowMs + grantLifeMs).toISOString();
  const policy = Buffer.from(JSON.stringify({ expiration, conditions })).toString("base64");
  const signature =
    signer.type === "s3"
      ? signatureV4(policy, { secretKey: signer.secretKey, day, region: signer.region })
      : sign("sha256", Buffer.from(policy), signer.privateKey).toString("base64");
  return { type: signer.type, host, key, policy, signature, credential, xAmzDate };
}

/**
 * AWS Signature Version 4 of a text for the service `s3`, as lower-case hexadecimal.
 *
 * @param scope - `day` is `YYYYMMDD` in UTC
 */
export function signatureV4(
  text: string,
  scope: { readonly secretKey: string; readonly day: string; readonly region: string },
): string {
  const dateKey = hmac(`AWS4${scope.secretKey}`, scope.day);
  const serviceKey = hmac(hmac(dateKey, scope.region), "s3");
  return hmac(hmac(serviceKey, "aws4_request"), text).toString("hex");
}

function hmac(key: string | Buffer, text: string): Buffer {
  return createHmac("sha256", key).update(text).digest();
}
