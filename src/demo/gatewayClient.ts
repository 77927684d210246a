import type { ClientHttp2Session } from "node:http2";
import { create, type DescMessage, fromBinary, type MessageShape, toBinary } from "@bufbuild/protobuf";
import { keccak_256 } from "@noble/hashes/sha3";
import { encodeBase64 } from "../protocol/base64.ts";
import {
  type AuthToken,
  type Capabilities,
  EndTranscodingSessionRequestSchema,
  EndTranscodingSessionResponseSchema,
  type OrchestratorInfo,
  OrchestratorInfoSchema,
  OrchestratorRequestSchema,
  type PaymentResult,
  PaymentResultSchema,
  PingPongSchema,
  type SegData,
  SegDataSchema,
  SegParametersSchema,
  type TranscodeResult,
  TranscodeResultSchema,
  VideoProfile_Format,
  VideoProfile_Profile,
  VideoProfile_VideoCodec,
  VideoProfileSchema,
} from "../protocol/gen/lp_rpc_pb.ts";
import type { ClipWindow, RenditionProfile } from "../protocol/profile.ts";
import { connectHttp2, GatewayCallError, http2Call } from "./http2Call.ts";

/** How a client talks to one orchestrator. */
export type GatewayClientOptions = {
  /** `https://host:port` (certificate not verified) or `http://host:port` (clear text). */
  readonly serviceUri: string;
  /** Protocol of POST /segment. Renditions are always fetched over HTTP/1.1, as gateways do. Default `h2`. */
  readonly segmentHttp?: "h1" | "h2";
  /** Keep one connection for all gRPC calls instead of one each, which is what gateways do. Default false. */
  readonly isGrpcConnectionKept?: boolean;
  /** Limit of one gRPC call and of one rendition download. Default 8 s. */
  readonly callTimeoutMs?: number;
  /** Limit of one POST /segment, upload to last byte of the answer. Default 60 s. */
  readonly segmentTimeoutMs?: number;
};

/** What a gateway says about a segment. */
export type SegmentSubmission = {
  readonly authToken: AuthToken | undefined;
  readonly manifestId: string;
  readonly seq: number | bigint;
  readonly media: Uint8Array;
  readonly durationMs: number;
  readonly profiles: readonly RenditionProfile[];
  readonly clip?: ClipWindow;
  readonly calcPerceptualHash?: boolean;
  readonly capabilities?: Capabilities;
  /** Keccak-256 of `media`; computed when absent. */
  readonly keccak256?: Uint8Array;
};

/** The account of a gateway that pays, and its proof: see `orchestratorRequestMessage`. */
export type GatewayAccount = {
  /** 20 bytes. */
  readonly address: Uint8Array;
  /** 65 bytes. */
  readonly sig: Uint8Array;
};

/** What came back from POST /payment. */
export type PaymentAnswer =
  | { readonly type: "answer"; readonly result: PaymentResult }
  | { readonly type: "refused"; readonly status: number; readonly text: string };

/** Milliseconds since the upload began. */
export type SegmentTimes = {
  /** Response headers: the upload is over and the orchestrator has accepted the segment. */
  readonly acceptedMs: number;
  /** Last byte of the answer. */
  readonly answeredMs: number;
};

/** What came back from POST /segment. A failure of the codec is an `answer` whose result holds the error text. */
export type SegmentAnswer =
  | { readonly type: "answer"; readonly result: TranscodeResult; readonly times: SegmentTimes }
  | {
      readonly type: "refused";
      readonly status: number;
      readonly text: string;
      readonly times: SegmentTimes;
    };

/** Raised when a gRPC call ends with a status other than OK. */
export class GrpcStatusError extends GatewayCallError {
  readonly grpcStatus: number;
  /** The message as the orchestrator wrote it. */
  readonly grpcMessage: string;

  constructor(grpcStatus: number, grpcMessage: string) {
    super(`The orchestrator refused: ${grpcMessage}`, { code: "GATEWAY_GRPC_STATUS", disposition: "reject" });
    this.grpcStatus = grpcStatus;
    this.grpcMessage = grpcMessage;
  }
}

