import type { OrchestratorService, Peer } from "../../runtime/service.ts";
import type { ListenerLimits } from "../limits.ts";
import { answerError, endAnswer, isGone, type Request, type Response, writeHead } from "./answer.ts";
import { headerText } from "./headerText.ts";
import { endUnreadRequest, holdBody } from "./unread.ts";

export type PaymentRouteOptions = {
  readonly service: Pick<OrchestratorService, "pay">;
  readonly limits: Pick<ListenerLimits, "answerTimeoutMs">;
};

/**
 * /payment with any method: the tickets are in the header, a body means nothing and is not read.
 *
 * It bypasses the router: a payment of 600 tickets is one header field of 58 kB, which would be copied there,
 * and the node wants to know who calls.
 *
 * Source: video sheet section 5; go-livepeer server/segment_rpc.go Payment.
 */
export async function servePayment(
  options: PaymentRouteOptions,
  request: Request,
  response: Response,
  peer: Peer,
): Promise<void> {
  holdBody(request);
  const answer = await options.service.pay(
    { segment: headerText(request, "livepeer-segment"), payment: headerText(request, "livepeer-payment") },
    peer,
  );
  if (answer.type === "refused") answerError(response, answer.status, answer.text);
  else if (!isGone(response)) {
    writeHead(response, 200, {
      "content-type": "application/octet-stream",
      "content-length": String(answer.result.byteLength),
    });
    const bytes = request.method === "HEAD" ? new Uint8Array(0) : answer.result;
    await endAnswer(response, bytes, options.limits.answerTimeoutMs);
  }
  endUnreadRequest(request, response);
}
