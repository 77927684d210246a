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

export type OperatorNode = {
  facts(): NodeFacts;
  maxSessions(): number;
  /** Changes the cap at once, until the next start. `count` is an integer of at least 1. */
  setMaxSessions(count: number): void;
  verbosity(): number;
  setVerbosity(verbosity: number): void;
  /** What keeps the node from taking work; null = healthy. */
  unhealthyReason(): string | null;
  /** The exposition of all metrics; null without `-monitor`, and then `/metrics` does not exist. */
  readonly metrics: { readonly contentType: string; expose(): string } | null;
};

/** Told about things that an operator may want to see in the log. */
export type OperatorNotice =
  | { readonly type: "changed"; readonly setting: "maxSessions" | "verbosity"; readonly value: number }
  | { readonly type: "refused"; readonly path: string; readonly reason: string }
  | { readonly type: "bug"; readonly path: string; readonly error: unknown };