/** The body of an answer is a few kilobytes; grpc-go refuses more than this too. */
const ANSWER_BYTES_MAX = 4 * 1024 * 1024;
/** What gateways accept as one rendition. */
const RENDITION_BYTES_MAX = 300_000_000;

/**
 * A small off-chain gateway: it finds out about one orchestrator, sends it segments and fetches what comes back. It
 * serves the demo, the tests and the benches; it does not choose between orchestrators, pay or verify.
 */
export class GatewayClient {
  readonly #options: Required<GatewayClientOptions>;
  readonly #origin: string;
  #grpcSession: Promise<ClientHttp2Session> | null = null;
  #segmentSession: Promise<ClientHttp2Session> | null = null;

  constructor(options: GatewayClientOptions) {
    this.#options = {
      segmentHttp: "h2",
      isGrpcConnectionKept: false,
      callTimeoutMs: 8_000,
      segmentTimeoutMs: 60_000,
      ...options,
    };
    this.#origin = new URL(options.serviceUri).origin;
  }

  /**
   * Asks for the orchestrator's terms; each answer opens a session of its own.
   * @throws GrpcStatusError with the orchestrator's text when it refuses
   */
  getOrchestrator(need?: {
    readonly capabilities?: Capabilities;
    /** Who asks; nobody when absent, as off-chain. */
    readonly account?: GatewayAccount;
  }): Promise<OrchestratorInfo> {
    const request = create(OrchestratorRequestSchema, {
      address: new Uint8Array(20),
      ...need?.account,
      ...(need?.capabilities === undefined ? {} : { capabilities: need.capabilities }),
    });
    return this.#grpc(
      "/net.Orchestrator/GetOrchestrator",
      toBinary(OrchestratorRequestSchema, request),
      OrchestratorInfoSchema,
    );
  }

  /** @throws GrpcStatusError when the orchestrator refuses */
  async ping(value: Uint8Array): Promise<Uint8Array> {
    const request = toBinary(PingPongSchema, create(PingPongSchema, { value }));
    return (await this.#grpc("/net.Orchestrator/Ping", request, PingPongSchema)).value;
  }

  /** @throws GrpcStatusError with `Invalid auth token` for a token the orchestrator did not make */
  async endTranscodingSession(authToken: AuthToken): Promise<void> {
    const schema = EndTranscodingSessionRequestSchema;
    const request = toBinary(schema, create(schema, { authToken }));
    await this.#grpc("/net.Orchestrator/EndTranscodingSession", request, EndTranscodingSessionResponseSchema);
  }

  /** Sends one segment and waits for its result. @throws GatewayCallError when no answer can be read */
  submitSegment(submission: SegmentSubmission): Promise<SegmentAnswer> {
    return this.postSegment(toBinary(SegDataSchema, segmentData(submission)), submission.media);
  }

  /**
   * Sends one segment under credentials of the caller's making, right or wrong.
   * @param headers - replace or extend the usual ones (lower case names)
   */
  async postSegment(
    segData: Uint8Array,
    media: Uint8Array,
    headers: Readonly<Record<string, string>> = {},
  ): Promise<SegmentAnswer> {
    const fields = {
      "livepeer-segment": encodeBase64(segData),
      "livepeer-payment": "",
      "content-type": "video/MP2T",
      ...headers,
    };
    const startedMs = performance.now();
    const answer = await this.#post("/segment", fields, media);
    const times = { acceptedMs: answer.headersMs, answeredMs: performance.now() - startedMs };
    if (answer.status !== 200) {
      return { type: "refused", status: answer.status, text: new TextDecoder().decode(answer.body), times };
    }
    return { type: "answer", result: fromBinary(TranscodeResultSchema, answer.body), times };
  }

  /**
   * POST /payment: a payment that no segment comes with.
   * @param payment - the encoded `net.Payment`
   */
  async postPayment(segData: Uint8Array, payment: Uint8Array): Promise<PaymentAnswer> {
    const fields = {
      "livepeer-segment": encodeBase64(segData),
      "livepeer-payment": encodeBase64(payment),
    };
    const answer = await this.#post("/payment", fields, new Uint8Array(0));
    if (answer.status !== 200) {
      return { type: "refused", status: answer.status, text: new TextDecoder().decode(answer.body) };
    }
    return { type: "answer", result: fromBinary(PaymentResultSchema, answer.body) };
  }

  /**
   * Fetches a rendition. Only what lies on the orchestrator itself: another origin in an answer is an error here.
   * @throws GatewayCallError for a foreign URL, a status other than 200, too many bytes, or time over
   */
  async download(url: string): Promise<Uint8Array> {
    if (new URL(url).origin !== this.#origin) throw fetchFailed(url, "is not on the orchestrator");
    const response = await this.#fetch(url, { method: "GET" }, this.#options.callTimeoutMs);
    const body = await readBounded(response, RENDITION_BYTES_MAX);
    if (response.status !== 200) throw fetchFailed(url, `answered ${response.status}`);
    return body;
  }

  /** Closes all connections; calls in flight fail. */
  async close(): Promise<void> {
    for (const opened of [this.#grpcSession, this.#segmentSession]) {
      const session = await opened?.catch(() => null);
      session?.destroy();
    }
    this.#grpcSession = null;
    this.#segmentSession = null;
  }

  #post(path: string, headers: Readonly<Record<string, string>>, body: Uint8Array) {
    return this.#options.segmentHttp === "h2"
      ? this.#postHttp2(path, headers, body)
      : this.#postHttp1(path, headers, body);
  }

  async #postHttp2(path: string, headers: Readonly<Record<string, string>>, body: Uint8Array) {
    this.#segmentSession = this.#reuse(this.#segmentSession);
    return http2Call(
      await this.#segmentSession,
      { method: "POST", path, headers, body },
      { timeoutMs: this.#options.segmentTimeoutMs, answerBytesMax: ANSWER_BYTES_MAX },
    );
  }

  async #postHttp1(path: string, headers: Readonly<Record<string, string>>, body: Uint8Array) {
    const startedMs = performance.now();
    const url = `${this.#origin}${path}`;
    const response = await this.#fetch(
      url,
      // A copy-free view: fetch only reads it.
      { method: "POST", headers, body: body as Uint8Array<ArrayBuffer> },
      this.#options.segmentTimeoutMs,
    );
    const headersMs = performance.now() - startedMs;
    return { status: response.status, headersMs, body: await readBounded(response, ANSWER_BYTES_MAX) };
  }

  async #fetch(url: string, init: RequestInit, timeoutMs: number): Promise<Response> {
    const signal = AbortSignal.timeout(timeoutMs);
    try {
      return await fetch(url, { ...init, signal, redirect: "error", tls: { rejectUnauthorized: false } });
    } catch (cause) {
      throw fetchFailed(url, cause instanceof Error ? cause.message : String(cause), cause);
    }
  }

  /** One unary call: a length-prefixed message each way, the verdict in the trailers. */
  async #grpc<Schema extends DescMessage>(
    path: string,
    message: Uint8Array,
    schema: Schema,
  ): Promise<MessageShape<Schema>> {
    const frame = new Uint8Array(5 + message.byteLength);
    new DataView(frame.buffer).setUint32(1, message.byteLength);
    frame.set(message, 5);

    const limits = { timeoutMs: this.#options.callTimeoutMs, answerBytesMax: ANSWER_BYTES_MAX };
    const headers = { "content-type": "application/grpc", te: "trailers" };
    const isKept = this.#options.isGrpcConnectionKept;
    const opened = isKept ? this.#reuse(this.#grpcSession) : connectHttp2(this.#origin, limits.timeoutMs);
    if (isKept) this.#grpcSession = opened;
    const session = await opened;
    try {
      const answer = await http2Call(session, { method: "POST", path, headers, body: frame }, limits);
      return fromBinary(schema, grpcMessage(answer));
    } finally {
      if (!isKept) session.close();
    }
  }

  async #reuse(opened: Promise<ClientHttp2Session> | null): Promise<ClientHttp2Session> {
    const session = await opened?.catch(() => null);
    if (session && !session.closed && !session.destroyed) return session;
    return connectHttp2(this.#origin, this.#options.callTimeoutMs);
  }
}

