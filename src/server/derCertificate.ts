import { createHash, generateKeyPairSync, sign } from "node:crypto";
import { ipBytes } from "./ipAddress.ts";
import type { TlsCredentials } from "./sockets.ts";

export type CertificateContent = {
  /** Goes into the subject alternative name: as DNS name, and as IP address too when it is one. */
  readonly host: string;
  /** Unix milliseconds, as is `notAfterMs`. */
  readonly notBeforeMs: number;
  readonly notAfterMs: number;
  /** 16 random bytes. */
  readonly serial: Uint8Array;
};

/**
 * Makes a self-signed P-256 certificate and its key.
 *
 * Such a certificate is one fixed structure (RFC 5280, 4.1), so the few DER rules it needs are written out
 * here instead of taking in an ASN.1 library with a dozen dependencies for them.
 */
export function makeCertificate(content: CertificateContent): TlsCredentials {
  const { privateKey, publicKey } = generateKeyPairSync("ec", { namedCurve: "prime256v1" });
  const publicKeyInfo = publicKey.export({ type: "spki", format: "der" });
  const signed = sequence(
    explicit(0, integer(Uint8Array.of(2))),
    integer(content.serial),
    ecdsaWithSha256,
    emptyName,
    sequence(time(content.notBeforeMs), time(content.notAfterMs)),
    emptyName,
    publicKeyInfo,
    explicit(3, sequence(...extensions(content.host, publicKeyInfo))),
  );
  const signature = sign("sha256", signed, privateKey);
  const certificate = sequence(signed, ecdsaWithSha256, bitString(0, signature));
  return {
    cert: toPem("CERTIFICATE", certificate),
    key: privateKey.export({ type: "sec1", format: "pem" }).toString(),
  };
}

function extensions(host: string, publicKeyInfo: Uint8Array): Uint8Array[] {
  // Bit 0 is digitalSignature, bit 5 keyCertSign, counted from the left; the last two bits are unused.
  const keyUsage = bitString(2, Uint8Array.of(0b1000_0100));
  const keyId = createHash("sha256").update(publicKeyInfo).digest().subarray(0, 20);
  return [
    extension("2.5.29.15", true, keyUsage),
    extension("2.5.29.37", false, sequence(objectId("1.3.6.1.5.5.7.3.1"))),
    extension("2.5.29.19", true, sequence(tlv(0x01, Uint8Array.of(0xff)))),
    extension("2.5.29.14", false, tlv(0x04, keyId)),
    // Critical, because the subject is empty (RFC 5280, 4.2.1.6).
    extension("2.5.29.17", true, sequence(...alternativeNames(host))),
  ];
}

function alternativeNames(host: string): Uint8Array[] {
  const address = ipBytes(host);
  const dnsName = tlv(0x82, Buffer.from(host, "latin1"));
  return address === null ? [dnsName] : [dnsName, tlv(0x87, address)];
}

function extension(id: string, isCritical: boolean, value: Uint8Array): Uint8Array {
  const critical = isCritical ? [tlv(0x01, Uint8Array.of(0xff))] : [];
  return sequence(objectId(id), ...critical, tlv(0x04, value));
}

/** Tag, length and value. */
function tlv(tag: number, value: Uint8Array): Uint8Array {
  const length = value.byteLength;
  const head =
    length < 128
      ? [tag, length]
      : length < 256
        ? [tag, 0x81, length]
        : [tag, 0x82, length >> 8, length & 0xff];
  return Buffer.concat([Uint8Array.from(head), value]);
}

function sequence(...items: readonly Uint8Array[]): Uint8Array {
  return tlv(0x30, Buffer.concat(items));
}

function explicit(number: number, item: Uint8Array): Uint8Array {
  return tlv(0xa0 | number, item);
}

/** A positive integer in the fewest bytes. */
function integer(bytes: Uint8Array): Uint8Array {
  let start = 0;
  while (start < bytes.length - 1 && bytes[start] === 0) start += 1;
  const short = bytes.subarray(start);
  const isNegative = ((short[0] ?? 0) & 0x80) !== 0;
  return tlv(0x02, isNegative ? Buffer.concat([Uint8Array.of(0), short]) : short);
}

function bitString(unusedBits: number, bytes: Uint8Array): Uint8Array {
  return tlv(0x03, Buffer.concat([Uint8Array.of(unusedBits), bytes]));
}

function objectId(text: string): Uint8Array {
  const [first = 0, second = 0, ...rest] = text.split(".").map(Number);
  const bytes = [first * 40 + second];
  for (const arc of rest) {
    const groups = [arc & 0x7f];
    for (let left = arc >> 7; left > 0; left >>= 7) groups.unshift((left & 0x7f) | 0x80);
    bytes.push(...groups);
  }
  return tlv(0x06, Uint8Array.from(bytes));
}

/** Seconds, in the two-digit form until 2049 (RFC 5280, 4.1.2.5). */
function time(unixMs: number): Uint8Array {
  const digits = `${new Date(unixMs).toISOString().replace(/\D/g, "").slice(0, 14)}Z`;
  const isShort = Number(digits.slice(0, 4)) < 2050;
  return isShort ? tlv(0x17, Buffer.from(digits.slice(2))) : tlv(0x18, Buffer.from(digits));
}

function toPem(label: string, der: Uint8Array): string {
  const lines =
    Buffer.from(der)
      .toString("base64")
      .match(/.{1,64}/g) ?? [];
  return `-----BEGIN ${label}-----\n${lines.join("\n")}\n-----END ${label}-----\n`;
}

const ecdsaWithSha256 = sequence(objectId("1.2.840.10045.4.3.2"));
const emptyName = sequence();
