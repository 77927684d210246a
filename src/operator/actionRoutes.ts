import { fromHex } from "../protocol/bytes.ts";
import { parseDecimal, parseInteger } from "../protocol/decimal.ts";
import { add, floor, isNegative, multiply, rational } from "../protocol/rational.ts";
import type { Hex } from "../shared/brand.ts";
import { type Answer, bytesAnswer, errorAnswer, textAnswer } from "./answer.ts";
import type { ChainContext, ChainHandler, Parameters } from "./handler.ts";
import type { OperatorAction, OperatorActionResult } from "./ports.ts";

/*
 * The routes that cost gas, for livepeer_cli and scripts: they answer once the transaction is mined. Unlike
 * go-livepeer's they take addresses only whole and with a right checksum, amounts only when they are not negative, and
 * requests only from this machine.
 *
 * Source: go-livepeer server/handlers.go; operator sheet 2.2; chain sheet 6, 10; recorded answers.
 */

/** Status for what was not sent, and for what was sent and failed. */
type Statuses = { readonly malformed: number; readonly refused: number; readonly failed: number };
const always500: Statuses = { malformed: 400, refused: 500, failed: 500 };
/** go-livepeer's two bonding routes tell them apart. */
const badRequest: Statuses = { malformed: 400, refused: 400, failed: 500 };

const badInteger = "failed to parse big integer";

export const actionHandlers: Readonly<Record<string, ChainHandler>> = {
  "/reward": (_, context) => run({ type: "reward" }, context, always500, "Error calling reward: "),
  "/initializeRound": (_, context) =>
    run({ type: "initialize-round" }, context, always500, "could not initialize round: "),
  "/claimEarnings": (_, context) =>
    run({ type: "claim-earnings" }, context, always500, "Error claiming earnings: "),
  "/bond": (parameter, context) => {
    const amount = amountOf(parameter("amount"));
    if (amount === null) return errorAnswer(400, badInteger);
    const to = accountOf(parameter("toAddr"));
    if (to === null)
      return errorAnswer(400, `toAddr is not a valid eth address, provided ${shown(parameter("toAddr"))}`);
    return run({ type: "bond", amount, to }, context, badRequest);
  },
  "/unbond": (parameter, context) => {
    const amount = amountOf(parameter("amount"));
    if (amount === null) return errorAnswer(400, badInteger);
    return run({ type: "unbond", amount }, context, always500);
  },
  "/rebond": (parameter, context) => {
    const lock = amountOf(parameter("unbondingLockId"));
    // go-livepeer answers 200 here, and does nothing.
    if (lock === null) return errorAnswer(400, `Cannot convert unbondingLockId: ${badInteger}`);
    const toText = parameter("toAddr");
    const to = toText === "" ? null : accountOf(toText);
    if (to === null && toText !== "") {
      return errorAnswer(400, `toAddr is not a valid eth address, provided ${shown(toText)}`);
    }
    return run({ type: "rebond", lock, to }, context, badRequest);
  },
  "/withdrawStake": (parameter, context) => {
    const lock = amountOf(parameter("unbondingLockId"));
    if (lock === null) return errorAnswer(400, `Cannot convert unbondingLockId: ${badInteger}`);
    return run({ type: "withdraw-stake", lock }, context, always500);
  },
  "/withdrawFees": (parameter, context) => {
    if (parameter("amount") === "") return errorAnswer(400, "missing form param: amount");
    const amount = amountOf(parameter("amount"));
    if (amount === null) return errorAnswer(400, `invalid amount: ${badInteger}`);
    return run({ type: "withdraw-fees", amount }, context, always500, "could not execute WithdrawFees: ");
  },
  "/transferTokens": (parameter, context) => {
    const to = accountOf(parameter("to"));
    // go-livepeer sends to whatever the text can be padded or cut to.
    if (to === null)
      return errorAnswer(400, `to is not a valid eth address, provided ${shown(parameter("to"))}`);
    const amount = amountOf(parameter("amount"));
    if (amount === null) return errorAnswer(400, badInteger);
    return run({ type: "transfer", to, amount }, context, always500);
  },
  "/vote": vote,
  "/voteOnProposal": voteOnProposal,
};

