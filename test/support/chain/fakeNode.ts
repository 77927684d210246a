import type { SeenCall } from "./rpcProxy.ts";

/*
 * A JSON-RPC node without a chain, for tests of how endpoints are used. What it says is the test's to choose.
 */

export type FakeNode = AsyncDisposable & {
  readonly url: string;
  chainId: bigint;
  block: bigint;
  /** Answers to other methods; an `Error` becomes a JSON-RPC error, with its `cause` as `code`. */
  answers: Record<string, unknown | ((call: SeenCall) => unknown)>;
};

/** Listens on a free loopback port. Chain 7, block 100. */
export function startFakeNode(): FakeNode {
  const answer = (call: SeenCall): unknown => {
    if (call.method in node.answers) {
      const told = node.answers[call.method];
      return typeof told === "function" ? told(call) : told;
    }
    if (call.method === "eth_chainId") return `0x${node.chainId.toString(16)}`;
    if (call.method === "eth_blockNumber") return `0x${node.block.toString(16)}`;
    return Object.assign(new Error("the method does not exist"), { cause: -32601 });
  };
  const reply = (call: SeenCall): unknown => {
    const result = answer(call);
    return result instanceof Error
      ? { jsonrpc: "2.0", id: call.id, error: { code: result.cause ?? -32000, message: result.message } }
      : { jsonrpc: "2.0", id: call.id, result };
  };
  const server = Bun.serve({
    port: 0,
    hostname: "127.0.0.1",
    fetch: async (request) => {
      const body = (await request.json()) as SeenCall | SeenCall[];
      return Response.json(Array.isArray(body) ? body.map(reply) : reply(body));
    },
  });
  const node: FakeNode = {
    url: `http://127.0.0.1:${server.port}`,
    chainId: 7n,
    block: 100n,
    answers: {},
    [Symbol.asyncDispose]: () => server.stop(true),
  };
  return node;
}
