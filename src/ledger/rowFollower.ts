type Row = { readonly seq: number };

/** Walks along the rows of a table while the events that must have made them pass by, in the same order. */
export class RowFollower {
  readonly #what: string;
  readonly #rows: Iterator<Row>;
  readonly #find: (problem: string) => void;
  #next: Row | null;
  /** Events that were compared. */
  taken = 0;

  constructor(what: string, rows: Iterable<Row>, find: (problem: string) => void) {
    this.#what = what;
    this.#rows = rows[Symbol.iterator]();
    this.#find = find;
    this.#next = this.#read();
  }

  /** What an event must have written. Rows of events that never were are told on the way. */
  compare(expected: Row & Readonly<Record<string, unknown>>): void {
    this.taken += 1;
    this.#skipBefore(expected.seq);
    const row = this.#next;
    if (row === null || row.seq !== expected.seq) {
      this.#find(`The ${this.#what} of event ${expected.seq} is not in the ledger.`);
      return;
    }
    for (const text of differences(expected, row)) {
      this.#find(`The ${this.#what} of event ${expected.seq}: ${text}.`);
    }
    this.#next = this.#read();
  }

  /** No event is left: neither may a row be. */
  finish(): void {
    this.#skipBefore(Number.POSITIVE_INFINITY);
  }

  #skipBefore(seq: number): void {
    while (this.#next !== null && this.#next.seq < seq) {
      this.#find(`The ledger holds a ${this.#what} of event ${this.#next.seq}, which is none.`);
      this.#next = this.#read();
    }
  }

  #read(): Row | null {
    const { done, value } = this.#rows.next();
    return done === true ? null : value;
  }
}

/** Where a row is not what it must be, a text for each field. */
export function differences(
  expected: Readonly<Record<string, unknown>>,
  row: Readonly<Record<string, unknown>>,
): readonly string[] {
  return Object.entries(expected)
    .filter(([name, value]) => row[name] !== value)
    .map(([name, value]) => `\`${name}\` is ${String(row[name])} and must be ${String(value)}`);
}
