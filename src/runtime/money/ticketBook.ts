import type { TicketCommand, TicketSnapshot } from "../../actors/ticket/decide.ts";
import type { LogReader } from "../../events/log/reader.ts";
import type { Hex } from "../../shared/brand.ts";
import type { Host, Origin } from "../host.ts";
import type { Edge } from "../ports.ts";
import type { Solvency } from "./solvency.ts";

export type TicketBookOptions = {
  readonly host: Host;
  readonly reader: LogReader;
  readonly solvency: Solvency;
  readonly edge: Edge;
};

export type WonTicket = Omit<Extract<TicketCommand, { type: "WinTicket" }>, "type">;

/** The winning tickets as payments see them: each opens once. What becomes of it is the redemption desk's business. */
export class TicketBook {
  readonly #options: TicketBookOptions;

  constructor(options: TicketBookOptions) {
    this.#options = options;
  }

  /** Takes up the tickets that the log says are open. Call once, after the host has started. */
  resume(): number {
    let count = 0;
    // When it was won is in the view only: while the chain cannot be read, what was won since the last reading counts.
    for (const { hash, sender, faceValue, wonMs } of this.#options.reader.openTickets()) {
      const snapshot = this.#snapshot(hash);
      if (snapshot === null) continue;
      count += 1;
      // What a block has paid is no longer owed.
      if (snapshot.matches("paid")) continue;
      this.#options.solvency.opened(sender as Hex, BigInt(faceValue), wonMs);
    }
    return count;
  }

  /** Whether the ticket was recorded before, open or ended. */
  isKnown(ticketHash: Hex): boolean {
    const { host, reader } = this.#options;
    return host.snapshot("ticket", ticketHash) !== null || reader.stream(`ticket:${ticketHash}`) !== null;
  }

  /**
   * Records a winner in the open commit. False when it is known already, open or ended: a winner that is sent again
   * is worth nothing new.
   */
  win(ticketHash: Hex, ticket: WonTicket, origin: Origin): boolean {
    const { host, solvency, edge } = this.#options;
    if (this.isKnown(ticketHash)) return false;
    const execution = host.execute(
      "ticket",
      ticketHash,
      { type: "WinTicket", ...ticket } as TicketCommand,
      origin,
    );
    if (execution.type === "rejected") return false;
    solvency.opened(ticket.sender, ticket.faceValue, edge.nowMs());
    return true;
  }

  /** The winners that are neither redeemed nor expired. Face value in wei. */
  *open(): Generator<{ readonly id: Hex; readonly sender: Hex | null; readonly faceValue: bigint }> {
    for (const { id, context } of this.#open()) {
      yield { id, sender: context.sender, faceValue: context.faceValue };
    }
  }

  *#open(): Generator<{ readonly id: Hex; readonly context: TicketSnapshot["context"] }> {
    for (const id of this.#options.host.idsOf("ticket")) {
      const snapshot = this.#snapshot(id);
      if (snapshot !== null) yield { id: id as Hex, context: snapshot.context };
    }
  }

  #snapshot(id: string): TicketSnapshot | null {
    return this.#options.host.snapshot("ticket", id) as TicketSnapshot | null;
  }
}
