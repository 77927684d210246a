import { afterEach, describe, expect, test } from "bun:test";
import { connect } from "node:net";
import { gunzipSync } from "node:zlib";
import { OperatorPortError, openOperatorPort } from "../../../src/operator/operatorPort.ts";
import type { OperatorNode } from "../../../src/operator/ports.ts";
import { createMetricsRegistry, expositionContentType } from "../../../src/telemetry/metrics.ts";
import { rawRequest } from "./rawRequest.ts";
import { openTestPort, type TestPort } from "./testNode.ts";

const opened: TestPort[] = [];
afterEach(async () => {
  await Promise.all(opened.splice(0).map(({ port }) => port.close()));
});

async function open(options: Parameters<typeof openTestPort>[0] = {}) {
  const port = await openTestPort(options);
  opened.push(port);
  const get = (target: string, headers: Readonly<Record<string, string>> = {}) =>
    rawRequest(port.port.address.port, { method: "GET", target, headers });
  const textOf = async (target: string, headers: Readonly<Record<string, string>> = {}) => {
    const answer = await get(target, headers);
    return `${answer.status} ${Buffer.from(answer.body).toString()}`;
  };
  return { ...port, get, textOf };
}

test("operator check 12: /status of a fresh solo node, and of one with a remote transcoder", async () => {
  const solo = await open();
  expect(await solo.textOf("/status")).toBe(
    '200 {"Manifests":{},"InternalManifests":{},"StreamInfo":{},"OrchestratorPool":[],"OrchestratorPoolInfos":null,' +
      '"Version":"undefined","GolangRuntimeVersion":"{goVersion}","GOArch":"amd64","GOOS":"linux",' +
      '"RegisteredTranscodersNumber":0,"RegisteredTranscoders":[],"LocalTranscoding":true,"BroadcasterPrices":{}}',
  );
  const remote = await open({ transcoders: [{ address: "TestAddress", capacity: 5 }] });
  expect(await remote.textOf("/status")).toContain(
    '"RegisteredTranscodersNumber":1,"RegisteredTranscoders":[{"Address":"TestAddress","Capacity":5}],"LocalTranscoding":false',
  );
});

test("operator check 16: /setMaxSessions reaches the node and is noticed; a refused value changes nothing", async () => {
  const { textOf, state, notices } = await open();
  expect(await textOf("/setMaxSessions?maxSessions=7")).toBe("200 Max sessions set to 7\n");
  expect(await textOf("/setMaxSessions?maxSessions=0")).toStartWith("400 ");
  expect(await textOf("/setMaxSessions?maxSessions=auto")).toStartWith("400 ");
  expect(state.maxSessions).toBe(7);
  expect(notices).toEqual([{ type: "changed", setting: "maxSessions", value: 7 }]);
});

test("operator check 17: the log level is set and read, and bounded", async () => {
  const { textOf, state } = await open();
  expect(await textOf("/setLogLevel?loglevel=6")).toBe("200 ");
  expect(await textOf("/getLogLevel")).toBe("200 6");
  expect(await textOf("/setLogLevel?loglevel=abc")).toBe("400 parameter 'logLevel' not defined\n");
  await textOf("/setLogLevel?loglevel=99999999999");
  expect(state.verbosity).toBe(2 ** 31 - 1);
});

test("/healthz tells what is wrong", async () => {
  const { textOf, state } = await open();
  expect(await textOf("/healthz")).toBe("200 ");
  state.unhealthy = "the event log cannot be written";
  expect(await textOf("/healthz")).toBe("503 the event log cannot be written\n");
});

test("operator check 24: /metrics exists only with -monitor, and is packed when asked", async () => {
  expect(await (await open()).textOf("/metrics")).toBe("404 404 page not found\n");
  const registry = createMetricsRegistry({ baseLabels: { node_id: "n" } });
  registry.gauge({ name: "g", help: "h" }).set(1);
  const { get, textOf } = await open({ isMonitored: true, exposition: () => registry.expose() });
  expect(await textOf("/metrics")).toBe('200 # HELP g h\n# TYPE g gauge\ng{node_id="n"} 1\n');
  const packed = await get("/metrics", { "Accept-Encoding": "deflate, gzip;q=1.0" });
  expect(packed.headers.get("content-encoding")).toBe("gzip");
  expect(packed.headers.get("content-type")).toBe(expositionContentType);
  expect(gunzipSync(packed.body).toString()).toBe(registry.expose());
  expect(
    (await get("/metrics", { "Accept-Encoding": "gzip;q=0" })).headers.get("content-encoding"),
  ).toBeUndefined();
});

