// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {IBondingManager} from "./Interfaces.sol";

/// Opens polls for those with enough stake.
contract PollCreator {
    event PollCreated(
        address indexed poll, bytes proposal, uint256 endBlock, uint256 quorum, uint256 quota
    );

    uint256 public constant QUORUM = 333_300;
    uint256 public constant QUOTA = 500_000;
    uint256 public constant POLL_CREATION_COST = 100 * 10 ** 18;
    /// L1 blocks. 57,600 on the real one.
    uint256 public immutable POLL_PERIOD;
    IBondingManager public immutable bondingManager;

    constructor(IBondingManager bondingManager_, uint256 period) {
        bondingManager = bondingManager_;
        POLL_PERIOD = period;
    }

    function createPoll(bytes calldata proposal) external {
        uint256 stake = bondingManager.transcoderTotalStake(msg.sender);
        uint256 own = bondingManager.pendingStake(msg.sender, 0);
        require(
            stake >= POLL_CREATION_COST || own >= POLL_CREATION_COST,
            "PollCreator#createPoll: INSUFFICIENT_STAKE"
        );
        uint256 endBlock = block.number + POLL_PERIOD;
        emit PollCreated(address(new Poll(endBlock)), proposal, endBlock, QUORUM, QUOTA);
    }
}

/// Counts nothing: votes are events, and the last one of an account is the one that counts.
contract Poll {
    event Vote(address indexed voter, uint256 choiceID);

    uint256 public immutable endBlock;

    constructor(uint256 endBlock_) {
        endBlock = endBlock_;
    }

    function vote(uint256 choiceId) external {
        require(block.number <= endBlock, "poll is over");
        emit Vote(msg.sender, choiceId);
    }
}
