import { parseAbi } from "viem";

/*
 * The fragments of Livepeer's contracts that this node reads. Source: livepeer/protocol deployments; a test
 * compares every selector with the contracts that the other tests run on.
 */

/** Contract names as the Controller knows them. Their id there is keccak256 of the name. */
export type ContractName = "RoundsManager" | "BondingManager" | "TicketBroker";

export const controllerAbi = parseAbi(["function getContract(bytes32 id) view returns (address)"]);

export const roundsManagerAbi = parseAbi([
  "function lastInitializedRound() view returns (uint256)",
  "function blockHashForRound(uint256 round) view returns (bytes32)",
]);

export const bondingManagerAbi = parseAbi([
  "function getTranscoderPoolSize() view returns (uint256)",
  "function isActiveTranscoder(address transcoder) view returns (bool)",
]);

export const ticketBrokerAbi = parseAbi([
  "struct Sender { uint256 deposit; uint256 withdrawRound; }",
  "struct ReserveInfo { uint256 fundsRemaining; uint256 claimedInCurrentRound; }",
  "function getSenderInfo(address sender) view returns (Sender sender, ReserveInfo reserve)",
  "function claimedReserve(address reserveHolder, address claimant) view returns (uint256)",
  "function usedTickets(bytes32 ticketHash) view returns (bool)",
  "function ticketValidityPeriod() view returns (uint256)",
]);

/** Chainlink's AggregatorV3Interface. */
export const aggregatorAbi = parseAbi([
  "function description() view returns (string)",
  "function decimals() view returns (uint8)",
  "function latestRoundData() view returns (uint80 roundId, int256 answer, uint256 startedAt, uint256 updatedAt, uint80 answeredInRound)",
]);
