import { createPrivateKey, type KeyObject } from "node:crypto";
import { readFileSync, statSync } from "node:fs";
import { parseIpAddress } from "./ipAddress.ts";
import { joinKey } from "./objectName.ts";
import type { BucketSigner } from "./postPolicy.ts";

/** Our own object store, as `-objectStore` describes it. Holds secrets: never log it. */
export type OwnStoreConfig = {
  /** Base URL of the bucket without a slash at the end, as gateways and viewers reach it. */
  readonly host: string;
  readonly bucket: string;
  /** Prefix of every key, without slashes at its ends; may be empty. */
  readonly keyPrefix: string;
  readonly signer: BucketSigner;
};

export type OwnStoreParse =
  | { readonly type: "store"; readonly config: OwnStoreConfig }
  | { readonly type: "invalid"; readonly text: string };

/**
 * Reads the value of `-objectStore`. User name and password are percent-decoded, so write a `/` in a secret
 * as `%2F`.
 *
 * | Form | Store |
 * |---|---|
 * | `s3://KEY:SECRET@REGION/BUCKET[/PREFIX]` | AWS S3 |
 * | `s3+https://KEY:SECRET@HOST[:PORT]/BUCKET[/PREFIX]` | any S3-compatible store (`s3+http` without TLS) |
 * | `gs://BUCKET[/PREFIX]?keyfile=PATH` | Google Cloud Storage; the file is a service account's key (JSON) |
 * | `gs://KEYJSON@BUCKET` | the same with the file's text, percent-encoded |
 *
 * Source: go-tools drivers/drivers.go ParseOSURL, PrepareOSURL. The error texts follow it and never hold the
 * URL, because the URL holds the secret.
 */
export function parseObjectStoreUrl(text: string): OwnStoreParse {
  const url = URL.parse(text);
  if (url === null) return invalid("the object store is not a URL");
  const scheme = url.protocol.slice(0, -1);
  try {
    switch (scheme) {
      case "s3":
      case "s3+http":
      case "s3+https":
        return s3Store(scheme, url);
      case "gs":
        return googleStore(url);
      case "file":
      case "ipfs":
      case "w3s":
        return invalid(`object store scheme \`${scheme}\` is not supported: use s3, s3+http, s3+https or gs`);
      default:
        return invalid(`unrecognized OS scheme: ${scheme}`);
    }
  } catch (error) {
    if (error instanceof URIError) return invalid("the object store URL holds a broken percent sign");
    throw error;
  }
}

function s3Store(scheme: "s3" | "s3+http" | "s3+https", url: URL): OwnStoreParse {
  if (url.password === "") return invalid("password is required with s3:// OS");
  const [bucket, ...rest] = decodedPath(url);
  if (bucket === undefined) return invalid("S3 bucket not found in URL path");
  if (url.host === "") return invalid("the object store URL names no host or region");
  const isAws = scheme === "s3";
  const signer: BucketSigner = {
    type: "s3",
    region: isAws ? url.hostname : regionOf(url.hostname),
    accessKey: decodeURIComponent(url.username),
    secretKey: decodeURIComponent(url.password),
  };
  const host = isAws ? `https://${bucket}.s3.amazonaws.com` : `${scheme.slice(3)}://${url.host}/${bucket}`;
  return { type: "store", config: { host, bucket, keyPrefix: joinKey(...rest), signer } };
}

function googleStore(url: URL): OwnStoreParse {
  const bucket = url.hostname;
  if (bucket === "") return invalid("the object store URL names no bucket");
  const keyFile = url.searchParams.get("keyfile");
  const keyText = keyFile === null ? decodeURIComponent(url.username) : readKeyFile(keyFile);
  const key = keyText === null ? null : serviceAccount(keyText);
  if (key === null) return invalid("the key of the Google service account cannot be read");
  const host = `https://${bucket}.storage.googleapis.com`;
  const signer: BucketSigner = { type: "gcs", ...key };
  return { type: "store", config: { host, bucket, keyPrefix: joinKey(...decodedPath(url)), signer } };
}

function decodedPath(url: URL): string[] {
  return url.pathname
    .split("/")
    .filter((part) => part !== "")
    .map(decodeURIComponent);
}

/** The region of an S3-compatible host, read as its clients do: `s3.eu-west-1.example.com` → `eu-west-1`. */
function regionOf(hostname: string): string {
  const labels = hostname.split(".");
  if (labels.length < 4 || parseIpAddress(hostname) !== null) return "us-east-1";
  return labels[1] ?? "us-east-1";
}

function readKeyFile(path: string): string | null {
  try {
    return statSync(path).size > keyFileBytesMax ? null : readFileSync(path, "utf8");
  } catch {
    return null;
  }
}

const keyFileBytesMax = 65_536;

function serviceAccount(
  text: string,
): { readonly clientEmail: string; readonly privateKey: KeyObject } | null {
  try {
    const parsed: unknown = JSON.parse(text);
    if (typeof parsed !== "object" || parsed === null) return null;
    if (!("client_email" in parsed) || typeof parsed.client_email !== "string") return null;
    if (!("private_key" in parsed) || typeof parsed.private_key !== "string") return null;
    const privateKey = createPrivateKey(parsed.private_key);
    if (privateKey.asymmetricKeyType !== "rsa") return null;
    return { clientEmail: parsed.client_email, privateKey };
  } catch {
    // JSON and PEM parsers quote what they read: their text may not travel on.
    return null;
  }
}

function invalid(text: string): OwnStoreParse {
  return { type: "invalid", text };
}
