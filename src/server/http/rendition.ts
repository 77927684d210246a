import type { OrchestratorService } from "../../runtime/service.ts";
import { answerError, endAnswer, type Response, writeHead } from "./answer.ts";

/**
 * GET /stream/…: one whole object from memory, no range, no authentication, any method.
 *
 * It bypasses the router: the bytes go to the socket without a copy, and the node is told when they arrived.
 *
 * Source: video sheet section 7; lpms vidplayer/player.go handleLive.
 */
export async function serveRendition(
  service: Pick<OrchestratorService, "readRendition" | "renditionServed">,
  path: string,
  isHead: boolean,
  response: Response,
  answerTimeoutMs: number,
): Promise<void> {
  const rendition = service.readRendition(path);
  if (rendition === null) return answerError(response, 404, "ErrNotFound");
  writeHead(response, 200, {
    "content-length": String(rendition.bytes.byteLength),
    "access-control-allow-origin": "*",
    "access-control-expose-headers": "Content-Length",
    "cache-control": "max-age=5",
    ...(rendition.contentType === "" ? {} : { "content-type": rendition.contentType }),
  });
  if (isHead) return void response.end();
  const outcome = await endAnswer(response, rendition.bytes, answerTimeoutMs);
  if (outcome === "sent") service.renditionServed(path);
}
