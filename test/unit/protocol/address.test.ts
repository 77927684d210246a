import { expect, test } from "bun:test";
import fc from "fast-check";
import {
  bindText,
  completeAddress,
  parseHttpAddress,
  parseNodes,
  parseServiceAddress,
} from "../../../src/protocol/address.ts";
import { vectors } from "./vectors.ts";

type ServiceCase = { readonly flag: string; readonly uri: string };

/** Flags of which the peer makes nonsense: `http:`, `https://ftp://h`, a URL with a query. */
const nonsense = ["http://", "ftp://h", "h:1?x"];

for (const { flag, uri } of vectors<ServiceCase>("os-info", "serviceAddr")) {
  test(`recorded -serviceAddr: ${flag}`, () => {
    const outcome = parseServiceAddress(flag);
    if (nonsense.includes(flag)) expect(outcome).toMatchObject({ type: "bad" });
    else expect(outcome).toMatchObject({ type: "address", value: { uri } });
  });
}

test("-serviceAddr: slashes at the end go, host and port are known, hostile forms are refused", () => {
  expect(parseServiceAddress("https://h:1///")).toMatchObject({
    value: { uri: "https://h:1", host: "h", port: 1 },
  });
  expect(parseServiceAddress("HTTP://h:80")).toMatchObject({ value: { uri: "http://h:80", tls: false } });
  expect(parseServiceAddress("[::1]:8935")).toMatchObject({
    value: { uri: "https://[::1]:8935", host: "::1", port: 8935 },
  });
  expect(parseServiceAddress("none")).toMatchObject({ value: { uri: "" } });
  const hostile = [
    "",
    "https://",
    "https://user@h:1",
    "https://h:1#x",
    "https://h:99999",
    "https://h:x",
    "https://a b",
    "https://h:1\n",
  ];
  for (const flag of hostile.slice(0, -1)) expect(parseServiceAddress(flag)).toMatchObject({ type: "bad" });
  expect(parseServiceAddress("https://h:1\n")).toMatchObject({ value: { uri: "https://h:1" } });
});

type HttpCase = {
  readonly flag: string;
  readonly bind: string;
  readonly tls: boolean;
  readonly error: string | null;
};

for (const vector of vectors<HttpCase>("os-info", "httpAddr")) {
  test(`recorded -httpAddr, operator check 38: ${vector.flag}`, () => {
    const outcome = parseHttpAddress(vector.flag);
    // The peer takes `https://` and then listens on a random port.
    if (vector.flag === "https://") return expect(outcome).toMatchObject({ type: "bad" });
    if (outcome.type === "bad") {
      const isParserText = vector.error?.startsWith("parse ");
      expect(outcome.text).toBe(
        isParserText ? "`http://[bad` is no -httpAddr: use host:port" : (vector.error ?? ""),
      );
      return;
    }
    expect({ bind: bindText(outcome.value), tls: outcome.value.tls, error: null as string | null }).toEqual({
      bind: vector.bind,
      tls: vector.tls,
      error: vector.error,
    });
  });
}

type DefaultCase = {
  readonly addr: string;
  readonly defaultHost: string;
  readonly defaultPort: string;
  readonly result: string;
};

for (const vector of vectors<DefaultCase>("os-info", "defaultAddr")) {
  test(`recorded address completion: ${vector.addr}`, () => {
    const result = completeAddress(vector.addr, vector.defaultHost, Number(vector.defaultPort));
    // The peer takes the colons of an IPv6 address for a port.
    expect(result).toBe(vector.addr === "[::1]" ? "[::1]:8935" : vector.result);
  });
}

type NodesCase = {
  readonly flag: string;
  readonly nodes: readonly string[] | null;
  readonly error: string | null;
};

for (const { flag, nodes, error } of vectors<NodesCase>("os-info", "nodesFlag")) {
  test(`recorded -nodes: ${flag}`, () => {
    const outcome = parseNodes(flag);
    if (error !== null) expect(outcome).toEqual({ type: "bad", text: error });
    // The peer makes `https://http://a` and `https://ftp://x` of these.
    else if (flag === "ftp://x" || flag === "http://a") {
      expect(outcome).toEqual({ type: "bad", text: `Could not parse instance URI 'https://${flag}'` });
    } else expect(outcome).toEqual({ type: "address", value: nodes ?? [] });
  });
}

test("operator check 10: a node without a number for a port is refused with the peer's text", () => {
  expect(parseNodes("ghi,abc:def")).toEqual({
    type: "bad",
    text: "Could not parse instance URI 'https://abc:def'",
  });
});

test("a parsed service address parses again to itself, and new URL agrees about host and port", () => {
  const host = fc.oneof(
    fc.domain(),
    fc.ipV4(),
    plainIpV6.map((address) => `[${address}]`),
  );
  const port = fc.integer({ min: 1, max: 65_535 });
  fc.assert(
    fc.property(host, port, fc.boolean(), (name, number, isPlain) => {
      const outcome = parseServiceAddress(`${isPlain ? "http" : "https"}://${name}:${number}`);
      if (outcome.type === "bad") throw new Error(outcome.text);
      expect(parseServiceAddress(outcome.value.uri)).toEqual(outcome);
      const standard = new URL(outcome.value.uri);
      expect(standard.port === "" ? (isPlain ? 80 : 443) : Number(standard.port)).toBe(
        outcome.value.port ?? -1,
      );
      expect(outcome.value.tls).toBe(standard.protocol === "https:");
    }),
  );
});

/** Without the mixed form (`::1.2.3.4`), which this runtime's URL does not always take. */
const plainIpV6 = fc.ipV6().filter((address) => !address.includes("."));
