import type { AuthToken, OrchestratorInfo, OrchestratorRequest } from "../protocol/gen/lp_rpc_pb.ts";
import { CAPPED_TEXT, rpcTexts } from "../protocol/texts.ts";
import type {
  HttpRefusal,
  OrchestratorService,
  PaidAnswer,
  PaymentHeaders,
  Peer,
  RefreshedPayment,
  RefreshPaymentRequest,
  RpcAnswer,
  RpcRefusal,
  SegmentHeaders,
  SegmentUpload,
  StoredRendition,
} from "../runtime/service.ts";

export type WaitingServiceOptions = {
  /** How long a request waits for the node. Milliseconds. */
  readonly waitMs?: number;
  /** Requests that wait at the same time; one more is refused at once. */
  readonly waitingMax?: number;
};

/** A key file of the highest cost that is taken needs about five seconds. */
const defaultWaitMs = 10_000;
/** Far more than the gateways of a node; each holds some kilobytes. */
const defaultWaitingMax = 1_000;

const rpcRefusal: RpcRefusal = { type: "refused", text: rpcTexts.capped };
/** What a full node says: a gateway takes its segment elsewhere and comes back. */
const httpRefusal: HttpRefusal = { type: "refused", status: 403, text: CAPPED_TEXT };

/**
 * Stands at the open port while the node behind it is being put together (its key unlocked, its log read): requests
 * wait, bounded in number and time, and are then the node's in the order of their arrival. Nothing is answered for
 * the node but that it is not there yet. Once it is there, every call goes straight through.
 */
export class WaitingService implements OrchestratorService {
  readonly #waitMs: number;
  readonly #waitingMax: number;
  readonly #waiting = new Set<(node: OrchestratorService | null) => void>();
  #node: OrchestratorService | null = null;

  constructor({ waitMs = defaultWaitMs, waitingMax = defaultWaitingMax }: WaitingServiceOptions = {}) {
    this.#waitMs = waitMs;
    this.#waitingMax = waitingMax;
  }

  /** The node is there: it takes what waited, and all that comes. Once. */
  open(node: OrchestratorService): void {
    this.#node = node;
    for (const take of this.#waiting) take(node);
  }

  /** Requests that wait now. */
  get waitingCount(): number {
    return this.#waiting.size;
  }

  getOrchestrator(
    request: OrchestratorRequest,
    peer: Peer,
  ): RpcAnswer<OrchestratorInfo> | Promise<RpcAnswer<OrchestratorInfo>> {
    return this.#pass(rpcRefusal, (node) => node.getOrchestrator(request, peer));
  }

  ping(value: Uint8Array, peer: Peer): RpcAnswer<Uint8Array> | Promise<RpcAnswer<Uint8Array>> {
    return this.#pass(rpcRefusal, (node) => node.ping(value, peer));
  }

  async endTranscodingSession(token: AuthToken | undefined, peer: Peer): Promise<RpcAnswer<null>> {
    return this.#pass(rpcRefusal, (node) => node.endTranscodingSession(token, peer));
  }

  async openSegment(headers: SegmentHeaders, peer: Peer): Promise<HttpRefusal | SegmentUpload> {
    return this.#pass(httpRefusal, (node) => node.openSegment(headers, peer));
  }

  async pay(headers: PaymentHeaders, peer: Peer): Promise<HttpRefusal | PaidAnswer> {
    return this.#pass(httpRefusal, (node) => node.pay(headers, peer));
  }

  async refreshPayment(request: RefreshPaymentRequest, peer: Peer): Promise<HttpRefusal | RefreshedPayment> {
    return this.#pass(httpRefusal, (node) => node.refreshPayment(request, peer));
  }

  /** Renditions are kept in memory: before the node is there, there are none. */
  readRendition(path: string): StoredRendition | null {
    return this.#node?.readRendition(path) ?? null;
  }

  renditionServed(path: string): void {
    this.#node?.renditionServed(path);
  }

  unhealthyReason(): string | null {
    return this.#node === null ? "The node is starting." : this.#node.unhealthyReason();
  }

  /** Without a promise when the node is there: discovery must stay cheap. */
  #pass<T, Refusal>(
    refusal: Refusal,
    ask: (node: OrchestratorService) => T | Promise<T>,
  ): T | Refusal | Promise<T | Refusal> {
    if (this.#node !== null) return ask(this.#node);
    if (this.#waiting.size >= this.#waitingMax) return refusal;
    return new Promise<OrchestratorService | null>((resolve) => {
      const take = (node: OrchestratorService | null): void => {
        clearTimeout(timer);
        this.#waiting.delete(take);
        resolve(node);
      };
      const timer = setTimeout(take, this.#waitMs, null);
      this.#waiting.add(take);
    }).then((node) => (node === null ? refusal : ask(node)));
  }
}
