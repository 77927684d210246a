import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

/*
 * A JSON-RPC endpoint with bad days: it hands requests on to a real one, until a test tells it to be slow, dead,
 * rude or a liar.
 */

/** How the endpoint behaves from now on. */
export type RpcFault =
  | { readonly type: "none" }
  /** Answers only after so long. */
  | { readonly type: "slow"; readonly delayMs: number }
  /** Takes requests and never answers. */
  | { readonly type: "silent" }
  /** Cuts every connection as soon as a request came. */
  | { readonly type: "cut" }
  /** Answers everything with these words. */
  | {
      readonly type: "answer";
      readonly status: number;
      readonly body: string;
      readonly headers?: Readonly<Record<string, string>>;
    }
  /** Changes true answers: called for each call of a request; what it returns replaces `result`. */
  | { readonly type: "liar"; readonly lie: (call: SeenCall, result: unknown) => unknown };

export type SeenCall = { readonly id: unknown; readonly method: string; readonly params: readonly unknown[] };

export type RpcProxy = AsyncDisposable & {
  readonly url: string;
  fault: RpcFault;
  /** Every HTTP request so far, as the calls it held. */
  readonly requests: readonly (readonly SeenCall[])[];
  /** The `Authorization` header of the last request. */
  readonly authorization: string | null;
  /** Resolves when a request that came after this call was answered, cut or swallowed. */
  nextRequest(): Promise<void>;
};

/** Opens an endpoint on a free loopback port in front of the one at `target`. */
export async function openRpcProxy(target: string): Promise<RpcProxy> {
  const requests: SeenCall[][] = [];
  const waiting: (() => void)[] = [];
  let authorization: string | null = null;
  const server = createServer((request, response) => {
    authorization = request.headers.authorization ?? null;
    void serve(proxy, target, requests, request, response)
      // The node behind us is gone: so are we.
      .catch(() => request.socket.destroy())
      .finally(() => {
        for (const resolve of waiting.splice(0)) resolve();
      });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  const proxy: RpcProxy = {
    url: `http://127.0.0.1:${port}`,
    fault: { type: "none" },
    requests,
    get authorization() {
      return authorization;
    },
    nextRequest: () => new Promise<void>((resolve) => waiting.push(resolve)),
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
  return proxy;
}

async function serve(
  proxy: RpcProxy,
  target: string,
  requests: SeenCall[][],
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk);
  const body = Buffer.concat(chunks).toString("utf8");
  const parsed = JSON.parse(body);
  const calls: SeenCall[] = Array.isArray(parsed) ? parsed : [parsed];
  requests.push(calls);
  const fault = proxy.fault;
  if (fault.type === "silent") return;
  if (fault.type === "cut") {
    request.socket.destroy();
    return;
  }
  if (fault.type === "answer") {
    response.writeHead(fault.status, { "content-type": "text/html", ...fault.headers });
    response.end(fault.body);
    return;
  }
  if (fault.type === "slow") await Bun.sleep(fault.delayMs);
  const answered = await fetch(target, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body,
  });
  let text = await answered.text();
  if (fault.type === "liar") text = lied(text, calls, fault.lie);
  response.writeHead(answered.status, { "content-type": "application/json" });
  response.end(text);
}

type Answer = { readonly id: unknown; result?: unknown };

function lied(text: string, calls: readonly SeenCall[], lie: (call: SeenCall, result: unknown) => unknown) {
  const parsed: Answer | Answer[] = JSON.parse(text);
  for (const answer of Array.isArray(parsed) ? parsed : [parsed]) {
    const call = calls.find((candidate) => candidate.id === answer.id);
    if (call !== undefined) answer.result = lie(call, answer.result);
  }
  return JSON.stringify(parsed);
}
