import type { EndpointState } from "./chainRpc.ts";
import { EndpointHealth } from "./endpointHealth.ts";
import { endpointName, secretsOf } from "./endpointName.ts";
import { type Fault, faultOf } from "./endpointFault.ts";
import { ChainUrlError, JsonRpc, type RpcAnswer, type RpcCall } from "./jsonRpc.ts";

/** What became of a batch at one endpoint. */
export type Asked = {
  readonly endpoint: Endpoint;
  readonly answers: readonly RpcAnswer[];
  /** Answers that another endpoint may give better. */
  readonly faults: number;
  /** A fault that may lie in the call just as well: it counts when another endpoint does better. */
  readonly doubt: string | null;
};

export type EndpointOptions = {
  readonly url: string;
  /** Place in the configuration, from 0. */
  readonly index: number;
  /** Whether texts need to say which endpoint they mean. */
  readonly isNamed: boolean;
  readonly secrets: readonly string[];
  readonly timeoutMs: number;
  readonly monotonicMs: () => number;
  /** What is wrong with a chain of this id; null for nothing. */
  readonly chainFault: (chainId: bigint) => string | null;
  /** Nothing came back to a request. */
  readonly onSilence: (endpoint: Endpoint) => void;
};

/** A URL may be moved to another chain: asked again after so long, and after each failure. */
const chainCheckMs = 600_000;
const chainIdCall: RpcCall = { method: "eth_chainId", params: [] };

/** @throws ChainUrlError when `text` is no http or https URL */
export function endpointUrl(text: string): URL {
  const url = URL.canParse(text) ? new URL(text) : null;
  if (url === null || (url.protocol !== "http:" && url.protocol !== "https:")) throw new ChainUrlError();
  return url;
}

/** One endpoint. No answer leaves it before it has said that it serves the right chain. */
export class Endpoint {
  readonly index: number;
  readonly name: string;
  readonly health = new EndpointHealth();
  readonly #options: EndpointOptions;
  readonly #rpc: JsonRpc;
  #requests = 0;
  #calls = 0;
  /** When it last said that it serves the right chain; null: it must say so (again) first. */
  #checkedAtMs: number | null = null;
  #hasWrongChain = false;

  /** @throws ChainUrlError when the URL is no http or https URL */
  constructor(options: EndpointOptions) {
    const url = endpointUrl(options.url);
    this.#options = options;
    this.index = options.index;
    this.name = endpointName(url, options.index);
    const secrets = [...new Set([...secretsOf(url), ...options.secrets])];
    this.#rpc = new JsonRpc({ url: options.url, timeoutMs: options.timeoutMs, secrets });
  }

  /** Whether its last word about its chain was a wrong one. */
  get hasWrongChain(): boolean {
    return this.#hasWrongChain;
  }

