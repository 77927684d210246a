// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {Controller, Managed} from "./Controller.sol";

/// Rounds by block number, counted from block 0. A round that nobody initialises is skipped.
contract RoundsManager is Managed {
    event NewRound(uint256 indexed round, bytes32 blockHash);

    uint256 private constant PERCENT_DIVISOR = 1_000_000;

    uint256 public immutable roundLength;
    uint256 public immutable roundLockAmount;
    uint256 public lastInitializedRound;
    mapping(uint256 => bytes32) public blockHashForRound;

    constructor(Controller controller_, uint256 roundLength_, uint256 roundLockAmount_) Managed(controller_) {
        roundLength = roundLength_;
        roundLockAmount = roundLockAmount_;
    }

    function initializeRound() external whenSystemNotPaused {
        uint256 round = currentRound();
        require(lastInitializedRound < round, "round already initialized");
        lastInitializedRound = round;
        bytes32 hash = blockhash(block.number - 1);
        blockHashForRound[round] = hash;
        emit NewRound(round, hash);
    }

    /// For tests: Arbitrum sometimes stores no hash for a round.
    function setBlockHashForRound(uint256 round, bytes32 hash) external {
        blockHashForRound[round] = hash;
    }

    function currentRound() public view returns (uint256) {
        return block.number / roundLength;
    }

    function currentRoundStartBlock() public view returns (uint256) {
        return currentRound() * roundLength;
    }

    function currentRoundInitialized() public view returns (bool) {
        return lastInitializedRound == currentRound();
    }

    function currentRoundLocked() external view returns (bool) {
        uint256 lockBlocks = (roundLength * roundLockAmount) / PERCENT_DIVISOR;
        return block.number - currentRoundStartBlock() >= roundLength - lockBlocks;
    }
}
