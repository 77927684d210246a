// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {Controller} from "./Controller.sol";
import {IBondingManager, ILivepeerToken, IMinter, IRoundsManager} from "./Interfaces.sol";

/// What every other contract of the protocol shares: it knows the Controller and finds its neighbours there at
/// every call. The first two slots are those of a proxy, which runs the code of its target on its own storage.
abstract contract Managed {
    bytes32 internal constant BONDING_MANAGER = keccak256("BondingManager");
    bytes32 internal constant LIVEPEER_TOKEN = keccak256("LivepeerToken");
    bytes32 internal constant MINTER = keccak256("Minter");
    bytes32 internal constant ROUNDS_MANAGER = keccak256("RoundsManager");
    bytes32 internal constant TICKET_BROKER = keccak256("TicketBroker");
    bytes32 internal constant TREASURY = keccak256("Treasury");

    Controller public controller;
    bytes32 public targetContractId;

    modifier whenSystemNotPaused() {
        requireNotPaused();
        _;
    }

    modifier whenRoundInitialized() {
        requireInitializedRound();
        _;
    }

    constructor(Controller controller_) {
        controller = controller_;
    }

    function requireNotPaused() internal view {
        require(!controller.paused(), "system is paused");
    }

    function requireInitializedRound() internal view {
        require(rounds().currentRoundInitialized(), "current round is not initialized");
    }

    function rounds() internal view returns (IRoundsManager) {
        return IRoundsManager(controller.getContract(ROUNDS_MANAGER));
    }

    function bonding() internal view returns (IBondingManager) {
        return IBondingManager(controller.getContract(BONDING_MANAGER));
    }

    function minter() internal view returns (IMinter) {
        return IMinter(controller.getContract(MINTER));
    }

    function token() internal view returns (ILivepeerToken) {
        return ILivepeerToken(controller.getContract(LIVEPEER_TOKEN));
    }
}
