import { create, toBinary } from "@bufbuild/protobuf";
import { keccak_256 } from "@noble/hashes/sha3";
import type { Hex } from "../shared/brand.ts";
import { ACCOUNT_BYTES, accountBytes, checksumHex } from "./account.ts";
import { equalBytes, fitBytes, toHex } from "./bytes.ts";
import { MaxFloatReqSchema, MaxFloatUpdateSchema, type Ticket, TicketSchema } from "./gen/lp_rpc_pb.ts";
import { bigintOfBytes, minimalBytes, withoutLeadingZeros } from "./integerBytes.ts";
import { isWinner, TICKET_SIGNATURE_BYTES, type TicketTerms, ticketHash } from "./ticket.ts";
import { messageDecoder } from "./wire.ts";

/*
 * What an orchestrator and the node that redeems its tickets say to each other: `net.TicketRedeemer`.
 * Source: payments sheet 7.
 */

/** gRPC paths of the service's methods. */
export const redeemerPaths = {
  queueTicket: "/net.TicketRedeemer/QueueTicket",
  maxFloat: "/net.TicketRedeemer/MaxFloat",
  monitorMaxFloat: "/net.TicketRedeemer/MonitorMaxFloat",
} as const;

/** Where a redeemer listens when nobody says otherwise. */
export const REDEEMER_PORT = 8935;

/** The longest message of the service that is looked at: a ticket has about 270 bytes. */
export const REDEEMER_MESSAGE_BYTES_MAX = 1_024;

/** A winning ticket on its way to its redeemer. */
export type QueuedTicket = {
  readonly type: "ticket";
  readonly terms: TicketTerms;
  /** 0 to 2³² − 1. */
  readonly senderNonce: number;
  /** 65 bytes, exactly as they came. */
  readonly signature: Uint8Array;
  /** The secret number, 32 bytes. */
  readonly recipientRand: Uint8Array;
  /** L1 block from which it may be redeemed. */
  readonly expirationBlock: bigint;
};

/** Why a message is not taken. Part of what the other side sees. */
export type Unreadable = { readonly type: "unreadable"; readonly text: string };

/** A `net.Ticket` in bytes. Source: payments sheet 7.1; the seed and the inner expiration stay empty. */
export function encodeQueuedTicket(ticket: Omit<QueuedTicket, "type">): Uint8Array {
  const { terms } = ticket;
  const message = create(TicketSchema, {
    ticketParams: {
      recipient: terms.recipient,
      faceValue: minimalBytes(terms.faceValue),
      winProb: minimalBytes(terms.winProb),
      recipientRandHash: terms.recipientRandHash,
      expirationBlock: minimalBytes(ticket.expirationBlock),
    },
    sender: terms.sender,
    expirationParams: {
      creationRound: terms.expiration.creationRound,
      creationRoundBlockHash: terms.expiration.creationRoundBlockHash,
    },
    senderParams: { senderNonce: ticket.senderNonce, sig: ticket.signature },
    recipientRand: withoutLeadingZeros(ticket.recipientRand),
  });
  return toBinary(TicketSchema, message);
}

/** The recipient that a `net.Ticket` names, as it came; null when it names no params at all. */
export type NamedRecipient = Uint8Array | null;

/**
 * Reads a `net.Ticket` with bounds. Whether it is ours, wins and is signed is the caller's to ask: see
 * {@link isForRecipient} and {@link ticketFlaw}.
 *
 * @returns the ticket and the recipient's bytes as they came, or what is wrong with its form
 */
export function readQueuedTicket(bytes: Uint8Array): {
  readonly ticket: QueuedTicket | Unreadable;
  readonly recipient: NamedRecipient;
} {
  if (bytes.length > REDEEMER_MESSAGE_BYTES_MAX) {
    return { ticket: unreadable("the ticket is longer than any ticket"), recipient: null };
  }
  const decoded = decodeTicket(bytes);
  if (decoded.type === "malformed") return { ticket: unreadable(decoded.text), recipient: null };
  return { ticket: ticketOf(decoded.message), recipient: decoded.message.ticketParams?.recipient ?? null };
}

/** Whether the recipient of a message is `account`: as for every node of the network its last 20 bytes count. */
export function isForRecipient(named: Uint8Array, account: Uint8Array): boolean {
  return equalBytes(accountBytes(named), account);
}

/** The text of `PermissionDenied` for a ticket of somebody else. Source: payments sheet 7.2. */
export function wrongRecipientText(named: Uint8Array, account: Uint8Array): string {
  return `invalid ticket recipient ${toHex(named)}, expected ${checksumHex(account)}`;
}

/** Why the broker would never pay a ticket, its signature left aside; null: it wins. */
export function ticketFlaw({ terms, recipientRand, signature }: QueuedTicket): string | null {
  if (terms.faceValue === 0n) return "the face value is 0";
  if (!equalBytes(keccak_256(recipientRand), terms.recipientRandHash)) {
    return "the recipient rand does not fit its hash";
  }
  return isWinner(signature, recipientRand, terms.winProb) ? null : "the ticket does not win";
}

