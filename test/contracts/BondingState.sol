// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {Controller} from "./Controller.sol";
import {Managed} from "./Managed.sol";
import {Percentages} from "./Percentages.sol";
import {SortedPool} from "./SortedPool.sol";

/// What is known of orchestrators (`transcoders`) and those who stake with them, and how it is read.
abstract contract BondingState is Managed {
    using SortedPool for SortedPool.Pool;

    /// An orchestrator's stake and shares in one round, and what one LPT bonded at the beginning of time has become.
    struct EarningsPool {
        uint256 totalStake;
        uint256 rewardCut;
        uint256 feeShare;
        uint256 rewardFactor;
        uint256 feeFactor;
    }

    struct Transcoder {
        uint256 lastRewardRound;
        uint256 rewardCut;
        uint256 feeShare;
        uint256 lastActiveStakeUpdateRound;
        uint256 activationRound;
        uint256 deactivationRound;
        uint256 activeCumulativeRewards;
        uint256 cumulativeRewards;
        uint256 cumulativeFees;
        uint256 lastFeeRound;
        mapping(uint256 => EarningsPool) pools;
    }

    struct UnbondingLock {
        uint256 amount;
        uint256 withdrawRound;
    }

    struct Delegator {
        uint256 bondedAmount;
        uint256 fees;
        address delegateAddress;
        uint256 delegatedAmount;
        uint256 startRound;
        uint256 lastClaimRound;
        uint256 nextUnbondingLockId;
        mapping(uint256 => UnbondingLock) unbondingLocks;
    }

    enum DelegatorStatus {
        Pending,
        Bonded,
        Unbonded
    }

    enum TranscoderStatus {
        NotRegistered,
        Registered
    }

    uint64 public unbondingPeriod;
    uint256 public currentRoundTotalActiveStake;
    uint256 public nextRoundTotalActiveStake;
    uint256 public treasuryRewardCutRate;
    uint256 public nextRoundTreasuryRewardCutRate;
    uint256 public treasuryBalanceCeiling;
    /// Who else may call the reward of an orchestrator. Source: LIP-118.
    mapping(address => address) public transcoderToRewardCaller;
    mapping(address => Delegator) internal delegators;
    mapping(address => Transcoder) internal transcoders;
    SortedPool.Pool internal pool;

    constructor(Controller controller_) Managed(controller_) {}

    function getTranscoder(address account)
        external
        view
        returns (
            uint256 lastRewardRound,
            uint256 rewardCut,
            uint256 feeShare,
            uint256 lastActiveStakeUpdateRound,
            uint256 activationRound,
            uint256 deactivationRound,
            uint256 activeCumulativeRewards,
            uint256 cumulativeRewards,
            uint256 cumulativeFees,
            uint256 lastFeeRound
        )
    {
        Transcoder storage found = transcoders[account];
        lastRewardRound = found.lastRewardRound;
        rewardCut = found.rewardCut;
        feeShare = found.feeShare;
        lastActiveStakeUpdateRound = found.lastActiveStakeUpdateRound;
        activationRound = found.activationRound;
        deactivationRound = found.deactivationRound;
        activeCumulativeRewards = found.activeCumulativeRewards;
        cumulativeRewards = found.cumulativeRewards;
        cumulativeFees = found.cumulativeFees;
        lastFeeRound = found.lastFeeRound;
    }

    function getTranscoderEarningsPoolForRound(address account, uint256 round)
        external
        view
        returns (
            uint256 totalStake,
            uint256 transcoderRewardCut,
            uint256 transcoderFeeShare,
            uint256 cumulativeRewardFactor,
            uint256 cumulativeFeeFactor
        )
    {
        EarningsPool storage found = transcoders[account].pools[round];
        totalStake = found.totalStake;
        transcoderRewardCut = found.rewardCut;
        transcoderFeeShare = found.feeShare;
        cumulativeRewardFactor = found.rewardFactor;
        cumulativeFeeFactor = found.feeFactor;
    }

    function getDelegator(address account)
        external
        view
        returns (
            uint256 bondedAmount,
            uint256 fees,
            address delegateAddress,
            uint256 delegatedAmount,
            uint256 startRound,
            uint256 lastClaimRound,
            uint256 nextUnbondingLockId
        )
    {
        Delegator storage found = delegators[account];
        bondedAmount = found.bondedAmount;
        fees = found.fees;
        delegateAddress = found.delegateAddress;
        delegatedAmount = found.delegatedAmount;
        startRound = found.startRound;
        lastClaimRound = found.lastClaimRound;
        nextUnbondingLockId = found.nextUnbondingLockId;
    }

    function getDelegatorUnbondingLock(address account, uint256 lockId)
        external
        view
        returns (uint256 amount, uint256 withdrawRound)
    {
        UnbondingLock storage lock = delegators[account].unbondingLocks[lockId];
        return (lock.amount, lock.withdrawRound);
    }

    function getFirstTranscoderInPool() external view returns (address) {
        return pool.head;
    }

    function getNextTranscoderInPool(address account) external view returns (address) {
        return pool.entries[account].next;
    }

    function getTranscoderPoolMaxSize() external view returns (uint256) {
        return pool.maxSize;
    }

    function getTranscoderPoolSize() external view returns (uint256) {
        return pool.claimedSize == 0 ? pool.size : pool.claimedSize - 1;
    }

    /// Frozen when the round was initialised.
    function getTotalBonded() external view returns (uint256) {
        return currentRoundTotalActiveStake;
    }

    function transcoderStatus(address account) external view returns (TranscoderStatus) {
        return isRegisteredTranscoder(account) ? TranscoderStatus.Registered : TranscoderStatus.NotRegistered;
    }

    function isActiveTranscoder(address account) public view returns (bool) {
        Transcoder storage found = transcoders[account];
        uint256 round = rounds().currentRound();
        return found.activationRound <= round && round < found.deactivationRound;
    }

    function isRegisteredTranscoder(address account) public view returns (bool) {
        Delegator storage found = delegators[account];
        return found.delegateAddress == account && found.bondedAmount > 0;
    }

    function isValidUnbondingLock(address account, uint256 lockId) public view returns (bool) {
        return delegators[account].unbondingLocks[lockId].withdrawRound > 0;
    }

    function delegatorStatus(address account) public view returns (DelegatorStatus) {
        Delegator storage found = delegators[account];
        if (found.bondedAmount == 0) return DelegatorStatus.Unbonded;
        return found.startRound > rounds().currentRound() ? DelegatorStatus.Pending : DelegatorStatus.Bonded;
    }

    /// With what came and went in this round.
    function transcoderTotalStake(address account) public view returns (uint256) {
        return delegators[account].delegatedAmount;
    }

    /// The round is ignored, as on the real contract: it is always the current one.
    function pendingStake(address account, uint256) public view returns (uint256 stake) {
        (stake,) = pendingStakeAndFees(account, rounds().currentRound());
    }

    function pendingFees(address account, uint256) public view returns (uint256 fees) {
        (, fees) = pendingStakeAndFees(account, rounds().currentRound());
    }

    function pendingStakeAndFees(address account, uint256 round)
        internal
        view
        returns (uint256 stake, uint256 fees)
    {
        Delegator storage delegator = delegators[account];
        Transcoder storage transcoder = transcoders[delegator.delegateAddress];
        stake = delegator.bondedAmount;
        fees = delegator.fees;
        uint256 claimed = delegator.lastClaimRound;
        if (claimed < round) {
            uint256 startReward = orOne(transcoder.pools[claimed].rewardFactor);
            uint256 startFee = transcoder.pools[claimed].feeFactor;
            (uint256 endReward, uint256 endFee) = latestFactors(transcoder, round);
            uint256 bonded = stake;
            stake = Percentages.precisePartOf(bonded, orOne(endReward), startReward);
            fees += Percentages.precisePartOf(bonded, endFee - startFee, startReward);
        }
        if (delegator.delegateAddress == account) {
            stake += transcoder.cumulativeRewards;
            fees += transcoder.cumulativeFees;
        }
    }

    /// A round's own factors, or those of the last round that had some.
    function latestFactors(Transcoder storage transcoder, uint256 round)
        internal
        view
        returns (uint256 rewardFactor, uint256 feeFactor)
    {
        rewardFactor = transcoder.pools[round].rewardFactor;
        feeFactor = transcoder.pools[round].feeFactor;
        uint256 lastReward = transcoder.lastRewardRound;
        if (rewardFactor == 0 && lastReward < round) rewardFactor = transcoder.pools[lastReward].rewardFactor;
        uint256 lastFee = transcoder.lastFeeRound;
        if (feeFactor == 0 && lastFee < round) feeFactor = transcoder.pools[lastFee].feeFactor;
    }

    /// A factor that was never written is 1.
    function orOne(uint256 factor) internal pure returns (uint256) {
        return factor == 0 ? Percentages.E27 : factor;
    }
}
