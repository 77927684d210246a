import { type ClientHttp2Session, connect, constants } from "node:http2";
import { fromHex } from "../protocol/bytes.ts";
import {
  encodeMaxFloatRequest,
  encodeQueuedTicket,
  readMaxFloat,
  REDEEMER_MESSAGE_BYTES_MAX,
  redeemerPaths,
} from "../protocol/redeemer.ts";
import type { EntrustableTicket, EntrustAnswer, Redeemer } from "../runtime/chainPorts.ts";
import { assert } from "../shared/assert.ts";
import type { Hex } from "../shared/brand.ts";
import { errorText } from "../shared/errors.ts";
import { type RpcAnswer, readRpcAnswer, rpcFrame } from "./rpcAnswer.ts";

export type RedeemerClientOptions = {
  /** A name or an address; IPv6 without brackets. */
  readonly host: string;
  readonly port: number;
  readonly userAgent: string;
  /** A whole call, connection included. Milliseconds. Source: payments sheet 7.1. */
  readonly callMs?: number;
  /** Until a connection stands, TLS included. Milliseconds. Source: payments sheet 7.1. */
  readonly connectMs?: number;
};

/**
 * Speaks `net.TicketRedeemer` to one node, ours or go-livepeer's: gRPC over HTTP/2 and TLS, one connection that is kept
 * and made anew when it is lost. The certificate is not verified, because a redeemer makes a new one at each start; so
 * the way to it has to be private. Whatever it answers is read with bounds, and nothing is waited for without end.
 */
export class RedeemerClient implements Redeemer {
  readonly name: string;
  readonly #options: RedeemerClientOptions;
  readonly #callMs: number;
  readonly #connectMs: number;
  #connection: Connection | null = null;
  #isClosed = false;

  constructor(options: RedeemerClientOptions) {
    this.#options = options;
    this.#callMs = options.callMs ?? 8_000;
    this.#connectMs = options.connectMs ?? 3_000;
    this.name = `${options.host.includes(":") ? `[${options.host}]` : options.host}:${options.port}`;
  }

  /** Whether a connection stands. */
  get isConnected(): boolean {
    return this.#connection?.isOpen === true;
  }

  async entrust(ticket: EntrustableTicket): Promise<EntrustAnswer> {
    const answer = await this.#call(redeemerPaths.queueTicket, encodeQueuedTicket(wireTicket(ticket)));
    if (answer.type === "silent") return answer;
    if (answer.type === "message") return { type: "taken" };
    return isKnownAlready(answer) ? { type: "taken" } : refusalOf(answer);
  }

  async maxFloat(sender: Hex): Promise<bigint | null> {
    const answer = await this.#call(redeemerPaths.maxFloat, encodeMaxFloatRequest(bytesOf(sender)));
    if (answer.type !== "message") return null;
    const read = readMaxFloat(answer.message);
    return read.type === "max-float" ? read.maxFloat : null;
  }

  /** Ends the connection and all calls on it. Nothing can be asked from then on. */
  close(): void {
    this.#isClosed = true;
    this.#connection?.end("the client is closed");
    this.#connection = null;
  }

  async #call(path: string, message: Uint8Array): Promise<RpcAnswer> {
    const endMs = performance.now() + this.#callMs;
    if (this.#isClosed) return { type: "silent", text: "the client is closed" };
    if (this.#connection === null || this.#connection.isOver) {
      const { host, port } = this.#options;
      const authority = `${host.includes(":") ? `[${host}]` : host}:${port}`;
      this.#connection = new Connection(`https://${authority}`, this.#connectMs);
    }
    const connection = this.#connection;
    const trouble = await connection.ready;
    if (trouble !== null) return { type: "silent", text: trouble };
    return connection.call(path, message, this.#options.userAgent, endMs - performance.now());
  }
}

/** The longest answer that is read, its frame included. */
const answerBytesMax = REDEEMER_MESSAGE_BYTES_MAX + 5;

/** One connection, from the attempt to its end. */
class Connection {
  readonly #session: ClientHttp2Session;
  /** Resolves with null when the connection stands, or with why it does not. */
  readonly ready: Promise<string | null>;
  #state: "opening" | "open" | "over" = "opening";
  #endText = "the connection was lost";
  /** When the last answer came. What then stays silent is not the connection's fault. */
  #answeredMs = 0;

