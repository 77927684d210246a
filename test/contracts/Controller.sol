// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

/// The registry of a Livepeer chain, as small as tests need it: anybody may register and pause.
contract Controller {
    event SetContractInfo(bytes32 id, address contractAddress, bytes20 gitCommitHash);

    bool public paused = true;
    mapping(bytes32 => address) private contracts;

    /// Zero for an unknown id; never reverts.
    function getContract(bytes32 id) external view returns (address) {
        return contracts[id];
    }

    function setContractInfo(bytes32 id, address contractAddress, bytes20 gitCommitHash) external {
        contracts[id] = contractAddress;
        emit SetContractInfo(id, contractAddress, gitCommitHash);
    }

    function pause() external {
        paused = true;
    }

    function unpause() external {
        paused = false;
    }
}
