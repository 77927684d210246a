// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {BondingEarnings} from "./BondingEarnings.sol";
import {BondingState} from "./BondingState.sol";
import {Controller} from "./Controller.sol";
import {Percentages} from "./Percentages.sol";
import {SortedPool} from "./SortedPool.sol";

/// Staking, the active set, rewards and fees: the rules, their order and their words as Livepeer has them. It has no
/// slashing, no bonds of third parties and no checkpoints of votes.
contract BondingManager is BondingEarnings {
    using SortedPool for SortedPool.Pool;

    event Bond(
        address indexed newDelegate,
        address indexed oldDelegate,
        address indexed delegator,
        uint256 additionalAmount,
        uint256 bondedAmount
    );
    event Unbond(
        address indexed delegate,
        address indexed delegator,
        uint256 unbondingLockId,
        uint256 amount,
        uint256 withdrawRound
    );
    event Rebond(address indexed delegate, address indexed delegator, uint256 unbondingLockId, uint256 amount);
    event TransferBond(
        address indexed oldDelegator,
        address indexed newDelegator,
        uint256 oldUnbondingLockId,
        uint256 newUnbondingLockId,
        uint256 amount
    );
    event WithdrawStake(
        address indexed delegator, uint256 unbondingLockId, uint256 amount, uint256 withdrawRound
    );
    event WithdrawFees(address indexed delegator, address recipient, uint256 amount);
    event TranscoderUpdate(address indexed transcoder, uint256 rewardCut, uint256 feeShare);
    event Reward(address indexed transcoder, uint256 amount);
    event TreasuryReward(address indexed transcoder, address treasury, uint256 amount);
    event RewardCallerSet(address indexed transcoder, address indexed rewardCaller);
    event ParameterUpdate(string param);

    constructor(Controller controller_) BondingState(controller_) {}

    function bond(uint256 amount, address to) external {
        bondWithHint(amount, to, address(0), address(0), address(0), address(0));
    }

    function unbond(uint256 amount) external {
        unbondWithHint(amount, address(0), address(0));
    }

    function rebond(uint256 lockId) external {
        rebondWithHint(lockId, address(0), address(0));
    }

    function rebondFromUnbonded(address to, uint256 lockId) external {
        rebondFromUnbondedWithHint(to, lockId, address(0), address(0));
    }

    function transcoder(uint256 rewardCut, uint256 feeShare) external {
        transcoderWithHint(rewardCut, feeShare, address(0), address(0));
    }

    function reward() external {
        rewardWithHint(address(0), address(0));
    }

    function rewardForTranscoder(address account) external {
        rewardForTranscoderWithHint(account, address(0), address(0));
    }

    function setRewardCaller(address caller) external whenSystemNotPaused {
        transcoderToRewardCaller[msg.sender] = caller;
        emit RewardCallerSet(msg.sender, caller);
    }

    function claimEarnings(uint256) external whenSystemNotPaused whenRoundInitialized {
        claim(msg.sender);
    }

    /// Gives stake away without the wait: it is unbonded here and bonded again there.
    function transferBond(
        address to,
        uint256 amount,
        address oldPrevious,
        address oldNext,
        address previous,
        address next
    ) external whenSystemNotPaused whenRoundInitialized {
        require(to != msg.sender, "INVALID_DELEGATOR");
        address delegate = delegators[msg.sender].delegateAddress;
        unbondWithHint(amount, oldPrevious, oldNext);
        uint256 oldId = delegators[msg.sender].nextUnbondingLockId - 1;
        Delegator storage receiver = delegators[to];
        uint256 newId = receiver.nextUnbondingLockId;
        receiver.unbondingLocks[newId] = delegators[msg.sender].unbondingLocks[oldId];
        receiver.nextUnbondingLockId = newId + 1;
        delete delegators[msg.sender].unbondingLocks[oldId];
        emit TransferBond(msg.sender, to, oldId, newId, amount);
        claim(to);
        if (receiver.bondedAmount == 0) {
            receiver.delegateAddress = delegate;
            receiver.startRound = rounds().currentRound() + 1;
            keepFactors(transcoders[delegate], receiver.startRound - 1);
        }
        useLock(to, newId, previous, next);
    }

    function withdrawStake(uint256 lockId) external whenSystemNotPaused whenRoundInitialized {
        require(isValidUnbondingLock(msg.sender, lockId), "invalid unbonding lock ID");
        UnbondingLock memory lock = delegators[msg.sender].unbondingLocks[lockId];
        require(
            lock.withdrawRound <= rounds().currentRound(),
            "withdraw round must be before or equal to the current round"
        );
        delete delegators[msg.sender].unbondingLocks[lockId];
        minter().trustedTransferTokens(msg.sender, lock.amount);
        emit WithdrawStake(msg.sender, lockId, lock.amount, lock.withdrawRound);
    }

    function withdrawFees(address payable recipient, uint256 amount)
        external
        whenSystemNotPaused
        whenRoundInitialized
    {
        claim(msg.sender);
        require(recipient != address(0), "invalid recipient");
        uint256 fees = delegators[msg.sender].fees;
        require(fees >= amount, "insufficient fees to withdraw");
        delegators[msg.sender].fees = fees - amount;
        minter().trustedWithdrawETH(recipient, amount);
        emit WithdrawFees(msg.sender, recipient, amount);
    }

    function updateTranscoderWithFees(address account, uint256 fees, uint256) external whenSystemNotPaused {
        require(msg.sender == controller.getContract(TICKET_BROKER), "caller must be TicketBroker");
        require(isRegisteredTranscoder(account), "transcoder must be registered");
        bookFees(account, fees);
    }

    function setCurrentRoundTotalActiveStake() external {
        require(msg.sender == controller.getContract(ROUNDS_MANAGER), "caller must be RoundsManager");
        currentRoundTotalActiveStake = nextRoundTotalActiveStake;
        if (nextRoundTreasuryRewardCutRate != treasuryRewardCutRate) {
            treasuryRewardCutRate = nextRoundTreasuryRewardCutRate;
            emit ParameterUpdate("treasuryRewardCutRate");
        }
    }

    function setUnbondingPeriod(uint64 period) external {
        unbondingPeriod = period;
        emit ParameterUpdate("unbondingPeriod");
    }

    function setNumActiveTranscoders(uint256 size) external {
        require(size >= pool.size, "new max size must be greater than or equal to the size");
        pool.maxSize = size;
        emit ParameterUpdate("numActiveTranscoders");
    }

    /// From the next round on.
    function setTreasuryRewardCutRate(uint256 rate) external {
        changeTreasuryRate(rate);
    }

    function setTreasuryBalanceCeiling(uint256 ceiling) external {
        treasuryBalanceCeiling = ceiling;
        emit ParameterUpdate("treasuryBalanceCeiling");
    }

    /// For tests: what `getTranscoderPoolSize` says from now on, whatever the pool is.
    function setTranscoderPoolSize(uint256 size) external {
        pool.claimedSize = uint128(size) + 1;
    }

    /// For tests: `getTranscoderPoolSize` tells the truth.
    function forgetTranscoderPoolSize() external {
        pool.claimedSize = 0;
    }

    /// For tests: an orchestrator outside the pool, with a stake of 1 out of nothing, at once. An inactive one stays
    /// registered.
    function setActive(address account, bool active) external {
        uint256 round = rounds().currentRound();
        Transcoder storage found = transcoders[account];
        if (!isRegisteredTranscoder(account)) {
            delegators[account].delegateAddress = account;
            delegators[account].bondedAmount += 1;
            delegators[account].delegatedAmount += 1;
            delegators[account].lastClaimRound = round;
            found.pools[round].totalStake = delegators[account].delegatedAmount;
            found.lastActiveStakeUpdateRound = round;
        }
        if (active && found.activationRound > round) found.activationRound = round;
        found.deactivationRound = active ? type(uint256).max : round;
    }

    function bondWithHint(
        uint256 amount,
        address to,
        address oldPrevious,
        address oldNext,
        address previous,
        address next
    ) public whenSystemNotPaused whenRoundInitialized {
        claim(msg.sender);
        Delegator storage delegator = delegators[msg.sender];
        uint256 round = rounds().currentRound();
        uint256 bonded = delegator.bondedAmount;
        uint256 moved = amount;
        address from = delegator.delegateAddress;
        if (bonded == 0) {
            delegator.startRound = round + 1;
        } else if (from != to) {
            require(
                !isRegisteredTranscoder(msg.sender),
                "registered transcoders can't delegate towards other addresses"
            );
            delegator.startRound = round + 1;
            moved += bonded;
            decreaseStake(from, bonded, oldPrevious, oldNext);
        }
        keepFactors(transcoders[to], round);
        require(moved > 0, "delegation amount must be greater than 0");
        delegator.delegateAddress = to;
        delegator.bondedAmount = bonded + amount;
        increaseStake(to, moved, previous, next);
        if (amount > 0) token().transferFrom(msg.sender, address(minter()), amount);
        emit Bond(to, from, msg.sender, amount, bonded + amount);
    }

    function unbondWithHint(uint256 amount, address previous, address next)
        public
        whenSystemNotPaused
        whenRoundInitialized
    {
        claim(msg.sender);
        require(delegatorStatus(msg.sender) == DelegatorStatus.Bonded, "caller must be bonded");
        Delegator storage delegator = delegators[msg.sender];
        require(amount > 0, "unbond amount must be greater than 0");
        require(amount <= delegator.bondedAmount, "amount is greater than bonded amount");
        address delegate = delegator.delegateAddress;
        uint256 withdrawRound = rounds().currentRound() + unbondingPeriod;
        uint256 lockId = delegator.nextUnbondingLockId;
        delegator.unbondingLocks[lockId] = UnbondingLock(amount, withdrawRound);
        delegator.nextUnbondingLockId = lockId + 1;
        delegator.bondedAmount -= amount;
        if (delegator.bondedAmount == 0) {
            delegator.delegateAddress = address(0);
            delegator.startRound = 0;
            if (pool.contains(msg.sender)) leavePool(msg.sender);
        }
        decreaseStake(delegate, amount, previous, next);
        emit Unbond(delegate, msg.sender, lockId, amount, withdrawRound);
    }

    function rebondWithHint(uint256 lockId, address previous, address next)
        public
        whenSystemNotPaused
        whenRoundInitialized
    {
        claim(msg.sender);
        require(delegatorStatus(msg.sender) != DelegatorStatus.Unbonded, "caller must be bonded");
        useLock(msg.sender, lockId, previous, next);
    }

    function rebondFromUnbondedWithHint(address to, uint256 lockId, address previous, address next)
        public
        whenSystemNotPaused
        whenRoundInitialized
    {
        claim(msg.sender);
        require(delegatorStatus(msg.sender) == DelegatorStatus.Unbonded, "caller must be unbonded");
        uint256 round = rounds().currentRound();
        delegators[msg.sender].startRound = round + 1;
        delegators[msg.sender].delegateAddress = to;
        keepFactors(transcoders[to], round);
        useLock(msg.sender, lockId, previous, next);
    }

    function transcoderWithHint(uint256 rewardCut, uint256 feeShare, address previous, address next)
        public
        whenSystemNotPaused
        whenRoundInitialized
    {
        require(
            !rounds().currentRoundLocked(), "can't update transcoder params, current round is locked"
        );
        require(rewardCut <= Percentages.MILLION, "invalid rewardCut percentage");
        require(feeShare <= Percentages.MILLION, "invalid feeShare percentage");
        require(isRegisteredTranscoder(msg.sender), "transcoder must be registered");
        Transcoder storage found = transcoders[msg.sender];
        uint256 round = rounds().currentRound();
        require(
            !isActiveTranscoder(msg.sender) || found.lastRewardRound == round,
            "caller can't be active or must have already called reward for the current round"
        );
        found.rewardCut = rewardCut;
        found.feeShare = feeShare;
        if (!pool.contains(msg.sender)) {
            tryToJoinPool(msg.sender, transcoderTotalStake(msg.sender), round + 1, previous, next);
        }
        emit TranscoderUpdate(msg.sender, rewardCut, feeShare);
    }

    function rewardWithHint(address previous, address next) public whenSystemNotPaused whenRoundInitialized {
        rewardOf(msg.sender, previous, next);
    }

    function rewardForTranscoderWithHint(address account, address previous, address next)
        public
        whenSystemNotPaused
        whenRoundInitialized
    {
        // The text is ours: the sheet and LIP-118 leave it open.
        require(transcoderToRewardCaller[account] == msg.sender, "caller must be the reward caller");
        rewardOf(account, previous, next);
    }

    function rewardOf(address account, address previous, address next) private {
        uint256 round = rounds().currentRound();
        require(isActiveTranscoder(account), "caller must be an active transcoder");
        Transcoder storage found = transcoders[account];
        require(found.lastRewardRound != round, "caller has already called reward for the current round");
        EarningsPool storage earnings = openPool(found, round);
        address treasury = controller.getContract(TREASURY);
        if (
            treasuryBalanceCeiling > 0 && token().balanceOf(treasury) >= treasuryBalanceCeiling
                && nextRoundTreasuryRewardCutRate > 0
        ) changeTreasuryRate(0);
        uint256 total = minter().createReward(earnings.totalStake, currentRoundTotalActiveStake);
        uint256 forTreasury = (total * treasuryRewardCutRate) / Percentages.E27;
        if (forTreasury > 0) {
            minter().trustedTransferTokens(treasury, forTreasury);
            emit TreasuryReward(account, treasury, forTreasury);
        }
        bookReward(account, total - forTreasury, round, previous, next);
        found.lastRewardRound = round;
        emit Reward(account, total - forTreasury);
    }

    function useLock(address account, uint256 lockId, address previous, address next) private {
        require(isValidUnbondingLock(account, lockId), "invalid unbonding lock ID");
        Delegator storage delegator = delegators[account];
        uint256 amount = delegator.unbondingLocks[lockId].amount;
        delete delegator.unbondingLocks[lockId];
        delegator.bondedAmount += amount;
        address delegate = delegator.delegateAddress;
        increaseStake(delegate, amount, previous, next);
        emit Rebond(delegate, account, lockId, amount);
    }

    function changeTreasuryRate(uint256 rate) private {
        nextRoundTreasuryRewardCutRate = rate;
        emit ParameterUpdate("nextRoundTreasuryRewardCutRate");
    }
}
