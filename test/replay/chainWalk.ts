import type { RoundCommand } from "../../src/actors/round/decide.ts";
import type { TicketCommand } from "../../src/actors/ticket/decide.ts";
import type { TransactionCommand } from "../../src/actors/transaction/decide.ts";
import type { WalletCommand } from "../../src/actors/wallet/decide.ts";
import type { WatchCommand } from "../../src/actors/watch/decide.ts";
import type { Hex } from "../../src/shared/brand.ts";

/*
 * Three rounds in the life of a node that spends gas, told as commands: every way a round, a
 * transaction, a redemption and the watch can go, re-orgs among them. Nothing is signed here, so the log says exactly
 * the same every time.
 */

type Command = RoundCommand | TicketCommand | TransactionCommand | WalletCommand | WatchCommand;
type Give = (kind: string, id: string, command: Command) => void;

const account = `0x${"0a".repeat(20)}` as const;
const orchestrator = `0x${"0c".repeat(20)}` as const;
const block = 420_000_100n;

function hash(text: string): Hex {
  return `0x${new Bun.CryptoHasher("sha256").update(text).digest("hex")}`;
}

/**
 * Everything that can happen to what costs gas, each at least once; some of it is still open at the end.
 *
 * @param win - makes a winning ticket, given a name and its sender nonce, and returns its hash
 */
export function walkChain(give: Give, win: (name: string, senderNonce: number) => Hex): void {
  walkRounds(give);
  walkRedemption(give, win);
  walkWatch(give);
}

/** Reserves a nonce and plans the transaction that gets it. Returns its id. */
function plan(
  give: Give,
  nonce: number,
  purpose: "redeem" | "reward" | "initialize",
  tickets: readonly Hex[],
) {
  const id = `${account}/${nonce}`;
  give("wallet", account, { type: "ReserveNonce", nonce });
  give("transaction", id, {
    type: "PlanTransaction",
    plan: {
      ...{
        purpose,
        subject: `walk ${nonce}`,
        tickets,
        round: 3_500n,
        chainId: 42_161n,
        from: account,
        nonce,
      },
      ...{ to: orchestrator, value: 0n, data: "0x228cb733", gasLimit: 800_000n, feeMax: null },
    },
    first: { hash: hash(`attempt ${nonce}/0`), raw: "0x02f8", feeCap: 20_000_000n, tip: 0n },
  });
  return id;
}

function mine(give: Give, nonce: number, isSuccess = true, attempt = 0, fork = ""): void {
  give("transaction", `${account}/${nonce}`, {
    type: "MineTransaction",
    ...{ hash: hash(`attempt ${nonce}/${attempt}`), block: block + BigInt(nonce) },
    ...{ blockHash: hash(`block ${nonce}${fork}`), isSuccess, gasUsed: 400_000n, gasPrice: 10_000_000n },
  });
}

const confirm = { type: "ConfirmTransaction" } as const;

function walkRounds(give: Give): void {
  const open = {
    type: "OpenRound",
    startBlock: 20_992_000n,
    length: 6_377n,
    cuts: { rewardCut: 100_000n, feeShare: 50_000n },
    initializedAt: null,
  } as const;
  // Started by us at the second try, rewarded at the second too, once more after a re-org.
  give("round", "3500", open);
  const start = plan(give, 0, "initialize", []);
  give("round", "3500", { type: "SubmitInitialization", transaction: start });
  mine(give, 0, false);
  give("round", "3500", { type: "ReturnInitialization", transaction: start, cause: "reverted" });
  give("transaction", start, confirm);
  give("round", "3500", { type: "NoteInitialized", l1Block: 20_992_004n });
  give("round", "3500", { type: "OweReward", forecast: 350n * 10n ** 18n });
  give("round", "3500", { type: "PostponeReward", cause: "fee", text: "The gas price is above the limit." });
  give("wallet", account, { type: "CorrectNonce", nonce: 5 });
  const lost = plan(give, 5, "reward", []);
  give("round", "3500", { type: "SubmitReward", transaction: lost, path: "own" });
  give("transaction", lost, { type: "DisplaceTransaction", mined: 6 });
  give("round", "3500", {
    type: "ReturnReward",
    ...{ transaction: lost, cause: "displaced", text: "Another transaction used its nonce." },
  });
  const reward = plan(give, 6, "reward", []);
  give("round", "3500", { type: "SubmitReward", transaction: reward, path: "own" });
  give("transaction", reward, {
    type: "NoteRefusal",
    ...{ hash: hash("attempt 6/0"), cause: "underpriced", text: "max fee per gas less than block base fee" },
  });
  give("transaction", reward, {
    type: "SignTransaction",
    ...{ hash: hash("attempt 6/1"), raw: "0x02f9", kind: "raise", feeCap: 22_500_000n, tip: 1n },
  });
  const note = {
    type: "NoteReward",
    ...{ transaction: reward, txHash: hash("attempt 6/1"), block: block + 6n },
    ...{ amount: 315n * 10n ** 18n, treasury: 35n * 10n ** 18n },
  } as const;
  mine(give, 6, true, 1);
  give("round", "3500", note);
  give("transaction", reward, { type: "UndoTransaction" });
  give("round", "3500", { type: "UndoReward" });
  give("round", "3500", { type: "SubmitReward", transaction: reward, path: "own" });
  mine(give, 6, true, 1, " of the other fork");
  give("round", "3500", note);
  give("transaction", reward, confirm);
  give("round", "3500", { type: "ConfirmReward" });
  // One that was missed, one that was not ours to call, one that goes on.
  give("round", "3501", open);
  give("round", "3501", { type: "MissReward", cause: "uninitialized", text: "Nobody started the round." });
  give("round", "3502", { ...open, initializedAt: 21_004_760n });
  give("round", "3502", { type: "DropReward", cause: "inactive" });
  give("round", "3503", { ...open, initializedAt: 21_011_137n });
  give("round", "3503", { type: "OweReward", forecast: 1n });
}

