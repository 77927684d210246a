import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { callRpc } from "./anvil.ts";
import {
  type Answer,
  asOf,
  type FaultKind,
  type SeenCall,
  staleAnswer,
  staleHead,
  type Staleness,
  withoutLogs,
} from "./rpcFaults.ts";

export type { FaultKind, SeenCall, Staleness } from "./rpcFaults.ts";

/*
 * A JSON-RPC endpoint with bad days: it hands requests on to a real one, until a test tells it to be slow, dead,
 * rude or a liar.
 */

/** How the endpoint behaves from now on. */
export type RpcFault =
  | { readonly type: "none" }
  /** Answers only after so long. */
  | { readonly type: "slow"; readonly delayMs: number }
  /** Answers only once `until` has resolved. */
  | { readonly type: "held"; readonly until: Promise<unknown> }
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

export type RpcProxy = AsyncDisposable & {
  readonly url: string;
  fault: RpcFault;
  /** Added to every answer, on top of any fault. */
  latencyMs: number;
  /** Answers as if the chain had stopped there; null: tells the truth. */
  staleness: Staleness | null;
  /** Logs that the endpoint does not have, in `eth_getLogs` and in receipts; null: it has all. */
  hidesLog: ((log: unknown) => boolean) | null;
  /** From now on all calls of `method` go wrong ("*": all calls), or, with null, go right again. */
  failMethod(method: string, kind: FaultKind | null): void;
  /** The `nth` call of `method` from now on ("*": of any), counted from 1, goes wrong; the others do not. */
  failNth(method: string, nth: number, kind: FaultKind): void;
  /** Calls planned by {@link failNth} that have not come yet. */
  readonly pendingFaults: number;
  /** Forgets all faults of all kinds. */
  behave(): void;
  /** Every HTTP request so far, as the calls it held. */
  readonly requests: readonly (readonly SeenCall[])[];
  /** HTTP requests and calls by method since the start or the last {@link resetCounts}. */
  readonly counts: RpcCounts;
  resetCounts(): void;
  /** The `Authorization` header of the last request. */
  readonly authorization: string | null;
  /** Resolves when a request that came after this call was answered, cut or swallowed. */
  nextRequest(): Promise<void>;
};

export type RpcCounts = {
  readonly requests: number;
  readonly calls: number;
  readonly byMethod: Readonly<Record<string, number>>;
};

type NthFault = { readonly method: string; readonly kind: FaultKind; left: number };

/** Opens an endpoint on a free loopback port in front of the one at `target`. */
export async function openRpcProxy(target: string): Promise<RpcProxy> {
  const proxy = new FaultyEndpoint(target);
  await proxy.listen();
  return proxy;
}

