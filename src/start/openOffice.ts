import type { TransactionEvent } from "../events/transaction.ts";
import type { ChainDesk, ChainLook, SignedTransaction, TransactionSigner } from "../runtime/chainPorts.ts";
import type { ChainConfig } from "../config/config.ts";
import type { LogReader } from "../events/log/reader.ts";
import { checksumHex } from "../protocol/account.ts";
import { toHex } from "../protocol/bytes.ts";
import { BlockWatch } from "../runtime/chain/blockWatch.ts";
import { ChainOffice } from "../runtime/chain/chainOffice.ts";
import { RedemptionDesk } from "../runtime/chain/redemptionDesk.ts";
import { RoundKeeper } from "../runtime/chain/roundKeeper.ts";
import { TransactionDesk } from "../runtime/chain/transactionDesk.ts";
import type { Host } from "../runtime/host.ts";
import type { Edge } from "../runtime/ports.ts";
import type { Hex } from "../shared/brand.ts";
import type { Logger } from "../telemetry/logger.ts";
import type { Account } from "./openAccount.ts";
import { openEntrustDesk, type OpenEntrustDesk } from "./openEntrustDesk.ts";
import { StartError } from "./startError.ts";

export type OpenOfficeParts = {
  readonly chain: ChainConfig;
  readonly account: Account;
  readonly desk: ChainDesk;
  readonly signer: TransactionSigner;
  readonly host: Host;
  readonly reader: LogReader;
  readonly edge: Edge;
  readonly logger: Logger;
  /** `-maxGasPrice` as it stands; null = none. Wei per gas. */
  readonly feeMax: () => bigint | null;
  readonly onOpened: (sender: Hex, faceValue: bigint) => void;
  readonly onEnded: (sender: Hex, faceValue: bigint) => void;
  readonly onFault: (error: unknown) => void;
};

/** Everything that costs gas, put together. */
export type OpenOffice = {
  readonly office: ChainOffice;
  readonly transactions: TransactionDesk;
  readonly redemption: RedemptionDesk;
  readonly watch: BlockWatch;
  /** Null where this node redeems its tickets itself, or nobody does. */
  readonly entrust: OpenEntrustDesk | null;
  /** Works through what a look at the chain asks for; see {@link ChainOffice.tick}. */
  tick(look: ChainLook): Promise<number | null>;
};

/** An L1 block. Milliseconds. */
const blockMs = 12_000;

/** Opens the desks. The host must have started. */
export function openOffice(parts: OpenOfficeParts): OpenOffice {
  const { chain, account, signer, host, reader, edge, logger, feeMax, onFault } = parts;
  const orchestrator = toHex(account.recipient);
  const monotonicMs = edge.monotonicMs ?? ((): number => performance.now());
  const { confirmations } = chain;
  const desk = chain.gasLimit === 0n ? parts.desk : withGasLimit(parts.desk, chain.gasLimit);
  const watch = new BlockWatch({
    ...{ host, reader, desk, recipient: orchestrator },
    onTrouble: (text) => {
      if (text !== null) logger.warn("The chain's logs cannot be read", { reason: text });
      else logger.info("The chain's logs can be read");
    },
  });
  const transactions = new TransactionDesk({
    ...{ host, desk, signer, monotonicMs, confirmations, feeMax, onFault },
    timeoutMs: chain.transactionTimeoutMs,
    isTaken: (id) => reader.stream(`transaction:${id}`) !== null,
    rawOf: (id) => confirmedAttempt(reader.eventsOf(`transaction:${id}`).map(({ event }) => event)),
    onReceipt: (receipt) => watch.note(receipt),
  });
  const rounds = new RoundKeeper({
    ...{ host, reader, desk, transactions, orchestrator, monotonicMs, confirmations },
    rewardFrom: chain.reward === "off" ? null : account.rewardCaller,
    isRewardForced: chain.reward === "on",
    initializeFrom: chain.initializeRound ? account.redeemer : null,
    initializeDelayMs: chain.initializeRoundMaxDelayMs,
    random: () => (edge.randomBytes(1)[0] ?? 0) / 256,
  });
  const redemption = new RedemptionDesk({
    ...{ host, reader, desk, transactions, feeMax, confirmations, monotonicMs },
    from: chain.redeem && chain.remoteRedeemer === null ? account.redeemer : null,
    redeemGas: chain.redeemGas,
    onOpened: parts.onOpened,
    onEnded: parts.onEnded,
  });
  const remote = chain.remoteRedeemer;
  const entrust =
    remote === null
      ? null
      : openEntrustDesk({ remote, host, reader, desk, redemption, monotonicMs, logger, onFault });
  const office = new ChainOffice({
    ...{ transactions, rounds, redemption, watch, blockMs, onFault },
    entrust: entrust?.desk ?? null,
  });
  let isChecked = false;
  return {
    office,
    transactions,
    redemption,
    watch,
    entrust,
    tick: (look) => {
      if (!isChecked) {
        isChecked = true;
        const error = rewardMistake(chain, account, orchestrator, look);
        if (error !== null) onFault(error);
      }
      return office.tick(look);
    },
  };
}

/** `-reward` for an account that may not call it is a mistake that would cost every round. */
function rewardMistake(
  chain: ChainConfig,
  account: Account,
  orchestrator: Hex,
  look: ChainLook,
): StartError | null {
  if (chain.reward !== "on" || account.rewardCaller === orchestrator) return null;
  if (look.orchestrator.rewardCaller === account.rewardCaller) return null;
  return new StartError(
    `-reward is on, but ${account.rewardCaller} is neither the orchestrator ${checksumHex(account.recipient)} nor its reward caller.`,
    "Name it with `bun run cli reward-caller set`, or leave -reward out.",
  );
}

/** `-gasLimit`, except for batches that need more: a batch that runs dry drops tickets silently. */
function withGasLimit(desk: ChainDesk, fixed: bigint): ChainDesk {
  const rounds = desk.rounds?.bind(desk);
  // Each by name: a desk is a class, whose methods no spread copies.
  return {
    look: () => desk.look(),
    nonces: (account, block) => desk.nonces(account, block),
    receipts: (hashes, voices) => desk.receipts(hashes, voices),
    blockHash: (block) => desk.blockHash(block),
    broadcast: (transaction) => desk.broadcast(transaction),
    simulate: (calls, from, voices) => desk.simulate(calls, from, voices),
    payable: (senders) => desk.payable(senders),
    ...(rounds === undefined ? {} : { rounds }),
    areTicketsUsed: (hashes) => desk.areTicketsUsed(hashes),
    rewardHint: (added) => desk.rewardHint(added),
    logs: (from, to) => desk.logs(from, to),
    redeemCall: (tickets) => desk.redeemCall(tickets),
    rewardCall: (path, hint) => desk.rewardCall(path, hint),
    initializeRoundCall: () => desk.initializeRoundCall(),
    gasLimit: async (purpose, call, tickets) => {
      const own = tickets > 1 ? await desk.gasLimit(purpose, call, tickets) : 0n;
      return own > fixed ? own : fixed;
    },
  };
}

/** What was mined of a transaction that ended well; null for any other. */
function confirmedAttempt(events: readonly { readonly type: string }[]): SignedTransaction | null {
  const all = events as readonly TransactionEvent[];
  const confirmed = all.find((event) => event.type === "TransactionConfirmed");
  const attempt = all.find(
    (event) => event.type === "TransactionSigned" && confirmed !== undefined && event.hash === confirmed.hash,
  );
  return attempt?.type === "TransactionSigned" ? { hash: attempt.hash, raw: attempt.raw } : null;
}
