import type { RoundCommand } from "../../../src/actors/round/decide.ts";
import type { TicketCommand } from "../../../src/actors/ticket/decide.ts";
import type { TransactionCommand } from "../../../src/actors/transaction/decide.ts";
import type { RoundEvent } from "../../../src/events/round.ts";
import type { TicketEvent } from "../../../src/events/ticket.ts";
import type { TransactionEvent } from "../../../src/events/transaction.ts";
import type { WalletEvent } from "../../../src/events/wallet.ts";
import type { Hex } from "../../../src/shared/brand.ts";
import { ticketExpired, ticketRedeemed, ticketWon } from "./moneyFacts.ts";

/* One good example of every command and event of the entities that spend gas. Tests change what they are about. */

type Of<U extends { readonly type: string }, T extends U["type"]> = Extract<U, { readonly type: T }>;

const filler = (byte: string): Hex => `0x${byte.repeat(32)}`;

export const gasAccount = `0x${"0a".repeat(20)}` as const;
/** Id of the transaction of all examples. */
export const transactionId: string = `${gasAccount}/17`;
/** Hashes of its attempts. */
export const firstHash: Hex = filler("a1");
export const raiseHash: Hex = filler("a2");
export const minedHash: Hex = filler("b1");

const planned: Omit<Of<TransactionEvent, "TransactionPlanned">, "type"> = {
  purpose: "reward",
  subject: "reward of round 3000",
  tickets: [],
  round: 3_000n,
  chainId: 42_161n,
  from: gasAccount,
  nonce: 17,
  to: `0x${"35".repeat(20)}`,
  value: 0n,
  data: "0x228cb733",
  gasLimit: 800_000n,
  feeMax: null,
};
const first = { hash: firstHash, raw: "0x02f8a1", feeCap: 20_000_000n, tip: 0n } as const;

export const planTransaction: Of<TransactionCommand, "PlanTransaction"> = {
  type: "PlanTransaction",
  plan: planned,
  first,
};
export const signTransaction: Of<TransactionCommand, "SignTransaction"> = {
  type: "SignTransaction",
  ...{ hash: raiseHash, raw: "0x02f8a2", kind: "raise", feeCap: 22_500_000n, tip: 1n },
};
export const noteRefusal: Of<TransactionCommand, "NoteRefusal"> = {
  type: "NoteRefusal",
  ...{ hash: firstHash, cause: "underpriced", text: "max fee per gas less than block base fee" },
};
export const mineTransaction: Of<TransactionCommand, "MineTransaction"> = {
  type: "MineTransaction",
  ...{ hash: firstHash, block: 500n, blockHash: minedHash, isSuccess: true },
  ...{ gasUsed: 400_000n, gasPrice: 10_000_000n },
};

export const transactionPlanned: TransactionEvent = { ...planned, type: "TransactionPlanned" };
export const transactionSigned: TransactionEvent = { ...first, kind: "first", type: "TransactionSigned" };
export const transactionRaised: TransactionEvent = { ...signTransaction, type: "TransactionSigned" };
export const transactionRefused: TransactionEvent = { ...noteRefusal, type: "TransactionRefused" };
export const transactionMined: TransactionEvent = { ...mineTransaction, type: "TransactionMined" };
export const transactionUndone: TransactionEvent = {
  type: "TransactionUndone",
  ...{ hash: firstHash, block: 500n, blockHash: minedHash },
};
export const transactionConfirmed: TransactionEvent = {
  type: "TransactionConfirmed",
  ...{ hash: firstHash, block: 500n, fee: 4_000_000_000_000n },
};
export const transactionDisplaced: TransactionEvent = { type: "TransactionDisplaced", mined: 18 };

/** The events that lead into each state of a transaction. */
export const transactionIn = {
  sent: [transactionPlanned, transactionSigned],
  mined: [transactionPlanned, transactionSigned, transactionMined],
  confirmed: [transactionPlanned, transactionSigned, transactionMined, transactionConfirmed],
  displaced: [transactionPlanned, transactionSigned, transactionDisplaced],
} satisfies Readonly<Record<string, readonly TransactionEvent[]>>;

export const nonceReserved: WalletEvent = { type: "NonceReserved", nonce: 0 };
export const nonceCorrected: WalletEvent = { type: "NonceCorrected", nonce: 19, cause: "ahead" };

export const openRound: Of<RoundCommand, "OpenRound"> = {
  type: "OpenRound",
  startBlock: 1_000n,
  length: 50n,
  cuts: { rewardCut: 100_000n, feeShare: 50_000n },
  initializedAt: null,
};
export const postponeReward: Of<RoundCommand, "PostponeReward"> = {
  type: "PostponeReward",
  cause: "fee",
  text: "The gas price 2 is above the limit 1 wei.",
};
export const submitReward: Of<RoundCommand, "SubmitReward"> = {
  type: "SubmitReward",
  transaction: transactionId,
  path: "own",
};
export const returnReward: Of<RoundCommand, "ReturnReward"> = {
  type: "ReturnReward",
  ...{ transaction: transactionId, cause: "reverted", text: "The contract refused it." },
};
export const noteReward: Of<RoundCommand, "NoteReward"> = {
  type: "NoteReward",
  ...{ transaction: transactionId, txHash: firstHash, block: 500n, amount: 315n, treasury: 35n },
};
export const missReward: Of<RoundCommand, "MissReward"> = {
  type: "MissReward",
  cause: "fee",
  text: "0 transactions were made.",
};
/** LPT wei. */
export const forecast = 350n;

