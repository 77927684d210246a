import http2, { type ClientHttp2Session } from "node:http2";
import net from "node:net";
import tls from "node:tls";
import { type DescMessage, fromBinary, type MessageShape, toBinary } from "@bufbuild/protobuf";
import { GrpcStatusError } from "../../src/demo/gatewayClient.ts";
import { readHead } from "./serverClients.ts";

/** Which own address a call comes from: a node tells gateways apart by it where nobody proves an account. */
export type CallFrom = { readonly localAddress?: string };

/**
 * One call of `net.Orchestrator` with any message, on a connection of its own.
 *
 * @throws GrpcStatusError when it ends with another status than OK
 */
export async function grpcCall<Request extends DescMessage, Answer extends DescMessage>(
  serviceUri: string,
  method: string,
  requestSchema: Request,
  request: MessageShape<Request>,
  answerSchema: Answer,
  from: CallFrom = {},
): Promise<MessageShape<Answer>> {
  const session = await connectFrom(Number(new URL(serviceUri).port), from.localAddress ?? "127.0.0.1");
  try {
    const message = toBinary(requestSchema, request);
    const framed = Buffer.alloc(5 + message.length);
    framed.writeUInt32BE(message.length, 1);
    framed.set(message, 5);
    const stream = session.request({
      ":method": "POST",
      ":path": `/net.Orchestrator/${method}`,
      "content-type": "application/grpc",
      te: "trailers",
    });
    const chunks: Buffer[] = [];
    let trailers: Record<string, unknown> = {};
    stream.on("data", (chunk: Buffer) => chunks.push(chunk));
    stream.once("trailers", (fields) => {
      trailers = fields;
    });
    const ended = new Promise<void>((resolve, reject) => {
      stream.once("end", () => resolve()).once("error", reject);
    });
    stream.end(framed);
    await readHead(stream);
    await ended;
    const status = Number(trailers["grpc-status"]);
    if (status !== 0) throw new GrpcStatusError(status, decodeURIComponent(String(trailers["grpc-message"])));
    return fromBinary(answerSchema, Buffer.concat(chunks).subarray(5));
  } finally {
    session.destroy();
  }
}

async function connectFrom(port: number, localAddress: string): Promise<ClientHttp2Session> {
  const socket = net.connect({ host: "127.0.0.1", port, localAddress });
  await once(socket, "connect");
  const secure = tls.connect({ socket, ALPNProtocols: ["h2"], rejectUnauthorized: false });
  await once(secure, "secureConnect");
  const session = http2.connect(`https://127.0.0.1:${port}`, { createConnection: () => secure });
  session.on("error", () => {});
  return session;
}

function once(socket: net.Socket, event: string): Promise<void> {
  return new Promise((resolve, reject) => {
    socket.once(event, () => resolve()).once("error", reject);
  });
}
