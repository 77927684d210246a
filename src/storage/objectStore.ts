import type { ObjectStore, OwnObjectStore } from "../runtime/ports.ts";
import type { AddressGuard } from "./addressGuard.ts";
import { createForeignSaver } from "./foreignBucket.ts";
import { type UploadOutcome, uploadByForm } from "./formUpload.ts";
import { joinKey, objectName } from "./objectName.ts";
import type { OwnStoreConfig } from "./ownStore.ts";
import { createPostPolicy } from "./postPolicy.ts";

export type ObjectStoreOptions = {
  readonly guard: AddressGuard;
  /** Our own store, from `parseObjectStoreUrl`; null keeps renditions in memory. */
  readonly own: OwnStoreConfig | null;
  readonly nowMs: () => number;
  /** Told the store's own words when our own store refuses an object: they may not go to a gateway. */
  readonly onOwnFailure?: (text: string) => void;
  /** Whether certificates are verified on uploads. Default true. */
  readonly verifyTls?: boolean;
  /** Limit for one object. Default 10,000. */
  readonly timeoutMs?: number;
};

/** Saves renditions in gateways' buckets and, when there is one, in our own. */
export function createObjectStore(options: ObjectStoreOptions): ObjectStore {
  return {
    saveForeign: createForeignSaver(options),
    own: options.own === null ? null : createOwnObjectStore(options.own, options),
  };
}

function createOwnObjectStore(config: OwnStoreConfig, options: ObjectStoreOptions): OwnObjectStore {
  const base = new URL(`${config.host}/`);
  const owns = (text: string): boolean => {
    const url = URL.parse(text);
    // Compared after parsing: as text, `https://bucket.example.com.evil.net` would start with our host too.
    return url !== null && url.origin === base.origin && `${url.pathname}/`.startsWith(base.pathname);
  };
  const grantFor = (key: string, nowMs: number): ReturnType<OwnObjectStore["grant"]> =>
    createPostPolicy({ signer: config.signer, host: config.host, bucket: config.bucket, key, nowMs });

  return {
    grant: (sessionId, nowMs) => grantFor(joinKey(config.keyPrefix, objectName(sessionId)), nowMs),

    async save(path, bytes, contentType) {
      const name = objectName(path);
      const key = joinKey(config.keyPrefix, name);
      if (!name.includes("/") || path.endsWith("/")) {
        return { type: "failed", text: "storage refused: the path names no file in a folder" };
      }
      const outcome = await uploadByForm({
        guard: options.guard,
        bucket: grantFor(key.slice(0, key.lastIndexOf("/")), options.nowMs()),
        name: path.slice(path.lastIndexOf("/") + 1),
        bytes,
        contentType,
        timeoutMs: options.timeoutMs ?? 10_000,
        verifyTls: options.verifyTls ?? true,
        trusts: owns,
      });
      if (outcome.type === "saved") return outcome;
      options.onOwnFailure?.(failureText(outcome));
      return { type: "failed", text: "the orchestrator's object store refused the upload" };
    },

    owns,
  };
}

function failureText(outcome: Exclude<UploadOutcome, { readonly type: "saved" }>): string {
  return outcome.type === "failed" ? outcome.reason : `status ${outcome.status}: ${outcome.answer}`;
}
