import { expect, test } from "bun:test";
import { ipBytes, networkOf, plainAddress } from "../../../src/server/ipAddress.ts";

test("addresses become bytes", () => {
  const hex = (text: string) => {
    const bytes = ipBytes(text);
    return bytes === null ? null : Buffer.from(bytes).toString("hex");
  };
  expect(hex("192.0.2.255")).toBe("c00002ff");
  expect(hex("::")).toBe("00".repeat(16));
  expect(hex("::1")).toBe(`${"00".repeat(15)}01`);
  expect(hex("2001:db8::8a2e:370:7334")).toBe("20010db80000000000008a2e03707334");
  expect(hex("::ffff:192.0.2.1")).toBe(`${"00".repeat(10)}ffffc0000201`);
  expect(hex("fe80::1%eth0")).toBe(`fe80${"00".repeat(13)}01`);
  for (const text of ["", "localhost", "1.2.3", "1.2.3.256", "::1::", "12345::"])
    expect(hex(text)).toBeNull();
});

test("an IPv4 peer is itself, an IPv6 peer is its /64", () => {
  expect(networkOf(plainAddress("::ffff:192.0.2.1"))).toBe("192.0.2.1");
  expect(networkOf("2001:db8:1:2:3:4:5:6")).toBe(networkOf("2001:db8:1:2::9"));
  expect(networkOf("2001:db8:1:3::9")).not.toBe(networkOf("2001:db8:1:2::9"));
});
