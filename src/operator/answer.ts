/** One answer of the operator port. Headers that follow from it are added when it is written. */
export type Answer = {
  readonly status: number;
  /** Null for an empty body, which go-livepeer sends without a type. */
  readonly contentType: string | null;
  /** Text, or bytes as they are. */
  readonly body: string | Uint8Array;
  readonly headers?: Readonly<Record<string, string>>;
};

/** 200 with text, without a line feed at the end unless the text has one. */
export function textAnswer(text: string): Answer {
  return { status: 200, contentType: text === "" ? null : "text/plain; charset=utf-8", body: text };
}

/**
 * 200 with bytes that are no text, typed as Go guesses it: text unless there is a control character that text lacks.
 *
 * Source: Go net/http DetectContentType.
 */
export function bytesAnswer(bytes: Uint8Array): Answer {
  const isBinary = bytes
    .subarray(0, sniffedBytes)
    .some(
      (byte) =>
        byte <= 0x08 || byte === 0x0b || (byte >= 0x0e && byte <= 0x1a) || (byte >= 0x1c && byte <= 0x1f),
    );
  if (bytes.length === 0) return { status: 200, contentType: null, body: bytes };
  return {
    status: 200,
    contentType: isBinary ? "application/octet-stream" : "text/plain; charset=utf-8",
    body: bytes,
  };
}

/** How far Go looks. */
const sniffedBytes = 512;

/**
 * 200 with compact JSON. `<`, `>` and `&` are escaped as Go does. A bigint becomes a number with all its digits.
 *
 * Source: Go encoding/json Marshal.
 */
export function jsonAnswer(value: unknown): Answer {
  const escapes: Readonly<Record<string, string>> = { "<": "\\u003c", ">": "\\u003e", "&": "\\u0026" };
  const body = JSON.stringify(value, rawBigints).replaceAll(
    /[<>&]/g,
    (character) => escapes[character] ?? character,
  );
  return { status: 200, contentType: "application/json", body };
}

/** In the engine, and not in the types that come with it yet. */
const { rawJSON } = JSON as unknown as { rawJSON(text: string): unknown };

function rawBigints(_: string, value: unknown): unknown {
  return typeof value === "bigint" ? rawJSON(String(value)) : value;
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
