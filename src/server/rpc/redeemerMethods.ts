import {
  encodeMaxFloat,
  readMaxFloatRequest,
  readQueuedTicket,
  redeemerPaths,
} from "../../protocol/redeemer.ts";
import type { RedeemerRefusal, RedeemerService } from "../../runtime/service.ts";
import { failure, type RpcFailure, RpcStatus } from "./frame.ts";
import type { RpcMethods, RpcOutcome } from "./methods.ts";

const statusOf: Readonly<Record<RedeemerRefusal["status"], RpcStatus>> = {
  "invalid-argument": RpcStatus.invalidArgument,
  "permission-denied": RpcStatus.permissionDenied,
  "resource-exhausted": RpcStatus.resourceExhausted,
  unavailable: RpcStatus.unavailable,
  internal: RpcStatus.internal,
};

/** `net.QueueTicketRes` has no fields. */
const queued: RpcOutcome = { type: "answer", value: new Uint8Array(0) };

/**
 * `net.TicketRedeemer`, by path.
 *
 * Source: payments sheet 7.1.
 */
export function redeemerMethods(service: RedeemerService): RpcMethods {
  return new Map<string, NonNullable<ReturnType<RpcMethods["get"]>>>([
    [
      redeemerPaths.queueTicket,
      async (message): Promise<RpcOutcome> => {
        const answer = await service.queueTicket(readQueuedTicket(message));
        return answer.type === "queued" ? queued : failed(answer);
      },
    ],
    [
      redeemerPaths.maxFloat,
      async (message): Promise<RpcOutcome> => {
        const request = readMaxFloatRequest(message);
        if (request.type === "unreadable") return failure(RpcStatus.invalidArgument, request.text);
        const answer = await service.maxFloat(request.sender);
        if (answer.type === "refused") return failed(answer);
        return { type: "answer", value: encodeMaxFloat(answer.maxFloat) };
      },
    ],
    [
      redeemerPaths.monitorMaxFloat,
      {
        type: "stream",
        open: (message, peer, answers) => {
          const request = readMaxFloatRequest(message);
          if (request.type === "unreadable") return failure(RpcStatus.invalidArgument, request.text);
          const opened = service.monitorMaxFloat(request.sender, peer, {
            changed: (maxFloat) => answers.push(encodeMaxFloat(maxFloat)),
            ended: () => answers.end(),
          });
          return opened.type === "refused" ? failed(opened) : { type: "open", stop: () => opened.stop() };
        },
      },
    ],
  ]);
}

function failed({ status, text }: RedeemerRefusal): RpcFailure {
  return failure(statusOf[status], text);
}
