import { writeFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { openTicketStates, type TicketRecord } from "../events/log/reader.ts";
import { renderJson, renderTable, renderTime } from "../replay/render.ts";
import { errorText } from "../shared/errors.ts";
import { ethText } from "./amounts.ts";
import { accountOption, CommandUsageError, guarded, oneOfWords, wholeNumberOption } from "./commandLine.ts";
import { runImport } from "./importCommand.ts";
import type { ImportPorts } from "./importTickets.ts";
import { chainPosition, type MoneyLog, openMoneyLog, provenL1Block } from "./moneyLog.ts";
import { findTicket } from "./findTicket.ts";
import { ticketLine, TicketFileError } from "./ticketLine.ts";
import { runOrder } from "./ticketOrders.ts";
import type { CommandOutput } from "../replay/terminal.ts";
import { exposureOf, type GatewayExposure } from "./exposure.ts";

const usage = `Winning tickets: what they are worth, and until when. list, show and export read only.

  bun run tickets list    --dataDir DIR [--state open|submitted|paid|redeemed|expired|refused|all] [--sender 0x…]
  bun run tickets show    --dataDir DIR HASH               all of one ticket
  bun run tickets export  --dataDir DIR [--state …] [--sender 0x…] [--out FILE] [--all] [--l1Block N]
  bun run tickets import  --dataDir DIR FILE               into the log of a stopped node
  bun run tickets redeem  --dataDir DIR HASH…|--all        now, whatever gas costs; by the node that runs
  bun run tickets hold    --dataDir DIR HASH…              keeps tickets back; also while the node is stopped
  bun run tickets release --dataDir DIR HASH…              lets them go again

  HASH       a ticket's hash, or as much of it as no other ticket's begins with
  FILE       the lpdb.sqlite3 of a stopped go-livepeer, or lines that export wrote
  --state    open unless named: won, submitted (a transaction is under way) or paid (mined, not confirmed yet)
  --all      export also tickets that are not due yet, with their secret numbers; redeem all that are due
  --operator HOST:PORT   the operator port of the node, 127.0.0.1:7935 unless named
  --l1Block  the L1 block that the chain has reached, when you know better than the log
  --file FILE   reads a slice that replay exported, instead of --dataDir
  --json        one JSON document a line, for machines; amounts in wei as text

A ticket is due once its parameters have expired. Until then its recipientRand must stay secret: whoever knows it can
pay us with tickets that never win.`;

type Flags = {
  readonly isJson: boolean;
  /** Undefined: all. */
  readonly states: readonly TicketRecord["state"][] | undefined;
  readonly sender: string | undefined;
  readonly out: string | undefined;
  readonly isAll: boolean;
  readonly l1Block: bigint | undefined;
  readonly words: readonly string[];
};

/** Runs one `tickets` command. Returns the exit code: 0 good, 1 a row was refused, 2 the command is wrong. */
export function runTickets(
  argv: readonly string[],
  output: CommandOutput,
  openImportPorts: () => Promise<ImportPorts>,
): Promise<number> {
  return guarded(output, async () => {
    const { values, positionals } = parseArgs({
      args: [...(argv[0] === "--" ? argv.slice(1) : argv)],
      allowPositionals: true,
      options: {
        dataDir: { type: "string" },
        file: { type: "string" },
        state: { type: "string", default: "open" },
        sender: { type: "string" },
        out: { type: "string" },
        all: { type: "boolean", default: false },
        l1Block: { type: "string" },
        operator: { type: "string", default: "127.0.0.1:7935" },
        json: { type: "boolean", default: false },
        help: { type: "boolean", short: "h", default: false },
      },
    });
    const [command, ...words] = positionals;
    if (values.help || command === undefined) {
      output.print(usage);
      return values.help ? 0 : 2;
    }
    const flags: Flags = {
      isJson: values.json,
      states: statesOption(values.state),
      sender: accountOption("sender", values.sender),
      out: values.out,
      isAll: values.all,
      l1Block: wholeNumberOption("l1Block", values.l1Block),
      words,
    };
    if (command === "import") {
      const [path] = words;
      return await runImport({ dataDir: values.dataDir, path, isJson: values.json }, output, openImportPorts);
    }
    if (command === "redeem" || command === "hold" || command === "release") {
      const { dataDir, operator, all: isAll, json: isJson } = values;
      return await runOrder(
        { order: command, dataDir, operator, isAll, isJson, words },
        output,
        openImportPorts,
      );
    }
    const run = { list, show, export: runExport }[oneOfCommands(command)];
    const log = await openMoneyLog(values.dataDir, values.file);
    try {
      return run(log, flags, output);
    } finally {
      log.close();
    }
  });
}

function oneOfCommands(command: string): "list" | "show" | "export" {
  if (command === "list" || command === "show" || command === "export") return command;
  throw new CommandUsageError(
    `There is no command \`${command}\`: list, show, export, import, redeem, hold or release.`,
  );
}

function statesOption(word: string): Flags["states"] {
  const state = oneOfWords(
    "state",
    ["open", "won", "submitted", "paid", "redeemed", "expired", "refused", "all"],
    word,
  );
  return state === "all" ? undefined : state === "open" ? openTicketStates : [state];
}

/** A ticket as it is printed: never with its secret number while that is one. */
type ShownTicket = Omit<TicketRecord, "state" | "recipientRand"> & {
  readonly state: ShownState;
  readonly isDue: boolean;
  /** Rounds after the current one in which the broker still takes it; null when the round is unknown. */
  readonly roundsLeft: bigint | null;
  readonly recipientRand: string | null;
};

/** One that only waits is called open. */
type ShownState = Exclude<TicketRecord["state"], "won"> | "open";

function shownState(state: TicketRecord["state"]): ShownState {
  return state === "won" ? "open" : state;
}

/** `open, held`, or `open, entrusted` when a redeemer has it. */
function stateText({ state, held, redeemer }: ShownTicket): string {
  if (held === 1 && isOpen(state)) return redeemer === null ? `${state}, held` : `${state}, entrusted, held`;
  return redeemer !== null && state === "open" ? `${state}, entrusted` : state;
}

function isOpen(state: TicketRecord["state"] | ShownState): boolean {
  return state === "open" || state === "won" || state === "submitted" || state === "paid";
}

/** What the tickets are judged by. */
type Position = { readonly round: bigint | null; readonly l1Block: bigint | null };

function positionOf(log: MoneyLog, flags: Flags): Position {
  return { round: chainPosition(log)?.round ?? null, l1Block: flags.l1Block ?? provenL1Block(log) };
}

function isDue(ticket: TicketRecord, { l1Block }: Position): boolean {
  return l1Block !== null && BigInt(ticket.expirationBlock) <= l1Block;
}

function shown(ticket: TicketRecord, position: Position): ShownTicket {
  const isRevealable = isDue(ticket, position);
  return {
    ...ticket,
    state: shownState(ticket.state),
    isDue: isRevealable,
    roundsLeft: position.round === null ? null : BigInt(ticket.lastValidRound) - position.round,
    recipientRand: isRevealable ? ticket.recipientRand : null,
  };
}

function list(log: MoneyLog, flags: Flags, { print }: CommandOutput): number {
  const position = positionOf(log, flags);
  const tickets = log.reader
    .tickets({ states: flags.states, sender: flags.sender })
    .map((ticket) => shown(ticket, position))
    .toSorted(byUrgency);
  const totals = log.reader
    .ticketTotals()
    .filter(({ state, sender }) => (flags.states?.includes(state) ?? true) && isWanted(sender, flags.sender))
    .map((total) => ({
      ...total,
      state: shownState(total.state),
      exposure: total.state === "won" ? exposureOf(log.reader, total.sender, total.faceValue) : null,
    }));
  if (flags.isJson) {
    for (const ticket of tickets) print(renderJson({ type: "ticket", ...ticket }));
    for (const total of totals) print(renderJson({ type: "total", ...total }));
    return 0;
  }
  if (tickets.length === 0) {
    print(flags.states === openTicketStates ? "No winning ticket is open." : "There are no such tickets.");
    return 0;
  }
  print(
    renderTable(
      ["ticket", "state", "sender", "ETH", "last round", "left", "due", "won"],
      tickets.map((ticket) => [
        ticket.hash.slice(0, 18),
        stateText(ticket),
        ticket.sender,
        ethText(BigInt(ticket.faceValue)),
        ticket.lastValidRound,
        isOpen(ticket.state) ? roundsText(ticket.roundsLeft) : "",
        ticket.isDue ? "yes" : `block ${ticket.expirationBlock}`,
        renderTime(ticket.wonMs),
      ]),
    ),
  );
  for (const { sender, state, tickets: count, faceValue, exposure } of totals) {
    print(`${sender}: ${count} ${state}, ${faceValue} wei (${ethText(faceValue)} ETH)`);
    if (exposure !== null) print(`  ${exposureText(exposure)}`);
  }
  const atRisk = totals.filter(({ state }) => isOpen(state)).reduce((sum, next) => sum + next.faceValue, 0n);
  const waiting = tickets.filter(({ cause }) => cause !== null);
  for (const { hash, cause, text } of waiting) print(`${hash.slice(0, 18)} waits (${cause}): ${text}`);
  if (flags.states?.includes("won") ?? true) print(`At risk: ${atRisk} wei (${ethText(atRisk)} ETH).`);
  if (position.round === null) print("The log does not know the round: it has not been on a chain.");
  else print(`As of round ${position.round}, L1 block ${position.l1Block ?? "unknown"}.`);
  return 0;
}

function exposureText({
  deposit,
  reserve,
  covered,
  uncovered,
  withdrawRound,
  readAtMs,
}: GatewayExposure): string {
  const leaving = withdrawRound === 0n ? "" : `; it may withdraw from round ${withdrawRound} on`;
  return (
    `had ${ethText(deposit)} ETH deposit and ${ethText(reserve)} ETH reserve at ${renderTime(readAtMs)}, ` +
    `which cover ${ethText(covered)} ETH: ${uncovered} wei uncovered${leaving}`
  );
}

function isWanted<T>(value: T, wanted: T | undefined): boolean {
  return wanted === undefined || wanted === value;
}

/** What ends first comes first; of those, what is worth most. */
function byUrgency(left: ShownTicket, right: ShownTicket): number {
  return (
    compare(BigInt(left.lastValidRound), BigInt(right.lastValidRound)) ||
    compare(BigInt(right.faceValue), BigInt(left.faceValue))
  );
}

function compare(left: bigint, right: bigint): number {
  return left < right ? -1 : left > right ? 1 : 0;
}

function roundsText(roundsLeft: bigint | null): string {
  if (roundsLeft === null) return "?";
  if (roundsLeft < 0n) return "over";
  return roundsLeft === 0n ? "last" : String(roundsLeft);
}

function show(log: MoneyLog, flags: Flags, { print }: CommandOutput): number {
  const ticket = shown(findTicket(log.reader, flags.words[0]), positionOf(log, flags));
  if (flags.isJson) {
    print(renderJson(ticket));
    return 0;
  }
  const rows = Object.entries({
    ...ticket,
    faceValue: `${ticket.faceValue} wei (${ethText(BigInt(ticket.faceValue))} ETH)`,
    recipientRand: ticket.recipientRand ?? `secret until L1 block ${ticket.expirationBlock}`,
    wonMs: renderTime(ticket.wonMs),
    endedMs: ticket.endedMs === null ? null : renderTime(ticket.endedMs),
    paidAmount:
      ticket.paidAmount === null
        ? null
        : `${ticket.paidAmount} wei (${ethText(BigInt(ticket.paidAmount))} ETH)`,
    held: ticket.held === 1 ? "yes" : null,
  });
  print(
    renderTable(
      ["field", "value"],
      rows.filter(([, value]) => value !== null).map(([name, value]) => [name, String(value)]),
    ),
  );
  return 0;
}

function runExport(log: MoneyLog, flags: Flags, { print, printError }: CommandOutput): number {
  const position = positionOf(log, flags);
  const tickets = log.reader.tickets({ states: flags.states, sender: flags.sender });
  const due = tickets.filter((ticket) => isDue(ticket, position));
  const chosen = flags.isAll ? tickets : due;
  const lines = chosen.map(ticketLine);
  if (flags.out === undefined) for (const line of lines) print(line);
  else writeNew(flags.out, lines);
  const waiting = tickets.length - due.length;
  if (flags.isAll && waiting > 0) {
    printError(
      `Keep this secret: ${waiting} of the tickets are not due yet. Whoever sees their recipientRand before L1 ` +
        "block `expirationBlock` can pay with tickets that never win.",
    );
  } else if (waiting > 0) {
    const seen =
      position.l1Block === null ? "the log knows no L1 block" : `as of L1 block ${position.l1Block}`;
    printError(`${waiting} tickets are not due yet (${seen}) and were left out: see --l1Block and --all.`);
  }
  const to = flags.out === undefined ? "" : ` to ${flags.out}`;
  const wei = chosen.reduce((sum, { faceValue }) => sum + BigInt(faceValue), 0n);
  printError(`${chosen.length} tickets of ${wei} wei written${to}.`);
  return 0;
}

/** For the owner's eyes only, and never over something else. */
function writeNew(path: string, lines: readonly string[]): void {
  try {
    writeFileSync(path, lines.map((line) => `${line}\n`).join(""), { flag: "wx", mode: 0o600 });
  } catch (error) {
    throw new TicketFileError(path, errorText(error));
  }
}
