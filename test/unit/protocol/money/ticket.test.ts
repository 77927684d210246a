import { describe, expect, test } from "bun:test";
import { keccak_256 } from "@noble/hashes/sha3";
import fc from "fast-check";
import { plainHex, toHex, uint256Bytes } from "../../../../src/protocol/bytes.ts";
import { bigintOfBytes, minimalBytes } from "../../../../src/protocol/integerBytes.ts";
import { paymentTexts } from "../../../../src/protocol/paymentTexts.ts";
import { rational } from "../../../../src/protocol/rational.ts";
import { recipientRandHash } from "../../../../src/protocol/recipientRand.ts";
import {
  auxData,
  isWinner,
  maxWinProb,
  PREIMAGE_NONCE_OFFSET,
  ticketHash,
  ticketPreimage,
  ticketValue,
  type TicketTerms,
  winDraw,
} from "../../../../src/protocol/ticket.ts";
import { hexField, isSameFraction, naivePreimage } from "../../../support/naiveMoney.ts";
import { personalMessageDigest } from "../../../support/personalMessage.ts";
import {
  accountOfPrivateKey,
  isPersonalSignatureOf,
  recoverPersonalSigner,
  signPersonalMessage,
} from "../../../support/signatures.ts";
import { bytes, vectors } from "../vectors.ts";
import { fraction, lowerHex, termsOf, type VectorFraction, type VectorTicket } from "./money.ts";

/*
 * Goal: a ticket is hashed, signed, drawn and valued exactly as the contract and the gateways do it. Method: the
 * recorded cases of the reference node, the worked examples of the payments sheet, and the packed encoding
 * written a second time in hex text.
 */

type HashCase = {
  readonly name: string;
  readonly ticket: VectorTicket;
  readonly auxData: string;
  readonly flattened: string;
  readonly hash: string;
};

/** Refused here: the contract could never take such a ticket, and a longer integer shifts the fields behind it. */
const refusedHashes = [/over 256 bits/, /^negative round/];

describe("ticket hash", () => {
  for (const [index, vector] of vectors<HashCase>("ticket-hash").entries()) {
    const isRefused = refusedHashes.some((name) => name.test(vector.name));
    test(`recorded ticket ${index} ${isRefused ? "is refused" : "is hashed"}: ${vector.name}`, () => {
      const terms = termsOf(vector.ticket);
      if (isRefused) {
        expect(() => ticketHash(terms, vector.ticket.senderNonce)).toThrow();
        return;
      }
      expect(toHex(auxData(terms.expiration))).toBe(lowerHex(vector.auxData));
      expect(toHex(ticketPreimage(terms, vector.ticket.senderNonce))).toBe(lowerHex(vector.flattened));
      expect(toHex(ticketHash(terms, vector.ticket.senderNonce))).toBe(lowerHex(vector.hash));
    });
  }

  test("payments check 1: the hashes of E1", () => {
    const hash = (change: Partial<TicketTerms>, nonce: number) =>
      plainHex(ticketHash({ ...emptyTerms, ...change }, nonce));
    expect(hash({}, 4_294_967_295)).toBe("e1393fc7f6de093780674022f96cb8e3872235167d037c04d554e58c0e63d280");
    expect(hash({}, 1)).toBe("ce0918ba94518293e9712effbe5fca4f1f431089833a5b8c257cb1e024595f68");
    expect(hash({ faceValue: 1n, winProb: 500n }, 0)).toBe(
      "87ef13f2d37e4d5352a01d3c77b8179d80e0887f1953bfabfd0bfd7b0f689ddd",
    );
    const creationRoundBlockHash = bytes("41b1a0649752af1b28b3dc29a1556eee781e4a4c3a1f7f53f90fa834de098c4d");
    expect(hash({ expiration: { creationRound: 10n, creationRoundBlockHash } }, 0)).toBe(
      "e502907c16036ab3d11b78c5a2e93c20f3d6415c67f91de4ed01348182b3b2e2",
    );
  });

  test("payments check 1: aux data is empty only without round and hash", () => {
    const zero = new Uint8Array(32);
    expect(auxData({ creationRound: 0n, creationRoundBlockHash: zero })).toHaveLength(0);
    expect(auxData({ creationRound: 5n, creationRoundBlockHash: zero })).toHaveLength(64);
    const lastBit = uint256Bytes(1n);
    expect(auxData({ creationRound: 0n, creationRoundBlockHash: lastBit })).toHaveLength(64);
  });

  test("any ticket is packed as the contract packs it, its nonce at offset 104", () => {
    const hex = (length: number) => fc.uint8Array({ minLength: length, maxLength: length }).map(plainHex);
    const uint256 = fc.bigInt({ min: 0n, max: maxWinProb });
    const ticket = fc.record({
      recipient: hex(20),
      sender: hex(20),
      faceValue: uint256,
      winProb: uint256,
      senderNonce: fc.integer({ min: 0, max: 2 ** 32 - 1 }),
      recipientRandHash: hex(32),
      creationRound: fc.oneof(fc.constant(0n), fc.bigInt({ min: 0n, max: 2n ** 63n - 1n })),
      creationRoundBlockHash: fc.oneof(fc.constant("00".repeat(32)), hex(32)),
    });
    fc.assert(
      fc.property(ticket, (some) => {
        const terms = termsOf({
          ...some,
          faceValue: String(some.faceValue),
          winProb: String(some.winProb),
          creationRound: String(some.creationRound),
        });
        const preimage = ticketPreimage(terms, some.senderNonce);
        expect(plainHex(preimage)).toBe(naivePreimage(some));
        expect([168, 232]).toContain(preimage.length);
        const patched = ticketPreimage(terms, 0);
        patched.set(uint256Bytes(BigInt(some.senderNonce)), PREIMAGE_NONCE_OFFSET);
        expect(patched).toEqual(preimage);
      }),
    );
  });

  test("fields of another size are bugs", () => {
    const bad: readonly Partial<TicketTerms>[] = [
      { recipient: new Uint8Array(19) },
      { sender: new Uint8Array(21) },
      { faceValue: 2n ** 256n },
      { faceValue: -1n },
      { winProb: 2n ** 256n },
      { recipientRandHash: new Uint8Array(33) },
      { expiration: { creationRound: -1n, creationRoundBlockHash: new Uint8Array(32) } },
      { expiration: { creationRound: 2n ** 63n, creationRoundBlockHash: new Uint8Array(32) } },
      { expiration: { creationRound: 1n, creationRoundBlockHash: new Uint8Array(31) } },
    ];
    for (const change of bad) expect(() => ticketPreimage({ ...emptyTerms, ...change }, 0)).toThrow();
    for (const nonce of [-1, 2 ** 32, 0.5, Number.NaN])
      expect(() => ticketPreimage(emptyTerms, nonce)).toThrow();
  });
});

