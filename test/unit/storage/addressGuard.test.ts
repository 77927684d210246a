import { expect, test } from "bun:test";
import { AddressRangeError, createAddressGuard } from "../../../src/storage/addressGuard.ts";

test("a literal address is judged without asking the resolver", async () => {
  const guard = createAddressGuard({
    resolveHost: async () => {
      throw new Error("asked");
    },
  });
  expect(await guard.check(new URL("http://8.8.8.8/"), false)).toEqual({
    type: "permitted",
    addresses: ["8.8.8.8"],
  });
  expect(await guard.check(new URL("http://[2606:4700::1111]/"), false)).toEqual({
    type: "permitted",
    addresses: ["2606:4700::1111"],
  });
  expect((await guard.check(new URL("http://[::ffff:8.8.8.8]/"), false)).type).toBe("refused");
});

test("of many addresses at most four permitted ones are kept, in their order", async () => {
  const addresses = ["10.0.0.1", "8.0.0.1", "8.0.0.2", "::1", "8.0.0.3", "8.0.0.4", "8.0.0.5"];
  const guard = createAddressGuard({ resolveHost: async () => addresses });
  expect(await guard.check(new URL("http://many.example/"), false)).toEqual({
    type: "permitted",
    addresses: ["8.0.0.1", "8.0.0.2", "8.0.0.3", "8.0.0.4"],
  });
});

test("trust opens private networks and unusual ports, but no name without an address", async () => {
  const guard = createAddressGuard({ resolveHost: async (host) => (host === "inner" ? ["10.0.0.1"] : []) });
  expect((await guard.check(new URL("http://inner:6379/"), true)).type).toBe("permitted");
  expect((await guard.check(new URL("http://inner/"), false)).type).toBe("refused");
  expect((await guard.check(new URL("http://gone/"), true)).type).toBe("refused");
});

test("a resolver that gives nonsense opens nothing", async () => {
  const guard = createAddressGuard({
    resolveHost: async () => ["", "localhost", "fe80::1%eth0", "8.8.8.8/32"],
  });
  expect((await guard.check(new URL("http://odd.example/"), false)).type).toBe("refused");
});

test("an allowed network that cannot be read stops the start", () => {
  expect(() => createAddressGuard({ allowNetworks: ["10.0.0.0/40"] })).toThrow(AddressRangeError);
});