function vote(parameter: Parameters, context: ChainContext): Answer | Promise<Answer> {
  const poll = accountOf(parameter("poll"));
  if (poll === null) return errorAnswer(500, "invalid poll contract address");
  const choice = parseInteger(parameter("choiceID"));
  if (choice === null) return errorAnswer(500, "choiceID is not a valid integer value");
  if (choice !== 0n && choice !== 1n) return errorAnswer(500, "invalid choiceID");
  return voted({ type: "vote", poll, choice: choice === 0n ? "yes" : "no" }, context, "vote");
}

const supports = ["against", "for", "abstain"] as const;

function voteOnProposal(parameter: Parameters, context: ChainContext): Answer | Promise<Answer> {
  const proposal = amountOf(parameter("proposalID"));
  if (proposal === null) return errorAnswer(500, "proposalID is not a valid integer value");
  const supportId = parseInteger(parameter("support"));
  if (supportId === null) return errorAnswer(500, "support is not a valid integer value");
  const support = supports[Number(supportId)];
  if (support === undefined) return errorAnswer(500, "invalid support");
  const reason = parameter("reason");
  return voted({ type: "vote-proposal", proposal, support, reason }, context, "proposal vote");
}

/** The raw hash of the transaction. */
async function voted(action: OperatorAction, context: ChainContext, what: string): Promise<Answer> {
  const result = await perform(action, context);
  if ("status" in result) return result;
  if (result.type !== "done") {
    const verb = result.type === "failed" ? "mine" : "submit";
    return errorAnswer(500, `unable to ${verb} ${what} transaction err=${JSON.stringify(result.text)}`);
  }
  return bytesAnswer((result.hash === null ? null : fromHex(result.hash)) ?? new Uint8Array());
}

async function run(
  action: OperatorAction,
  context: ChainContext,
  statuses: Statuses,
  prefix = "",
): Promise<Answer> {
  const result = await perform(action, context);
  if ("status" in result) return result;
  return result.type === "done"
    ? textAnswer("")
    : errorAnswer(statuses[result.type], `${prefix}${result.text}`);
}

/** Has an action done, or says in an answer why nobody may ask for it. */
export async function perform(
  action: OperatorAction,
  { node, notify, request }: Pick<ChainContext, "node" | "notify" | "request">,
): Promise<OperatorActionResult | Answer> {
  const actions = node.actions ?? null;
  if (actions === null)
    return errorAnswer(501, `${request.path} is not served by Reprise: use \`bun run cli\``);
  if (!request.isLoopback) return errorAnswer(403, "refused: transactions are taken from this machine only");
  notify({ type: "action", path: request.path, action: action.type });
  return actions.run(action);
}

/**
 * A percentage as parts per million, to the nearest one, or what is wrong with it. livepeer_cli sends 100 less a fee
 * cut of 94.3 as 5.700000000000003.
 *
 * Source: chain sheet 3.2, check 12.
 */
export function readPercent(text: string): { readonly parts: bigint } | { readonly text: string } {
  const percent = text.length <= percentCharsMax ? parseDecimal(text) : null;
  if (percent === null) {
    return { text: `strconv.ParseFloat: parsing ${JSON.stringify(shown(text))}: invalid syntax` };
  }
  const parts = floor(add(multiply(percent, rational(10_000n)), rational(1n, 2n)));
  if (isNegative(percent) || parts > 1_000_000n) return { text: `${text} is not between 0 and 100 percent` };
  return { parts };
}

const percentCharsMax = 40;

/** A number of at most 256 bits that is not negative. */
export function amountOf(text: string): bigint | null {
  const value = parseInteger(text);
  return value === null || value < 0n || value >> 256n !== 0n ? null : value;
}

/** 40 digits, with `0x` or without; never the zero account. The checksum is looked at by who acts. */
function accountOf(text: string): Hex | null {
  const digits = /^(?:0x)?([0-9a-fA-F]{40})$/.exec(text)?.[1];
  return digits === undefined || /^0+$/.test(digits) ? null : (`0x${digits}` as Hex);
}

function shown(text: string): string {
  return text.length > 200 ? `${text.slice(0, 200)}…` : text;
}