type SignCase = {
  readonly privateKey: string;
  readonly address: string;
  readonly ticket: VectorTicket;
  readonly hash: string;
  readonly message: string;
  readonly digest: string;
  readonly sig: string;
};
type VerifyCase = {
  readonly name: string;
  readonly address: string;
  readonly message: string;
  readonly sig: string;
  readonly ok: boolean;
  readonly recovered: string | null;
};

describe("ticket signature", () => {
  test("recorded tickets are signed byte for byte", () => {
    for (const { privateKey, address, ticket, hash, digest, sig } of vectors<SignCase>(
      "ticket-signature",
      "sign-ticket",
    )) {
      const own = ticketHash(termsOf(ticket), ticket.senderNonce);
      expect(toHex(own)).toBe(lowerHex(hash));
      expect(toHex(personalMessageDigest(own))).toBe(lowerHex(digest));
      expect(toHex(signPersonalMessage(own, bytes(privateKey)))).toBe(lowerHex(sig));
      expect(isPersonalSignatureOf(own, bytes(sig), bytes(address))).toBe(true);
    }
  });

  test("recorded messages of other lengths are signed byte for byte", () => {
    for (const { privateKey, message, sig } of vectors<SignCase>("ticket-signature", "sign-message")) {
      expect(toHex(signPersonalMessage(bytes(message), bytes(privateKey)))).toBe(lowerHex(sig));
    }
  });

  test("recorded verdicts on signatures, good and bad", () => {
    for (const vector of vectors<VerifyCase>("ticket-signature", "verify")) {
      const { name, address, message, sig, ok, recovered } = vector;
      const signer = recoverPersonalSigner(bytes(message), bytes(sig));
      const isOurs = isPersonalSignatureOf(bytes(message), bytes(sig), bytes(address));
      expect([name, isOurs]).toEqual([name, ok]);
      expect([name, signer && toHex(signer)]).toEqual([name, recovered && lowerHex(recovered)]);
    }
  });

  test("payments check 3: the ticket of E3", () => {
    const hash = ticketHash(e2Terms, 1);
    expect(plainHex(hash)).toBe("9b2309bec9ac4e5d9505d6a58c86771667c7773d47d1b9df546e6b60aefc1edd");
    expect(plainHex(personalMessageDigest(hash))).toBe(
      "6e54fa9bfb3ae67bcbef6a9d25f0fed0382f4b8a85cb2c4cfe702e980dfe0eb5",
    );
    const signature = signPersonalMessage(hash, uint256Bytes(1n));
    expect(plainHex(signature)).toBe(
      "79520a8e51577c2f8df81906e440ece4173c4e017bd75f4bc9f2afe6a8c71be3" +
        "6bef2c7c1fa54429e4de402caca0b989e6e4aa4cea5e5c7206241201a389ef4d1b",
    );
    const sender = accountOfPrivateKey(uint256Bytes(1n));
    expect(sender).toEqual(e2Terms.sender);
    expect(isPersonalSignatureOf(hash, signature, sender)).toBe(true);
    for (const v of [0, 1, 28]) {
      expect(isPersonalSignatureOf(hash, signature.with(64, v), sender)).toBe(false);
    }
    for (const length of [64, 66]) {
      const other = new Uint8Array(length);
      other.set(signature.subarray(0, length));
      expect(isPersonalSignatureOf(hash, other, sender)).toBe(false);
    }
    expect(isPersonalSignatureOf(hash, highTwin(signature), sender)).toBe(false);
    const rand = bytes("40390693d701b20384943e74350b9a8e0b23e30a5acf6c5dc7c87224676bd0fb");
    expect(hexField(winDraw(signature, rand), 32)).toBe(
      "3a9dbd597df13cb483694ce224dcb6925d6182c2488cbeecb5efd77c72dcd199",
    );
    expect(isWinner(signature, rand, e2Terms.winProb)).toBe(false);
  });
});

