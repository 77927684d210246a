import type { RedeemerService } from "../runtime/service.ts";
import { createHttpApp } from "./http/app.ts";
import { serveApp } from "./http/serveApp.ts";
import { readRequestPath } from "./http/path.ts";
import { answerError } from "./http/answer.ts";
import { endUnreadRequest } from "./http/unread.ts";
import { defaultListenerLimits, type ListenerLimits } from "./limits.ts";
import { type Listener, type ListenerOptions, openPort } from "./listener.ts";
import { redeemerMethods } from "./rpc/redeemerMethods.ts";
import { isRpc, type RpcOptions, serveRpc } from "./rpc/serveRpc.ts";
import { REDEEMER_MESSAGE_BYTES_MAX } from "../protocol/redeemer.ts";

export type RedeemerListenerOptions = Pick<ListenerOptions, "bind" | "tls" | "onNotice" | "limits"> & {
  readonly service: RedeemerService;
};

/**
 * An orchestrator has one connection for everything: the streams of all its gateways' floats must leave room on it
 * for the tickets, see `subscriptionsPerPeerMax` of the node.
 */
const redeemerLimits: Partial<ListenerLimits> = {
  connectionsMax: 1_024,
  connectionsPerAddressMax: 256,
  streamsPerConnectionMax: 4_096,
  // Wherever the message is too long it is refused by its reader, with the reason.
  rpcRequestBytesMax: 8 * REDEEMER_MESSAGE_BYTES_MAX,
  // Each answer comes after a commit and, for strangers, a reading of the chain.
  rpcTimeoutMs: 15_000,
};

/** A stream without news says nothing: whoever is gone without a word must not keep its place for ever. */
const keepAliveMs = 60_000;

/**
 * Opens the port of a redeemer: `net.TicketRedeemer` and `/healthz`, nothing else.
 *
 * @throws {ListenError} when the address cannot be bound.
 */
export async function openRedeemerListener(options: RedeemerListenerOptions): Promise<Listener> {
  const limits: ListenerLimits = { ...defaultListenerLimits, ...redeemerLimits, ...options.limits };
  const rpc: RpcOptions = { methods: redeemerMethods(options.service), limits };
  const app = createHttpApp(options.service);
  return openPort({ ...options, keepAliveMs }, limits, async (request, response, peer) => {
    if (request.httpVersionMajor === 2 && isRpc(request.headers["content-type"])) {
      return serveRpc(rpc, request, response, peer);
    }
    const target = readRequestPath(request.url ?? "/");
    if (target.type === "path") {
      return serveApp(app, target.rawPath + target.rawQuery, request, response, limits);
    }
    answerError(response, 400, "Bad Request");
    return endUnreadRequest(request, response);
  });
}