/** The hash by which the broker knows the ticket. */
export function queuedTicketHash({ terms, senderNonce }: QueuedTicket): Hex {
  return toHex(ticketHash(terms, senderNonce));
}

/**
 * A `net.MaxFloatReq` in bytes.
 *
 * @param sender - 20 bytes
 */
export function encodeMaxFloatRequest(sender: Uint8Array): Uint8Array {
  return toBinary(MaxFloatReqSchema, create(MaxFloatReqSchema, { sender }));
}

/** The sender that a `net.MaxFloatReq` asks about, 20 bytes; of longer ones the last 20 count, as everywhere. */
export function readMaxFloatRequest(
  bytes: Uint8Array,
): { readonly type: "sender"; readonly sender: Uint8Array } | Unreadable {
  if (bytes.length > REDEEMER_MESSAGE_BYTES_MAX) return unreadable("the request is too long");
  const decoded = decodeMaxFloatRequest(bytes);
  if (decoded.type === "malformed") return unreadable(decoded.text);
  return { type: "sender", sender: accountBytes(decoded.message.sender).slice() };
}

/** A `net.MaxFloatUpdate` in bytes. Wei; what is below 0 says 0. */
export function encodeMaxFloat(maxFloat: bigint): Uint8Array {
  const value = maxFloat > 0n ? maxFloat : 0n;
  return toBinary(MaxFloatUpdateSchema, create(MaxFloatUpdateSchema, { maxFloat: minimalBytes(value) }));
}

/** What a `net.MaxFloatUpdate` says, in wei. */
export function readMaxFloat(
  bytes: Uint8Array,
): { readonly type: "max-float"; readonly maxFloat: bigint } | Unreadable {
  if (bytes.length > REDEEMER_MESSAGE_BYTES_MAX) return unreadable("the answer is too long");
  const decoded = decodeMaxFloat(bytes);
  if (decoded.type === "malformed") return unreadable(decoded.text);
  const maxFloat = integerOf(decoded.message.maxFloat);
  return maxFloat === null ? unreadable("max float has more than 32 bytes") : { type: "max-float", maxFloat };
}

const decodeTicket = messageDecoder(TicketSchema);
const decodeMaxFloatRequest = messageDecoder(MaxFloatReqSchema);
const decodeMaxFloat = messageDecoder(MaxFloatUpdateSchema);

/** Accounts and integers may come with zeros in front, or as words of 32 bytes; nothing may be longer. */
const WORD_BYTES = 32;

function ticketOf(message: Ticket): QueuedTicket | Unreadable {
  const { ticketParams: params, senderParams, expirationParams } = message;
  if (params === undefined) return unreadable("ticket_params is missing");
  if (senderParams === undefined) return unreadable("sender_params is missing");
  if (expirationParams === undefined) return unreadable("expiration_params is missing");
  const { recipient, recipientRandHash } = params;
  if (!isAccountLength(recipient)) return unreadable("recipient has no 20 bytes");
  if (!isAccountLength(message.sender)) return unreadable("sender has no 20 bytes");
  if (recipientRandHash.length !== 32) return unreadable("recipient_rand_hash has no 32 bytes");
  const { creationRound, creationRoundBlockHash } = expirationParams;
  if (creationRound < 0n) return unreadable("creation_round is negative");
  if (creationRoundBlockHash.length > 32) return unreadable("creation_round_block_hash has no 32 bytes");
  if (senderParams.sig.length !== TICKET_SIGNATURE_BYTES) return unreadable("sig has no 65 bytes");
  const faceValue = integerOf(params.faceValue);
  if (faceValue === null) return unreadable("face_value has more than 32 bytes");
  const winProb = integerOf(params.winProb);
  if (winProb === null) return unreadable("win_prob has more than 32 bytes");
  const expirationBlock = integerOf(params.expirationBlock);
  if (expirationBlock === null) return unreadable("expiration_block has more than 32 bytes");
  const rand = withoutLeadingZeros(message.recipientRand);
  if (rand.length > 32) return unreadable("recipient_rand has more than 32 bytes");
  return {
    type: "ticket",
    terms: {
      recipient: accountBytes(recipient).slice(),
      sender: accountBytes(message.sender).slice(),
      ...{ faceValue, winProb },
      recipientRandHash: recipientRandHash.slice(),
      expiration: { creationRound, creationRoundBlockHash: fitBytes(creationRoundBlockHash, 32).slice() },
    },
    senderNonce: senderParams.senderNonce,
    signature: senderParams.sig.slice(),
    recipientRand: fitBytes(rand, 32).slice(),
    expirationBlock,
  };
}

function isAccountLength({ length }: Uint8Array): boolean {
  return length >= ACCOUNT_BYTES && length <= WORD_BYTES;
}

function integerOf(bytes: Uint8Array): bigint | null {
  const digits = withoutLeadingZeros(bytes);
  return digits.length > WORD_BYTES ? null : bigintOfBytes(digits);
}

function unreadable(text: string): Unreadable {
  return { type: "unreadable", text };
}
