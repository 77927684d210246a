import { describe, expect, test } from "bun:test";
import type { TicketRecord } from "../../../../src/events/log/reader.ts";
import type { ChainLog } from "../../../../src/runtime/chainPorts.ts";
import { isForEver, paidAmount, sendersRefusal } from "../../../../src/runtime/chain/redemptionVerdict.ts";
import type { Hex } from "../../../../src/shared/brand.ts";

const sender = `0x${"b1".repeat(20)}` as const;
const recipient = `0x${"0c".repeat(20)}` as const;
const stranger = `0x${"99".repeat(20)}` as const;

describe("the broker's words", () => {
  const final = [
    ...["ticket recipient is null address", "ticket sender is null address", "ticket did not win"],
    ...["invalid length for ticket auxData", "ticket creationRound does not have a block hash"],
    "ticket creationRoundBlockHash invalid for creationRound",
    ...["recipientRand does not match recipientRandHash", "invalid signature over ticket hash"],
    ...["INVALID_SIGNATURE_LENGTH", "ECDSA: invalid signature 's' value"],
  ];
  for (const reason of final) {
    test(`\`${reason}\` is for ever, with or without words around it`, () => {
      expect(isForEver(reason)).toBe(true);
      expect(isForEver(`execution reverted: ${reason}`)).toBe(true);
    });
  }

  const passing: readonly (readonly [string, ReturnType<typeof sendersRefusal>])[] = [
    ["sender is unlocked", "sender-unlocked"],
    ["sender deposit and reserve are zero", "sender-funds"],
    ["transcoder must be registered", "unregistered"],
    ["current round is not initialized", "reverts"],
    ["system is paused", "reverts"],
    // Somebody else was first: the chain knows more about that than these words.
    ["ticket is used", "reverts"],
    // Whether a round is over is for the clock of the chain to say.
    ["ticket is expired", "reverts"],
    ["", "reverts"],
  ];
  for (const [reason, cause] of passing) {
    test(`\`${reason}\` may pass, and waits as ${cause}`, () => {
      expect([isForEver(reason), sendersRefusal(`execution reverted: ${reason}`)]).toEqual([false, cause]);
    });
  }
});

describe("what a ticket brought", () => {
  const rand = (byte: string): Hex => `0x${byte.repeat(32)}`;
  const ticket = (senderNonce: number, recipientRand = rand("aa")): TicketRecord =>
    ({ sender, recipient, senderNonce, recipientRand }) as TicketRecord;
  let index = 0;
  const log = (
    name: ChainLog["name"],
    amounts: readonly bigint[],
    account: Hex = sender,
    other: Hex = recipient,
  ): ChainLog => {
    index += 1;
    return {
      block: 7n,
      blockHash: rand("07"),
      index,
      transaction: rand("77"),
      name,
      account,
      other,
      amounts,
      text: null,
    };
  };
  const transfer = (wei: bigint, from: Hex = sender): ChainLog => log("WinningTicketTransfer", [wei], from);
  const redeemed = (nonce: number, recipientRand = rand("aa"), from: Hex = sender): ChainLog =>
    log("WinningTicketRedeemed", [100n, 1n, BigInt(nonce), BigInt(recipientRand)], from);

  test("what was transferred right before the broker names it", () => {
    const logs = [transfer(100n), redeemed(1), transfer(60n), redeemed(2)];
    expect([paidAmount(ticket(1), logs), paidAmount(ticket(2), logs)]).toEqual([100n, 60n]);
  });

  test("nothing, when nothing was transferred: not what the ticket before it brought", () => {
    expect(paidAmount(ticket(2), [transfer(100n), redeemed(1), redeemed(2)])).toBe(0n);
  });

  test("what stands between does not count", () => {
    const logs = [transfer(60n), log("ReserveClaimed", [40n]), redeemed(1)];
    expect(paidAmount(ticket(1), logs)).toBe(60n);
  });

  test("null, when the logs do not speak of it", () => {
    for (const logs of [[], [transfer(100n)], [transfer(100n), redeemed(1)]]) {
      expect(paidAmount(ticket(9), logs)).toBeNull();
    }
  });

  test("the same nonce of other parameters, or of another gateway, is another ticket", () => {
    expect(paidAmount(ticket(1), [transfer(5n), redeemed(1, rand("bb"))])).toBeNull();
    expect(paidAmount(ticket(1), [transfer(5n, stranger), redeemed(1, rand("aa"), stranger)])).toBeNull();
    const mixed = [transfer(5n, stranger), redeemed(1, rand("aa"), stranger), transfer(100n), redeemed(1)];
    expect(paidAmount(ticket(1), mixed)).toBe(100n);
  });

  test("a ticket to somebody else in the same transaction brought us nothing", () => {
    const theirs = log("WinningTicketTransfer", [80n], sender, stranger);
    const redeemedTheirs = log("WinningTicketRedeemed", [100n, 1n, 3n, BigInt(rand("aa"))], sender, stranger);
    expect(paidAmount(ticket(3), [theirs, redeemedTheirs])).toBeNull();
    expect(paidAmount(ticket(1), [theirs, redeemedTheirs, redeemed(1)])).toBe(0n);
  });

  test("records in checksum spelling are the same accounts", () => {
    const shouted = { ...ticket(1), sender: `0x${"B1".repeat(20)}`, recipient: `0x${"0C".repeat(20)}` };
    expect(paidAmount(shouted as TicketRecord, [transfer(100n), redeemed(1)])).toBe(100n);
  });
});
