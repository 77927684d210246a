import type { WriterReply, WriterRequest } from "./batch.ts";
import { LogWriter } from "./writer.ts";

/*
 * The one writer of the log: a thread, so that waiting for the disk never stops the event loop. While one batch is
 * on its way to the disk, the owner collects the next.
 */

declare const self: {
  onmessage: ((message: { readonly data: WriterRequest }) => void) | null;
  postMessage(reply: WriterReply): void;
};

let writer: LogWriter | null = null;

self.onmessage = ({ data: request }) => {
  switch (request.type) {
    case "open":
      try {
        writer = LogWriter.open(request.path, request.viewStatements);
        self.postMessage({ type: "opened" });
      } catch (error) {
        self.postMessage(failure(0, error));
      }
      return;
    case "commit": {
      const startedMs = performance.now();
      try {
        if (writer === null) throw new Error("The writer is not open.");
        writer.commit(request.batch);
        self.postMessage({ type: "committed", id: request.batch.id, ms: performance.now() - startedMs });
      } catch (error) {
        self.postMessage(failure(request.batch.id, error));
      }
      return;
    }
    case "close":
      try {
        writer?.close();
      } finally {
        writer = null;
        self.postMessage({ type: "closed" });
      }
      return;
  }
};

function failure(id: number, error: unknown): WriterReply {
  const known = error as { readonly code?: unknown; readonly message?: unknown };
  return {
    type: "failed",
    id,
    sqliteCode: typeof known.code === "string" ? known.code : "UNKNOWN",
    message: typeof known.message === "string" ? known.message : String(error),
  };
}
