import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { gzipSync } from "node:zlib";
import { BaseError, errorText } from "../shared/errors.ts";
import { type Answer, errorAnswer } from "./answer.ts";
import { type Form, type FormBody, formBytesMax, formTooLargeText, readForm } from "./form.ts";
import { refusalOf } from "./originCheck.ts";
import type { OperatorNode, OperatorNotice } from "./ports.ts";
import { answerRequest } from "./routes.ts";
import { answerTickets, ticketPath } from "./ticketRoutes.ts";
import {
  answerTransactions,
  callBytesMax,
  type TransactionHttp,
  transactionPath,
} from "./transactionRoutes.ts";
import { cleanPath, decodePath } from "./urlPath.ts";

export type OperatorPortOptions = {
  readonly bind: { readonly host: string; readonly port: number };
  readonly node: OperatorNode;
  readonly onNotice?: (notice: OperatorNotice) => void;
};

export type OperatorPort = {
  /** Where it really listens; the port is a chosen one when 0 was asked for. */
  readonly address: { readonly host: string; readonly port: number };
  /** Stops listening and cuts what is left of connections. */
  close(): Promise<void>;
};

/** Longest time for one request to arrive. The callers are on this machine or next to it. */
const requestTimeoutMs = 10_000;

/**
 * Opens the operator port: metrics, status and the calls of `livepeer_cli`.
 *
 * On `node:http` rather than Elysia: go-livepeer's port answers unclean paths, form errors and empty bodies in ways
 * that its users' scripts see, and that need the request target as it was sent.
 *
 * @throws {OperatorPortError} when the address cannot be bound
 */
export function openOperatorPort(options: OperatorPortOptions): Promise<OperatorPort> {
  const server = createServer((request, response) => {
    handle(request, response, options).catch((error: unknown) => {
      options.onNotice?.({ type: "bug", path: request.url ?? "", error });
      if (!response.headersSent) write(request, response, errorAnswer(500, "internal error"));
      else response.destroy();
    });
  });
  const { host, port } = options.bind;
  const { promise, resolve, reject } = Promise.withResolvers<OperatorPort>();
  server.once("error", (error) => reject(new OperatorPortError(host, port, error)));
  server.listen({ port, ...(host === "" ? {} : { host }) }, () => {
    const bound = server.address();
    const chosen = typeof bound === "object" && bound !== null ? bound.port : port;
    resolve({ address: { host, port: chosen }, close: () => closeServer(server) });
  });
  return promise;
}

async function handle(
  request: IncomingMessage,
  response: ServerResponse,
  options: OperatorPortOptions,
): Promise<void> {
  const [rawPath = "", ...queryParts] = (request.url ?? "").split("?");
  const query = queryParts.join("?");
  const path = decodePath(rawPath);
  const refusal = refusalOf(originOf(request), path ?? "", options.bind.host);
  if (refusal !== null) {
    options.onNotice?.({ type: "refused", path: rawPath, reason: refusal });
    write(request, response, errorAnswer(403, `refused: ${refusal}`));
    return;
  }
  if (path === null) {
    write(request, response, errorAnswer(400, "400 Bad Request"));
    return;
  }
  const cleaned = cleanPath(path);
  if (cleaned !== path) {
    write(request, response, redirect(query === "" ? cleaned : `${cleaned}?${query}`));
    return;
  }
  if (path === transactionPath || path.startsWith(`${transactionPath}/`)) {
    const http = transactionHttp(request, path);
    write(request, response, await answerTransactions(http, options.node.transactions ?? null));
    return;
  }
  if (path.startsWith(`${ticketPath}/`)) {
    const http = transactionHttp(request, path);
    write(request, response, await answerTickets(http, options.node.tickets ?? null));
    return;
  }
  const answer = await answerRequest(
    {
      method: request.method ?? "GET",
      path,
      isLoopback: isLoopback(request.socket.remoteAddress ?? ""),
      header: (name) => headerOf(request, name),
      readForm: () => formOf(request, query),
    },
    { node: options.node, notify: (notice) => options.onNotice?.(notice) },
  );
  write(request, response, answer);
}

function transactionHttp(request: IncomingMessage, path: string): TransactionHttp {
  const address = request.socket.remoteAddress ?? "";
  return {
    method: request.method ?? "GET",
    path,
    authorization: headerOf(request, "authorization"),
    contentType: headerOf(request, "content-type"),
    isLoopback: isLoopback(address),
    readBody: () => readBody(request, callBytesMax),
  };
}