export const roundOpened: RoundEvent = {
  type: "RoundOpened",
  startBlock: 1_000n,
  length: 50n,
  rewardCut: 100_000n,
  feeShare: 50_000n,
};
export const initializationSubmitted: RoundEvent = {
  type: "InitializationSubmitted",
  transaction: transactionId,
};
export const initializationReturned: RoundEvent = {
  type: "InitializationReturned",
  ...{ transaction: transactionId, cause: "reverted" },
};
export const roundInitialized: RoundEvent = { type: "RoundInitialized", l1Block: 1_003n };
export const rewardDue: RoundEvent = { type: "RewardDue", forecast };
export const rewardPostponed: RoundEvent = { ...postponeReward, type: "RewardPostponed" };
export const rewardSubmitted: RoundEvent = { ...submitReward, type: "RewardSubmitted" };
export const rewardReturned: RoundEvent = { ...returnReward, type: "RewardReturned" };
export const rewardMined: RoundEvent = { ...noteReward, type: "RewardMined" };
export const rewardUndone: RoundEvent = { type: "RewardUndone", block: 500n };
export const rewardConfirmed: RoundEvent = { type: "RewardConfirmed", block: 500n };
export const rewardMissed: RoundEvent = { ...missReward, forecast, type: "RewardMissed" };
export const rewardNotDue: RoundEvent = { type: "RewardNotDue", cause: "inactive" };

const dueEvents = [roundOpened, roundInitialized, rewardDue];

/** The events that lead into each state of a round, by the names that `stateName` gives. */
export const roundIn = {
  "open.opened": [roundOpened],
  "open.initialized": [roundOpened, roundInitialized],
  "open.due": dueEvents,
  "open.submitted": [...dueEvents, rewardSubmitted],
  "open.mined": [...dueEvents, rewardSubmitted, rewardMined],
  rewarded: [...dueEvents, rewardSubmitted, rewardMined, rewardConfirmed],
  missed: [...dueEvents, rewardMissed],
  notDue: [roundOpened, roundInitialized, rewardNotDue],
} satisfies Readonly<Record<string, readonly RoundEvent[]>>;

export const submitRedemption: Of<TicketCommand, "SubmitRedemption"> = {
  type: "SubmitRedemption",
  transaction: transactionId,
};
export const returnRedemption: Of<TicketCommand, "ReturnRedemption"> = {
  type: "ReturnRedemption",
  ...{ transaction: transactionId, cause: "dropped", text: "The broker did not take it." },
};
export const postponeRedemption: Of<TicketCommand, "PostponeRedemption"> = {
  type: "PostponeRedemption",
  ...{ cause: "gas-price", text: "The gas price is above the limit." },
};
export const payTicket: Of<TicketCommand, "PayTicket"> = {
  type: "PayTicket",
  ...{ transaction: transactionId, txHash: firstHash, block: 500n, amount: 100_000n },
};
/** Somebody else's transaction paid it. */
export const payForeign: Of<TicketCommand, "PayTicket"> = {
  ...payTicket,
  ...{ transaction: null, txHash: null, amount: null },
};
export const refuseTicket: Of<TicketCommand, "RefuseTicket"> = {
  type: "RefuseTicket",
  text: "ticket did not win",
};

export const redemptionSubmitted: TicketEvent = { ...submitRedemption, type: "RedemptionSubmitted" };
export const redemptionReturned: TicketEvent = { ...returnRedemption, type: "RedemptionReturned" };
export const redemptionPostponed: TicketEvent = { ...postponeRedemption, type: "RedemptionPostponed" };
export const ticketPaid: TicketEvent = { ...payTicket, type: "TicketPaid" };
export const ticketPaidByOthers: TicketEvent = { ...payForeign, type: "TicketPaid" };
export const ticketUnpaid: TicketEvent = { type: "TicketUnpaid", block: 500n };
export const ticketRefused: TicketEvent = {
  type: "TicketRefused",
  ...{ text: "ticket did not win", loss: 100_000n },
};
export const ticketHeld = (isHeld: boolean): TicketEvent => ({ type: "TicketHeld", isHeld });
export const entrustTicket: TicketCommand = {
  type: "EntrustTicket",
  ...{ redeemer: "redeemer.example:8935", round: 3_701n },
};
export const ticketEntrusted: TicketEvent = { ...entrustTicket, type: "TicketEntrusted" };

/** The events that lead into each state of a ticket that is to be redeemed. */
export const redemptionIn = {
  won: [ticketWon],
  submitted: [ticketWon, redemptionSubmitted],
  paid: [ticketWon, redemptionSubmitted, ticketPaid],
  redeemed: [ticketWon, redemptionSubmitted, ticketPaid, ticketRedeemed],
  expired: [ticketWon, ticketExpired],
  refused: [ticketWon, ticketRefused],
} satisfies Readonly<Record<string, readonly TicketEvent[]>>;