  /** Sends a batch, with the question for the chain id in it when that is due. Never rejects. */
  async ask(calls: readonly RpcCall[]): Promise<Asked> {
    const { monotonicMs } = this.#options;
    const startMs = monotonicMs();
    const isAsking = calls.some((call) => call.method === chainIdCall.method);
    const isCheckDue = this.#checkedAtMs === null || startMs - this.#checkedAtMs >= chainCheckMs;
    const sent = isCheckDue && !isAsking ? [...calls, chainIdCall] : calls;
    this.#requests += 1;
    this.#calls += sent.length;
    const answers = await this.#rpc.batch(sent);
    const nowMs = monotonicMs();
    const place = sent.findIndex((call) => call.method === chainIdCall.method);
    const refusal = this.#checkChain(place === -1 ? undefined : answers[place], nowMs);
    const named = answers.slice(0, calls.length).map((answer) => this.#named(answer));
    const faults = calls.map((call, index) => faultOf(call, answers[index] ?? missing));
    const count = faults.filter((fault) => fault !== null).length;
    if (faults.every((fault) => fault === "down")) this.#noteSilence(startMs, nowMs);
    else this.health.heard(nowMs);
    const doubt = this.#judge(calls, answers, faults, nowMs - startMs, nowMs);
    if (refusal === null) return { endpoint: this, answers: named, faults: count, doubt };
    if (count === 0 && !this.#hasWrongChain) this.health.failed(refusal, nowMs);
    const text = this.#nameIn(refusal);
    const refused = named.map((answer) =>
      answer.type === "failed" && answer.kind === "transport" ? answer : { ...missing, text },
    );
    return { endpoint: this, answers: refused, faults: calls.length, doubt: null };
  }

  /** It must say again which chain it serves before anything of it is used. */
  doubtChain(): void {
    this.#checkedAtMs = null;
  }

  state(): EndpointState {
    const { health } = this;
    const { latencyMs, latencyP95Ms, errorRate, lastError } = health;
    return {
      name: this.name,
      state: health.state(this.#options.monotonicMs()),
      block: health.head?.block ?? null,
      l1Block: health.head?.l1Block ?? null,
      ...{ latencyMs, latencyP95Ms, errorRate, lastError, requests: this.#requests, calls: this.#calls },
    };
  }

  close(): void {
    this.#rpc.close();
  }

  #noteSilence(startMs: number, nowMs: number): void {
    this.health.silent(startMs, nowMs);
    this.#options.onSilence(this);
  }

  /** Why nothing of a batch may be used; null: the chain is the right one, as far as was asked. */
  #checkChain(answer: RpcAnswer | undefined, nowMs: number): string | null {
    if (answer === undefined) return null;
    const id = answer.type === "result" ? chainIdOf(answer.result) : null;
    if (id === null) {
      if (this.#checkedAtMs !== null) return null;
      return answer.type === "failed" ? answer.text : "the RPC does not say which chain it serves";
    }
    const fault = this.#options.chainFault(id);
    this.#hasWrongChain = fault !== null;
    if (fault === null) {
      this.#checkedAtMs = nowMs;
      this.health.admit();
      return null;
    }
    this.#checkedAtMs = null;
    this.health.refuseChain(fault, nowMs);
    return fault;
  }

  /** Notes what the answers say about the endpoint. Returns the fault that may be the caller's own. */
  #judge(
    calls: readonly RpcCall[],
    answers: readonly RpcAnswer[],
    faults: readonly (Fault | null)[],
    latencyMs: number,
    nowMs: number,
  ): string | null {
    const { health } = this;
    const textOf = (fault: Fault) => {
      const answer = answers[faults.indexOf(fault)];
      return answer?.type === "failed" ? answer.text : "";
    };
    if (faults.includes("down")) {
      health.failed(textOf("down"), nowMs);
      // Whoever answers next under this name may be another one.
      this.#checkedAtMs = null;
      return null;
    }
    health.answered(latencyMs);
    if (faults.includes("limited")) {
      const waits = answers.map((answer) => (answer.type === "failed" ? answer.retryAfterMs : null) ?? 0);
      const waitMs = Math.max(...waits);
      health.limited(textOf("limited"), waitMs > 0 ? waitMs : null, nowMs);
      return null;
    }
    if (faults.includes("broken")) {
      const method = calls[faults.indexOf("broken")]?.method ?? "";
      return `${method}: ${textOf("broken")}`;
    }
    health.succeeded();
    return null;
  }

  #named(answer: RpcAnswer): RpcAnswer {
    return answer.type === "failed" ? { ...answer, text: this.#nameIn(answer.text) } : answer;
  }

  #nameIn(text: string): string {
    return this.#options.isNamed ? `${this.name}: ${text}` : text;
  }
}

const missing: RpcAnswer = {
  type: "failed",
  kind: "transport",
  text: "the RPC left a call unanswered",
  ...{ retryAfterMs: null, code: null, data: null },
};

function chainIdOf(result: unknown): bigint | null {
  return typeof result === "string" && /^0x[0-9a-fA-F]{1,16}$/.test(result) ? BigInt(result) : null;
}
