import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { type Abi, concatHex, keccak256, toFunctionSelector } from "viem";
import {
  aggregatorAbi,
  bondingManagerAbi,
  controllerAbi,
  roundsManagerAbi,
  ticketBrokerAbi,
} from "../../../src/chain/abi.ts";
import { localIdentity } from "../../../src/chain/localIdentity.ts";
import { concatBytes, fromHex, toHex, uint256Bytes } from "../../../src/protocol/bytes.ts";
import { type DevChain, type RedeemableTicket, startDevChain } from "../../support/chain/devChain.ts";

/*
 * Goal: our test contracts are a fair stand-in. Method: their selectors are those of the deployed contracts (where
 * the recorded ABIs are at hand), and redeeming refuses in the order and the words that Livepeer's TicketBroker has.
 */

// Whoever comes first compiles the contracts, which takes seconds on a busy machine.
setDefaultTimeout(30_000);

const ours: Readonly<Record<string, Abi>> = {
  Controller: controllerAbi,
  RoundsManager: roundsManagerAbi,
  BondingManager: bondingManagerAbi,
  TicketBroker: ticketBrokerAbi,
  AggregatorV3: aggregatorAbi,
};

/** Selector and full signature with outputs of each function, by its name. */
function functionsOf(abi: Abi): ReadonlyMap<string, string> {
  return new Map(
    abi.flatMap((item) =>
      item.type === "function"
        ? [[toFunctionSelector(item), JSON.stringify(item.outputs.map(typeOf))] as const]
        : [],
    ),
  );
}

function typeOf(parameter: {
  readonly type: string;
  readonly components?: readonly { type: string }[];
}): unknown {
  return parameter.components === undefined
    ? parameter.type
    : [parameter.type, parameter.components.map(typeOf)];
}

test("every function that we read is one of the contracts', with the same outputs", async () => {
  await using chain = await startDevChain();
  for (const [name, abi] of Object.entries(ours)) {
    const theirs = functionsOf(chain.contracts[name]?.abi ?? []);
    for (const [selector, outputs] of functionsOf(abi)) expect(theirs.get(selector)).toBe(outputs);
  }
});

test("chain check 1: the name's hash is its id, and the Controller knows it", async () => {
  expect(keccak256("0x426f6e64696e674d616e61676572")).toBe(
    "0x2517d59a36a86548e38734e8ab416f42afff4bca78706a66ad65750dae7f9e37",
  );
  await using chain = await startDevChain();
  const answer = await chain.call(chain.controller, controllerAbi, "getContract", [
    "0x2517d59a36a86548e38734e8ab416f42afff4bca78706a66ad65750dae7f9e37",
  ]);
  expect(answer.slice(-40)).toBe(chain.bondingManager.slice(2).toLowerCase());
});

