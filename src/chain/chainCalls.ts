import { encodeFunctionData } from "viem";
import { fromHex, toHex } from "../protocol/bytes.ts";
import { auxData } from "../protocol/ticket.ts";
import type { ChainCall, PoolHint, RedeemableTicket, RewardPath } from "../runtime/chainPorts.ts";
import { assert } from "../shared/assert.ts";
import type { Hex } from "../shared/brand.ts";
import { bondingManagerAbi, roundsManagerAbi, ticketBrokerAbi } from "./abi.ts";

/** One ticket: `redeemWinningTicket`; several: `batchRedeemWinningTickets`. Source: payments sheet 6.1, 6.5. */
export function redeemCall(ticketBroker: Hex, tickets: readonly RedeemableTicket[]): ChainCall {
  const [first] = tickets;
  assert(first !== undefined, "There is nothing to redeem.");
  const abi = ticketBrokerAbi;
  const data =
    tickets.length === 1
      ? encodeFunctionData({
          abi,
          functionName: "redeemWinningTicket",
          args: [structOf(first), first.sig, BigInt(first.recipientRand)],
        })
      : encodeFunctionData({
          abi,
          functionName: "batchRedeemWinningTickets",
          args: [
            tickets.map(structOf),
            tickets.map((ticket) => ticket.sig),
            tickets.map((ticket) => BigInt(ticket.recipientRand)),
          ],
        });
  return { to: ticketBroker, data, value: 0n };
}

/** Source: chain sheet 4.1; LIP-118. */
export function rewardCall(bondingManager: Hex, path: RewardPath, hint: PoolHint): ChainCall {
  const abi = bondingManagerAbi;
  const data =
    path.type === "own"
      ? encodeFunctionData({ abi, functionName: "rewardWithHint", args: [hint.previous, hint.next] })
      : encodeFunctionData({
          abi,
          functionName: "rewardForTranscoderWithHint",
          args: [path.orchestrator, hint.previous, hint.next],
        });
  return { to: bondingManager, data, value: 0n };
}

/** Source: chain sheet 2.1. */
export function initializeRoundCall(roundsManager: Hex): ChainCall {
  const data = encodeFunctionData({ abi: roundsManagerAbi, functionName: "initializeRound" });
  return { to: roundsManager, data, value: 0n };
}

function structOf(ticket: RedeemableTicket) {
  const { recipient, sender, faceValue, winProb, senderNonce, recipientRandHash } = ticket;
  const creationRoundBlockHash = fromHex(ticket.creationRoundBlockHash);
  assert(creationRoundBlockHash !== null, "A block hash is hexadecimal.");
  const aux = toHex(auxData({ creationRound: ticket.creationRound, creationRoundBlockHash }));
  return {
    ...{ recipient, sender, faceValue, winProb, recipientRandHash },
    senderNonce: BigInt(senderNonce),
    auxData: aux,
  };
}
