import fc from "fast-check";
import type { AccountEvent } from "../../src/events/account.ts";
import type { ChainEvent } from "../../src/events/chain.ts";
import type { GatewayEvent } from "../../src/events/gateway.ts";
import type { PricingEvent } from "../../src/events/pricing.ts";
import type { RoundEvent } from "../../src/events/round.ts";
import type { SegmentEvent } from "../../src/events/segment.ts";
import type { SessionEvent } from "../../src/events/session.ts";
import type { TicketEvent } from "../../src/events/ticket.ts";
import type { TransactionEvent } from "../../src/events/transaction.ts";
import type { WalletEvent } from "../../src/events/wallet.ts";
import type { WatchEvent } from "../../src/events/watch.ts";

/*
 * Random events of every type. The type of the table makes a new event without a line here a compile error.
 */

type NodeEvent =
  | AccountEvent
  | ChainEvent
  | GatewayEvent
  | PricingEvent
  | RoundEvent
  | SegmentEvent
  | SessionEvent
  | TicketEvent
  | TransactionEvent
  | WalletEvent
  | WatchEvent;
type Arbitraries = {
  readonly [T in NodeEvent["type"]]: fc.Arbitrary<Omit<Extract<NodeEvent, { readonly type: T }>, "type">>;
};

/** Texts that have broken somebody's parser. */
const nasty = fc.constantFrom(
  "",
  "\u0000",
  "a\u0000b",
  '"',
  "\\",
  "\\u0000",
  "\ud800",
  "\udfff lone",
  "\u2028\u2029",
  "\u202e reversed",
  "__proto__",
  "constructor",
  "null",
  "0x",
  "1e999",
  "'; DROP TABLE events; --",
  "é",
  "e\u0301",
  "👩‍👩‍👧‍👦",
  "\ufeff",
  "x".repeat(20_000),
);
const text = fc.oneof(fc.string(), fc.string({ unit: "binary" }), nasty);
const integer = fc.oneof(
  fc.integer(),
  fc.maxSafeInteger(),
  fc.constantFrom(0, 1, -1, Number.MAX_SAFE_INTEGER, Number.MIN_SAFE_INTEGER),
);
const bigInteger = fc.oneof(
  fc.bigInt(),
  fc.constantFrom(
    0n,
    -1n,
    1n,
    2n ** 53n + 1n,
    2n ** 63n,
    2n ** 64n - 1n,
    2n ** 255n,
    -(2n ** 256n),
    10n ** 60n,
  ),
);
const hex = fc
  .uint8Array({ maxLength: 80 })
  .map((bytes): `0x${string}` => `0x${Buffer.from(bytes).toString("hex")}`);
const flag = fc.boolean();
const fraction = fc.record({ numerator: bigInteger, denominator: bigInteger });
const priceSource = fc.constantFrom("flag" as const, "operator" as const, "feed" as const);

const profile = fc.record({
  name: text,
  width: integer,
  height: integer,
  bitrate: integer,
  fps: integer,
  fpsDen: integer,
  gopMs: integer,
  profile: fc.constantFrom("default", "baseline", "main", "high", "constrained-high"),
  format: fc.constantFrom("mpegts", "mp4"),
  encoder: fc.constantFrom("h264", "h265", "vp8", "vp9"),
  quality: integer,
});
const rendition = fc.record({
  name: text,
  path: text,
  bytes: integer,
  frames: integer,
  pixels: integer,
  keccak256: hex,
  hasPerceptualHash: flag,
});

const seenLog = fc.record({
  block: bigInteger,
  blockHash: hex,
  index: integer,
  transaction: hex,
  name: text,
  account: hex,
  other: fc.option(hex),
  amounts: fc.array(bigInteger, { maxLength: 4 }),
  text: fc.option(text),
});

