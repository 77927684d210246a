import { create } from "@bufbuild/protobuf";
import { accountBytes, ZERO_ACCOUNT } from "./account.ts";
import { type CapabilitySet, capabilitiesToNet } from "./capabilities.ts";
import {
  type AuthToken,
  type HardwareInformation,
  type OrchestratorInfo,
  OrchestratorInfoSchema,
  type OSInfo,
  type PriceInfo,
  type TicketParams,
} from "./gen/lp_rpc_pb.ts";

/** What a node says about itself to everyone. */
export type NodeFacts = {
  /** Base URL without a slash at the end; empty = this node only names others. */
  readonly serviceUri: string;
  /** The account that signs results; null off-chain. */
  readonly account: Uint8Array | null;
  readonly capabilities: CapabilitySet;
  /** URLs of further nodes of the same operator. */
  readonly nodes: readonly string[];
};

/** What differs between answers. */
export type OfferFacts = {
  readonly authToken: AuthToken;
  /** Absent off-chain. */
  readonly sale?: { readonly ticketParams: TicketParams; readonly price: PriceInfo };
  /** A store of ours where the gateway shall upload its input. */
  readonly storage?: OSInfo;
  /** Only for a request without capabilities, and in the answer to a segment. */
  readonly hardware?: readonly HardwareInformation[];
  readonly capabilitiesPrices?: readonly PriceInfo[];
};

/**
 * The answer to `GetOrchestrator` and the `info` of every result. A gateway replaces all it knew by it, so it is
 * always complete. Source: video sheet 3.2, 8.2.
 */
export function orchestratorInfo(node: NodeFacts, offer: OfferFacts): OrchestratorInfo {
  return create(OrchestratorInfoSchema, {
    transcoder: node.serviceUri,
    ...(offer.sale === undefined
      ? {}
      : { ticketParams: offer.sale.ticketParams, priceInfo: offer.sale.price }),
    address: node.account === null ? ZERO_ACCOUNT : accountBytes(node.account),
    capabilities: capabilitiesToNet(node.capabilities),
    authToken: offer.authToken,
    hardware: [...(offer.hardware ?? [])],
    storage: offer.storage === undefined ? [] : [offer.storage],
    capabilitiesPrices: [...(offer.capabilitiesPrices ?? [])],
    nodes: [...node.nodes],
  });
}
