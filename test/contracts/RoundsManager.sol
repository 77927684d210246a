// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {Controller} from "./Controller.sol";
import {Managed} from "./Managed.sol";
import {Percentages} from "./Percentages.sol";

/// Rounds by block number, counted from block 0. A round that nobody initialises is skipped.
contract RoundsManager is Managed {
    event NewRound(uint256 indexed round, bytes32 blockHash);
    event ParameterUpdate(string param);

    uint256 public roundLength;
    uint256 public roundLockAmount;
    uint256 public lastInitializedRound;
    uint256 public lastRoundLengthUpdateRound;
    uint256 public lastRoundLengthUpdateStartBlock;
    mapping(uint256 => bytes32) public blockHashForRound;

    constructor(Controller controller_) Managed(controller_) {}

    /// For anybody, as everything that sets a parameter here.
    function setRoundLength(uint256 length) external {
        require(length > 0, "round length cannot be 0");
        if (roundLength > 0) {
            uint256 round = currentRound();
            lastRoundLengthUpdateStartBlock = currentRoundStartBlock();
            lastRoundLengthUpdateRound = round;
        }
        roundLength = length;
        emit ParameterUpdate("roundLength");
    }

    function setRoundLockAmount(uint256 amount) external {
        require(amount <= Percentages.MILLION, "round lock amount must be a valid percentage");
        roundLockAmount = amount;
        emit ParameterUpdate("roundLockAmount");
    }

    function initializeRound() external whenSystemNotPaused {
        uint256 round = currentRound();
        require(lastInitializedRound < round, "round already initialized");
        lastInitializedRound = round;
        bytes32 hash = blockhash(block.number - 1);
        blockHashForRound[round] = hash;
        bonding().setCurrentRoundTotalActiveStake();
        minter().setCurrentRewardTokens();
        emit NewRound(round, hash);
    }

    /// For tests: Arbitrum sometimes stores no hash for a round.
    function setBlockHashForRound(uint256 round, bytes32 hash) external {
        blockHashForRound[round] = hash;
    }

    function blockNum() external view returns (uint256) {
        return block.number;
    }

    function currentRoundInitialized() external view returns (bool) {
        return lastInitializedRound == currentRound();
    }

    function currentRoundLocked() external view returns (bool) {
        uint256 lockBlocks = (roundLength * roundLockAmount) / Percentages.MILLION;
        return block.number - currentRoundStartBlock() >= roundLength - lockBlocks;
    }

    function currentRound() public view returns (uint256) {
        return lastRoundLengthUpdateRound + (block.number - lastRoundLengthUpdateStartBlock) / roundLength;
    }

    function currentRoundStartBlock() public view returns (uint256) {
        uint256 passed = (block.number - lastRoundLengthUpdateStartBlock) / roundLength;
        return lastRoundLengthUpdateStartBlock + passed * roundLength;
    }
}
