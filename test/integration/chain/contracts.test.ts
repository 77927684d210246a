import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { type Abi, concatHex, keccak256, parseEther, toEventSelector, toFunctionSelector } from "viem";
import {
  aggregatorAbi,
  bondingManagerAbi,
  controllerAbi,
  livepeerGovernorAbi,
  livepeerTokenAbi,
  minterAbi,
  pollAbi,
  roundsManagerAbi,
  serviceRegistryAbi,
  ticketBrokerAbi,
} from "../../../src/chain/abi.ts";
import { localIdentity } from "../../../src/chain/localIdentity.ts";
import { concatBytes, fromHex, toHex, uint256Bytes } from "../../../src/protocol/bytes.ts";
import { compileContracts } from "../../support/chain/compileContracts.ts";
import {
  type DevChain,
  type RedeemableTicket,
  type SignedTicket,
  startDevChain,
} from "../../support/chain/devChain.ts";

/*
 * Goal: our test contracts are a fair stand-in. Method: their selectors are those of the deployed contracts (where
 * the recorded ABIs are at hand), and redeeming refuses in the order and the words that Livepeer's TicketBroker has.
 */

// Whoever comes first compiles the contracts, which takes seconds on a busy machine.
setDefaultTimeout(120_000);

const ours: Readonly<Record<string, Abi>> = {
  Controller: controllerAbi,
  RoundsManager: roundsManagerAbi,
  BondingManager: bondingManagerAbi,
  TicketBroker: ticketBrokerAbi,
  ServiceRegistry: serviceRegistryAbi,
  LivepeerToken: livepeerTokenAbi,
  Minter: minterAbi,
  LivepeerGovernor: livepeerGovernorAbi,
  Poll: pollAbi,
  AggregatorV3: aggregatorAbi,
};

/** What tests do to our contracts and nobody can to the real ones. */
const affordances: ReadonlySet<string> = new Set([
  ...["setTranscoderPoolSize", "forgetTranscoderPoolSize", "setActive", "setBlockHashForRound"],
  ...["setInflation", "setL1CirculatingSupply", "setAnswer"],
]);

/** Of LIP-118, which is younger than the recorded ABIs. */
const rewardCaller: ReadonlySet<string> = new Set([
  ...["setRewardCaller", "rewardForTranscoder", "rewardForTranscoderWithHint", "transcoderToRewardCaller"],
  "RewardCallerSet",
]);

type Fragment = { readonly name: string; readonly about: string };

/**
 * Every function, event and error of a contract by its selector or topic, with what else must agree: the types of
 * outputs, which arguments are indexed.
 */
