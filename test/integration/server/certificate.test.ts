import { afterEach, beforeEach, expect, test } from "bun:test";
import { X509Certificate } from "node:crypto";
import { chmod, mkdtemp, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ensureCertificate } from "../../../src/server/certificate.ts";

/*
 * Goal: the certificate has the form of the protocol, is kept while it serves, and its key is private.
 * Method: real files; another implementation (the runtime's X.509 parser) reads what was written.
 */

const nowMs = Date.UTC(2026, 10, 21, 12, 0, 0);
const hourMs = 3_600_000;
let dataDir: string;
beforeEach(async () => {
  dataDir = join(await mkdtemp(join(tmpdir(), "reprise-certificate-")), "new-folder");
});
afterEach(async () => {
  await rm(join(dataDir, ".."), { recursive: true, force: true });
});

test("a new certificate is P-256, self-signed, for the host, for 8,765 hours", async () => {
  const { cert, key } = await ensureCertificate(dataDir, "node.example.com", nowMs);
  const read = new X509Certificate(cert);
  expect(read.verify(read.publicKey)).toBe(true);
  expect(read.publicKey.asymmetricKeyDetails?.namedCurve).toBe("prime256v1");
  expect([read.subject ?? "", read.issuer ?? ""]).toEqual(["", ""]);
  expect(read.ca).toBe(true);
  expect(read.subjectAltName).toBe("DNS:node.example.com");
  expect(read.checkHost("node.example.com")).toBe("node.example.com");
  expect(Date.parse(read.validFrom)).toBe(nowMs - hourMs);
  expect(Date.parse(read.validTo)).toBe(nowMs + 8765 * hourMs);
  expect(read.keyUsage).toEqual(["1.3.6.1.5.5.7.3.1"]);
  expect(Buffer.from(read.serialNumber, "hex").length).toBe(16);
  expect(key).toStartWith("-----BEGIN EC PRIVATE KEY-----\n");
  expect(cert).toStartWith("-----BEGIN CERTIFICATE-----\n");
});

test("an IP address is named as one, and as a DNS name as go-livepeer does", async () => {
  for (const [host, names] of [
    ["192.0.2.7", "DNS:192.0.2.7, IP Address:192.0.2.7"],
    ["2001:db8::7", "DNS:2001:db8::7, IP Address:2001:DB8:0:0:0:0:0:7"],
  ] as const) {
    const read = new X509Certificate((await ensureCertificate(dataDir, host, nowMs)).cert);
    expect(read.subjectAltName).toBe(names);
    expect(read.checkIP(host)).toBe(host);
  }
});

test("both files are readable by the owner only, also over files that were not", async () => {
  await ensureCertificate(dataDir, "a.example.com", nowMs);
  await chmod(join(dataDir, "key.pem"), 0o644);
  await ensureCertificate(dataDir, "b.example.com", nowMs);
  for (const name of ["key.pem", "cert.pem"]) {
    expect((await stat(join(dataDir, name))).mode & 0o777).toBe(0o600);
  }
});

test("a kept certificate is used again until it nears its end or the host changes", async () => {
  const first = await ensureCertificate(dataDir, "node.example.com", nowMs);
  expect(await ensureCertificate(dataDir, "node.example.com", nowMs + 300 * 24 * hourMs)).toEqual(first);
  expect(await ensureCertificate(dataDir, "node.example.com", nowMs + 340 * 24 * hourMs)).not.toEqual(first);
  const other = await ensureCertificate(dataDir, "other.example.com", nowMs);
  expect(new X509Certificate(other.cert).checkHost("other.example.com")).toBe("other.example.com");
  // A clock that was set back finds a certificate of the future.
  expect(await ensureCertificate(dataDir, "other.example.com", nowMs - 24 * hourMs)).not.toEqual(other);
});

test("damaged files and a key that does not match are replaced", async () => {
  for (const damage of [
    (name: string) => writeFile(join(dataDir, name), "no PEM"),
    (name: string) => writeFile(join(dataDir, name), ""),
    (name: string) => rm(join(dataDir, name)),
  ]) {
    for (const name of ["key.pem", "cert.pem"]) {
      await ensureCertificate(dataDir, "node.example.com", nowMs);
      await damage(name);
      const made = await ensureCertificate(dataDir, "node.example.com", nowMs);
      expect(await readFile(join(dataDir, "cert.pem"), "utf8")).toBe(made.cert);
      expect(await readFile(join(dataDir, "key.pem"), "utf8")).toBe(made.key);
    }
  }
  const { cert } = await ensureCertificate(dataDir, "node.example.com", nowMs);
  await ensureCertificate(dataDir, "other.example.com", nowMs);
  await writeFile(join(dataDir, "cert.pem"), cert);
  const made = await ensureCertificate(dataDir, "node.example.com", nowMs);
  expect(made.cert).not.toBe(cert);
});
