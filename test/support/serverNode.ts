import { create } from "@bufbuild/protobuf";
import { keccak_256 } from "@noble/hashes/sha3.js";
import {
  AuthTokenSchema,
  CapabilitiesSchema,
  OrchestratorInfoSchema,
  type OrchestratorRequest,
} from "../../src/protocol/gen/lp_rpc_pb.ts";
import type {
  AcceptedSegment,
  HttpRefusal,
  OrchestratorService,
  PaidAnswer,
  Peer,
  RefreshedPayment,
  RefreshPaymentRequest,
  SegmentHeaders,
  StoredRendition,
} from "../../src/runtime/service.ts";
import { makeCertificate } from "../../src/server/derCertificate.ts";
import type { Keccak256Hasher } from "../../src/server/http/segment.ts";
import type { ListenerLimits } from "../../src/server/limits.ts";
import { type Listener, type ListenerNotice, openListener } from "../../src/server/listener.ts";

/** A promise with its handles. */
export function signal<T = void>(): PromiseWithResolvers<T> {
  return Promise.withResolvers<T>();
}

/** A node that does what the test says and remembers what the listener told it. */
export class ScriptedNode implements OrchestratorService {
  readonly requests: OrchestratorRequest[] = [];
  readonly peers: Peer[] = [];
  readonly openedWith: SegmentHeaders[] = [];
  readonly paidWith: Omit<SegmentHeaders, "contentType">[] = [];
  readonly refreshedWith: RefreshPaymentRequest[] = [];
  readonly completed: { body: Uint8Array; keccak256: Uint8Array }[] = [];
  readonly renditions = new Map<string, StoredRendition>();
  /** Resolves with the first cause the listener gave up an upload for. */
  readonly aborted = signal<"client-gone" | "too-large" | "timeout">();
  readonly delivered = signal<"sent" | "client-gone">();
  readonly uploadOpened = signal();
  readonly bodyCompleted = signal();
  /** Resolves with the path of the first rendition served. */
  readonly served = signal<string>();
  aborts = 0;
  deliveries = 0;

  refusal: HttpRefusal | null = null;
  verdict: HttpRefusal | null = null;
  result: Promise<Uint8Array> = Promise.resolve(Buffer.from("result"));
  acceptance: Promise<void> = Promise.resolve();
  opening: Promise<void> = Promise.resolve();
  payment: HttpRefusal | PaidAnswer = { type: "paid", result: Buffer.from("paid") };
  refresh: HttpRefusal | RefreshedPayment = { type: "refreshed", info: sampleInfo() };
  bodyBytesMax = 300_000_000;
  uploadTimeoutMs = 60_000;
  infoRefusal: string | null = null;
  unhealthy: string | null = null;
  /** Run inside `getOrchestrator`, to delay it or to break it. */
  onGetOrchestrator: () => Promise<void> | null = () => null;

  getOrchestrator(
    request: OrchestratorRequest,
    peer: Peer,
  ): ReturnType<OrchestratorService["getOrchestrator"]> {
    this.requests.push(request);
    this.peers.push(peer);
    const answer =
      this.infoRefusal === null
        ? ({ type: "answer", value: sampleInfo() } as const)
        : ({ type: "refused", text: this.infoRefusal } as const);
    return this.onGetOrchestrator()?.then(() => answer) ?? answer;
  }

  ping(value: Uint8Array): ReturnType<OrchestratorService["ping"]> {
    return { type: "answer", value: Uint8Array.from(value).reverse() };
  }

  async endTranscodingSession(
    token: Parameters<OrchestratorService["endTranscodingSession"]>[0],
  ): ReturnType<OrchestratorService["endTranscodingSession"]> {
    if (token?.sessionId === "deadbeef") return { type: "answer", value: null };
    return { type: "refused", text: "Invalid auth token" };
  }

