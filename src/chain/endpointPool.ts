import { keccak256 } from "viem";
import type { Broadcast } from "../runtime/chainPorts.ts";
import { assert } from "../shared/assert.ts";
import type { Hex } from "../shared/brand.ts";
import { bestOutcome, broadcastOutcome } from "./broadcastOutcome.ts";
import type { ChainRpc, EndpointHead, EndpointState, PoolAnswer, QuorumOptions } from "./chainRpc.ts";
import { type Asked, Endpoint, endpointUrl } from "./endpoint.ts";
import { HeadWatch } from "./endpointHeads.ts";
import { secretsOf } from "./endpointName.ts";
import { agreedAnswers } from "./endpointQuorum.ts";
import { race } from "./endpointRace.ts";
import { ChainUrlError, type RpcCall } from "./jsonRpc.ts";

/*
 * Several RPC endpoints that look like one. One endpoint is preferred: the first configured one that is healthy.
 * Others are asked when it fails, when it takes longer than usual, and when its word is not enough.
 *
 * What that costs while all are healthy, however many there are: the height of one other endpoint once a minute (1
 * call a minute, in turn), and the chain id of an endpoint once in ten minutes, inside a request that goes to it
 * anyway (0.1 calls a minute each for those in use). A hedge fires at 1.5 times the 95th percentile of latency, so
 * hardly ever. An endpoint that is not healthy costs a probe of 1 to 2 calls every 5 to 60 s.
 *
 * Who waits for two voices while one endpoint is dead: an endpoint that says nothing (no connection, no answer in
 * time, no JSON-RPC) has no vote once its silence is proved for 15 s, by three requests or more, while another one
 * answered and showed new blocks. It is asked every 5 s from its first failure on, whether or not anybody waits. So a
 * death of which a poll, a probe or a minute's comparison knew before costs what is left of the 15 s, and one that the
 * question itself finds out at the most 15 s and two time-outs. An endpoint that answers but is behind, paused,
 * failing now and then, or excluded, and one beside an endpoint whose head stands still, has its vote for 60 s. A
 * single answer gives the vote back, and the next silence counts anew; whoever comes back from an outage of all first
 * decides alone only once it was back for as long.
 */

export type EndpointPoolOptions = {
  /** One or more `http:` or `https:` URLs, the preferred one first. They may hold keys: those are never printed. */
  readonly urls: readonly string[];
  /** Milliseconds that an endpoint has for one answer. Default 5,000. */
  readonly timeoutMs?: number;
  /** Milliseconds that never go back. Default `performance.now()`. */
  readonly monotonicMs?: () => number;
  /**
   * What is wrong with a chain of this id; null: it may be the right one. Without this the first endpoint that answers
   * says which chain it is: give it wherever the id is known beforehand.
   */
  readonly chainFault?: (chainId: bigint) => string | null;
  /** Every endpoint serves a wrong chain, and none ever served the right one. Called at each answer that says so. */
  readonly onWrongChain?: (text: string) => void;
  /** How long an endpoint may take to learn of a block that another one shows. Milliseconds; default 2,000. */
  readonly behindMs?: number;
};

const defaultTimeoutMs = 5_000;
const defaultBehindMs = 2_000;
const excludedMs = 600_000;
/** How long others have for a better word about a transaction that one endpoint refused. */
const graceMs = 2_000;
/** Money must not stop for ever: endpoints that are out of service for longer have no vote. */
const voteMs = 60_000;
/** The same for one that says nothing at all, beside one that answers all the while and goes on with the chain. */
const silentMs = 15_000;
/** An endpoint that takes three times as long as the fastest, and noticeably so, is not preferred. */
const sluggishFactor = 3;
const sluggishMs = 250;
const troubleMax = 600;
const heightCall: RpcCall = { method: "eth_blockNumber", params: [] };

/** {@link ChainRpc} over one or more endpoints. With one it is as good as a plain client of that one. */
export class EndpointPool implements ChainRpc {
  readonly #endpoints: readonly Endpoint[];
  readonly #options: EndpointPoolOptions;
  readonly #monotonicMs: () => number;
  readonly #behindMs: number;
  readonly #heads: HeadWatch;
  readonly #waits = new Set<() => void>();
  #chainId: bigint | null = null;
  #isClosed = false;

