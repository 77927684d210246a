// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {BondingState} from "./BondingState.sol";
import {Percentages} from "./Percentages.sol";
import {SortedPool} from "./SortedPool.sol";

/// How stake moves the pool, and how rewards and fees become factors.
abstract contract BondingEarnings is BondingState {
    using SortedPool for SortedPool.Pool;

    event EarningsClaimed(
        address indexed delegate,
        address indexed delegator,
        uint256 rewards,
        uint256 fees,
        uint256 startRound,
        uint256 endRound
    );
    event TranscoderActivated(address indexed transcoder, uint256 activationRound);
    event TranscoderDeactivated(address indexed transcoder, uint256 deactivationRound);

    /// Nothing happens, and nothing is said, when the pool is full of greater or equal stakes.
    function tryToJoinPool(address account, uint256 stake, uint256 round, address previous, address next)
        internal
    {
        uint256 total = nextRoundTotalActiveStake;
        if (pool.isFull()) {
            address last = pool.tail;
            uint256 lastStake = transcoderTotalStake(last);
            if (stake <= lastStake) return;
            pool.remove(last);
            transcoders[last].deactivationRound = round;
            total -= lastStake;
            emit TranscoderDeactivated(last, round);
        }
        pool.insert(account, stake, previous, next);
        Transcoder storage transcoder = transcoders[account];
        transcoder.lastActiveStakeUpdateRound = round;
        transcoder.activationRound = round;
        transcoder.deactivationRound = type(uint256).max;
        transcoder.pools[round].totalStake = stake;
        nextRoundTotalActiveStake = total + stake;
        emit TranscoderActivated(account, round);
    }

    function leavePool(address account) internal {
        pool.remove(account);
        nextRoundTotalActiveStake -= transcoderTotalStake(account);
        uint256 round = rounds().currentRound() + 1;
        transcoders[account].deactivationRound = round;
        emit TranscoderDeactivated(account, round);
    }

    function increaseStake(address account, uint256 amount, address previous, address next) internal {
        uint256 stake = transcoderTotalStake(account);
        if (isRegisteredTranscoder(account)) {
            uint256 round = rounds().currentRound();
            if (pool.contains(account)) {
                pool.update(account, stake + amount, previous, next);
                nextRoundTotalActiveStake += amount;
                stakeChanges(transcoders[account], round, stake, stake + amount);
            } else {
                tryToJoinPool(account, stake + amount, round + 1, previous, next);
            }
        }
        delegators[account].delegatedAmount = stake + amount;
    }

    function decreaseStake(address account, uint256 amount, address previous, address next) internal {
        uint256 stake = transcoderTotalStake(account);
        if (pool.contains(account)) {
            pool.update(account, stake - amount, previous, next);
            nextRoundTotalActiveStake -= amount;
            stakeChanges(transcoders[account], rounds().currentRound(), stake, stake - amount);
        }
        delegators[account].delegatedAmount = stake - amount;
    }

    /// Moves everything that `account` has earned into its stake and its fees, once for each round.
    function claim(address account) internal {
        uint256 round = rounds().currentRound();
        Delegator storage delegator = delegators[account];
        uint256 claimed = delegator.lastClaimRound;
        if (claimed >= round) return;
        address delegate = delegator.delegateAddress;
        uint256 stake = delegator.bondedAmount;
        uint256 fees = delegator.fees;
        if (delegate != address(0)) {
            (stake, fees) = pendingStakeAndFees(account, round);
            keepFactors(transcoders[delegate], round);
            if (delegate == account) {
                transcoders[account].cumulativeRewards = 0;
                transcoders[account].cumulativeFees = 0;
            }
        }
        emit EarningsClaimed(
            delegate, account, stake - delegator.bondedAmount, fees - delegator.fees, claimed + 1, round
        );
        delegator.lastClaimRound = round;
        delegator.bondedAmount = stake;
        delegator.fees = fees;
    }

    /// Who claims or bonds in a round counts from that round's factors on.
    function keepFactors(Transcoder storage transcoder, uint256 round) internal {
        EarningsPool storage earnings = transcoder.pools[round];
        (uint256 rewardFactor, uint256 feeFactor) = latestFactors(transcoder, round);
        if (earnings.rewardFactor == 0) earnings.rewardFactor = rewardFactor;
        if (earnings.feeFactor == 0) earnings.feeFactor = feeFactor;
    }

    /// Writes the shares and the stake that count in this round.
    function openPool(Transcoder storage transcoder, uint256 round)
        internal
        returns (EarningsPool storage earnings)
    {
        earnings = transcoder.pools[round];
        earnings.rewardCut = transcoder.rewardCut;
        earnings.feeShare = transcoder.feeShare;
        uint256 updated = transcoder.lastActiveStakeUpdateRound;
        if (updated < round) earnings.totalStake = transcoder.pools[updated].totalStake;
    }

    function bookReward(address account, uint256 reward, uint256 round, address previous, address next) internal {
        Transcoder storage transcoder = transcoders[account];
        EarningsPool storage earnings = transcoder.pools[round];
        uint256 before = orOne(transcoder.pools[transcoder.lastRewardRound].rewardFactor);
        transcoder.activeCumulativeRewards = transcoder.cumulativeRewards;
        uint256 commission = (reward * earnings.rewardCut) / Percentages.MILLION;
        uint256 shared = reward - commission;
        uint256 own =
            Percentages.precisePartOf(shared, transcoder.activeCumulativeRewards, earnings.totalStake);
        transcoder.cumulativeRewards += own + commission;
        earnings.rewardFactor = before + Percentages.precisePartOf(before, shared, earnings.totalStake);
        increaseStake(account, reward, previous, next);
    }

    function bookFees(address account, uint256 fees) internal {
        uint256 round = rounds().currentRound();
        Transcoder storage transcoder = transcoders[account];
        EarningsPool storage earnings = transcoder.pools[round];
        (uint256 rewardFactor, uint256 feeFactor) = latestFactors(transcoder, round - 1);
        uint256 lastReward = transcoder.lastRewardRound;
        uint256 ownRewards = transcoder.activeCumulativeRewards;
        if (lastReward < round) {
            openPool(transcoder, round);
            // What `reward` will set it to, should it come in this round.
            ownRewards = transcoder.cumulativeRewards;
        }
        uint256 shared = (fees * earnings.feeShare) / Percentages.MILLION;
        uint256 own = Percentages.precisePartOf(shared, ownRewards, earnings.totalStake);
        transcoder.cumulativeFees += fees - shared + own;
        uint256 added = Percentages.precisePartOf(orOne(rewardFactor), shared, earnings.totalStake);
        earnings.feeFactor = (earnings.feeFactor == 0 ? feeFactor : earnings.feeFactor) + added;
        transcoder.lastFeeRound = round;
    }

    /// This round keeps the stake that it began with.
    function stakeChanges(Transcoder storage transcoder, uint256 round, uint256 from, uint256 to) private {
        if (transcoder.lastActiveStakeUpdateRound < round) transcoder.pools[round].totalStake = from;
        transcoder.pools[round + 1].totalStake = to;
        transcoder.lastActiveStakeUpdateRound = round + 1;
    }
}
