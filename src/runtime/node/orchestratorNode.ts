import { create } from "@bufbuild/protobuf";
import {
  checkToken,
  issueToken,
  openToken,
  tokenOf,
  SESSION_ID_BYTES,
  type TokenKeys,
} from "../../protocol/authToken.ts";
import { accountBytes, checksumHex, ZERO_ACCOUNT } from "../../protocol/account.ts";
import { toHex } from "../../protocol/bytes.ts";
import type { CapabilitySet } from "../../protocol/capabilities.ts";
import { capability } from "../../protocol/capability.ts";
import { type NodeFacts, orchestratorInfo } from "../../protocol/orchestratorInfo.ts";
import { orchestratorRequestMessage } from "../../protocol/orchestratorRequest.ts";
import { pingMessage } from "../../protocol/ping.ts";
import { isStreamPath } from "../../protocol/renditionPath.ts";
import type { Price } from "../../protocol/price.ts";
import { rational } from "../../protocol/rational.ts";
import { rpcTexts } from "../../protocol/texts.ts";
import type { SessionCommand, SessionSnapshot } from "../../actors/session/decide.ts";
import {
  type AuthToken,
  type OrchestratorInfo,
  type OrchestratorRequest,
  type OSInfo,
  OSInfo_StorageType,
  OSInfoSchema,
} from "../../protocol/gen/lp_rpc_pb.ts";
import { lastIncarnation } from "../../events/log/incarnations.ts";
import type { LogReader } from "../../events/log/reader.ts";
import type { Host } from "../host.ts";
import type { Sale, SaleOffer } from "../money/market.ts";
import type { Till } from "../money/till.ts";
import type {
  Edge,
  ForeignBucket,
  GatewayAuthorizer,
  Identity,
  MediaFetcher,
  ObjectStore,
  TranscodeWorkers,
} from "../ports.ts";
import type {
  HttpRefusal,
  OrchestratorService,
  PaidAnswer,
  PaymentHeaders,
  Peer,
  RefreshedPayment,
  RefreshPaymentRequest,
  RpcAnswer,
  SegmentHeaders,
  SegmentUpload,
  StoredRendition,
} from "../service.ts";
import { Admission, type LiveSession } from "./admission.ts";
import { PaymentDoor } from "./paymentDoor.ts";
import type { RenditionStore } from "./renditionStore.ts";
import { SegmentDoor } from "./segmentDoor.ts";
import type { SegmentWork } from "./segmentWork.ts";

export type OrchestratorNodeOptions = {
  readonly edge: Edge;
  readonly identity: Identity;
  readonly serviceUri: string;
  readonly nodes: readonly string[];
  readonly version: string;
  readonly capabilities: CapabilitySet;
  readonly tokenKeys: TokenKeys;
  readonly maxSessions: number;
  /** What the operator says may be sold; null = measured. */
  readonly pixelsPerSecond: number | null;
  readonly host: Host;
  readonly reader: LogReader;
  readonly work: SegmentWork;
  readonly workers: TranscodeWorkers;
  readonly renditions: RenditionStore;
  readonly objectStore: ObjectStore | null;
  readonly mediaFetcher: MediaFetcher | null;
  readonly authorizer: GatewayAuthorizer | null;
  /** Null off-chain: everybody is served for nothing. */
  readonly till: Till | null;
  /** Why the log takes no new work, or null. */
  readonly logRefusal: () => string | null;
  /** Why no worker can take a segment, or null. */
  readonly workersProblem: () => string | null;
  readonly newTraceId: () => string | null;
};

/** How often renditions that had their time are dropped. */
const sweepMs = 1_000;
/** Sessions whose newest incarnation is remembered beside the log; far more than can be opened in one commit. */
const incarnationsMax = 10_000;

/** The orchestrator as its peers see it. Every decision of the node that is not an entity's own is made here. */
export class OrchestratorNode implements OrchestratorService {
  readonly #options: OrchestratorNodeOptions;
  #facts: NodeFacts;
  readonly #admission: Admission;
  readonly #door: SegmentDoor;
  readonly #paymentDoor: PaymentDoor;
  readonly #sweeper: ReturnType<typeof setInterval>;
  readonly #incarnations = new Map<string, number>();
  #isDraining = false;

