import { toBinary } from "@bufbuild/protobuf";
import { encodeBase64 } from "../../protocol/base64.ts";
import { fromHex } from "../../protocol/bytes.ts";
import { OrchestratorInfoSchema } from "../../protocol/gen/lp_rpc_pb.ts";
import type {
  OrchestratorService,
  Peer,
  RefreshedPayment,
  RefreshPaymentRequest,
} from "../../runtime/service.ts";
import type { ListenerLimits } from "../limits.ts";
import { answerText, isAnswerable, type Request, type Response, writeHead } from "./answer.ts";
import { type BodyOutcome, readBody } from "./body.ts";
import { endUnreadRequest } from "./unread.ts";

export type RefreshPaymentRouteOptions = {
  readonly service: Pick<OrchestratorService, "refreshPayment">;
  readonly limits: Pick<ListenerLimits, "bodyIdleTimeoutMs" | "rpcTimeoutMs">;
};

/** A manifest id comes in a segment header too, where it has this much room at most. */
const bodyBytesMax = 64 * 1024;

/**
 * POST /refresh-payment: an account and a manifest id in JSON, fresh ticket parameters for them in JSON.
 *
 * It bypasses the router: the node wants to know who calls, and a body counts as JSON whatever its content type.
 *
 * Source: video sheet section 5; go-livepeer server/rpc.go RefreshPayment.
 */
export async function serveRefreshPayment(
  options: RefreshPaymentRouteOptions,
  request: Request,
  response: Response,
  peer: Peer,
): Promise<void> {
  if (request.method !== "POST") {
    answerText(response, 405, "Method Not Allowed\n", { allow: "POST", "x-content-type-options": "nosniff" });
    return endUnreadRequest(request, response);
  }
  const { limits, service } = options;
  const deadlineMs = Date.now() + limits.rpcTimeoutMs;
  const bounds = { bytesMax: bodyBytesMax, deadlineMs, idleTimeoutMs: limits.bodyIdleTimeoutMs };
  const body = await readBody(request, bounds, null);
  if (body.type !== "complete") {
    if (body.type === "client-gone") return;
    answerJsonError(response, ...bodyRefusals[body.type]);
    return endUnreadRequest(request, response);
  }
  const wish = readRefreshRequest(new TextDecoder().decode(body.bytes));
  if (wish.type === "refused") return answerJsonError(response, 400, wish.text);
  const answer = await service.refreshPayment({ sender: wish.sender, manifestId: wish.manifestId }, peer);
  if (answer.type === "refused") return answerJsonError(response, answer.status, answer.text);
  answerJson(response, 200, refreshedText(answer));
}

/** What a body of /refresh-payment asks for, or why that cannot be told. */
export type RefreshWish =
  ({ readonly type: "wish" } & RefreshPaymentRequest) | { readonly type: "refused"; readonly text: string };

/**
 * Reads the JSON of a body. The texts of the three foreseen mistakes are the peer's; those about JSON that
 * cannot be read are its decoder's where it is a matter of length, and our own elsewhere.
 */
export function readRefreshRequest(text: string): RefreshWish {
  if (text.trim() === "") return refused("EOF");
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return refused(isCutOff(text) ? "unexpected EOF" : "invalid JSON");
  }
  if (typeof value !== "object" || Array.isArray(value)) return refused("invalid JSON: no object");
  const { sender = "", manifest_id: manifestId = "" } = (value ?? {}) as Readonly<Record<string, unknown>>;
  if (typeof sender !== "string") return refused("invalid JSON: sender is no text");
  if (typeof manifestId !== "string") return refused("invalid JSON: manifest_id is no text");
  const account = /^(?:0[xX])?([0-9a-fA-F]{40})$/.exec(sender)?.[1];
  const bytes = account === undefined ? null : fromHex(account);
  if (bytes === null) return refused("invalid sender");
  if (manifestId.trim() === "") return refused("missing manifest_id");
  return { type: "wish", sender: bytes, manifestId: manifestId.trim() };
}

/**
 * Whether a JSON text that cannot be parsed may only lack its end: a string or a bracket is still open.
 *
 * Source: Go's encoding/json says `unexpected EOF` then.
 */
function isCutOff(text: string): boolean {
  let depth = 0;
  let isInString = false;
  for (let index = 0; index < text.length; index++) {
    const character = text[index];
    if (isInString) {
      if (character === "\\") index += 1;
      else if (character === '"') isInString = false;
    } else if (character === '"') isInString = true;
    else if (character === "{" || character === "[") depth += 1;
    else if (character === "}" || character === "]") depth -= 1;
  }
  return isInString || depth > 0;
}

function refused(text: string): RefreshWish {
  return { type: "refused", text };
}

const bodyRefusals: Readonly<
  Record<Exclude<BodyOutcome["type"], "complete" | "client-gone">, readonly [number, string]>
> = {
  "too-large": [413, "Request Entity Too Large"],
  timeout: [408, "Request Timeout"],
  "no-memory": [503, "Service Unavailable"],
};

/** Source: video sheet section 5; go-livepeer server/ai_http.go marshalLivePaymentChallengeResponse. */
function refreshedText({ info }: RefreshedPayment): string {
  return JSON.stringify({
    payment_params: encodeBase64(toBinary(OrchestratorInfoSchema, info)),
    orchestrator: info.transcoder,
    manifest_id: info.authToken?.sessionId ?? "",
    payment_url: `${info.transcoder.replace(/\/+$/, "")}/payment`,
  });
}

/** The peer's form of an error in JSON: with a line feed, which its answers lack. */
function answerJsonError(response: Response, status: number, message: string): void {
  answerJson(response, status, `${JSON.stringify({ error: { message } })}\n`);
}

function answerJson(response: Response, status: number, text: string): void {
  if (!isAnswerable(response)) return;
  const body = Buffer.from(text);
  writeHead(response, status, {
    "content-type": "application/json",
    "content-length": String(body.byteLength),
  });
  response.end(body);
}
