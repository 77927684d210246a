import { describe, expect, test } from "bun:test";
import { create, toBinary } from "@bufbuild/protobuf";
import fc from "fast-check";
import { concatBytes, fromHex, toHex } from "../../../src/protocol/bytes.ts";
import { type Ticket, TicketSchema } from "../../../src/protocol/gen/lp_rpc_pb.ts";
import {
  encodeMaxFloat,
  encodeMaxFloatRequest,
  encodeQueuedTicket,
  isForRecipient,
  type QueuedTicket,
  queuedTicketHash,
  readMaxFloat,
  readMaxFloatRequest,
  readQueuedTicket,
  ticketFlaw,
  wrongRecipientText,
} from "../../../src/protocol/redeemer.ts";
import vectors from "../../vectors/redeemer.json";

const recipient = bytes("0x70997970C51812dc3A010C7d01b50e0d17dc79C8");
const recorded = vectors.frames.flatMap((frame) =>
  frame.dir === "O>R" && frame.data !== undefined && frame.decoded !== undefined && "sig" in senderOf(frame)
    ? [bytes(frame.data).subarray(5)]
    : [],
);
const whole = firstTicket();

function senderOf({ decoded }: { readonly decoded?: object | undefined }): object {
  const sender = (decoded as { readonly sender_params?: object } | undefined)?.sender_params;
  return sender ?? {};
}

function bytes(hex: string): Uint8Array {
  const read = fromHex(hex);
  if (read === null) throw new Error(`${hex} is not hexadecimal.`);
  return read;
}

function requestOf(name: string): Uint8Array {
  const found = vectors.cases.find((each) => each.name === name);
  if (found === undefined) throw new Error(`No case ${name}.`);
  return bytes(found.requestBytes);
}

function firstTicket(): QueuedTicket {
  const read = readQueuedTicket(recorded[0] ?? new Uint8Array()).ticket;
  if (read.type !== "ticket") throw new Error(read.text);
  return read;
}

/** The message of a good ticket with something else in it. */
function altered(change: (message: Ticket) => void): Uint8Array {
  const message = create(TicketSchema, {
    ticketParams: {
      ...{ recipient: whole.terms.recipient, faceValue: new Uint8Array([1]), winProb: new Uint8Array([1]) },
      ...{ recipientRandHash: whole.terms.recipientRandHash, expirationBlock: new Uint8Array([3]) },
    },
    sender: whole.terms.sender,
    expirationParams: { creationRound: 5n, creationRoundBlockHash: new Uint8Array(32).fill(9) },
    senderParams: { senderNonce: 7, sig: whole.signature },
    recipientRand: whole.recipientRand,
  });
  change(message);
  return toBinary(TicketSchema, message);
}

