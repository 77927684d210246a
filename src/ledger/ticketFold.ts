import type { RecordedEvent } from "../events/envelope.ts";
import type { TicketRecord } from "../events/log/reader.ts";
import type { TicketEvent } from "../events/ticket.ts";
import { differences } from "./rowFollower.ts";

type Find = (problem: string) => void;

/** The winning tickets as their events make them, without the view that lists them. */
export class TicketFold {
  readonly #tickets = new Map<string, TicketRecord>();
  readonly #find: Find;

  constructor(find: Find) {
    this.#find = find;
  }

  get size(): number {
    return this.#tickets.size;
  }

  has(hash: string): boolean {
    return this.#tickets.has(hash);
  }

  /** All of them, in the order in which they won. */
  tickets(): readonly TicketRecord[] {
    return [...this.#tickets.values()];
  }

  take(hash: string, { atMs, event: anyEvent }: RecordedEvent): void {
    const event = anyEvent as TicketEvent;
    if (event.type === "TicketWon") {
      this.#tickets.set(hash, wonTicket(hash, atMs, event));
      return;
    }
    const ticket = this.#tickets.get(hash);
    if (ticket === undefined) this.#find(`The ticket ${hash} ended without ever having won.`);
    else this.#tickets.set(hash, { ...ticket, ...changeOf(ticket, atMs, event) });
  }

  /** Tells of every difference between the tickets and the rows of the view. */
  compare(rows: readonly TicketRecord[]): void {
    const listed = new Map(rows.map((row) => [row.hash, row]));
    for (const [hash, expected] of this.#tickets) {
      const row = listed.get(hash);
      listed.delete(hash);
      if (row === undefined) this.#find(`The ticket ${hash} is not listed.`);
      else for (const text of differences(expected, row)) this.#find(`The ticket ${hash}: ${text}.`);
    }
    for (const hash of listed.keys()) this.#find(`The ticket ${hash} is listed, but it never won.`);
  }
}

function wonTicket(
  hash: string,
  atMs: number,
  event: Extract<TicketEvent, { type: "TicketWon" }>,
): TicketRecord {
  const { type: _type, faceValue, winProb, creationRound, expirationBlock, lastValidRound, ...plain } = event;
  return {
    ...plain,
    ...{ hash, state: "won", wonMs: atMs, endedMs: null, endedRound: null, txHash: null, loss: null },
    ...{ faceValue: `${faceValue}`, winProb: `${winProb}`, creationRound: `${creationRound}` },
    ...{ expirationBlock: `${expirationBlock}`, lastValidRound: `${lastValidRound}` },
    ...{
      transactionId: null,
      paidAmount: null,
      paidBlock: null,
      held: 0,
      cause: null,
      text: null,
      redeemer: null,
    },
  };
}

function changeOf(
  ticket: TicketRecord,
  atMs: number,
  event: Exclude<TicketEvent, { type: "TicketWon" }>,
): Partial<TicketRecord> {
  switch (event.type) {
    case "RedemptionSubmitted":
      return { state: "submitted", transactionId: event.transaction, cause: null, text: null };
    case "RedemptionReturned":
      return { state: "won", transactionId: null, cause: event.cause, text: event.text };
    case "RedemptionPostponed":
      return { cause: event.cause, text: event.text };
    case "TicketPaid":
      return {
        ...{ state: "paid", transactionId: event.transaction, txHash: event.txHash },
        ...{ paidBlock: `${event.block}`, paidAmount: textOf(event.amount), cause: null, text: null },
      };
    case "TicketUnpaid":
      return {
        state: ticket.transactionId === null ? "won" : "submitted",
        ...{ txHash: null, paidBlock: null, paidAmount: null },
      };
    case "TicketRedeemed":
      return {
        ...{ state: "redeemed", endedMs: atMs, endedRound: textOf(event.round) },
        txHash: event.txHash ?? ticket.txHash,
      };
    case "TicketExpired":
      return { state: "expired", endedMs: atMs, endedRound: `${event.round}`, loss: `${event.loss}` };
    case "TicketRefused":
      return { state: "refused", endedMs: atMs, cause: null, text: event.text, loss: `${event.loss}` };
    case "TicketHeld":
      return { held: event.isHeld ? 1 : 0 };
    case "TicketEntrusted":
      return { redeemer: event.redeemer, cause: null, text: null };
  }
}

function textOf(value: bigint | null): string | null {
  return value === null ? null : `${value}`;
}
