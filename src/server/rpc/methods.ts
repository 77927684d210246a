import { create, type DescMessage, fromBinary, type MessageShape, toBinary } from "@bufbuild/protobuf";
import {
  EndTranscodingSessionRequestSchema,
  EndTranscodingSessionResponseSchema,
  OrchestratorInfoSchema,
  OrchestratorRequestSchema,
  PingPongSchema,
} from "../../protocol/gen/lp_rpc_pb.ts";
import type { OrchestratorService, Peer, RpcAnswer } from "../../runtime/service.ts";
import { failure, type RpcFailure, RpcStatus } from "./frame.ts";

/** What a method says: the encoded answer, a refusal of the node, or a failure of the transport's kind. */
export type RpcOutcome = RpcAnswer<Uint8Array> | RpcFailure;

/** A unary method: encoded message in, encoded message or refusal out. */
export type UnaryMethod = (message: Uint8Array, peer: Peer) => RpcOutcome | Promise<RpcOutcome>;

/** What a stream of answers writes to. */
export type AnswerStream = {
  /** Sends an encoded message; nothing once the stream is over. A peer that does not read is cut off. */
  push(message: Uint8Array): void;
  /** Ends with OK. */
  end(): void;
};

/** A stream that was opened. */
export type OpenStream = { readonly type: "open"; stop(): void };

/** One encoded message in, any number of encoded messages out, until either side ends it. */
export type StreamMethod = {
  readonly type: "stream";
  /** `stop` is called once, when the stream is over for whatever reason. */
  open(message: Uint8Array, peer: Peer, answers: AnswerStream): RpcFailure | OpenStream;
};

/** What stands at the paths of gRPC. */
export type RpcMethods = ReadonlyMap<string, UnaryMethod | StreamMethod>;

/**
 * The methods served, by path. Other services of the protocol are registered only on nodes that have them.
 *
 * Source: video sheet 1.1; go-livepeer net/lp_rpc.proto.
 */
export function createMethods(
  service: Pick<OrchestratorService, "getOrchestrator" | "ping" | "endTranscodingSession">,
): ReadonlyMap<string, UnaryMethod> {
  const endResponse = toBinary(
    EndTranscodingSessionResponseSchema,
    create(EndTranscodingSessionResponseSchema),
  );
  return new Map<string, UnaryMethod>([
    [
      "/net.Orchestrator/GetOrchestrator",
      (message, peer) => {
        const request = parse(OrchestratorRequestSchema, message);
        if (request === null) return unparsable;
        const answer = service.getOrchestrator(request, peer);
        // No promise where none is needed: discovery is the hottest call.
        return answer instanceof Promise ? answer.then(encodeInfo) : encodeInfo(answer);
      },
    ],
    [
      "/net.Orchestrator/Ping",
      (message, peer) => {
        const request = parse(PingPongSchema, message);
        if (request === null) return unparsable;
        const answer = service.ping(request.value, peer);
        return answer instanceof Promise ? answer.then(encodePong) : encodePong(answer);
      },
    ],
    [
      "/net.Orchestrator/EndTranscodingSession",
      async (message, peer) => {
        const request = parse(EndTranscodingSessionRequestSchema, message);
        if (request === null) return unparsable;
        const answer = await service.endTranscodingSession(request.authToken, peer);
        return answer.type === "refused" ? answer : { type: "answer", value: endResponse };
      },
    ],
  ]);
}

/** As grpc-go says it. */
const unparsable = failure(
  RpcStatus.internal,
  "grpc: error unmarshalling request: proto: cannot parse invalid wire-format data",
);

function parse<Schema extends DescMessage>(schema: Schema, message: Uint8Array): MessageShape<Schema> | null {
  try {
    return fromBinary(schema, message);
  } catch {
    // The library only throws on malformed input here; the peer learns no more than that.
    return null;
  }
}

type InfoAnswer = Awaited<ReturnType<OrchestratorService["getOrchestrator"]>>;

function encodeInfo(answer: InfoAnswer): RpcAnswer<Uint8Array> {
  if (answer.type === "refused") return answer;
  return { type: "answer", value: toBinary(OrchestratorInfoSchema, answer.value) };
}

function encodePong(answer: RpcAnswer<Uint8Array>): RpcAnswer<Uint8Array> {
  if (answer.type === "refused") return answer;
  return {
    type: "answer",
    value: toBinary(PingPongSchema, create(PingPongSchema, { value: answer.value })),
  };
}
