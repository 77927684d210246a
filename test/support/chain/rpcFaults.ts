/*
 * What can be wrong with single answers of a JSON-RPC endpoint, as changes of the calls that go in and of the answers
 * that come out.
 */

export type SeenCall = { readonly id: unknown; readonly method: string; readonly params: readonly unknown[] };

/**
 * How a call goes wrong. The first five spoil the whole HTTP answer, with all calls that it holds; the others only the
 * answer of their call.
 */
export type FaultKind =
  /** HTTP 429 with the words of a provider. */
  | "429"
  /** The connection is cut. */
  | "cut"
  /** HTTP 200 with a web page. */
  | "html"
  /** The true answer, cut in the middle. */
  | "halfJson"
  /** No answer ever. */
  | "silent"
  /** A JSON-RPC error: `header not found`. */
  | "error"
  /** `result` is null. */
  | "null"
  /** The call sees the chain as of {@link Staleness}, or of ten blocks ago. */
  | "stale"
  /** `eth_getLogs` finds nothing; a receipt has no logs. */
  | "missingLogs";

/** The block at which an endpoint stands still, or how many blocks it is behind. */
export type Staleness = { readonly at: bigint } | { readonly behind: bigint };

export type Answer = { readonly id: unknown; result?: unknown; error?: unknown };

/** Asks the real endpoint for its head. */
export type ReadHead = () => Promise<bigint>;

const taggedAt: Readonly<Record<string, number>> = {
  eth_call: 1,
  eth_getBalance: 1,
  eth_getCode: 1,
  eth_getTransactionCount: 1,
  eth_getStorageAt: 2,
  eth_getBlockByNumber: 0,
  eth_estimateGas: 1,
};

/** The block that a stale endpoint believes to be the head. */
export async function staleHead(staleness: Staleness, readHead: ReadHead): Promise<bigint> {
  if ("at" in staleness) return staleness.at;
  const head = await readHead();
  return head > staleness.behind ? head - staleness.behind : 0n;
}

/** The call as an endpoint must be asked that shall answer as of `head`. */
export function asOf(call: SeenCall, head: bigint): SeenCall {
  const number = `0x${head.toString(16)}`;
  if (call.method === "eth_blockNumber")
    return { ...call, method: "eth_getBlockByNumber", params: [number, false] };
  const place = taggedAt[call.method];
  if (place !== undefined) {
    const params = [...call.params];
    const tag = params[place];
    if (tag === undefined || tag === "latest" || tag === "pending" || isLater(tag, head))
      params[place] = number;
    return { ...call, params };
  }
  if (call.method !== "eth_getLogs") return call;
  const filter = call.params[0] as Readonly<Record<string, unknown>>;
  const to = filter["toBlock"];
  const isOpen = to === undefined || to === "latest" || isLater(to, head);
  return isOpen ? { ...call, params: [{ ...filter, toBlock: number }] } : call;
}

/** What the stale endpoint says, given the answer to {@link asOf}. */
export function staleAnswer(call: SeenCall, result: unknown, head: bigint): unknown {
  if (result === null || typeof result !== "object") return result;
  const block = (result as { readonly blockNumber?: unknown }).blockNumber;
  if (call.method === "eth_blockNumber") return (result as { readonly number: unknown }).number;
  // It has asked for a block that is not there yet, and was given the head instead.
  if (call.method === "eth_getBlockByNumber" && isLater(call.params[0], head)) return null;
  if (call.method === "eth_getTransactionReceipt" && isLater(block, head)) return null;
  return result;
}

/** The answer without logs; `hides` says which. */
export function withoutLogs(call: SeenCall, result: unknown, hides: (log: unknown) => boolean): unknown {
  if (call.method === "eth_getLogs" && Array.isArray(result)) return result.filter((log) => !hides(log));
  if (call.method !== "eth_getTransactionReceipt" || typeof result !== "object" || result === null) {
    return result;
  }
  const { logs } = result as { readonly logs?: unknown };
  return Array.isArray(logs) ? { ...result, logs: logs.filter((log) => !hides(log)) } : result;
}

function isLater(tag: unknown, head: bigint): boolean {
  return typeof tag === "string" && /^0x[0-9a-f]+$/i.test(tag) && tag.length < 20 && BigInt(tag) > head;
}
