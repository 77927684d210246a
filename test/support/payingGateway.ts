import { create, toBinary } from "@bufbuild/protobuf";
import {
  GatewayClient,
  type PaymentAnswer,
  type SegmentAnswer,
  type SegmentSubmission,
  segmentData,
} from "../../src/demo/gatewayClient.ts";
import { encodeBase64 } from "../../src/protocol/base64.ts";
import {
  type AuthToken,
  type OrchestratorInfo,
  type Payment,
  PaymentSchema,
  type PriceInfo,
  type SegData,
  SegDataSchema,
} from "../../src/protocol/gen/lp_rpc_pb.ts";
import { orchestratorRequestMessage } from "../../src/protocol/orchestratorRequest.ts";
import { add, multiply, type Rational, rational, subtract, ZERO } from "../../src/protocol/rational.ts";
import { segmentMessage } from "../../src/protocol/segmentCredentials.ts";
import {
  defaultGatewayLimits,
  estimatedFee,
  type GatewayClock,
  type GatewayFunds,
  type GatewayLimits,
  type PaymentTricks,
  paramsExpiredText,
  paramsFault,
  priceFault,
  priceOf,
  ticketCount,
  TicketSession,
} from "./gatewayTickets.ts";
import { accountOfPrivateKey, signPersonalMessage } from "./signatures.ts";

/** Who a gateway is and what it knows. */
export type PayingGatewayOptions = {
  readonly serviceUri: string;
  /** 32 bytes. */
  readonly privateKey: Uint8Array;
  /** Asked before each payment, as gateways read their own account and the chain. */
  readonly funds: () => GatewayFunds | Promise<GatewayFunds>;
  readonly clock: () => GatewayClock | Promise<GatewayClock>;
  readonly limits?: Partial<GatewayLimits>;
  readonly segmentHttp?: "h1" | "h2";
  /** Unix milliseconds; the machine's clock when absent. */
  readonly nowMs?: () => number;
  /** Goes on with a session after an error, which an honest gateway drops. Default false. */
  readonly isStubborn?: boolean;
};

/** A segment of the running session: the token comes from there. */
export type PaidSubmission = Omit<SegmentSubmission, "authToken">;

/** Departures from honesty, for one request. */
export type RequestTricks = PaymentTricks & {
  /** Another session's token. */
  readonly authToken?: AuthToken;
  /** Changes the credentials before they are signed. */
  readonly alterSegment?: (segment: SegData) => void;
};

/** What a payment was made of. */
export type SentPayment = {
  readonly payment: Payment;
  /** Base64, as in the header. */
  readonly header: string;
  readonly ticketsSent: number;
  /** The gateway's balance before, wei. */
  readonly balanceBefore: Rational;
  /** Value of the tickets, wei. */
  readonly credit: Rational;
};

/** A gateway does not pay: what it says in its log. */
export class GatewayRefusal extends Error {}

/** Lifetime of a token, and the part of it in which a gateway fetches a new one. */
const tokenLifetimeMs = 30 * 60_000;
const tokenRefreshMs = tokenLifetimeMs / 10;

/**
 * A gateway that pays one orchestrator, as the reference gateway does: it checks what it is offered, keeps its
 * own account of every session, and sends tickets by it. With tricks it cheats in one payment.
 *
 * Source: payments sheet 3.6; video sheet sections 3 to 5.
 */
export class PayingGateway implements AsyncDisposable {
  readonly account: Uint8Array;
  readonly client: GatewayClient;
  readonly #options: PayingGatewayOptions;
  readonly #limits: GatewayLimits;
  #session: TicketSession | null = null;
  #initialPrice: PriceInfo | undefined;
  #balance: Rational = ZERO;
  #refreshes = 0;

  constructor(options: PayingGatewayOptions) {
    const { serviceUri, segmentHttp = "h2" } = options;
    this.#options = options;
    this.#limits = { ...defaultGatewayLimits, ...options.limits };
    this.account = accountOfPrivateKey(options.privateKey);
    this.client = new GatewayClient({ serviceUri, segmentHttp });
  }

