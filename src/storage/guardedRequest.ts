import * as http from "node:http";
import * as https from "node:https";
import type { AddressGuard } from "./addressGuard.ts";

/** One HTTP request whose URL came from a peer. */
export type GuardedRequest = {
  readonly url: string;
  readonly method: "GET" | "POST";
  readonly headers: Readonly<Record<string, string>>;
  /** Parts of the body, sent one after the other; empty for GET. */
  readonly body: readonly Uint8Array[];
  /** From the first name look-up to the last body byte, all redirects together. */
  readonly timeoutMs: number;
  readonly redirectsMax: number;
  readonly verifyTls: boolean;
  /** URLs that need no public address: our own store. Asked again for every redirect. */
  readonly trusts: (url: string) => boolean;
  /** Largest answer body. */
  readonly bytesMax: number;
  /** Asked before each body chunk is kept, for a budget over many requests; false gives this one up. */
  readonly admits: (chunkBytes: number) => boolean;
  /** Statuses whose body is worth reading; the body of any other answer is not awaited. */
  readonly wantsBody: (status: number) => boolean;
};

export type GuardedAnswer =
  | { readonly type: "answer"; readonly status: number; readonly body: Uint8Array }
  | { readonly type: "refused"; readonly reason: string };

/**
 * Sends one request and follows its redirects by hand, so that each hop passes the guard and goes to the very
 * addresses that the guard has looked up. Connections are never shared or kept. Never rejects.
 *
 * It stands on `node:http` and not on `fetch` for three reasons: a socket can be aimed at an address while
 * TLS and `Host` keep the name, `HTTP(S)_PROXY` cannot carry the request around the guard, and a slow reader
 * slows the sender instead of filling memory.
 */
export async function guardedRequest(guard: AddressGuard, request: GuardedRequest): Promise<GuardedAnswer> {
  const deadline = startDeadline(request.timeoutMs);
  try {
    return await Promise.race([follow(guard, request, deadline), deadline.passed]);
  } finally {
    deadline.stop();
  }
}

type Refusal = { readonly type: "refused"; readonly reason: string };

type Deadline = {
  readonly signal: AbortSignal;
  readonly passed: Promise<Refusal>;
  stop(): void;
};

type Exchange =
  | {
      readonly type: "answer";
      readonly status: number;
      readonly location: string | null;
      readonly body: Uint8Array;
    }
  | (Refusal & { readonly connected: boolean });

/**
 * A host behind several addresses gets this long per address, so that a dead one does not eat the deadline.
 */
const connectTimeoutMs = 1_500;
const urlCharactersMax = 8_192;

function startDeadline(timeoutMs: number): Deadline {
  const controller = new AbortController();
  const { promise, resolve } = Promise.withResolvers<Refusal>();
  const timer = setTimeout(() => {
    resolve(refused(`no complete answer within ${timeoutMs} ms`));
    controller.abort();
  }, timeoutMs);
  return {
    signal: controller.signal,
    passed: promise,
    stop() {
      clearTimeout(timer);
      controller.abort();
    },
  };
}

async function follow(
  guard: AddressGuard,
  request: GuardedRequest,
  deadline: Deadline,
): Promise<GuardedAnswer> {
  let target = request.url;
  for (let hop = 0; ; hop += 1) {
    const url = requestUrl(target);
    if (typeof url === "string") return refused(url);
    const verdict = await guard.check(url, request.trusts(url.href));
    if (verdict.type === "refused") return verdict;
    if (deadline.signal.aborted) return refused("given up");

    const exchange = await tryAddresses(verdict.addresses, url, request, deadline.signal);
    if (exchange.type === "refused") return refused(exchange.reason);
    const { status, location, body } = exchange;
    if (location === null || !redirects(request.method, status)) return { type: "answer", status, body };
    if (hop >= request.redirectsMax) return refused(`more than ${request.redirectsMax} redirects`);
    const next = URL.parse(location, url.href);
    if (next === null) return refused("the redirect leads to no URL");
    target = next.href;
  }
}

/** The URL when it can be requested at all, else the reason why not. */
function requestUrl(text: string): URL | string {
  if (text.length > urlCharactersMax) return `the URL is longer than ${urlCharactersMax} characters`;
  // The URL parser would drop these silently; a peer that sends them wants two readers to see two URLs.
  if (/\p{Cc}|^\s|\s$/u.test(text)) return "the URL holds control characters or spaces at an end";
  const url = URL.parse(text);
  if (url === null) return "not a URL";
  if (url.protocol !== "http:" && url.protocol !== "https:") return "the URL is neither http nor https";
  if (url.username !== "" || url.password !== "") return "the URL carries credentials";
  return url;
}

/** A form post may be sent elsewhere only when the answer says "same method" (307, 308). */
function redirects(method: GuardedRequest["method"], status: number): boolean {
  if (status === 307 || status === 308) return true;
  return method === "GET" && (status === 301 || status === 302 || status === 303);
}

