import type { OrchestratorService, Peer } from "../../runtime/service.ts";
import type { ListenerLimits } from "../limits.ts";
import { answerError, isAnswerable, type Request, type Response, writeHead } from "./answer.ts";
import type { HttpApp } from "./app.ts";
import { readRequestPath } from "./path.ts";
import { servePayment } from "./payment.ts";
import { serveRefreshPayment } from "./refreshPayment.ts";
import { serveRendition } from "./rendition.ts";
import { type Keccak256Hasher, serveSegment } from "./segment.ts";
import { serveApp } from "./serveApp.ts";
import { endUnreadRequest } from "./unread.ts";

export type HttpOptions = {
  readonly service: OrchestratorService;
  readonly limits: ListenerLimits;
  readonly createHasher: () => Keccak256Hasher;
  readonly app: HttpApp;
  /** Bytes of all uploads that are held now. */
  readonly held: { bytes: number };
};

const streamPrefix = "/stream/";

/** Answers every request that is not gRPC. Rejects only on a bug of ours. */
export async function serveHttp(
  options: HttpOptions,
  request: Request,
  response: Response,
  peer: Peer,
): Promise<void> {
  const target = readRequestPath(request.url ?? "/");
  const isHead = request.method === "HEAD";
  if (target.type !== "path") {
    if (target.type === "malformed") answerError(response, 400, "Bad Request");
    else redirect(response, target.location, isHead);
    return endUnreadRequest(request, response);
  }
  if (target.path === "/segment") return serveSegment(options, request, response, peer);
  if (target.path === "/payment") return servePayment(options, request, response, peer);
  if (target.path === "/refresh-payment") return serveRefreshPayment(options, request, response, peer);
  if (target.path.startsWith(streamPrefix) && target.rawPath.startsWith(streamPrefix)) {
    const path = target.rawPath.slice(streamPrefix.length);
    return serveRendition(options.service, path, isHead, response, options.limits.answerTimeoutMs);
  }
  return serveApp(options.app, target.rawPath + target.rawQuery, request, response, options.limits);
}

function redirect(response: Response, location: string, isHead: boolean): void {
  if (!isAnswerable(response)) return;
  // The location is percent-encoded, so it holds no character that HTML gives a meaning, except `&` of the
  // query.
  const link = location.replaceAll("&", "&amp;").replaceAll('"', "&#34;").replaceAll("<", "&lt;");
  const body = isHead ? "" : `<a href="${link}">Moved Permanently</a>.\n\n`;
  writeHead(response, 301, {
    location: location.replace(/[^\x21-\x7e]/g, encodeURIComponent),
    "content-type": "text/html; charset=utf-8",
    "content-length": String(Buffer.byteLength(body)),
  });
  response.end(body);
}
