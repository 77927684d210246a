import { clone, create, toBinary } from "@bufbuild/protobuf";
import { encodeBase64 } from "../../src/protocol/base64.ts";
import {
  type AuthToken,
  type OrchestratorInfo,
  type OrchestratorRequest,
  OrchestratorRequestSchema,
  type Payment,
  PaymentSchema,
  PriceInfoSchema,
  type PriceInfo,
  type SegData,
  TicketParamsSchema,
} from "../../src/protocol/gen/lp_rpc_pb.ts";
import { bigintOfBytes, minimalBytes } from "../../src/protocol/integerBytes.ts";
import { orchestratorRequestMessage } from "../../src/protocol/orchestratorRequest.ts";
import type { RenditionProfile } from "../../src/protocol/profile.ts";
import { add, multiply, type Rational, rational, subtract, ZERO } from "../../src/protocol/rational.ts";
import { segmentMessage } from "../../src/protocol/segmentCredentials.ts";
import { ticketHash } from "../../src/protocol/ticket.ts";
import type { Hex } from "../../src/shared/brand.ts";
import {
  defaultGatewayLimits,
  estimatedFee,
  paramsFault,
  priceFault,
  priceOf,
  ticketCount,
  ticketEvOf,
} from "../support/gatewayTickets.ts";
import { simulatedSignature } from "../support/simulatedSignatures.ts";
import type { MoneyWorld } from "./moneyWorld.ts";
import type { NodeProcess, World } from "./world.ts";

/** A session as the gateway that pays for it sees it. */
type PaySession = {
  info: OrchestratorInfo;
  /** Of the current parameters. */
  nonce: number;
  /** The gateway's own account, wei. */
  balance: Rational;
  readonly initialPrice: PriceInfo | undefined;
  /** Processes that still owe an answer, once for each. */
  readonly waiting: NodeProcess[];
};

/** A payment that went out. */
export type SentPayment = {
  readonly header: string;
  readonly sender: Hex;
  /** Hashes of its tickets, and the key of each nonce: `recipientRandHash/nonce`. */
  readonly hashes: readonly Hex[];
  readonly nonceKeys: readonly string[];
  readonly isHonest: boolean;
  readonly session: PaySession;
  readonly price: Rational;
  readonly balanceBefore: Rational;
  readonly credit: Rational;
  readonly expirationBlock: bigint;
  /** How often this gateway had been refused for its funds before. */
  readonly fundRefusalsBefore: number;
  /** The account that is paid into, without its number. */
  readonly account: string;
};

type Trick =
  | "replay"
  | "bad signature"
  | "cheap price"
  | "altered params"
  | "old params"
  | "wrong sender"
  | "foreign params"
  | "ticketless"
  | "no round"
  | "too many";

/** What makes the node think is tried twice as often as what it refuses at once. */
const tricks: readonly [Trick, ...Trick[]] = [
  "replay",
  ...(["replay", "bad signature", "bad signature", "cheap price", "altered params"] as const),
  ...(["old params", "old params", "wrong sender", "foreign params", "ticketless", "no round"] as const),
];

/** Old headers and parameters that a cheat keeps for later. */
const keptMax = 12;

/**
 * The purse of one gateway: pays as the reference gateway does, or cheats. What it was told and what it signed goes
 * to the world's books, by which the checker judges the node.
 *
 * Source: payments sheet 3.6, 4.2.
 */
export class Purse {
  readonly account: Uint8Array;
  readonly hex: Hex;
  readonly isHonest: boolean;
  readonly #world: World;
  readonly #money: MoneyWorld;
  readonly #oldHeaders: SentPayment[] = [];
  readonly #oldInfos: OrchestratorInfo[] = [];
  #session: PaySession | null = null;

  constructor(world: World, money: MoneyWorld, number: number) {
    this.#world = world;
    this.#money = money;
    this.account = new Uint8Array(20).fill(0xa0 + number);
    this.hex = `0x${Buffer.from(this.account).toString("hex")}`;
    this.isHonest = !money.chance.isTrue(money.climate.cheats);
    money.fund(this.hex);
  }