  async openSegment(headers: SegmentHeaders): ReturnType<OrchestratorService["openSegment"]> {
    this.openedWith.push(headers);
    await this.opening;
    if (this.refusal !== null) return this.refusal;
    this.uploadOpened.resolve();
    return {
      type: "upload",
      bodyBytesMax: this.bodyBytesMax,
      uploadDeadlineMs: Date.now() + this.uploadTimeoutMs,
      complete: async (body, keccak256): Promise<HttpRefusal | AcceptedSegment> => {
        this.completed.push({ body, keccak256 });
        this.bodyCompleted.resolve();
        await this.acceptance;
        if (this.verdict !== null) return this.verdict;
        return {
          type: "accepted",
          result: this.result,
          delivered: (outcome) => {
            this.deliveries += 1;
            this.delivered.resolve(outcome);
          },
        };
      },
      abort: (cause) => {
        this.aborts += 1;
        this.aborted.resolve(cause);
      },
    };
  }

  async pay(
    headers: Omit<SegmentHeaders, "contentType">,
    peer: Peer,
  ): ReturnType<OrchestratorService["pay"]> {
    this.paidWith.push(headers);
    this.peers.push(peer);
    return this.payment;
  }

  async refreshPayment(
    request: RefreshPaymentRequest,
    peer: Peer,
  ): ReturnType<OrchestratorService["refreshPayment"]> {
    this.refreshedWith.push(request);
    this.peers.push(peer);
    return this.refresh;
  }

  readRendition(path: string): StoredRendition | null {
    return this.renditions.get(path) ?? null;
  }

  renditionServed(path: string): void {
    this.served.resolve(path);
  }

  unhealthyReason(): string | null {
    return this.unhealthy;
  }
}

/** An answer of the size a real off-chain node gives. */
export function sampleInfo() {
  const capacities = Object.fromEntries(Array.from({ length: 26 }, (_, bit) => [bit, 1]));
  return create(OrchestratorInfoSchema, {
    transcoder: "https://127.0.0.1:8935",
    address: new Uint8Array(20),
    capabilities: create(CapabilitiesSchema, { bitstring: [0x1fffn], capacities, version: "0.1.0" }),
    authToken: create(AuthTokenSchema, {
      token: new Uint8Array(32).fill(7),
      sessionId: "deadbeef",
      expiration: 4_102_444_800n,
    }),
  });
}

/** A listener on a free loopback port with everything the tests look at. */
export type TestServer = AsyncDisposable & {
  readonly node: ScriptedNode;
  readonly listener: Listener;
  readonly port: number;
  readonly notices: ListenerNotice[];
  /** Resolves with the first notice of that type, also one that came already. */
  notice(type: ListenerNotice["type"]): Promise<ListenerNotice>;
};

export type TestServerOptions = {
  readonly clear?: boolean;
  readonly limits?: Partial<ListenerLimits>;
  /** Stands in for Keccak-256 where only the flow of bytes matters. */
  readonly createHasher?: () => Keccak256Hasher;
};

/** Opens a listener in front of a {@link ScriptedNode}; disposing closes it and fails on a bug notice. */
export async function openTestServer(options: TestServerOptions = {}): Promise<TestServer> {
  const node = new ScriptedNode();
  const notices: ListenerNotice[] = [];
  const waiters: { type: ListenerNotice["type"]; resolve: (notice: ListenerNotice) => void }[] = [];
  const listener = await openListener({
    bind: { host: "127.0.0.1", port: 0 },
    tls: options.clear === true ? null : testCredentials,
    service: node,
    createHasher: options.createHasher ?? (() => keccak_256.create()),
    limits: options.limits ?? {},
    onNotice: (notice) => {
      notices.push(notice);
      for (const waiter of waiters) if (waiter.type === notice.type) waiter.resolve(notice);
    },
  });
  return {
    node,
    listener,
    port: listener.port,
    notices,
    notice: (type) => {
      const past = notices.find((notice) => notice.type === type);
      if (past !== undefined) return Promise.resolve(past);
      return new Promise((resolve) => waiters.push({ type, resolve }));
    },
    [Symbol.asyncDispose]: () => listener.close(),
  };
}

const testCredentials = makeCertificate({
  host: "localhost",
  notBeforeMs: Date.now() - 3_600_000,
  notAfterMs: Date.now() + 86_400_000,
  serial: Uint8Array.of(1),
});
