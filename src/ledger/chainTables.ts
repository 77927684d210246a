import { renderJson, renderTable, renderTime } from "../replay/render.ts";
import type { CommandOutput } from "../replay/terminal.ts";
import { ethText } from "./amounts.ts";
import type {
  ChainBooks,
  FeeSums,
  GasLine,
  IncomeLine,
  MovementLine,
  RewardSums,
  RoundLine,
} from "./chainBooks.ts";
import { csvLine } from "./csv.ts";

/** How the books of the chain are broken down. */
export const chainGroupings = ["income", "round", "gas", "movement"] as const;
export type ChainGrouping = (typeof chainGroupings)[number];

type Form = "table" | "csv" | "json";
type Cell = string | number | null;

/** What the words mean, and whose money it is. */
export const chainNotes = [
  "face value  what the redeemed tickets promised",
  "paid        what came for them; less than the face value where a sender had run dry",
  "fees own    the operator's part of the fees: paid - floor(paid * feeShare / 1000000)",
  "fees shared the rest, which the contract books by stake: to delegators, and to the operator's own bond",
  "reward      LPT that was minted, after the treasury's part, which is neither ours nor the delegators'",
  "LPT own     the operator's cut of it: floor(reward * rewardCut / 1000000)",
  "LPT shared  the rest, which is shared by stake as above: no log of the chain tells our bond's part of it",
  "gas         what every transaction cost, also those that failed or were cancelled; from the node's own account",
  "?           the cut of that time is not known: name it with --rewardCut and --feeShare",
] as const;

/** Prints one breakdown. */
export function printChain(books: ChainBooks, by: ChainGrouping, form: Form, output: CommandOutput): void {
  const { lines, head, cells } = tableOf(books, by);
  const { print } = output;
  if (form === "json") for (const line of lines) print(renderJson({ by, ...line }));
  else if (form === "csv") {
    print(csvLine(Object.keys(lines[0] ?? {})));
    for (const line of lines) print(csvLine(Object.values(line)));
  } else print(renderTable(head, cells));
}

/** What the default view of the ledger says of the chain. */
export function printSummary(books: ChainBooks, form: "table" | "json", output: CommandOutput): void {
  const { print } = output;
  if (form === "json") {
    for (const by of ["income", "gas"] as const) printChain(books, by, form, output);
    print(renderJson({ by: "chain", ...exactTotal(books) }));
    return;
  }
  print("");
  print("On the chain");
  if (books.income.length > 0) printChain(books, "income", form, output);
  if (books.gas.length > 0) printChain(books, "gas", form, output);
  const { total } = books;
  print(
    `Fees: ${both(total.paid, "ETH")} came, ${part(total.own, "ETH")} own, ${part(total.shared, "ETH")} shared by stake.`,
  );
  print(`Gas: ${both(total.gasFees, "ETH")}.`);
  if (total.own !== null) print(`Own fees less gas: ${both(total.own - total.gasFees, "ETH")}.`);
  print(
    `Rewards: ${both(total.reward, "LPT")} minted, ${part(total.rewardOwn, "LPT")} own, ` +
      `${part(total.rewardShared, "LPT")} shared by stake; ${both(total.treasury, "LPT")} went to the treasury.`,
  );
  print(
    "Own and shared are by the contract's arithmetic; what is shared by stake holds the part of our own bond too.",
  );
}

function both(wei: bigint, unit: string): string {
  return `${ethText(wei)} ${unit} (${wei} wei)`;
}

function part(wei: bigint | null, unit: string): string {
  return wei === null ? "? (cut not known)" : both(wei, unit);
}

type Table = {
  readonly lines: readonly Readonly<Record<string, Cell>>[];
  readonly head: readonly string[];
  readonly cells: readonly (readonly string[])[];
};

