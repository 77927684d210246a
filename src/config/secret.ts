/**
 * A text that must never be printed: a password, a key, a token.
 *
 * Every way by which a value usually slips into a log (template strings, `String`, `JSON.stringify`,
 * `console.log`, `Bun.inspect`) shows `***`. Only {@link Secret.reveal} gives the text, so that each use of a
 * secret can be found by one search.
 */
export class Secret {
  readonly #text: string;

  constructor(text: string) {
    this.#text = text;
  }

  /** The secret itself. Hand it to the code that needs it; never to a log, an error or a command line. */
  reveal(): string {
    return this.#text;
  }

  /** Whether the secret is the empty text, which counts as "not set". */
  get isEmpty(): boolean {
    return this.#text === "";
  }

  toString(): string {
    return "***";
  }

  toJSON(): string {
    return "***";
  }

  [Symbol.for("nodejs.util.inspect.custom")](): string {
    return "***";
  }
}

/**
 * An endpoint URL without what may hold a key: user info, path and query become `***`, the host stays, because
 * an operator needs to see which endpoint is in use. A text that is no URL becomes `***` as a whole.
 */
export function redactUrl(text: string): string {
  if (text === "" || !URL.canParse(text)) return text === "" ? "" : "***";
  const url = new URL(text);
  const user = url.username === "" && url.password === "" ? "" : "***@";
  const tail = url.pathname.length > 1 || url.search !== "" || url.hash !== "" ? "/***" : "";
  return `${url.protocol}//${user}${url.host}${tail}`;
}
