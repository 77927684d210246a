/**
 * What became of a base64 text. `at` is the character position that the peer's decoder reports, which reaches a
 * gateway inside `base64 decode error: illegal base64 data at input byte <at>`.
 */
export type Base64Outcome =
  { readonly type: "bytes"; readonly bytes: Uint8Array } | { readonly type: "corrupt"; readonly at: number };

/**
 * Decodes standard base64 (RFC 4648 alphabet `+/`, padding required) the way Go's standard decoder does it:
 * carriage return and line feed are skipped anywhere, the bits behind the last byte may be non-zero, everything
 * else that is not in the alphabet is corrupt.
 *
 * The caller bounds the length of `text` (see `headers.ts`).
 */
export function decodeBase64(text: string): Base64Outcome {
  const out = new Uint8Array(Math.floor(text.length / 4) * 3 + 3);
  let length = 0;
  let group = 0;
  let count = 0;
  for (let index = 0; index < text.length; index++) {
    const code = text.charCodeAt(index);
    if (code === LINE_FEED || code === CARRIAGE_RETURN) continue;
    if (code === PADDING) {
      const fault = paddingFault(text, index, count);
      if (fault !== null) return { type: "corrupt", at: fault };
      // Two characters carry one byte, three carry two: the surplus bits are dropped unread.
      out[length++] = count === 2 ? group >> 4 : group >> 10;
      if (count === 3) out[length++] = group >> 2;
      return { type: "bytes", bytes: out.subarray(0, length) };
    }
    const value = code < 128 ? (sextetOf[code] ?? ILLEGAL) : ILLEGAL;
    if (value === ILLEGAL) return { type: "corrupt", at: index };
    group = (group << 6) | value;
    count++;
    if (count === 4) {
      out[length++] = group >> 16;
      out[length++] = group >> 8;
      out[length++] = group;
      group = 0;
      count = 0;
    }
  }
  // Missing padding is reported at the start of the unfinished group.
  if (count !== 0) return { type: "corrupt", at: text.length - count };
  return { type: "bytes", bytes: out.subarray(0, length) };
}

/** Encodes as standard base64 with padding. */
export function encodeBase64(bytes: Uint8Array): string {
  let text = "";
  for (let index = 0; index < bytes.length; index += 3) {
    const first = bytes[index] ?? 0;
    const second = bytes[index + 1];
    const third = bytes[index + 2];
    const group = (first << 16) | ((second ?? 0) << 8) | (third ?? 0);
    text += alphabet.charAt(group >> 18) + alphabet.charAt((group >> 12) & 63);
    text += second === undefined ? "=" : alphabet.charAt((group >> 6) & 63);
    text += third === undefined ? "=" : alphabet.charAt(group & 63);
  }
  return text;
}

/** Where the padding that starts at `index` after `count` characters of a group goes wrong; null if it is right. */
function paddingFault(text: string, index: number, count: number): number | null {
  if (count < 2) return index;
  let next = skipLineEnds(text, index + 1);
  if (count === 2) {
    if (next === text.length) return text.length;
    if (text.charCodeAt(next) !== PADDING) return next - 1;
    next = skipLineEnds(text, next + 1);
  }
  return next < text.length ? next : null;
}

function skipLineEnds(text: string, from: number): number {
  let index = from;
  while (text.charCodeAt(index) === LINE_FEED || text.charCodeAt(index) === CARRIAGE_RETURN) index++;
  return index;
}

const LINE_FEED = 10;
const CARRIAGE_RETURN = 13;
const PADDING = 61;
const ILLEGAL = 255;
const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
const sextetOf = new Uint8Array(128).fill(ILLEGAL);
for (let value = 0; value < alphabet.length; value++) sextetOf[alphabet.charCodeAt(value)] = value;
