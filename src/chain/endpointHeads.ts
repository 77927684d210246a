import type { EndpointHead } from "./chainRpc.ts";
import type { Endpoint } from "./endpoint.ts";

/*
 * Compares endpoints by the heads that they show. An endpoint is behind when it shows less than another one showed
 * two seconds before: whatever the block time of the chain is, a block needs no longer to travel.
 *
 * A node that stops to follow the chain is found at the first poll that sees its head stand still: another endpoint
 * is asked at once, and where one block ahead could be chance, the first one again after two seconds. With a poll
 * each 12 s, a node that stops right after a poll is found after 12 s + two answers, at the most 14 s + three answers.
 */

export type HeadWatchOptions = {
  readonly endpoints: readonly Endpoint[];
  readonly monotonicMs: () => number;
  readonly behindMs: number;
  /** Asks for the height. Null when there is no answer. */
  readonly readHead: (endpoint: Endpoint) => Promise<EndpointHead | null>;
  readonly wait: (ms: number) => Promise<void>;
  readonly isClosed: () => boolean;
  /** A silence that is proved for so long needs no closer look. Milliseconds. */
  readonly silentMs: number;
};

/** A head that stands for so long is compared with another endpoint's; also the least time between two such. */
const stallMs = 5_000;
/** A head that stood still while another one went on by so many blocks: no chance. */
const stallBlocks = 3n;
/** All is well: still one other endpoint is asked so often. */
const compareMs = 60_000;

/** An endpoint that has fallen silent is asked so often until its silence is proved, but not without a breath. */
const pursueMs = 5_000;
const breathMs = 1_000;

/** Watches heads, and asks for them when there is a reason to. */
export class HeadWatch {
  readonly #options: HeadWatchOptions;
  readonly #probing = new Set<Endpoint>();
  readonly #pursued = new Set<Endpoint>();
  #comparedAtMs: number | null = null;
  /** Whose turn it was. */
  #turn = 0;

  constructor(options: HeadWatchOptions) {
    this.#options = options;
  }

  /** Takes the head of a poll, and asks others where there is a reason to. */
  observe(endpoint: Endpoint, head: EndpointHead): void {
    const nowMs = this.#options.monotonicMs();
    this.saw(endpoint, head);
    if (this.#options.endpoints.length === 1) return;
    this.probe(endpoint);
    this.#comparedAtMs ??= nowMs;
    const restMs = nowMs - this.#comparedAtMs;
    const isStill = nowMs - endpoint.health.roseAtMs >= stallMs;
    if (restMs < (isStill ? stallMs : compareMs)) return;
    this.#comparedAtMs = nowMs;
    void this.#compare(endpoint, isStill);
  }

  /** Takes a head, from wherever. */
  saw(endpoint: Endpoint, head: EndpointHead): void {
    const nowMs = this.#options.monotonicMs();
    endpoint.health.saw(head, nowMs);
    const others = this.#options.endpoints.filter((other) => other !== endpoint && isCredible(other, nowMs));
    const isBehind = others.some(
      (other) => (other.health.headAt(nowMs - this.#options.behindMs) ?? 0n) > head.block,
    );
    endpoint.health.setBehind(isBehind, nowMs);
  }

  /** Sees after endpoints that are not in use: those that nobody has asked yet, and those that are not healthy. */
  probe(inUse: Endpoint | null): void {
    const nowMs = this.#options.monotonicMs();
    for (const endpoint of this.#options.endpoints) {
      if (endpoint === inUse || this.#probing.has(endpoint)) continue;
      if (endpoint.health.takeProbe(nowMs)) void this.#ask(endpoint);
    }
  }

  /**
   * Asks an endpoint that has fallen silent again and again, until it answers or its silence is proved: who waits for
   * its vote then knows that it will not come, however long ago or lately that was.
   */
  async pursue(endpoint: Endpoint): Promise<void> {
    const { endpoints, monotonicMs, wait, isClosed, silentMs } = this.#options;
    if (endpoints.length === 1 || this.#pursued.has(endpoint)) return;
    this.#pursued.add(endpoint);
    const { health } = endpoint;
    let tookMs = 0;
    for (;;) {
      await wait(Math.max(breathMs, pursueMs - tookMs));
      const startMs = monotonicMs();
      const isOver = health.silentSinceMs === null || health.provedSilentMs(0, startMs) >= silentMs;
      if (isClosed() || isOver) break;
      if (!this.#probing.has(endpoint)) await this.#ask(endpoint);
      tookMs = monotonicMs() - startMs;
    }
    this.#pursued.delete(endpoint);
  }

  async #ask(endpoint: Endpoint): Promise<EndpointHead | null> {
    this.#probing.add(endpoint);
    const head = await this.#options.readHead(endpoint);
    this.#probing.delete(endpoint);
    if (head !== null) this.saw(endpoint, head);
    return head;
  }

  async #compare(endpoint: Endpoint, isStill: boolean): Promise<void> {
    const { endpoints, wait, behindMs, monotonicMs } = this.#options;
    const nowMs = monotonicMs();
    const others = endpoints.filter(
      (other) => other !== endpoint && !this.#probing.has(other) && isCredible(other, nowMs),
    );
    const healthy = others.filter((other) => other.health.state(nowMs) === "healthy");
    this.#turn += 1;
    const next = healthy.slice(this.#turn % Math.max(healthy.length, 1)).slice(0, 1);
    // Several may stand still together, as when they belong to one provider: a doubt is put to all.
    const asked = isStill ? others : next;
    const heads = await Promise.all(asked.map((other) => this.#ask(other)));
    const own = endpoint.health.head?.block ?? 0n;
    const best = heads.reduce((high, head) => (head !== null && head.block > high ? head.block : high), own);
    if (!isStill || best === own) return;
    const atMs = monotonicMs();
    if (best >= own + stallBlocks && atMs - endpoint.health.roseAtMs >= stallMs) {
      endpoint.health.setBehind(true, atMs);
      return;
    }
    await wait(behindMs);
    await this.#ask(endpoint);
  }
}

/** Whether its heads say anything about those of others. */
function isCredible(endpoint: Endpoint, nowMs: number): boolean {
  const state = endpoint.health.state(nowMs);
  return state !== "excluded" && state !== "failing" && endpoint.health.askedAwayMs(nowMs) === 0;
}
