import { parseStreamId, type RecordedEvent } from "../events/envelope.ts";
import type { RoundEvent } from "../events/round.ts";
import type { TransactionEvent } from "../events/transaction.ts";
import type { WalletEvent } from "../events/wallet.ts";
import type { WatchEvent } from "../events/watch.ts";
import type { LivepeerPaymentMetrics } from "./livepeerPaymentMetrics.ts";
import type { Logger } from "./logger.ts";
import { gweiOf } from "./moneyNumbers.ts";
import { lptOf, type SpendingMetrics } from "./spendingMetrics.ts";

export type SpendingTelemetryOptions = {
  readonly livepeer: LivepeerPaymentMetrics;
  readonly spending: SpendingMetrics;
  readonly logger: Logger;
};

type Purpose = Extract<TransactionEvent, { type: "TransactionPlanned" }>["purpose"];

/** A transaction that is under way. */
type OpenTransaction = {
  readonly purpose: Purpose;
  readonly subject: string;
  readonly plannedMs: number;
  readonly cancels: Set<string>;
  isSuccess: boolean;
};

/** What the log says is under way at a start. */
export type OpenTransactionFacts = {
  /** `<account>/<nonce>`. */
  readonly id: string;
  readonly purpose: Purpose;
  readonly subject: string;
  readonly plannedMs: number;
  /** 0 or 1; null while it is not mined. */
  readonly isSuccess: number | null;
  readonly cancelHash: string | null;
};

/** The part of the fold over the events that is about the chain: transactions, rounds, the watch. */
export class SpendingTelemetry {
  readonly #options: SpendingTelemetryOptions;
  readonly #open = new Map<string, OpenTransaction>();
  /** Reward of the rounds that are not confirmed yet, LPT wei. */
  readonly #rewards = new Map<string, bigint | null>();

  constructor(options: SpendingTelemetryOptions) {
    this.#options = options;
  }

  /** Takes up the transactions that an earlier life of the node left open. */
  resume(open: Iterable<OpenTransactionFacts>): void {
    for (const { id, purpose, subject, plannedMs, isSuccess, cancelHash } of open) {
      const cancels = new Set(cancelHash === null ? [] : [cancelHash]);
      this.#open.set(id, { purpose, subject, plannedMs, cancels, isSuccess: isSuccess !== 0 });
      this.#showOpen(purpose);
    }
  }

  onTransaction({ stream, atMs }: RecordedEvent, event: TransactionEvent): void {
    const { id } = parseStreamId(stream);
    const { logger, spending } = this.#options;
    if (event.type === "TransactionPlanned") {
      const { purpose, subject } = event;
      this.#open.set(id, { purpose, subject, plannedMs: atMs, cancels: new Set(), isSuccess: true });
      this.#showOpen(purpose);
      return;
    }
    const known = this.#open.get(id);
    const purpose = known?.purpose ?? "operator";
    const named = { transaction: id, purpose, subject: known?.subject ?? "" };
    switch (event.type) {
      case "TransactionSigned": {
        const { hash, kind, feeCap: feeCapWei } = event;
        if (kind === "cancel") known?.cancels.add(hash);
        spending.transactionAttempts.add(1, [purpose, kind]);
        logger.info("A transaction was signed", { ...named, txHash: hash, kind, feeCapWei });
        return;
      }
      case "TransactionRefused": {
        const { hash: txHash, cause, text } = event;
        spending.transactionRefusals.add(1, [cause]);
        logger.warn("No endpoint takes a transaction", { ...named, txHash, cause, text });
        return;
      }
      case "TransactionMined": {
        const { hash: txHash, block, isSuccess } = event;
        if (known !== undefined) {
          known.isSuccess = isSuccess;
          spending.transactionMinedSeconds.observe(Math.max(0, atMs - known.plannedMs) / 1_000);
        }
        const feeWei = event.gasUsed * event.gasPrice;
        if (isSuccess) logger.info("A transaction was mined", { ...named, txHash, block, feeWei });
        else logger.error("A transaction was reverted", { ...named, txHash, block, feeWei });
        return;
      }
      case "TransactionUndone":
        logger.warn("A re-org took a transaction back", { ...named, txHash: event.hash, block: event.block });
        return;
      case "TransactionConfirmed": {
        const isCancelled = known?.cancels.has(event.hash) ?? false;
        const outcome = isCancelled ? "cancelled" : known?.isSuccess === false ? "reverted" : "confirmed";
        spending.transactionFeesGwei.add(gweiOf(event.fee), [purpose]);
        this.#ended(id, purpose, outcome);
        return;
      }
      case "TransactionDisplaced":
        logger.error("Another transaction used a nonce of ours up", { ...named, mined: event.mined });
        this.#ended(id, purpose, "displaced");
        return;
    }
  }

