import { parseArgs } from "node:util";
import { formatRational, type Rational } from "../protocol/rational.ts";
import { renderJson, renderTable, renderTime } from "../replay/render.ts";
import { ethText, fractionOf } from "./amounts.ts";
import { buildLedger, type Grouping, groupings, type LedgerLine, type LedgerPeriod } from "./buildLedger.ts";
import { checkLedger } from "./checkLedger.ts";
import { buildChainBooks, type Cuts } from "./chainBooks.ts";
import { chainGroupings, chainNotes, printChain, printSummary } from "./chainTables.ts";
import {
  accountOption,
  CommandUsageError,
  guarded,
  momentOption,
  oneOfWords,
  wholeNumberOption,
} from "./commandLine.ts";
import { csvLine } from "./csv.ts";
import { type JobLine, jobLines } from "./jobLines.ts";
import { type MoneyLog, openMoneyLog } from "./moneyLog.ts";
import type { CommandOutput } from "../replay/terminal.ts";

const usage = `What gateways paid and used, and what came and went on the chain, exactly. It reads only: a running node is
not disturbed.

  bun run ledger --dataDir DIR [--by gateway|account|day|job] [--from DATE] [--to DATE] [--gateway 0x…]
  bun run ledger --dataDir DIR --by income|round|gas|movement [--from DATE] [--to DATE]
  bun run ledger --dataDir DIR --check      recompute all from the events, exit 1 on a difference

  DATE       2026-01-31 (a day in UTC; --to includes it) or 2026-01-31T12:00:00Z
  --by       gateway unless named; a day is UTC
  --csv, --json   for machines: wei as exact fractions \`n/d\`; the table rounds to ETH
  --file FILE     reads a slice that replay exported, instead of --dataDir
  --rewardCut PPM, --feeShare PPM   what the contract had before the first change that the log saw

Off the chain:
credited   what the tickets of the period were worth on average: what the gateways may use
debited    what their jobs cost
forfeited  balances of accounts that nobody used any more; a debt is negative
balance    credited minus debited minus forfeited since the log began, at the end of the period

On the chain (by gateway: income; by round; by purpose of the transaction: gas; bonds and withdrawals: movement):
${chainNotes.join("\n")}`;

type Form = "table" | "csv" | "json";

/** Runs the `ledger` command. Returns the exit code: 0 good, 1 a difference was found, 2 the command is wrong. */
export function runLedger(argv: readonly string[], output: CommandOutput): Promise<number> {
  return guarded(output, async () => {
    const { values } = parseArgs({
      args: [...(argv[0] === "--" ? argv.slice(1) : argv)],
      options: {
        dataDir: { type: "string" },
        file: { type: "string" },
        by: { type: "string", default: "gateway" },
        from: { type: "string" },
        to: { type: "string" },
        gateway: { type: "string" },
        rewardCut: { type: "string" },
        feeShare: { type: "string" },
        check: { type: "boolean", default: false },
        csv: { type: "boolean", default: false },
        json: { type: "boolean", default: false },
        help: { type: "boolean", short: "h", default: false },
      },
    });
    if (values.help) {
      output.print(usage);
      return 0;
    }
    if (values.csv && values.json) throw new CommandUsageError("Choose one of `--csv` and `--json`.");
    const form: Form = values.csv ? "csv" : values.json ? "json" : "table";
    const by = oneOfWords("by", [...groupings, "job", ...chainGroupings], values.by);
    const period: LedgerPeriod = {
      fromMs: momentOption("from", values.from, false),
      toMs: momentOption("to", values.to, true),
      gateway: accountOption("gateway", values.gateway),
    };
    const cuts = cutsOption(values.rewardCut, values.feeShare);
    const log = await openMoneyLog(values.dataDir, values.file);
    try {
      if (values.check) return runCheck(log, form, output);
      const chain = chainGroupings.find((grouping) => grouping === by);
      if (chain !== undefined) printChain(buildChainBooks(log.reader, period, cuts), chain, form, output);
      else if (by === "job") printJobs(log, period, form, output);
      else printLines(log, by as Grouping, period, form, output);
      if (by === "gateway" && form !== "csv" && hasChainFacts(log)) {
        printSummary(buildChainBooks(log.reader, period, cuts), form, output);
      }
      return 0;
    } finally {
      log.close();
    }
  });
}

/** Cuts that held before the log saw any; both or none. */
function cutsOption(rewardCut: string | undefined, feeShare: string | undefined): Cuts | null {
  const cuts = {
    rewardCut: wholeNumberOption("rewardCut", rewardCut),
    feeShare: wholeNumberOption("feeShare", feeShare),
  };
  if (cuts.rewardCut === undefined && cuts.feeShare === undefined) return null;
  if (cuts.rewardCut === undefined || cuts.feeShare === undefined) {
    throw new CommandUsageError("Name both of `--rewardCut` and `--feeShare`.");
  }
  if (cuts.rewardCut > 1_000_000n || cuts.feeShare > 1_000_000n) {
    throw new CommandUsageError("`--rewardCut` and `--feeShare` are parts per million: at most 1000000.");
  }
  return { rewardCut: cuts.rewardCut, feeShare: cuts.feeShare };
}