  get token(): AuthToken | null {
    return this.#session?.info.authToken ?? null;
  }

  request(): OrchestratorRequest {
    const sig = simulatedSignature(this.account, orchestratorRequestMessage(this.account));
    return create(OrchestratorRequestSchema, { address: this.account, sig });
  }

  /** Opens a session on what the node offers, unless a gateway would pass it over. */
  open(info: OrchestratorInfo): void {
    this.#learn(info);
    if (this.isHonest && this.#fault(info, 1) !== null) return;
    this.#session = { info, nonce: 0, balance: ZERO, initialPrice: info.priceInfo, waiting: [] };
  }

  drop(): void {
    this.#session = null;
  }

  /** Whether the session must be opened anew: cut by a crash, its token or its parameters at their end. */
  get isDue(): boolean {
    const session = this.#session;
    if (session === null) return true;
    if (session.waiting.some(({ owner }) => !owner.isAlive)) return true;
    if (!this.isHonest) return false;
    const { authToken } = session.info;
    const isTokenOld = Number(authToken?.expiration ?? 0n) * 1_000 - 180_000 < this.#world.time.wallMs;
    return isTokenOld || this.#fault(session.info, 1) !== null;
  }

  /** The payment for a segment; null when the gateway does not want to pay. */
  payForSegment(
    process: NodeProcess,
    profiles: readonly RenditionProfile[],
    durationMs: number,
  ): SentPayment | null {
    const session = this.#session;
    if (session === null) return null;
    const price = priceOf(session.info.priceInfo);
    const fee = estimatedFee(profiles, durationMs, price);
    const sent = this.#pay(session, fee, session.info.authToken?.sessionId ?? "");
    if (sent !== null) session.waiting.push(process);
    return sent;
  }

  /** A payment without work, into the account `manifestId`. */
  payAhead(process: NodeProcess, tickets: number, manifestId: string): SentPayment | null {
    const session = this.#session;
    if (session === null) return null;
    const { ticketParams } = session.info;
    if (ticketParams === undefined) return null;
    const fee = multiply(ticketEvOf(ticketParams), rational(BigInt(tickets)));
    const sent = this.#pay(session, add(fee, session.balance), manifestId);
    if (sent !== null) session.waiting.push(process);
    return sent;
  }

  /** Signs the credentials, as every request of an on-chain gateway is. */
  signSegment(segment: SegData, profiles: readonly RenditionProfile[]): void {
    const { manifestId, seq, hash } = segment;
    segment.sig = simulatedSignature(this.account, segmentMessage({ manifestId, seq, hash, profiles }));
  }

  /** The work was delivered: what is left of the payment is the gateway's again. */
  delivered(
    sent: SentPayment,
    process: NodeProcess,
    pixels: bigint,
    info: OrchestratorInfo | undefined,
  ): void {
    const { session } = sent;
    this.#answered(session, process);
    const change = subtract(add(sent.balanceBefore, sent.credit), multiply(sent.price, rational(pixels)));
    session.balance = add(session.balance, change);
    if (info !== undefined) this.#use(session, info);
  }

  /** The money arrived and nothing was worked for it. */
  credited(sent: SentPayment, process: NodeProcess, info: OrchestratorInfo | undefined): void {
    const { session } = sent;
    this.#answered(session, process);
    // What went to another account is gone.
    const isOwn = sent.account === `${this.hex}/${session.info.authToken?.sessionId ?? ""}`;
    if (isOwn) session.balance = add(session.balance, add(sent.balanceBefore, sent.credit));
    else session.balance = add(session.balance, sent.balanceBefore);
    if (info !== undefined) this.#use(session, info);
  }

  /** Any other end: all that was sent counts as spent, and the session is over. Cheats go on. */
  failed(sent: SentPayment, process: NodeProcess): void {
    this.#answered(sent.session, process);
    if (this.#session === sent.session && (this.isHonest || this.#world.chance.isTrue(0.3))) this.drop();
  }

  #answered(session: PaySession, process: NodeProcess): void {
    const index = session.waiting.indexOf(process);
    if (index >= 0) session.waiting.splice(index, 1);
  }

  #use(session: PaySession, info: OrchestratorInfo): void {
    this.#learn(info);
    session.info = info;
    session.nonce = 0;
  }

