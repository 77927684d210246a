// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {Controller} from "./Controller.sol";
import {Managed} from "./Managed.sol";

/// Votes on proposals. Time is counted in rounds. A vote weighs what the voter has staked at that moment: there are no
/// checkpoints here, and delegators do not take their weight from their orchestrator. Nothing is ever executed.
contract LivepeerGovernor is Managed {
    event ProposalCreated(
        uint256 proposalId,
        address proposer,
        address[] targets,
        uint256[] values,
        string[] signatures,
        bytes[] calldatas,
        uint256 voteStart,
        uint256 voteEnd,
        string description
    );
    event VoteCast(address indexed voter, uint256 proposalId, uint8 support, uint256 weight, string reason);

    error InvalidVoteType(uint8 voteType);
    error VoteAlreadyCast();

    struct Proposal {
        uint48 start;
        uint48 end;
        uint256[3] votes;
        mapping(address => bool) hasVoted;
    }

    enum State {
        Pending,
        Active,
        Canceled,
        Defeated,
        Succeeded
    }

    uint256 public votingDelay = 1;
    uint256 public votingPeriod = 10;
    mapping(uint256 => Proposal) private proposals;

    constructor(Controller controller_) Managed(controller_) {}

    /// For anybody, whatever their stake.
    function propose(
        address[] memory targets,
        uint256[] memory values,
        bytes[] memory calldatas,
        string memory description
    ) external returns (uint256 id) {
        id = hashProposal(targets, values, calldatas, keccak256(bytes(description)));
        Proposal storage proposal = proposals[id];
        require(proposal.start == 0, "Governor: proposal already exists");
        proposal.start = clock() + uint48(votingDelay);
        proposal.end = proposal.start + uint48(votingPeriod);
        emit ProposalCreated(
            id,
            msg.sender,
            targets,
            values,
            new string[](targets.length),
            calldatas,
            proposal.start,
            proposal.end,
            description
        );
    }

    function castVote(uint256 id, uint8 support) external returns (uint256) {
        return cast(id, support, "");
    }

    function castVoteWithReason(uint256 id, uint8 support, string calldata reason) external returns (uint256) {
        return cast(id, support, reason);
    }

    /// 0 against, 1 for, 2 abstain.
    function proposalVotes(uint256 id)
        external
        view
        returns (uint256 againstVotes, uint256 forVotes, uint256 abstainVotes)
    {
        uint256[3] storage votes = proposals[id].votes;
        return (votes[0], votes[1], votes[2]);
    }

    function hasVoted(uint256 id, address account) external view returns (bool) {
        return proposals[id].hasVoted[account];
    }

    function proposalSnapshot(uint256 id) external view returns (uint256) {
        return proposals[id].start;
    }

    function proposalDeadline(uint256 id) external view returns (uint256) {
        return proposals[id].end;
    }

    /// One may vote from the round after the snapshot to the last one, its own included.
    function state(uint256 id) public view returns (State) {
        Proposal storage proposal = proposals[id];
        require(proposal.start > 0, "Governor: unknown proposal id");
        if (proposal.start >= clock()) return State.Pending;
        if (proposal.end >= clock()) return State.Active;
        return proposal.votes[1] > proposal.votes[0] ? State.Succeeded : State.Defeated;
    }

    function clock() public view returns (uint48) {
        return uint48(rounds().currentRound());
    }

    function hashProposal(
        address[] memory targets,
        uint256[] memory values,
        bytes[] memory calldatas,
        bytes32 descriptionHash
    ) public pure returns (uint256) {
        return uint256(keccak256(abi.encode(targets, values, calldatas, descriptionHash)));
    }

    function cast(uint256 id, uint8 support, string memory reason) private returns (uint256 weight) {
        require(state(id) == State.Active, "Governor: vote not currently active");
        Proposal storage proposal = proposals[id];
        weight = bonding().isRegisteredTranscoder(msg.sender)
            ? bonding().transcoderTotalStake(msg.sender)
            : bonding().pendingStake(msg.sender, 0);
        if (support > 2) revert InvalidVoteType(support);
        if (proposal.hasVoted[msg.sender]) revert VoteAlreadyCast();
        proposal.hasVoted[msg.sender] = true;
        proposal.votes[support] += weight;
        emit VoteCast(msg.sender, id, support, weight, reason);
    }
}
