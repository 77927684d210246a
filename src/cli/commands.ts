import { utf8 } from "../protocol/bytes.ts";
import type { Hex } from "../shared/brand.ts";
import { transfer, withdrawFees } from "./actions/money.ts";
import {
  feeShareOf,
  register,
  type RegistryChoice,
  setCuts,
  setRewardCaller,
  setServiceUri,
} from "./actions/registration.ts";
import { initializeRound, reward } from "./actions/rounds.ts";
import { bond, claimEarnings, rebond, unbond, withdrawStake } from "./actions/stake.ts";
import type { HintOf, Plan } from "./actions/step.ts";
import { reasonBytesMax, supportIds, votePoll, voteProposal } from "./actions/votes.ts";
import { parseAddress, type Parsed, parseAmount, parseNumber, parsePercent } from "./amounts.ts";
import { UsageError } from "./cliError.ts";
import type { Options } from "./commandLine.ts";
import { readHints } from "./hints.ts";
import { lockOf, pollEnd, rewardForecast, stakeOf } from "./lookups.ts";
import { type Context, perform } from "./perform.ts";
import { protocol } from "./protocol.ts";
import { send } from "./send.ts";
import { parseRegistryUri } from "./serviceUri.ts";
import { locks, status } from "./status.ts";

/** One command: its words are read first, then it runs on what the chain says. */
export type CliCommand = {
  readonly usage: string;
  readonly help: string;
  readonly options: readonly (keyof Options)[];
  /** Whose key it is for. Default: the own account's. */
  readonly role?: "reward" | "redeemer";
  /** Checks the words. @throws UsageError */
  read(words: readonly string[], options: Options): (context: Context) => Promise<number>;
};

const sending = ["yes", "unsigned", "nonce", "timeout"] as const;

