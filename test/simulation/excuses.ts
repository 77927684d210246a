import type { Hex } from "../../src/shared/brand.ts";
import type { MoneyChecker } from "./moneyChecker.ts";
import type { MoneyWorld } from "./moneyWorld.ts";
import type { NodeProcess } from "./world.ts";

/** What is known of the request that was refused. */
export type RefusedRequest = {
  readonly sender: Hex;
  readonly fundRefusalsBefore: number;
  /** The account that was paid into, without its number. */
  readonly account: string;
  readonly expirationBlock: bigint;
};

/**
 * Why an honest gateway may have been refused so, in a word; null when there is no reason that the simulation knows.
 * Capacity, the disk, the token's age, the chain's word on the gateway and on us: nothing else.
 */
export function excuseFor(
  { text }: { readonly status: number; readonly text: string },
  request: RefusedRequest,
  process: NodeProcess,
  money: MoneyWorld,
  checker: MoneyChecker,
): string | null {
  const { sender } = request;
  const chain = process.money?.chain;
  const clock = chain?.clock() ?? null;
  const wasFundsRefused = (money.fundRefusals.get(sender) ?? 0) > request.fundRefusalsBefore;
  if (text.endsWith("OrchestratorCapped")) return "capacity";
  if (text.includes("expired") && text.includes("token")) return "token";
  if (text === "TicketParams expired") {
    const block = clock !== null && clock.l1Block > money.l1.block ? clock.l1Block : money.l1.block;
    return block >= request.expirationBlock ? "params" : null;
  }
  if (text.includes("is inactive in round")) return money.climate.hasInactiveRounds ? "inactive" : null;
  if (text === "Insufficient balance") {
    const isForgotten = [...checker.accounts.values()].some(
      ({ id, isExpired }) => isExpired && id.startsWith(`${request.account}.`),
    );
    return isForgotten ? "forgotten account" : null;
  }
  const isAboutFunds =
    text === "Internal Server Error" ||
    text === "insufficient sender reserve" ||
    text.includes("unlock soon") ||
    text.includes("could not get sender info") ||
    text === "the chain has not been read yet";
  if (!isAboutFunds) return null;
  if (process.journal.refusal !== null) return "full disk";
  if (wasFundsRefused) return "funds (said)";
  if (clock === null) return "chain unread";
  if (isZero(clock.roundBlockHash) && isZero(clock.previousRoundBlockHash)) return "no round hash";
  if (money.l1.everLow.has(sender)) return "low funds";
  const isUnknown = chain?.funds(Uint8Array.from(Buffer.from(sender.slice(2), "hex"))) === null;
  return isUnknown && !checker.knownAtStart.has(sender) ? "unknown gateway" : null;
}

function isZero(hash: Uint8Array): boolean {
  return hash.every((byte) => byte === 0);
}
