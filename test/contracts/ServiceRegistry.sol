// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {Controller} from "./Controller.sol";
import {Managed} from "./Managed.sol";

/// Where orchestrators say where they are. No checks at all, and never paused. Also serves as the AI registry.
contract ServiceRegistry is Managed {
    event ServiceURIUpdate(address indexed addr, string serviceURI);

    mapping(address => string) private serviceUris;

    constructor(Controller controller_) Managed(controller_) {}

    function setServiceURI(string calldata serviceUri) external {
        serviceUris[msg.sender] = serviceUri;
        emit ServiceURIUpdate(msg.sender, serviceUri);
    }

    function getServiceURI(address account) external view returns (string memory) {
        return serviceUris[account];
    }
}
