import { expect, test } from "bun:test";
import {
  completeAddress,
  parseHttpAddress,
  parseServiceUri,
  printHostPort,
} from "../../../src/config/addresses.ts";
import { vectors } from "../protocol/vectors.ts";

/*
 * Goal: addresses as go-livepeer reads them, by its own recorded answers. Where the peer makes nonsense of an
 * input (an unknown scheme taken for a host, a path on a service address), we refuse it instead.
 */

type ServiceCase = { readonly flag: string; readonly uri: string };

const nonsense = ["http://", "ftp://h", "h:1?x", "https://h:1/path"];

for (const { flag, uri } of vectors<ServiceCase>("os-info", "serviceAddr")) {
  // `none` is not an address: the rule above this function knows it.
  if (flag === "none") continue;
  test(`recorded -serviceAddr: ${flag}`, () => {
    const parsed = parseServiceUri(flag);
    if (nonsense.includes(flag)) expect(parsed.type).toBe("bad");
    else expect(parsed.type === "ok" ? parsed.value.text : parsed.reason).toBe(uri.replace(/\/+$/, ""));
  });
}

type HttpCase = {
  readonly flag: string;
  readonly bind: string;
  readonly tls: boolean;
  readonly error: string | null;
};

for (const { flag, bind, tls, error } of vectors<HttpCase>("os-info", "httpAddr")) {
  test(`recorded -httpAddr, operator check 38: ${flag}`, () => {
    const parsed = parseHttpAddress(flag);
    if (parsed.type === "bad") {
      expect(error).toContain(parsed.reason);
      return;
    }
    const address = completeAddress(parsed.value.addressText, { host: "", port: 8935 });
    if (error !== null || bind === "" || bind === ":") {
      // The peer meets the mistake only when it binds, or takes a random port.
      expect(address.type === "bad" || parsed.value.addressText === "").toBe(true);
      return;
    }
    expect(address.type === "ok" ? printHostPort(address.value) : address.reason).toBe(bind);
    expect(parsed.value.tls ?? true).toBe(tls);
  });
}

type DefaultCase = {
  readonly addr: string;
  readonly defaultHost: string;
  readonly defaultPort: string;
  readonly result: string;
};

for (const { addr, defaultHost, defaultPort, result } of vectors<DefaultCase>("os-info", "defaultAddr")) {
  test(`recorded address completion: ${addr}`, () => {
    const parsed = completeAddress(addr, { host: defaultHost, port: Number(defaultPort) });
    // The peer takes the colons of an IPv6 address for a port.
    const wanted = addr === "[::1]" ? "[::1]:8935" : result;
    expect(parsed.type === "ok" ? printHostPort(parsed.value) : parsed.reason).toBe(wanted);
  });
}
