import type { ForeignBucket } from "../runtime/ports.ts";
import type { AddressGuard } from "./addressGuard.ts";
import { uploadByForm } from "./formUpload.ts";

export type SaveOutcome =
  { readonly type: "saved"; readonly url: string } | { readonly type: "failed"; readonly text: string };

export type ForeignSaverOptions = {
  readonly guard: AddressGuard;
  /** Whether certificates of foreign stores are verified. Default true, as in go-livepeer. */
  readonly verifyTls?: boolean;
  /** Limit for one object, connect to answer. Default 10,000. */
  readonly timeoutMs?: number;
};

/** Saves one object in a gateway's bucket. */
export type SaveForeign = (
  bucket: ForeignBucket,
  name: string,
  bytes: Uint8Array,
  contentType: string,
) => Promise<SaveOutcome>;

/**
 * Uploads renditions into the bucket that a gateway granted with its segment (`SegData.storage[0]`). The
 * host is a peer's word: it must be public, and the store's answer reaches only the gateway that named it.
 */
export function createForeignSaver(options: ForeignSaverOptions): SaveForeign {
  return async (bucket, name, bytes, contentType) => {
    const defect = grantDefect(bucket);
    if (defect !== null) return { type: "failed", text: `storage grant refused: ${defect}` };
    const outcome = await uploadByForm({
      guard: options.guard,
      bucket,
      name,
      bytes,
      contentType,
      timeoutMs: options.timeoutMs ?? 10_000,
      verifyTls: options.verifyTls ?? true,
      trusts: () => false,
    });
    switch (outcome.type) {
      case "saved":
        return outcome;
      case "failed":
        return { type: "failed", text: `upload to storage failed: ${outcome.reason}` };
      case "rejected": {
        const text = outcome.answer === "" ? `storage answered ${outcome.status}` : outcome.answer;
        return { type: "failed", text };
      }
    }
  };
}

/** Far above what any store hands out; a grant is kept with its session, so it must stay small. */
const lengthMax = {
  host: 2_048,
  key: 1_024,
  policy: 16_384,
  signature: 4_096,
  credential: 1_024,
  xAmzDate: 64,
};

/** What is wrong with a grant, or null. Control characters could break out of a form field or a log line. */
function grantDefect(bucket: ForeignBucket): string | null {
  for (const [field, limit] of Object.entries(lengthMax)) {
    const value = bucket[field as keyof typeof lengthMax];
    if (value.length > limit) return `${field} is longer than ${limit} characters`;
    if (/\p{Cc}/u.test(value)) return `${field} holds control characters`;
  }
  // The store would put the file's name in its place, here too.
  if (bucket.key.includes("${")) return "key holds a placeholder";
  if (bucket.key.split("/").some((part) => part === "." || part === "..")) return "key holds dot segments";
  const host = URL.parse(bucket.host);
  if (host === null) return "host is not a URL";
  if (/[?#]/.test(bucket.host)) return "host holds a query or fragment";
  return null;
}
