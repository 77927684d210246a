import { describe, expect, test } from "bun:test";
import { secp256k1 } from "@noble/curves/secp256k1";
import fc from "fast-check";
import { keccak256, NativeError, recoverPersonalSigner, verifyTickets } from "../../../src/native/ffi.ts";
import { bigintOfBytes } from "../../../src/protocol/integerBytes.ts";
import { concatBytes, uint256Bytes } from "../../../src/protocol/bytes.ts";
import { ticketHash, type TicketTerms } from "../../../src/protocol/ticket.ts";
import type { TicketBatch } from "../../../src/runtime/ports.ts";
import { signPersonalMessage } from "../../support/signatures.ts";
import vectors from "../../vectors/ticket-win.json";
import { batchOf, expectedVerdicts, signedBatch } from "./ticketBatches.ts";

// Goal: the one C call that verifies and draws tickets gives the verdicts of the network.
// Method: the worked examples of the payments sheet, the recorded draws, and noble for random tickets.

const bad = 0;
const loses = 1;
const wins = 2;
const hex = (text: string): Uint8Array => new Uint8Array(Buffer.from(text, "hex"));
const privateKey = uint256Bytes(1n);

const example: TicketTerms = {
  recipient: hex("73aed7b5deb30222fa896f399d46cc99c7bee57f"),
  sender: hex("7e5f4552091a69125d5dfcb7b8c2659029395bdf"),
  faceValue: 1_200_000_000_000_000n,
  winProb: 0x6fd91d84bcda58175fdfab3d77a168e2893e4958803b6b57ae84efcbf000n,
  recipientRandHash: hex("9a322f46bf481e6c9ad7eca35f20345890ea16b5e9f1f14aa8296f0054cd8cc2"),
  expiration: { creationRound: 3700n, creationRoundBlockHash: keccak256(Buffer.from("round block")) },
};
const exampleRand = 0x40390693d701b20384943e74350b9a8e0b23e30a5acf6c5dc7c87224676bd0fbn;
const exampleSignature = hex(
  "79520a8e51577c2f8df81906e440ece4173c4e017bd75f4bc9f2afe6a8c71be3" +
    "6bef2c7c1fa54429e4de402caca0b989e6e4aa4cea5e5c7206241201a389ef4d1b",
);

function verdictsWith(...signatures: readonly Uint8Array[]): number[] {
  return signatures.flatMap((signature) => [
    ...verifyTickets(batchOf(example, Uint32Array.of(1), exampleRand, () => signature)),
  ]);
}

describe("payments checks", () => {
  test("payments check 3: the example verifies; v of 0, 1 or 28, the high-s twin, 64 and 66 bytes fail", () => {
    expect(signPersonalMessage(ticketHash(example, 1), privateKey)).toEqual(exampleSignature);
    expect(verdictsWith(exampleSignature)).toEqual([loses]);
    const withV = (v: number) => concatBytes(exampleSignature.subarray(0, 64), Uint8Array.of(v));
    expect(verdictsWith(withV(0), withV(1), withV(28), withV(29))).toEqual([bad, bad, bad, bad]);
    const s = bigintOfBytes(exampleSignature.subarray(32, 64));
    const twin = uint256Bytes(secp256k1.CURVE.n - s);
    const highS = (v: number) => concatBytes(exampleSignature.subarray(0, 32), twin, Uint8Array.of(v));
    expect(verdictsWith(highS(27), highS(28))).toEqual([bad, bad]);
    expect(verdictsWith(exampleSignature.subarray(0, 64))).toEqual([bad]);
    expect(verdictsWith(concatBytes(exampleSignature, Uint8Array.of(0)))).toEqual([bad]);
  });

  test("payments check 4: nonce 3 wins, nonce 1 loses; a draw equal to the win probability loses", () => {
    const terms: TicketTerms = {
      ...example,
      faceValue: 16_000_000_000n,
      winProb: 0x80000000000000000000000000000000000000000000000000000000ccc0b000n,
      recipientRandHash: hex("09dc1051af338d9527bee3def36f03aaa2be756d847b8f0e574dd1eda558a838"),
    };
    const rand = 0xc7519c5d0f4b3a58bff53249f70b6990b3b53196ae49fa580c5e0c86dffa72aen;
    const batch = batchOf(terms, Uint32Array.of(1, 2, 3, 4), rand, (nonce) =>
      signPersonalMessage(ticketHash(terms, nonce), privateKey),
    );
    expect([...verifyTickets(batch)]).toEqual([loses, loses, wins, wins]);

    // The draw covers signature and secret number; what the ticket itself says of its probability is signed
    // already, so the number to compare with can be set to the very draw.
    const draw = 0x7bba3e907b1fcb13869ee19a7ce1ce671b54b7f9329cf21f3670e2c8b9cf23ean;
    const third = (winProb: bigint): TicketBatch => ({
      ...batch,
      winProb: uint256Bytes(winProb),
      nonces: batch.nonces.slice(2, 3),
      signatures: batch.signatures.slice(2 * 65, 3 * 65),
    });
    expect([...verifyTickets(third(draw))]).toEqual([loses]);
    expect([...verifyTickets(third(draw + 1n))]).toEqual([wins]);
  });
});

