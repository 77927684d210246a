import { join } from "node:path";
import { allKinds } from "../actors/allKinds.ts";
import { openChainDesk } from "../chain/chainDesk.ts";
import { EndpointPool } from "../chain/endpointPool.ts";
import { openChain } from "../chain/openChain.ts";
import { openSigner } from "../chain/signer.ts";
import { CliFailure } from "../cli/cliError.ts";
import { nodeExecutor } from "../cli/nodeExecutor.ts";
import type { Action, CliRpc, Executor, OpenTickets, Outcome } from "../cli/ports.ts";
import type { CliSettings } from "../cli/settings.ts";
import { readOperatorToken } from "../config/operatorTokenFile.ts";
import { allEvents } from "../events/catalogue.ts";
import { DataDirInUseError, lockDataDir } from "../events/log/lock.ts";
import { logFileName, openReadOnly } from "../events/log/open.ts";
import { type OpenLog, openLog } from "../events/log/openLog.ts";
import { LogReader, openTicketStates, type OutboxRecord, type StreamRecord } from "../events/log/reader.ts";
import { toHex } from "../protocol/bytes.ts";
import { TransactionDesk, transactionEffects } from "../runtime/chain/transactionDesk.ts";
import type { ChainDesk } from "../runtime/chainPorts.ts";
import { Host } from "../runtime/host.ts";
import type { Edge } from "../runtime/ports.ts";
import type { Hex } from "../shared/brand.ts";
import { errorText } from "../shared/errors.ts";
import { type Account, type AskForPassword, openAccount } from "./openAccount.ts";
import { patientLook, transactionState } from "./operatorTransactions.ts";

/*
 * Who sends for a command: the node that runs on the data folder, or, when none does, a transaction desk of the
 * command's own, over the same log. The log is what keeps the nonces; two who count them would lose transactions.
 */

export type CliNodeOptions = {
  readonly edge: Pick<Edge, "nowMs" | "randomBytes" | "keccak256">;
  readonly monotonicMs: () => number;
  readonly sleep: (ms: number) => Promise<void>;
  /** Milliseconds between two looks at the chain while something is under way. Default 1,000. */
  readonly pollMs?: number;
  /** Asks a person for a pass phrase; null = there is nobody. Default: the terminal, when there is one. */
  readonly ask?: AskForPassword | null;
};

const defaultPollMs = 1_000;
/** How long a full disk may keep a command from ending. */
const lastCommitMs = 5_000;

/** The endpoints of the settings, for reading and for what was signed elsewhere. */
export function openCliRpc({ chain }: CliSettings): CliRpc {
  const pool = new EndpointPool({ urls: chain.urls.map((url) => url.reveal()) });
  return { batch: (calls) => pool.batch(calls), close: () => pool.close() };
}

/**
 * Opens who sends for `account`.
 *
 * @throws BaseError when the key cannot be had, or a node runs that cannot be asked
 */
export async function openCliNode(
  settings: CliSettings,
  account: Hex,
  options: CliNodeOptions,
): Promise<Executor> {
  const { dataDir, operator } = settings;
  const { monotonicMs, sleep, pollMs = defaultPollMs } = options;
  let unlock: () => void;
  try {
    unlock = lockDataDir(dataDir);
  } catch (error) {
    if (!(error instanceof DataDirInUseError)) throw error;
    const token = tokenOf(dataDir);
    if (token !== null) return nodeExecutor({ operator, token, monotonicMs, sleep, pollMs });
    throw new CliFailure(
      `Another command works in the data folder ${dataDir}, or a node that takes no transactions from commands.`,
      "Wait until it is done or stop it, and run the command again.",
    );
  }
  try {
    return await openOwn(settings, account, options, unlock);
  } catch (error) {
    unlock();
    throw error;
  }
}

/** What shows the node that its own user asks. */
function tokenOf(dataDir: string): string | null {
  try {
    return readOperatorToken(dataDir);
  } catch (error) {
    throw new CliFailure(
      `The token of the node in ${dataDir} cannot be read: ${errorText(error)}.`,
      "Run the command as the user that runs the node.",
    );
  }
}

