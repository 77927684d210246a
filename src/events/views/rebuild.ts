import type { Database } from "bun:sqlite";
import type { LogReader } from "../log/reader.ts";
import type { View } from "./view.ts";

/**
 * Brings every view that is missing or of another version up to date by emptying it and replaying the log.
 * Runs before the writer thread opens. Returns the names of the views that were rebuilt.
 *
 * A view that this release does not know is forgotten: nobody keeps it from here on, and the release that knows it
 * must refill it when it comes back.
 */
export function rebuildViews(db: Database, reader: LogReader, views: readonly View[]): readonly string[] {
  const rebuilt: string[] = [];
  const names = JSON.stringify(views.map(({ name }) => name));
  db.prepare("DELETE FROM views WHERE name NOT IN (SELECT value FROM json_each(?))").run(names);
  for (const view of views) {
    const known = db.query("SELECT view_version AS version FROM views WHERE name = ?").get(view.name) as {
      version: number;
    } | null;
    if (known?.version === view.version) continue;
    rebuilt.push(view.name);
    db.transaction(() => {
      for (const table of view.tables) db.run(`DELETE FROM ${table}`);
      const statements = view.statements.map((sql) => db.prepare(sql));
      let lastSeq = 0;
      for (const recorded of reader.all()) {
        lastSeq = recorded.seq;
        if (!view.types.includes(recorded.event.type)) continue;
        for (const [index, values] of view.project(recorded)) statements[index]?.run(...values);
      }
      db.prepare("INSERT OR REPLACE INTO views VALUES (?, ?, ?)").run(view.name, view.version, lastSeq);
    })();
  }
  return rebuilt;
}