/** Source: RFC 1122 3.2.1.3, RFC 4291 2.5.3 and 2.5.5.2. */
function isLoopback(address: string): boolean {
  return address === "::1" || /^(?:::ffff:)?127(?:\.\d{1,3}){3}$/i.test(address);
}

function originOf(request: IncomingMessage) {
  return {
    host: headerOf(request, "host"),
    origin: headerOf(request, "origin"),
    referer: headerOf(request, "referer"),
    secFetchSite: headerOf(request, "sec-fetch-site"),
  };
}

function headerOf(request: IncomingMessage, name: string): string | null {
  const value = request.headers[name];
  return typeof value === "string" ? value : null;
}

async function formOf(request: IncomingMessage, query: string): Promise<Form> {
  const hasReadBody = request.method === "POST" || request.method === "PUT" || request.method === "PATCH";
  if (!hasReadBody) return readForm(query, null);
  const bytes = await readBody(request, formBytesMax);
  if (bytes === null) return { type: "bad", text: formTooLargeText };
  const contentType = request.headers["content-type"] ?? null;
  const body: FormBody = { contentType, bytes };
  return readForm(query, body);
}

/** The whole body; null when it is longer than `bytesMax`. A body that does not come in time ends the request. */
async function readBody(request: IncomingMessage, bytesMax: number): Promise<Uint8Array | null> {
  const timer = setTimeout(() => request.destroy(), requestTimeoutMs);
  const chunks: Uint8Array[] = [];
  let length = 0;
  try {
    for await (const chunk of request as AsyncIterable<Uint8Array>) {
      length += chunk.length;
      if (length <= bytesMax) chunks.push(chunk);
    }
  } finally {
    clearTimeout(timer);
  }
  return length > bytesMax ? null : Buffer.concat(chunks);
}

function redirect(target: string): Answer {
  const shown = target.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll('"', "&#34;");
  return {
    status: 307,
    contentType: "text/html; charset=utf-8",
    body: `<a href="${shown}">Temporary Redirect</a>.\n\n`,
    // Characters that a header cannot hold were escapes in the request and become escapes again.
    headers: { Location: encodeURI(target) },
  };
}

function write(request: IncomingMessage, response: ServerResponse, answer: Answer): void {
  if (response.destroyed) return;
  let body = typeof answer.body === "string" ? Buffer.from(answer.body, "utf8") : Buffer.from(answer.body);
  const headers: Record<string, string | number> = { ...answer.headers };
  if (answer.contentType !== null) headers["Content-Type"] = answer.contentType;
  if (isGzipWorth(request, answer)) {
    body = gzipSync(body, { level: 1 });
    headers["Content-Encoding"] = "gzip";
  }
  headers["Content-Length"] = body.length;
  response.writeHead(answer.status, headers);
  // A body that no route read must not stay in the way of the next request on this connection.
  request.resume();
  response.end(request.method === "HEAD" ? undefined : body);
}

/** Only the metrics are large enough, and only they are packed by go-livepeer. */
function isGzipWorth(request: IncomingMessage, answer: Answer): boolean {
  const isMetrics = answer.contentType?.startsWith("text/plain; version=") ?? false;
  return (
    isMetrics &&
    /\bgzip\b(?!\s*;\s*q=0(?:\.0*)?\s*(?:,|$))/.test(String(request.headers["accept-encoding"] ?? ""))
  );
}

function closeServer(server: Server): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  server.close(() => resolve());
  server.closeAllConnections();
  return promise;
}

/** The operator port cannot be opened. */
export class OperatorPortError extends BaseError {
  constructor(host: string, port: number, cause: unknown) {
    const code = cause instanceof Error && "code" in cause ? cause.code : null;
    const address = `${host.includes(":") ? `[${host}]` : host}:${port}`;
    const reason = code === "EADDRINUSE" ? "bind: address already in use" : errorText(cause);
    // go-livepeer's words, because operators look for them.
    super(`listen tcp ${address}: ${reason}`, {
      code: "OPERATOR_PORT_UNUSABLE",
      disposition: "halt",
      action: "Give another address with -cliAddr, or stop what listens there.",
      cause,
    });
  }
}