async function tryAddresses(
  addresses: readonly string[],
  url: URL,
  request: GuardedRequest,
  signal: AbortSignal,
): Promise<Exchange> {
  let last: Exchange = { ...refused("the host has no address"), connected: false };
  for (const [index, address] of addresses.entries()) {
    const isLast = index === addresses.length - 1;
    last = await exchangeOnce(address, url, request, signal, isLast ? null : connectTimeoutMs);
    // Only a connection that never stood is tried elsewhere: otherwise the request may have had an effect.
    if (last.type === "answer" || last.connected || signal.aborted) return last;
  }
  return last;
}

/** One connection to one address. Resolves exactly once; every later event of the socket is ignored. */
function exchangeOnce(
  address: string,
  url: URL,
  request: GuardedRequest,
  signal: AbortSignal,
  connectMs: number | null,
): Promise<Exchange> {
  const { promise, resolve } = Promise.withResolvers<Exchange>();
  let connected = false;
  const outgoing = openRequest(address, url, request);
  const giveUp = (reason: string): void => {
    resolve({ ...refused(reason), connected });
    outgoing.destroy();
  };
  const onAbort = (): void => giveUp("given up");
  const connectTimer =
    connectMs === null ? null : setTimeout(() => giveUp("connection timed out"), connectMs);
  signal.addEventListener("abort", onAbort, { once: true });

  const onConnect = (): void => {
    connected = true;
    if (connectTimer !== null) clearTimeout(connectTimer);
  };
  outgoing.on("socket", (socket) => socket.once("connect", onConnect).once("secureConnect", onConnect));
  // Listeners stay for the life of the request: an error event without a listener would end the process.
  outgoing.on("error", (error) => giveUp(connectionFailure(error)));
  outgoing.on("response", (incoming) => readAnswer(incoming, request, { done: resolve, giveUp }));
  for (const part of request.body) outgoing.write(part);
  outgoing.end();

  return promise.finally(() => {
    if (connectTimer !== null) clearTimeout(connectTimer);
    signal.removeEventListener("abort", onAbort);
    outgoing.destroy();
  });
}

function openRequest(address: string, url: URL, request: GuardedRequest): http.ClientRequest {
  const bytes = request.body.reduce((sum, part) => sum + part.length, 0);
  const options: https.RequestOptions = {
    host: address,
    port: url.port === "" ? (url.protocol === "https:" ? 443 : 80) : Number(url.port),
    path: `${url.pathname}${url.search}`,
    method: request.method,
    agent: false,
    maxHeaderSize: 16_384,
    headers: {
      Host: url.host,
      "User-Agent": "Reprise",
      // The bytes are hashed as they are: a compressed answer would not match the gateway's hash.
      "Accept-Encoding": "identity",
      ...request.headers,
      ...(request.method === "POST" ? { "Content-Length": String(bytes) } : {}),
    },
  };
  if (url.protocol === "http:") return http.request(options);
  const isName = !url.hostname.startsWith("[") && !/^[\d.]+$/.test(url.hostname);
  return https.request({
    ...options,
    rejectUnauthorized: request.verifyTls,
    ...(isName ? { servername: url.hostname } : {}),
  });
}

function readAnswer(
  incoming: http.IncomingMessage,
  request: GuardedRequest,
  settle: { readonly done: (exchange: Exchange) => void; readonly giveUp: (reason: string) => void },
): void {
  const status = incoming.statusCode ?? 0;
  const location = incoming.headers.location ?? null;
  const chunks: Uint8Array[] = [];
  const finish = (): void => {
    settle.done({ type: "answer", status, location, body: Buffer.concat(chunks) });
  };
  incoming.on("error", () => settle.giveUp("the answer was cut off"));
  incoming.on("aborted", () => settle.giveUp("the answer was cut off"));
  if (!request.wantsBody(status)) {
    finish();
    return;
  }
  if (Number(incoming.headers["content-length"] ?? 0) > request.bytesMax) {
    settle.giveUp("the answer is too large");
    return;
  }
  let bytes = 0;
  incoming.on("data", (chunk: Uint8Array) => {
    bytes += chunk.length;
    if (bytes > request.bytesMax) settle.giveUp("the answer is too large");
    else if (!request.admits(chunk.length)) settle.giveUp("too many bytes are being read at once");
    else chunks.push(chunk);
  });
  incoming.on("end", () => {
    if (incoming.complete) finish();
    else settle.giveUp("the answer was cut off");
  });
}

/** Says what went wrong in words of our own: the system's text may name addresses of our network. */
function connectionFailure(error: Error & { readonly code?: string }): string {
  return error.code === undefined ? "the connection failed" : `the connection failed (${error.code})`;
}

function refused(reason: string): Refusal {
  return { type: "refused", reason };
}