function walkRedemption(give: Give, win: (name: string, senderNonce: number) => Hex): void {
  const [paid, refused] = [win("paid on the chain", 100), win("refused for ever", 101)];
  const [held, waiting] = [win("held", 102), win("on its way", 103)];
  give("ticket", waiting, {
    type: "PostponeRedemption",
    ...{ cause: "sender-funds", text: "The sender can pay 0 wei." },
  });
  give("ticket", refused, { type: "RefuseTicket", text: "ticket did not win" });
  give("ticket", held, { type: "HoldTicket", isHeld: true });
  give("ticket", waiting, { type: "EntrustTicket", redeemer: "redeemer.example:8935", round: 3_501n });
  const first = plan(give, 7, "redeem", [paid]);
  give("ticket", paid, { type: "SubmitRedemption", transaction: first });
  mine(give, 7);
  give("ticket", paid, {
    type: "ReturnRedemption",
    ...{ transaction: first, cause: "dropped", text: "The broker did not take it." },
  });
  give("transaction", first, confirm);
  const second = plan(give, 8, "redeem", [paid]);
  give("ticket", paid, { type: "SubmitRedemption", transaction: second });
  const pay = {
    type: "PayTicket",
    ...{
      transaction: second,
      txHash: hash("attempt 8/0"),
      block: block + 8n,
      amount: 1_200_000_000_000_000n,
    },
  } as const;
  mine(give, 8);
  give("ticket", paid, pay);
  give("transaction", second, { type: "UndoTransaction" });
  give("ticket", paid, { type: "UnpayTicket" });
  mine(give, 8, true, 0, " of the other fork");
  give("ticket", paid, pay);
  give("transaction", second, confirm);
  give("ticket", paid, { type: "RedeemTicket", txHash: hash("attempt 8/0"), round: 3_501n });
  // Not mined when the log ends.
  const open = plan(give, 9, "redeem", [waiting]);
  give("ticket", waiting, { type: "SubmitRedemption", transaction: open });
}

function walkWatch(give: Give): void {
  const seen = (to: bigint, fork: string): Command => ({
    type: "SeeBlocks",
    ...{ to, toHash: hash(`head ${to}${fork}`) },
    logs: [
      {
        ...{ block: to, blockHash: hash(`head ${to}${fork}`), index: 3, transaction: hash("attempt 6/1") },
        ...{ name: "Reward", account: orchestrator, other: null, amounts: [315n * 10n ** 18n], text: null },
      },
    ],
  });
  give("watch", "own", {
    type: "StartWatch",
    ...{ chainId: 42_161n, recipient: orchestrator, block, blockHash: hash(`head ${block}`) },
  });
  give("watch", "own", seen(block + 10n, ""));
  give("watch", "own", {
    type: "UndoBlocks",
    ...{ block: block + 4n, blockHash: hash(`head ${block + 4n}`) },
  });
  give("watch", "own", seen(block + 12n, " of the other fork"));
}
