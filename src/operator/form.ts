/*
 * Parameters of a request as Go's `ParseForm` and `FormValue` read them, with its error texts, because scripts see
 * them; and, beyond Go, flat JSON objects and multipart forms.
 */

/** The body of a request that may hold parameters. */
export type FormBody = { readonly contentType: string | null; readonly bytes: Uint8Array };

export type Form =
  /** The first value of each name; the body's come before the query's, and an empty one hides a later one. */
  | { readonly type: "form"; readonly values: ReadonlyMap<string, string> }
  | { readonly type: "bad"; readonly text: string };

/** Longest body with parameters. Source: Go net/http parsePostForm. */
export const formBytesMax = 10 * 1024 * 1024;

/** Text of the refusal of a longer one. */
export const formTooLargeText = "http: POST too large";

/**
 * Reads query and body. `body` is null for methods whose body Go does not read (all but POST, PUT and PATCH).
 *
 * Source: Go net/http Request.ParseForm; operator sheet 2.1 and 8a.
 */
export async function readForm(query: string, body: FormBody | null): Promise<Form> {
  const fromBody = body === null ? emptyPairs : await readBody(body);
  const fromQuery = decodePairs(query);
  const error = fromBody.error ?? fromQuery.error;
  if (error !== null) return { type: "bad", text: error };
  const values = new Map<string, string>();
  for (const [name, value] of [...fromBody.pairs, ...fromQuery.pairs]) {
    if (!values.has(name)) values.set(name, value);
  }
  return { type: "form", values };
}

type Pairs = { readonly pairs: readonly (readonly [string, string])[]; readonly error: string | null };

const emptyPairs: Pairs = { pairs: [], error: null };

async function readBody(body: FormBody): Promise<Pairs> {
  const media = readMediaType(body.contentType);
  if (media === null) return { pairs: [], error: "mime: invalid media parameter" };
  switch (media) {
    case "application/x-www-form-urlencoded":
      return body.bytes.length > formBytesMax
        ? { pairs: [], error: formTooLargeText }
        : decodePairs(new TextDecoder().decode(body.bytes));
    case "application/json":
      return { pairs: readJson(body.bytes), error: null };
    case "multipart/form-data":
      return { pairs: await readMultipart(body), error: null };
    default:
      return emptyPairs;
  }
}

/** The media type without parameters; null when the header is malformed in the way Go refuses. */
function readMediaType(header: string | null): string | null {
  if (header === null || header === "") return "application/octet-stream";
  const [type = "", ...parameters] = header.split(";");
  const isGood = parameters.every((parameter) =>
    /^\s*(?:[^\s=;"]+=(?:"[^"]*"|[^\s=;"]*))?\s*$/.test(parameter),
  );
  return isGood ? type.trim().toLowerCase() : null;
}

/** Source: Go net/url ParseQuery: bad pairs are left out, the first error is reported. */
function decodePairs(text: string): Pairs {
  const pairs: [string, string][] = [];
  let error: string | null = null;
  for (const part of text.split("&")) {
    if (part === "") continue;
    if (part.includes(";")) {
      error ??= "invalid semicolon separator in query";
      continue;
    }
    const equals = part.indexOf("=");
    const name = decodeEscapes(equals < 0 ? part : part.slice(0, equals));
    const value = decodeEscapes(equals < 0 ? "" : part.slice(equals + 1));
    if (name.type === "bad") error ??= name.text;
    else if (value.type === "bad") error ??= value.text;
    else pairs.push([name.text, value.text]);
  }
  return { pairs, error };
}

function decodeEscapes(text: string): { readonly type: "text" | "bad"; readonly text: string } {
  const bad = /%(?![0-9a-fA-F]{2})/.exec(text);
  if (bad !== null) {
    return {
      type: "bad",
      text: `invalid URL escape ${JSON.stringify(text.slice(bad.index, bad.index + 3))}`,
    };
  }
  const plain = text.replaceAll("+", " ");
  if (!plain.includes("%")) return { type: "text", text: plain };
  // Byte by byte, because an escape may be half a character: what is no UTF-8 becomes a replacement character.
  const escaped = plain.replaceAll(/%([0-9a-fA-F]{2})|([^%]+)/g, (_, hex?: string, rest?: string) =>
    hex === undefined
      ? Buffer.from(rest ?? "", "utf8").toString("latin1")
      : String.fromCharCode(Number.parseInt(hex, 16)),
  );
  return { type: "text", text: Buffer.from(escaped, "latin1").toString("utf8") };
}

/** Flat members of a JSON object. Anything else holds no parameters, as in Go. */
function readJson(bytes: Uint8Array): readonly (readonly [string, string])[] {
  let parsed: unknown;
  try {
    parsed = JSON.parse(new TextDecoder().decode(bytes));
  } catch {
    return [];
  }
  if (typeof parsed !== "object" || parsed === null) return [];
  const pairs: [string, string][] = [];
  for (const [name, value] of Object.entries(parsed)) {
    if (typeof value === "string" || typeof value === "number" || typeof value === "boolean") {
      pairs.push([name, String(value)]);
    }
  }
  return pairs;
}

async function readMultipart(body: FormBody): Promise<readonly (readonly [string, string])[]> {
  try {
    const form = await new Response(body.bytes.slice(), {
      headers: { "Content-Type": body.contentType ?? "" },
    }).formData();
    const pairs: [string, string][] = [];
    for (const [name, value] of form.entries()) if (typeof value === "string") pairs.push([name, value]);
    return pairs;
  } catch {
    return [];
  }
}
