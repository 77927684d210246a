import { expect, test } from "bun:test";
import { keccak_256 } from "@noble/hashes/sha3";
import { accountOfPrivateKey, recoverPersonalSigner, signPersonalMessage } from "../../support/signatures.ts";
import { checksumHex } from "../../../src/protocol/account.ts";
import { toHex } from "../../../src/protocol/bytes.ts";
import { personalMessageDigest } from "../../support/personalMessage.ts";
import { isNonRetryable, nonRetryableTexts, resultTexts, segmentTexts } from "../../../src/protocol/texts.ts";
import { renditionsFault, resultMessage } from "../../../src/protocol/transcodeResult.ts";
import { bytes, vectors } from "./vectors.ts";

type ResultCase = {
  readonly name: string;
  readonly privateKey: string;
  readonly address: string;
  readonly onChain: boolean;
  readonly renditions: readonly string[] | null;
  readonly profileCount: number;
  readonly innerHash: string;
  readonly digest: string;
  readonly sig: string;
  readonly error: string | null;
};

vectors<ResultCase>("transcode-result").forEach((vector, index) => {
  test(`recorded result, video checks 25 and 29: ${vector.name} (${index})`, () => {
    if (vector.renditions === null && vector.error !== null) {
      // The codec's own text, or that of a node without workers: passed on as it is.
      expect(
        [segmentTexts, resultTexts]
          .flatMap((texts) => Object.values<string>(texts))
          .concat(nonRetryableTexts),
      ).toContain(vector.error);
      return;
    }
    const renditions = (vector.renditions ?? []).map(bytes);
    const fault = renditionsFault(
      renditions.map((rendition) => rendition.length),
      vector.profileCount,
    );
    expect(fault).toBe(vector.error);
    if (vector.error !== null) return;
    const message = resultMessage(renditions.map((rendition) => keccak_256(rendition)));
    expect<string>(toHex(message)).toBe(vector.innerHash);
    expect<string>(toHex(personalMessageDigest(message))).toBe(vector.digest);
    if (!vector.onChain) return expect(vector.sig).toBe("0x");
    const key = bytes(vector.privateKey);
    expect<string>(toHex(signPersonalMessage(message, key))).toBe(vector.sig);
    const signer = recoverPersonalSigner(message, bytes(vector.sig));
    expect(signer && checksumHex(signer)).toBe(vector.address);
    expect(checksumHex(accountOfPrivateKey(key))).toBe(vector.address);
  });
});

test("video sheet 8.3: the texts a gateway takes as the input's fault, whole strings only", () => {
  const [recorded] = vectors<{ readonly list: readonly string[] }>("os-info", "nonRetryableErrors");
  expect(nonRetryableTexts).toEqual(recorded?.list ?? []);
  type Case = { readonly error: string; readonly nonRetryable: boolean };
  for (const { error, nonRetryable } of vectors<Case>("os-info", "nonRetryable")) {
    expect(isNonRetryable(error)).toBe(nonRetryable);
  }
  // Our own failures must send the gateway to another node.
  for (const text of Object.values(resultTexts)) expect(isNonRetryable(text)).toBe(false);
});
