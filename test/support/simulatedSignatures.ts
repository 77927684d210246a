import { keccak_256 } from "@noble/hashes/sha3";
import { bigintOfBytes } from "../../src/protocol/integerBytes.ts";
import { isWinner, PREIMAGE_NONCE_OFFSET, TICKET_SIGNATURE_BYTES } from "../../src/protocol/ticket.ts";
import type { Identity, TicketBatch, TicketVerifier } from "../../src/runtime/ports.ts";
import type { Chance, Owner, SimulatedTime } from "./simulatedTime.ts";

/*
 * Signatures that cost next to nothing: with secp256k1 a seed would take minutes. Whoever knows an account can sign
 * for it here, and only the gateways of the simulation sign. The draw is the real one, over these bytes. The real
 * signatures are tested in `test/unit/native` and with real nodes.
 */

/** 65 bytes that only this account and this message give. */
export function simulatedSignature(account: Uint8Array, message: Uint8Array): Uint8Array {
  const r = new Bun.CryptoHasher("sha256").update(account).update(message).digest();
  const s = new Bun.CryptoHasher("sha256").update(r).digest();
  const signature = new Uint8Array(TICKET_SIGNATURE_BYTES).fill(27);
  signature.set(r, 0);
  signature.set(s, 32);
  return signature;
}

/** The identity of a node with an account, on simulated signatures. */
export function simulatedIdentity(account: Uint8Array): Identity {
  return {
    account,
    sign: (message) => simulatedSignature(account, message),
    isSignedBy: (message, signature, signer) =>
      Buffer.compare(simulatedSignature(signer, message), signature) === 0,
  };
}

/** What the verifier found: tickets that are signed and have won, by hash. */
export type Wins = Set<string>;

/**
 * Verifies tickets off the event loop, in virtual time: each batch takes its own time, so that batches of different
 * gateways overtake each other. Small ones are often verified at once, as by the real verifier.
 */
export class SimulatedVerifier implements TicketVerifier {
  readonly #options: {
    readonly time: SimulatedTime;
    readonly chance: Chance;
    readonly process: Owner;
    readonly wins: Wins;
  };

  constructor(options: {
    readonly time: SimulatedTime;
    readonly chance: Chance;
    readonly process: Owner;
    readonly wins: Wins;
  }) {
    this.#options = options;
  }

  verify(batch: TicketBatch): Promise<Uint8Array> | Uint8Array {
    const { time, chance, process } = this.#options;
    const verdicts = this.#verdicts(batch);
    if (batch.nonces.length <= 4 && chance.isTrue(0.5)) return verdicts;
    const delayMs = chance.pick([0, chance.between(0, 20), chance.between(0, 400)]);
    return new Promise((resolve) => time.schedule(delayMs, process, () => resolve(verdicts)));
  }

  #verdicts({ preimage, sender, recipientRand, winProb, nonces, signatures }: TicketBatch): Uint8Array {
    const bytes = Uint8Array.from(preimage);
    const view = new DataView(bytes.buffer);
    return Uint8Array.from(nonces, (nonce, index) => {
      view.setUint32(PREIMAGE_NONCE_OFFSET + 28, nonce);
      const hash = keccak_256(bytes);
      const signature = signatures.subarray(
        index * TICKET_SIGNATURE_BYTES,
        (index + 1) * TICKET_SIGNATURE_BYTES,
      );
      if (Buffer.compare(simulatedSignature(sender, hash), signature) !== 0) return 0;
      if (!isWinner(signature, recipientRand, bigintOfBytes(winProb))) return 1;
      this.#options.wins.add(`0x${Buffer.from(hash).toString("hex")}`);
      return 2;
    });
  }
}