type DrawCase = {
  readonly name: string;
  readonly sig: string;
  readonly recipientRand: string;
  readonly winProb: string;
  readonly draw: string;
  readonly wins: boolean;
};
type ValidateCase = {
  readonly name: string;
  readonly recipient: string;
  readonly ticket: VectorTicket;
  readonly sig: string;
  readonly recipientRand: string;
  readonly hash: string;
  readonly error: string | null;
  readonly wins: boolean;
};

describe("win draw", () => {
  test("recorded draws", () => {
    for (const { name, sig, recipientRand, winProb, draw, wins } of vectors<DrawCase>("ticket-win", "draw")) {
      const rand = randBytes(recipientRand);
      expect([name, String(winDraw(bytes(sig), rand))]).toEqual([name, draw]);
      expect([name, isWinner(bytes(sig), rand, BigInt(winProb))]).toEqual([name, wins]);
    }
  });

  test("recorded validations, judged in the same order", () => {
    for (const vector of vectors<ValidateCase>("ticket-win", "validate")) {
      const { name, ticket, sig, recipientRand, error, wins } = vector;
      expect(toHex(ticketHash(termsOf(ticket), ticket.senderNonce))).toBe(lowerHex(vector.hash));
      expect([name, validationError(vector)]).toEqual([name, error]);
      if (error !== null) continue;
      expect([name, isWinner(bytes(sig), randBytes(recipientRand), BigInt(ticket.winProb))]).toEqual([
        name,
        wins,
      ]);
    }
  });

  test("payments check 4: the tickets of E4, and a draw equal to the win probability loses", () => {
    const rand = bytes("c7519c5d0f4b3a58bff53249f70b6990b3b53196ae49fa580c5e0c86dffa72ae");
    const recipientHash = recipientRandHash(rand);
    expect(plainHex(recipientHash)).toBe("09dc1051af338d9527bee3def36f03aaa2be756d847b8f0e574dd1eda558a838");
    const winProb = BigInt(`0x8${"0".repeat(55)}ccc0b000`);
    const terms = { ...e2Terms, faceValue: 16_000_000_000n, winProb, recipientRandHash: recipientHash };
    const signatures = [1, 2, 3, 4].map((nonce) =>
      signPersonalMessage(ticketHash(terms, nonce), uint256Bytes(1n)),
    );
    expect(signatures.map((signature) => isWinner(signature, rand, winProb))).toEqual([
      false,
      false,
      true,
      true,
    ]);
    const draws = signatures.map((signature) => hexField(winDraw(signature, rand), 32));
    expect(draws.map((draw) => draw.slice(0, 8))).toEqual(["a1f8e8be", "8e6ecb2a", "7bba3e90", "5123dbb5"]);
    expect(draws[2]).toBe("7bba3e907b1fcb13869ee19a7ce1ce671b54b7f9329cf21f3670e2c8b9cf23ea");
    expect(plainHex(ticketHash(terms, 3))).toBe(
      "445614fa73449f6acb6eece257aa43c5dd337a5a9abbf3d9d447e1ee9a61582c",
    );
    const third = signatures[2] ?? new Uint8Array(0);
    const draw = winDraw(third, rand);
    expect([isWinner(third, rand, draw), isWinner(third, rand, draw + 1n)]).toEqual([false, true]);
  });

  test("the draw hashes the signature as it is, then the number in 32 bytes", () => {
    const rand = uint256Bytes(5n);
    const signature = Uint8Array.of(1, 2, 3);
    const naive = keccak_256(Uint8Array.from([1, 2, 3, ...Array(31).fill(0), 5]));
    expect(winDraw(signature, rand)).toBe(bigintOfBytes(naive));
  });
});

