import { BaseError, errorText } from "../shared/errors.ts";
import { secretsOf } from "./endpointName.ts";

/** One call of a JSON-RPC method. */
export type RpcCall = { readonly method: string; readonly params: readonly unknown[] };

/**
 * What became of a call. `remote`: the node answered this call with an error, such as a revert. `transport`:
 * there was no usable answer at all. Texts are short, printable and free of the URL's secrets.
 */
export type RpcAnswer =
  | { readonly type: "result"; readonly result: unknown }
  | {
      readonly type: "failed";
      readonly kind: "remote" | "transport";
      readonly text: string;
      /** How long the server asks us to stay away; null when it does not say. */
      readonly retryAfterMs: number | null;
      /**
       * `remote`: code of the JSON-RPC error. `transport`: HTTP status, or the code of an error that refused the
       * whole list. Null when there is none.
       */
      readonly code: number | null;
      /** `0x…` that came with a `remote` error, such as the data of a revert; null for none. */
      readonly data: string | null;
    };

/** Whoever takes JSON-RPC calls in batches: one endpoint, or a pool of them. Never rejects. */
export type BatchRpc = { batch(calls: readonly RpcCall[]): Promise<readonly RpcAnswer[]> };

export type JsonRpcOptions = {
  /** `http:` or `https:`; user info in it becomes an `Authorization` header. */
  readonly url: string;
  readonly timeoutMs?: number;
  /** An answer with more bytes than this is refused. */
  readonly answerBytesMax?: number;
  /** Words that no text may hold, beside those of `url`. */
  readonly secrets?: readonly string[];
};

const defaultTimeoutMs = 5_000;
/** A block with 2,000 transaction hashes of 69 bytes is 138 kB. */
const defaultAnswerBytesMax = 2 * 1024 * 1024;
const textMax = 200;
const retryAfterMaxMs = 60_000;
/** Characters. The words of a revert fit many times over. */
const dataMax = 16_384;

/**
 * JSON-RPC over HTTP: several calls travel as one request. Nothing that the server answers makes it throw.
 *
 * Why not viem's own transport: it pairs the answers of a batch with the calls by their order, and reads bodies
 * without a bound. Here the ids are compared, because a server that mixes them up would feed us wrong money.
 */
export class JsonRpc {
  readonly #endpoint: string;
  readonly #headers: Readonly<Record<string, string>>;
  readonly #secrets: readonly string[];
  readonly #timeoutMs: number;
  readonly #answerBytesMax: number;
  readonly #running = new Set<AbortController>();
  #isClosed = false;
  #nextId = 1;

  /** @throws ChainUrlError when `url` is no http or https URL */
  constructor(options: JsonRpcOptions) {
    const url = URL.canParse(options.url) ? new URL(options.url) : null;
    if (url === null || (url.protocol !== "http:" && url.protocol !== "https:")) throw new ChainUrlError();
    this.#secrets = [...secretsOf(url), ...(options.secrets ?? [])];
    const headers: Record<string, string> = { "content-type": "application/json" };
    if (url.username !== "" || url.password !== "") {
      const credentials = `${decodeURIComponent(url.username)}:${decodeURIComponent(url.password)}`;
      headers["authorization"] = `Basic ${Buffer.from(credentials, "utf8").toString("base64")}`;
      url.username = "";
      url.password = "";
    }
    this.#headers = headers;
    this.#endpoint = url.href;
    this.#timeoutMs = options.timeoutMs ?? defaultTimeoutMs;
    this.#answerBytesMax = options.answerBytesMax ?? defaultAnswerBytesMax;
  }