const fields: Arbitraries = {
  SegmentAccepted: fc.record({
    sessionId: text,
    sender: hex,
    manifestId: hex,
    seq: bigInteger,
    mediaHash: hex,
    durationMs: integer,
    profiles: fc.array(profile, { maxLength: 4 }),
    clip: fc.option(fc.record({ fromMs: integer, toMs: integer })),
    calcPerceptualHash: flag,
    uploadDeadlineMs: integer,
    deadlineMs: integer,
  }),
  SegmentReceived: fc.record({ bytes: integer }),
  SegmentDispatched: fc.record({ workerId: text, attempt: integer }),
  SegmentWorkerLost: fc.record({
    workerId: text,
    cause: fc.constantFrom("exited", "hung", "oversized", "stopped", "not-started"),
    attempt: integer,
    mediaHash: hex,
  }),
  SegmentTranscoded: fc.record({
    decodedFrames: integer,
    decodedPixels: integer,
    codecUs: integer,
    renditions: fc.array(rendition, { maxLength: 4 }),
  }),
  SegmentDelivered: fc.record({}),
  SegmentFailed: fc.record({ code: text, text }),
  SessionOpened: fc.record({
    sender: hex,
    manifestId: hex,
    remoteAddress: text,
    tokenExpiration: bigInteger,
    demandPixelsPerSecond: integer,
  }),
  SessionSegmentStarted: fc.record({ segmentId: text, seq: bigInteger }),
  SessionSegmentEnded: fc.record({
    segmentId: text,
    outcome: fc.constantFrom("delivered", "failed"),
    pixels: integer,
    idleDeadlineMs: integer,
  }),
  SessionEnded: fc.record({ cause: fc.constantFrom("idle", "ended-by-gateway") }),
  PaymentAccepted: fc.record({
    sender: hex,
    price: fraction,
    recipientRandHash: hex,
    faceValue: bigInteger,
    winProb: bigInteger,
    expirationBlock: bigInteger,
    l1Block: bigInteger,
    nonces: fc.array(integer, { maxLength: 6 }),
    creditedTickets: integer,
    credit: fraction,
    winners: fc.array(hex, { maxLength: 3 }),
    refusal: fc.option(text),
    idleDeadlineMs: integer,
  }),
  PriceFixed: fc.record({ sender: hex, price: fraction, idleDeadlineMs: integer }),
  JobReserved: fc.record({ jobId: text, units: bigInteger, price: fraction, fee: fraction }),
  JobDebited: fc.record({
    jobId: text,
    units: bigInteger,
    price: fraction,
    fee: fraction,
    idleDeadlineMs: integer,
  }),
  JobReleased: fc.record({ jobId: text, idleDeadlineMs: integer }),
  AccountExpired: fc.record({ balance: fraction }),
  TicketWon: fc.record({
    sender: hex,
    recipient: hex,
    faceValue: bigInteger,
    winProb: bigInteger,
    senderNonce: integer,
    recipientRandHash: hex,
    recipientRand: hex,
    sig: hex,
    creationRound: bigInteger,
    creationRoundBlockHash: hex,
    expirationBlock: bigInteger,
    lastValidRound: bigInteger,
    account: fc.option(text),
    source: fc.constantFrom("payment", "import"),
  }),
  TicketRedeemed: fc.record({ txHash: fc.option(hex), round: fc.option(bigInteger) }),
  TicketExpired: fc.record({ round: bigInteger, loss: bigInteger }),
  GatewayFundsRead: fc.record({
    deposit: bigInteger,
    reserve: bigInteger,
    claimedInRound: bigInteger,
    claimedByUs: bigInteger,
    withdrawRound: bigInteger,
    readAtMs: integer,
  }),
  RoundObserved: fc.record({
    chainId: bigInteger,
    round: bigInteger,
    blockHash: hex,
    previousBlockHash: hex,
    l1Block: bigInteger,
    transcoderPoolSize: bigInteger,
    ticketValidityPeriod: bigInteger,
    recipient: hex,
    isRecipientActive: flag,
    readAtMs: integer,
  }),
  PriceChanged: fc.record({ scope: text, price: fraction, wording: text, source: priceSource }),
  PriceRemoved: fc.record({ scope: text, source: priceSource }),
  TicketTermsChanged: fc.record({ ticketEv: bigInteger, maxFaceValue: bigInteger, source: priceSource }),
  RedemptionSubmitted: fc.record({ transaction: text }),
  RedemptionReturned: fc.record({
    transaction: text,
    cause: fc.constantFrom("dropped", "reverted", "cancelled", "displaced"),
    text,
  }),
  RedemptionPostponed: fc.record({
    cause: fc.constantFrom(
      ...(["gas-price", "face-value", "sender-funds", "sender-unlocked"] as const),
      ...(["gas-money", "unregistered", "reverts"] as const),
    ),
    text,
  }),
  TicketPaid: fc.record({
    transaction: fc.option(text),
    txHash: fc.option(hex),
    block: bigInteger,
    amount: fc.option(bigInteger),
  }),
  TicketUnpaid: fc.record({ block: bigInteger }),
  TicketRefused: fc.record({ text, loss: bigInteger }),
  TicketHeld: fc.record({ isHeld: flag }),
  TicketEntrusted: fc.record({ redeemer: text, round: fc.option(bigInteger) }),
  TransactionPlanned: fc.record({
    purpose: fc.constantFrom("redeem", "reward", "initialize", "operator"),
    subject: text,
    tickets: fc.array(hex, { maxLength: 3 }),
    round: fc.option(bigInteger),
    chainId: bigInteger,
    from: hex,
    nonce: integer,
    to: hex,
    value: bigInteger,
    data: hex,
    gasLimit: bigInteger,
    feeMax: fc.option(bigInteger),
  }),
  TransactionSigned: fc.record({
    hash: hex,
    raw: hex,
    kind: fc.constantFrom("first", "raise", "cancel"),
    feeCap: bigInteger,
    tip: fc.option(bigInteger),
  }),
  TransactionRefused: fc.record({
    hash: hex,
    cause: fc.constantFrom("nonce-too-low", "underpriced", "no-gas-money", "other"),
    text,
  }),
  TransactionMined: fc.record({
    hash: hex,
    block: bigInteger,
    blockHash: hex,
    isSuccess: flag,
    gasUsed: bigInteger,
    gasPrice: bigInteger,
  }),
  TransactionUndone: fc.record({ hash: hex, block: bigInteger, blockHash: hex }),
  TransactionConfirmed: fc.record({ hash: hex, block: bigInteger, fee: bigInteger }),
  TransactionDisplaced: fc.record({ mined: integer }),
  NonceReserved: fc.record({ nonce: integer }),
  NonceCorrected: fc.record({ nonce: integer, cause: fc.constantFrom("ahead", "behind") }),
  RoundOpened: fc.record({
    ...{ startBlock: bigInteger, length: bigInteger },
    ...{ rewardCut: fc.option(bigInteger), feeShare: fc.option(bigInteger) },
  }),
  InitializationSubmitted: fc.record({ transaction: text }),
  InitializationReturned: fc.record({ transaction: text, cause: text }),
  RoundInitialized: fc.record({ l1Block: bigInteger }),
  RewardDue: fc.record({ forecast: bigInteger }),
  RewardPostponed: fc.record({
    cause: fc.constantFrom("unreadable", "paused", "fee", "gas-money", "unauthorized", "reverts"),
    text,
  }),
  RewardSubmitted: fc.record({ transaction: text, path: fc.constantFrom("own", "delegated") }),
  RewardReturned: fc.record({
    transaction: text,
    cause: fc.constantFrom("reverted", "cancelled", "displaced"),
    text,
  }),
  RewardMined: fc.record({
    transaction: fc.option(text),
    txHash: fc.option(hex),
    block: bigInteger,
    amount: fc.option(bigInteger),
    treasury: fc.option(bigInteger),
  }),
  RewardUndone: fc.record({ block: bigInteger }),
  RewardConfirmed: fc.record({ block: bigInteger }),
  RewardMissed: fc.record({
    cause: fc.constantFrom(
      ...(["unreadable", "uninitialized", "paused", "fee", "gas-money"] as const),
      ...(["unauthorized", "reverts", "late"] as const),
    ),
    text,
    forecast: fc.option(bigInteger),
  }),
  RewardNotDue: fc.record({ cause: fc.constantFrom("inactive", "disabled") }),
  WatchStarted: fc.record({ chainId: bigInteger, recipient: hex, block: bigInteger, blockHash: hex }),
  BlocksSeen: fc.record({
    from: bigInteger,
    to: bigInteger,
    toHash: hex,
    logs: fc.array(seenLog, { maxLength: 4 }),
  }),
  BlocksUndone: fc.record({ block: bigInteger, blockHash: hex }),
};

/** Random events, by type. */
export const arbitraryEvents: ReadonlyMap<string, fc.Arbitrary<NodeEvent>> = new Map(
  Object.entries(fields).map(([type, arbitrary]) => [
    type,
    (arbitrary as fc.Arbitrary<object>).map((values) => ({ ...values, type }) as NodeEvent),
  ]),
);
