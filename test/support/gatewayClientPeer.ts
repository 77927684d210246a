import { createSecureServer, type Http2ServerRequest, type Http2ServerResponse } from "node:http2";
import type { AddressInfo } from "node:net";
import { create, toBinary } from "@bufbuild/protobuf";
import {
  AuthTokenSchema,
  OrchestratorInfoSchema,
  type TranscodeResult,
  TranscodedSegmentDataSchema,
  TranscodeDataSchema,
  TranscodeResultSchema,
} from "../../src/protocol/gen/lp_rpc_pb.ts";

/** What the stand-in does. */
export type PeerBehaviour = {
  /** Number of renditions in each answer. */
  readonly renditionCount: number;
  /** Claimed pixels of each rendition. */
  readonly pixels: number;
  /** Bytes of each rendition. */
  readonly rendition: Uint8Array;
  /** Answers every segment with this error instead. */
  readonly segmentError?: string;
  /** Refuses every gRPC call with this text. */
  readonly rpcRefusal?: string;
  /** Where the renditions are said to be; on the stand-in itself when absent. */
  readonly renditionOrigin?: string;
};

/** A running stand-in orchestrator. */
export type Peer = { readonly serviceUri: string; close(): void };

/**
 * Starts a stand-in for an orchestrator, for what a real one never does: lie, refuse, fail on demand.
 * @param tls - certificate and key in PEM
 */
export async function startPeer(
  behaviour: PeerBehaviour,
  tls: { readonly cert: string; readonly key: string },
): Promise<Peer> {
  const server = createSecureServer({ ...tls, allowHTTP1: true });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const serviceUri = `https://127.0.0.1:${(server.address() as AddressInfo).port}`;
  server.on("request", (request, response) => void answer(request, response, behaviour, serviceUri));
  return { serviceUri, close: () => void server.close() };
}

async function answer(
  request: Http2ServerRequest,
  response: Http2ServerResponse,
  behaviour: PeerBehaviour,
  serviceUri: string,
): Promise<void> {
  await new Promise((resolve) => request.on("end", resolve).resume());
  if (request.url.startsWith("/stream/")) {
    response.end(behaviour.rendition);
    return;
  }
  if (request.url === "/segment") {
    response.end(toBinary(TranscodeResultSchema, segmentResult(behaviour, serviceUri)));
    return;
  }
  const message = request.url.endsWith("/GetOrchestrator") ? orchestratorInfo(serviceUri) : new Uint8Array();
  const frame = new Uint8Array(5 + message.byteLength);
  new DataView(frame.buffer).setUint32(1, message.byteLength);
  frame.set(message, 5);
  response.writeHead(200, { "content-type": "application/grpc" });
  if (behaviour.rpcRefusal === undefined) response.write(frame);
  response.addTrailers(
    behaviour.rpcRefusal === undefined
      ? { "grpc-status": "0" }
      : { "grpc-status": "2", "grpc-message": encodeURIComponent(behaviour.rpcRefusal) },
  );
  response.end();
}

function orchestratorInfo(serviceUri: string): Uint8Array {
  const authToken = create(AuthTokenSchema, { token: new Uint8Array(32), sessionId: "0badcafe" });
  return toBinary(
    OrchestratorInfoSchema,
    create(OrchestratorInfoSchema, { transcoder: serviceUri, authToken }),
  );
}

function segmentResult(behaviour: PeerBehaviour, serviceUri: string): TranscodeResult {
  if (behaviour.segmentError !== undefined) {
    return create(TranscodeResultSchema, { result: { case: "error", value: behaviour.segmentError } });
  }
  const url = `${behaviour.renditionOrigin ?? serviceUri}/stream/0badcafe/0.ts`;
  const segments = Array.from({ length: behaviour.renditionCount }, () =>
    create(TranscodedSegmentDataSchema, { url, pixels: BigInt(behaviour.pixels) }),
  );
  const value = create(TranscodeDataSchema, { segments });
  return create(TranscodeResultSchema, { result: { case: "data", value } });
}
