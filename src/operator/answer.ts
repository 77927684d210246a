/** One answer of the operator port. Headers that follow from it are added when it is written. */
export type Answer = {
  readonly status: number;
  /** Null for an empty body, which go-livepeer sends without a type. */
  readonly contentType: string | null;
  readonly body: string;
  readonly headers?: Readonly<Record<string, string>>;
};

/** 200 with text, without a line feed at the end unless the text has one. */
export function textAnswer(text: string): Answer {
  return { status: 200, contentType: text === "" ? null : "text/plain; charset=utf-8", body: text };
}

/**
 * 200 with compact JSON. `<`, `>` and `&` are escaped as Go does.
 *
 * Source: Go encoding/json Marshal.
 */
export function jsonAnswer(value: unknown): Answer {
  const escapes: Readonly<Record<string, string>> = { "<": "\\u003c", ">": "\\u003e", "&": "\\u0026" };
  const body = JSON.stringify(value).replaceAll(/[<>&]/g, (character) => escapes[character] ?? character);
  return { status: 200, contentType: "application/json", body };
}

/**
 * An error in Go's form: plain text with a line feed and no sniffing.
 *
 * Source: Go net/http Error.
 */
export function errorAnswer(status: number, text: string): Answer {
  return {
    status,
    contentType: "text/plain; charset=utf-8",
    body: `${text}\n`,
    headers: { "X-Content-Type-Options": "nosniff" },
  };
}
