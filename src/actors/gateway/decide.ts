import type { SnapshotFrom } from "xstate";
import type { EventOf } from "../../events/definition.ts";
import { gatewayEvents } from "../../events/gateway.ts";
import type { GatewayEvent, gatewayFundsRead } from "../../events/gateway.ts";
import type { ActorKind, Decided } from "../kind.ts";
import { decided, rejected } from "../kind.ts";
import { gatewayContext, gatewayMachine } from "./machine.ts";

export type GatewayCommand = { readonly type: "RecordFunds" } & Omit<
  EventOf<typeof gatewayFundsRead>,
  "type"
>;

export type GatewaySnapshot = SnapshotFrom<typeof gatewayMachine>;

/** Pure: only a change is a fact. */
export function decideGateway(
  snapshot: GatewaySnapshot | null,
  command: GatewayCommand,
): Decided<GatewayEvent> {
  const known = snapshot?.context;
  const isSame =
    known !== undefined &&
    known.deposit === command.deposit &&
    known.reserve === command.reserve &&
    known.claimedInRound === command.claimedInRound &&
    known.claimedByUs === command.claimedByUs &&
    known.withdrawRound === command.withdrawRound;
  if (isSame) return rejected("FUNDS_UNCHANGED", "The funds are as they were.");
  return decided({ ...command, type: "GatewayFundsRead" });
}

export const gatewayKind: ActorKind = {
  kind: "gateway",
  machine: gatewayMachine,
  events: gatewayEvents,
  context: gatewayContext as ActorKind["context"],
  decide: decideGateway as unknown as ActorKind["decide"],
  deadline: () => null,
  isMovedFromOutside: true,
};
