import type { Rational } from "../protocol/rational.ts";
import type { Hex } from "../shared/brand.ts";

/*
 * What the operator port asks of the node. The composition root implements it; every method is quick and safe to
 * call at any time.
 */

/** A remote transcoder that is attached, as `/status` lists it. */
export type RegisteredTranscoder = { readonly address: string; readonly capacity: number };

/** The facts behind `/status`. */
export type NodeFacts = {
  /** The version that gateways are told. */
  readonly version: string;
  /** For example `bun 1.4.5`. */
  readonly runtimeVersion: string;
  /** In Go's words, such as `amd64`, because readers of the JSON know those. */
  readonly architecture: string;
  /** For example `linux`. */
  readonly operatingSystem: string;
  readonly registeredTranscoders: readonly RegisteredTranscoder[];
  /** Whether segments are transcoded on this machine. */
  readonly isLocalTranscoding: boolean;
};

/** Whom a price is for: everybody without a price of his own, or one gateway by its lower-case account. */
export type PriceScope = "default" | Hex;

/** A price as an operator wrote it. The same shape as a price in the configuration. */
export type OperatorPrice = {
  /** Of `currency`, for `pixelsPerUnit`; not negative. */
  readonly amount: Rational;
  /** "" or `wei`, `eth`, else upper case: a currency that the price feed has to know. */
  readonly currency: string;
  /** Above 0. */
  readonly pixelsPerUnit: Rational;
  /** For people, such as `0.13USD / 1e12`. */
  readonly wording: string;
};

/** What became of a change. `text` says why not, for example that the price feed lacks the currency. */
export type MoneyChange = { readonly type: "changed" } | { readonly type: "refused"; readonly text: string };

/** Prices and tickets of a node on a chain. A change is durable when its promise resolves. */
export type OperatorMoney = {
  /** Prices in wei per pixel as they are now, for `/status`. */
  prices(): ReadonlyMap<PriceScope, Rational>;
  /** Running accounts keep the price that they were fixed at. */
  setPrice(scope: PriceScope, price: OperatorPrice): Promise<MoneyChange>;
  /** Expected value of a ticket, in wei. */
  ticketEv(): bigint;
  /** Highest face value of a ticket from now on, in wei; 0 = no limit, else at least {@link ticketEv}. */
  setMaxFaceValue(wei: bigint): Promise<MoneyChange>;
};

/** What the node knows about its chain without asking it. */
export type OperatorChain = {
  readonly chainId: bigint;
  /** The account whose key we hold, 20 bytes. */
  readonly account: Uint8Array;
  /** Wei per gas. */
  minGasPrice(): bigint;
  /** Wei per gas; null = no limit. */
  maxGasPrice(): bigint | null;
};

export type OperatorNode = {
  facts(): NodeFacts;
  maxSessions(): number;
  /** Changes the cap at once, until the next start. `count` is an integer of at least 1. */
  setMaxSessions(count: number): void;
  verbosity(): number;
  setVerbosity(verbosity: number): void;
  /** What keeps the node from taking work; null = healthy. */
  unhealthyReason(): string | null;
  /** Null off-chain. */
  readonly money: OperatorMoney | null;
  /** Null off-chain. */
  readonly chain: OperatorChain | null;
  /** The exposition of all metrics; null without `-monitor`, and then `/metrics` does not exist. */
  readonly metrics: { readonly contentType: string; expose(): string } | null;
};

/** Told about things that an operator may want to see in the log. */
export type OperatorNotice =
  | {
      readonly type: "changed";
      readonly setting: "maxSessions" | "verbosity" | "maxFaceValue";
      readonly value: number | bigint;
    }
  | {
      readonly type: "changed";
      readonly setting: "price";
      readonly scope: PriceScope;
      readonly value: string;
    }
  | { readonly type: "refused"; readonly path: string; readonly reason: string }
  | { readonly type: "bug"; readonly path: string; readonly error: unknown };
