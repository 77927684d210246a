import { clone } from "@bufbuild/protobuf";
import {
  type OrchestratorInfo,
  type Payment,
  PaymentSchema,
  type TicketParams,
} from "../../src/protocol/gen/lp_rpc_pb.ts";
import {
  formatRational,
  multiply,
  type Rational,
  rational,
  subtract,
  ZERO,
} from "../../src/protocol/rational.ts";
import { type AccountState, type OnchainNode, recordedPayments, wonTickets } from "./onchainNode.ts";
import type { PayingGateway, RequestTricks } from "./payingGateway.ts";

/*
 * One payment by POST /payment, and everything that it changed. Payments go into an account of their own name, so
 * that no price of an earlier one matters.
 */

export type Trial = {
  /** 200, or the status of the refusal. */
  readonly status: number;
  /** Of the refusal; empty for 200. */
  readonly text: string;
  /** What was credited, in tickets of the params that were used. */
  readonly creditedTickets: string;
  /** Nonces that the log took up with this payment. */
  readonly nonces: readonly number[];
  /** Winners that were kept because of it. */
  readonly winners: number;
  readonly account: AccountState | null;
  /** As it was sent. */
  readonly payment: Payment;
  /** The answer's terms; null for a refusal. */
  readonly info: OrchestratorInfo | null;
};

/** Sends one payment under `info` and tells what it changed. */
export async function tryPayment(
  node: OnchainNode,
  gateway: PayingGateway,
  info: OrchestratorInfo,
  tricks: RequestTricks = {},
  manifestId = "trial",
): Promise<Trial> {
  gateway.use(info);
  const ev = gateway.ev;
  const before = stateOf(node, gateway, manifestId);
  const { answer, sent } = await gateway.sendPayment(manifestId, ZERO, tricks);
  const after = stateOf(node, gateway, manifestId);
  const gained = subtract(after.balance, before.balance);
  const isWorthless = ev.numerator === 0n;
  return {
    status: answer.type === "answer" ? 200 : answer.status,
    text: answer.type === "answer" ? "" : answer.text.trimEnd(),
    creditedTickets: formatRational(isWorthless ? gained : multiply(gained, inverse(ev))),
    nonces: after.nonces.slice(before.nonces.length),
    winners: after.winners - before.winners,
    account: node.account(gateway, manifestId),
    payment: sent.payment,
    info: answer.type === "answer" ? (answer.result.info ?? null) : null,
  };
}

/** Tricks that send a payment again, byte by byte. */
export function again(payment: Payment): RequestTricks {
  return {
    count: 0,
    alter: (message) => {
      Object.assign(message, clone(PaymentSchema, payment));
    },
  };
}

/** The params of an answer. @throws Error when it has none */
export function paramsOf(info: OrchestratorInfo): TicketParams {
  if (info.ticketParams === undefined) throw new Error("The answer has no ticket params.");
  return info.ticketParams;
}

function stateOf(node: OnchainNode, gateway: PayingGateway, manifestId: string) {
  return {
    balance: node.account(gateway, manifestId)?.balance ?? ZERO,
    nonces: recordedPayments(node.dataDir, gateway.account).flatMap(({ nonces }) => nonces),
    winners: wonTickets(node.dataDir, gateway.account).length,
  };
}

function inverse({ numerator, denominator }: Rational): Rational {
  return rational(denominator, numerator);
}
