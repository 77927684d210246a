import { accountKind } from "./account/decide.ts";
import { chainKind } from "./chain/decide.ts";
import { gatewayKind } from "./gateway/decide.ts";
import type { ActorKind } from "./kind.ts";
import { pricingKind } from "./pricing/decide.ts";
import { segmentKind } from "./segment/decide.ts";
import { sessionKind } from "./session/decide.ts";
import { ticketKind } from "./ticket/decide.ts";

/** Every kind of entity that this release runs. */
export const allKinds: readonly ActorKind[] = [
  sessionKind,
  segmentKind,
  accountKind,
  ticketKind,
  gatewayKind,
  chainKind,
  pricingKind,
];
