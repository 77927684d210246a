import { assert } from "../../shared/assert.ts";
import { BaseError } from "../../shared/errors.ts";
import type {
  Batch,
  EventRow,
  OutboxRow,
  SnapshotRow,
  StreamRow,
  ViewWrite,
  WriterReply,
  WriterRequest,
} from "./batch.ts";

/** Rows collected while a commit is under way, beyond which the node must refuse new work. */
const openRowsMax = 8_192;
/** Pause before a batch is tried again that the disk refused. */
const retryPauseMs = 500;

export type JournalHooks = {
  /** A commit took so long, from hand-over to the report; `rows` events were in it. */
  readonly onCommitted?: (ms: number, rows: number) => void;
  /** The disk refuses: nothing leaves until it takes the batch. Called once per outage, then with null. */
  readonly onStalled?: (reason: string | null) => void;
  /** The log is broken for good. The process must stop: memory is ahead of the disk. */
  readonly onHalted: (error: LogWriteError) => void;
};

/** The writer at the other end of a channel. In production a thread; a simulation hands in one of its own. */
export type WriterThread = {
  send(request: WriterRequest): void;
  /** Replaces the listeners. `onCrash` means that the thread is gone. */
  listen(onReply: (reply: WriterReply) => void, onCrash: (message: string) => void): void;
  terminate(): void;
};

function startWriterThread(): WriterThread {
  const worker = new Worker(new URL("./writerThread.ts", import.meta.url).href, { smol: true });
  return {
    send: (request) => worker.postMessage(request),
    listen: (onReply, onCrash) => {
      worker.onmessage = ({ data }: MessageEvent<WriterReply>) => onReply(data);
      worker.onerror = (event) => onCrash(event.message);
    },
    terminate: () => worker.terminate(),
  };
}

class OpenBatch {
  readonly events: EventRow[] = [];
  readonly streams = new Map<string, StreamRow>();
  readonly outboxAdded: OutboxRow[] = [];
  readonly outboxSettled: string[] = [];
  readonly snapshots = new Map<string, SnapshotRow>();
  readonly views: ViewWrite[] = [];
  /** Runs in order after the commit. */
  readonly afterCommit: (() => void)[] = [];
  readonly committed: Promise<void>;
  resolve: () => void = () => {};

  constructor() {
    this.committed = new Promise((resolve) => {
      this.resolve = resolve;
    });
  }

  get isEmpty(): boolean {
    return (
      this.events.length === 0 &&
      this.outboxSettled.length === 0 &&
      this.snapshots.size === 0 &&
      this.views.length === 0 &&
      this.afterCommit.length === 0
    );
  }
}

/**
 * Collects rows into the open batch and commits one batch after the other. Rows that were added in one turn of
 * the event loop are committed together or not at all.
 */
export class Journal {
  readonly #thread: WriterThread;
  readonly #hooks: JournalHooks;
  #open = new OpenBatch();
  #inFlight: { readonly batch: OpenBatch; readonly rows: Batch; readonly startedMs: number } | null = null;
  #nextBatchId = 1;
  #isFlushPlanned = false;
  #isStalled = false;
  #halted: LogWriteError | null = null;
  #onClosed: (() => void) | null = null;
  #onIdle: (() => void)[] = [];

  private constructor(thread: WriterThread, hooks: JournalHooks) {
    this.#thread = thread;
    this.#hooks = hooks;
  }

  /** Starts the writer thread on a prepared log. Rejects with {@link LogWriteError}. */
  static async open(
    path: string,
    viewStatements: readonly string[],
    hooks: JournalHooks,
    startThread: () => WriterThread = startWriterThread,
  ): Promise<Journal> {
    const thread = startThread();
    const journal = new Journal(thread, hooks);
    try {
      await new Promise<void>((resolve, reject) => {
        thread.listen(
          (reply) => {
            if (reply.type === "opened") resolve();
            else if (reply.type === "failed") reject(new LogWriteError(reply.sqliteCode, reply.message));
          },
          (message) => reject(new LogWriteError("THREAD", message)),
        );
        thread.send({ type: "open", path, viewStatements });
      });
    } catch (error) {
      thread.terminate();
      throw error;
    }
    thread.listen(
      (reply) => journal.#onReply(reply),
      (message) => journal.#halt(new LogWriteError("THREAD", message)),
    );
    return journal;
  }

  addEvent(row: EventRow): void {
    this.#open.events.push(row);
    this.#plan();
  }

  setStream(row: StreamRow): void {
    this.#open.streams.set(row[0], row);
  }

  addOutbox(row: OutboxRow): void {
    this.#open.outboxAdded.push(row);
  }

  settleOutbox(key: string): void {
    this.#open.outboxSettled.push(key);
    this.#plan();
  }

  saveSnapshot(row: SnapshotRow): void {
    this.#open.snapshots.set(row[0], row);
    this.#plan();
  }

