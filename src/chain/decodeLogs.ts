import { decodeEventLog, toEventSelector } from "viem";
import type { ChainLog, ChainLogName } from "../runtime/chainPorts.ts";
import { unreachable } from "../shared/assert.ts";
import type { Hex } from "../shared/brand.ts";
import { bondingManagerAbi, roundsManagerAbi, serviceRegistryAbi, ticketBrokerAbi } from "./abi.ts";
import { BadAnswer } from "./reads.ts";

/*
 * Logs as endpoints give them, into what they say. Only logs of our contracts count: other contracts have events with
 * the same topic. A log that is ours and cannot be read is an error and never left out, because a ledger would miss it.
 */

/** Addresses of the contracts whose logs count, in any case of letters. */
export type LogContracts = {
  readonly RoundsManager: Hex;
  readonly BondingManager: Hex;
  readonly TicketBroker: Hex;
  /** Several: the one of the Controller and the one for AI. */
  readonly registries: readonly Hex[];
};

const abis = {
  RoundsManager: roundsManagerAbi,
  BondingManager: bondingManagerAbi,
  TicketBroker: ticketBrokerAbi,
  registry: serviceRegistryAbi,
} as const;

type LogSource = keyof typeof abis;

/** Which contract has which event, by topic. */
const sources: ReadonlyMap<string, LogSource> = new Map(
  (Object.keys(abis) as LogSource[]).flatMap((source) =>
    abis[source].flatMap((item): [string, LogSource][] =>
      item.type === "event" ? [[toEventSelector(item), source]] : [],
    ),
  ),
);

/** The first topic of every event that is understood, for a filter. */
export const logTopics: readonly Hex[] = [...sources.keys()] as Hex[];

/** Every address of `contracts` once, in lower case and without the zero address, for a filter. */
export function logAddresses(contracts: LogContracts): readonly Hex[] {
  const { RoundsManager, BondingManager, TicketBroker, registries } = contracts;
  const all = [RoundsManager, BondingManager, TicketBroker, ...registries].map(lower);
  return [...new Set(all)].filter((address) => !/^0x0*$/.test(address));
}

/**
 * Logs of our contracts among `raw`, in order of block and index; twice the same counts once. Foreign logs and those
 * that a re-org took back are left out.
 *
 * @throws BadAnswer for a list that is none, a log of ours that cannot be read, and two different logs at one place
 */
export function decodeLogs(raw: unknown, contracts: LogContracts): readonly ChainLog[] {
  if (!Array.isArray(raw)) throw new BadAnswer("the RPC answered no list of logs");
  const places = new Map<string, ChainLog>();
  for (const item of raw) {
    const log = decodeLog(item, contracts);
    if (log === null) continue;
    const place = `${log.block}/${log.index}`;
    const other = places.get(place);
    if (other !== undefined && !areSame(other, log))
      throw new BadAnswer("the RPC gave two logs for one place");
    places.set(place, log);
  }
  return [...places.values()].sort((left, right) =>
    left.block === right.block ? left.index - right.index : left.block < right.block ? -1 : 1,
  );
}

/** Null for a foreign log, or one that was taken back. @throws BadAnswer when it is ours and cannot be read */
function decodeLog(raw: unknown, contracts: LogContracts): ChainLog | null {
  const fields = fieldsOf(raw);
  const address = hexField(fields["address"], 20);
  const { topics } = fields;
  if (!Array.isArray(topics) || topics.length > 4) throw new BadAnswer("the RPC gave a log without topics");
  const [first] = topics;
  if (fields["removed"] === true || first === undefined) return null;
  const source = sources.get(hexField(first, 32));
  if (source === undefined || !addressesOf(contracts, source).includes(address)) return null;
  const index = quantityField(fields["logIndex"]);
  const where = {
    block: quantityField(fields["blockNumber"]),
    blockHash: hexField(fields["blockHash"], 32),
    index: Number(index),
    transaction: hexField(fields["transactionHash"], 32),
  };
  const data = fields["data"];
  if (typeof data !== "string" || !/^0x(?:[0-9a-fA-F]{2})*$/.test(data)) {
    throw new BadAnswer("the RPC gave a log without data");
  }
  const all = topics.map((topic) => hexField(topic, 32)) as [Hex, ...Hex[]];
  return { ...where, ...contentOf(source, all, data as Hex, address) };
}

type Content = Pick<ChainLog, "name" | "account" | "other" | "amounts" | "text">;

/** @throws BadAnswer when topics and data do not fit the event */
function contentOf(source: LogSource, topics: [Hex, ...Hex[]], data: Hex, address: Hex): Content {
  try {
    switch (source) {
      case "RoundsManager":
        return roundsContent(topics, data, address);
      case "BondingManager":
        return bondingContent(topics, data);
      case "TicketBroker":
        return brokerContent(topics, data);
      case "registry":
        return registryContent(topics, data, address);
    }
  } catch {
    throw new BadAnswer(`the RPC gave a log of ${source} that does not fit its event`);
  }
}

function content(
  name: ChainLogName,
  account: Hex,
  other: Hex | null,
  amounts: readonly bigint[],
  text: string | null = null,
): Content {
  return { name, account: lower(account), other: other === null ? null : lower(other), amounts, text };
}

function roundsContent(topics: [Hex, ...Hex[]], data: Hex, address: Hex): Content {
  const { eventName, args } = decodeEventLog({ abi: roundsManagerAbi, topics, data });
  return content(eventName, address, null, [args.round], args.blockHash);
}

