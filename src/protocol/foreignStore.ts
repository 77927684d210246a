import { type OSInfo, OSInfo_StorageType } from "./gen/lp_rpc_pb.ts";
import { type Refusal, refuse } from "./refusal.ts";

/** A gateway's own object store, with the grant that lets us write there. */
export type ForeignStore = {
  readonly kind: "s3" | "google";
  /** URL that takes the form, as the gateway wrote it but for slashes at the end. Not checked yet. */
  readonly host: string;
  /** Prefix under which we may write; may be empty. */
  readonly key: string;
  readonly policy: string;
  readonly signature: string;
  readonly credential: string;
  readonly xAmzDate: string;
};

/** One upload as a browser would post it: fields first, the file last under the name `file`. */
export type ForeignStoreForm = {
  readonly url: string;
  readonly fields: readonly (readonly [name: string, value: string])[];
  readonly fileName: string;
  /** Where the object can be fetched afterwards. */
  readonly objectUrl: string;
};

/** Longest text that we take in one field of a grant. A policy has about 500 characters. */
const FIELD_LENGTH_MAX = 8192;

/**
 * Reads the store of a request: S3 and Google grants, null for every other kind (renditions stay with us).
 *
 * A grant without its details, which crashes the peer after it has answered 200, is refused, and so is one with
 * control characters or absurdly long texts. Source: video sheet 7 and 16.24.
 */
export function foreignStore(info: OSInfo | undefined): ForeignStore | null | Refusal {
  const kind = info === undefined ? undefined : kinds.get(info.storageType);
  if (info === undefined || kind === undefined) return null;
  const grant = info.s3info;
  if (grant === undefined) return refuse(403, "storage without its details");
  const { host, key, policy, signature, credential, xAmzDate } = grant;
  const texts = [host, key, policy, signature, credential, xAmzDate];
  const isClean = texts.every((text) => text.length <= FIELD_LENGTH_MAX && !hasControl(text));
  if (!isClean) return refuse(403, "invalid storage");
  const url = host.replace(/\/+$/, "");
  return { kind, host: url, key: key.replace(/^\/+|\/+$/g, ""), policy, signature, credential, xAmzDate };
}

/**
 * The form that uploads one object.
 *
 * @param object - path below the granted prefix, such as `P240p30fps16x9/7.ts`; made by `renditionObject`
 * @param mediaType - of the object
 * @returns null when the host is not a plain http(s) URL. Whether it may be reached at all (private networks!) is
 *   for the uploader to decide, after resolving it.
 */
export function foreignStoreForm(
  store: ForeignStore,
  object: string,
  mediaType: string,
): ForeignStoreForm | null {
  if (!/^https?:\/\/[^/?#@\s\\]+(?:\/[^?#\s\\]*)?$/.test(store.host)) return null;
  const path = store.key === "" ? object : `${store.key}/${object}`;
  const fileStart = path.lastIndexOf("/") + 1;
  const fields: [string, string][] = [
    ["acl", "public-read"],
    ["Content-Type", mediaType],
    // The store puts the file's name here itself.
    ["key", `${path.slice(0, fileStart)}\${filename}`],
    ["policy", store.policy],
  ];
  if (store.kind === "s3") {
    fields.push(
      ["x-amz-algorithm", "AWS4-HMAC-SHA256"],
      ["x-amz-credential", store.credential],
      ["x-amz-date", store.xAmzDate],
      ["x-amz-signature", store.signature],
    );
  } else {
    fields.push(["GoogleAccessId", store.credential], ["signature", store.signature]);
  }
  return { url: store.host, fields, fileName: path.slice(fileStart), objectUrl: `${store.host}/${path}` };
}

const kinds = new Map<number, ForeignStore["kind"]>([
  [OSInfo_StorageType.S3, "s3"],
  [OSInfo_StorageType.GOOGLE, "google"],
]);

/** Control characters would break out of a form field. */
function hasControl(text: string): boolean {
  for (let index = 0; index < text.length; index++) {
    const code = text.charCodeAt(index);
    if (code < 32 || code === 127) return true;
  }
  return false;
}
