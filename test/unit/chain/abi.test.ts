import { describe, expect, test } from "bun:test";
import {
  type Abi,
  type AbiEvent,
  type AbiFunction,
  toEventSelector,
  toEventSignature,
  toFunctionSelector,
  toFunctionSignature,
} from "viem";
import {
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
import recorded from "../../vectors/abi.json";
import transactions from "../../vectors/eth-tx.json";

// Goal: every fragment is the deployed contract's. Method: selectors, topics and indexed marks of recorded ABIs.

type Recorded = {
  readonly functions: Readonly<Record<string, string>>;
  readonly events: Readonly<Record<string, { readonly topic: string; readonly indexed: string }>>;
  readonly errors: Readonly<Record<string, string>>;
};

const contracts: Readonly<Record<keyof typeof recorded.contracts, Abi>> = {
  Controller: controllerAbi,
  RoundsManager: roundsManagerAbi,
  BondingManager: bondingManagerAbi,
  TicketBroker: ticketBrokerAbi,
  ServiceRegistry: serviceRegistryAbi,
  LivepeerToken: livepeerTokenAbi,
  Minter: minterAbi,
  LivepeerGovernor: livepeerGovernorAbi,
  Poll: pollAbi,
};

/** LIP-118 is newer than the recorded ABI. Source: LIP-118, interface of BondingManager. */
const rewardCaller = [
  "setRewardCaller(address)",
  "rewardForTranscoder(address)",
  "rewardForTranscoderWithHint(address,address,address)",
  "transcoderToRewardCaller(address)",
  "RewardCallerSet(address,address)",
];

describe.each(Object.entries(contracts))("%s", (name, abi) => {
  const known: Recorded = recorded.contracts[name as keyof typeof recorded.contracts];

  test("every function, event and error is the deployed one", () => {
    for (const item of abi) {
      if (item.type === "function" && !rewardCaller.includes(toFunctionSignature(item))) {
        expect([item.name, known.functions[toFunctionSignature(item)]]).toEqual([
          item.name,
          toFunctionSelector(item),
        ]);
      }
      if (item.type === "event" && !rewardCaller.includes(toEventSignature(item))) {
        const indexed = item.inputs.map((input) => (input.indexed === true ? "1" : "0")).join("");
        expect([item.name, known.events[toEventSignature(item)]]).toEqual([
          item.name,
          { topic: toEventSelector(item), indexed },
        ]);
      }
      if (item.type === "error") {
        const asFunction: AbiFunction = { ...item, type: "function", outputs: [], stateMutability: "view" };
        expect(known.errors[toFunctionSignature(asFunction)]).toBe(toFunctionSelector(asFunction));
      }
    }
  });
});

test("the reward caller of LIP-118 is there, with both accounts indexed", () => {
  const signatures = bondingManagerAbi.flatMap((item) =>
    item.type === "function" ? [toFunctionSignature(item)] : [toEventSignature(item)],
  );
  for (const signature of rewardCaller) expect(signatures).toContain(signature);
  const set = bondingManagerAbi.find(
    (item): item is typeof item & AbiEvent => item.name === "RewardCallerSet",
  );
  expect(set?.inputs.map((input) => input.indexed)).toEqual([true, true]);
});

test("topics that the reference node was seen to use are ours", () => {
  const events: readonly AbiEvent[] = [...ticketBrokerAbi, ...roundsManagerAbi].filter(
    (item) => item.type === "event",
  );
  const rows = transactions.cases.filter((row) => row.kind === "event");
  expect(rows).toHaveLength(8);
  for (const { event, topic0 } of rows) {
    const ours = events.find((item) => toEventSignature(item) === event);
    expect(`${event} ${ours === undefined ? null : toEventSelector(ours)}`).toBe(`${event} ${topic0}`);
  }
});
