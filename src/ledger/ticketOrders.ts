import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { TicketCommand } from "../actors/ticket/decide.ts";
import type { StreamId } from "../events/envelope.ts";
import { DataDirInUseError, lockDataDir } from "../events/log/lock.ts";
import type { LogReader } from "../events/log/reader.ts";
import { openDataDir } from "../replay/source.ts";
import { renderJson } from "../replay/render.ts";
import type { CommandOutput } from "../replay/terminal.ts";
import { BaseError, errorText } from "../shared/errors.ts";
import { CommandUsageError } from "./commandLine.ts";
import { findTicket } from "./findTicket.ts";
import { openQuietHost, type QuietHostPorts } from "./quietHost.ts";

/** What may be asked of a ticket. */
export type TicketOrder = "hold" | "release" | "redeem";

export type OrderFlags = {
  readonly order: TicketOrder;
  readonly dataDir: string | undefined;
  /** `host:port` of the node's operator port. */
  readonly operator: string;
  /** Redeem: all that are due. */
  readonly isAll: boolean;
  readonly isJson: boolean;
  /** Hashes, or beginnings of them. */
  readonly words: readonly string[];
};

/** What became of one ticket. */
export type OrderResult = {
  readonly hash: string;
  readonly outcome: "done" | "refused";
  readonly text: string;
};

/** Where the node keeps what shows that somebody may spend. */
const tokenFileName = "operator.token";
const answerMs = 30_000;
/** Of one request. */
const hashesMax = 500;

/**
 * `tickets hold`, `release` and `redeem`: through the node when it runs, as it alone writes its log. Holding works
 * without it too. Returns 1 when a ticket was refused.
 */
export async function runOrder(
  flags: OrderFlags,
  output: CommandOutput,
  openPorts: () => Promise<QuietHostPorts>,
): Promise<number> {
  const { order, dataDir, isJson } = flags;
  if (dataDir === undefined) throw new CommandUsageError("Name the node's data folder: `--dataDir DIR`.");
  const hashes = chosenHashes(dataDir, flags);
  const results = await ordered(dataDir, hashes, flags, openPorts);
  for (const result of results) {
    if (isJson) output.print(renderJson({ type: "ticket", order, ...result }));
    else output.print(`${result.hash}  ${result.outcome}${result.text === "" ? "" : `: ${result.text}`}`);
  }
  if (!isJson && results.length === 0) output.print("No ticket is due.");
  return results.every(({ outcome }) => outcome === "done") ? 0 : 1;
}

function chosenHashes(dataDir: string, { order, isAll, words }: OrderFlags): readonly string[] {
  if (isAll && order !== "redeem") throw new CommandUsageError("`--all` is for redeem.");
  if (isAll === words.length > 0)
    throw new CommandUsageError("Name tickets by their hashes, or `--all` to redeem.");
  const { reader, close } = openDataDir(dataDir);
  try {
    if (!isAll) return [...new Set(words.map((word) => findTicket(reader, word).hash))];
    // Which of them are due is for the node to say: the log knows the chain's block only from time to time.
    return reader
      .tickets({ states: ["won"] })
      .filter(({ held }) => held === 0)
      .map(({ hash }) => hash);
  } finally {
    close();
  }
}

async function ordered(
  dataDir: string,
  hashes: readonly string[],
  { order, operator, isAll }: OrderFlags,
  openPorts: () => Promise<QuietHostPorts>,
): Promise<readonly OrderResult[]> {
  let unlock: () => void;
  try {
    unlock = lockDataDir(dataDir);
  } catch (error) {
    if (!(error instanceof DataDirInUseError)) throw error;
    const results: OrderResult[] = [];
    for (let index = 0; index < hashes.length; index += hashesMax) {
      const some = { tickets: hashes.slice(index, index + hashesMax), ...(isAll ? { due: true } : {}) };
      results.push(...(await askNode(dataDir, operator, order, some)));
    }
    return results;
  }
  try {
    if (order === "redeem") throw new NodeStoppedError();
    return await holdOffline(dataDir, hashes, order === "hold", await openPorts());
  } finally {
    unlock();
  }
}

