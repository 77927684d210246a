/*
 * What the contracts' own words for a refusal mean, and what to do. Source: livepeer/protocol contracts by their
 * revert texts; chain sheet 2 to 6; OpenZeppelin ERC20 and Governor.
 */

/** What a refusal means for an operator. */
export type Explained = { readonly meaning: string; readonly advice: string };

type Row = readonly [pattern: RegExp, meaning: string, advice: string];

const rows: readonly Row[] = [
  [/system is paused/, "The protocol has been paused by its owner.", "Wait until it goes on."],
  [
    /current round is not initialized/,
    "Nobody has started the current round yet.",
    "Start it with `bun run cli initialize-round`, or wait.",
  ],
  [/round already initialized/, "Somebody has started this round already.", "There is nothing to do."],
  [
    /current round is locked|round is locked/,
    "Cuts cannot be changed in the last part of a round.",
    "Try again once the next round is initialised.",
  ],
  [
    /must have already called reward/,
    "Cuts of an active orchestrator can be changed only after this round's reward.",
    "Call it first: `bun run cli reward`.",
  ],
  [/transcoder must be registered/, "The account has no stake of its own.", "Use `bun run cli register`."],
  [
    /must be an active transcoder/,
    "The orchestrator is not in the active set of this round.",
    "`bun run cli status` shows from which round on it is active.",
  ],
  [
    /already called reward/,
    "This round's reward has been called.",
    "There is nothing to do until the next round.",
  ],
  [
    /reward caller/i,
    "The orchestrator has not named this account as its reward caller.",
    "Name it with the orchestrator's key: `bun run cli reward-caller set ADDRESS`.",
  ],
  [
    /caller must be bonded/,
    "The account has no stake that counts yet.",
    "A bond counts from the next round on.",
  ],
  [
    /caller must be unbonded/,
    "The account still has stake.",
    "Leave `--to` out: the lock goes back to its delegate.",
  ],
  [
    /delegation amount must be greater than 0/,
    "An account without stake has nothing that could move.",
    "Give the LPT to bond, such as `bun run cli bond 100 --to 0x…`.",
  ],
  [
    /unbond amount must be greater than 0|amount is greater than bonded amount/,
    "The amount is not between 0 and the stake.",
    "`bun run cli status` shows the stake.",
  ],
  [
    /invalid unbonding lock ID/,
    "There is no such lock, or it has been used.",
    "`bun run cli locks` lists the open ones.",
  ],
  [
    /withdraw round must be before/,
    "The stake is not free yet.",
    "`bun run cli locks` shows the round from which on it is.",
  ],
  [/insufficient fees to withdraw/, "There are fewer fees than that.", "`bun run cli status` shows them."],
  [
    /registered transcoders can't delegate/,
    "An orchestrator's own stake stays with itself.",
    "Unbond all of it first to delegate to somebody else.",
  ],
  [
    /exceeds allowance|insufficient allowance/i,
    "The BondingManager may not take as much LPT.",
    "Run the command again: it approves what is missing.",
  ],
  [
    /exceeds balance|insufficient balance/i,
    "The account has too little LPT.",
    "`bun run cli status` shows the balance.",
  ],
  [/poll is over/, "The poll has ended.", "Nothing can be done any more."],
  [/VoteAlreadyCast/, "This account has voted on the proposal.", "A vote is final."],
  [/vote not currently active/, "Votes on this proposal are not taken now.", "It has not begun, or is over."],
  [/unknown proposal id/i, "There is no such proposal.", "Check its number."],
  [/invalid (rewardCut|feeShare) percentage/, "A cut lies between 0 and 100 percent.", "Correct it."],
  [
    /insufficient funds for|gas required exceeds allowance/i,
    "The account has too little ETH for the gas.",
    "Send it some; `bun run cli status` shows the balance.",
  ],
  [
    /no contract code at given address/,
    "There is no contract at that address.",
    "Correct -ethController, -ethUrl or the address.",
  ],
  [/panic 17|overflow/i, "The contract's arithmetic refuses the amount.", "Check the amount."],
];

/** The meaning of a contract's words; null for words that are not known. */
export function explain(reason: string): Explained | null {
  const row = rows.find(([pattern]) => pattern.test(reason));
  return row === undefined ? null : { meaning: row[1], advice: row[2] };
}
