/*
 * What goes to the writer thread in one commit. Rows are flat tuples of texts, integers and nulls, so that
 * handing a batch over costs one structured copy and no object graph.
 */

export type SqlValue = string | number | null;

/** `seq, stream, version, type, schema_version, at_ms, correlation_id, causation_id, trace_id, data` */
export type EventRow = readonly [
  number,
  string,
  number,
  string,
  number,
  number,
  string,
  string,
  string | null,
  string,
];

/** `stream, version, is_closed, final_state` */
export type StreamRow = readonly [string, number, number, string | null];

/** `key, stream, effect, params` */
export type OutboxRow = readonly [string, string, string, string];

/** `stream, version, machine_hash, data` */
export type SnapshotRow = readonly [string, number, string, string];

/** A view's statement by number, with its parameters. */
export type ViewWrite = readonly [number, readonly SqlValue[]];

export type Batch = {
  readonly id: number;
  readonly events: readonly EventRow[];
  readonly streams: readonly StreamRow[];
  readonly outboxAdded: readonly OutboxRow[];
  readonly outboxSettled: readonly string[];
  readonly snapshots: readonly SnapshotRow[];
  readonly views: readonly ViewWrite[];
};

/** From the owner to the thread. */
export type WriterRequest =
  | { readonly type: "open"; readonly path: string; readonly viewStatements: readonly string[] }
  | { readonly type: "commit"; readonly batch: Batch }
  | { readonly type: "close" };

/** From the thread to the owner. */
export type WriterReply =
  | { readonly type: "opened" }
  | { readonly type: "committed"; readonly id: number; readonly ms: number }
  | {
      readonly type: "failed";
      readonly id: number;
      readonly sqliteCode: string;
      readonly message: string;
    }
  | { readonly type: "closed" };
