import { assert } from "../../shared/assert.ts";
import type { Request } from "./answer.ts";

/** Something that is fed the body while it arrives, such as a hash. */
export type ByteSink = { update(bytes: Uint8Array): unknown };

export type BodyBounds = {
  /** Accepted bytes; one more ends the reading with `too-large`. */
  readonly bytesMax: number;
  /** Unix milliseconds at which the reading is given up, however fast the peer is. */
  readonly deadlineMs: number;
  /** The reading is given up when nothing arrives for this long. */
  readonly idleTimeoutMs: number;
  /** Asked before memory grows by `bytes`; false ends the reading with `no-memory`. */
  readonly reserve?: (bytes: number) => boolean;
};

export type BodyOutcome =
  | { readonly type: "complete"; readonly bytes: Uint8Array }
  | { readonly type: "too-large" | "timeout" | "client-gone" | "no-memory" };

/**
 * Reads a request body whole, in bounds, feeding `sink` on the way. Rejects only with what `sink` throws. The
 * caller answers the peer and gets rid of a request that was not read to its end.
 */
export function readBody(request: Request, bounds: BodyBounds, sink: ByteSink | null): Promise<BodyOutcome> {
  const announced = announcedLength(request);
  if (announced !== null && announced > bounds.bytesMax) return Promise.resolve({ type: "too-large" });
  if (request.destroyed) return Promise.resolve({ type: "client-gone" });
  return new Promise((resolve, reject) => {
    const buffer = new GrowingBuffer(announced, bounds);
    let lastByteMs = Date.now();
    let timer = setTimeout(checkTime, timeLeft());

    function timeLeft(): number {
      return Math.max(0, Math.min(bounds.deadlineMs, lastByteMs + bounds.idleTimeoutMs) - Date.now());
    }
    function checkTime(): void {
      if (timeLeft() <= 0) settle({ type: "timeout" });
      else timer = setTimeout(checkTime, timeLeft());
    }
    function settle(outcome: BodyOutcome): void {
      stop();
      resolve(outcome);
    }
    function stop(): void {
      clearTimeout(timer);
      request.off("data", onData).off("end", onEnd).off("close", onGone).off("aborted", onGone);
      // Late errors of a request that was given up must find a listener.
      request.off("error", onGone).on("error", () => {});
    }
    function onData(chunk: Uint8Array): void {
      lastByteMs = Date.now();
      const refusal = buffer.append(chunk);
      if (refusal !== null) {
        settle({ type: refusal });
        return;
      }
      try {
        sink?.update(chunk);
      } catch (error) {
        // Thrown on, it would leave through the socket's event and end the process.
        stop();
        reject(error);
      }
    }
    function onEnd(): void {
      // An HTTP/1.1 peer that hangs up early also ends the stream; `complete` tells the difference.
      const isWhole =
        request.complete && !request.aborted && (announced === null || announced === buffer.length);
      settle(isWhole ? { type: "complete", bytes: buffer.take() } : { type: "client-gone" });
    }
    function onGone(): void {
      settle({ type: "client-gone" });
    }
    request.on("data", onData).once("end", onEnd).once("close", onGone).once("aborted", onGone);
    request.once("error", onGone);
  });
}

/** The value of `Content-Length`, or null when absent. The parsers below us refuse malformed ones. */
export function announcedLength(request: Request): number | null {
  const text = request.headers["content-length"];
  if (text === undefined || !/^\d{1,15}$/.test(text)) return null;
  return Number(text);
}

/** Collects chunks without a second copy at the end when the length was announced. */
class GrowingBuffer {
  readonly #bounds: BodyBounds;
  readonly #announced: number | null;
  #first: Uint8Array | null = null;
  #bytes: Uint8Array | null = null;
  length = 0;

  constructor(announced: number | null, bounds: BodyBounds) {
    this.#announced = announced;
    this.#bounds = bounds;
  }

  append(chunk: Uint8Array): "too-large" | "no-memory" | null {
    const needed = this.length + chunk.byteLength;
    if (needed > this.#bounds.bytesMax) return "too-large";
    if (this.length === 0 && this.#first === null) {
      // The usual small message comes in one chunk and is handed on as it is.
      if (!this.#reserve(chunk.byteLength)) return "no-memory";
      this.#first = chunk;
      this.length = needed;
      return null;
    }
    if (this.#bytes === null || this.#bytes.byteLength < needed) {
      if (!this.#grow(needed)) return "no-memory";
    }
    assert(this.#bytes !== null, "The buffer was grown.");
    this.#bytes.set(chunk, this.length);
    this.length = needed;
    return null;
  }

  take(): Uint8Array {
    if (this.#bytes !== null) return this.#bytes.subarray(0, this.length);
    return this.#first ?? new Uint8Array(0);
  }

  #grow(needed: number): boolean {
    // An announcement is only a claim: memory follows the bytes that came, at most eight times ahead of them.
    const ahead = Math.max(needed * 2, 256 * 1024);
    const announced = this.#announced ?? Number.POSITIVE_INFINITY;
    const target = announced <= needed * 8 ? Math.max(announced, needed) : ahead;
    const size = Math.min(Math.max(target, needed), this.#bounds.bytesMax);
    const held = this.#bytes?.byteLength ?? this.#first?.byteLength ?? 0;
    if (!this.#reserve(size - held)) return false;
    const grown = Buffer.allocUnsafeSlow(size);
    const old = this.#bytes ?? this.#first;
    if (old !== null) grown.set(old.subarray(0, this.length), 0);
    this.#bytes = grown;
    this.#first = null;
    return true;
  }

  #reserve(bytes: number): boolean {
    return this.#bounds.reserve === undefined || this.#bounds.reserve(bytes);
  }
}
