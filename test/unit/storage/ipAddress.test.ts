import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import {
  inNetwork,
  isPublicAddress,
  parseIpAddress,
  parseIpNetwork,
} from "../../../src/storage/ipAddress.ts";

function isPublic(text: string): boolean {
  const bytes = parseIpAddress(text);
  if (bytes === null) throw new Error(`${text} is no address`);
  return isPublicAddress(bytes);
}

describe("isPublicAddress", () => {
  // Each range with its first and last address, and the neighbours outside where those are public.
  const inside = [
    ...["0.0.0.0", "0.255.255.255", "10.0.0.0", "10.255.255.255", "100.64.0.0", "100.127.255.255"],
    ...["127.0.0.1", "127.255.255.255", "169.254.0.1", "169.254.169.254", "172.16.0.0", "172.31.255.255"],
    ...[
      "192.0.0.8",
      "192.0.2.1",
      "192.88.99.1",
      "192.168.0.0",
      "192.168.255.255",
      "198.18.0.0",
      "198.19.255.255",
    ],
    ...["198.51.100.7", "203.0.113.7", "224.0.0.1", "239.255.255.255", "240.0.0.1", "255.255.255.255"],
    ...["::", "::1", "::7f00:1", "::ffff:127.0.0.1", "::ffff:8.8.8.8", "64:ff9b::10.0.0.1", "64:ff9b:1::1"],
    ...[
      "100::1",
      "2001::1",
      "2001:0:4136:e378:8000:63bf:3fff:fdd2",
      "2001:db8::1",
      "2002:7f00:1::",
      "3fff::1",
    ],
    ...["4000::1", "5f00::1", "fc00::1", "fdff:ffff::1", "fe80::1", "fec0::1", "ff02::1", "ffff::1"],
  ];
  const outside = [
    ...[
      "1.1.1.1",
      "8.8.8.8",
      "9.255.255.255",
      "11.0.0.0",
      "100.63.255.255",
      "100.128.0.0",
      "126.255.255.255",
    ],
    ...[
      "128.0.0.0",
      "169.253.255.255",
      "169.255.0.0",
      "172.15.255.255",
      "172.32.0.0",
      "192.0.1.0",
      "192.167.255.255",
    ],
    ...["192.169.0.0", "198.17.255.255", "198.20.0.0", "223.255.255.255"],
    ...[
      "2000::1",
      "2001:200::1",
      "2001:4860:4860::8888",
      "2606:4700::1111",
      "2a00:1450::1",
      "64:ff9b::8.8.8.8",
    ],
  ];
  test.each(inside)("%s is not public", (text) => expect(isPublic(text)).toBe(false));
  test.each(outside)("%s is public", (text) => expect(isPublic(text)).toBe(true));

  test("an IPv4 address is never reachable in the clothes of a mapped IPv6 one", () => {
    fc.assert(
      fc.property(fc.ipV4(), (address) => {
        expect(isPublic(`::ffff:${address}`)).toBe(false);
        expect(isPublic(`64:ff9b::${address}`)).toBe(isPublic(address));
      }),
    );
  });
});

describe("parseIpAddress", () => {
  test("reads every spelling of an address into the same bytes", () => {
    const wanted = Uint8Array.from([0x20, 1, 0xd, 0xb8, ...new Array<number>(11).fill(0), 1]);
    for (const text of ["2001:db8::1", "2001:0DB8:0:0::1", "2001:db8:0:0:0:0:0.0.0.1"]) {
      expect(parseIpAddress(text)).toEqual(wanted);
    }
    expect(parseIpAddress("1.2.3.4")).toEqual(Uint8Array.from([1, 2, 3, 4]));
  });

  test.each([
    "",
    "1.2.3",
    "1.2.3.4.5",
    "256.1.1.1",
    "0x7f.0.0.1",
    "localhost",
    "fe80::1%eth0",
    ":::",
    "1::2::3",
    "[::1]",
  ])("%p is no address", (text) => expect(parseIpAddress(text)).toBeNull());
});

describe("networks", () => {
  test("a network holds its first and last address and no neighbour", () => {
    const network = parseIpNetwork("10.8.0.0/13");
    if (network === null) throw new Error("no network");
    const holds = (text: string): boolean => inNetwork(parseIpAddress(text) ?? new Uint8Array(), network);
    expect(["10.8.0.0", "10.15.255.255"].map(holds)).toEqual([true, true]);
    expect(["10.7.255.255", "10.16.0.0", "::ffff:10.8.0.0"].map(holds)).toEqual([false, false, false]);
  });

  test.each(["", "10.0.0.0/33", "fd00::/129", "10.0.0.0/-1", "10.0.0.0/8/8", "10.0.0.0/a", "x/8"])(
    "%p is no network",
    (text) => expect(parseIpNetwork(text)).toBeNull(),
  );
});