  addView(write: ViewWrite): void {
    this.#open.views.push(write);
    this.#plan();
  }

  /** Runs `action` when everything added so far is durable, in the order of the calls. */
  afterCommit(action: () => void): void {
    this.#open.afterCommit.push(action);
    this.#plan();
  }

  /** Resolves when everything added so far is durable. Never rejects: a broken log stops the process. */
  committed(): Promise<void> {
    if (!this.#open.isEmpty) return this.#open.committed;
    return this.#inFlight === null ? Promise.resolve() : this.#inFlight.batch.committed;
  }

  /** Why no new work may be taken, or null. */
  get refusal(): string | null {
    if (this.#halted !== null) return this.#halted.message;
    if (this.#isStalled) return "The event log cannot be written: the disk refuses.";
    if (this.#open.events.length >= openRowsMax) return "The event log is congested.";
    return null;
  }

  /** Commits what is open and ends the thread. */
  async close(): Promise<void> {
    if (this.#halted === null) {
      this.#flush();
      if (this.#inFlight !== null) await new Promise<void>((resolve) => this.#onIdle.push(resolve));
      await new Promise<void>((resolve) => {
        this.#onClosed = resolve;
        this.#send({ type: "close" });
      });
    }
    this.#thread.terminate();
  }

  #plan(): void {
    if (this.#isFlushPlanned || this.#inFlight !== null) return;
    this.#isFlushPlanned = true;
    queueMicrotask(() => {
      this.#isFlushPlanned = false;
      this.#flush();
    });
  }

  #flush(): void {
    if (this.#inFlight !== null || this.#halted !== null || this.#open.isEmpty) return;
    const batch = this.#open;
    this.#open = new OpenBatch();
    const rows: Batch = {
      id: this.#nextBatchId++,
      events: batch.events,
      streams: [...batch.streams.values()],
      outboxAdded: batch.outboxAdded,
      outboxSettled: batch.outboxSettled,
      snapshots: [...batch.snapshots.values()],
      views: batch.views,
    };
    this.#inFlight = { batch, rows, startedMs: performance.now() };
    this.#send({ type: "commit", batch: rows });
  }

  #onReply(reply: WriterReply): void {
    if (reply.type === "closed") this.#onClosed?.();
    else if (reply.type === "failed") this.#onFailure(reply.sqliteCode, reply.message);
    else if (reply.type === "committed") this.#onCommitted(reply.id);
  }

  #onCommitted(id: number): void {
    const inFlight = this.#inFlight;
    assert(
      inFlight !== null && inFlight.rows.id === id,
      "The writer reported a batch that is not under way.",
    );
    this.#inFlight = null;
    if (this.#isStalled) {
      this.#isStalled = false;
      this.#hooks.onStalled?.(null);
    }
    this.#hooks.onCommitted?.(performance.now() - inFlight.startedMs, inFlight.rows.events.length);
    inFlight.batch.resolve();
    for (const action of inFlight.batch.afterCommit) action();
    this.#flush();
    if (this.#inFlight === null) for (const resolve of this.#onIdle.splice(0)) resolve();
  }

  /** A full or read-only disk is waited for with the batch in hand; anything else is a bug and final. */
  #onFailure(sqliteCode: string, message: string): void {
    const error = new LogWriteError(sqliteCode, message);
    if (error.disposition !== "retry") {
      this.#halt(error);
      return;
    }
    if (!this.#isStalled) {
      this.#isStalled = true;
      this.#hooks.onStalled?.(error.message);
    }
    setTimeout(() => {
      if (this.#inFlight !== null) this.#send({ type: "commit", batch: this.#inFlight.rows });
    }, retryPauseMs);
  }

  #halt(error: LogWriteError): void {
    if (this.#halted !== null) return;
    this.#halted = error;
    this.#hooks.onHalted(error);
  }

  #send(request: WriterRequest): void {
    this.#thread.send(request);
  }
}

const waitableCodes = [
  "SQLITE_FULL",
  "SQLITE_READONLY",
  "SQLITE_IOERR",
  "SQLITE_BUSY",
  "SQLITE_CANTOPEN",
  "SQLITE_NOMEM",
];

/** A batch did not reach the disk. */
export class LogWriteError extends BaseError {
  constructor(sqliteCode: string, message: string) {
    const isWaitable = waitableCodes.some((code) => sqliteCode.startsWith(code));
    super(`The event log could not be written: ${message}.`, {
      code: "LOG_WRITE_FAILED",
      disposition: isWaitable ? "retry" : "halt",
      meta: { sqliteCode },
      action: isWaitable
        ? "Free space on the disk of the data folder or make it writable: the node goes on by itself."
        : "This is a bug, or a second program wrote to the log: stop it and start the node again.",
    });
  }
}