/** The credentials of a segment as an off-chain gateway writes them: no signature. */
export function segmentData(submission: SegmentSubmission): SegData {
  const { authToken, capabilities, clip } = submission;
  return create(SegDataSchema, {
    manifestId: new TextEncoder().encode(submission.manifestId),
    seq: BigInt(submission.seq),
    hash: submission.keccak256 ?? keccak_256(submission.media),
    // What go-livepeer puts into the dead field of preset ids.
    profiles: new TextEncoder().encode("invalid"),
    duration: submission.durationMs,
    calcPerceptualHash: submission.calcPerceptualHash ?? false,
    fullProfiles3: submission.profiles.map(videoProfile),
    ...(authToken === undefined ? {} : { authToken }),
    ...(capabilities === undefined ? {} : { capabilities }),
    ...(clip === undefined
      ? {}
      : {
          segmentParameters: create(SegParametersSchema, {
            from: BigInt(clip.fromMs),
            to: BigInt(clip.toMs),
          }),
        }),
  });
}

function videoProfile(profile: RenditionProfile) {
  return create(VideoProfileSchema, {
    name: profile.name,
    width: profile.width,
    height: profile.height,
    bitrate: profile.bitrate,
    fps: profile.fps,
    fpsDen: profile.fpsDen,
    gop: profile.gopMs,
    quality: profile.quality,
    format: profile.format === "mp4" ? VideoProfile_Format.MP4 : VideoProfile_Format.MPEGTS,
    profile: encoderProfiles[profile.profile],
    encoder: encoders[profile.encoder],
  });
}

