import type { ListenerLimits } from "../limits.ts";
import { answerError, endAnswer, isGone, type Request, type Response, writeHead } from "./answer.ts";
import type { HttpApp } from "./app.ts";
import { readBody } from "./body.ts";
import { endUnreadRequest } from "./unread.ts";

/** Hands a request with a small body to the router and writes its answer. */
export async function serveApp(
  app: HttpApp,
  target: string,
  request: Request,
  response: Response,
  limits: ListenerLimits,
): Promise<void> {
  const body = await readBody(
    request,
    {
      bytesMax: limits.bodyBytesMax,
      deadlineMs: Date.now() + limits.rpcTimeoutMs,
      idleTimeoutMs: limits.bodyIdleTimeoutMs,
    },
    null,
  );
  if (body.type !== "complete") {
    if (body.type === "client-gone") return;
    if (body.type === "too-large") answerError(response, 413, "Request Entity Too Large");
    else answerError(response, 408, "Request Timeout");
    return endUnreadRequest(request, response);
  }
  const method = request.method ?? "GET";
  const headers = new Headers();
  for (const [name, value] of Object.entries(request.headers)) {
    if (name.startsWith(":") || value === undefined) continue;
    for (const item of Array.isArray(value) ? value : [value]) headers.append(name, item);
  }
  // The authority is fixed: the router searches the path from a position behind it, and no route may trust
  // it.
  const webRequest = new globalThis.Request(`http://localhost${target}`, {
    method,
    headers,
    ...(method === "GET" || method === "HEAD" ? {} : { body: body.bytes }),
  });
  const answer = await app.handle(webRequest);
  const bytes = new Uint8Array(await answer.arrayBuffer());
  if (isGone(response)) return;
  const answerHeaders: Record<string, string> = {};
  answer.headers.forEach((value, name) => {
    answerHeaders[name] = value;
  });
  answerHeaders["content-length"] = String(bytes.byteLength);
  writeHead(response, answer.status, answerHeaders);
  await endAnswer(response, method === "HEAD" ? new Uint8Array(0) : bytes, limits.answerTimeoutMs);
}