type ValueCase = { readonly faceValue: string; readonly winProb: string; readonly ev: VectorFraction };

describe("ticket value", () => {
  test("recorded expected values, exact", () => {
    for (const { faceValue, winProb, ev } of vectors<ValueCase>("ev", "ticketEV")) {
      const value = ticketValue(BigInt(faceValue), BigInt(winProb));
      expect(value).toEqual(fraction(ev));
    }
  });

  test("the value is face value times probability over 2²⁵⁶ − 1, the whole face value at the most", () => {
    fc.assert(
      fc.property(
        fc.bigInt({ min: 0n, max: maxWinProb }),
        fc.bigInt({ min: 0n, max: maxWinProb }),
        (face, prob) => {
          const { numerator, denominator } = ticketValue(face, prob);
          expect(isSameFraction([numerator, denominator], [face * prob, 2n ** 256n - 1n])).toBe(true);
        },
      ),
    );
    expect(ticketValue(77n, maxWinProb)).toEqual(rational(77n));
    expect(ticketValue(77n, 0n)).toEqual(rational(0n));
  });
});

const emptyTerms: TicketTerms = {
  recipient: new Uint8Array(20),
  sender: new Uint8Array(20),
  faceValue: 0n,
  winProb: 0n,
  recipientRandHash: new Uint8Array(32),
  expiration: { creationRound: 0n, creationRoundBlockHash: new Uint8Array(32) },
};

/** The params of worked example E2. */
const e2Terms: TicketTerms = {
  recipient: bytes("73aed7b5deb30222fa896f399d46cc99c7bee57f"),
  sender: bytes("7e5f4552091a69125d5dfcb7b8c2659029395bdf"),
  faceValue: 1_200_000_000_000_000n,
  winProb: 771947261582107969490473233391252719021799897770937093596383896000000000n,
  recipientRandHash: bytes("9a322f46bf481e6c9ad7eca35f20345890ea16b5e9f1f14aa8296f0054cd8cc2"),
  expiration: {
    creationRound: 3700n,
    creationRoundBlockHash: bytes("9e6e62b985c63016ad28c9fd9ef1f8716a9de0a20b808087bb516dfa6aac4f02"),
  },
};

/** 32 bytes; one recorded number is longer, which shows that the draw takes it as it is. */
function randBytes(decimal: string): Uint8Array {
  const value = BigInt(decimal);
  return value > maxWinProb ? minimalBytes(value) : uint256Bytes(value);
}

/** Rows 4 to 7 of payments sheet 3.4. */
function validationError(vector: ValidateCase): string | null {
  const { ticket } = vector;
  const terms = termsOf(ticket);
  if (lowerHex(ticket.recipient) !== lowerHex(vector.recipient)) return paymentTexts.badRecipient;
  if (terms.sender.every((byte) => byte === 0)) return paymentTexts.badSender;
  const randHash = recipientRandHash(uint256Bytes(BigInt(vector.recipientRand)));
  if (toHex(randHash) !== lowerHex(ticket.recipientRandHash)) return paymentTexts.badRand;
  const hash = ticketHash(terms, ticket.senderNonce);
  return isPersonalSignatureOf(hash, bytes(vector.sig), terms.sender) ? null : paymentTexts.badSignature;
}

/** The same signature with the other S. */
function highTwin(signature: Uint8Array): Uint8Array {
  const order = 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141n;
  const twin = signature.with(64, (signature[64] ?? 0) === 27 ? 28 : 27);
  twin.set(uint256Bytes(order - bigintOfBytes(signature.subarray(32, 64))), 32);
  return twin;
}
