import { isIPv4, isIPv6 } from "node:net";

/** A range of addresses: the first `bits` bits of `bytes` (4 bytes for IPv4, 16 for IPv6). */
export type IpNetwork = { readonly bytes: Uint8Array; readonly bits: number };

/**
 * Bytes of a textual address: 4 for IPv4, 16 for IPv6. Null for anything else, also for an address with a
 * zone (`fe80::1%eth0`), which names an interface of this machine.
 */
export function parseIpAddress(text: string): Uint8Array | null {
  if (isIPv4(text)) return Uint8Array.from(text.split("."), Number);
  if (!isIPv6(text) || text.includes("%")) return null;
  // The URL parser writes every form (`::ffff:1.2.3.4`, upper case, leading zeros) as plain hexadecimal
  // groups.
  const canonical = new URL(`http://[${text}]/`).hostname.slice(1, -1);
  const [head = "", tail] = canonical.split("::");
  const before = groups(head);
  const after = tail === undefined ? [] : groups(tail);
  const zeros = new Array<number>(8 - before.length - after.length).fill(0);
  return Uint8Array.from([...before, ...zeros, ...after].flatMap((group) => [group >> 8, group & 0xff]));
}

/** Reads `10.0.0.0/8`, `fd00::/8` or a single address. Null when the text is neither. */
export function parseIpNetwork(text: string): IpNetwork | null {
  const [address = "", bitsText, ...rest] = text.split("/");
  const bytes = parseIpAddress(address);
  if (bytes === null || rest.length > 0) return null;
  if (bitsText === undefined) return { bytes, bits: bytes.length * 8 };
  if (!/^\d{1,3}$/.test(bitsText)) return null;
  const bits = Number(bitsText);
  return bits <= bytes.length * 8 ? { bytes, bits } : null;
}

/** Whether `address` lies in `network`. Addresses of the other family never do. */
export function inNetwork(address: Uint8Array, network: IpNetwork): boolean {
  if (address.length !== network.bytes.length) return false;
  const whole = network.bits >> 3;
  for (let index = 0; index < whole; index += 1) {
    if (address[index] !== network.bytes[index]) return false;
  }
  const rest = network.bits & 7;
  if (rest === 0) return true;
  const mask = (0xff << (8 - rest)) & 0xff;
  return ((address[whole] ?? 0) & mask) === ((network.bytes[whole] ?? 0) & mask);
}

/**
 * Whether an address is reachable on the public internet, so that talking to it on behalf of a stranger shows
 * the stranger nothing he could not reach himself.
 */
export function isPublicAddress(address: Uint8Array): boolean {
  if (address.length === 4) return !specialV4.some((network) => inNetwork(address, network));
  // NAT64 carries an IPv4 address in its last 4 bytes; it is what a resolver gives on an IPv6-only host.
  if (inNetwork(address, nat64)) return isPublicAddress(address.subarray(12));
  return inNetwork(address, globalUnicastV6) && !specialV6.some((network) => inNetwork(address, network));
}

function groups(text: string): number[] {
  return text === "" ? [] : text.split(":").map((group) => Number.parseInt(group, 16));
}

function network(text: string): IpNetwork {
  const parsed = parseIpNetwork(text);
  if (parsed === null) throw new Error(`\`${text}\` is not an address range.`);
  return parsed;
}

/**
 * Not global by the IANA IPv4 special-purpose registry (RFC 6890), plus multicast, 6to4 relay and reserved.
 */
const specialV4 = [
  "0.0.0.0/8",
  "10.0.0.0/8",
  "100.64.0.0/10",
  "127.0.0.0/8",
  "169.254.0.0/16",
  "172.16.0.0/12",
  "192.0.0.0/24",
  "192.0.2.0/24",
  "192.88.99.0/24",
  "192.168.0.0/16",
  "198.18.0.0/15",
  "198.51.100.0/24",
  "203.0.113.0/24",
  "224.0.0.0/4",
  "240.0.0.0/4",
].map(network);

/** Everything else (loopback, mapped IPv4, unique local, link-local, multicast, discard) is never public. */
const globalUnicastV6 = network("2000::/3");
const nat64 = network("64:ff9b::/96");
/** IETF protocols with Teredo, documentation twice, 6to4 (which hides an IPv4 address). */
const specialV6 = ["2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20"].map(network);
