import { parseAbi } from "viem";

/*
 * The fragments of Livepeer's contracts that this node reads, calls and listens to. Source: livepeer/protocol
 * deployments; LIP-118 for the reward caller. A test compares every selector and topic with recorded ones, and with
 * the contracts that the other tests run on.
 */

export const controllerAbi = parseAbi([
  "function getContract(bytes32 id) view returns (address)",
  "function paused() view returns (bool)",
]);

export const roundsManagerAbi = parseAbi([
  "function currentRound() view returns (uint256)",
  "function lastInitializedRound() view returns (uint256)",
  "function currentRoundInitialized() view returns (bool)",
  "function currentRoundLocked() view returns (bool)",
  "function currentRoundStartBlock() view returns (uint256)",
  "function blockHashForRound(uint256 round) view returns (bytes32)",
  "function roundLength() view returns (uint256)",
  "function roundLockAmount() view returns (uint256)",
  "function initializeRound()",
  "event NewRound(uint256 indexed round, bytes32 blockHash)",
]);

const bondingReads = [
  "function getTranscoderPoolSize() view returns (uint256)",
  "function getTranscoderPoolMaxSize() view returns (uint256)",
  "function getFirstTranscoderInPool() view returns (address)",
  "function getNextTranscoderInPool(address transcoder) view returns (address)",
  "function getTotalBonded() view returns (uint256)",
  "function nextRoundTotalActiveStake() view returns (uint256)",
  "function currentRoundTotalActiveStake() view returns (uint256)",
  "function unbondingPeriod() view returns (uint64)",
  "function treasuryRewardCutRate() view returns (uint256)",
  "function nextRoundTreasuryRewardCutRate() view returns (uint256)",
  "function treasuryBalanceCeiling() view returns (uint256)",
  "function isActiveTranscoder(address transcoder) view returns (bool)",
  "function isRegisteredTranscoder(address transcoder) view returns (bool)",
  "function transcoderStatus(address transcoder) view returns (uint8)",
  "function delegatorStatus(address delegator) view returns (uint8)",
  "function transcoderTotalStake(address transcoder) view returns (uint256)",
  "function transcoderToRewardCaller(address transcoder) view returns (address)",
  "function pendingStake(address delegator, uint256 endRound) view returns (uint256)",
  "function pendingFees(address delegator, uint256 endRound) view returns (uint256)",
  "function getTranscoder(address transcoder) view returns (uint256 lastRewardRound, uint256 rewardCut, uint256 feeShare, uint256 lastActiveStakeUpdateRound, uint256 activationRound, uint256 deactivationRound, uint256 activeCumulativeRewards, uint256 cumulativeRewards, uint256 cumulativeFees, uint256 lastFeeRound)",
  "function getTranscoderEarningsPoolForRound(address transcoder, uint256 round) view returns (uint256 totalStake, uint256 transcoderRewardCut, uint256 transcoderFeeShare, uint256 cumulativeRewardFactor, uint256 cumulativeFeeFactor)",
  "function getDelegator(address delegator) view returns (uint256 bondedAmount, uint256 fees, address delegateAddress, uint256 delegatedAmount, uint256 startRound, uint256 lastClaimRound, uint256 nextUnbondingLockId)",
  "function getDelegatorUnbondingLock(address delegator, uint256 unbondingLockId) view returns (uint256 amount, uint256 withdrawRound)",
] as const;

const bondingWrites = [
  "function bond(uint256 amount, address to)",
  "function bondWithHint(uint256 amount, address to, address oldDelegatePrevious, address oldDelegateNext, address delegatePrevious, address delegateNext)",
  "function unbond(uint256 amount)",
  "function unbondWithHint(uint256 amount, address previous, address next)",
  "function rebond(uint256 unbondingLockId)",
  "function rebondWithHint(uint256 unbondingLockId, address previous, address next)",
  "function rebondFromUnbonded(address to, uint256 unbondingLockId)",
  "function rebondFromUnbondedWithHint(address to, uint256 unbondingLockId, address previous, address next)",
  "function transferBond(address delegator, uint256 amount, address oldDelegatePrevious, address oldDelegateNext, address newDelegatePrevious, address newDelegateNext)",
  "function withdrawStake(uint256 unbondingLockId)",
  "function withdrawFees(address recipient, uint256 amount)",
  "function claimEarnings(uint256 endRound)",
  "function transcoder(uint256 rewardCut, uint256 feeShare)",
  "function transcoderWithHint(uint256 rewardCut, uint256 feeShare, address previous, address next)",
  "function reward()",
  "function rewardWithHint(address previous, address next)",
  "function setRewardCaller(address rewardCaller)",
  "function rewardForTranscoder(address transcoder)",
  "function rewardForTranscoderWithHint(address transcoder, address previous, address next)",
] as const;

const bondingEvents = [
  "event Bond(address indexed newDelegate, address indexed oldDelegate, address indexed delegator, uint256 additionalAmount, uint256 bondedAmount)",
  "event Unbond(address indexed delegate, address indexed delegator, uint256 unbondingLockId, uint256 amount, uint256 withdrawRound)",
  "event Rebond(address indexed delegate, address indexed delegator, uint256 unbondingLockId, uint256 amount)",
  "event TransferBond(address indexed oldDelegator, address indexed newDelegator, uint256 oldUnbondingLockId, uint256 newUnbondingLockId, uint256 amount)",
  "event WithdrawStake(address indexed delegator, uint256 unbondingLockId, uint256 amount, uint256 withdrawRound)",
  "event WithdrawFees(address indexed delegator, address recipient, uint256 amount)",
  "event EarningsClaimed(address indexed delegate, address indexed delegator, uint256 rewards, uint256 fees, uint256 startRound, uint256 endRound)",
  "event Reward(address indexed transcoder, uint256 amount)",
  "event TreasuryReward(address indexed transcoder, address treasury, uint256 amount)",
  "event TranscoderUpdate(address indexed transcoder, uint256 rewardCut, uint256 feeShare)",
  "event TranscoderActivated(address indexed transcoder, uint256 activationRound)",
  "event TranscoderDeactivated(address indexed transcoder, uint256 deactivationRound)",
  "event RewardCallerSet(address indexed transcoder, address indexed rewardCaller)",
] as const;