function brokerContent(topics: [Hex, ...Hex[]], data: Hex): Content {
  const event = decodeEventLog({ abi: ticketBrokerAbi, topics, data });
  const { eventName: name } = event;
  switch (event.eventName) {
    case "DepositFunded":
      return content(name, event.args.sender, null, [event.args.amount]);
    case "ReserveFunded":
      return content(name, event.args.reserveHolder, null, [event.args.amount]);
    case "ReserveClaimed":
      return content(name, event.args.reserveHolder, event.args.claimant, [event.args.amount]);
    case "WinningTicketTransfer":
      return content(name, event.args.sender, event.args.recipient, [event.args.amount]);
    case "WinningTicketRedeemed": {
      const { sender, recipient, faceValue, winProb, senderNonce, recipientRand } = event.args;
      return content(name, sender, recipient, [faceValue, winProb, senderNonce, recipientRand]);
    }
    case "Unlock":
      return content(name, event.args.sender, null, [event.args.startRound, event.args.endRound]);
    case "UnlockCancelled":
      return content(name, event.args.sender, null, []);
    case "Withdrawal":
      return content(name, event.args.sender, null, [event.args.deposit, event.args.reserve]);
    default:
      return unreachable(event);
  }
}

function bondingContent(topics: [Hex, ...Hex[]], data: Hex): Content {
  const event = decodeEventLog({ abi: bondingManagerAbi, topics, data });
  const { eventName: name } = event;
  switch (event.eventName) {
    case "Bond": {
      const { delegator, newDelegate, oldDelegate, additionalAmount, bondedAmount } = event.args;
      return content(name, delegator, newDelegate, [additionalAmount, bondedAmount], lower(oldDelegate));
    }
    case "Unbond": {
      const { delegator, delegate, unbondingLockId, amount, withdrawRound } = event.args;
      return content(name, delegator, delegate, [unbondingLockId, amount, withdrawRound]);
    }
    case "Rebond":
      return content(name, event.args.delegator, event.args.delegate, [
        event.args.unbondingLockId,
        event.args.amount,
      ]);
    case "TransferBond": {
      const { oldDelegator, newDelegator, oldUnbondingLockId, newUnbondingLockId, amount } = event.args;
      return content(name, oldDelegator, newDelegator, [oldUnbondingLockId, newUnbondingLockId, amount]);
    }
    case "WithdrawStake": {
      const { delegator, unbondingLockId, amount, withdrawRound } = event.args;
      return content(name, delegator, null, [unbondingLockId, amount, withdrawRound]);
    }
    case "WithdrawFees":
      return content(name, event.args.delegator, event.args.recipient, [event.args.amount]);
    case "EarningsClaimed": {
      const { delegator, delegate, rewards, fees, startRound, endRound } = event.args;
      return content(name, delegator, delegate, [rewards, fees, startRound, endRound]);
    }
    case "Reward":
      return content(name, event.args.transcoder, null, [event.args.amount]);
    case "TreasuryReward":
      return content(name, event.args.transcoder, event.args.treasury, [event.args.amount]);
    case "TranscoderUpdate":
      return content(name, event.args.transcoder, null, [event.args.rewardCut, event.args.feeShare]);
    case "TranscoderActivated":
      return content(name, event.args.transcoder, null, [event.args.activationRound]);
    case "TranscoderDeactivated":
      return content(name, event.args.transcoder, null, [event.args.deactivationRound]);
    case "RewardCallerSet":
      return content(name, event.args.transcoder, event.args.rewardCaller, []);
    default:
      return unreachable(event);
  }
}

/** A service URI is anybody's text of any length. */
const uriMax = 1_000;

function registryContent(topics: [Hex, ...Hex[]], data: Hex, address: Hex): Content {
  const { eventName, args } = decodeEventLog({ abi: serviceRegistryAbi, topics, data });
  return content(eventName, args.addr, address, [], args.serviceURI.slice(0, uriMax));
}

function addressesOf(contracts: LogContracts, source: LogSource): readonly Hex[] {
  return source === "registry" ? contracts.registries.map(lower) : [lower(contracts[source])];
}

function areSame(left: ChainLog, right: ChainLog): boolean {
  const text = (log: ChainLog) =>
    JSON.stringify(log, (_, value) => (typeof value === "bigint" ? `${value}n` : value));
  return text(left) === text(right);
}

/** @throws BadAnswer */
export function fieldsOf(raw: unknown): Readonly<Record<string, unknown>> {
  if (typeof raw !== "object" || raw === null) throw new BadAnswer("the RPC answered no object");
  return raw as Readonly<Record<string, unknown>>;
}

/** Lower-case bytes of that length. @throws BadAnswer */
export function hexField(value: unknown, bytes: number): Hex {
  if (typeof value !== "string" || value.length !== 2 + 2 * bytes || !/^0x[0-9a-fA-F]*$/.test(value)) {
    throw new BadAnswer(`the RPC answered no ${bytes} bytes where they were due`);
  }
  return lower(value);
}

/** A number of at most `bits` bits. @throws BadAnswer */
export function quantityField(value: unknown, bits = 53): bigint {
  if (typeof value !== "string" || !/^0x[0-9a-fA-F]{1,64}$/.test(value)) {
    throw new BadAnswer("the RPC answered no number where one was due");
  }
  const number = BigInt(value);
  if (number >> BigInt(bits) !== 0n) throw new BadAnswer("the RPC answered a number out of all bounds");
  return number;
}

function lower(hex: string): Hex {
  return hex.toLowerCase() as Hex;
}
