import { formatRational } from "../protocol/rational.ts";
import { type Answer, bytesAnswer, errorAnswer, jsonAnswer, textAnswer } from "./answer.ts";
import type { ChainHandler } from "./handler.ts";
import type { ChainRead, DelegatorFacts, OrchestratorFacts, ProtocolFacts } from "./ports.ts";

/*
 * The routes that read the chain, with the names, the order and the forms of go-livepeer's JSON. Errors carry its
 * words in front and ours behind: its own show the endpoint's URL with any key in it.
 *
 * Source: go-livepeer server/handlers.go, eth/types/contracts.go; operator sheet 2.2, 2.3; recorded answers.
 */

export const chainReadHandlers: Readonly<Record<string, ChainHandler>> = {
  "/currentRound": async (_, { chain }) =>
    textOf(await chain.reads.currentRound(), String, "could not query current round: "),
  "/roundInitialized": async (_, { chain }) =>
    textOf(await chain.reads.isRoundInitialized(), String, "could not get initialized round: "),
  "/currentBlock": async (_, { chain }) =>
    answerOf(await chain.reads.latestBlock(), (block) => bytesAnswer(minimalBytes(block))),
  "/ethBalance": async (_, { chain }) => textOf(await chain.reads.ethBalance(), String),
  "/tokenBalance": async (_, { chain }) => textOf(await chain.reads.tokenBalance(), String),
  "/contractAddresses": async (_, { chain }) =>
    jsonOf(await chain.reads.contracts(), (contracts) => ({
      // Sorted, as Go writes a map.
      BondingManager: contracts.BondingManager,
      Controller: contracts.Controller,
      LivepeerToken: contracts.LivepeerToken,
      LivepeerTokenFaucet: contracts.LivepeerTokenFaucet,
      Minter: contracts.Minter,
      RoundsManager: contracts.RoundsManager,
      TicketBroker: contracts.TicketBroker,
    })),
  "/protocolParameters": async (_, { chain }) => jsonOf(await chain.reads.protocol(), protocolJson),
  "/ticketBrokerParams": async (_, { chain }) =>
    jsonOf(
      await chain.reads.unlockPeriod(),
      (period) => ({ UnlockPeriod: period }),
      "could not query TicketBroker unlockPeriod: ",
    ),
  "/senderInfo": async (_, { chain }) =>
    jsonOf(
      await chain.reads.sender(),
      (sender) => ({
        Deposit: sender.deposit,
        WithdrawRound: sender.withdrawRound,
        Reserve: { FundsRemaining: sender.reserve, ClaimedInCurrentRound: sender.claimedInCurrentRound },
      }),
      "could not query sender info: ",
    ),
  "/delegatorInfo": async (_, { chain }) => jsonOf(await chain.reads.delegator(), delegatorJson),
  "/orchestratorInfo": async (_, { chain, node }) => {
    const read = await chain.reads.orchestrator();
    if (read.type === "failed") return errorAnswer(500, "could not get transcoder");
    const price = node.money?.prices().get("default");
    return jsonAnswer({
      Transcoder: orchestratorJson(read.value, null),
      PriceInfo: price === undefined ? null : formatRational(price),
    });
  },
  "/registeredOrchestrators": async (_, { chain }) =>
    jsonOf(await chain.reads.orchestrators(), (members) =>
      // Prices of others are not known here; a null there makes livepeer_cli crash. An empty pool is a nil slice.
      members.length === 0 ? null : members.map((member) => orchestratorJson(member, "0")),
    ),
  "/orchestratorEarningPoolsForRound": async (parameter, { chain }) => {
    const text = parameter("round");
    if (!/^[+-]?\d{1,1000}$/.test(text)) return errorAnswer(400, "failed to parse big integer");
    const round = BigInt(text.replace(/^\+/, ""));
    // No such round: go-livepeer's contract call wraps around and finds nothing either.
    const isRound = round >= 0n && round < 1n << 256n;
    const read = isRound ? await chain.reads.earningsPool(round) : noEarnings;
    return jsonOf(read, (pool) => ({
      TotalStake: pool.totalStake,
      TranscoderRewardCut: pool.rewardCut,
      TranscoderFeeShare: pool.feeShare,
      CumulativeRewardFactor: pool.cumulativeRewardFactor,
      CumulativeFeeFactor: pool.cumulativeFeeFactor,
    }));
  },
  "/unbondingLocks": async (parameter, { chain }) => {
    const isWithdrawable = ["1", "t", "T", "true", "TRUE", "True"].includes(parameter("withdrawable"));
    return jsonOf(await chain.reads.unbondingLocks(), ({ currentRound, locks }) =>
      locks
        .filter(({ withdrawRound }) => !isWithdrawable || withdrawRound <= currentRound)
        .map(({ id, delegator, amount, withdrawRound }) => ({
          ...{ ID: id, Delegator: delegator, Amount: amount, WithdrawRound: withdrawRound },
        })),
    );
  },
};

