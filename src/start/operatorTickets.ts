import type { OperatorTickets, TicketOrderResult } from "../operator/ports.ts";
import type { RedemptionDesk } from "../runtime/chain/redemptionDesk.ts";
import type { Hex } from "../shared/brand.ts";

export type OperatorTicketsParts = {
  readonly token: string;
  readonly redemption: RedemptionDesk;
  /** Resolves when what was decided is durable. */
  readonly committed: () => Promise<void>;
  /** Whether a ticket's parameters have run out, by what is known of the chain now. */
  readonly isDue: (hash: Hex) => boolean;
  /** Something is wanted: the chain is to be looked at soon. */
  readonly onWanted: () => void;
};

/** Orders of operators for winning tickets. */
export function operatorTickets({
  token,
  redemption,
  committed,
  isDue,
  onWanted,
}: OperatorTicketsParts): OperatorTickets {
  const results = async (
    hashes: readonly Hex[],
    order: (hash: Hex) => boolean,
    refusal: string,
  ): Promise<readonly TicketOrderResult[]> => {
    const done = hashes.map((hash) => ({ hash, isDone: order(hash) }));
    await committed();
    return done.map(({ hash, isDone }) =>
      isDone ? { hash, outcome: "done", text: "" } : { hash, outcome: "refused", text: refusal },
    );
  };
  return {
    token,
    hold: (hashes, isHeld) =>
      results(
        hashes,
        (hash) => redemption.hold(hash, isHeld),
        isHeld ? "It is not open, or held back already." : "It is not open, or not held back.",
      ),
    redeemNow: async (hashes, isDueOnly) => {
      const done = await results(
        isDueOnly ? hashes.filter(isDue) : hashes,
        (hash) => redemption.want(hash),
        "It is not open, is held back, or is on its way.",
      );
      onWanted();
      return done;
    },
  };
}