  constructor(options: OrchestratorNodeOptions) {
    this.#options = options;
    const { edge, identity, workers, renditions } = options;
    this.#facts = {
      serviceUri: options.serviceUri,
      account: identity.account,
      capabilities: options.capabilities,
      nodes: options.nodes,
    };
    this.#admission = new Admission({
      capacity: () => workers.capacity(),
      pixelsPerSecond: options.pixelsPerSecond,
      maxSessions: options.maxSessions,
    });
    this.#door = new SegmentDoor({
      edge,
      identity,
      capabilities: options.capabilities,
      version: options.version,
      host: options.host,
      work: options.work,
      admission: this.#admission,
      mediaFetcher: options.mediaFetcher,
      checkToken: (token, account) =>
        checkToken(options.tokenKeys, token, this.#owner(account), edge.nowMs()),
      infoFor: (token, sale) => this.#info(token, sale),
      nextIncarnation: (sessionId) => this.#nextIncarnation(sessionId),
      incarnationOpened: (sessionId, incarnation) => this.#incarnationOpened(sessionId, incarnation),
      till: options.till,
      refusal: () => this.#refusal(),
      newTraceId: options.newTraceId,
    });
    this.#paymentDoor = new PaymentDoor({
      identity,
      capabilities: options.capabilities,
      version: options.version,
      host: options.host,
      till: options.till,
      logRefusal: options.logRefusal,
      mayName: (account, sessionId) => this.#mayName(account, sessionId),
      checkToken: (token, account) =>
        checkToken(options.tokenKeys, token, this.#owner(account), edge.nowMs()),
      tokenFor: (account, sessionId) => tokenOf(options.tokenKeys, account, sessionId, edge.nowMs()),
      infoFor: (token, sale) => this.#info(token, sale),
    });
    this.#sweeper = setInterval(() => renditions.sweep(edge.nowMs()), sweepMs);
    this.#sweeper.unref();
  }

  /** Takes up the sessions that the log says are open. Call once, after the host has started. */
  resume(): number {
    for (const id of this.#options.host.idsOf("session")) {
      const snapshot = this.#options.host.snapshot("session", id) as SessionSnapshot | null;
      if (snapshot === null || snapshot.matches("ending")) continue;
      const { sender, manifestId, remoteAddress, demandPixelsPerSecond } = snapshot.context;
      if (sender === null || manifestId === null) continue;
      this.#admission.opened(sessionIdOf(id), {
        streamId: id,
        sender,
        manifestId,
        remoteAddress,
        demandPixelsPerSecond,
      });
    }
    return this.#admission.count;
  }

  get maxSessions(): number {
    return this.#admission.maxSessions;
  }

  set maxSessions(sessions: number) {
    this.#admission.maxSessions = sessions;
  }

  get sessionCount(): number {
    return this.#admission.count;
  }

  /** Whether a gateway still sends, waits for, or may come to fetch something that it was promised. */
  get isOwing(): boolean {
    const { work, renditions, edge } = this.#options;
    return work.openCount > 0 || this.#door.arrivingCount > 0 || renditions.hasAwaited(edge.nowMs());
  }

  /** Gateways are told this address from now on, without a slash at its end. */
  advertise(serviceUri: string): void {
    this.#facts = { ...this.#facts, serviceUri };
    this.#options.work.advertise(serviceUri);
  }

  /** No new sessions from now on; what runs finishes. */
  drain(): void {
    this.#isDraining = true;
  }

  stop(): void {
    clearInterval(this.#sweeper);
  }

  /** The session and its renditions are gone. */
  sessionReleased(sessionStream: string): void {
    this.#admission.ended(sessionIdOf(sessionStream), sessionStream);
    this.#door.released(sessionStream);
  }

  getOrchestrator(
    request: OrchestratorRequest,
    peer: Peer,
  ): RpcAnswer<OrchestratorInfo> | Promise<RpcAnswer<OrchestratorInfo>> {
    const { identity, authorizer } = this.#options;
    const account = accountBytes(request.address);
    // Off-chain everybody is believed: then even the hash that would be verified is not worth its time.
    const isVerified = identity.account !== null;
    if (isVerified && !identity.isSignedBy(orchestratorRequestMessage(account), request.sig, account)) {
      return { type: "refused", text: rpcTexts.badRequestSignature };
    }
    const isFull =
      this.#refusal() !== null ||
      !this.#admission.mayNegotiate(toHex(this.#owner(account)), peer.remoteAddress);
    if (isFull && !(request.ignoreCapacityCheck && this.#refusal() === null)) {
      return { type: "refused", text: rpcTexts.capped };
    }
    if (authorizer === null) return this.#offer(request, account, null);
    return authorizer.authorize(checksumHex(account)).then((verdict) => {
      if (verdict.type === "refused") return { type: "refused", text: verdict.text };
      // A price of the webhook counts for requests without capabilities only. Source: payments sheet 4.3.
      const isPriced = verdict.price !== null && request.capabilities === undefined;
      const price = isPriced ? rational(verdict.price.pricePerUnit, verdict.price.pixelsPerUnit) : null;
      this.#options.till?.agree(toHex(account), price);
      return this.#offer(request, account, price);
    });
  }

  ping(value: Uint8Array): RpcAnswer<Uint8Array> {
    const message = pingMessage(value);
    if (message === null) return { type: "refused", text: "ping value too long" };
    return { type: "answer", value: this.#options.identity.sign(message) };
  }

  async endTranscodingSession(token: AuthToken | undefined): Promise<RpcAnswer<null>> {
    const owner = token === undefined ? null : openToken(this.#options.tokenKeys, token);
    if (token === undefined || owner === null) return { type: "refused", text: rpcTexts.badToken };
    const live = this.#admission.live(token.sessionId);
    // Somebody else's session of the same name is none of the caller's business.
    if (live !== null && this.#isOwnedBy(live, owner)) {
      const command: SessionCommand = { type: "EndSession", cause: "ended-by-gateway", dueMs: null };
      this.#options.host.execute("session", live.streamId, command, {
        correlationId: live.streamId,
        causationId: "end-transcoding-session",
      });
      // From this moment the token opens a new incarnation.
      this.#admission.ended(token.sessionId, live.streamId);
      await this.#options.host.committed();
    }
    return { type: "answer", value: null };
  }

  async openSegment(headers: SegmentHeaders, peer: Peer): Promise<HttpRefusal | SegmentUpload> {
    return this.#door.open(headers, peer);
  }

  pay(headers: PaymentHeaders, peer: Peer): Promise<HttpRefusal | PaidAnswer> {
    return this.#paymentDoor.pay(headers, peer);
  }

  refreshPayment(request: RefreshPaymentRequest): Promise<HttpRefusal | RefreshedPayment> {
    return this.#paymentDoor.refresh(request);
  }

  readRendition(path: string): StoredRendition | null {
    return isStreamPath(path) ? this.#options.renditions.get(path) : null;
  }

  renditionServed(path: string): void {
    this.#options.renditions.served(path, this.#options.edge.nowMs());
  }

  unhealthyReason(): string | null {
    return this.#refusal();
  }

  /** One more than the log holds, or than was opened since: the newest may not be on the disk yet. */
  #nextIncarnation(sessionId: string): number {
    const recorded = lastIncarnation(this.#options.reader.streamsWithPrefix(`session:${sessionId}.`));
    return Math.max(recorded, this.#incarnations.get(sessionId) ?? 0) + 1;
  }

  #incarnationOpened(sessionId: string, incarnation: number): void {
    this.#incarnations.delete(sessionId);
    this.#incarnations.set(sessionId, incarnation);
    const oldest = this.#incarnations.keys().next().value;
    if (this.#incarnations.size > incarnationsMax && oldest !== undefined) this.#incarnations.delete(oldest);
  }

  /** Why this node takes no new work: a gateway that hears it at once goes elsewhere without a lost segment. */
  #refusal(): string | null {
    if (this.#isDraining) return "The node is draining.";
    return this.#options.logRefusal() ?? this.#options.workersProblem();
  }

  /** Whether the session is that of this account; off-chain nobody proves one. */
  #isOwnedBy({ sender }: LiveSession, account: Uint8Array): boolean {
    return this.#options.identity.account === null || sender === toHex(account);
  }

  #mayName(account: Uint8Array, sessionId: string): boolean {
    const live = this.#admission.live(sessionId);
    if (live !== null) return this.#isOwnedBy(live, account);
    return this.#options.reader.streamsWithPrefix(`session:${sessionId}.`).length === 0;
  }

  /** Off-chain nobody proves an account, so tokens are made for nobody. */
  #owner(account: Uint8Array): Uint8Array {
    return this.#options.identity.account === null ? ZERO_ACCOUNT : account;
  }

  #offer(
    request: OrchestratorRequest,
    account: Uint8Array,
    price: Price | null,
  ): RpcAnswer<OrchestratorInfo> | Promise<RpcAnswer<OrchestratorInfo>> {
    if (!request.ignoreCapacityCheck && this.#facts.serviceUri !== "" && asksForLiveAi(request)) {
      return { type: "refused", text: rpcTexts.capped };
    }
    const { till } = this.#options;
    if (till === null) return { type: "answer", value: this.#info(this.#newToken(account), null) };
    const answer = (offer: SaleOffer): RpcAnswer<OrchestratorInfo> =>
      offer.type === "refused"
        ? offer
        : { type: "answer", value: this.#info(this.#newToken(account), offer.sale) };
    const offer = till.offer(account, null, price);
    return offer instanceof Promise ? offer.then(answer) : answer(offer);
  }

  #newToken(account: Uint8Array): AuthToken {
    const { tokenKeys, edge } = this.#options;
    return issueToken(tokenKeys, this.#owner(account), edge.randomBytes(SESSION_ID_BYTES), edge.nowMs());
  }

  #info(authToken: AuthToken, sale: Sale | null): OrchestratorInfo {
    const own = this.#options.objectStore?.own ?? null;
    const offer = { authToken, ...(sale === null ? {} : { sale }) };
    if (own === null) return orchestratorInfo(this.#facts, offer);
    const grant = own.grant(authToken.sessionId, this.#options.edge.nowMs());
    return orchestratorInfo(this.#facts, { ...offer, storage: grantMessage(grant) });
  }
}

/** A job for live AI, of which this node serves no model. Source: video sheet 3.2, step 4. */
function asksForLiveAi(request: OrchestratorRequest): boolean {
  return request.capabilities?.constraints?.PerCapability[capability.liveVideoToVideo] !== undefined;
}

/** `<session id>.<incarnation>` without the incarnation. */
function sessionIdOf(sessionStream: string): string {
  return sessionStream.slice(0, sessionStream.lastIndexOf("."));
}

function grantMessage(bucket: ForeignBucket): OSInfo {
  const { type, ...s3info } = bucket;
  const storageType = type === "s3" ? OSInfo_StorageType.S3 : OSInfo_StorageType.GOOGLE;
  return create(OSInfoSchema, { storageType, s3info });
}
