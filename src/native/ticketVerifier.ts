import { availableParallelism } from "node:os";
import type { TicketBatch, TicketVerifier as TicketVerifierPort } from "../runtime/ports.ts";
import { assertTicketBatch, NativeError, openNativeLibrary, SIGNATURE_BYTES, verifyTickets } from "./ffi.ts";
import type { TicketChunk, TicketVerdicts } from "./ticketThread.ts";

/** Batches up to this size are verified where they are: handing them over would take as long. */
const inlineTicketsMax = 4;
/** Tickets in one message: 32 take 1.5 ms, so the event loop can bear to verify a chunk itself. */
const chunkTicketsMax = 32;
const chunkTicketsMin = 8;
/** One chunk in work and one at hand, so that a thread need not wait for the event loop. */
const chunksPerThread = 2;
const threadsMax = 4;
/** Threads that may end in a row without an answer before the event loop verifies by itself for a while. */
const failuresMax = 4;
const recoveryMs = 10_000;

export type TicketVerifierOptions = {
  /** Threads at most; by default one for each processor core, and no more than four. */
  readonly threads?: number;
  /** Tickets that are cut into chunks and wait for a thread; what comes beyond waits for room. */
  readonly waitingMax?: number;
  /** Threads without work end after this time. */
  readonly idleMs?: number;
  /** A thread that gives no answer for so long is ended and replaced. */
  readonly hungMs?: number;
  readonly startThread?: () => Worker;
};

/** One call of `verify`. */
type Call = {
  readonly batch: TicketBatch;
  /** Copies of what all chunks share: a message would otherwise carry the buffer that they are views into. */
  readonly shared: Omit<TicketBatch, "nonces" | "signatures">;
  readonly verdicts: Uint8Array;
  ticketsLeft: number;
  readonly resolve: (verdicts: Uint8Array) => void;
  readonly reject: (error: Error) => void;
};

type Chunk = {
  readonly call: Call;
  readonly start: number;
  readonly end: number;
  /** Threads that were lost with this chunk in hand. */
  losses: number;
};

type Thread = {
  readonly worker: Worker;
  readonly inHand: Map<number, Chunk>;
  /** Runs out when no answer comes while there is work in hand. */
  watch: NodeJS.Timeout | null;
};

/**
 * Verifies and draws tickets. Up to four are done at once, on the calling thread; more are cut into chunks for
 * threads that start at the first need and end when there is nothing to do. Calls are served in the order in
 * which they arrive.
 *
 * A thread that ends by itself, or gives no answer for seconds, is replaced. Its chunks go to another thread once; lost again, they are verified
 * on the event loop, one chunk a turn.
 */
export class TicketVerifier implements TicketVerifierPort {
  readonly #threadsMax: number;
  readonly #waitingMax: number;
  readonly #idleMs: number;
  readonly #hungMs: number;
  readonly #startThread: () => Worker;
  readonly #threads: Thread[] = [];
  /** Calls that found no room yet. */
  readonly #arrivals: Call[] = [];
  readonly #chunks: Chunk[] = [];
  /** Chunks for the event loop itself. */
  readonly #own: Chunk[] = [];
  #isOwnPlanned = false;
  /** Open calls that found room. */
  readonly #open = new Set<Call>();
  #acceptedTickets = 0;
  #arrivingTickets = 0;
  #nextChunkId = 1;
  #failuresInRow = 0;
  #threadsAgainMs = 0;
  #idleTimer: NodeJS.Timeout | null = null;
  #isClosed = false;

  /**
   * Opens the native library, which may block for the time of a compiler: make one before the node serves.
   *
   * @throws NativeError or CompileError when the library cannot be made
   */
  constructor(options: TicketVerifierOptions = {}) {
    openNativeLibrary();
    this.#threadsMax = Math.max(1, options.threads ?? Math.min(threadsMax, availableParallelism()));
    this.#waitingMax = options.waitingMax ?? 65_536;
    this.#idleMs = options.idleMs ?? 60_000;
    this.#hungMs = options.hungMs ?? 5_000;
    this.#startThread = options.startThread ?? startTicketThread;
  }

  /** Tickets whose call is not answered yet, those that wait for room included. */
  get waiting(): number {
    return this.#acceptedTickets + this.#arrivingTickets;
  }

  /** Tickets of calls that wait for room. More than none means: take no more work on. */
  get waitingForRoom(): number {
    return this.#arrivingTickets;
  }

  /** Threads that run now. */
  get threadCount(): number {
    return this.#threads.length;
  }

