/** A route that needs the chain: without one it checks its parameters, if it does that first, and then refuses. */
export type ChainRoute = {
  /** Whether the form is parsed before the chain is asked for. */
  readonly isFormFirst: boolean;
  /** Parameters that must not be empty, in the order in which they are checked. Only with `isFormFirst`. */
  readonly required: readonly string[];
};

const plain: ChainRoute = { isFormFirst: false, required: [] };
const form = (...required: readonly string[]): ChainRoute => ({ isFormFirst: true, required });

/**
 * The routes of go-livepeer's operator port that answer `missing ETH client` off-chain.
 *
 * `/currentBlock` and `/setMaxFaceValue` make go-livepeer panic there; `/setPriceForBroadcaster` changes a price
 * that nobody is ever quoted: all three are refused in the same words off-chain.
 *
 * Source: go-livepeer server/webserver.go, server/handlers.go; recorded `route` rows; operator sheet 2.2.
 */
export const chainRoutes: Readonly<Record<string, ChainRoute>> = {
  "/currentBlock": plain,
  "/orchestratorInfo": plain,
  "/currentRound": plain,
  "/initializeRound": plain,
  "/roundInitialized": plain,
  "/activateOrchestrator": form("blockRewardCut", "feeShare", "pricePerUnit", "pixelsPerUnit", "serviceURI"),
  "/setOrchestratorConfig": form(),
  "/setMaxFaceValue": form("maxfacevalue"),
  "/setPriceForBroadcaster": form("pricePerUnit", "pixelsPerUnit", "broadcasterEthAddr"),
  "/bond": form("amount", "toAddr"),
  "/rebond": form("unbondingLockId"),
  "/unbond": form("amount"),
  "/withdrawStake": form("unbondingLockId"),
  "/unbondingLocks": form(),
  "/withdrawFees": plain,
  "/claimEarnings": plain,
  "/delegatorInfo": plain,
  "/orchestratorEarningPoolsForRound": plain,
  "/registeredOrchestrators": plain,
  "/reward": plain,
  "/protocolParameters": plain,
  "/contractAddresses": plain,
  "/ethAddr": plain,
  "/tokenBalance": plain,
  "/ethBalance": plain,
  "/transferTokens": form("to", "amount"),
  "/requestTokens": plain,
  "/signMessage": form("message"),
  "/vote": form("poll", "choiceID"),
  "/voteOnProposal": form("proposalID", "support"),
  "/setMaxGasPrice": form("amount"),
  "/setMinGasPrice": form("minGasPrice"),
  "/maxGasPrice": plain,
  "/minGasPrice": plain,
  "/fundDepositAndReserve": form("depositAmount", "reserveAmount"),
  "/fundDeposit": form("amount"),
  "/unlock": plain,
  "/cancelUnlock": plain,
  "/withdraw": plain,
  "/senderInfo": plain,
  "/ticketBrokerParams": plain,
};