  #learn(info: OrchestratorInfo): void {
    this.#money.told(this.hex, info);
    this.#oldInfos.push(info);
    if (this.#oldInfos.length > keptMax) this.#oldInfos.shift();
  }

  #fault(info: OrchestratorInfo, count: number): string | null {
    const { l1 } = this.#money;
    const { ticketParams } = info;
    if (ticketParams === undefined) return "no ticket params";
    const clock = { lastSeenL1Block: l1.block, lastRound: l1.round, lastRoundHash: l1.hashOf(l1.round) };
    return paramsFault(ticketParams, count, {
      clock,
      funds: l1.funds(this.hex),
      limits: defaultGatewayLimits,
    });
  }

  #pay(session: PaySession, fee: Rational, manifestId: string): SentPayment | null {
    const { chance } = this.#world;
    const { info } = session;
    const { ticketParams } = info;
    if (ticketParams === undefined) return null;
    // After a restart a cheat tries at once whether the node still knows what it was paid with.
    const { process, time } = this.#world;
    const isRestarted = process !== null && process.startedMs > 0 && time.nowMs - process.startedMs < 5_000;
    const isReplay = !this.isHonest && isRestarted && chance.isTrue(0.5);
    const trick = isReplay ? "replay" : !this.isHonest && chance.isTrue(0.5) ? this.#trick() : null;
    if (trick === "replay") {
      const old = this.#oldHeaders[chance.between(0, this.#oldHeaders.length - 1)];
      if (old !== undefined)
        return { ...old, ...this.#facts(session, manifestId), credit: ZERO, isHonest: false };
    }
    let count = ticketCount(fee, session.balance, ticketEvOf(ticketParams));
    if (trick === "ticketless") count = 0;
    if (trick === "bad signature") count = Math.max(count, chance.between(2, 6));
    if (trick === "too many") count = 620;
    if (this.isHonest) {
      const fault =
        priceFault(info.priceInfo, session.initialPrice) ?? (count === 0 ? null : this.#fault(info, count));
      if (fault !== null) {
        this.drop();
        return null;
      }
    }
    const made = this.#payment(session, count, trick);
    const sent: SentPayment = {
      ...this.#facts(session, manifestId),
      ...made,
      isHonest: this.isHonest,
      credit: multiply(ticketEvOf(ticketParams), rational(BigInt(count))),
      expirationBlock: bigintOfBytes(ticketParams.expirationBlock),
    };
    session.balance = ZERO;
    this.#oldHeaders.push(sent);
    if (this.#oldHeaders.length > keptMax) this.#oldHeaders.shift();
    return sent;
  }

  #facts(session: PaySession, manifestId: string) {
    return {
      sender: this.hex,
      session,
      price: priceOf(session.info.priceInfo),
      balanceBefore: session.balance,
      fundRefusalsBefore: this.#money.fundRefusals.get(this.hex) ?? 0,
      account: `${this.hex}/${manifestId}`,
    };
  }

  #trick(): Trick {
    const { chance } = this.#world;
    return chance.isTrue(0.01) ? "too many" : chance.pick(tricks);
  }

  #payment(
    session: PaySession,
    count: number,
    trick: Trick | null,
  ): Pick<SentPayment, "header" | "hashes" | "nonceKeys"> {
    const { chance } = this.#world;
    const old = this.#oldInfos[chance.between(0, this.#oldInfos.length - 1)] ?? session.info;
    const other = this.#foreignInfo() ?? session.info;
    const info = trick === "old params" ? old : trick === "foreign params" ? other : session.info;
    const isWrong = trick === "wrong sender";
    const sender = isWrong ? this.#otherAccount() : this.account;
    const payment = create(PaymentSchema, {
      sender,
      ...(info.priceInfo === undefined ? {} : { expectedPrice: info.priceInfo }),
    });
    if (trick === "cheap price") {
      const pricePerUnit = chance.pick([0n, 1n, -5n, (info.priceInfo?.pricePerUnit ?? 0n) / 2n]);
      payment.expectedPrice = create(PriceInfoSchema, { pricePerUnit, pixelsPerUnit: 1n });
    }
    const keys =
      count > 0 && info.ticketParams !== undefined
        ? this.#addTickets(payment, info, session, count, trick)
        : { hashes: [], nonceKeys: [] };
    return { header: encodeBase64(toBinary(PaymentSchema, payment)), ...keys };
  }

  #addTickets(
    payment: Payment,
    info: OrchestratorInfo,
    session: PaySession,
    count: number,
    trick: Trick | null,
  ): Pick<SentPayment, "hashes" | "nonceKeys"> {
    const { chance } = this.#world;
    const params = clone(TicketParamsSchema, info.ticketParams ?? create(TicketParamsSchema));
    const expiration = params.expirationParams;
    delete params.expirationParams;
    if (trick === "altered params") this.#alter(params);
    const terms = {
      recipient: params.recipient,
      sender: payment.sender,
      faceValue: bigintOfBytes(params.faceValue),
      winProb: bigintOfBytes(params.winProb),
      recipientRandHash: params.recipientRandHash,
      expiration: {
        creationRound: (expiration?.creationRound ?? 0n) + (trick === "no round" ? 1n : 0n),
        creationRoundBlockHash: expiration?.creationRoundBlockHash ?? new Uint8Array(32),
      },
    };
    const randHash = Buffer.from(params.recipientRandHash).toString("hex");
    const hashes: Hex[] = [];
    const nonceKeys: string[] = [];
    payment.ticketParams = params;
    payment.expirationParams = create(PaymentSchema, { expirationParams: terms.expiration }).expirationParams;
    const base = trick === "old params" && chance.isTrue(0.5) ? 0 : session.nonce;
    let isBehindBad = false;
    const tickets = Array.from({ length: count }, (_, index) => {
      const senderNonce = base + index + 1;
      const hash = ticketHash(terms, senderNonce);
      const hashHex: Hex = `0x${Buffer.from(hash).toString("hex")}`;
      const sig = simulatedSignature(this.account, hash);
      const isBad = trick === "bad signature" && chance.isTrue(0.4);
      if (isBad) sig[3] = (sig[3] ?? 0) ^ 1;
      hashes.push(hashHex);
      const key = `0x${randHash}/${senderNonce}`;
      isBehindBad ||= isBad;
      this.#money.sent.set(key, { payments: (this.#money.sent.get(key)?.payments ?? 0) + 1, isBehindBad });
      // A ticket that does not count leaves its nonce to whoever comes next.
      if (!isBad) nonceKeys.push(key);
      const isOwn = Buffer.compare(payment.sender, this.account) === 0;
      if (!isBad && isOwn) this.#money.signedBy.set(hashHex, this.hex);
      return { senderNonce, sig };
    });
    session.nonce = Math.max(session.nonce, base + count);
    payment.ticketSenderParams = create(PaymentSchema, { ticketSenderParams: tickets }).ticketSenderParams;
    return { hashes, nonceKeys };
  }

  #alter(params: {
    faceValue: Uint8Array;
    winProb: Uint8Array;
    expirationBlock: Uint8Array;
    seed: Uint8Array;
  }): void {
    const { chance } = this.#world;
    const field = chance.pick(["faceValue", "winProb", "expirationBlock", "seed"] as const);
    const altered = bigintOfBytes(params[field]) + BigInt(chance.pick([1, 40, 1_000]));
    params[field] = minimalBytes(BigInt.asUintN(256, altered));
  }

  #otherAccount(): Uint8Array {
    const { senders } = this.#money;
    const other = senders[this.#world.chance.between(0, senders.length - 1)] ?? this.hex;
    return Uint8Array.from(Buffer.from(other.slice(2), "hex"));
  }

  /** Parameters that some other gateway got. */
  #foreignInfo(): OrchestratorInfo | null {
    const others = this.#world.purses.filter((purse) => purse !== this);
    return others[0]?.token === undefined ? null : (others[0].#session?.info ?? null);
  }
}