/** A log that was never on a chain, or of a release that did not watch it, has nothing to say here. */
function hasChainFacts({ reader }: MoneyLog): boolean {
  return (
    reader.lastChainLog() !== null ||
    reader.transactions({ limit: 1 }).length > 0 ||
    reader.rounds(1).length > 0
  );
}

function printLines(
  log: MoneyLog,
  grouping: Grouping,
  period: LedgerPeriod,
  form: Form,
  { print }: CommandOutput,
): void {
  const { lines, total } = buildLedger(log.ledger, grouping, period);
  if (form === "json") {
    for (const line of [...lines, total]) print(renderJson({ by: grouping, ...exact(line) }));
    return;
  }
  if (form === "csv") {
    const [first] = [...lines, total];
    print(csvLine([grouping, ...Object.keys(exact(first ?? total)).slice(1)]));
    // Without the total, so that a sheet can add the column up.
    for (const line of lines) print(csvLine(Object.values(exact(line))));
    return;
  }
  const head = ["price", "jobs", "units", "credited", "debited", "tickets", "won", "face value"];
  print(
    renderTable(
      [grouping, ...head, "forfeited", "balance (ETH)"],
      [...lines, total].map((line) => [
        line.key,
        priceText(line),
        line.released === 0 ? String(line.jobs) : `${line.jobs} (${line.released} free)`,
        String(line.units),
        ethText(line.credited),
        ethText(line.debited),
        String(line.tickets),
        String(line.winners),
        ethText(line.winnersFaceValue),
        ethText(line.forfeited),
        ethText(line.balance),
      ]),
    ),
  );
}

/** A line with its fractions as text: what machines read. */
function exact(line: LedgerLine): Readonly<Record<string, string | number | null>> {
  return {
    key: line.key,
    priceMin: line.priceMin === null ? null : formatRational(line.priceMin),
    priceMax: line.priceMax === null ? null : formatRational(line.priceMax),
    jobs: line.jobs,
    released: line.released,
    units: String(line.units),
    tickets: line.tickets,
    creditedTickets: line.creditedTickets,
    winners: line.winners,
    winnersFaceValue: String(line.winnersFaceValue),
    credited: formatRational(line.credited),
    debited: formatRational(line.debited),
    forfeited: formatRational(line.forfeited),
    balance: formatRational(line.balance),
  };
}

function priceText({ priceMin, priceMax }: LedgerLine): string {
  if (priceMin === null || priceMax === null) return "-";
  const [low, high] = [shortPrice(priceMin), shortPrice(priceMax)];
  return low === high ? `${low} wei` : `${low} to ${high} wei`;
}

/** Wei per unit for people: a few decimals. */
function shortPrice({ numerator, denominator }: Rational): string {
  const scale = 1_000_000n;
  const scaled = (2n * numerator * scale + denominator) / (2n * denominator);
  const fraction = String(scaled % scale)
    .padStart(6, "0")
    .replace(/0+$/, "");
  return `${scaled / scale}${fraction === "" ? "" : `.${fraction}`}`;
}

function printJobs(log: MoneyLog, period: LedgerPeriod, form: Form, { print }: CommandOutput): void {
  const rows: string[][] = [];
  if (form === "csv") print(csvLine(jobColumns));
  for (const line of jobLines(log.ledger, period)) {
    if (form === "json") print(renderJson({ by: "job", ...line }));
    else if (form === "csv") print(csvLine(jobColumns.map((name) => line[name])));
    else rows.push(jobCells(line));
  }
  if (form === "table") print(renderTable(jobHead, rows));
}

const jobColumns = [
  ...(["atMs", "job", "account", "gateway", "outcome", "price"] as const),
  ...(["units", "debited", "reservedUnits", "reserved"] as const),
];

const jobHead = ["time", "job", "gateway", "outcome", "price", "units", "debited (ETH)", "reserved (ETH)"];

function jobCells(line: JobLine): string[] {
  const money = (text: string | null): string => (text === null ? "-" : ethText(fractionOf(text)));
  return [
    renderTime(line.atMs),
    line.job,
    line.gateway,
    line.outcome,
    line.price === null ? "-" : `${shortPrice(fractionOf(line.price))} wei`,
    line.units,
    money(line.debited),
    money(line.reserved),
  ];
}

function runCheck(log: MoneyLog, form: Form, { print }: CommandOutput): number {
  const result = checkLedger(log);
  if (form === "json") print(renderJson(result));
  else {
    const { payments, jobs, tickets, accounts } = result;
    print(
      `${payments} payments, ${jobs} jobs and ${tickets} winning tickets of ${accounts} accounts recomputed.`,
    );
    const { logs, transactions, rounds, paidByLogs, rewardByLogs, fees } = result.chain;
    if (logs + transactions + rounds > 0) {
      print(
        `${transactions} transactions, ${rounds} rounds and ${logs} logs of the chain recomputed: ` +
          `${paidByLogs} wei came, ${rewardByLogs} LPT wei were minted, gas cost ${fees} wei.`,
      );
    }
    for (const finding of result.findings) print(finding);
    const count = result.findings.length;
    print(count === 0 ? "The ledger equals its events." : `${count} differences found.`);
  }
  return result.findings.length === 0 ? 0 : 1;
}