// Method: a recorded row has a signature but no ticket. Whoever the signature makes the signer of some ticket is
// taken as its sender; then only the draw decides.
test("every recorded draw of a well-formed signature decides as recorded", () => {
  let drawn = 0;
  for (const row of vectors.cases) {
    if (row.kind !== "draw" || row.draw === undefined || row.winProb === undefined) continue;
    const [winProb, rand] = [BigInt(row.winProb), BigInt(row.recipientRand)];
    const signature = hex(row.sig.slice(2));
    const signer = recoverPersonalSigner(ticketHash(example, 5), signature);
    if (signer === null || winProb >> 256n !== 0n || rand >> 256n !== 0n) continue;
    drawn += 1;
    const batch = batchOf(example, Uint32Array.of(5), rand, () => signature);
    const verdict = verifyTickets({ ...batch, sender: signer, winProb: uint256Bytes(winProb) });
    expect(`${row.name}: ${[...verdict]}`).toBe(`${row.name}: ${row.wins ? wins : loses}`);
  }
  expect(drawn).toBeGreaterThan(40);
});

test("random tickets, some spoilt, are judged as noble judges them", () => {
  const word = fc.bigInt({ min: 0n, max: (1n << 256n) - 1n });
  const spoilt = fc.array(fc.record({ ticket: fc.nat(7), index: fc.nat(64), byte: fc.nat(255) }), {
    maxLength: 3,
  });
  fc.assert(
    fc.property(word, word, word, fc.boolean(), spoilt, (faceValue, winProb, rand, hasRound, changes) => {
      const expiration = hasRound
        ? example.expiration
        : { creationRound: 0n, creationRoundBlockHash: new Uint8Array(32) };
      const batch = signedBatch(8, { faceValue, winProb, expiration }, rand);
      for (const { ticket, index, byte } of changes) batch.signatures[ticket * 65 + index] = byte;
      expect(verifyTickets(batch)).toEqual(expectedVerdicts(batch));
    }),
    { numRuns: 60 },
  );
});

test("all 32 bits of the nonce are signed, and the nonce in the preimage does not matter", () => {
  const nonces = Uint32Array.of(0, 1, 255, 256, 65_536, 2 ** 31, 2 ** 32 - 1);
  const batch = batchOf(example, nonces, exampleRand, (nonce) =>
    signPersonalMessage(ticketHash(example, nonce), privateKey),
  );
  batch.preimage.fill(0xee, 104, 136);
  expect([...verifyTickets(batch)]).toEqual([...nonces].map(() => loses));
  const shifted = { ...batch, nonces: nonces.map((nonce) => nonce ^ 1) };
  expect([...verifyTickets(shifted)]).toEqual([...nonces].map(() => bad));
});

test("no tickets are no verdicts", () => {
  expect(verifyTickets(signedBatch(0))).toEqual(new Uint8Array(0));
});

test("lengths that do not fit together never reach C", () => {
  const batch = signedBatch(3);
  const wrong: readonly TicketBatch[] = [
    { ...batch, preimage: batch.preimage.subarray(0, 231) },
    { ...batch, preimage: new Uint8Array(0) },
    { ...batch, sender: batch.sender.subarray(1) },
    { ...batch, recipientRand: new Uint8Array(33) },
    { ...batch, winProb: new Uint8Array(31) },
    { ...batch, nonces: batch.nonces.subarray(1) },
    { ...batch, signatures: batch.signatures.subarray(1) },
  ];
  for (const one of wrong) expect(() => verifyTickets(one)).toThrow(NativeError);
});
