// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {Controller, Managed} from "./Controller.sol";

/// What payments ask of bonding: the size of the pool, who is active, and where fees go. Tests set the rest.
contract BondingManager is Managed {
    uint256 private poolSize;
    mapping(address => bool) private isActive;
    mapping(address => bool) private isRegistered;
    /// Fees that winning tickets brought, wei.
    mapping(address => uint256) public feesOf;

    constructor(Controller controller_) Managed(controller_) {}

    function getTranscoderPoolSize() external view returns (uint256) {
        return poolSize;
    }

    function isActiveTranscoder(address transcoder) external view returns (bool) {
        return isActive[transcoder];
    }

    function updateTranscoderWithFees(address transcoder, uint256 fees, uint256) external whenSystemNotPaused {
        require(msg.sender == neighbour("TicketBroker"), "caller must be TicketBroker");
        require(isRegistered[transcoder], "transcoder must be registered");
        feesOf[transcoder] += fees;
    }

    function setTranscoderPoolSize(uint256 size) external {
        poolSize = size;
    }

    /// An inactive transcoder stays registered.
    function setActive(address transcoder, bool active) external {
        isActive[transcoder] = active;
        isRegistered[transcoder] = true;
    }
}
