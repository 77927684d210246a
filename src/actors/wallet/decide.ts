import type { SnapshotFrom } from "xstate";
import { type WalletEvent, walletEvents } from "../../events/wallet.ts";
import type { ActorKind, Decided } from "../kind.ts";
import { decided, rejected } from "../kind.ts";
import { walletContext, walletMachine } from "./machine.ts";

export type WalletCommand =
  | { readonly type: "ReserveNonce"; readonly nonce: number }
  | { readonly type: "CorrectNonce"; readonly nonce: number };

export type WalletSnapshot = SnapshotFrom<typeof walletMachine>;

/** Pure: nonces are given out once, one after the other. */
export function decideWallet(snapshot: WalletSnapshot | null, command: WalletCommand): Decided<WalletEvent> {
  const next = snapshot?.context.nextNonce ?? 0;
  const { nonce } = command;
  if (command.type === "CorrectNonce") {
    if (nonce === next) return rejected("NONCE_RIGHT", "That is the next nonce already.");
    return decided({ type: "NonceCorrected", nonce, cause: nonce > next ? "ahead" : "behind" });
  }
  if (nonce !== next) return rejected("NONCE_NOT_NEXT", `The next nonce is ${next}.`);
  return decided({ type: "NonceReserved", nonce });
}

export const walletKind: ActorKind = {
  kind: "wallet",
  machine: walletMachine,
  events: walletEvents,
  context: walletContext as ActorKind["context"],
  decide: decideWallet as unknown as ActorKind["decide"],
  deadline: () => null,
  isMovedFromOutside: true,
};
