// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {Controller} from "./Controller.sol";
import {IL2LPTDataCache} from "./Interfaces.sol";
import {Managed} from "./Managed.sol";
import {Percentages} from "./Percentages.sol";

/// Mints the rewards of a round, and holds all staked LPT and all deposited ether.
contract Minter is Managed {
    event SetCurrentRewardTokens(uint256 currentMintableTokens, uint256 currentInflation);
    event ParameterUpdate(string param);

    /// Parts of 1,000,000,000 of the supply for each round.
    uint256 public inflation;
    uint256 public inflationChange;
    uint256 public targetBondingRate;
    uint256 public currentMintableTokens;
    uint256 public currentMintedTokens;

    modifier onlyBondingManager() {
        require(msg.sender == controller.getContract(BONDING_MANAGER), "msg.sender not BondingManager");
        _;
    }

    modifier onlyBondingManagerOrJobsManager() {
        require(
            msg.sender == controller.getContract(BONDING_MANAGER)
                || msg.sender == controller.getContract(keccak256("JobsManager")),
            "msg.sender not BondingManager or JobsManager"
        );
        _;
    }

    constructor(Controller controller_, uint256 inflation_, uint256 inflationChange_, uint256 targetBondingRate_)
        Managed(controller_)
    {
        inflation = inflation_;
        inflationChange = inflationChange_;
        targetBondingRate = targetBondingRate_;
    }

    /// For tests; the real one only ever steps.
    function setInflation(uint256 inflation_) external {
        inflation = inflation_;
    }

    function setInflationChange(uint256 inflationChange_) external {
        inflationChange = inflationChange_;
        emit ParameterUpdate("inflationChange");
    }

    function setTargetBondingRate(uint256 rate) external {
        targetBondingRate = rate;
        emit ParameterUpdate("targetBondingRate");
    }

    function setCurrentRewardTokens() external whenSystemNotPaused {
        require(msg.sender == controller.getContract(ROUNDS_MANAGER), "msg.sender not RoundsManager");
        stepInflation();
        currentMintableTokens = (getGlobalTotalSupply() * inflation) / Percentages.BILLION;
        currentMintedTokens = 0;
        emit SetCurrentRewardTokens(currentMintableTokens, inflation);
    }

    function createReward(uint256 numerator, uint256 denominator)
        external
        onlyBondingManager
        whenSystemNotPaused
        whenRoundInitialized
        returns (uint256)
    {
        uint256 amount =
            Percentages.partOf(currentMintableTokens, numerator, denominator, Percentages.BILLION);
        uint256 minted = currentMintedTokens + amount;
        require(minted <= currentMintableTokens, "minted tokens cannot exceed mintable tokens");
        currentMintedTokens = minted;
        token().mint(address(this), amount);
        return amount;
    }

    function trustedTransferTokens(address to, uint256 amount) external onlyBondingManager whenSystemNotPaused {
        token().transfer(to, amount);
    }

    function depositETH() external payable onlyBondingManagerOrJobsManager whenSystemNotPaused returns (bool) {
        return true;
    }

    function trustedWithdrawETH(address payable to, uint256 amount)
        external
        onlyBondingManagerOrJobsManager
        whenSystemNotPaused
    {
        to.transfer(amount);
    }

    function getController() external view returns (address) {
        return address(controller);
    }

    /// What exists here, and what exists on L1 without being bridged.
    function getGlobalTotalSupply() public view returns (uint256) {
        IL2LPTDataCache cache = IL2LPTDataCache(controller.getContract(keccak256("L2LPTDataCache")));
        return token().totalSupply() + cache.l1CirculatingSupply();
    }

    function stepInflation() private {
        uint256 supply = getGlobalTotalSupply();
        uint256 rate = supply == 0 ? 0 : (bonding().getTotalBonded() * Percentages.BILLION) / supply;
        if (rate < targetBondingRate) inflation += inflationChange;
        else if (rate > targetBondingRate) {
            inflation = inflationChange > inflation ? 0 : inflation - inflationChange;
        }
    }
}

/// How much LPT lives on L1 only. Tests say it.
contract L2LPTDataCache {
    uint256 public l1CirculatingSupply;

    function setL1CirculatingSupply(uint256 supply) external {
        l1CirculatingSupply = supply;
    }
}