  /**
   * Sends all calls in one HTTP request; a single one as a plain object, because not every endpoint takes lists. One
   * answer a call, in the order of the calls. Never rejects.
   */
  async batch(calls: readonly RpcCall[]): Promise<readonly RpcAnswer[]> {
    if (calls.length === 0) return [];
    const firstId = this.#nextId;
    this.#nextId += calls.length;
    const body = calls.map((call, index) => ({ jsonrpc: "2.0", id: firstId + index, ...call }));
    const aborter = new AbortController();
    const slow = new RpcTrouble(`the RPC gave no answer within ${this.#timeoutMs} ms`);
    const timer = setTimeout(() => aborter.abort(slow), this.#timeoutMs);
    this.#running.add(aborter);
    try {
      if (this.#isClosed) throw closedTrouble();
      const text = await this.#post(JSON.stringify(body.length === 1 ? body[0] : body), aborter.signal);
      return this.#paired(parseJson(text), firstId, calls.length);
    } catch (error) {
      // An aborted request fails with one word or another; the reason is ours.
      const cause: unknown = aborter.signal.aborted ? aborter.signal.reason : error;
      const text = cause instanceof RpcTrouble ? cause.message : this.#transportText(cause);
      const { retryAfterMs, code } = cause instanceof RpcTrouble ? cause : { retryAfterMs: null, code: null };
      return calls.map(() => ({ ...noAnswer, text, retryAfterMs, code }));
    } finally {
      clearTimeout(timer);
      this.#running.delete(aborter);
    }
  }

  /** Ends every call that is under way; later ones fail. */
  close(): void {
    this.#isClosed = true;
    for (const aborter of this.#running) aborter.abort(closedTrouble());
  }

  async #post(body: string, signal: AbortSignal): Promise<string> {
    const response = await fetch(this.#endpoint, {
      method: "POST",
      headers: this.#headers,
      body,
      // A redirect would carry our calls to a server that nobody configured.
      redirect: "error",
      signal,
    });
    if (!response.ok) {
      void response.body?.cancel().catch(() => undefined);
      const { status } = response;
      throw new RpcTrouble(`the RPC answered HTTP ${status}`, status, retryAfterOf(response));
    }
    return readBounded(response, this.#answerBytesMax);
  }

  #paired(parsed: unknown, firstId: number, count: number): readonly RpcAnswer[] {
    if (!Array.isArray(parsed) && count > 1) {
      const single = this.#answer(parsed);
      // A server that refuses the batch as a whole answers with one error.
      const isError = single.type === "failed";
      const text = isError ? single.text : "the RPC answered no list to a list of calls";
      throw new RpcTrouble(text, isError ? single.code : null);
    }
    const items: readonly unknown[] = Array.isArray(parsed) ? parsed : [parsed];
    const answers = new Map<number, RpcAnswer>();
    for (const item of items.slice(0, count)) {
      const id = idOf(item);
      // An error before the call was read bears the id null.
      const isNameless = id === null && count === 1 && this.#answer(item).type === "failed";
      const place = isNameless ? firstId : id;
      if (typeof place === "number" && !answers.has(place)) answers.set(place, this.#answer(item));
    }
    const missing: RpcAnswer = { ...noAnswer, text: "the RPC left a call unanswered" };
    return Array.from({ length: count }, (_, index) => answers.get(firstId + index) ?? missing);
  }

  #answer(item: unknown): RpcAnswer {
    if (typeof item !== "object" || item === null) return { ...noAnswer, text: "the RPC answered no object" };
    if ("error" in item && item.error !== null && item.error !== undefined) {
      const { error } = item;
      const message = typeof error === "object" && "message" in error ? error.message : error;
      const text = this.#printable(typeof message === "string" ? message : "an error without words");
      const code = typeof error === "object" && "code" in error ? error.code : null;
      return {
        ...{ type: "failed", kind: "remote", text, retryAfterMs: null, data: dataOf(error) },
        code: Number.isSafeInteger(code) ? Number(code) : null,
      };
    }
    if (!("result" in item)) return { ...noAnswer, text: "the RPC answered neither result nor error" };
    return { type: "result", result: item.result };
  }

  #transportText(error: unknown): string {
    const code = error instanceof Error && "code" in error ? String(error.code) : "";
    return this.#printable(`the RPC cannot be reached: ${code === "" ? errorText(error) : code}`);
  }

  /** Foreign words for a log: bounded, on one line, without anything that the URL keeps secret. */
  #printable(text: string): string {
    let safe = text.slice(0, 4 * textMax);
    for (const secret of this.#secrets) safe = safe.replaceAll(secret, "***");
    return safe.replace(/[^\x20-\x7e]+/g, " ").slice(0, textMax);
  }
}

/** The configured endpoint is nothing that can be asked. */
export class ChainUrlError extends BaseError {
  constructor() {
    super("The RPC endpoint is no http or https URL.", {
      code: "CHAIN_URL",
      disposition: "reject",
      action: "Give `-ethUrl` such as https://arb1.example.org/rpc.",
    });
  }
}

const noAnswer = { type: "failed", kind: "transport", retryAfterMs: null, code: null, data: null } as const;

class RpcTrouble extends Error {
  readonly code: number | null;
  readonly retryAfterMs: number | null;

  constructor(message: string, code: number | null = null, retryAfterMs: number | null = null) {
    super(message);
    this.code = code;
    this.retryAfterMs = retryAfterMs;
  }
}

function idOf(item: unknown): unknown {
  return typeof item === "object" && item !== null && "id" in item ? item.id : null;
}

function dataOf(error: unknown): string | null {
  const data: unknown = typeof error === "object" && error !== null && "data" in error ? error.data : null;
  return typeof data === "string" && data.length <= dataMax && /^0x[0-9a-fA-F]*$/.test(data) ? data : null;
}

function closedTrouble(): RpcTrouble {
  return new RpcTrouble("the chain view was closed");
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw new RpcTrouble("the RPC answered something that is no JSON");
  }
}

async function readBounded(response: Response, bytesMax: number): Promise<string> {
  if (response.body === null) throw new RpcTrouble("the RPC answered nothing");
  const decoder = new TextDecoder();
  let text = "";
  let bytes = 0;
  // Leaving the loop early cancels the stream, which closes the connection.
  for await (const chunk of response.body) {
    bytes += chunk.length;
    if (bytes > bytesMax) throw new RpcTrouble(`the RPC answered more than ${bytesMax} bytes`);
    text += decoder.decode(chunk, { stream: true });
  }
  return text + decoder.decode();
}

/** Seconds or a date; the date is held against the server's own clock where it tells it. */
function retryAfterOf(response: Response): number | null {
  const text = response.headers.get("retry-after") ?? "";
  const dateMs = Date.parse(response.headers.get("date") ?? "");
  const isDate = /[a-z]/i.test(text);
  const ms = isDate ? Date.parse(text) - (Number.isNaN(dateMs) ? Date.now() : dateMs) : Number(text) * 1_000;
  return Number.isFinite(ms) && ms > 0 ? Math.min(ms, retryAfterMaxMs) : null;
}
