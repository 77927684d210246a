import type { AccountCommand } from "../../src/actors/account/decide.ts";
import type { ChainCommand } from "../../src/actors/chain/decide.ts";
import type { GatewayCommand } from "../../src/actors/gateway/decide.ts";
import type { PricingCommand } from "../../src/actors/pricing/decide.ts";
import type { TicketCommand } from "../../src/actors/ticket/decide.ts";
import { multiply, rational, type Rational, ZERO } from "../../src/protocol/rational.ts";
import { ticketValue } from "../../src/protocol/ticket.ts";
import type { EffectHandler, Host } from "../../src/runtime/host.ts";
import { assert } from "../../src/shared/assert.ts";
import type { Hex } from "../../src/shared/brand.ts";
import type { StandingClock } from "../support/hostHarness.ts";
import { walkChain } from "./chainWalk.ts";

/*
 * A morning's money in the life of a node, told as commands to a real host: every way an account, a ticket and a
 * price can go. No signature is made or checked here, so the log says exactly the same every time.
 */

type Command =
  | AccountCommand
  | ChainCommand
  | GatewayCommand
  | PricingCommand
  | TicketCommand
  | Parameters<Parameters<typeof walkChain>[0]>[2];

const gateway = `0x${"b1".repeat(20)}` as const;
const recipient = `0x${"0c".repeat(20)}` as const;
const faceValue = 1_200_000_000_000_000n;
const winProb =
  771_947_261_582_107_969_490_473_233_391_252_719_021_799_897_770_937_093_596_383_896_000_000_000n;
const ticketEv = 8_000_000_000n;
const price = rational(1_212n);

/** The effects of the money's machines: nobody listens here. */
export const moneyEffects: Readonly<Record<string, EffectHandler>> = {
  forgetAccount: { when: "volatile", run: () => {} },
  broadcastTransaction: { when: "volatile", run: () => {} },
};

function hash(text: string): Hex {
  return `0x${new Bun.CryptoHasher("sha256").update(text).digest("hex")}`;
}

/** Everything that can happen to money, each at least once; some of it is still open at the end. */
export function walkMoney(host: Host, clock: StandingClock): void {
  const give = (kind: string, id: string, command: Command): void => {
    clock.ms += 2;
    const origin = { correlationId: `${kind}:${id}`, causationId: "walk" };
    const execution = host.execute(kind, id, command, origin);
    assert(execution.type === "accepted", `${kind} ${id} refused ${command.type}`);
  };
  const expire = (id: string): void => {
    const context = host.snapshot("account", id)?.context as { readonly idleDeadlineMs: number };
    clock.ms = Math.max(clock.ms, context.idleDeadlineMs);
    give("account", id, { type: "ExpireAccount", dueMs: context.idleDeadlineMs });
  };
  setUp(give);

  const [paid, free, worthless, open] = ["a11.1", "b22.1", "c33.1", "d44.1"].map(
    (name) => `${gateway}/${name}`,
  ) as [string, string, string, string];
  give("ticket", hash("redeemed"), winTicket(paid, 2));
  give("account", paid, payment({ nonces: [1, 2, 3], credited: 3, winners: [hash("redeemed")] }));
  give("account", paid, payment({ nonces: [5], credited: 0, refusal: "invalid ticket signature" }));
  for (const job of ["a11.1/1", "a11.1/2"]) {
    give("account", paid, { type: "ReserveJob", jobId: job, units: 4_423_680n, ticketEv });
  }
  give("account", paid, { type: "DebitJob", jobId: "a11.1/1", units: 2_211_840n });
  give("account", paid, { type: "ReleaseJob", jobId: "a11.1/2" });
  give("account", free, { type: "FixPrice", sender: gateway, price: ZERO });
  give("account", free, { type: "ReserveJob", jobId: "b22.1/1", units: 90n, ticketEv });
  give("account", free, { type: "DebitJob", jobId: "b22.1/1", units: 90n });
  give("account", worthless, payment({ nonces: [9], credited: 0, refusal: "TicketParams expired" }));
  for (const id of [paid, free, worthless]) expire(id);

  give("ticket", hash("redeemed"), { type: "RedeemTicket", txHash: hash("transaction"), round: 3_501n });
  give("ticket", hash("used"), winTicket(open, 6));
  give("ticket", hash("used"), { type: "RedeemTicket", txHash: null, round: 3_501n });
  give("ticket", hash("imported"), { ...winTicket(open, 1), account: null, source: "import" });
  give("ticket", hash("imported"), { type: "ExpireTicket", round: 3_502n });
  give("ticket", hash("open"), winTicket(open, 7));
  give("account", open, payment({ nonces: [6, 7], credited: 2, winners: [hash("used"), hash("open")] }));
  walkChain(give, (name, senderNonce) => {
    give("ticket", hash(name), winTicket(open, senderNonce));
    return hash(name);
  });
  // The segment that `walkEverything` leaves running.
  give("account", open, { type: "ReserveJob", jobId: "a11.2/2", units: 100n, ticketEv });
}

