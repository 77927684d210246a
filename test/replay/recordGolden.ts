import { existsSync } from "node:fs";
import { join } from "node:path";
import type { AccountEvent } from "../../src/events/account.ts";
import { allEvents } from "../../src/events/catalogue.ts";
import type { ChainEvent } from "../../src/events/chain.ts";
import { encodeEvent } from "../../src/events/definition.ts";
import type { GatewayEvent } from "../../src/events/gateway.ts";
import type { PricingEvent } from "../../src/events/pricing.ts";
import type { RoundEvent } from "../../src/events/round.ts";
import type { SegmentEvent } from "../../src/events/segment.ts";
import type { SessionEvent } from "../../src/events/session.ts";
import type { TicketEvent } from "../../src/events/ticket.ts";
import type { TransactionEvent } from "../../src/events/transaction.ts";
import type { WalletEvent } from "../../src/events/wallet.ts";
import type { WatchEvent } from "../../src/events/watch.ts";
import { multiply, rational } from "../../src/protocol/rational.ts";
import { ticketValue } from "../../src/protocol/ticket.ts";

/*
 * Writes the golden file of every event type at its current schema version, where there is none yet: run it when a
 * type is new or has a new version. What is there is never written again, so every form that was ever in a log stays
 * here for ever.
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
type Examples = { readonly [T in NodeEvent["type"]]: Extract<NodeEvent, { readonly type: T }> };

const mediaHash = `0x${"5e".repeat(32)}` as const;
const sender = `0x${"00".repeat(19)}01` as const;
const recipient = "0x847791cbf03be716a7fe9dc8c9affe17bd49ae5e";
/** A ticket of 0.0012 ETH that is worth 8 gwei on average: what a real gateway sends by default. */
const faceValue = 1_200_000_000_000_000n;
const winProb =
  771_947_261_582_107_969_490_473_233_391_252_719_021_799_897_770_937_093_596_383_896_000_000_000n;
const price = { numerator: 1_212n, denominator: 1n };
const recipientRandHash = "0x9a322f46bf481e6c9ad7eca35f20345890ea16b5e9f1f14aa8296f0054cd8cc2";
const winner = "0x445614fa73449f6acb6eece257aa43c5dd337a5a9abbf3d9d447e1ee9a61582c";
const roundHash = `0x${"b1".repeat(32)}` as const;
const account = `0x${"0a".repeat(20)}` as const;
const broker = "0xa8bb618b1520e284046f3dfc448851a1ff26e41b";
const transaction = `${account}/17`;
const txHash = `0x${"7e".repeat(32)}` as const;
/** An L2 block of Arbitrum. */
const block = 420_000_123n;
/** Of three tickets: its denominator is a divisor of 2²⁵⁶ − 1. */
const credit = multiply(ticketValue(faceValue, winProb), rational(3n));