  onRound({ stream }: RecordedEvent, event: RoundEvent): void {
    const { logger, livepeer, spending } = this.#options;
    const round = parseStreamId(stream).id;
    switch (event.type) {
      case "RewardMined": {
        const { transaction, txHash, block, amount, treasury } = event;
        this.#rewards.set(round, amount);
        logger.info("The reward was called", {
          ...{ round, transaction, txHash, block, amountLptWei: amount, treasuryLptWei: treasury },
        });
        return;
      }
      case "RewardUndone":
        this.#rewards.delete(round);
        logger.warn("A re-org took a reward back", { round, block: event.block });
        return;
      case "RewardConfirmed": {
        spending.rewardsEnded.add(1, ["rewarded"]);
        spending.rewardsLpt.add(lptOf(this.#rewards.get(round) ?? 0n));
        this.#rewards.delete(round);
        return;
      }
      case "RewardReturned":
        livepeer.rewardError();
        logger.error("A call of the reward came to nothing", {
          ...{ round, transaction: event.transaction, cause: event.cause, text: event.text },
        });
        return;
      case "RewardPostponed":
        logger.warn("The reward cannot be called now", { round, cause: event.cause, text: event.text });
        return;
      case "RewardMissed": {
        const { cause, text, forecast } = event;
        livepeer.rewardError();
        spending.rewardsEnded.add(1, ["missed"]);
        spending.rewardsMissedLpt.add(lptOf(forecast ?? 0n));
        this.#rewards.delete(round);
        logger.error("The reward of a round was missed", { round, cause, text, forecastLptWei: forecast });
        return;
      }
      case "RewardNotDue":
        spending.rewardsEnded.add(1, ["not-due"]);
        logger.info("A round needs no reward of ours", { round, cause: event.cause });
        return;
      default:
        logger.info(roundWords[event.type], { round });
    }
  }

  onWallet({ stream }: RecordedEvent, event: WalletEvent): void {
    if (event.type !== "NonceCorrected") return;
    const { nonce, cause } = event;
    this.#options.logger.warn("The chain counts the nonces of an account otherwise", {
      ...{ account: parseStreamId(stream).id, nonce, cause },
    });
  }

  onWatch(event: WatchEvent): void {
    const { logger, spending } = this.#options;
    switch (event.type) {
      case "WatchStarted":
        spending.watchBlock.set(Number(event.block));
        logger.info("The books of the chain begin", { block: event.block, recipient: event.recipient });
        return;
      case "BlocksSeen":
        spending.watchBlock.set(Number(event.to));
        for (const { name } of event.logs) spending.chainLogs.add(1, [name]);
        return;
      case "BlocksUndone":
        spending.reorgs.add(1);
        spending.watchBlock.set(Number(event.block));
        logger.warn("A re-org: what was seen above a block is taken back", { block: event.block });
        return;
    }
  }

  #ended(id: string, purpose: Purpose, outcome: string): void {
    this.#options.spending.transactionsEnded.add(1, [purpose, outcome]);
    this.#open.delete(id);
    this.#showOpen(purpose);
  }

  #showOpen(purpose: Purpose): void {
    const count = [...this.#open.values()].filter((open) => open.purpose === purpose).length;
    this.#options.spending.transactionsOpen.set(count, [purpose]);
  }
}

const roundWords = {
  RoundOpened: "A round has begun",
  InitializationSubmitted: "A round is being initialised",
  InitializationReturned: "A round was not initialised by us",
  RoundInitialized: "A round was initialised",
  RewardDue: "A reward is due",
  RewardSubmitted: "The reward is being called",
} as const;