  /**
   * A byte a ticket, in order: 0 = bad signature, 1 = good and loses, 2 = good and wins. The batch must stay as
   * it is until the answer. Rejects with {@link NativeError} once the verifier is closed.
   *
   * @throws NativeError when the lengths in `batch` do not fit together
   */
  verify(batch: TicketBatch): Uint8Array | Promise<Uint8Array> {
    assertTicketBatch(batch);
    if (this.#isClosed) return Promise.reject(closedError());
    const tickets = batch.nonces.length;
    if (tickets <= inlineTicketsMax) return verifyTickets(batch);
    return new Promise((resolve, reject) => {
      const { preimage, sender, recipientRand, winProb } = batch;
      this.#arrivals.push({
        batch,
        shared: {
          preimage: new Uint8Array(preimage),
          sender: new Uint8Array(sender),
          recipientRand: new Uint8Array(recipientRand),
          winProb: new Uint8Array(winProb),
        },
        verdicts: new Uint8Array(tickets),
        ticketsLeft: tickets,
        resolve,
        reject,
      });
      this.#arrivingTickets += tickets;
      this.#advance();
    });
  }

  /** Ends all threads and rejects what is not answered. */
  async close(): Promise<void> {
    this.#isClosed = true;
    const unanswered = [...this.#open, ...this.#arrivals];
    for (const queue of [this.#arrivals, this.#chunks, this.#own]) queue.length = 0;
    this.#open.clear();
    this.#acceptedTickets = 0;
    this.#arrivingTickets = 0;
    const ended = this.#endThreads();
    for (const call of unanswered) call.reject(closedError());
    await ended;
  }

  /** Lets calls in while there is room, and hands chunks out while threads take them. */
  #advance(): void {
    this.#admit();
    while (this.#chunks.length > 0) {
      const thread = this.#threadForWork();
      if (thread === "none yet") return;
      const chunk = this.#chunks.shift();
      if (chunk === undefined) return;
      if (thread === "none at all") this.#verifyHere(chunk);
      else this.#send(thread, chunk);
    }
  }

  #admit(): void {
    for (let call = this.#arrivals[0]; call !== undefined; call = this.#arrivals[0]) {
      const tickets = call.verdicts.length;
      // A call larger than all the room goes alone.
      if (this.#acceptedTickets > 0 && this.#acceptedTickets + tickets > this.#waitingMax) return;
      this.#arrivals.shift();
      this.#arrivingTickets -= tickets;
      this.#acceptedTickets += tickets;
      this.#open.add(call);
      const fair = Math.ceil(tickets / this.#threadsMax);
      const size = Math.min(chunkTicketsMax, Math.max(chunkTicketsMin, fair));
      for (let start = 0; start < tickets; start += size) {
        this.#chunks.push({ call, start, end: Math.min(tickets, start + size), losses: 0 });
      }
    }
  }

  /** An idle thread, else a new one, else one that takes another chunk ahead. */
  #threadForWork(): Thread | "none yet" | "none at all" {
    let freest: Thread | null = null;
    for (const thread of this.#threads) {
      if (freest === null || thread.inHand.size < freest.inHand.size) freest = thread;
    }
    if (freest !== null && freest.inHand.size === 0) return freest;
    if (this.#threads.length < this.#threadsMax) {
      const added = this.#addThread();
      if (added !== null) return added;
      if (freest === null) return "none at all";
    }
    return freest !== null && freest.inHand.size < chunksPerThread ? freest : "none yet";
  }

  /** Null when the system gives no thread, or when the last ones all ended without an answer. */
  #addThread(): Thread | null {
    if (performance.now() < this.#threadsAgainMs) return null;
    let worker: Worker;
    try {
      worker = this.#startThread();
    } catch {
      this.#threadsAgainMs = performance.now() + recoveryMs;
      return null;
    }
    const thread: Thread = { worker, inHand: new Map(), watch: null };
    worker.addEventListener("message", ({ data }: MessageEvent<TicketVerdicts>) =>
      this.#onVerdicts(thread, data),
    );
    // Heard because an error without a listener would end the process; "close" always follows.
    worker.addEventListener("error", (event) => event.preventDefault());
    worker.addEventListener("close", () => this.#onLost(thread));
    // Threads without work must not keep the process alive.
    worker.unref();
    this.#threads.push(thread);
    return thread;
  }

  #send(thread: Thread, chunk: Chunk): void {
    if (this.#idleTimer !== null) clearTimeout(this.#idleTimer);
    this.#idleTimer = null;
    const id = this.#nextChunkId++;
    if (thread.inHand.size === 0) thread.worker.ref();
    thread.inHand.set(id, chunk);
    thread.watch ??= this.#watch(thread);
    const batch = batchOf(chunk);
    const request: TicketChunk = { id, batch };
    thread.worker.postMessage(request, [batch.nonces.buffer, batch.signatures.buffer]);
  }

  #onVerdicts(thread: Thread, { id, verdicts }: TicketVerdicts): void {
    const chunk = thread.inHand.get(id);
    if (chunk === undefined) return;
    this.#failuresInRow = 0;
    thread.inHand.delete(id);
    stopWatching(thread);
    if (thread.inHand.size > 0) thread.watch = this.#watch(thread);
    if (thread.inHand.size === 0) thread.worker.unref();
    this.#settle(chunk, verdicts);
    this.#advance();
    if (this.#acceptedTickets === 0) this.#endWhenIdle();
  }

  /** A thread that gives no answer is as good as one that ended: its gateways must not wait for ever. */
  #watch(thread: Thread): NodeJS.Timeout {
    return setTimeout(() => {
      thread.worker.terminate();
      this.#onLost(thread);
    }, this.#hungMs);
  }

  #onLost(thread: Thread): void {
    const index = this.#threads.indexOf(thread);
    // Not in the list: it was ended by us.
    if (index < 0) return;
    stopWatching(thread);
    this.#threads.splice(index, 1);
    this.#failuresInRow++;
    if (this.#failuresInRow >= failuresMax) {
      this.#failuresInRow = 0;
      this.#threadsAgainMs = performance.now() + recoveryMs;
    }
    for (const chunk of [...thread.inHand.values()].reverse()) {
      chunk.losses++;
      if (chunk.losses > 1) this.#verifyHere(chunk);
      else this.#chunks.unshift(chunk);
    }
    thread.inHand.clear();
    this.#advance();
  }

  /** On the event loop, which gets its turn between two chunks. */
  #verifyHere(chunk: Chunk): void {
    this.#own.push(chunk);
    if (this.#isOwnPlanned) return;
    this.#isOwnPlanned = true;
    setImmediate(() => this.#verifyOwn());
  }

  #verifyOwn(): void {
    this.#isOwnPlanned = false;
    const chunk = this.#own.shift();
    if (chunk === undefined) return;
    this.#settle(chunk, verifyTickets(batchOf(chunk)));
    if (this.#own.length > 0) {
      this.#isOwnPlanned = true;
      setImmediate(() => this.#verifyOwn());
    }
    this.#advance();
  }

  #settle(chunk: Chunk, verdicts: Uint8Array): void {
    const { call, start, end } = chunk;
    call.verdicts.set(verdicts, start);
    call.ticketsLeft -= end - start;
    this.#acceptedTickets -= end - start;
    if (call.ticketsLeft > 0) return;
    this.#open.delete(call);
    call.resolve(call.verdicts);
  }

  #endWhenIdle(): void {
    this.#idleTimer ??= setTimeout(() => {
      this.#idleTimer = null;
      void this.#endThreads();
    }, this.#idleMs).unref();
  }

  /** Resolves when they have ended. */
  async #endThreads(): Promise<void> {
    if (this.#idleTimer !== null) clearTimeout(this.#idleTimer);
    this.#idleTimer = null;
    const threads = this.#threads.splice(0);
    for (const thread of threads) stopWatching(thread);
    await Promise.all(threads.map(({ worker }) => endOf(worker)));
  }
}

/** A thread that verifies chunks. */
export function startTicketThread(): Worker {
  return new Worker(new URL("./ticketThread.ts", import.meta.url).href, { smol: true });
}

function stopWatching(thread: Thread): void {
  if (thread.watch !== null) clearTimeout(thread.watch);
  thread.watch = null;
}

function endOf(worker: Worker): Promise<void> {
  return new Promise((resolve) => {
    worker.addEventListener("close", () => resolve());
    worker.terminate();
  });
}

/** The tickets of a chunk in memory of their own, which a message can take away. */
function batchOf({ call, start, end }: Chunk): TicketBatch & {
  readonly nonces: Uint32Array<ArrayBuffer>;
  readonly signatures: Uint8Array<ArrayBuffer>;
} {
  const { nonces, signatures } = call.batch;
  return {
    ...call.shared,
    nonces: new Uint32Array(nonces.subarray(start, end)),
    signatures: new Uint8Array(signatures.subarray(start * SIGNATURE_BYTES, end * SIGNATURE_BYTES)),
  };
}

function closedError(): NativeError {
  return new NativeError("The ticket verifier has been closed.");
}