/** Every command, in the order in which the help lists them. */
export const commands: Readonly<Record<string, CliCommand>> = {
  status: {
    usage: "status",
    help: "account, round, stake, fees, cuts, addresses and their drift, balances, locks, what asks for attention",
    options: [],
    read: wordless(status),
  },
  protocol: {
    usage: "protocol",
    help: "the protocol's parameters and contracts",
    options: [],
    read: wordless(protocol),
  },
  locks: {
    usage: "locks",
    help: "stake on its way out",
    options: [],
    read: wordless(locks),
  },
  register: {
    usage:
      "register AMOUNT --rewardCut PERCENT --feeCut PERCENT [--serviceUri URI] [--registry both|main|ai]",
    help: "become an orchestrator: store the address, bond, set the cuts; --lock ID in place of AMOUNT bonds a lock anew",
    options: [...sending, "rewardCut", "feeCut", "serviceUri", "lock", "registry"],
    read: readRegister,
  },
  bond: {
    usage: "bond AMOUNT [--to 0x…]",
    help: "more stake, with the present delegate or another one",
    options: [...sending, "to"],
    read: (words, options) => {
      const amount = good(parseAmount(oneWord(words, "AMOUNT")));
      const to = addressOption(options.to);
      return async (context) => {
        const toStake = await stakeOf(context, to ?? context.state.own.delegate);
        return perform(context, bond(context.state, { amount, to, toStake }, await hintsOf(context)));
      };
    },
  },
  unbond: {
    usage: "unbond AMOUNT|all",
    help: "take stake out; it is free some rounds later",
    options: sending,
    read: (words) => {
      const amount = amountOrAll(oneWord(words, "AMOUNT"));
      return async (context) => perform(context, unbond(context.state, amount, await hintsOf(context)));
    },
  },
  rebond: {
    usage: "rebond LOCK [--to 0x…]",
    help: "put unbonded stake back to work; --to when all of it is unbonded",
    options: [...sending, "to"],
    read: (words, options) => {
      const id = good(parseNumber("lock", oneWord(words, "LOCK")));
      const to = addressOption(options.to);
      return async (context) => {
        const lock = await lockOf(context, id);
        const toStake = await stakeOf(context, to ?? context.state.own.delegate);
        return perform(context, rebond(context.state, { lock, to, toStake }, await hintsOf(context)));
      };
    },
  },
  "withdraw-stake": {
    usage: "withdraw-stake LOCK",
    help: "LPT of a lock that has come due",
    options: sending,
    read: (words) => {
      const id = good(parseNumber("lock", oneWord(words, "LOCK")));
      return async (context) => perform(context, withdrawStake(context.state, await lockOf(context, id)));
    },
  },
  "withdraw-fees": {
    usage: "withdraw-fees [AMOUNT|all] [--to 0x…]",
    help: "ETH that tickets brought, to the own account or another one",
    options: [...sending, "to"],
    read: (words, options) => {
      const amount = amountOrAll(words.length === 0 ? "all" : oneWord(words, "AMOUNT"));
      const to = addressOption(options.to);
      return (context) => perform(context, withdrawFees(context.state, amount, to));
    },
  },
  "claim-earnings": {
    usage: "claim-earnings",
    help: "book pending stake and fees, which other actions do on their way",
    options: sending,
    read: wordless(simple(claimEarnings)),
  },
  "set-cuts": {
    usage: "set-cuts [--rewardCut PERCENT] [--feeCut PERCENT]",
    help: "what you keep of rewards and of fees; what is left out stays",
    options: [...sending, "rewardCut", "feeCut"],
    read: (words, { rewardCut, feeCut }) => {
      noWords(words);
      if (rewardCut === undefined && feeCut === undefined) {
        throw new UsageError("Give `--rewardCut`, `--feeCut` or both, in percent.");
      }
      const wanted = {
        rewardCut: rewardCut === undefined ? null : good(parsePercent(rewardCut)),
        feeShare: feeCut === undefined ? null : feeShareOf(good(parsePercent(feeCut))),
      };
      return (context) => perform(context, setCuts(context.state, wanted));
    },
  },
  "set-service-uri": {
    usage: "set-service-uri [URI] [--registry both|main|ai]",
    help: "where gateways reach you; -serviceAddr when left out",
    options: [...sending, "registry"],
    read: (words, options) => {
      const given = words.length === 0 ? null : good(parseRegistryUri(oneWord(words, "URI")));
      const registry = registryOption(options.registry);
      return (context) =>
        perform(context, setServiceUri(context.state, given ?? uriOfNode(context), registry));
    },
  },
  transfer: {
    usage: "transfer AMOUNT 0x…",
    help: "send LPT",
    options: sending,
    read: (words) => {
      const [amountWord, toWord] = severalWords(words, ["AMOUNT", "0x…"]);
      const [amount, to] = [good(parseAmount(amountWord)), good(parseAddress(toWord))];
      return (context) => perform(context, transfer(context.state, to, amount));
    },
  },
  vote: {
    usage: "vote POLL yes|no",
    help: "in a poll, by its address",
    options: sending,
    read: (words) => {
      const [pollWord, choiceWord] = severalWords(words, ["POLL", "yes|no"]);
      const poll = good(parseAddress(pollWord));
      const choice = oneOf("vote", ["yes", "no"], choiceWord);
      return async (context) => {
        const endBlock = await pollEnd(context, poll);
        return perform(context, votePoll(context.state, poll, choice, endBlock));
      };
    },
  },
  "vote-proposal": {
    usage: "vote-proposal ID for|against|abstain [--reason TEXT]",
    help: "on a treasury proposal",
    options: [...sending, "reason"],
    read: (words, { reason = "" }) => {
      const [idWord, supportWord] = severalWords(words, ["ID", "for|against|abstain"]);
      const id = good(parseNumber("proposal", idWord));
      const support = oneOf("vote", Object.keys(supportIds) as (keyof typeof supportIds)[], supportWord);
      if (utf8(reason).length > reasonBytesMax)
        throw new UsageError(`The reason has more than ${reasonBytesMax} bytes.`);
      return (context) => perform(context, voteProposal(context.state, id, support, reason));
    },
  },
  reward: {
    usage: "reward",
    help: "call this round's reward now, as the orchestrator or as its reward caller",
    options: sending,
    role: "reward",
    read: (words) => {
      noWords(words);
      return async (context) => {
        const [forecast, hintOf] = await Promise.all([rewardForecast(context), hintsOf(context)]);
        return perform(context, reward(context.state, forecast, hintOf));
      };
    },
  },
  "initialize-round": {
    usage: "initialize-round",
    help: "start the current round, when nobody has",
    options: sending,
    role: "redeemer",
    read: wordless(simple(initializeRound)),
  },
  "reward-caller": {
    usage: "reward-caller set 0x… | reward-caller unset",
    help: "name a key that may call the reward and nothing else (LIP-118), or take the name back",
    options: sending,
    read: (words) => {
      const verb = oneOf("reward-caller", ["set", "unset"], words[0] ?? "");
      const caller = verb === "set" ? good(parseAddress(oneWord(words.slice(1), "0x…"))) : null;
      if (verb === "unset") noWords(words.slice(1));
      return (context) => perform(context, setRewardCaller(context.state, caller));
    },
  },
  send: {
    usage: "send FILE|0x…",
    help: "broadcast transactions that were signed elsewhere",
    options: ["yes", "timeout"],
    read: (words) => {
      const word = oneWord(words, "FILE or 0x…");
      return (context) => send(context, word);
    },
  },
};