class FaultyEndpoint implements RpcProxy {
  url = "";
  fault: RpcFault = { type: "none" };
  latencyMs = 0;
  staleness: Staleness | null = null;
  hidesLog: ((log: unknown) => boolean) | null = null;
  authorization: string | null = null;
  readonly requests: SeenCall[][] = [];
  readonly #target: string;
  readonly #waiting: (() => void)[] = [];
  readonly #methods = new Map<string, FaultKind>();
  #planned: NthFault[] = [];
  #countedFrom = 0;
  readonly #server = createServer((request, response) => {
    this.authorization = request.headers.authorization ?? null;
    void this.#serve(request, response)
      // The node behind us is gone: so are we.
      .catch(() => request.socket.destroy())
      .finally(() => {
        for (const resolve of this.#waiting.splice(0)) resolve();
      });
  });

  constructor(target: string) {
    this.#target = target;
  }

  async listen(): Promise<void> {
    await new Promise<void>((resolve) => this.#server.listen(0, "127.0.0.1", resolve));
    this.url = `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  get pendingFaults(): number {
    return this.#planned.length;
  }

  get counts(): RpcCounts {
    const seen = this.requests.slice(this.#countedFrom);
    const byMethod: Record<string, number> = {};
    for (const { method } of seen.flat()) byMethod[method] = (byMethod[method] ?? 0) + 1;
    return { requests: seen.length, calls: seen.flat().length, byMethod };
  }

  resetCounts(): void {
    this.#countedFrom = this.requests.length;
  }

  failMethod(method: string, kind: FaultKind | null): void {
    if (kind === null) this.#methods.delete(method);
    else this.#methods.set(method, kind);
  }

  failNth(method: string, nth: number, kind: FaultKind): void {
    this.#planned.push({ method, kind, left: nth });
  }

  behave(): void {
    this.fault = { type: "none" };
    this.latencyMs = 0;
    this.staleness = null;
    this.hidesLog = null;
    this.#methods.clear();
    this.#planned = [];
  }

  nextRequest(): Promise<void> {
    return new Promise<void>((resolve) => this.#waiting.push(resolve));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk);
    const parsed: SeenCall | SeenCall[] = JSON.parse(Buffer.concat(chunks).toString("utf8"));
    const calls = Array.isArray(parsed) ? parsed : [parsed];
    this.requests.push(calls);
    const fault = this.fault;
    const kinds = calls.map((call) => this.#kindOf(call));
    if (fault.type === "silent" || kinds.includes("silent")) return;
    if (this.latencyMs > 0) await Bun.sleep(this.latencyMs);
    if (fault.type === "cut" || kinds.includes("cut")) {
      request.socket.destroy();
      return;
    }
    const words = fault.type === "answer" ? fault : rudeness(kinds);
    if (words !== null) {
      response.writeHead(words.status, { "content-type": "text/html", ...words.headers });
      response.end(words.body);
      return;
    }
    if (fault.type === "slow") await Bun.sleep(fault.delayMs);
    if (fault.type === "held") await fault.until;
    const { status, answers } = await this.#answers(calls, kinds);
    if (fault.type === "liar") lie(answers, calls, fault.lie);
    const text = JSON.stringify(Array.isArray(parsed) ? answers : answers[0]);
    response.writeHead(status, { "content-type": "application/json" });
    response.end(kinds.includes("halfJson") ? text.slice(0, text.length / 2) : text);
  }

  #kindOf({ method }: SeenCall): FaultKind | null {
    let kind = this.#methods.get(method) ?? this.#methods.get("*") ?? null;
    for (const planned of this.#planned) {
      if (planned.method !== "*" && planned.method !== method) continue;
      planned.left -= 1;
      if (planned.left === 0) kind = planned.kind;
    }
    this.#planned = this.#planned.filter(({ left }) => left > 0);
    return kind;
  }

  /** Asks the real endpoint, and spoils what each call's fault says. */
  async #answers(
    calls: readonly SeenCall[],
    kinds: readonly (FaultKind | null)[],
  ): Promise<{ status: number; answers: readonly Answer[] }> {
    const heads = await Promise.all(kinds.map((kind) => this.#staleHead(kind)));
    const asked = calls.map((call, at) => {
      const head = heads[at] ?? null;
      return { jsonrpc: "2.0", ...(head === null ? call : asOf(call, head)) };
    });
    const answered = await fetch(this.#target, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify(asked.length === 1 ? asked[0] : asked),
    });
    const parsed = (await answered.json()) as Answer | Answer[];
    const answers = Array.isArray(parsed) ? parsed : [parsed];
    for (const [at, call] of calls.entries()) {
      const answer = answers.find(({ id }) => id === call.id);
      if (answer !== undefined) this.#spoil(answer, call, kinds[at] ?? null, heads[at] ?? null);
    }
    return { status: answered.status, answers };
  }

  #spoil(answer: Answer, call: SeenCall, kind: FaultKind | null, head: bigint | null): void {
    if (kind === "error") {
      delete answer.result;
      answer.error = { code: -32_000, message: "header not found" };
    }
    if (!("result" in answer)) return;
    if (kind === "null") answer.result = null;
    if (head !== null) answer.result = staleAnswer(call, answer.result, head);
    const hides = kind === "missingLogs" ? () => true : this.hidesLog;
    if (hides !== null) answer.result = withoutLogs(call, answer.result, hides);
  }

  async #staleHead(kind: FaultKind | null): Promise<bigint | null> {
    const staleness = this.staleness ?? (kind === "stale" ? { behind: 10n } : null);
    if (staleness === null) return null;
    return staleHead(staleness, async () =>
      BigInt(String(await callRpc(this.#target, "eth_blockNumber", []))),
    );
  }
}

type Rudeness = {
  readonly status: number;
  readonly body: string;
  readonly headers?: Readonly<Record<string, string>>;
};

function rudeness(kinds: readonly (FaultKind | null)[]): Rudeness | null {
  if (kinds.includes("429")) {
    return { status: 429, body: `{"message":"Too Many Requests"}`, headers: { "retry-after": "1" } };
  }
  if (!kinds.includes("html")) return null;
  return { status: 200, body: "<!DOCTYPE html><html><body>502 Bad Gateway</body></html>" };
}

function lie(
  answers: readonly Answer[],
  calls: readonly SeenCall[],
  change: (call: SeenCall, result: unknown) => unknown,
): void {
  for (const answer of answers) {
    const call = calls.find(({ id }) => id === answer.id);
    if (call !== undefined) answer.result = change(call, answer.result);
  }
}
