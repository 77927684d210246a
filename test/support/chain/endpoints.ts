import { EndpointPool, type EndpointPoolOptions } from "../../../src/chain/endpointPool.ts";
import { type FakeNode, startFakeNode } from "./fakeNode.ts";
import { openRpcProxy, type RpcProxy } from "./rpcProxy.ts";
import { SteadyClock } from "./steadyClock.ts";

/*
 * A pool over nodes of which the test decides what they say and how they behave, and a clock that runs ahead.
 */

export type Endpoints = AsyncDisposable & {
  readonly pool: EndpointPool;
  readonly nodes: readonly FakeNode[];
  /** The endpoints that the pool knows, each before its node. */
  readonly doors: readonly RpcProxy[];
  /** The pool's. */
  readonly clock: SteadyClock;
  /** Lets the pool's clock run ahead of the real one. */
  advance(ms: number): void;
  /** Calls that reached an endpoint, without the questions for its chain. */
  callsAt(index: number): string[];
};

export async function openEndpoints(
  count: number,
  options: Partial<EndpointPoolOptions> & { readonly before?: (nodes: readonly FakeNode[]) => void } = {},
): Promise<Endpoints> {
  const { before, ...poolOptions } = options;
  const nodes = Array.from({ length: count }, () => startFakeNode());
  before?.(nodes);
  const doors = await Promise.all(nodes.map((node) => openRpcProxy(node.url)));
  const clock = new SteadyClock();
  const pool = new EndpointPool({
    urls: doors.map((door) => door.url),
    // Nobody who is only slow is given up.
    timeoutMs: 30_000,
    behindMs: 50,
    monotonicMs: clock.now,
    ...poolOptions,
  });
  return {
    ...{ pool, nodes, doors, clock, advance: clock.advance },
    callsAt: (index) =>
      (doors[index]?.requests ?? [])
        .flat()
        .map((call) => call.method)
        .filter((method) => method !== "eth_chainId"),
    [Symbol.asyncDispose]: async () => {
      pool.close();
      clock[Symbol.dispose]();
      for (const door of doors) await door[Symbol.asyncDispose]();
      for (const node of nodes) await node[Symbol.asyncDispose]();
    },
  };
}
