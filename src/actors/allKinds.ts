import { accountKind } from "./account/decide.ts";
import { chainKind } from "./chain/decide.ts";
import { gatewayKind } from "./gateway/decide.ts";
import type { ActorKind } from "./kind.ts";
import { pricingKind } from "./pricing/decide.ts";
import { roundKind } from "./round/decide.ts";
import { segmentKind } from "./segment/decide.ts";
import { sessionKind } from "./session/decide.ts";
import { ticketKind } from "./ticket/decide.ts";
import { transactionKind } from "./transaction/decide.ts";
import { walletKind } from "./wallet/decide.ts";
import { watchKind } from "./watch/decide.ts";

/** Every kind of entity that this release runs. */
export const allKinds: readonly ActorKind[] = [
  sessionKind,
  segmentKind,
  accountKind,
  ticketKind,
  gatewayKind,
  chainKind,
  pricingKind,
  transactionKind,
  walletKind,
  roundKind,
  watchKind,
];