const noEarnings = {
  type: "read",
  value: { totalStake: 0n, rewardCut: 0n, feeShare: 0n, cumulativeRewardFactor: 0n, cumulativeFeeFactor: 0n },
} as const;

/** Fields of rounds long gone stay, as what Go makes of nothing. */
function protocolJson(facts: ProtocolFacts) {
  return {
    NumActiveTranscoders: facts.poolMaxSize,
    RoundLength: facts.roundLength,
    RoundLockAmount: facts.roundLockAmount,
    UnbondingPeriod: facts.unbondingPeriod,
    VerificationRate: 0,
    VerificationPeriod: null,
    SlashingPeriod: null,
    FailedVerificationSlashAmount: null,
    MissedVerificationSlashAmount: null,
    DoubleClaimSegmentSlashAmount: null,
    FinderFee: null,
    Inflation: facts.inflation,
    InflationChange: facts.inflationChange,
    TargetBondingRate: facts.targetBondingRate,
    VerificationCodeHash: "",
    TotalBonded: facts.totalBonded,
    TotalSupply: facts.totalSupply,
    Paused: facts.isPaused,
  };
}

function delegatorJson(facts: DelegatorFacts) {
  return {
    Address: facts.account,
    BondedAmount: facts.bondedAmount,
    Fees: facts.fees,
    DelegateAddress: facts.delegate,
    DelegatedAmount: facts.delegatedAmount,
    StartRound: facts.startRound,
    LastClaimRound: facts.lastClaimRound,
    NextUnbondingLockId: facts.nextUnbondingLockId,
    PendingStake: facts.pendingStake,
    PendingFees: facts.pendingFees,
    Status: facts.status,
  };
}

function orchestratorJson(facts: OrchestratorFacts, pricePerPixel: string | null) {
  return {
    Address: facts.account,
    ServiceURI: facts.serviceUri,
    LastRewardRound: facts.lastRewardRound,
    RewardCut: facts.rewardCut,
    FeeShare: facts.feeShare,
    DelegatedStake: facts.delegatedStake,
    ActivationRound: facts.activationRound,
    DeactivationRound: facts.deactivationRound,
    LastActiveStakeUpdateRound: facts.lastActiveStakeUpdateRound,
    Active: facts.isActive,
    Status: facts.isRegistered ? "Registered" : "Not Registered",
    PricePerPixel: pricePerPixel,
  };
}

function textOf<T>(read: ChainRead<T>, print: (value: T) => string, prefix = ""): Answer {
  return answerOf(read, (value) => textAnswer(print(value)), prefix);
}

function jsonOf<T>(read: ChainRead<T>, shape: (value: T) => unknown, prefix = ""): Answer {
  return answerOf(read, (value) => jsonAnswer(shape(value)), prefix);
}

function answerOf<T>(read: ChainRead<T>, answer: (value: T) => Answer, prefix = ""): Answer {
  return read.type === "read" ? answer(read.value) : errorAnswer(500, `${prefix}${read.text}`);
}

/** Big-endian without leading zeros; nothing at all for 0. Source: Go math/big Int.Bytes. */
function minimalBytes(value: bigint): Uint8Array {
  const digits = value === 0n ? "" : value.toString(16);
  return Uint8Array.from(Buffer.from(digits.length % 2 === 0 ? digits : `0${digits}`, "hex"));
}
