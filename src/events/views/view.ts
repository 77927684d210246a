import type { ViewWrite } from "../log/batch.ts";
import type { RecordedEvent } from "../envelope.ts";

/**
 * A read model: tables that a fold over the events fills. Its writes go into the transaction of the events
 * themselves, so a view is never behind. A changed view raises `version`: it is then emptied and refilled.
 */
export type View = {
  readonly name: string;
  readonly version: number;
  readonly tables: readonly string[];
  /** Event types it reads; others never reach `project`. */
  readonly types: readonly string[];
  readonly statements: readonly string[];
  /** Pure: which statements, by index into `statements`, record this event. */
  readonly project: (recorded: RecordedEvent) => readonly ViewWrite[];
};

/** All statements of all views in one list, and what an event writes to it. */
export class ViewSet {
  readonly views: readonly View[];
  readonly statements: readonly string[];
  readonly #byType = new Map<string, { readonly view: View; readonly offset: number }[]>();

  constructor(views: readonly View[]) {
    this.views = views;
    const statements: string[] = [];
    for (const view of views) {
      for (const type of view.types) {
        const readers = this.#byType.get(type) ?? [];
        readers.push({ view, offset: statements.length });
        this.#byType.set(type, readers);
      }
      statements.push(...view.statements);
    }
    this.statements = statements;
  }

  writesFor(recorded: RecordedEvent): readonly ViewWrite[] {
    const readers = this.#byType.get(recorded.event.type);
    if (readers === undefined) return [];
    return readers.flatMap(({ view, offset }) =>
      view.project(recorded).map(([index, values]) => [index + offset, values] as const),
    );
  }
}
