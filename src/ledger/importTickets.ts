import { closeSync, openSync, readSync } from "node:fs";
import type { TicketCommand } from "../actors/ticket/decide.ts";
import type { ChainEvent } from "../events/chain.ts";
import { lockDataDir } from "../events/log/lock.ts";
import type { LogReader } from "../events/log/reader.ts";
import { toHex } from "../protocol/bytes.ts";
import type { Host } from "../runtime/host.ts";
import type { Hex } from "../shared/brand.ts";
import { BaseError, errorText } from "../shared/errors.ts";
import type { ForeignRow } from "./foreignRow.ts";
import { openLpdb } from "./lpdb.ts";
import { ImportStoppedError, openQuietHost } from "./quietHost.ts";
import { judgeTicket, type RecoverSigner, type TicketClaim } from "./ticketClaim.ts";
import { readTicketLines, TicketFileError } from "./ticketLine.ts";

/** What became of one row. */
export type ImportedRow = {
  readonly place: string;
  readonly hash: Hex | null;
  readonly outcome: "imported" | "imported as redeemed" | "skipped" | "refused";
  /** Wei, when it was imported. */
  readonly faceValue: bigint | null;
  readonly reason: string | null;
};

export type ImportPorts = {
  readonly recoverSigner: RecoverSigner;
  readonly nowMs: () => number;
  readonly randomBytes: (length: number) => Uint8Array;
};

/** Rounds for which the TicketBroker takes a ticket, its own included. Source: payments sheet 5.6. */
const defaultValidityPeriod = 2n;
/** Rows between two commits: bounds what one batch holds. */
const rowsPerCommit = 256;

/**
 * Takes the winning tickets of a go-livepeer database, or of exported lines, into the log of a node that is
 * stopped. Every row is verified; a bad one stops nothing; one that the log knows is left alone. A row is reported
 * when it is durable.
 *
 * @throws DataDirInUseError while the node runs; LpdbError, TicketFileError, OtherChainError, LogOpenError,
 * ImportStoppedError
 */
export async function importTickets(
  dataDir: string,
  path: string,
  ports: ImportPorts,
  report: (row: ImportedRow) => void,
): Promise<void> {
  const source = openForeign(path);
  try {
    const unlock = lockDataDir(dataDir);
    try {
      await importInto(dataDir, source, ports, report);
    } finally {
      unlock();
    }
  } finally {
    source.close();
  }
}

type Foreign = {
  /** Null when the file does not say. */
  readonly chainId: bigint | null;
  rows(): Generator<ForeignRow>;
  close(): void;
};

/** By the first bytes, not by the name. */
function openForeign(path: string): Foreign {
  const head = Buffer.alloc(16);
  try {
    const file = openSync(path, "r");
    readSync(file, head, 0, head.length, 0);
    closeSync(file);
  } catch (error) {
    throw new TicketFileError(path, errorText(error));
  }
  if (head.toString("latin1") === "SQLite format 3\0") return openLpdb(path);
  return { chainId: null, rows: () => readTicketLines(path), close: () => {} };
}

async function importInto(
  dataDir: string,
  source: Foreign,
  ports: ImportPorts,
  report: (row: ImportedRow) => void,
): Promise<void> {
  const { host, reader, committed, close } = await openQuietHost(dataDir, ports);
  const observed = reader.newestOf("chain:own")?.event as ChainEvent | undefined;
  try {
    if (observed !== undefined && source.chainId !== null && source.chainId !== observed.chainId) {
      throw new OtherChainError(source.chainId, observed.chainId);
    }
    const run = new ImportRun(host, reader, ports.recoverSigner, observed?.ticketValidityPeriod ?? null);
    let done: ImportedRow[] = [];
    const commit = async (): Promise<void> => {
      await committed();
      for (const row of done) report(row);
      done = [];
    };
    for (const row of source.rows()) {
      done.push(run.take(row));
      if (done.length >= rowsPerCommit) await commit();
    }
    await commit();
  } finally {
    await close();
  }
}

class ImportRun {
  readonly #host: Host;
  readonly #reader: LogReader;
  readonly #recoverSigner: RecoverSigner;
  readonly #validityPeriod: bigint | null;
  /** Hashes of this run: the reader sees them only after their commit. */
  readonly #taken = new Set<string>();

  constructor(host: Host, reader: LogReader, recoverSigner: RecoverSigner, validityPeriod: bigint | null) {
    this.#host = host;
    this.#reader = reader;
    this.#recoverSigner = recoverSigner;
    this.#validityPeriod = validityPeriod;
  }

  take({ place, claim }: ForeignRow): ImportedRow {
    const nothing = { place, hash: null, faceValue: null };
    if ("unreadable" in claim) return { ...nothing, outcome: "refused", reason: claim.unreadable };
    const verdict = judgeTicket(claim, this.#recoverSigner);
    const { hash } = verdict;
    if (verdict.type === "refused") return { ...nothing, hash, outcome: "refused", reason: verdict.reason };
    if (this.#taken.has(verdict.hash) || this.#reader.stream(`ticket:${verdict.hash}`) !== null) {
      return { ...nothing, hash, outcome: "skipped", reason: "the log has it already" };
    }
    this.#taken.add(verdict.hash);
    this.#execute(verdict.hash, { type: "WinTicket", ...this.#facts(claim) });
    const { redeemed, faceValue } = claim;
    if (redeemed === null) return { place, hash, faceValue, outcome: "imported", reason: null };
    // In the same turn, so in the same commit: it is never seen as open.
    this.#execute(verdict.hash, { type: "RedeemTicket", txHash: redeemed.txHash, round: null });
    return { place, hash, faceValue, outcome: "imported as redeemed", reason: null };
  }

  #facts(claim: TicketClaim): Omit<TicketCommand & { readonly type: "WinTicket" }, "type"> {
    const { creationRound, creationRoundBlockHash } = claim.expiration;
    const last = creationRound + (this.#validityPeriod ?? defaultValidityPeriod) - 1n;
    return {
      sender: toHex(claim.sender),
      recipient: toHex(claim.recipient),
      faceValue: claim.faceValue,
      winProb: claim.winProb,
      senderNonce: Number(claim.senderNonce),
      recipientRandHash: toHex(claim.recipientRandHash),
      recipientRand: toHex(claim.recipientRand),
      sig: toHex(claim.sig),
      creationRound,
      creationRoundBlockHash: toHex(creationRoundBlockHash),
      expirationBlock: claim.expirationBlock,
      lastValidRound: this.#validityPeriod === null ? (claim.lastValidRound ?? last) : last,
      account: claim.account,
      source: "import",
    };
  }

  #execute(hash: Hex, command: TicketCommand): void {
    const origin = { correlationId: hash, causationId: "tickets import" };
    const execution = this.#host.execute("ticket", hash, command, origin);
    if (execution.type === "rejected") throw new ImportStoppedError(execution.text);
  }
}

/** The tickets are of another chain: no broker of ours would take them. */
export class OtherChainError extends BaseError {
  constructor(theirs: bigint, ours: bigint) {
    super(`The tickets are of chain ${theirs}, and this node's log is of chain ${ours}.`, {
      code: "OTHER_CHAIN",
      disposition: "reject",
      action: "Name the data folder of a node on the same chain.",
    });
  }
}
