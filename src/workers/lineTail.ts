/** The last lines of a text stream, bounded in lines and in length, whatever comes in. */
export class LineTail {
  readonly #linesMax: number;
  readonly #charsMax: number;
  readonly #lines: string[] = [];
  #open = "";

  constructor(linesMax: number, charsMax: number) {
    this.#linesMax = linesMax;
    this.#charsMax = charsMax;
  }

  /** Adds a chunk; it may end in the middle of a line. */
  push(text: string): void {
    const parts = (this.#open + text).split("\n");
    // A line without end stays bounded: what is beyond the limit is dropped now.
    this.#open = (parts.pop() ?? "").slice(0, this.#charsMax);
    for (const part of parts) this.#add(part);
  }

  /** The lines, oldest first, the unfinished one included. */
  lines(): readonly string[] {
    return this.#open === "" ? [...this.#lines] : [...this.#lines, this.#open];
  }

  #add(line: string): void {
    if (line.trim() === "") return;
    this.#lines.push(line.slice(0, this.#charsMax));
    if (this.#lines.length > this.#linesMax) this.#lines.shift();
  }
}