/** Prices, the chain and a gateway's funds: set, changed, removed. */
function setUp(give: (kind: string, id: string, command: Command) => void): void {
  const setPrice = (scope: string, value: Rational, wording: string, source: "flag" | "operator" | "feed") =>
    give("pricing", "own", { type: "SetPrice", scope, price: value, wording, source });
  setPrice("default", rational(1_200n), "1200", "flag");
  setPrice(gateway, rational(500n, 3n), "0.50USD / 1e12", "feed");
  setPrice("default", price, "1212", "operator");
  give("pricing", "own", { type: "RemovePrice", scope: gateway, source: "operator" });
  give("pricing", "own", { type: "SetTicketTerms", ticketEv, maxFaceValue: 0n, source: "flag" });
  const round = {
    type: "ObserveRound",
    chainId: 42_161n,
    round: 3_500n,
    blockHash: `0x${"00".repeat(32)}`,
    previousBlockHash: hash("round 3499"),
    l1Block: 20_998_990n,
    transcoderPoolSize: 100n,
    ticketValidityPeriod: 2n,
    recipient: `0x${"0c".repeat(20)}`,
    isRecipientActive: true,
    readAtMs: 1_767_225_600_000,
  } as const;
  give("chain", "own", round);
  give("chain", "own", { ...round, round: 3_501n, blockHash: hash("round 3501"), isRecipientActive: false });
  const funds = {
    type: "RecordFunds",
    deposit: 100_000_000_000_000_000_000n,
    reserve: 360_000_000_000_000_000n,
    claimedInRound: 0n,
    claimedByUs: 0n,
    withdrawRound: 0n,
    readAtMs: 1_767_225_600_000,
  } as const;
  give("gateway", gateway, funds);
  give("gateway", gateway, { ...funds, deposit: 1n, withdrawRound: 3_510n });
}

function payment(tickets: {
  readonly nonces: readonly number[];
  readonly credited: number;
  readonly winners?: readonly Hex[];
  readonly refusal?: string;
}): AccountCommand {
  return {
    type: "AcceptPayment",
    sender: gateway,
    price,
    recipientRandHash: hash("rand hash"),
    faceValue,
    winProb,
    expirationBlock: 20_999_030n,
    l1Block: 20_998_990n,
    nonces: tickets.nonces,
    creditedTickets: tickets.credited,
    credit: multiply(ticketValue(faceValue, winProb), rational(BigInt(tickets.credited))),
    winners: tickets.winners ?? [],
    refusal: tickets.refusal ?? null,
  };
}

function winTicket(account: string, senderNonce: number): Extract<TicketCommand, { type: "WinTicket" }> {
  return {
    type: "WinTicket",
    sender: gateway,
    recipient,
    faceValue,
    winProb,
    senderNonce,
    recipientRandHash: hash("rand hash"),
    recipientRand: hash("rand"),
    sig: `0x${"5a".repeat(65)}`,
    creationRound: 3_500n,
    creationRoundBlockHash: hash("round 3500"),
    expirationBlock: 20_999_030n,
    lastValidRound: 3_501n,
    account,
    source: "payment",
  };
}
