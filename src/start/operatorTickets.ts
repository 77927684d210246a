import type { ChainConfig } from "../config/config.ts";
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
  /** Why this node redeems nothing itself; null when it does. */
  readonly whyNotHere: string | null;
  /** Something is wanted: the chain is to be looked at soon. */
  readonly onWanted: () => void;
};

/** Orders of operators for winning tickets. */
export function operatorTickets({
  token,
  redemption,
  committed,
  isDue,
  whyNotHere,
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
        (hash) => whyNotHere === null && redemption.want(hash),
        whyNotHere ?? "It is not open, is held back, or is on its way.",
      );
      onWanted();
      return done;
    },
  };
}

/** Why a node redeems nothing itself; null when it does. */
export function whyNotRedeemed({ remoteRedeemer, redeem }: ChainConfig): string | null {
  if (remoteRedeemer !== null) {
    const { host, port } = remoteRedeemer;
    return `This node hands its tickets to the redeemer at ${host}:${port} (-redeemerAddr), which redeems them.`;
  }
  return redeem ? null : "This node redeems nothing (-redeem=false).";
}