  /** @throws ChainUrlError when there is no URL, or one that is no http or https URL */
  constructor(options: EndpointPoolOptions) {
    // An endpoint that is named twice would agree with itself.
    const urls = [...new Map(options.urls.map((url) => [endpointUrl(url).href, url])).values()];
    if (urls.length === 0) throw new ChainUrlError();
    this.#options = options;
    this.#monotonicMs = options.monotonicMs ?? (() => performance.now());
    this.#behindMs = options.behindMs ?? defaultBehindMs;
    const secrets = urls.flatMap((url) => secretsOf(endpointUrl(url)));
    this.#endpoints = urls.map(
      (url, index) =>
        new Endpoint({
          ...{ url, index, secrets, isNamed: urls.length > 1, monotonicMs: this.#monotonicMs },
          timeoutMs: options.timeoutMs ?? defaultTimeoutMs,
          chainFault: (id) => this.#chainFault(id),
          onSilence: (endpoint) => void this.#heads.pursue(endpoint),
        }),
    );
    this.#heads = new HeadWatch({
      endpoints: this.#endpoints,
      monotonicMs: this.#monotonicMs,
      behindMs: this.#behindMs,
      readHead: (endpoint) => this.#readHead(endpoint),
      wait: (ms) => this.#wait(ms),
      isClosed: () => this.#isClosed,
      silentMs,
    });
  }

  get chainId(): bigint | null {
    return this.#chainId;
  }

  get trouble(): string | null {
    const states = this.states();
    if (states.some(({ state, latencyMs }) => state === "healthy" && latencyMs !== null)) return null;
    const told = states.filter(({ lastError }) => lastError !== null);
    if (told.length === 0) return "no RPC endpoint has answered yet";
    if (states.length === 1) return states[0]?.lastError ?? null;
    return told
      .map(({ name, state, lastError }) => `${name} is ${state}: ${lastError}`)
      .join("; ")
      .slice(0, troubleMax);
  }

  states(): readonly EndpointState[] {
    return this.#endpoints.map((endpoint) => endpoint.state());
  }

  async batch(calls: readonly RpcCall[], prefer?: number): Promise<readonly PoolAnswer[]> {
    if (calls.length === 0) return [];
    const runners = this.#ranked(this.#endpoints, prefer);
    if (runners.length === 0) return this.#nobody(calls);
    this.#heads.probe(runners[0] ?? null);
    const asked = await race({
      ...{ runners, width: 1 },
      ask: (endpoint) => endpoint.ask(calls),
      isDone: (list) => list.some((one) => one.faults === 0),
      mayHedge: (slow, next) => this.#rank(next) <= Math.max(1, this.#rank(slow)),
    });
    this.#blame(asked);
    const best = asked.reduce((left, right) => (right.faults < left.faults ? right : left));
    return best.answers.map((answer) => ({ ...answer, endpoint: best.endpoint.index }));
  }

  async quorum(calls: readonly RpcCall[], options: QuorumOptions = {}): Promise<readonly PoolAnswer[]> {
    if (calls.length === 0) return [];
    if (this.#endpoints.length === 1) return this.batch(calls);
    const voters = this.#voters();
    const runners = this.#ranked(voters.length === 0 ? this.#endpoints : voters);
    if (runners.length === 0) return this.#nobody(calls);
    const votesMin = voters.length === 1 ? 1 : 2;
    const agreed = (list: readonly Asked[], votes: number) =>
      agreedAnswers(list, calls, votes, options.essence)?.map(({ answer, endpoint }) => ({
        ...answer,
        endpoint,
      })) ?? null;
    const asked = await race({
      ...{ runners, width: votesMin },
      ask: (endpoint) => this.#askWithHead(endpoint, calls),
      isDone: (list) => agreed(list, votesMin) !== null,
      mayHedge: () => true,
    });
    this.#blame(asked);
    const found = agreed(asked, votesMin);
    if (found !== null) return found;
    const ballots = asked.filter((one) => one.faults === 0);
    if (ballots.length === 0) return this.#refused(calls, asked);
    if (ballots.length === 1) {
      // What was not known when the question was put: the others said nothing this time either.
      const [voter, ...others] = this.#voters();
      const isAlone = voter === ballots[0]?.endpoint && others.length === 0;
      return (isAlone ? agreed(ballots, 1) : null) ?? this.#failed(calls, "only one RPC endpoint answers");
    }
    return agreed(await this.#askLowestAgain(ballots, calls), 2) ?? this.#failed(calls, disagreement);
  }

  async broadcast(raw: Hex): Promise<Broadcast> {
    const hash = keccak256(raw);
    const call: RpcCall = { method: "eth_sendRawTransaction", params: [raw] };
    const runners = this.#ranked(this.#endpoints).filter((one) => !one.hasWrongChain);
    if (runners.length === 0) return { type: "unknown", text: this.trouble ?? nobodyText };
    const outcomes: (Broadcast | null)[] = runners.map(() => null);
    let text = "no RPC endpoint answered";
    const told = (): Broadcast =>
      bestOutcome(outcomes.filter((one) => one !== null)) ?? { type: "unknown", text };
    return new Promise((resolve) => {
      let running = runners.length;
      for (const [index, endpoint] of runners.entries()) {
        void endpoint.ask([call]).then(({ answers: [answer] }) => {
          const outcome = answer === undefined ? null : broadcastOutcome(answer, hash);
          outcomes[index] = outcome;
          if (outcome === null && answer?.type === "failed") text = answer.text;
          running -= 1;
          // One that has it is enough; the others are told all the same.
          if (running === 0 || outcome?.type === "sent" || outcome?.type === "known") resolve(told());
          // A refusal may be one endpoint's own; but nobody waits for a silent one for long.
          else if (outcome !== null) void this.#wait(graceMs).then(() => resolve(told()));
        });
      }
    });
  }

  observe(endpoint: number, head: EndpointHead): void {
    this.#heads.observe(this.#at(endpoint), head);
  }

  incomplete(endpoint: number, reason: string): void {
    const nowMs = this.#monotonicMs();
    this.#at(endpoint).health.incomplete(reason, nowMs, nowMs + excludedMs);
  }

  exclude(endpoint: number, reason: string): void {
    const nowMs = this.#monotonicMs();
    this.#at(endpoint).health.exclude(reason, nowMs, nowMs + excludedMs);
    // It may have been the one that said which chain this is.
    this.#chainId = null;
    for (const one of this.#endpoints) one.doubtChain();
  }

  close(): void {
    this.#isClosed = true;
    for (const endpoint of this.#endpoints) endpoint.close();
    for (const end of this.#waits) end();
  }

  #at(index: number): Endpoint {
    const endpoint = this.#endpoints[index];
    assert(endpoint, `There is no RPC endpoint ${index}.`);
    return endpoint;
  }

  /** Best first; without those that asked us to stay away. */
  #ranked(endpoints: readonly Endpoint[], prefer?: number): Endpoint[] {
    const nowMs = this.#monotonicMs();
    const weights = new Map(
      endpoints.map((endpoint) => {
        const isPreferred = endpoint.index === prefer && endpoint.health.state(nowMs) === "healthy";
        return [endpoint, isPreferred ? -1 : this.#rank(endpoint)];
      }),
    );
    return endpoints
      .filter((endpoint) => endpoint.health.askedAwayMs(nowMs) === 0)
      .toSorted((left, right) => (weights.get(left) ?? 0) - (weights.get(right) ?? 0));
  }

  /** 0: as good as any; 1: healthy, though slow; above: not healthy. */
  #rank(endpoint: Endpoint): number {
    const { health } = endpoint;
    switch (health.state(this.#monotonicMs())) {
      case "healthy":
        return health.slowRequests > 0 || this.#isSluggish(endpoint) ? 1 : 0;
      case "behind":
        return 2;
      case "failing":
        return 3;
      case "paused":
        return 4;
      case "excluded":
        return 5;
    }
  }

  #isSluggish(endpoint: Endpoint): boolean {
    const nowMs = this.#monotonicMs();
    const healthy = this.#endpoints.filter((one) => one.health.state(nowMs) === "healthy");
    const fastest = Math.min(...healthy.map((one) => one.health.latencyMs ?? Number.POSITIVE_INFINITY));
    const own = endpoint.health.latencyMs ?? 0;
    return own > sluggishFactor * fastest && own > fastest + sluggishMs;
  }

  /** Those whose word counts, or is waited for. */
  #voters(): Endpoint[] {
    const nowMs = this.#monotonicMs();
    return this.#endpoints.filter((endpoint) => !this.#abstains(endpoint, nowMs));
  }

  /**
   * Whether an endpoint is out of service for so long that the others go on without it. That is counted from when it
   * was first seen, or from when a healthy one began to answer, whichever is later: an outage of all is ours, and says
   * nothing about those who are silent in it. An endpoint whose head stands still may have lost the chain itself: it
   * never makes another one's silence short.
   */
  #abstains(endpoint: Endpoint, nowMs: number): boolean {
    const { health } = endpoint;
    const { silentSinceMs } = health;
    const unfitSinceMs = health.unfitSinceMs(nowMs);
    return this.#endpoints.some(({ health: witness }) => {
      const sinceMs = witness.answeringSinceMs;
      if (witness === health || sinceMs === null || witness.state(nowMs) !== "healthy") return false;
      if (unfitSinceMs !== null && nowMs - Math.max(unfitSinceMs, sinceMs) > voteMs) return true;
      const isMoving = silentSinceMs !== null && witness.roseAtMs > Math.max(silentSinceMs, sinceMs);
      return isMoving && health.provedSilentMs(sinceMs, nowMs) >= silentMs;
    });
  }

  /** What one endpoint fails at and another one can do is the fault of the first. */
  #blame(asked: readonly Asked[]): void {
    if (!asked.some((one) => one.faults === 0)) return;
    for (const { endpoint, doubt } of asked) {
      if (doubt !== null) endpoint.health.failed(doubt, this.#monotonicMs());
    }
  }

  /** A vote tells its height too, so that who is behind can be asked again. Without a height it does not count. */
  async #askWithHead(endpoint: Endpoint, calls: readonly RpcCall[]): Promise<Asked> {
    const asked = await endpoint.ask([...calls, heightCall]);
    const block = blockOf(asked.answers.at(-1));
    if (block !== null) this.#heads.saw(endpoint, { block, l1Block: null });
    return { ...asked, answers: asked.answers.slice(0, -1) };
  }

  /** The endpoint that is behind may only be late: it gets the time that a block takes to travel. */
  async #askLowestAgain(ballots: readonly Asked[], calls: readonly RpcCall[]): Promise<readonly Asked[]> {
    const lowest = ballots.reduce((low, one) => (heightOf(one) < heightOf(low) ? one : low));
    await this.#wait(this.#behindMs);
    const again = await this.#askWithHead(lowest.endpoint, calls);
    return [...ballots.filter((one) => one !== lowest), again];
  }

  async #readHead(endpoint: Endpoint): Promise<EndpointHead | null> {
    if (this.#isClosed) return null;
    const { answers } = await endpoint.ask([heightCall]);
    const block = blockOf(answers[0]);
    return block === null || this.#isClosed ? null : { block, l1Block: null };
  }

  #chainFault(id: bigint): string | null {
    const isOther = this.#chainId !== null && this.#chainId !== id;
    const fault =
      this.#options.chainFault?.(id) ??
      (isOther
        ? // The words of go-livepeer, which operators may search for.
          `expecting chainID of ${this.#chainId}, but got ${id}. ` +
          "Did you change networks without changing network name or datadir?"
        : null);
    if (fault === null) {
      this.#chainId = id;
      return null;
    }
    // The endpoint that is asked learns of it after this.
    queueMicrotask(() => this.#tellWrongChain(fault));
    return fault;
  }

  #tellWrongChain(fault: string): void {
    if (this.#chainId !== null || this.#isClosed) return;
    if (this.#endpoints.every((endpoint) => endpoint.hasWrongChain)) this.#options.onWrongChain?.(fault);
  }

  /** Everybody has asked us to stay away. */
  #nobody(calls: readonly RpcCall[]): readonly PoolAnswer[] {
    const nowMs = this.#monotonicMs();
    const retryAfterMs = Math.min(...this.#endpoints.map((endpoint) => endpoint.health.askedAwayMs(nowMs)));
    return this.#failed(calls, this.trouble ?? nobodyText, retryAfterMs);
  }

  #refused(calls: readonly RpcCall[], asked: readonly Asked[]): readonly PoolAnswer[] {
    const best = asked[0];
    if (best === undefined) return this.#nobody(calls);
    return best.answers.map((answer) => ({ ...answer, endpoint: best.endpoint.index }));
  }

  #failed(
    calls: readonly RpcCall[],
    text: string,
    retryAfterMs: number | null = null,
  ): readonly PoolAnswer[] {
    const failed = { type: "failed", kind: "transport", code: null, data: null, endpoint: null } as const;
    return calls.map(() => ({ ...failed, text, retryAfterMs }));
  }

  /** Ends at once when the pool closes. */
  #wait(ms: number): Promise<void> {
    if (this.#isClosed) return Promise.resolve();
    return new Promise((resolve) => {
      const end = () => {
        clearTimeout(timer);
        this.#waits.delete(end);
        resolve();
      };
      const timer = setTimeout(end, ms);
      timer.unref();
      this.#waits.add(end);
    });
  }
}

const nobodyText = "no RPC endpoint can be asked";
const disagreement = "the RPC endpoints disagree";

function heightOf({ endpoint }: Asked): bigint {
  return endpoint.health.head?.block ?? -1n;
}

function blockOf(answer: Asked["answers"][number] | undefined): bigint | null {
  const result = answer?.type === "result" ? answer.result : null;
  return typeof result === "string" && /^0x[0-9a-fA-F]{1,15}$/.test(result) ? BigInt(result) : null;
}
