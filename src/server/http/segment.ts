import type { AcceptedSegment, HttpRefusal, OrchestratorService, Peer } from "../../runtime/service.ts";
import type { ListenerLimits } from "../limits.ts";
import {
  answerError,
  endAnswer,
  flushHead,
  http2Stream,
  isGone,
  type Request,
  type Response,
  writeHead,
} from "./answer.ts";
import { type BodyBounds, type BodyOutcome, type ByteSink, readBody } from "./body.ts";
import { headerText } from "./headerText.ts";
import { endUnreadRequest, holdBody, releaseBody } from "./unread.ts";

/** A running Keccak-256. The listener gets a maker of these handed in. */
export type Keccak256Hasher = ByteSink & { digest(): Uint8Array };

export type SegmentRouteOptions = {
  readonly service: Pick<OrchestratorService, "openSegment">;
  readonly limits: ListenerLimits;
  readonly createHasher: () => Keccak256Hasher;
  /** Bytes of all uploads that are held now; shared by all requests of a listener. */
  readonly held: { bytes: number };
};

/**
 * POST /segment: credentials are checked before the body is read, the body is hashed while it arrives, status
 * 200 leaves as soon as the acceptance is durable, and the result follows when the work is done.
 *
 * It bypasses the router: both bodies stream, and the early status must be flushed.
 *
 * Source: video sheet 4.2 (steps 16 to 19) and 4.6; go-livepeer server/segment_rpc.go ServeSegment.
 */
export async function serveSegment(
  options: SegmentRouteOptions,
  request: Request,
  response: Response,
  peer: Peer,
): Promise<void> {
  holdBody(request);
  const upload = await options.service.openSegment(
    {
      segment: headerText(request, "livepeer-segment"),
      payment: headerText(request, "livepeer-payment"),
      contentType: headerText(request, "content-type"),
    },
    peer,
  );
  if (upload.type === "refused") return refuse(request, response, upload.status, upload.text);

  let heldBytes = 0;
  const reserve = (bytes: number): boolean => {
    if (options.held.bytes + bytes > options.limits.uploadBytesHeldMax) return false;
    options.held.bytes += bytes;
    heldBytes += bytes;
    return true;
  };
  try {
    const bounds = {
      bytesMax: upload.bodyBytesMax,
      deadlineMs: upload.uploadDeadlineMs,
      idleTimeoutMs: options.limits.bodyIdleTimeoutMs,
      reserve,
    };
    const body = await readHashed(request, bounds, options.createHasher).catch((error: unknown) => {
      // The node must hear of the end of every upload, also of one that a bug of ours ends.
      upload.abort("client-gone");
      throw error;
    });
    if (body.type !== "complete") {
      upload.abort(body.type === "no-memory" ? "too-large" : body.type);
      return refuseBody(request, response, body.type);
    }
    const verdict = await upload.complete(body.bytes, body.keccak256);
    if (verdict.type === "refused") return refuse(request, response, verdict.status, verdict.text);
    await answerAccepted(verdict, response, options.limits.answerTimeoutMs);
  } finally {
    options.held.bytes -= heldBytes;
  }
}

type HashedBody =
  | { readonly type: "complete"; readonly bytes: Uint8Array; readonly keccak256: Uint8Array }
  | Exclude<BodyOutcome, { readonly type: "complete" }>;

async function readHashed(
  request: Request,
  bounds: BodyBounds,
  createHasher: () => Keccak256Hasher,
): Promise<HashedBody> {
  const hasher = createHasher();
  releaseBody(request);
  const body = await readBody(request, bounds, hasher);
  return body.type === "complete" ? { ...body, keccak256: hasher.digest() } : body;
}

async function answerAccepted(
  accepted: AcceptedSegment,
  response: Response,
  answerTimeoutMs: number,
): Promise<void> {
  if (!isGone(response)) {
    writeHead(response, 200, {});
    flushHead(response);
  }
  const result = await accepted.result.catch((error: unknown) => {
    accepted.delivered("client-gone");
    throw error;
  });
  accepted.delivered(await endAnswer(response, result, answerTimeoutMs));
}

function refuseBody(
  request: Request,
  response: Response,
  cause: Exclude<BodyOutcome["type"], "complete">,
): void {
  // Nobody is left to read an answer.
  if (cause === "client-gone") {
    http2Stream(response)?.close();
    return;
  }
  const [status, text] = bodyRefusals[cause];
  refuse(request, response, status, text);
}

const bodyRefusals = {
  "too-large": [500, "Internal Server Error"],
  timeout: [408, "Request Timeout"],
  "no-memory": [503, "Service Unavailable"],
} as const;

function refuse(
  request: Request,
  response: Response,
  status: HttpRefusal["status"],
  text: HttpRefusal["text"],
): void {
  answerError(response, status, text);
  endUnreadRequest(request, response);
}