  /** What the orchestrator last said. @throws GatewayRefusal before the first request */
  get info(): OrchestratorInfo {
    if (this.#session === null) throw new GatewayRefusal("no session");
    return this.#session.info;
  }

  /** The gateway's own account of the session, wei. Negative = it owes. */
  get balance(): Rational {
    return this.#balance;
  }

  /** Value of one ticket of the current params, wei. */
  get ev(): Rational {
    return this.#session?.ev ?? ZERO;
  }

  /** How often a session was replaced because its params or its token ran out. */
  get refreshes(): number {
    return this.#refreshes;
  }

  /**
   * Signed GetOrchestrator, nothing else: no session is opened by it.
   * @throws GrpcStatusError with the orchestrator's text
   */
  discover(): Promise<OrchestratorInfo> {
    const message = orchestratorRequestMessage(this.account);
    const sig = signPersonalMessage(message, this.#options.privateKey);
    return this.client.getOrchestrator({ account: { address: this.account, sig } });
  }

  /**
   * Asks for terms and opens a session on them.
   * @throws GatewayRefusal when an on-chain gateway would pass this orchestrator over
   */
  async open(): Promise<OrchestratorInfo> {
    const info = await this.discover();
    if (info.ticketParams === undefined || info.authToken === undefined) {
      throw new GatewayRefusal("no ticket params or no auth token");
    }
    const own = await this.#own();
    const fault = paramsFault(info.ticketParams, 1, own);
    if (fault !== null) throw new GatewayRefusal(fault);
    this.#use(info);
    this.#initialPrice ??= info.priceInfo;
    return info;
  }

  /** Takes over what the orchestrator said elsewhere, such as in an answer or a refreshed payment. */
  use(info: OrchestratorInfo): void {
    this.#use(info);
    this.#initialPrice ??= info.priceInfo;
  }

  /** Opens a session where there is none, and another one where the running one is about to end. */
  async ready(): Promise<OrchestratorInfo> {
    if (this.#session === null) return this.open();
    const { authToken, ticketParams } = this.#session.info;
    const nowMs = (this.#options.nowMs ?? Date.now)();
    const isTokenOld = Number(authToken?.expiration ?? 0n) * 1000 - tokenRefreshMs < nowMs;
    const fault = ticketParams === undefined ? null : paramsFault(ticketParams, 1, await this.#own());
    if (fault !== null && fault !== paramsExpiredText) throw new GatewayRefusal(fault);
    if (!isTokenOld && fault === null) return this.#session.info;
    this.#refreshes += 1;
    return this.open();
  }

  /**
   * Pays for a segment and sends it.
   * @throws GatewayRefusal when the gateway does not want to pay
   */
  async sendSegment(
    submission: PaidSubmission,
    tricks: RequestTricks = {},
  ): Promise<{ readonly answer: SegmentAnswer; readonly sent: SentPayment }> {
    await this.ready();
    const price = priceOf(this.info.priceInfo);
    const fee = estimatedFee(submission.profiles, submission.durationMs, price);
    const sent = await this.makePayment(fee, tricks);
    const segData = this.signSegment(submission, tricks);
    const headers = { "livepeer-payment": sent.header };
    const answer = await this.client.postSegment(segData, submission.media, headers);
    if (answer.type === "refused" || answer.result.result.case !== "data") {
      // All that was sent counts as spent.
      this.#drop();
      return { answer, sent };
    }
    const pixels = answer.result.result.value.segments.reduce((sum, each) => sum + each.pixels, 0n);
    const credit = add(sent.balanceBefore, sent.credit);
    this.#balance = subtract(credit, multiply(price, rational(pixels)));
    if (answer.result.info !== undefined) this.#use(answer.result.info);
    return { answer, sent };
  }

  /**
   * POST /payment: pays `fee` for work of the account `manifestId` that is done beside this call. Once the
   * orchestrator has it, a gateway counts the fee, and only that, as spent.
   * @throws GatewayRefusal when the gateway does not want to pay
   */
  async sendPayment(
    manifestId: string,
    fee: Rational,
    tricks: RequestTricks = {},
  ): Promise<{ readonly answer: PaymentAnswer; readonly sent: SentPayment }> {
    await this.ready();
    const sent = await this.makePayment(fee, tricks);
    const empty = { manifestId, seq: 0, media: new Uint8Array(0), durationMs: 0, profiles: [] };
    const segData = this.signSegment(empty, tricks);
    const answer = await this.client.postPayment(segData, toBinary(PaymentSchema, sent.payment));
    if (answer.type === "answer") {
      this.#balance = subtract(add(sent.balanceBefore, sent.credit), fee);
      if (answer.result.info !== undefined) this.#use(answer.result.info);
    }
    return { answer, sent };
  }

  /**
   * Makes a payment that covers `fee` by the gateway's own account, and counts it as spent until the answer says
   * what became of it.
   * @throws GatewayRefusal when the gateway does not want to pay
   */
  async makePayment(fee: Rational, tricks: PaymentTricks = {}): Promise<SentPayment> {
    const session = this.#session;
    if (session === null) throw new GatewayRefusal("no session");
    const own = await this.#own();
    const balanceBefore = this.#balance;
    const count = tricks.nonces?.length ?? tricks.count ?? ticketCount(fee, balanceBefore, session.ev);
    const isHonest = Object.keys(tricks).length === 0;
    const { ticketParams, priceInfo } = session.info;
    const fault =
      priceFault(priceInfo, this.#initialPrice) ??
      (count === 0 || ticketParams === undefined ? null : paramsFault(ticketParams, count, own));
    if (isHonest && fault !== null) throw new GatewayRefusal(fault);
    this.#balance = ZERO;
    const signer = { privateKey: this.#options.privateKey, clock: own.clock };
    const payment = session.payment(count, signer, tricks);
    const credit = multiply(session.ev, rational(BigInt(count)));
    const header = encodeBase64(toBinary(PaymentSchema, payment));
    return { payment, header, ticketsSent: count, balanceBefore, credit };
  }

  /** The signed credentials of a segment of the running session, encoded. */
  signSegment(submission: PaidSubmission, tricks: RequestTricks = {}): Uint8Array {
    const authToken = tricks.authToken ?? this.info.authToken;
    const segment = segmentData({ ...submission, authToken });
    tricks.alterSegment?.(segment);
    const message = segmentMessage({
      manifestId: segment.manifestId,
      seq: segment.seq,
      hash: segment.hash,
      profiles: submission.profiles,
    });
    segment.sig = signPersonalMessage(message, tricks.privateKey ?? this.#options.privateKey);
    return toBinary(SegDataSchema, create(SegDataSchema, segment));
  }

  /** Closes all connections. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.client.close();
  }

  #use(info: OrchestratorInfo): void {
    const before = this.#session?.info.authToken?.sessionId;
    this.#session = new TicketSession(info);
    // The account belongs to the session: a new one starts with nothing.
    if (before !== info.authToken?.sessionId) this.#balance = ZERO;
  }

  #drop(): void {
    if (this.#options.isStubborn !== true) this.#session = null;
  }

  async #own() {
    const { clock, funds } = this.#options;
    return { funds: await funds(), clock: await clock(), limits: this.#limits };
  }
}
