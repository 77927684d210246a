// Goal: whoever talks to go-livepeer's operator port off-chain gets the same bytes here, or something better that is
// written down. Method: send every recorded request as raw bytes to a real port and compare the whole answer.
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import vectors from "../../vectors/operator-http.json";
import { rawRequest } from "./rawRequest.ts";
import { openTestPort, type TestPort } from "./testNode.ts";

type Body = string | { readonly text: string; readonly then: string; readonly times: number };
type Case = {
  readonly id: string;
  readonly node: string;
  readonly request: {
    readonly method: string;
    readonly target: string;
    readonly headers: Readonly<Record<string, string>>;
    readonly body?: Body;
  };
  readonly response: {
    readonly status: number | null;
    readonly headers?: Readonly<Record<string, string>>;
    readonly body?: string;
    readonly bodyNote?: string;
  };
};
const cases = vectors.cases as readonly Case[];

/** What we answer instead, and why. */
const differences: Readonly<Record<string, { readonly status: number; readonly body: string }>> = {
  // go-livepeer panics and cuts the connection.
  "offchain.bare.currentBlock": { status: 500, body: "missing ETH client\n" },
  "passing.noform.multipart": { status: 500, body: "missing ETH client\n" },
  "offchain.setMaxSessions.auto.2": { status: 400, body: "Max Sessions 'auto' needs remote transcoders\n" },
  "offchain.setMaxFaceValue.5": { status: 500, body: "missing ETH client\n" },
  // No face value without payments: the parameter is not looked at yet.
  "offchain.setMaxFaceValue.x": { status: 500, body: "missing ETH client\n" },
  // A setting of gateways.
  "offchain.bare.setBroadcastConfig": {
    status: 400,
    body: "Node must be gateway node to set broadcast config\n",
  },
  // Readiness on this port too.
  "offchain.bare.healthz": { status: 200, body: "" },
  "path.18": { status: 200, body: "" },
  // JSON and multipart bodies count.
  "passing.JSON": { status: 200, body: "Max sessions set to 6\n" },
  "passing.JSON number": { status: 200, body: "Max sessions set to 6\n" },
  "passing.multipart": { status: 200, body: "Max sessions set to 6\n" },
  "passing.multipart with query": { status: 200, body: "Max sessions set to 6\n" },
  // Web pages must not reach this port.
  "security.host-origin": { status: 403, body: "refused: foreign Host\n" },
  "security.preflight": { status: 403, body: "refused: foreign Origin\n" },
};

/** Methods that the HTTP parser of the runtime refuses before we see them. */
const isUnknownMethod = (method: string) => method === "FOO" || method === "get";

function bodyOf(body: Body | undefined): string | undefined {
  return typeof body === "object" ? body.text + body.then.repeat(body.times) : body;
}

let plain: TestPort;
let monitored: TestPort;
beforeAll(async () => {
  plain = await openTestPort();
  monitored = await openTestPort({ isMonitored: true });
});
afterAll(() => Promise.all([plain.port.close(), monitored.port.close()]));

describe("recorded requests to an off-chain orchestrator", () => {
  test("there are enough, and every difference is used", () => {
    expect(cases.length).toBeGreaterThan(150);
    const ids = new Set(cases.map((one) => one.id));
    expect(Object.keys(differences).filter((id) => !ids.has(id))).toEqual([]);
  });

  for (const one of cases) {
    const difference = differences[one.id];
    const { method, target, headers } = one.request;
    test(`operator checks 11-17: ${one.id}${difference === undefined ? "" : " (on purpose unlike go-livepeer)"}`, async () => {
      const { port } = one.node === "offchain" ? plain : monitored;
      const body = bodyOf(one.request.body);
      // Log levels in the sweep were read before any was set.
      if (one.id === "offchain.bare.getLogLevel") plain.state.verbosity = 4;
      const answer = await rawRequest(port.address.port, {
        method,
        target,
        headers,
        ...(body === undefined ? {} : { body }),
      });
      const text = Buffer.from(answer.body).toString("utf8");
      if (isUnknownMethod(method)) {
        expect(answer.status).toBe(400);
        return;
      }
      if (difference !== undefined) {
        expect({ status: answer.status, body: text }).toEqual(difference);
        return;
      }
      expect<number | null>(answer.status).toBe(one.response.status);
      if (one.response.body !== undefined) expect(text).toBe(one.response.body);
      for (const name of ["Content-Type", "X-Content-Type-Options", "Location", "Content-Encoding"]) {
        expect(`${name}: ${answer.headers.get(name.toLowerCase())}`).toBe(
          `${name}: ${one.response.headers?.[name]}`,
        );
      }
      const allowed = new Set([
        "content-type",
        "content-length",
        "x-content-type-options",
        "location",
        "content-encoding",
        "date",
        "connection",
      ]);
      expect([...answer.headers.keys()].filter((name) => !allowed.has(name))).toEqual([]);
      if (method !== "HEAD") expect(answer.headers.get("content-length")).toBe(String(answer.body.length));
      else expect(answer.body.length).toBe(0);
    });
  }
});