function fragmentsOf(abi: Abi): ReadonlyMap<string, Fragment> {
  return new Map(
    abi.flatMap((item): readonly (readonly [string, Fragment])[] => {
      if (item.type === "function") {
        const outputs = JSON.stringify(item.outputs.map(typeOf));
        return [[toFunctionSelector(item), { name: item.name, about: outputs }]];
      }
      if (item.type === "event") {
        const indexed = JSON.stringify(item.inputs.map((input) => input.indexed === true));
        return [[toEventSelector(item), { name: item.name, about: indexed }]];
      }
      if (item.type !== "error") return [];
      const words = `${item.name}(${item.inputs.map(({ type }) => type).join(",")})`;
      return [[toFunctionSelector(`function ${words}`), { name: item.name, about: "error" }]];
    }),
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

test("everything that we read, call and listen to is of the contracts, with the same outputs", async () => {
  await using chain = await startDevChain();
  for (const [name, abi] of Object.entries(ours)) {
    const theirs = fragmentsOf(chain.contracts[name]?.abi ?? []);
    for (const [selector, fragment] of fragmentsOf(abi)) {
      expect(theirs.get(selector)?.about, `${name}.${fragment.name}`).toBe(fragment.about);
    }
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

  function signedOf(ticket: RedeemableTicket): SignedTicket {
    return { ticket, signature: sign(ticket), recipientRand: rand };
  }

  test("a batch pays the good ones and passes over the others without a word", async () => {
    await using chain = await openFunded(10_000n, 0n);
    const good = await ticketOf(chain);
    const used = await ticketOf(chain, { senderNonce: 2n });
    await chain.redeem(used, sign(used), rand);
    const batch = [
      signedOf(used),
      signedOf({ ...good, winProb: 0n, senderNonce: 3n }),
      signedOf(good),
      { ...signedOf({ ...good, senderNonce: 4n }), signature: new Uint8Array(65) },
      signedOf({ ...good, auxData: concatBytes(uint256Bytes(1n), uint256Bytes(1n)), senderNonce: 5n }),
      signedOf({ ...good, senderNonce: 6n }),
    ];
    const { block } = await chain.batchRedeem(batch);
    const redeemed = await chain.logs("TicketBroker", "WinningTicketRedeemed", block);
    expect(redeemed.map(({ args }) => args["senderNonce"])).toEqual([1n, 6n]);
    expect(await chain.feesOf(recipient)).toBe(3_000n);
  });

  test("a batch fails as a whole when the round is not initialised or the protocol is paused", async () => {
    await using chain = await openFunded(10_000n, 0n);
    const words = async (batch: readonly SignedTicket[]) =>
      chain.batchRedeem(batch).then(
        () => "redeemed",
        (error: unknown) => String(error),
      );
    const one = signedOf(await ticketOf(chain));
    await chain.mine(50);
    expect(await words([one])).toContain("current round is not initialized");
    await chain.initializeRound();
    await chain.write("Controller", "pause", []);
    expect(await words([one])).toContain("system is paused");
    await chain.write("Controller", "unpause", []);
    expect(await words([one])).toBe("redeemed");
  });

  // Goal: what a batch saves on our contracts is what it saves on the real ones (chain sheet 11.5: 134.6k + 80.55k a
  // ticket against 198k each). Method: the same orchestrator in a pool of 63, with a reward in between.
  test("what a batch of 5 and of 20 costs, by ticket", async () => {
    await using chain = await startDevChain();
    await chain.register(toHex(recipient), parseEther("5000"), { feeShare: 500_000n });
    await chain.addOrchestrators(62);
    await chain.setRound(2n);
    await chain.fund(gateway.account, 10n ** 9n, 10n ** 9n);
    const auxData = concatBytes(uint256Bytes(2n), await roundHash(chain, 2n));
    let senderNonce = 0n;
    const next = async () => {
      senderNonce += 1n;
      return signedOf(await ticketOf(chain, { auxData, senderNonce }));
    };
    const single = async () => {
      const { ticket, signature } = await next();
      return (await chain.redeem(ticket, signature, rand)).gasUsed;
    };
    const batch = async (count: number) => {
      const tickets: SignedTicket[] = [];
      while (tickets.length < count) tickets.push(await next());
      return (await chain.batchRedeem(tickets)).gasUsed;
    };
    const first = await single();
    const usual = await single();
    console.log(`gas of one ticket: ${first} first in a round, ${usual} after`);
    console.log("tickets in a batch      gas  by ticket  of one by one");
    const shares = new Map<number, number>();
    for (const count of [1, 2, 5, 20, 40]) {
      const gas = Number(await batch(count));
      shares.set(count, gas / count / Number(usual));
      const columns = [
        `${count}`.padStart(18),
        `${gas}`.padStart(8),
        `${Math.round(gas / count)}`.padStart(10),
      ];
      console.log(`${columns.join(" ")} ${((shares.get(count) ?? 0) * 100).toFixed(1).padStart(13)} %`);
    }
    expect(shares.get(5)).toBeLessThanOrEqual(0.6);
    expect(shares.get(20)).toBeLessThanOrEqual(0.45);
    // Neither may they be much cheaper than the real ones: a plan that pays here must pay there.
    expect(Number(usual)).toBeGreaterThan(170_000);
    expect(shares.get(20)).toBeGreaterThan(0.38);
  });
});

// The ABIs of the deployed contracts do not travel with the repository: this runs where they are at hand.
const abiDir = process.env["REPRISE_ABI_DIR"] ?? join(import.meta.dir, "../../../../shared/abi");
const deployed = existsSync(abiDir);
if (!deployed) console.log(`skipped: the deployed contracts' ABIs are not at hand (REPRISE_ABI_DIR)`);

function recorded(name: string): ReadonlyMap<string, Fragment> {
  const file = name === "AggregatorV3" ? "AggregatorV3Interface" : name;
  return fragmentsOf(JSON.parse(readFileSync(join(abiDir, `${file}.json`), "utf8")));
}

test.skipIf(!deployed)("everything that we read, call and listen to is of the deployed contracts", () => {
  for (const [name, abi] of Object.entries(ours)) {
    const theirs = recorded(name);
    for (const [selector, fragment] of fragmentsOf(abi)) {
      if (rewardCaller.has(fragment.name)) continue;
      expect(theirs.get(selector)?.about, `${name}.${fragment.name}`).toBe(fragment.about);
    }
  }
});

test.skipIf(!deployed)(
  "our contracts have nothing that the deployed ones lack, but for what tests do",
  async () => {
    const contracts = await compileContracts();
    const names = ["ManagerProxy", "PollCreator", "L2LPTDataCache", ...Object.keys(ours)];
    for (const name of names) {
      const theirs = recorded(name);
      for (const [selector, fragment] of fragmentsOf(contracts[name]?.abi ?? [])) {
        if (affordances.has(fragment.name) || rewardCaller.has(fragment.name)) continue;
        // All of ours say where the Controller is and what they are a target of; of theirs only those with a proxy.
        if (["targetContractId", "controller"].includes(fragment.name)) continue;
        expect(theirs.get(selector)?.about, `${name}.${fragment.name}`).toBe(fragment.about);
      }
    }
  },
);
