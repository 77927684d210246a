import type { ForeignBucket } from "../runtime/ports.ts";
import type { AddressGuard } from "./addressGuard.ts";
import { guardedRequest } from "./guardedRequest.ts";
import { joinKey, objectName, urlPath } from "./objectName.ts";

/**
 * What became of an upload. `answer` is what the store said, cleaned and cut; it may name the store's
 * internals.
 */
export type UploadOutcome =
  | { readonly type: "saved"; readonly url: string }
  | { readonly type: "rejected"; readonly status: number; readonly answer: string }
  | { readonly type: "failed"; readonly reason: string };

export type FormUpload = {
  readonly guard: AddressGuard;
  readonly bucket: ForeignBucket;
  /** Path below the bucket's key; made safe here. */
  readonly name: string;
  readonly bytes: Uint8Array;
  readonly contentType: string;
  readonly timeoutMs: number;
  readonly verifyTls: boolean;
  readonly trusts: (url: string) => boolean;
};

/**
 * Uploads one object by an HTML form post (S3 POST policy, or the same form with Google's field names). Any
 * body in the answer is an error, as is any status but 2xx.
 *
 * Source: video sheet 7; go-tools drivers/s3.go, gs.go.
 */
export async function uploadByForm(upload: FormUpload): Promise<UploadOutcome> {
  const { bucket } = upload;
  const key = joinedKey(bucket.key, upload.name);
  const slash = key.lastIndexOf("/") + 1;
  const fields: [name: string, value: string][] = [
    ["key", `${key.slice(0, slash)}\${filename}`],
    ["acl", "public-read"],
    ["Content-Type", upload.contentType],
    ["policy", bucket.policy],
    ...grantFields(bucket),
  ];
  const boundary = `reprise-${crypto.randomUUID()}`;
  const answer = await guardedRequest(upload.guard, {
    url: bucket.host,
    method: "POST",
    headers: { "Content-Type": `multipart/form-data; boundary=${boundary}` },
    body: formParts(boundary, fields, key.slice(slash), upload.bytes),
    timeoutMs: upload.timeoutMs,
    redirectsMax: 3,
    verifyTls: upload.verifyTls,
    trusts: upload.trusts,
    bytesMax: answerBytesMax,
    admits: () => true,
    wantsBody: () => true,
  });
  if (answer.type === "refused") return { type: "failed", reason: answer.reason };
  if (answer.body.length > 0 || answer.status < 200 || answer.status > 299) {
    return { type: "rejected", status: answer.status, answer: cleanText(answer.body) };
  }
  return { type: "saved", url: `${bucket.host.replace(/\/+$/, "")}/${urlPath(key)}` };
}

/** The granted key stays as it is: the owner's policy compares it letter by letter. */
function joinedKey(prefix: string, name: string): string {
  const safe = objectName(name);
  return prefix === "" ? safe : `${prefix.replace(/\/+$/, "")}/${joinKey(safe)}`;
}

function grantFields(bucket: ForeignBucket): [name: string, value: string][] {
  if (bucket.type === "gcs") {
    return [
      ["GoogleAccessId", bucket.credential],
      ["signature", bucket.signature],
    ];
  }
  return [
    ["x-amz-algorithm", "AWS4-HMAC-SHA256"],
    ["x-amz-credential", bucket.credential],
    ["x-amz-date", bucket.xAmzDate],
    ["x-amz-signature", bucket.signature],
  ];
}

/** The file comes last: S3 ignores every field after it. */
function formParts(
  boundary: string,
  fields: readonly (readonly [name: string, value: string])[],
  fileName: string,
  bytes: Uint8Array,
): Uint8Array[] {
  const head = fields
    .map(
      ([name, value]) =>
        `--${boundary}\r\nContent-Disposition: form-data; name="${name}"\r\n\r\n${value}\r\n`,
    )
    .join("");
  const file =
    `--${boundary}\r\nContent-Disposition: form-data; name="file"; filename="${fileName}"\r\n` +
    "Content-Type: application/octet-stream\r\n\r\n";
  const encoder = new TextEncoder();
  return [encoder.encode(head + file), bytes, encoder.encode(`\r\n--${boundary}--\r\n`)];
}

const answerBytesMax = 65_536;
const answerCharactersMax = 1_024;

function cleanText(body: Uint8Array): string {
  const text = new TextDecoder().decode(body.subarray(0, answerCharactersMax * 4));
  return text
    .replace(/\p{Cc}+/gu, " ")
    .trim()
    .slice(0, answerCharactersMax);
}
