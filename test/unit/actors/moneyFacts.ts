import type { AccountCommand } from "../../../src/actors/account/decide.ts";
import type { ChainCommand } from "../../../src/actors/chain/decide.ts";
import type { GatewayCommand } from "../../../src/actors/gateway/decide.ts";
import type { PricingCommand } from "../../../src/actors/pricing/decide.ts";
import type { TicketCommand } from "../../../src/actors/ticket/decide.ts";
import type { AccountEvent } from "../../../src/events/account.ts";
import type { ChainEvent } from "../../../src/events/chain.ts";
import type { GatewayEvent } from "../../../src/events/gateway.ts";
import type { PricingEvent } from "../../../src/events/pricing.ts";
import type { TicketEvent } from "../../../src/events/ticket.ts";
import { type Rational, rational } from "../../../src/protocol/rational.ts";
import type { Hex } from "../../../src/shared/brand.ts";

/* One good example of every command and event of the entities that hold money. Tests change what they are about. */

type Of<U extends { readonly type: string }, T extends U["type"]> = Extract<U, { readonly type: T }>;

export const sender = `0x${"b1".repeat(20)}` as const;
export const recipient = `0x${"0c".repeat(20)}` as const;
/** Wei per pixel. */
export const price = rational(1n, 5n);
/** Wei. */
export const ticketEv = 1_000n;
export const idleDeadlineMs = 901_000;

const filler = (byte: string): Hex => `0x${byte.repeat(32)}`;

/** A payment with so many credited tickets, each worth exactly `ticketEv`. */
export function acceptPayment(
  tickets: number,
  change: Partial<Of<AccountCommand, "AcceptPayment">> = {},
): Of<AccountCommand, "AcceptPayment"> {
  return {
    type: "AcceptPayment",
    sender,
    price,
    recipientRandHash: filler("aa"),
    faceValue: 100_000n,
    winProb: 1n << 250n,
    expirationBlock: 21_000_040n,
    l1Block: 21_000_001n,
    nonces: Array.from({ length: tickets }, (_, index) => index + 1),
    creditedTickets: tickets,
    credit: rational(ticketEv * BigInt(tickets)),
    winners: [],
    refusal: null,
    ...change,
  };
}

export const reserveJob = (jobId: string, units = 500n): Of<AccountCommand, "ReserveJob"> => ({
  type: "ReserveJob",
  jobId,
  units,
  ticketEv,
});

export const paymentAccepted = (tickets: number): Of<AccountEvent, "PaymentAccepted"> => ({
  ...acceptPayment(tickets),
  type: "PaymentAccepted",
  idleDeadlineMs,
});
export const priceFixed: Of<AccountEvent, "PriceFixed"> = {
  type: "PriceFixed",
  sender,
  price,
  idleDeadlineMs,
};
export const jobReserved = (
  jobId: string,
  fee: Rational = rational(100n),
): Of<AccountEvent, "JobReserved"> => ({
  type: "JobReserved",
  jobId,
  units: 500n,
  price,
  fee,
});
export const jobDebited = (jobId: string): Of<AccountEvent, "JobDebited"> => ({
  type: "JobDebited",
  jobId,
  units: 400n,
  price,
  fee: rational(80n),
  idleDeadlineMs,
});
export const jobReleased = (jobId: string): Of<AccountEvent, "JobReleased"> => ({
  type: "JobReleased",
  jobId,
  idleDeadlineMs,
});
export const accountExpired: Of<AccountEvent, "AccountExpired"> = {
  type: "AccountExpired",
  balance: rational(2_000n),
};

/** The events that lead into each state of an account. */
export const accountIn = {
  unpriced: [{ ...paymentAccepted(0), refusal: "invalid ticket signature" }],
  paid: [paymentAccepted(2), priceFixed],
  free: [{ ...priceFixed, price: rational(0n) }],
  busy: [paymentAccepted(2), priceFixed, jobReserved("a")],
  used: [paymentAccepted(2), priceFixed, jobReserved("a"), jobDebited("a")],
  released: [paymentAccepted(2), priceFixed, jobReserved("a"), jobReleased("a")],
  inDebt: [paymentAccepted(1), priceFixed, jobReserved("a"), { ...jobDebited("a"), fee: rational(1_500n) }],
  expired: [paymentAccepted(2), priceFixed, accountExpired],
} satisfies Readonly<Record<string, readonly AccountEvent[]>>;