export const bondingManagerAbi = parseAbi([...bondingReads, ...bondingWrites, ...bondingEvents]);

export const ticketBrokerAbi = parseAbi([
  "struct Sender { uint256 deposit; uint256 withdrawRound; }",
  "struct ReserveInfo { uint256 fundsRemaining; uint256 claimedInCurrentRound; }",
  "struct Ticket { address recipient; address sender; uint256 faceValue; uint256 winProb; uint256 senderNonce; bytes32 recipientRandHash; bytes auxData; }",
  "function getSenderInfo(address sender) view returns (Sender sender, ReserveInfo reserve)",
  "function claimedReserve(address reserveHolder, address claimant) view returns (uint256)",
  "function claimableReserve(address reserveHolder, address claimant) view returns (uint256)",
  "function usedTickets(bytes32 ticketHash) view returns (bool)",
  "function getTicketHash(Ticket ticket) pure returns (bytes32)",
  "function ticketValidityPeriod() view returns (uint256)",
  "function unlockPeriod() view returns (uint256)",
  "function redeemWinningTicket(Ticket ticket, bytes sig, uint256 recipientRand)",
  "function batchRedeemWinningTickets(Ticket[] tickets, bytes[] sigs, uint256[] recipientRands)",
  "function fundDeposit() payable",
  "function fundReserve() payable",
  "function fundDepositAndReserve(uint256 depositAmount, uint256 reserveAmount) payable",
  "function unlock()",
  "function cancelUnlock()",
  "function withdraw()",
  "event DepositFunded(address indexed sender, uint256 amount)",
  "event ReserveFunded(address indexed reserveHolder, uint256 amount)",
  "event ReserveClaimed(address indexed reserveHolder, address claimant, uint256 amount)",
  "event WinningTicketTransfer(address indexed sender, address indexed recipient, uint256 amount)",
  "event WinningTicketRedeemed(address indexed sender, address indexed recipient, uint256 faceValue, uint256 winProb, uint256 senderNonce, uint256 recipientRand, bytes auxData)",
  "event Unlock(address indexed sender, uint256 startRound, uint256 endRound)",
  "event UnlockCancelled(address indexed sender)",
  "event Withdrawal(address indexed sender, uint256 deposit, uint256 reserve)",
]);

export const serviceRegistryAbi = parseAbi([
  "function getServiceURI(address addr) view returns (string)",
  "function setServiceURI(string serviceURI)",
  "event ServiceURIUpdate(address indexed addr, string serviceURI)",
]);

/** LPT: ERC-20 with 18 decimals. */
export const livepeerTokenAbi = parseAbi([
  "function balanceOf(address account) view returns (uint256)",
  "function allowance(address owner, address spender) view returns (uint256)",
  "function totalSupply() view returns (uint256)",
  "function approve(address spender, uint256 amount) returns (bool)",
  "function transfer(address recipient, uint256 amount) returns (bool)",
  "event Transfer(address indexed from, address indexed to, uint256 value)",
  "event Approval(address indexed owner, address indexed spender, uint256 value)",
]);

export const minterAbi = parseAbi([
  "function currentMintableTokens() view returns (uint256)",
  "function currentMintedTokens() view returns (uint256)",
  "function getGlobalTotalSupply() view returns (uint256)",
  "function inflation() view returns (uint256)",
  "function inflationChange() view returns (uint256)",
  "function targetBondingRate() view returns (uint256)",
]);

export const livepeerGovernorAbi = parseAbi([
  "function state(uint256 proposalId) view returns (uint8)",
  "function hasVoted(uint256 proposalId, address account) view returns (bool)",
  "function proposalSnapshot(uint256 proposalId) view returns (uint256)",
  "function proposalDeadline(uint256 proposalId) view returns (uint256)",
  "function castVote(uint256 proposalId, uint8 support) returns (uint256)",
  "function castVoteWithReason(uint256 proposalId, uint8 support, string reason) returns (uint256)",
  "event VoteCast(address indexed voter, uint256 proposalId, uint8 support, uint256 weight, string reason)",
  "error VoteAlreadyCast()",
  "error InvalidVoteType(uint8 voteType)",
]);

export const pollAbi = parseAbi([
  "function vote(uint256 choiceID)",
  "function endBlock() view returns (uint256)",
  "event Vote(address indexed voter, uint256 choiceID)",
]);

/** Arbitrum's predeployed NodeInterface at 0x…C8: it exists for `eth_call` only. */
export const nodeInterfaceAbi = parseAbi([
  "function gasEstimateL1Component(address to, bool contractCreation, bytes data) payable returns (uint64 gasEstimateForL1, uint256 baseFee, uint256 l1BaseFeeEstimate)",
]);

/** Chainlink's AggregatorV3Interface. */
export const aggregatorAbi = parseAbi([
  "function description() view returns (string)",
  "function decimals() view returns (uint8)",
  "function latestRoundData() view returns (uint80 roundId, int256 answer, uint256 startedAt, uint256 updatedAt, uint80 answeredInRound)",
]);