describe("web pages are kept out", () => {
  const local = { Host: "127.0.0.1:7935" };
  const set = "/setMaxSessions?maxSessions=1";
  const refused: readonly (readonly [string, Readonly<Record<string, string>>])[] = [
    ["a foreign Origin", { ...local, Origin: "https://evil.example" }],
    ["an opaque Origin", { ...local, Origin: "null" }],
    ["another port on this machine", { ...local, Origin: "http://127.0.0.1:3000" }],
    ["an image on a foreign page (no Origin)", { ...local, "Sec-Fetch-Site": "cross-site" }],
    ["a page of another port or subdomain", { ...local, "Sec-Fetch-Site": "same-site" }],
    ["an old browser's Referer", { ...local, Referer: "http://evil.example/page" }],
    ["a rebound name", { Host: "evil.example:7935" }],
    ["a rebound name that agrees with its Origin", { Host: "evil.example", Origin: "http://evil.example" }],
    ["a malformed Host", { Host: "127.0.0.1:7935/x" }],
  ];
  for (const [what, headers] of refused) {
    test(`refused: ${what}`, async () => {
      const { textOf, state, notices } = await open();
      expect(await textOf(set, headers)).toStartWith("403 refused: ");
      expect(state.maxSessions).toBe(10);
      expect(notices.length).toBe(1);
    });
  }
  const allowed: readonly Readonly<Record<string, string>>[] = [
    { Host: "localhost:7935" },
    { Host: "[::1]:7935" },
    { Host: "10.0.0.5:7935" },
    { Host: "orchestrator:7935" },
    { ...local, Origin: "http://127.0.0.1:7935", "Sec-Fetch-Site": "same-origin" },
    { ...local, "Sec-Fetch-Site": "none" },
  ];
  for (const headers of allowed) {
    test(`allowed: ${JSON.stringify(headers)}`, async () => {
      const { textOf, state } = await open();
      expect(await textOf(set, headers)).toStartWith("200 ");
      expect(state.maxSessions).toBe(1);
    });
  }
  test("monitoring may use any name of the machine, a web page still not", async () => {
    const { textOf } = await open({ isMonitored: true });
    expect(await textOf("/metrics", { Host: "orch.lan.example:7935" })).toStartWith("200 ");
    expect(await textOf("/healthz", { Host: "orch.lan.example:7935" })).toStartWith("200 ");
    expect(
      await textOf("/metrics", { Host: "orch.lan.example:7935", Origin: "http://evil.example" }),
    ).toStartWith("403 ");
  });
});

test("a bug in the node is a 500 without its text, and is noticed", async () => {
  const { textOf, notices } = await open({
    isMonitored: true,
    exposition: () => {
      throw new Error("secret detail");
    },
  });
  expect(await textOf("/metrics")).toBe("500 internal error\n");
  expect(notices).toMatchObject([{ type: "bug", path: "/metrics" }]);
});

test("a malformed escape in the path is refused, several requests share a connection", async () => {
  const { textOf, port } = await open();
  expect(await textOf("/%zz")).toStartWith("400 ");
  const { promise, resolve } = Promise.withResolvers<string>();
  let text = "";
  const socket = connect(port.address.port, "127.0.0.1", () => {
    const request = (path: string, body: string) =>
      `POST ${path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: ${body.length}\r\n\r\n${body}`;
    // The first route does not read its body; the second request must still be understood.
    socket.write(request("/EthChainID", "x".repeat(5_000)) + request("/IsOrchestrator", ""));
  });
  socket.on("data", (chunk) => {
    text += chunk;
    if (text.endsWith("true")) resolve(text);
  });
  expect((await promise).match(/HTTP\/1\.1 200 OK/g)?.length).toBe(2);
  socket.destroy();
});

test("operator check 36: a port in use is a clear error with go-livepeer's words", async () => {
  const { port } = await open();
  const second = openOperatorPort({ bind: port.address, node: {} as OperatorNode });
  const error = await second.then(
    () => null,
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(OperatorPortError);
  expect(String(error)).toContain(`listen tcp 127.0.0.1:${port.address.port}: bind: address already in use`);
  expect(String(error)).toContain("-cliAddr");
});