function readRegister(words: readonly string[], options: Options): (context: Context) => Promise<number> {
  const { rewardCut, feeCut, serviceUri } = options;
  if (rewardCut === undefined || feeCut === undefined) {
    throw new UsageError(
      "Give `--rewardCut` and `--feeCut`, such as 10 and 95: what you keep of rewards and of fees.",
    );
  }
  const cuts = { rewardCut: good(parsePercent(rewardCut)), feeShare: feeShareOf(good(parsePercent(feeCut))) };
  const lockId = options.lock === undefined ? null : good(parseNumber("lock", options.lock));
  if (lockId !== null) noWords(words);
  const amount = words.length === 0 ? 0n : good(parseAmount(oneWord(words, "AMOUNT")));
  const given = serviceUri === undefined ? null : good(parseRegistryUri(serviceUri));
  const registry = registryOption(options.registry ?? "main");
  return async (context) => {
    const lock = lockId === null ? undefined : await lockOf(context, lockId);
    const wanted = { serviceUri: given ?? uriOfNode(context), amount, lock, cuts, registry };
    return perform(context, register(context.state, wanted, await hintsOf(context)));
  };
}

/** The value of what was read. @throws UsageError with what is wrong with it */
export function good<Value>(parsed: Parsed<Value>): Value {
  if (parsed.type === "ok") return parsed.value;
  throw new UsageError(parsed.text);
}

/** A command without words of its own. */
function wordless(run: (context: Context) => Promise<number>): CliCommand["read"] {
  return (words) => {
    noWords(words);
    return run;
  };
}

function simple(build: (state: Context["state"]) => Plan): (context: Context) => Promise<number> {
  return (context) => perform(context, build(context.state));
}

function noWords(words: readonly string[]): void {
  if (words.length > 0) throw new UsageError(`\`${words[0]?.slice(0, 60) ?? ""}\` is one word too many.`);
}

function oneWord(words: readonly string[], name: string): string {
  const [word] = severalWords(words, [name]);
  return word;
}

function severalWords<const Names extends readonly string[]>(
  words: readonly string[],
  names: Names,
): { readonly [Index in keyof Names]: string } {
  const missing = names[words.length];
  if (missing !== undefined) throw new UsageError(`${missing} is missing.`);
  noWords(words.slice(names.length));
  return words as unknown as { readonly [Index in keyof Names]: string };
}

function oneOf<const Word extends string>(name: string, known: readonly Word[], word: string): Word {
  const found = known.find((candidate) => candidate === word);
  if (found !== undefined) return found;
  throw new UsageError(`\`${name}\` takes ${known.join(", ")}, not \`${word.slice(0, 60)}\`.`);
}

function addressOption(text: string | undefined): Hex | null {
  return text === undefined ? null : good(parseAddress(text));
}

function amountOrAll(word: string): bigint | null {
  return word === "all" ? null : good(parseAmount(word));
}

function registryOption(text = "both"): RegistryChoice {
  return oneOf("--registry", ["both", "main", "ai"], text);
}

function uriOfNode({ settings }: Context): string {
  const { serviceAddr } = settings;
  if (serviceAddr !== "" && serviceAddr !== "none") return good(parseRegistryUri(serviceAddr));
  throw new UsageError("Name the address: https://HOST:PORT, or the node's own flag -serviceAddr.");
}

function hintsOf({ rpc, state }: Context): Promise<HintOf> {
  return readHints(rpc, state.contracts.BondingManager);
}
