import { type CapabilitySet, isCompatible } from "./capabilities.ts";
import type { AuthToken } from "./gen/lp_rpc_pb.ts";
import { type Refusal, refuse } from "./refusal.ts";
import { type SegmentCredentials, segmentMessage } from "./segmentCredentials.ts";
import { CAPPED_TEXT, segmentTexts } from "./texts.ts";

/** What the node knows and `verifySegment` asks. */
export type SegmentGate = {
  /**
   * Whether `signature` is the account's over the 32-byte `message` as a personal message. A node without an
   * account always says yes, as the network expects off-chain.
   */
  readonly isSignedBy: (message: Uint8Array, signature: Uint8Array, account: Uint8Array) => boolean;
  /** Our current capabilities. */
  readonly capabilities: CapabilitySet;
  readonly checkToken: (token: AuthToken) => "valid" | "invalid" | "expired";
  /** Whether this session may have another segment: always for a live one, else while there is room. */
  readonly hasCapacity: (sessionId: string) => boolean;
};

/** A segment that passed every check. */
export type VerifiedSegment = { readonly type: "verified"; readonly authToken: AuthToken };

/**
 * Judges decoded credentials: rows 7 to 12 of video sheet 4.2, in that order.
 *
 * @param sender - the account of the payment, 20 bytes, zero if there was none
 * @returns the token to echo, or the refusal 403
 */
export function verifySegment(
  segment: SegmentCredentials,
  sender: Uint8Array,
  gate: SegmentGate,
): VerifiedSegment | Refusal {
  if (!gate.isSignedBy(segmentMessage(segment), segment.signature, sender)) {
    return refuse(403, segmentTexts.badSignature);
  }
  if (!isCompatible(segment.capabilities, gate.capabilities)) return refuse(403, segmentTexts.incompatible);
  const { authToken } = segment;
  if (authToken === null) return refuse(403, segmentTexts.tokenMissing);
  const verdict = gate.checkToken(authToken);
  if (verdict === "invalid") return refuse(403, segmentTexts.tokenInvalid);
  if (verdict === "expired") return refuse(403, segmentTexts.tokenExpired);
  if (!gate.hasCapacity(authToken.sessionId)) return refuse(403, CAPPED_TEXT);
  return { type: "verified", authToken };
}