async function holdOffline(
  dataDir: string,
  hashes: readonly string[],
  isHeld: boolean,
  ports: QuietHostPorts,
): Promise<readonly OrderResult[]> {
  const streams = new Set(hashes.map((hash): StreamId => `ticket:${hash}`));
  const { host, reader, committed, close } = await openQuietHost(dataDir, ports, streams);
  try {
    const results = hashes.map((hash): OrderResult => {
      const command: TicketCommand = { type: "HoldTicket", isHeld };
      const origin = { correlationId: hash, causationId: isHeld ? "tickets hold" : "tickets release" };
      const execution = host.execute("ticket", hash, command, origin);
      if (execution.type === "accepted") return { hash, outcome: "done", text: "" };
      return refusalOf(reader, hash, isHeld, execution.text);
    });
    await committed();
    return results;
  } finally {
    await close();
  }
}

/** A ticket that is as it shall be is no failure. */
function refusalOf(reader: LogReader, hash: string, isHeld: boolean, text: string): OrderResult {
  const ticket = reader.ticket(hash);
  const isSame = ticket !== null && ticket.endedMs === null && ticket.held === (isHeld ? 1 : 0);
  return isSame ? { hash, outcome: "done", text: "as it was" } : { hash, outcome: "refused", text };
}

async function askNode(
  dataDir: string,
  operator: string,
  order: TicketOrder,
  asked: { readonly tickets: readonly string[]; readonly due?: boolean },
): Promise<readonly OrderResult[]> {
  if (!/^[^\s/@?#]+:\d{1,5}$/.test(operator)) {
    throw new CommandUsageError(`\`--operator\` takes HOST:PORT, not \`${operator}\`.`);
  }
  const url = `http://${operator}/api/tickets/${order}`;
  let answer: Response;
  let body: unknown;
  try {
    answer = await fetch(url, {
      method: "POST",
      headers: { Authorization: `Bearer ${readToken(dataDir)}`, "Content-Type": "application/json" },
      body: JSON.stringify(asked),
      redirect: "error",
      signal: AbortSignal.timeout(answerMs),
    });
    body = await answer.json();
  } catch (error) {
    if (error instanceof BaseError) throw error;
    throw new NodeUnreachableError(url, errorText(error));
  }
  const { error, results } = body as { readonly error?: unknown; readonly results?: unknown };
  if (answer.status !== 200 || !Array.isArray(results)) {
    throw new NodeUnreachableError(url, typeof error === "string" ? error : `status ${answer.status}`);
  }
  return (results as readonly Partial<OrderResult>[]).map(({ hash, outcome, text }) => ({
    hash: String(hash),
    outcome: outcome === "done" ? "done" : "refused",
    text: String(text ?? ""),
  }));
}

function readToken(dataDir: string): string {
  const path = join(dataDir, tokenFileName);
  try {
    return readFileSync(path, "utf8").trim();
  } catch (error) {
    throw new NodeUnreachableError(path, errorText(error));
  }
}

/** Redeeming needs a node that runs: it alone counts the nonces of its accounts. */
export class NodeStoppedError extends BaseError {
  constructor() {
    super("The node does not run, and it alone redeems: it counts the nonces of its account.", {
      code: "NODE_STOPPED",
      disposition: "reject",
      action: "Start the node: it redeems what is due by itself.",
    });
  }
}

/** The node runs, but does not take the order. */
export class NodeUnreachableError extends BaseError {
  constructor(where: string, reason: string) {
    super(`The running node did not take the order at \`${where}\`: ${reason}.`, {
      code: "NODE_UNREACHABLE",
      disposition: "retry",
      action: "Name its operator port with `--operator HOST:PORT`, and run this as the node's user.",
    });
  }
}
