import { fromBinary, toBinary } from "@bufbuild/protobuf";
import { expect, test } from "bun:test";
import { accountOfPrivateKey, isPersonalSignatureOf, signPersonalMessage } from "../../support/signatures.ts";
import { accountBytes, checksumHex } from "../../../src/protocol/account.ts";
import { toHex } from "../../../src/protocol/bytes.ts";
import {
  OrchestratorInfoSchema,
  OrchestratorRequestSchema,
  PingPongSchema,
} from "../../../src/protocol/gen/lp_rpc_pb.ts";
import { orchestratorInfo } from "../../../src/protocol/orchestratorInfo.ts";
import { orchestratorRequestMessage } from "../../../src/protocol/orchestratorRequest.ts";
import { personalMessageDigest } from "../../support/personalMessage.ts";
import { pingMessage } from "../../../src/protocol/ping.ts";
import { rpcTexts } from "../../../src/protocol/texts.ts";
import { messageDecoder } from "../../../src/protocol/wire.ts";
import { bytes, capabilitySetOf, type VectorCapabilities, vectors } from "./vectors.ts";

type RequestCase = {
  readonly name: string;
  readonly privateKey?: string;
  readonly address: string;
  readonly signedText: string;
  readonly keccakOfText: string;
  readonly digest: string;
  readonly sig: string;
  readonly bytes: string;
};

for (const vector of vectors<RequestCase>("discovery", "request")) {
  test(`recorded request of a gateway: ${vector.name}`, () => {
    const outcome = messageDecoder(OrchestratorRequestSchema)(bytes(vector.bytes));
    if (outcome.type === "malformed") throw new Error(outcome.text);
    const { message } = outcome;
    expect<string>(toHex(toBinary(OrchestratorRequestSchema, message))).toBe(vector.bytes);
    if (vector.privateKey === undefined) {
      expect(accountBytes(message.address)).toEqual(new Uint8Array(20));
      return;
    }
    const key = bytes(vector.privateKey);
    expect(checksumHex(message.address)).toBe(vector.signedText);
    const digestInput = orchestratorRequestMessage(accountOfPrivateKey(key));
    expect<string>(toHex(digestInput)).toBe(vector.keccakOfText);
    expect<string>(toHex(personalMessageDigest(digestInput))).toBe(vector.digest);
    expect<string>(toHex(signPersonalMessage(digestInput, key))).toBe(vector.sig);
    expect(isPersonalSignatureOf(digestInput, message.sig, message.address)).toBe(true);
    expect(message.ignoreCapacityCheck).toBe(vector.name.includes("refresh"));
    expect(message.capabilities === undefined).toBe(vector.name === "no capabilities");
  });
}

type VerifyCase = {
  readonly name: string;
  readonly onChain: boolean;
  readonly address: string;
  readonly sig: string;
  readonly liveSessions: number;
  readonly maxSessions: number;
  readonly getOrchestratorError: string | null;
};

for (const vector of vectors<VerifyCase>("discovery", "verify")) {
  test(`video checks 3 and 6, recorded verification: ${vector.name}`, () => {
    const account = bytes(vector.address);
    const message = orchestratorRequestMessage(account);
    const isSigned = !vector.onChain || isPersonalSignatureOf(message, bytes(vector.sig), account);
    const isCapped = vector.liveSessions >= vector.maxSessions;
    const text = !isSigned ? rpcTexts.badRequestSignature : isCapped ? rpcTexts.capped : null;
    expect(text).toBe(vector.getOrchestratorError as typeof text);
  });
}

type PingCase = {
  readonly nodePrivateKey: string;
  readonly value: string;
  readonly keccak: string;
  readonly reply: string;
  readonly replyBytes: string;
};

for (const vector of vectors<PingCase>("discovery", "ping")) {
  const value = bytes(vector.value);
  test(`video check 2, recorded ping of ${value.length} bytes`, () => {
    const message = pingMessage(value);
    if (value.length > 32) {
      // The peer signs whatever it is given; honest callers never send more than 32 bytes.
      expect(message).toBeNull();
      return;
    }
    if (message === null) throw new Error("refused");
    expect<string>(toHex(message)).toBe(vector.keccak);
    const reply = signPersonalMessage(message, bytes(vector.nodePrivateKey));
    expect<string>(toHex(reply)).toBe(vector.reply);
    expect(fromBinary(PingPongSchema, bytes(vector.replyBytes)).value).toEqual(reply);
  });
}

type AnswerCase = {
  readonly name: string;
  readonly onChain: boolean;
  readonly nodePrivateKey: string;
  readonly serviceURI: string;
  readonly nodes: readonly string[] | null;
  readonly ownCapabilities: VectorCapabilities;
  readonly answerBytes: string | null;
  readonly requestBytes: string;
};

for (const vector of vectors<AnswerCase>("discovery", "getOrchestrator")) {
  if (vector.answerBytes === null) continue;
  test(`video checks 4 and 9, recorded answer built again: ${vector.name}`, () => {
    const recorded = fromBinary(OrchestratorInfoSchema, bytes(vector.answerBytes ?? ""));
    const { authToken, ticketParams, priceInfo, hardware, capabilitiesPrices } = recorded;
    if (authToken === undefined) throw new Error("no token");
    const info = orchestratorInfo(
      {
        serviceUri: vector.serviceURI,
        account: vector.onChain ? accountOfPrivateKey(bytes(vector.nodePrivateKey)) : null,
        capabilities: capabilitySetOf(vector.ownCapabilities),
        nodes: vector.nodes ?? [],
      },
      {
        authToken,
        ...(ticketParams === undefined || priceInfo === undefined
          ? {}
          : { sale: { ticketParams, price: priceInfo } }),
        hardware,
        capabilitiesPrices,
      },
    );
    expect(info).toEqual(recorded);
    expect<string>(toHex(toBinary(OrchestratorInfoSchema, info))).toBe(vector.answerBytes ?? "");
    expect(vector.onChain).toBe(ticketParams !== undefined);
  });
}

test("checksummed addresses are those of EIP-55", () => {
  // The examples of the specification.
  const examples = [
    "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed",
    "0xfB6916095ca1df60bB79Ce92cE3Ea74c37c5d359",
    "0xdbF03B407c01E7cD3CBea99509d93f8DDDC8C6FB",
    "0xD1220A0cf47c7B9Be7A2E6BA89F429762e7b9aDb",
  ];
  for (const example of examples) expect(checksumHex(bytes(example))).toBe(example);
});
