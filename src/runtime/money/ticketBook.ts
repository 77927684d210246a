import type { TicketCommand, TicketSnapshot } from "../../actors/ticket/decide.ts";
import type { LogReader } from "../../events/log/reader.ts";
import { fromHex } from "../../protocol/bytes.ts";
import { assert } from "../../shared/assert.ts";
import type { Hex } from "../../shared/brand.ts";
import type { Host, Origin } from "../host.ts";
import type { ChainView, Edge } from "../ports.ts";
import type { Solvency } from "./solvency.ts";

export type TicketBookOptions = {
  readonly host: Host;
  readonly reader: LogReader;
  readonly chain: ChainView;
  readonly solvency: Solvency;
  readonly edge: Edge;
  readonly onFault: (error: unknown) => void;
};

export type WonTicket = Omit<Extract<TicketCommand, { type: "WinTicket" }>, "type">;

/** Tickets that the chain is asked about at a time. */
const questionsAtOnce = 8;

/** The winning tickets: each opens once, and each is followed until the chain has paid it or its time is over. */
export class TicketBook {
  readonly #options: TicketBookOptions;
  #isAsking = false;

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

  /**
   * Records a winner in the open commit. False when it is known already, open or ended: a winner that is sent again
   * is worth nothing new.
   */
  win(ticketHash: Hex, ticket: WonTicket, origin: Origin): boolean {
    const { host, reader, solvency, edge } = this.#options;
    if (host.snapshot("ticket", ticketHash) !== null) return false;
    if (reader.stream(`ticket:${ticketHash}`) !== null) return false;
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

  /**
   * The chain is in a new round: asks it about every ticket whose time is over and ends those that it has not seen.
   * Nothing ends while the chain does not answer; the next round asks again.
   */
  async roundChanged(): Promise<void> {
    if (this.#isAsking) return;
    this.#isAsking = true;
    try {
      const round = this.#options.chain.clock()?.lastInitializedRound ?? null;
      if (round === null) return;
      const due = [...this.#open()].filter(({ context }) => context.lastValidRound < round);
      for (let index = 0; index < due.length; index += questionsAtOnce) {
        await Promise.all(due.slice(index, index + questionsAtOnce).map(({ id }) => this.#settle(id, round)));
      }
    } catch (error) {
      this.#options.onFault(error);
    } finally {
      this.#isAsking = false;
    }
  }

  async #settle(id: Hex, round: bigint): Promise<void> {
    const { chain, host, solvency } = this.#options;
    const hash = fromHex(id);
    assert(hash !== null, `The ticket id \`${id}\` is no hash.`);
    const isUsed = await chain.isTicketUsed(hash);
    if (isUsed === null) return;
    const snapshot = this.#snapshot(id);
    if (snapshot === null) return;
    const command: TicketCommand = isUsed
      ? { type: "RedeemTicket", txHash: null, round }
      : { type: "ExpireTicket", round };
    const { sender, faceValue } = snapshot.context;
    const origin = { correlationId: `ticket:${id}`, causationId: "round-changed" };
    const execution = host.execute("ticket", id, command, origin);
    if (execution.type === "accepted" && sender !== null) solvency.ended(sender, faceValue);
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
