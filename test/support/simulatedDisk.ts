import { Database } from "bun:sqlite";
import { allEvents } from "../../src/events/catalogue.ts";
import type { WriterReply } from "../../src/events/log/batch.ts";
import type { WriterThread } from "../../src/events/log/journal.ts";
import { prepareDatabase } from "../../src/events/log/open.ts";
import { allViews } from "../../src/events/log/openLog.ts";
import { LogReader } from "../../src/events/log/reader.ts";
import { LogWriter } from "../../src/events/log/writer.ts";
import type { Chance, Owner, SimulatedTime } from "./simulatedTime.ts";

/*
 * The disk and the writer thread of a simulated node. The writer's code and SQLite are the real ones; simulated is
 * what no test can command on a real disk: when a commit reaches it, when the answer comes, and when it refuses.
 * The database is in memory because a commit is then a point in virtual time: before it nothing of the batch is
 * there, after it everything is, and a crash of the process can fall on either side. (What a real file adds, torn
 * pages and killed processes, is tested on real files in `test/unit/events/log`.)
 */

let empty: Uint8Array | null = null;

function emptyLog(): Database {
  if (empty === null) {
    const db = new Database(":memory:");
    prepareDatabase(db);
    empty = db.serialize();
    db.close();
  }
  return Database.deserialize(empty, { strict: true } as never);
}

export class SimulatedDisk {
  readonly db: Database = emptyLog();
  readonly reader: LogReader = new LogReader(this.db, allEvents);
  /** Until this moment of virtual time every commit is refused: the disk is full. */
  fullUntilMs = 0;
  /** Slowest commit, in milliseconds. */
  latencyMaxMs = 5;
  commits = 0;
  refusals = 0;
  readonly #time: SimulatedTime;
  readonly #chance: Chance;

  constructor(time: SimulatedTime, chance: Chance) {
    this.#time = time;
    this.#chance = chance;
  }

  /** The writer thread of one process: it dies with `process`, wherever its batch is then. */
  startThread(process: Owner): WriterThread {
    const writer = new LogWriter(this.db, allViews.statements);
    let listener: (reply: WriterReply) => void = () => {};
    return {
      listen: (onReply) => {
        listener = onReply;
      },
      terminate: () => {},
      send: (request) => {
        switch (request.type) {
          case "open":
            listener({ type: "opened" });
            return;
          case "close":
            listener({ type: "closed" });
            return;
          case "commit": {
            // As over a real channel: the batch is what it was when it was sent.
            const batch = structuredClone(request.batch);
            this.#time.schedule(this.#latencyMs(), process, () => {
              const reply = this.#commit(writer, batch);
              this.#time.schedule(this.#latencyMs(), process, () => listener(reply));
            });
          }
        }
      },
    };
  }

  #latencyMs(): number {
    return this.#chance.between(0, this.latencyMaxMs);
  }

  #commit(writer: LogWriter, batch: Parameters<LogWriter["commit"]>[0]): WriterReply {
    if (this.#time.nowMs < this.fullUntilMs) {
      this.refusals += 1;
      return {
        type: "failed",
        id: batch.id,
        sqliteCode: "SQLITE_FULL",
        message: "database or disk is full",
      };
    }
    try {
      writer.commit(batch);
      this.commits += 1;
      return { type: "committed", id: batch.id, ms: 0 };
    } catch (error) {
      const { code, message } = error as { readonly code?: string; readonly message: string };
      return { type: "failed", id: batch.id, sqliteCode: code ?? "UNKNOWN", message };
    }
  }
}