/** Winning tickets that wait in the log; null when the folder has none. Reads beside a running node. */
export function openTicketsOf(dataDir: string): OpenTickets | null {
  try {
    const db = openReadOnly(join(dataDir, logFileName));
    try {
      const states: readonly string[] = openTicketStates;
      const open = new LogReader(db, allEvents).ticketTotals().filter(({ state }) => states.includes(state));
      return {
        count: open.reduce((sum, { tickets }) => sum + tickets, 0),
        wei: open.reduce((sum, { faceValue }) => sum + faceValue, 0n),
      };
    } finally {
      db.close();
    }
  } catch {
    return null;
  }
}

/** Sends by itself. Holds the data folder until it is closed. */
async function openOwn(
  settings: CliSettings,
  from: Hex,
  options: CliNodeOptions,
  unlock: () => void,
): Promise<Executor> {
  const { dataDir, chain } = settings;
  const account = await openAccount(chain, options.ask === undefined ? {} : { ask: options.ask });
  if (!account.signerKeys.some((key) => key.account === from)) {
    account.erase();
    throw new CliFailure(`There is no key for ${from}.`, "Check -ethAcctAddr and -ethKeystorePath.");
  }
  let fault: unknown = null;
  const stall = Promise.withResolvers<never>();
  // Nobody may be waiting when it happens.
  stall.promise.catch(() => undefined);
  const log = await openLog(dataDir, {
    onCommitted: () => undefined,
    onStalled: (reason) => {
      if (reason !== null)
        stall.reject(
          new CliFailure(
            `The event log cannot be written: ${reason}.`,
            "Nothing was sent that is not in it.",
          ),
        );
    },
    onHalted: (error) => {
      fault ??= error;
    },
  });
  const desk = openDesk({
    settings,
    account,
    log,
    options,
    stalled: stall.promise,
    onFault: (error) => (fault ??= error),
  });
  const failIfFaulty = (): void => {
    if (fault !== null)
      throw new CliFailure(`The log or the desk failed: ${errorText(fault)}`, "Nothing more was sent.");
  };
  return {
    words: `by itself (no node runs on ${dataDir})`,
    run: async (action, timeoutMs, onSent) => {
      const outcome = await desk.run(action, timeoutMs, onSent, failIfFaulty);
      failIfFaulty();
      return outcome;
    },
    close: async () => {
      await desk.close();
      // A disk that takes nothing more must not keep the command from ending.
      await within(lastCommitMs, log.close());
      account.erase();
      unlock();
    },
  };
}

type DeskParts = {
  readonly settings: CliSettings;
  readonly account: Account;
  readonly log: OpenLog;
  readonly options: CliNodeOptions;
  /** Rejects when the disk takes nothing more. */
  readonly stalled: Promise<never>;
  readonly onFault: (error: unknown) => void;
};

