import type { ChainLogRecord } from "../events/log/reader.ts";

/** One ticket that the broker took, by the logs of the chain. */
export type Redemption = {
  readonly block: number;
  /** Place of its `WinningTicketRedeemed` in the block. */
  readonly index: number;
  readonly atMs: number;
  readonly txHash: string;
  /** Lower-case `0x…`. */
  readonly sender: string;
  /** Wei. */
  readonly faceValue: bigint;
  readonly senderNonce: bigint;
  readonly recipientRand: bigint;
  /** Wei that came; 0 when the sender had nothing left: the broker then logs no transfer. */
  readonly paid: bigint;
};

/** Names of the logs that tell of redemptions. */
export const redemptionLogNames = ["WinningTicketTransfer", "WinningTicketRedeemed"] as const;

/** A transfer that belongs to no ticket, or a pair that does not fit: the logs are not whole. */
export type StrayTransfer = {
  readonly atMs: number;
  readonly txHash: string;
  readonly sender: string;
  /** Wei. */
  readonly paid: bigint;
};

/**
 * Pairs the logs of redemptions. The broker logs the transfer, if there is one, and then the ticket, for each ticket
 * of a batch in turn.
 *
 * @param logs - in the order of the chain; others than those of redemptions, and of other recipients, are left out
 * Source: protocol contracts/pm/mixins/MixinTicketBrokerCore.sol redeemWinningTicket; payments sheet 6.2.
 */
export function redemptionsOf(
  logs: Iterable<ChainLogRecord>,
  recipient: string,
): { readonly redemptions: readonly Redemption[]; readonly strays: readonly StrayTransfer[] } {
  const redemptions: Redemption[] = [];
  const strays: StrayTransfer[] = [];
  let transfer: StrayTransfer | null = null;
  for (const { name, account: sender, other, amounts, txHash, block, index, atMs } of logs) {
    if (other !== recipient) continue;
    if (name === "WinningTicketTransfer") {
      if (transfer !== null) strays.push(transfer);
      transfer = { atMs, txHash, sender, paid: amounts[0] ?? 0n };
    } else if (name === "WinningTicketRedeemed") {
      const isOwn: boolean = transfer?.txHash === txHash && transfer.sender === sender;
      if (transfer !== null && !isOwn) strays.push(transfer);
      const [faceValue = 0n, , senderNonce = 0n, recipientRand = 0n] = amounts;
      const paid = isOwn ? (transfer?.paid ?? 0n) : 0n;
      redemptions.push({
        ...{ block, index, atMs, txHash, sender },
        ...{ faceValue, senderNonce, recipientRand, paid },
      });
      transfer = null;
    }
  }
  if (transfer !== null) strays.push(transfer);
  return { redemptions, strays };
}

/** What names a ticket in the logs of the chain. */
export function redemptionKey(sender: string, senderNonce: bigint | number, recipientRand: bigint): string {
  return `${sender} ${senderNonce} ${recipientRand}`;
}
