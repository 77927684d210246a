import { setPriority } from "node:os";
import type { TicketBatch } from "../runtime/ports.ts";
import { verifyTickets } from "./ffi.ts";

/*
 * A thread of the ticket verifier: it answers chunks in the order in which they come. An error ends it; the
 * owner sees that and gives its chunks to another.
 */

/** A few tickets of one call. */
export type TicketChunk = { readonly id: number; readonly batch: TicketBatch };

export type TicketVerdicts = { readonly id: number; readonly verdicts: Uint8Array };

declare const self: {
  onmessage: ((message: { readonly data: TicketChunk }) => void) | null;
  postMessage(reply: TicketVerdicts): void;
};

/**
 * A little behind the thread of the event loop, which would otherwise wait for its turn when all cores are busy,
 * and hardly behind the codecs. Zero is the calling thread, not the process.
 */
const niceness = 3;
setPriority(0, niceness);

self.onmessage = ({ data: { id, batch } }) => self.postMessage({ id, verdicts: verifyTickets(batch) });
