import { isIPv4, isIPv6 } from "node:net";

/** The 4 or 16 bytes of an IP address; null when `text` is none. A zone (`%eth0`) is dropped. */
export function ipBytes(text: string): Uint8Array | null {
  if (isIPv4(text)) return Uint8Array.from(text.split("."), Number);
  if (!isIPv6(text)) return null;
  const plain = (text.split("%")[0] ?? "").replace(/\d+\.\d+\.\d+\.\d+$/, (tail) => {
    const [a = 0, b = 0, c = 0, d = 0] = tail.split(".").map(Number);
    return `${(a * 256 + b).toString(16)}:${(c * 256 + d).toString(16)}`;
  });
  const [head = "", tail = ""] = plain.split("::");
  const first = head === "" ? [] : head.split(":");
  const last = tail === "" ? [] : tail.split(":");
  const zeros: string[] = Array(8 - first.length - last.length).fill("0");
  const groups = [...first, ...zeros, ...last].map((group) => Number.parseInt(group, 16));
  return Uint8Array.from(groups.flatMap((group) => [group >> 8, group & 0xff]));
}

/**
 * IPv4 addresses come mapped into IPv6 from a socket that listens on both: `::ffff:192.0.2.1` is `192.0.2.1`.
 */
export function plainAddress(address: string): string {
  return address.startsWith("::ffff:") && address.includes(".") ? address.slice(7) : address;
}

/** What counts as one peer: an IPv4 address, or an IPv6 /64, which one customer usually owns whole. */
export function networkOf(address: string): string {
  const bytes = ipBytes(address);
  if (bytes === null || bytes.length === 4) return address;
  return `${Buffer.from(bytes.subarray(0, 8)).toString("hex")}/64`;
}