const encoderProfiles = {
  default: VideoProfile_Profile.ENCODER_DEFAULT,
  baseline: VideoProfile_Profile.H264_BASELINE,
  main: VideoProfile_Profile.H264_MAIN,
  high: VideoProfile_Profile.H264_HIGH,
  "constrained-high": VideoProfile_Profile.H264_CONSTRAINED_HIGH,
} as const;

const encoders = {
  h264: VideoProfile_VideoCodec.H264,
  h265: VideoProfile_VideoCodec.H265,
  vp8: VideoProfile_VideoCodec.VP8,
  vp9: VideoProfile_VideoCodec.VP9,
} as const;

/** The one message of a unary answer. A refusal may come as headers only, so both places are looked at. */
function grpcMessage(answer: Awaited<ReturnType<typeof http2Call>>): Uint8Array {
  const field = (name: string) => answer.trailers.get(name) ?? answer.headers.get(name);
  const status = Number(field("grpc-status") ?? Number.NaN);
  if (!Number.isInteger(status)) {
    throw new GatewayCallError("The answer is not gRPC.", {
      code: "GATEWAY_NOT_GRPC",
      disposition: "reject",
      meta: { httpStatus: answer.status },
    });
  }
  if (status !== 0) throw new GrpcStatusError(status, percentDecoded(field("grpc-message") ?? ""));
  const { body } = answer;
  const length = body.byteLength < 5 ? -1 : new DataView(body.buffer, body.byteOffset).getUint32(1);
  if (body[0] !== 0 || length !== body.byteLength - 5) {
    throw new GatewayCallError("The answer is not one uncompressed gRPC message.", {
      code: "GATEWAY_BAD_FRAME",
      disposition: "reject",
    });
  }
  return body.subarray(5);
}

function percentDecoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/** Reads a body of unknown length without ever holding more than `bytesMax`. */
async function readBounded(response: Response, bytesMax: number): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  let byteCount = 0;
  for await (const chunk of response.body ?? []) {
    byteCount += chunk.byteLength;
    if (byteCount > bytesMax) throw fetchFailed(response.url, `sent more than ${bytesMax} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

function fetchFailed(url: string, what: string, cause?: unknown): GatewayCallError {
  const options = { code: "GATEWAY_CALL_FAILED", disposition: "retry" } as const;
  return new GatewayCallError(`\`${url}\` ${what}.`, cause === undefined ? options : { ...options, cause });
}
