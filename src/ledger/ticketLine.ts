import { readFileSync } from "node:fs";
import type { TicketRecord } from "../events/log/reader.ts";
import { fromHex, toHex } from "../protocol/bytes.ts";
import { auxData } from "../protocol/ticket.ts";
import type { Hex } from "../shared/brand.ts";
import { BaseError, errorText } from "../shared/errors.ts";
import { type ForeignRow, RowFields } from "./foreignRow.ts";

/*
 * Winning tickets as JSON lines, one a ticket: what `tickets export` writes and `tickets import` reads. Amounts and
 * rounds are decimal text, bytes are lower-case `0x…`. A line holds all that a redeemer must hand to the broker.
 */

const format = "reprise-ticket";
const formatVersion = 1;
/** A line of ours has about 1,300 characters. */
const lineLengthMax = 8_192;

/** One exported line. */
export function ticketLine(ticket: TicketRecord): string {
  const blockHash = fromHex(ticket.creationRoundBlockHash) ?? new Uint8Array(32);
  return JSON.stringify({
    format,
    formatVersion,
    hash: ticket.hash,
    recipient: ticket.recipient,
    sender: ticket.sender,
    faceValue: ticket.faceValue,
    winProb: ticket.winProb,
    senderNonce: ticket.senderNonce,
    recipientRandHash: ticket.recipientRandHash,
    creationRound: ticket.creationRound,
    creationRoundBlockHash: ticket.creationRoundBlockHash,
    /** The field of the contract's ticket that holds round and hash. */
    auxData: toHex(
      auxData({ creationRound: BigInt(ticket.creationRound), creationRoundBlockHash: blockHash }),
    ),
    recipientRand: ticket.recipientRand,
    sig: ticket.sig,
    expirationBlock: ticket.expirationBlock,
    lastValidRound: ticket.lastValidRound,
    account: ticket.account,
    wonMs: ticket.wonMs,
    state: ticket.state,
    txHash: ticket.txHash,
  });
}

/** Reads exported lines. Throws {@link TicketFileError} when the file cannot be read at all. */
export function* readTicketLines(path: string): Generator<ForeignRow> {
  let lines: readonly string[];
  try {
    lines = readFileSync(path, "utf8").split("\n");
  } catch (error) {
    throw new TicketFileError(path, errorText(error));
  }
  for (const [index, line] of lines.entries()) {
    if (line.trim() !== "") yield { place: `line ${index + 1}`, claim: parseLine(line) };
  }
}

function parseLine(line: string): ForeignRow["claim"] {
  if (line.length > lineLengthMax) return { unreadable: "it is longer than any ticket" };
  let values: unknown;
  try {
    values = JSON.parse(line);
  } catch {
    return { unreadable: "it is not JSON" };
  }
  if (typeof values !== "object" || values === null || Array.isArray(values)) {
    return { unreadable: "it is not a ticket" };
  }
  const record = values as Readonly<Record<string, unknown>>;
  if (record["format"] !== format) return { unreadable: "it is not an exported ticket" };
  if (record["formatVersion"] !== formatVersion) return { unreadable: "a newer release wrote it" };
  return claimOf(new RowFields(record));
}

function claimOf(fields: RowFields): ForeignRow["claim"] {
  const state = fields.text("state", 16);
  const claim = {
    sender: fields.hex("sender", 20),
    recipient: fields.hex("recipient", 20),
    faceValue: fields.decimal("faceValue"),
    winProb: fields.decimal("winProb"),
    senderNonce: fields.number("senderNonce"),
    recipientRand: fields.hex("recipientRand", 32),
    recipientRandHash: fields.hex("recipientRandHash", 32),
    sig: fields.hex("sig", 65),
    expiration: {
      creationRound: fields.decimal("creationRound"),
      creationRoundBlockHash: fields.hex("creationRoundBlockHash", 32),
    },
    expirationBlock: fields.decimal("expirationBlock"),
    lastValidRound: fields.decimal("lastValidRound"),
    account: fields.isNull("account") ? null : fields.text("account", 2_048),
    hash: fields.hex("hash", 32),
    redeemed: state === "redeemed" ? { txHash: txHashOf(fields) } : null,
  };
  return fields.flaw === null ? claim : { unreadable: fields.flaw };
}

function txHashOf(fields: RowFields): Hex | null {
  return fields.isNull("txHash") ? null : toHex(fields.hex("txHash", 32));
}

/** A file of tickets cannot be opened. */
export class TicketFileError extends BaseError {
  constructor(path: string, reason: string) {
    super(`The file \`${path}\` cannot be used: ${reason}.`, {
      code: "TICKET_FILE_UNUSABLE",
      disposition: "reject",
      action: "Name another file.",
    });
  }
}
