import { type Rational, rational } from "../../../../src/protocol/rational.ts";
import type { Hex } from "../../../../src/shared/brand.ts";
import type { TicketTerms } from "../../../../src/protocol/ticket.ts";
import { bytes } from "../vectors.ts";

/** A fraction as the vectors write it. */
export type VectorFraction = { readonly num: string; readonly den: string };

/** A ticket as the vectors write it. */
export type VectorTicket = {
  readonly recipient: string;
  readonly sender: string;
  readonly faceValue: string;
  readonly winProb: string;
  readonly senderNonce: number;
  readonly recipientRandHash: string;
  readonly creationRound: string;
  readonly creationRoundBlockHash: string;
};

/** Our form of a vector's fraction. */
export function fraction({ num, den }: VectorFraction): Rational {
  return rational(BigInt(num), BigInt(den));
}

/** A vector's fraction, or null where it has none. */
export function fractionOrNull(vector: VectorFraction | null): Rational | null {
  return vector === null ? null : fraction(vector);
}

/** Our form of a vector's ticket, without its nonce. */
export function termsOf(ticket: VectorTicket): TicketTerms {
  return {
    recipient: bytes(ticket.recipient),
    sender: bytes(ticket.sender),
    faceValue: BigInt(ticket.faceValue),
    winProb: BigInt(ticket.winProb),
    recipientRandHash: bytes(ticket.recipientRandHash),
    expiration: {
      creationRound: BigInt(ticket.creationRound),
      creationRoundBlockHash: bytes(ticket.creationRoundBlockHash),
    },
  };
}

/** A vector's hex or address in lower case, as `toHex` writes it. */
export function lowerHex(text: string): Hex {
  return text.toLowerCase() as Hex;
}