  constructor(origin: string, connectMs: number) {
    const ready = Promise.withResolvers<string | null>();
    this.ready = ready.promise;
    this.#session = connect(origin, {
      rejectUnauthorized: false,
      settings: { enablePush: false, initialWindowSize: 65_535 },
      maxSessionMemory: 1,
    });
    const timer = setTimeout(() => this.end(`no connection in ${connectMs} ms`), connectMs);
    this.#session.on("connect", () => {
      clearTimeout(timer);
      if (this.#state !== "opening") return;
      this.#state = "open";
      ready.resolve(null);
    });
    const over = (text: string) => {
      clearTimeout(timer);
      if (this.#state !== "over") this.#endText = text;
      this.#state = "over";
      ready.resolve(this.#endText);
    };
    this.#session.on("error", (error) => {
      over(errorText(error));
      this.#session.destroy();
    });
    this.#session.on("close", () => over(this.#endText));
    // What is under way may end; the next call takes a new connection.
    this.#session.on("goaway", () => over("the redeemer ends the connection"));
  }

  get isOpen(): boolean {
    return this.#state === "open";
  }

  get isOver(): boolean {
    return this.#state === "over" || this.#session.destroyed || this.#session.closed;
  }

  end(text: string): void {
    if (this.#state !== "over") this.#endText = text;
    this.#session.destroy(new Error(text));
  }

  /** Never rejects. */
  call(path: string, message: Uint8Array, userAgent: string, limitMs: number): Promise<RpcAnswer> {
    if (this.isOver) return Promise.resolve({ type: "silent", text: this.#endText });
    const startedMs = performance.now();
    const { promise, resolve } = Promise.withResolvers<RpcAnswer>();
    const timeoutMs = Math.max(1, Math.round(limitMs));
    const stream = this.#session.request({
      ":method": "POST",
      ":path": path,
      "content-type": "application/grpc",
      te: "trailers",
      "grpc-timeout": `${timeoutMs}m`,
      "user-agent": userAgent,
    });
    const fail = (text: string) => {
      clearTimeout(timer);
      resolve({ type: "silent", text });
      if (!stream.closed) stream.close(constants.NGHTTP2_CANCEL);
    };
    const timer = setTimeout(() => {
      fail(`no answer in ${timeoutMs} ms`);
      // Others were answered meanwhile: it is this call. Otherwise the other end may be gone without a word.
      if (this.#answeredMs < startedMs) this.end("the redeemer does not answer");
    }, timeoutMs);
    const fields = new Map<string, string>();
    const note = (more: Readonly<Record<string, unknown>>) => {
      for (const [name, value] of Object.entries(more)) fields.set(name.toLowerCase(), String(value));
    };
    const chunks: Uint8Array[] = [];
    let byteCount = 0;
    let isWhole = false;
    stream.on("response", note);
    stream.on("trailers", note);
    stream.on("data", (chunk: Uint8Array) => {
      byteCount += chunk.byteLength;
      if (byteCount > answerBytesMax) fail(`an answer of more than ${answerBytesMax} bytes`);
      else chunks.push(chunk);
    });
    stream.on("end", () => {
      isWhole = true;
    });
    stream.on("error", (error) => fail(errorText(error)));
    stream.on("close", () => {
      clearTimeout(timer);
      const answer = readRpcAnswer(fields, Buffer.concat(chunks), isWhole);
      if (answer.type !== "silent") this.#answeredMs = performance.now();
      resolve(answer);
    });
    stream.end(rpcFrame(message));
    return promise;
  }
}

/** Status codes of gRPC that say that it has the ticket, or that nobody decided. Source: grpc/grpc doc/statuscodes.md. */
const status = { deadlineExceeded: 4, alreadyExists: 6, internal: 13, unavailable: 14 } as const;

/**
 * A ticket that the redeemer has is as good as taken. A go-livepeer redeemer says so by the error of its database.
 * Source: payments sheet 7.2.
 */
function isKnownAlready({ code, text }: { readonly code: number; readonly text: string }): boolean {
  if (code === status.alreadyExists) return true;
  return code === status.internal && text.includes("UNIQUE constraint failed: ticketQueue.sig");
}

function refusalOf({ code, text }: { readonly code: number; readonly text: string }): EntrustAnswer {
  const isSilence = code === status.unavailable || code === status.deadlineExceeded;
  return {
    type: isSilence ? "silent" : "refused",
    text: `${text === "" ? "no reason" : text} (code ${code})`,
  };
}

function wireTicket(ticket: EntrustableTicket): Parameters<typeof encodeQueuedTicket>[0] {
  return {
    terms: {
      recipient: bytesOf(ticket.recipient),
      sender: bytesOf(ticket.sender),
      faceValue: ticket.faceValue,
      winProb: ticket.winProb,
      recipientRandHash: bytesOf(ticket.recipientRandHash),
      expiration: {
        creationRound: ticket.creationRound,
        creationRoundBlockHash: bytesOf(ticket.creationRoundBlockHash),
      },
    },
    senderNonce: ticket.senderNonce,
    signature: bytesOf(ticket.sig),
    recipientRand: bytesOf(ticket.recipientRand),
    expirationBlock: ticket.expirationBlock,
  };
}

function bytesOf(hex: Hex): Uint8Array {
  const bytes = fromHex(hex);
  assert(bytes !== null, "A ticket of ours is hexadecimal.");
  return bytes;
}
