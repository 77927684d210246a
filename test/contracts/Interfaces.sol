// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

/// What the contracts ask of each other.
interface IRoundsManager {
    function blockHashForRound(uint256 round) external view returns (bytes32);
    function currentRound() external view returns (uint256);
    function currentRoundInitialized() external view returns (bool);
    function currentRoundLocked() external view returns (bool);
}

interface IBondingManager {
    function getTotalBonded() external view returns (uint256);
    function getTranscoderPoolSize() external view returns (uint256);
    function isActiveTranscoder(address transcoder) external view returns (bool);
    function isRegisteredTranscoder(address transcoder) external view returns (bool);
    function pendingStake(address delegator, uint256 endRound) external view returns (uint256);
    function setCurrentRoundTotalActiveStake() external;
    function transcoderTotalStake(address transcoder) external view returns (uint256);
    function updateTranscoderWithFees(address transcoder, uint256 fees, uint256 round) external;
}

interface IMinter {
    function createReward(uint256 numerator, uint256 denominator) external returns (uint256);
    function depositETH() external payable returns (bool);
    function setCurrentRewardTokens() external;
    function trustedTransferTokens(address to, uint256 amount) external;
    function trustedWithdrawETH(address to, uint256 amount) external;
}

interface ILivepeerToken {
    function balanceOf(address account) external view returns (uint256);
    function mint(address to, uint256 amount) external;
    function totalSupply() external view returns (uint256);
    function transfer(address to, uint256 amount) external returns (bool);
    function transferFrom(address from, address to, uint256 amount) external returns (bool);
}

interface IL2LPTDataCache {
    function l1CirculatingSupply() external view returns (uint256);
}