function openDesk({ settings, account, log, options, stalled, onFault }: DeskParts) {
  const { chain } = settings;
  const { monotonicMs, sleep, edge, pollMs = defaultPollMs } = options;
  const reader = new MoneyOutReader(openReadOnly(join(settings.dataDir, logFileName)), allEvents);
  let transactions: TransactionDesk | null = null;
  const host = new Host({
    kinds: allKinds,
    effects: transactionEffects(() => transactions),
    ...{ journal: log.journal, reader, views: log.views, edge, onFault },
  });
  host.start();
  const durable = () => Promise.race([host.committed(), stalled]);
  const signer = openSigner(account.signerKeys.map(({ privateKey }) => privateKey));
  const pool = new EndpointPool({ urls: chain.urls.map((url) => url.reveal()), monotonicMs });
  let wrongChain: string | null = null;
  const view = openChain({
    rpc: pool,
    controller: chain.controller,
    recipient: account.recipient,
    accounts: signer.accounts,
    network: chain.network,
    pollMs,
    minGasPrice: chain.minGasPrice,
    maxGasPrice: chain.maxGasPrice ?? 0n,
    nowMs: edge.nowMs,
    monotonicMs,
    seed: { clock: null, funds: new Map() },
    expectedChainId: chainIdOf(reader),
    onClock: () => undefined,
    onFunds: () => undefined,
    onTrouble: () => undefined,
    onWrongChain: (text) => {
      wrongChain = text;
    },
  });
  const desk: ChainDesk = openChainDesk({
    rpc: pool,
    contracts: () => view.contracts(),
    look: () => view.freshLook(),
    recipient: toHex(account.recipient),
    chainId: () => view.chainId(),
    nowMs: edge.nowMs,
  });
  const opened = new TransactionDesk({
    ...{ host, desk, signer, monotonicMs, onFault },
    confirmations: chain.confirmations,
    timeoutMs: chain.transactionTimeoutMs,
    feeMax: () => chain.maxGasPrice,
    isTaken: (id) => reader.stream(`transaction:${id}`) !== null,
    only: "operator",
  });
  transactions = opened;
  const look = async () => {
    const found = await view.freshLook();
    if (wrongChain !== null)
      throw new CliFailure(wrongChain, "Correct -network and -ethUrl, or give another -dataDir.");
    return found;
  };
  return {
    run: async (
      action: Action,
      timeoutMs: number,
      onSent: (id: string, hash: Hex | null) => void,
      failIfFaulty: () => void,
    ): Promise<Outcome> => {
      const untilMs = monotonicMs() + timeoutMs;
      const first = await patientLook(look, sleep);
      if (first === null) {
        const why = view.lookTrouble ?? view.trouble ?? "no endpoint answers";
        return { type: "refused", text: `The chain cannot be read now: ${why}` };
      }
      const request = { purpose: "operator", ...action, feeMax: null, round: null, tickets: [] } as const;
      const planned = await opened.plan(request, first);
      if (planned.type === "refused") return { type: "refused", text: planned.text };
      await durable();
      const { id } = planned;
      const hashNow = () => transactionState(reader, id)?.hash ?? null;
      onSent(id, hashNow());
      for (;;) {
        failIfFaulty();
        const seen = await look();
        if (seen !== null) await opened.tick(seen);
        await durable();
        const outcome = outcomeOf(id, reader);
        if (outcome !== null) return outcome;
        if (monotonicMs() >= untilMs) {
          const text =
            "It stays wanted: the node goes on with it when it starts, and so does the next command that sends.";
          return { type: "waiting", id, hash: hashNow(), text };
        }
        await sleep(pollMs);
      }
    },
    close: async () => {
      view.close();
      pool.close();
      host.stop();
      await durable().catch(() => undefined);
      reader.close();
      signer.erase();
    },
  };
}

/** Waits for `done`, but not for ever. */
async function within(limitMs: number, done: Promise<void>): Promise<void> {
  const limit = Promise.withResolvers<void>();
  const timer = setTimeout(limit.resolve, limitMs);
  await Promise.race([done, limit.promise]);
  clearTimeout(timer);
}

function outcomeOf(id: string, reader: LogReader): Outcome | null {
  const state = transactionState(reader, id);
  if (state === null || state.state === "sent") return null;
  if (state.state === "displaced") {
    return { type: "displaced", id, text: "Another wallet used its nonce: it will never be mined." };
  }
  const { hash, isSuccess, block, fee } = state;
  return { type: "mined", id, hash, isSuccess: isSuccess === true, block, fee };
}

/**
 * The log as far as a command may touch it: transactions and nonces. What sessions and tickets are owed waits for the
 * node, which knows how to pay it.
 */
class MoneyOutReader extends LogReader {
  readonly #db: ReturnType<typeof openReadOnly>;

  constructor(db: ReturnType<typeof openReadOnly>, definitions: typeof allEvents) {
    super(db, definitions);
    this.#db = db;
  }

  override openStreams(): readonly StreamRecord[] {
    return super.openStreams().filter(({ stream }) => /^(transaction|wallet):/.test(stream));
  }

  override outbox(): readonly OutboxRecord[] {
    return [];
  }

  close(): void {
    this.#db.close();
  }
}

/** The chain that the data folder belongs to; null for a new one. */
function chainIdOf(reader: LogReader): bigint | null {
  let chainId: bigint | null = null;
  for (const { event } of reader.eventsOf("chain:own", 0)) {
    if (event.type !== "RoundObserved") continue;
    chainId = (event as unknown as { readonly chainId: bigint }).chainId;
    break;
  }
  return chainId;
}
