/** What an operator's hook says about a gateway with status 200. */
export type WebhookAnswer =
  | { readonly type: "valid"; readonly price: WebhookPrice | null }
  | { readonly type: "invalid"; readonly text: string };

/** Wei for a number of pixels, as the hook gives it; at least 0 and at least 1. */
export type WebhookPrice = { readonly pricePerUnit: bigint; readonly pixelsPerUnit: bigint };

/**
 * Reads the body of a hook's 200 answer: a JSON object with an optional `priceInfo`. Keys are matched without
 * regard to case, unknown ones are ignored, `null` counts as absent. Texts are those that gateways'
 * operators know from go-livepeer.
 *
 * Unlike there, a price below 0 or for 0 pixels is refused: gateways would drop us for it without a word.
 *
 * Source: operator sheet 5; vectors webhooks.json.
 */
export function readWebhookAnswer(text: string): WebhookAnswer {
  let value: unknown;
  try {
    value = JSON.parse(text, keepNumberText);
  } catch {
    return invalid(syntaxText(text));
  }
  if (value === null) return { type: "valid", price: null };
  const kind = jsonKind(value);
  if (kind !== "object") {
    return invalid(`json: cannot unmarshal ${kind} into Go value of type server.discoveryAuthWebhookRes`);
  }
  const info = member(value, "priceInfo");
  if (info === undefined || info === null) return { type: "valid", price: null };
  const infoKind = jsonKind(info);
  if (infoKind !== "object") {
    const field = "discoveryAuthWebhookRes.priceInfo of type net.PriceInfo";
    return invalid(`json: cannot unmarshal ${infoKind} into Go struct field ${field}`);
  }
  return readPrice(info);
}

/** A number in JSON, kept as its digits: wei per pixels may pass 2⁵³. */
class JsonNumber {
  readonly text: string;
  constructor(text: string) {
    this.text = text;
  }
}

function keepNumberText(_key: string, value: unknown, context?: { readonly source?: string }): unknown {
  return typeof value === "number" ? new JsonNumber(context?.source ?? String(value)) : value;
}

function readPrice(info: unknown): WebhookAnswer {
  const pricePerUnit = int64Member(info, "pricePerUnit");
  if (typeof pricePerUnit === "string") return invalid(pricePerUnit);
  const pixelsPerUnit = int64Member(info, "pixelsPerUnit");
  if (typeof pixelsPerUnit === "string") return invalid(pixelsPerUnit);
  if (pricePerUnit < 0n) return invalid("price per unit is negative");
  if (pixelsPerUnit < 0n) return invalid("pixels per unit is negative");
  if (pixelsPerUnit === 0n) return invalid("pixels per unit is 0");
  return { type: "valid", price: { pricePerUnit, pixelsPerUnit } };
}

/** The member as int64 (0 when absent), or the text of the refusal. */
function int64Member(info: unknown, name: string): bigint | string {
  const value = member(info, name);
  if (value === undefined || value === null) return 0n;
  const into = `into Go struct field PriceInfo.priceInfo.${name} of type int64`;
  if (!(value instanceof JsonNumber)) return `json: cannot unmarshal ${jsonKind(value)} ${into}`;
  if (/^-?\d{1,19}$/.test(value.text)) {
    const number = BigInt(value.text);
    if (BigInt.asIntN(64, number) === number) return number;
  }
  return `json: cannot unmarshal number ${value.text.slice(0, 40)} ${into}`;
}

/** The last member of that name in any case, as Go's decoder takes it. */
function member(value: unknown, name: string): unknown {
  let found: unknown;
  for (const [key, content] of Object.entries(value as object)) {
    if (key.toLowerCase() === name.toLowerCase()) found = content;
  }
  return found;
}

function jsonKind(value: unknown): "object" | "array" | "string" | "number" | "bool" {
  if (value instanceof JsonNumber) return "number";
  if (Array.isArray(value)) return "array";
  if (typeof value === "string") return "string";
  return typeof value === "boolean" ? "bool" : "object";
}

/**
 * Why a text is no JSON, told as go-livepeer tells it in the cases that occur: nothing, no JSON, JSON and
 * more.
 */
function syntaxText(text: string): string {
  const body = text.replace(/^[ \t\r\n]+/, "");
  const first = firstCharacter(body);
  if (first === "") return "unexpected end of JSON input";
  if (!/[[{"\-0-9tfn]/.test(first))
    return `invalid character ${quoted(first)} looking for beginning of value`;
  const end = endOfBrackets(body);
  if (end === null) return "unexpected end of JSON input";
  const rest = firstCharacter(body.slice(end).replace(/^[ \t\r\n]+/, ""));
  return rest === "" ? "invalid JSON" : `invalid character ${quoted(rest)} after top-level value`;
}

/**
 * Index after the bracket that closes the first one; null when it, or a string before it, is never closed.
 */
function endOfBrackets(text: string): number | null {
  let depth = 0;
  for (const token of text.matchAll(/"(?:[^"\\]|\\.)*"|[[\]{}]|[^"[\]{}]+|"/gs)) {
    if (token[0] === '"') return null;
    if (token[0] === "{" || token[0] === "[") depth += 1;
    if (token[0] === "}" || token[0] === "]") depth -= 1;
    if (depth === 0) return token.index + token[0].length;
  }
  return null;
}

function firstCharacter(text: string): string {
  return String.fromCodePoint(...(text === "" ? [] : [text.codePointAt(0) ?? 0]));
}

function quoted(character: string): string {
  if (character === "'") return "'\\''";
  return character === '"' ? "'\"'" : `'${character}'`;
}

function invalid(text: string): WebhookAnswer {
  return { type: "invalid", text };
}
