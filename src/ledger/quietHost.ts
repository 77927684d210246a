import { keccak_256 } from "@noble/hashes/sha3";
import { join } from "node:path";
import { ticketKind } from "../actors/ticket/decide.ts";
import { allEvents } from "../events/catalogue.ts";
import type { StreamId } from "../events/envelope.ts";
import { logFileName, openReadOnly } from "../events/log/open.ts";
import { openLog } from "../events/log/openLog.ts";
import { LogReader, type OutboxRecord, type StreamRecord } from "../events/log/reader.ts";
import { Host } from "../runtime/host.ts";
import type { Edge } from "../runtime/ports.ts";
import { BaseError } from "../shared/errors.ts";

/** A host on the log of a stopped node: tickets only, and nothing happens outside. */
export type QuietHost = {
  readonly host: Host;
  readonly reader: LogReader;
  /** Resolves when everything is durable. @throws ImportStoppedError */
  committed(): Promise<void>;
  close(): Promise<void>;
};

export type QuietHostPorts = {
  readonly nowMs: () => number;
  readonly randomBytes: (length: number) => Uint8Array;
};

/**
 * Opens the log of a data folder whose lock the caller holds.
 *
 * @param streams - open streams of tickets that are loaded; all other work of the stopped node stays as it is, its
 * deadlines and what the outbox owes included
 * @throws LogOpenError
 */
export async function openQuietHost(
  dataDir: string,
  ports: QuietHostPorts,
  streams: ReadonlySet<StreamId> = new Set(),
): Promise<QuietHost> {
  const stopped = Promise.withResolvers<never>();
  stopped.promise.catch(() => {});
  let isStopped = false;
  const stop = (error: unknown): void => {
    isStopped = true;
    stopped.reject(error);
  };
  const log = await openLog(dataDir, {
    onHalted: stop,
    onStalled: (reason) => reason !== null && stop(new ImportStoppedError(reason)),
  });
  const db = openReadOnly(join(dataDir, logFileName));
  const edge: Edge = { nowMs: ports.nowMs, randomBytes: ports.randomBytes, keccak256: keccak_256 };
  const host = new Host({
    kinds: [ticketKind],
    // A winning ticket causes no effect: redemption goes by the chain's clock and reads what is open.
    effects: {},
    journal: log.journal,
    reader: new ChosenStreamsReader(db, streams),
    views: log.views,
    edge,
    onFault: stop,
  });
  host.start();
  return {
    host,
    reader: log.reader,
    committed: () => Promise.race([host.committed(), stopped.promise]),
    close: async () => {
      host.stop();
      db.close();
      // Not when it failed: a writer that waits for a full disk would be waited for.
      if (!isStopped) await log.close();
    },
  };
}

class ChosenStreamsReader extends LogReader {
  readonly #chosen: ReadonlySet<StreamId>;

  constructor(db: ReturnType<typeof openReadOnly>, chosen: ReadonlySet<StreamId>) {
    super(db, allEvents);
    this.#chosen = chosen;
  }

  override openStreams(): readonly StreamRecord[] {
    return [...this.#chosen].flatMap((stream) => {
      const row = this.stream(stream);
      return row === null || row.isClosed === 1 ? [] : [row];
    });
  }

  override outbox(): readonly OutboxRecord[] {
    return [];
  }
}

/** The log did not take an imported row. What was reported before is in it. */
export class ImportStoppedError extends BaseError {
  constructor(reason: string) {
    super(`The import stopped: ${reason}`, {
      code: "IMPORT_STOPPED",
      disposition: "retry",
      action: "Remove the cause and run the import again: what was imported is skipped.",
    });
  }
}
