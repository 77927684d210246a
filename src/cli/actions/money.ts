import { bondingManagerAbi, livepeerTokenAbi } from "../../chain/abi.ts";
import { callData } from "../../chain/contractView.ts";
import type { Hex } from "../../shared/brand.ts";
import { amountText, unitText } from "../amounts.ts";
import { accountText, type ChainState } from "../readState.ts";
import { type Plan, planOf, refusal, refusalOfRound } from "./step.ts";
import { tooLittleLpt } from "./stake.ts";

/**
 * `withdraw-fees`: ETH that tickets brought, to the own account or another one. `amount` null = all of it.
 *
 * Source: chain sheet 3.4.
 */
export function withdrawFees(state: ChainState, amount: bigint | null, to: Hex | null): Plan {
  const { own, contracts } = state;
  const refused = refusalOfRound(state);
  if (refused !== null) return refused;
  const wei = amount ?? own.pendingFees;
  if (wei === 0n) {
    return amount === null
      ? { type: "nothing", text: "There are no fees to withdraw." }
      : refusal("the amount is 0", "Give the ETH to withdraw, or `all`.");
  }
  if (wei > own.pendingFees) {
    return refusal(
      "insufficient fees to withdraw",
      `There are ${amountText(own.pendingFees, "ETH")} of fees.`,
    );
  }
  const recipient = to ?? own.account;
  const isHome = recipient === own.account;
  return planOf(
    `withdraw fees of ${unitText(wei)} ETH`,
    [
      {
        name: "withdrawFees",
        title: `Withdraw fees of ${unitText(wei)} ETH to ${isHome ? "your account" : accountText(recipient)}`,
        contract: "BondingManager",
        functionName: "withdrawFees",
        arguments: [
          { name: "recipient", text: accountText(recipient) },
          { name: "amount", text: amountText(wei, "ETH") },
        ],
        call: {
          to: contracts.BondingManager,
          data: callData(bondingManagerAbi, "withdrawFees", [recipient, wei]),
          value: 0n,
        },
        gasAmple: 600_000n,
        isDependent: false,
      },
    ],
    {
      change: { eth: isHome ? wei : 0n },
      notes: isHome
        ? []
        : [
            "The contract sends with 2,300 gas: a contract wallet that does more than take ETH makes it fail.",
          ],
    },
  );
}

/** `transfer`: LPT to somebody. */
export function transfer({ own, contracts }: ChainState, to: Hex, amount: bigint): Plan {
  if (amount === 0n) return refusal("the amount is 0", "Give the LPT to send.");
  if (amount > own.lptBalance) return tooLittleLpt(own.lptBalance, amount);
  if (to === own.account) return refusal("that is your own account", "Give the address of somebody else.");
  const name = Object.entries(contracts).find(([, address]) => address === to)?.[0];
  if (name !== undefined) {
    return refusal(
      `that is the contract ${name}`,
      "LPT that is sent to a contract of the protocol is lost. To stake it, use `bun run cli bond`.",
    );
  }
  return planOf(
    `transfer ${unitText(amount)} LPT to ${to}`,
    [
      {
        name: "transfer",
        title: `Send ${unitText(amount)} LPT to ${accountText(to)}`,
        contract: "LivepeerToken",
        functionName: "transfer",
        arguments: [
          { name: "recipient", text: accountText(to) },
          { name: "amount", text: amountText(amount, "LPT") },
        ],
        call: {
          to: contracts.LivepeerToken,
          data: callData(livepeerTokenAbi, "transfer", [to, amount]),
          value: 0n,
        },
        gasAmple: 120_000n,
        isDependent: false,
      },
    ],
    { change: { lpt: -amount }, notes: ["It cannot be taken back."] },
  );
}
