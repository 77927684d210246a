import { createPrivateKey, randomBytes, X509Certificate } from "node:crypto";
import { chmod, mkdir, open, readFile, rename } from "node:fs/promises";
import { join } from "node:path";
import type { TlsCredentials } from "./sockets.ts";

/** How long a new certificate is valid: 8,765 hours, a year. Source: go-livepeer server/cert.go. */
const validityMs = 8765 * 3_600_000;
/**
 * A kept certificate is replaced when less than this is left, so that it does not end while the node runs.
 */
const renewBeforeMs = 30 * 24 * 3_600_000;
/** Clocks of peers may be behind ours. */
const backdateMs = 3_600_000;

/**
 * The self-signed certificate of the public port: the one kept in `cert.pem` and `key.pem` of `dataDir` while
 * it is valid for `host` (a name or an IP address), else a new one. The folder is made when missing.
 *
 * It differs from go-livepeer's in two points that no peer looks at: it survives restarts, and an IP address
 * is named as one (and as a DNS name too, which is where go-livepeer puts it).
 *
 * Source: video sheet section 2, "Certificate"; go-livepeer server/cert.go.
 *
 * @param nowMs Unix milliseconds.
 */
export async function ensureCertificate(
  dataDir: string,
  host: string,
  nowMs: number = Date.now(),
): Promise<TlsCredentials> {
  const kept = await readKept(dataDir, host, nowMs);
  if (kept !== null) return kept;
  // Loaded here because a start with a kept certificate does without it.
  const { makeCertificate } = await import("./derCertificate.ts");
  const made = makeCertificate({
    host,
    notBeforeMs: nowMs - backdateMs,
    notAfterMs: nowMs + validityMs,
    serial: randomBytes(16),
  });
  await mkdir(dataDir, { recursive: true, mode: 0o700 });
  // The key first: a certificate without its key is noticed at the next start, and both are made anew.
  await writePrivately(join(dataDir, "key.pem"), made.key);
  await writePrivately(join(dataDir, "cert.pem"), made.cert);
  return made;
}

async function readKept(dataDir: string, host: string, nowMs: number): Promise<TlsCredentials | null> {
  try {
    const cert = await readFile(join(dataDir, "cert.pem"), "utf8");
    const key = await readFile(join(dataDir, "key.pem"), "utf8");
    return isUsable(cert, key, host, nowMs) ? { cert, key } : null;
  } catch {
    // Missing, unreadable or not PEM: all mean that a new one is needed.
    return null;
  }
}

function isUsable(cert: string, key: string, host: string, nowMs: number): boolean {
  const certificate = new X509Certificate(cert);
  if (!certificate.checkPrivateKey(createPrivateKey(key))) return false;
  const names = (certificate.subjectAltName ?? "").split(", ");
  if (!names.includes(`DNS:${host}`)) return false;
  const validFromMs = Date.parse(certificate.validFrom);
  const validToMs = Date.parse(certificate.validTo);
  return validFromMs <= nowMs && validToMs - renewBeforeMs > nowMs;
}

/** Replaces a file in one step, readable by the owner only. */
async function writePrivately(path: string, text: string): Promise<void> {
  const draft = `${path}.new`;
  const file = await open(draft, "w", 0o600);
  try {
    await file.writeFile(text);
    await file.sync();
  } finally {
    await file.close();
  }
  // The mode above only counts for a file that was not there.
  await chmod(draft, 0o600);
  await rename(draft, path);
}