function tableOf(books: ChainBooks, by: ChainGrouping): Table {
  switch (by) {
    case "income":
      return {
        lines: books.income.map((line) => ({ gateway: line.gateway, ...exactFees(line) })),
        head: ["gateway", ...feeHead],
        cells: [
          ...books.income.map((line: IncomeLine) => [line.gateway, ...feeCells(line)]),
          ["total", ...feeCells(books.total)],
        ],
      };
    case "round":
      return {
        lines: books.rounds.map(exactRound),
        head: ["round", "reward", "LPT minted", "own", "treasury", ...feeHead, "gas (ETH)"],
        cells: [
          ...books.rounds.map((line) => [
            line.round === null ? "?" : String(line.round),
            ...roundCells(line),
          ]),
          ["total", "", ...rewardCells(books.total), ...feeCells(books.total), ethText(books.total.gasFees)],
        ],
      };
    case "gas":
      return {
        lines: books.gas.map((line) => ({ ...line, gas: String(line.gas), fees: String(line.fees) })),
        head: ["purpose", "transactions", "reverted", "cancelled", "displaced", "gas", "ETH"],
        cells: books.gas.map(gasCells),
      };
    case "movement":
      return {
        lines: books.movements.map((line) => ({
          ...line,
          isOwn: line.isOwn ? 1 : 0,
          amount: String(line.amount),
        })),
        head: ["time", "what", "whose", "amount", "account", "transaction"],
        cells: books.movements.map(movementCells),
      };
  }
}

const feeHead = ["tickets", "face value", "paid", "fees own", "fees shared (ETH)"];

function feeCells({ tickets, faceValue, paid, own, shared }: FeeSums): string[] {
  return [String(tickets), ethText(faceValue), ethText(paid), partCell(own), partCell(shared)];
}

function rewardCells({ reward, rewardOwn, treasury }: RewardSums): string[] {
  return [ethText(reward), partCell(rewardOwn), ethText(treasury)];
}

function roundCells(line: RoundLine): string[] {
  const state = line.cause === null ? (line.state ?? "-") : `${line.state ?? ""}: ${line.cause}`;
  return [state, ...rewardCells(line), ...feeCells(line), ethText(line.gasFees)];
}

function gasCells({ purpose, transactions, reverted, cancelled, displaced, gas, fees }: GasLine): string[] {
  return [purpose, ...[transactions, reverted, cancelled, displaced, gas].map(String), ethText(fees)];
}

function movementCells({ atMs, name, isOwn, amount, unit, account, txHash }: MovementLine): string[] {
  return [renderTime(atMs), name, isOwn ? "own" : "delegator", `${ethText(amount)} ${unit}`, account, txHash];
}

function partCell(wei: bigint | null): string {
  return wei === null ? "?" : ethText(wei);
}

function exactFees({ tickets, faceValue, paid, own, shared }: FeeSums): Readonly<Record<string, Cell>> {
  return {
    tickets,
    faceValue: String(faceValue),
    paid: String(paid),
    feesOwn: own === null ? null : String(own),
    feesShared: shared === null ? null : String(shared),
  };
}

function exactRewards(line: RewardSums): Readonly<Record<string, Cell>> {
  const { reward, treasury, rewardOwn, rewardShared } = line;
  return {
    reward: String(reward),
    rewardOwn: rewardOwn === null ? null : String(rewardOwn),
    rewardShared: rewardShared === null ? null : String(rewardShared),
    treasury: String(treasury),
  };
}

function exactRound(line: RoundLine): Readonly<Record<string, Cell>> {
  return {
    round: line.round === null ? null : String(line.round),
    state: line.state,
    cause: line.cause,
    forecast: line.forecast === null ? null : String(line.forecast),
    ...exactRewards(line),
    ...exactFees(line),
    gasFees: String(line.gasFees),
  };
}

function exactTotal({ total }: ChainBooks): Readonly<Record<string, Cell>> {
  return { ...exactFees(total), ...exactRewards(total), gasFees: String(total.gasFees) };
}
