import type { ChainLook } from "../chainPorts.ts";
import type { EntrustDesk } from "./entrustDesk.ts";
import type { RedemptionDesk } from "./redemptionDesk.ts";
import type { RoundKeeper } from "./roundKeeper.ts";
import type { TransactionDesk } from "./transactionDesk.ts";

export type ChainOfficeOptions = {
  readonly transactions: TransactionDesk;
  readonly rounds: RoundKeeper;
  readonly redemption: RedemptionDesk;
  /** Hands tickets to another node that redeems them; null where nobody else does. */
  readonly entrust: EntrustDesk | null;
  /** Follows the logs; null when nobody keeps books. */
  readonly watch: { advance(look: ChainLook, hurry: { readonly now: boolean }): Promise<void> } | null;
  /** Usual time from one L1 block to the next. Milliseconds. */
  readonly blockMs: number;
  readonly onFault: (error: unknown) => void;
};

/**
 * Everything that costs gas, taken up at every look at the chain: transactions first, then rounds, then tickets.
 * Whatever fails is simply due again at the next look.
 */
export class ChainOffice {
  readonly #options: ChainOfficeOptions;
  #running: Promise<void> | null = null;

  constructor(options: ChainOfficeOptions) {
    this.#options = options;
  }

  /**
   * Takes everything up as the chain stands. Resolves with the milliseconds in which the chain should be looked at
   * again, or null for the usual rhythm. A look that comes while another is worked on is dropped. Never rejects.
   */
  async tick(look: ChainLook): Promise<number | null> {
    if (this.#running !== null) return null;
    this.#running = this.#tick(look);
    try {
      await this.#running;
    } catch (error) {
      this.#options.onFault(error);
    } finally {
      this.#running = null;
    }
    return this.#wakeInMs(look);
  }

  /** Resolves when nothing is being worked on. */
  async idle(): Promise<void> {
    // Whoever runs it hears of what goes wrong in it.
    await this.#running?.catch(() => undefined);
  }

  async #tick(look: ChainLook): Promise<void> {
    const { transactions, rounds, redemption, entrust, watch } = this.#options;
    if (rounds.isAskew(look)) await watch?.advance(look, { now: true });
    await rounds.open(look);
    await transactions.tick(look);
    await rounds.tick(look);
    await redemption.tick(look);
    await entrust?.tick(look);
    await watch?.advance(look, { now: false });
  }

  #wakeInMs(look: ChainLook): number | null {
    const { transactions, rounds, redemption, blockMs } = this.#options;
    const wakes = [
      transactions.wakeInMs(),
      rounds.wakeInMs(look, blockMs),
      redemption.wakeInMs(look, blockMs),
    ];
    const due = wakes.filter((ms) => ms !== null);
    return due.length === 0 ? null : Math.min(...due);
  }
}
