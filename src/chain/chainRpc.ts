import type { Broadcast } from "../runtime/chainPorts.ts";
import type { Hex } from "../shared/brand.ts";
import type { RpcAnswer, RpcCall } from "./jsonRpc.ts";

/*
 * What the chain room asks of its RPC endpoints, however many there are. `EndpointPool` answers it.
 */

/** An answer, and the endpoint that gave it: its place in the configuration, from 0. Null: none was asked. */
export type PoolAnswer =
  | (Extract<RpcAnswer, { type: "result" }> & { readonly endpoint: number })
  | (Extract<RpcAnswer, { type: "failed" }> & { readonly endpoint: number | null });

/** The newest block that an endpoint has shown. */
export type EndpointHead = {
  /** Number on the chain that transactions go to. */
  readonly block: bigint;
  /** What Solidity sees as `block.number`, when it was read too. */
  readonly l1Block: bigint | null;
};

/** `behind`: older blocks than another endpoint shows, or logs were missing. `paused`: it asked us to stay away. */
export type EndpointStateName = "healthy" | "behind" | "failing" | "excluded" | "paused";

/** One endpoint, for status pages and metrics. Holds no secret. */
export type EndpointState = {
  /** Such as `rpc 1 (host)`. */
  readonly name: string;
  readonly state: EndpointStateName;
  /** The newest head that it showed; null before it did. */
  readonly block: bigint | null;
  readonly l1Block: bigint | null;
  /** Mean of late, in milliseconds; null before the first answer. */
  readonly latencyMs: number | null;
  /** Milliseconds within which 95 % of the last answers came; null before the first answer. */
  readonly latencyP95Ms: number | null;
  /** Share of the last requests that failed, 0 to 1. */
  readonly errorRate: number;
  /** The last thing that went wrong, also when it is over; null for nothing yet. */
  readonly lastError: string | null;
  /** HTTP requests and calls in them, since the start. */
  readonly requests: number;
  readonly calls: number;
};

export type QuorumOptions = {
  /**
   * The part of a result that endpoints must agree about; the whole of it without this. Receipts and blocks bear
   * fields that differ between node versions.
   */
  readonly essence?: (result: unknown, call: RpcCall) => unknown;
};

/** JSON-RPC to one or more endpoints. Nothing here rejects. */
export type ChainRpc = {
  /**
   * Sends the calls as one request to the best endpoint, and to others when it fails or takes long. All answers come
   * from one endpoint. `prefer`: the endpoint to ask first while it is healthy.
   */
  batch(calls: readonly RpcCall[], prefer?: number): Promise<readonly PoolAnswer[]>;
  /**
   * For decisions about money: an answer counts only when two endpoints give the same one. Ask for what stands still
   * between two blocks. With one endpoint configured, one answer counts; so it does when all others said nothing for
   * 15 s, or were otherwise out of service for 60 s, while the one that is left answered and went on with the chain.
   */
  quorum(calls: readonly RpcCall[], options?: QuorumOptions): Promise<readonly PoolAnswer[]>;
  /** `eth_sendRawTransaction` to every endpoint that may take it. `raw`: the signed transaction, `0x…`. */
  broadcast(raw: Hex): Promise<Broadcast>;
  /** A head was read in an answer of `endpoint`. Tell of every poll: endpoints are compared by it. */
  observe(endpoint: number, head: EndpointHead): void;
  /** Logs of `endpoint` lack what a receipt showed: it counts as behind for ten minutes. */
  incomplete(endpoint: number, reason: string): void;
  /** `endpoint` gave what no honest endpoint can give: it is the last resort for ten minutes. */
  exclude(endpoint: number, reason: string): void;
  /** The id that the endpoints agree about; null before one of them gave it. */
  readonly chainId: bigint | null;
  /** Why no endpoint is healthy; null when one is. Never holds a secret. */
  readonly trouble: string | null;
  states(): readonly EndpointState[];
  /** Ends every call that is under way; later ones fail. */
  close(): void;
};