export const winTicket: Of<TicketCommand, "WinTicket"> = {
  type: "WinTicket",
  sender,
  recipient,
  faceValue: 100_000n,
  winProb: 1n << 250n,
  senderNonce: 7,
  recipientRandHash: filler("aa"),
  recipientRand: filler("bb"),
  sig: `0x${"cc".repeat(65)}`,
  creationRound: 3_000n,
  creationRoundBlockHash: filler("dd"),
  expirationBlock: 21_000_040n,
  lastValidRound: 3_001n,
  account: `${sender}/5e55.1`,
  source: "payment",
};
export const redeemTicket: Of<TicketCommand, "RedeemTicket"> = {
  type: "RedeemTicket",
  txHash: filler("ee"),
  round: 3_001n,
};
export const expireTicket: Of<TicketCommand, "ExpireTicket"> = { type: "ExpireTicket", round: 3_002n };

export const ticketWon: Of<TicketEvent, "TicketWon"> = { ...winTicket, type: "TicketWon" };
export const ticketRedeemed: Of<TicketEvent, "TicketRedeemed"> = { ...redeemTicket, type: "TicketRedeemed" };
export const ticketExpired: Of<TicketEvent, "TicketExpired"> = {
  type: "TicketExpired",
  round: 3_002n,
  loss: 100_000n,
};

/** The events that lead into each state of a ticket. */
export const ticketIn = {
  won: [ticketWon],
  redeemed: [ticketWon, ticketRedeemed],
  expired: [ticketWon, ticketExpired],
} satisfies Readonly<Record<string, readonly TicketEvent[]>>;

export const recordFunds: GatewayCommand = {
  type: "RecordFunds",
  deposit: 20_000_000_000_000_000n,
  reserve: 360_000_000_000_000_000n,
  claimedInRound: 40_000_000_000_000_000n,
  claimedByUs: 1_000_000_000_000_000n,
  withdrawRound: 0n,
  readAtMs: 1_000,
};
export const gatewayFundsRead: GatewayEvent = { ...recordFunds, type: "GatewayFundsRead" };

export const observeRound: ChainCommand = {
  type: "ObserveRound",
  chainId: 42_161n,
  recipient,
  round: 3_000n,
  blockHash: filler("dd"),
  previousBlockHash: filler("d0"),
  l1Block: 21_000_001n,
  transcoderPoolSize: 100n,
  ticketValidityPeriod: 2n,
  isRecipientActive: true,
  readAtMs: 1_000,
};
export const roundObserved: ChainEvent = { ...observeRound, type: "RoundObserved" };

export const setPrice = (
  scope: string,
  value: Rational = price,
  wording = "1 / 5",
): Of<PricingCommand, "SetPrice"> => ({ type: "SetPrice", scope, price: value, wording, source: "flag" });
export const removePrice = (scope: string): Of<PricingCommand, "RemovePrice"> => ({
  type: "RemovePrice",
  scope,
  source: "flag",
});
export const setTerms: Of<PricingCommand, "SetTicketTerms"> = {
  type: "SetTicketTerms",
  ticketEv,
  maxFaceValue: 0n,
  source: "flag",
};

export const priceChanged = (scope: string): Of<PricingEvent, "PriceChanged"> => ({
  ...setPrice(scope),
  type: "PriceChanged",
});
export const priceRemoved = (scope: string): Of<PricingEvent, "PriceRemoved"> => ({
  ...removePrice(scope),
  type: "PriceRemoved",
});
export const ticketTermsChanged: Of<PricingEvent, "TicketTermsChanged"> = {
  ...setTerms,
  type: "TicketTermsChanged",
};

/** Events that lead into each state of the entities that never end. */
export const gatewayIn = { known: [gatewayFundsRead] } satisfies Readonly<
  Record<string, readonly GatewayEvent[]>
>;
export const chainIn = { seen: [roundObserved] } satisfies Readonly<Record<string, readonly ChainEvent[]>>;
export const pricingIn = {
  priced: [priceChanged("default")],
  termed: [ticketTermsChanged],
  mixed: [priceChanged("default"), priceChanged(sender), ticketTermsChanged, priceRemoved("default")],
} satisfies Readonly<Record<string, readonly PricingEvent[]>>;