describe("tickets", () => {
  test("recorded frames of a real orchestrator are read, win, and are written again byte by byte", () => {
    expect(recorded).toHaveLength(4);
    for (const message of recorded) {
      const { ticket, recipient: named } = readQueuedTicket(message);
      if (ticket.type !== "ticket") throw new Error(ticket.text);
      expect(toHex(encodeQueuedTicket(ticket))).toBe(toHex(message));
      expect(named === null ? null : isForRecipient(named, recipient)).toBe(true);
      expect(ticketFlaw(ticket)).toBeNull();
      expect(ticket.terms.faceValue).toBe(10n ** 15n);
    }
    const hashes = recorded.map((message) => {
      const { ticket } = readQueuedTicket(message);
      return ticket.type === "ticket" ? queuedTicketHash(ticket) : null;
    });
    expect(new Set(hashes).size).toBe(4);
  });

  test("payments check 48: another recipient is named in the exact words of the peer; of long ones the end counts", () => {
    for (const name of ["QueueTicket for another recipient", "QueueTicket without recipient"]) {
      const answer = vectors.cases.find((each) => each.name === name)?.answer;
      const { recipient: named } = readQueuedTicket(requestOf(name));
      if (named === null || answer === undefined || !("message" in answer)) throw new Error(name);
      expect(isForRecipient(named, recipient)).toBe(false);
      expect(wrongRecipientText(named, recipient)).toBe(String(answer.message));
    }
    const long = readQueuedTicket(
      requestOf("QueueTicket, recipient of 22 bytes (last 20 count), altered signature"),
    );
    expect(long.recipient === null ? null : isForRecipient(long.recipient, recipient)).toBe(true);
    if (long.ticket.type !== "ticket") throw new Error(long.ticket.text);
    expect(toHex(long.ticket.terms.recipient)).toBe(toHex(recipient));
    expect(ticketFlaw(long.ticket)).toBe("the ticket does not win");
  });

  test("payments check 48: what is missing or misshapen is said, and nothing throws", () => {
    const textOf = (message: Uint8Array) => {
      const { ticket } = readQueuedTicket(message);
      return ticket.type === "unreadable" ? ticket.text : null;
    };
    const params = (change: (message: NonNullable<Ticket["ticketParams"]>) => void) =>
      altered(({ ticketParams }) => {
        if (ticketParams !== undefined) change(ticketParams);
      });
    expect(textOf(altered(() => {}))).toBeNull();
    expect(textOf(new Uint8Array())).toBe("ticket_params is missing");
    expect(textOf(requestOf("QueueTicket without ticket_params"))).toBe("ticket_params is missing");
    expect(textOf(requestOf("QueueTicket, no signature"))).toBe("sig has no 65 bytes");
    for (const [text, message] of [
      ["sender_params is missing", altered((ticket) => delete ticket.senderParams)],
      ["expiration_params is missing", altered((ticket) => delete ticket.expirationParams)],
      ["recipient has no 20 bytes", params((terms) => (terms.recipient = new Uint8Array(19)))],
      ["recipient has no 20 bytes", params((terms) => (terms.recipient = new Uint8Array(33)))],
      ["sender has no 20 bytes", altered((ticket) => (ticket.sender = new Uint8Array(3)))],
      [
        "recipient_rand_hash has no 32 bytes",
        params((terms) => (terms.recipientRandHash = new Uint8Array(31))),
      ],
      ["face_value has more than 32 bytes", params((terms) => (terms.faceValue = ones(33)))],
      ["win_prob has more than 32 bytes", params((terms) => (terms.winProb = ones(33)))],
      ["expiration_block has more than 32 bytes", params((terms) => (terms.expirationBlock = ones(40)))],
      ["recipient_rand has more than 32 bytes", altered((ticket) => (ticket.recipientRand = ones(33)))],
      [
        "creation_round is negative",
        altered(({ expirationParams }) => {
          if (expirationParams !== undefined) expirationParams.creationRound = -1n;
        }),
      ],
      ["the ticket is longer than any ticket", altered((ticket) => (ticket.sender = new Uint8Array(1_100)))],
    ] as const) {
      expect(textOf(message)).toBe(text);
    }
    const [first = new Uint8Array()] = recorded;
    for (let length = 1; length < first.length; length++) {
      const { ticket } = readQueuedTicket(first.subarray(0, length));
      // Without its last field it is a whole message that says that the secret number is 0.
      expect(ticket.type === "ticket" ? ticketFlaw(ticket) : ticket.text).not.toBeNull();
    }
  });

  test("a ticket with numbers that have zeros in front is the same ticket", () => {
    const padded = altered((message) => {
      message.recipientRand = concatBytes(new Uint8Array(8), message.recipientRand);
      if (message.ticketParams !== undefined) message.ticketParams.faceValue = new Uint8Array([0, 0, 1]);
    });
    const [left, right] = [padded, altered(() => {})].map((message) => readQueuedTicket(message).ticket);
    expect(left).toEqual(right);
  });

  test("any bytes are read or refused", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 400 }), (message) => {
        const { ticket } = readQueuedTicket(message);
        if (ticket.type === "ticket")
          expect(readQueuedTicket(encodeQueuedTicket(ticket)).ticket).toEqual(ticket);
      }),
    );
  });

  test("what can never be paid is told", () => {
    expect(ticketFlaw({ ...whole, terms: { ...whole.terms, faceValue: 0n } })).toBe("the face value is 0");
    expect(ticketFlaw({ ...whole, recipientRand: new Uint8Array(32) })).toBe(
      "the recipient rand does not fit its hash",
    );
    expect(ticketFlaw({ ...whole, terms: { ...whole.terms, winProb: 0n } })).toBe("the ticket does not win");
  });
});

describe("max float", () => {
  test("recorded requests and answers are the same bytes here", () => {
    for (const each of vectors.cases) {
      if (!each.name.startsWith("MaxFloat") || !("wei" in each.answer)) continue;
      const read = readMaxFloatRequest(bytes(each.requestBytes));
      expect(read.type).toBe("sender");
      const wei = BigInt(String(each.answer.wei));
      const update = encodeMaxFloat(wei);
      const digits = bytes(String(each.answer.max_float));
      expect(toHex(update)).toBe(
        toHex(digits.length === 0 ? digits : concatBytes(new Uint8Array([0x0a, digits.length]), digits)),
      );
      expect(readMaxFloat(update)).toEqual({ type: "max-float", maxFloat: wei });
    }
    const sender = bytes("0x3c44cdddb6a900fa2b585dd299e03d12fa4293bc");
    expect(toHex(encodeMaxFloatRequest(sender))).toBe(toHex(requestOf("MaxFloat of the funded sender")));
    expect(readMaxFloatRequest(requestOf("MaxFloat, sender of 32 bytes (last 20 count)"))).toEqual({
      ...{ type: "sender", sender },
    });
  });

  test("nothing is below 0, and nothing is longer than the chain's integers", () => {
    expect(readMaxFloat(encodeMaxFloat(-5n))).toEqual({ type: "max-float", maxFloat: 0n });
    const long = concatBytes(new Uint8Array([0x0a, 33]), ones(33));
    expect(readMaxFloat(long)).toEqual({ type: "unreadable", text: "max float has more than 32 bytes" });
    expect(readMaxFloat(new Uint8Array(2_000)).type).toBe("unreadable");
    expect(readMaxFloatRequest(new Uint8Array(2_000)).type).toBe("unreadable");
    expect(readMaxFloatRequest(new Uint8Array([0xff])).type).toBe("unreadable");
  });
});

function ones(length: number): Uint8Array {
  return new Uint8Array(length).fill(1);
}