describe("redeemWinningTicket", () => {
  const gateway = localIdentity(new Uint8Array(32).fill(7));
  const recipient = new Uint8Array(20).fill(0xaa);
  const rand = new Uint8Array(32).fill(9);
  const alwaysWins = 2n ** 256n - 1n;

  async function roundHash(chain: DevChain, round: bigint): Promise<Uint8Array> {
    return fromHex(
      await chain.call(chain.roundsManager, roundsManagerAbi, "blockHashForRound", [round]),
    ) as Uint8Array;
  }

  async function ticketOf(
    chain: DevChain,
    changes: Partial<RedeemableTicket> = {},
  ): Promise<RedeemableTicket> {
    return {
      ...{ recipient, sender: gateway.account, faceValue: 1_000n, winProb: alwaysWins, senderNonce: 1n },
      recipientRandHash: fromHex(keccak256(toHex(rand))) as Uint8Array,
      auxData: concatBytes(uint256Bytes(1n), await roundHash(chain, 1n)),
      ...changes,
    };
  }

  function sign(ticket: RedeemableTicket): Uint8Array {
    const preimage = concatHex([
      toHex(ticket.recipient),
      toHex(ticket.sender),
      toHex(uint256Bytes(ticket.faceValue)),
      toHex(uint256Bytes(ticket.winProb)),
      toHex(uint256Bytes(ticket.senderNonce)),
      toHex(ticket.recipientRandHash),
      toHex(ticket.auxData),
    ]);
    return gateway.sign(fromHex(keccak256(preimage)) as Uint8Array);
  }

  async function redeem(chain: DevChain, changes: Partial<RedeemableTicket> = {}): Promise<string> {
    const ticket = await ticketOf(chain, changes);
    return redeemSigned(chain, ticket, sign(ticket));
  }

  async function redeemSigned(
    chain: DevChain,
    ticket: RedeemableTicket,
    signature: Uint8Array,
  ): Promise<string> {
    try {
      await chain.redeem(ticket, signature, rand);
      return "redeemed";
    } catch (error) {
      return String(error).match(/reverted: ([^"]*)"/)?.[1] ?? String(error);
    }
  }

  async function openFunded(deposit: bigint, reserve: bigint): Promise<DevChain> {
    const chain = await startDevChain();
    await chain.setActive(recipient, true);
    await chain.fund(gateway.account, deposit, reserve);
    return chain;
  }

  test("pays from the deposit, then from the recipient's share of the reserve, then less", async () => {
    await using chain = await openFunded(1_500n, 1_000n);
    expect(await redeem(chain)).toBe("redeemed");
    expect(await chain.feesOf(recipient)).toBe(1_000n);
    // 500 of the deposit and the whole share of a reserve of 1,000 for ten orchestrators: 100.
    expect(await redeem(chain, { senderNonce: 2n })).toBe("redeemed");
    expect(await chain.feesOf(recipient)).toBe(1_600n);
    // Nothing is left for us in this round: the ticket is burnt.
    expect(await redeem(chain, { senderNonce: 3n })).toBe("redeemed");
    expect(await chain.feesOf(recipient)).toBe(1_600n);
  });

  test("refuses in Livepeer's words", async () => {
    await using chain = await openFunded(10_000n, 0n);
    const none = new Uint8Array(20);
    expect(await redeem(chain, { recipient: none })).toBe("ticket recipient is null address");
    expect(await redeem(chain, { sender: none })).toBe("ticket sender is null address");
    expect(await redeem(chain, { auxData: new Uint8Array(0) })).toBe(
      "invalid length for ticket auxData: must be 64 bytes",
    );
    expect(await redeem(chain, { auxData: concatBytes(uint256Bytes(5n), uint256Bytes(1n)) })).toBe(
      "ticket creationRound does not have a block hash",
    );
    expect(await redeem(chain, { auxData: concatBytes(uint256Bytes(1n), uint256Bytes(1n)) })).toBe(
      "ticket creationRoundBlockHash invalid for creationRound",
    );
    expect(await redeem(chain, { recipientRandHash: new Uint8Array(32) })).toBe(
      "recipientRand does not match recipientRandHash",
    );
    expect(await redeem(chain, { winProb: 0n })).toBe("ticket did not win");
    expect(await redeem(chain, { recipient: none.map(() => 1) })).toBe("transcoder must be registered");
    const ticket = await ticketOf(chain);
    const signature = sign(ticket);
    expect(await redeemSigned(chain, ticket, signature.subarray(1))).toBe("INVALID_SIGNATURE_LENGTH");
    expect(await redeemSigned(chain, { ...ticket, faceValue: 999n }, signature)).toBe(
      "invalid signature over ticket hash",
    );
    expect(
      await redeemSigned(
        chain,
        ticket,
        Uint8Array.from(signature, (byte, at) => (at === 64 ? byte - 27 : byte)),
      ),
    ).toBe("ECDSA: invalid signature");
  });

  test("chain check 47: used, of an uninitialised round, expired", async () => {
    await using chain = await openFunded(10_000n, 0n);
    expect(await redeem(chain)).toBe("redeemed");
    expect(await redeem(chain)).toBe("ticket is used");
    await chain.mine(50);
    expect(await redeem(chain, { senderNonce: 2n })).toBe("current round is not initialized");
    await chain.initializeRound();
    expect(await redeem(chain, { senderNonce: 2n })).toBe("redeemed");
    await chain.setRound(3n);
    expect(await redeem(chain, { senderNonce: 3n })).toBe("ticket is expired");
  });

  test("an unlock that has run out, and nothing to pay with", async () => {
    await using chain = await openFunded(0n, 0n);
    expect(await redeem(chain)).toBe("sender deposit and reserve are zero");
    await chain.fund(gateway.account, 5n, 5n);
    await chain.unlock(gateway.account);
    await chain.setRound(3n);
    const auxData = concatBytes(uint256Bytes(3n), await roundHash(chain, 3n));
    expect(await redeem(chain, { auxData })).toBe("sender is unlocked");
    await chain.fund(gateway.account, 1_000n, 0n);
    expect(await redeem(chain, { auxData })).toBe("redeemed");
  });

  test("chain check 48: without an active recipient the reserve pays nothing, and the ticket is gone", async () => {
    await using chain = await openFunded(0n, 10n);
    await chain.setActive(recipient, false);
    expect(await redeem(chain)).toBe("redeemed");
    expect(await chain.feesOf(recipient)).toBe(0n);
    expect(await redeem(chain)).toBe("ticket is used");
  });
});

// The ABIs of the deployed contracts do not travel with the repository: this runs where they are at hand.
const abiDir = process.env["REPRISE_ABI_DIR"] ?? join(import.meta.dir, "../../../../shared/abi");
const deployed = existsSync(abiDir);
if (!deployed) console.log(`skipped: the deployed contracts' ABIs are not at hand (REPRISE_ABI_DIR)`);
test.skipIf(!deployed)("every function that we read is one of the deployed contracts'", () => {
  for (const [name, abi] of Object.entries(ours)) {
    const file = name === "AggregatorV3" ? "AggregatorV3Interface" : name;
    const theirs = functionsOf(JSON.parse(readFileSync(join(abiDir, `${file}.json`), "utf8")));
    for (const [selector, outputs] of functionsOf(abi)) expect(theirs.get(selector)).toBe(outputs);
  }
});