const examples: Examples = {
  SegmentAccepted: {
    type: "SegmentAccepted",
    sessionId: "0123456789abcdef0123456789abcdef.1",
    sender,
    manifestId: "0x6c697665",
    seq: 18_446_744_073_709_551_615n,
    mediaHash,
    durationMs: 2_000,
    profiles: [
      {
        name: 'P720 "live" \u0000 ü 👍',
        width: 1_280,
        height: 720,
        bitrate: 4_000_000,
        fps: 30_000,
        fpsDen: 1_001,
        gopMs: -1,
        profile: "constrained-high",
        format: "mp4",
        encoder: "h265",
        quality: 23,
      },
      {
        name: "P144p30fps16x9",
        width: 256,
        height: 144,
        bitrate: 400_000,
        fps: 30,
        fpsDen: 1,
        gopMs: 0,
        profile: "default",
        format: "mpegts",
        encoder: "h264",
        quality: 0,
      },
    ],
    clip: { fromMs: 100, toMs: 1_900 },
    calcPerceptualHash: true,
    uploadDeadlineMs: 1_767_225_608_000,
    deadlineMs: 1_767_225_616_000,
  },
  SegmentReceived: { type: "SegmentReceived", bytes: 1_234_567 },
  SegmentDispatched: { type: "SegmentDispatched", workerId: "software-0.3", attempt: 2 },
  SegmentWorkerLost: {
    type: "SegmentWorkerLost",
    workerId: "software-0.3",
    cause: "oversized",
    attempt: 2,
    mediaHash,
  },
  SegmentTranscoded: {
    type: "SegmentTranscoded",
    decodedFrames: 60,
    decodedPixels: 55_296_000,
    codecUs: 123_456,
    renditions: [
      {
        name: "P144p30fps16x9",
        path: "0123456789abcdef0123456789abcdef/P144p30fps16x9/7.ts",
        bytes: 51_200,
        frames: 60,
        pixels: 2_211_840,
        keccak256: mediaHash,
        hasPerceptualHash: true,
      },
    ],
  },
  SegmentDelivered: { type: "SegmentDelivered" },
  SegmentFailed: { type: "SegmentFailed", code: "CODEC_REFUSED", text: "Invalid data found" },
  SessionOpened: {
    type: "SessionOpened",
    sender,
    manifestId: "0x6c697665",
    remoteAddress: "2001:db8::1",
    tokenExpiration: 1_767_227_400n,
    demandPixelsPerSecond: 27_648_000,
  },
  SessionSegmentStarted: {
    type: "SessionSegmentStarted",
    segmentId: "0123456789abcdef0123456789abcdef.1/1",
    seq: 18_446_744_073_709_551_615n,
  },
  SessionSegmentEnded: {
    type: "SessionSegmentEnded",
    segmentId: "0123456789abcdef0123456789abcdef.1/1",
    outcome: "delivered",
    pixels: 2_211_840,
    idleDeadlineMs: 1_767_225_680_000,
  },
  SessionEnded: { type: "SessionEnded", cause: "ended-by-gateway" },
  PaymentAccepted: {
    type: "PaymentAccepted",
    sender,
    price,
    recipientRandHash,
    faceValue,
    winProb,
    expirationBlock: 20_999_016n,
    l1Block: 20_998_990n,
    nonces: [1, 2, 3, 4_294_967_295, 0],
    creditedTickets: 3,
    credit,
    winners: [winner],
    refusal: `invalid ticket senderNonce: already seen sender=${sender} nonce=2`,
    idleDeadlineMs: 1_767_226_500_000,
  },
  PriceFixed: { type: "PriceFixed", sender, price, idleDeadlineMs: 1_767_226_500_000 },
  JobReserved: {
    type: "JobReserved",
    jobId: "0123456789abcdef0123456789abcdef.1/1",
    units: 4_423_680n,
    price: { numerator: 168_333n, denominator: 1_000n },
    fee: { numerator: 18_616_283_136n, denominator: 25n },
  },
  JobDebited: {
    type: "JobDebited",
    jobId: "0123456789abcdef0123456789abcdef.1/1",
    units: 2_211_840n,
    price: { numerator: 168_333n, denominator: 1_000n },
    fee: { numerator: 9_308_141_568n, denominator: 25n },
    idleDeadlineMs: 1_767_226_500_000,
  },
  JobReleased: {
    type: "JobReleased",
    jobId: "0123456789abcdef0123456789abcdef.1/2",
    idleDeadlineMs: 1_767_226_500_000,
  },
  AccountExpired: { type: "AccountExpired", balance: { numerator: -79_257_600n, denominator: 7n } },
  TicketWon: {
    type: "TicketWon",
    sender,
    recipient,
    faceValue,
    winProb,
    senderNonce: 4_294_967_295,
    recipientRandHash,
    recipientRand: "0x40390693d701b20384943e74350b9a8e0b23e30a5acf6c5dc7c87224676bd0fb",
    sig: "0x79520a8e51577c2f8df81906e440ece4173c4e017bd75f4bc9f2afe6a8c71be36bef2c7c1fa54429e4de402caca0b989e6e4aa4cea5e5c7206241201a389ef4d1b",
    creationRound: 3_500n,
    creationRoundBlockHash: roundHash,
    expirationBlock: 20_999_016n,
    lastValidRound: 3_501n,
    account: `${sender}/0123456789abcdef0123456789abcdef.1`,
    source: "payment",
  },
  TicketRedeemed: { type: "TicketRedeemed", txHash: `0x${"7e".repeat(32)}`, round: 3_501n },
  TicketExpired: { type: "TicketExpired", round: 3_502n, loss: faceValue },
  GatewayFundsRead: {
    type: "GatewayFundsRead",
    deposit: 100_000_000_000_000_000_000n,
    reserve: 360_000_000_000_000_000n,
    claimedInRound: 40_000_000_000_000_000n,
    claimedByUs: 1_000_000_000_000_000n,
    withdrawRound: 3_507n,
    readAtMs: 1_767_225_600_000,
  },
  RoundObserved: {
    type: "RoundObserved",
    chainId: 42_161n,
    round: 3_500n,
    blockHash: `0x${"00".repeat(32)}`,
    previousBlockHash: roundHash,
    l1Block: 20_998_990n,
    transcoderPoolSize: 100n,
    ticketValidityPeriod: 2n,
    recipient,
    isRecipientActive: true,
    readAtMs: 1_767_225_600_000,
  },
  PriceChanged: {
    type: "PriceChanged",
    scope: sender,
    price: { numerator: 500n, denominator: 3n },
    wording: "0.50USD / 1e12",
    source: "feed",
  },
  PriceRemoved: { type: "PriceRemoved", scope: sender, source: "operator" },
  TicketTermsChanged: {
    type: "TicketTermsChanged",
    ticketEv: 8_000_000_000n,
    maxFaceValue: 10_000_000_000_000_000_000n,
    source: "flag",
  },
  RedemptionSubmitted: { type: "RedemptionSubmitted", transaction },
  RedemptionReturned: {
    type: "RedemptionReturned",
    transaction,
    cause: "dropped",
    text: "the batch ran out of gas before it",
  },
  RedemptionPostponed: { type: "RedemptionPostponed", cause: "sender-funds", text: "deposit 0 wei" },
  TicketPaid: { type: "TicketPaid", transaction, txHash, block, amount: faceValue - 1n },
  TicketUnpaid: { type: "TicketUnpaid", block },
  TicketRefused: { type: "TicketRefused", text: "ticket is expired", loss: faceValue },
  TicketHeld: { type: "TicketHeld", isHeld: true },
  TicketEntrusted: { type: "TicketEntrusted", redeemer: "redeemer.example:8935", round: 3_501n },
  TransactionPlanned: {
    type: "TransactionPlanned",
    purpose: "redeem",
    subject: "1 ticket",
    tickets: [winner],
    round: 3_501n,
    chainId: 42_161n,
    from: account,
    nonce: 17,
    to: broker,
    value: 0n,
    data: "0xec8b3cb6",
    gasLimit: 420_000n,
    feeMax: 1_000_000_000n,
  },
  TransactionSigned: {
    type: "TransactionSigned",
    hash: txHash,
    raw: "0x02f8",
    kind: "raise",
    feeCap: 20_000_000n,
    tip: 0n,
  },
  TransactionRefused: {
    type: "TransactionRefused",
    hash: txHash,
    cause: "no-gas-money",
    text: "insufficient funds for gas * price + value",
  },
  TransactionMined: {
    type: "TransactionMined",
    hash: txHash,
    block,
    blockHash: roundHash,
    isSuccess: true,
    gasUsed: 198_123n,
    gasPrice: 10_000_000n,
  },
  TransactionUndone: { type: "TransactionUndone", hash: txHash, block, blockHash: roundHash },
  TransactionConfirmed: { type: "TransactionConfirmed", hash: txHash, block, fee: 1_981_230_000_000n },
  TransactionDisplaced: { type: "TransactionDisplaced", mined: 18 },
  NonceReserved: { type: "NonceReserved", nonce: 17 },
  NonceCorrected: { type: "NonceCorrected", nonce: 19, cause: "ahead" },
  RoundOpened: {
    type: "RoundOpened",
    startBlock: 20_998_961n,
    length: 6_377n,
    rewardCut: null,
    feeShare: null,
  },
  InitializationSubmitted: { type: "InitializationSubmitted", transaction },
  InitializationReturned: { type: "InitializationReturned", transaction, cause: "round already initialized" },
  RoundInitialized: { type: "RoundInitialized", l1Block: 20_998_990n },
  RewardDue: { type: "RewardDue", forecast: 350_625_000_000_000_000_000n },
  RewardPostponed: { type: "RewardPostponed", cause: "fee", text: "2 gwei is above the maximum of 1 gwei" },
  RewardSubmitted: { type: "RewardSubmitted", transaction, path: "delegated" },
  RewardReturned: { type: "RewardReturned", transaction, cause: "reverted", text: "" },
  RewardMined: {
    type: "RewardMined",
    transaction,
    txHash,
    block,
    amount: 315_562_500_000_000_000_000n,
    treasury: 35_062_500_000_000_000_000n,
  },
  RewardUndone: { type: "RewardUndone", block },
  RewardConfirmed: { type: "RewardConfirmed", block },
  RewardMissed: {
    type: "RewardMissed",
    cause: "unreadable",
    text: "no endpoint answered for 21 hours",
    forecast: 350_625_000_000_000_000_000n,
  },
  RewardNotDue: { type: "RewardNotDue", cause: "inactive" },
  WatchStarted: { type: "WatchStarted", chainId: 42_161n, recipient, block, blockHash: roundHash },
  BlocksSeen: {
    type: "BlocksSeen",
    from: block,
    to: block + 49_999n,
    toHash: roundHash,
    logs: [
      {
        block: block + 7n,
        blockHash: mediaHash,
        index: 3,
        transaction: txHash,
        name: "WinningTicketTransfer",
        account: sender,
        other: recipient,
        amounts: [faceValue],
        text: null,
      },
      {
        block: block + 8n,
        blockHash: mediaHash,
        index: 0,
        transaction: txHash,
        name: "ServiceURIUpdate",
        account: recipient,
        other: null,
        amounts: [],
        text: "https://203.0.113.5:8935",
      },
    ],
  },
  BlocksUndone: { type: "BlocksUndone", block, blockHash: roundHash },
};

for (const [type, definition] of allEvents) {
  const path = join(import.meta.dir, "golden", `${type}.v${definition.schemaVersion}.jsonl`);
  const example = examples[type as keyof Examples];
  if (existsSync(path) || example === undefined) continue;
  await Bun.write(path, `${encodeEvent(definition, example)}\n`);
  console.log(`wrote ${path}`);
}
