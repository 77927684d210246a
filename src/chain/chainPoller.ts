import { type Address, zeroAddress } from "viem";
import { equalBytes, toHex } from "../protocol/bytes.ts";
import type { ChainClock } from "../runtime/ports.ts";
import type { UnixMs } from "../shared/brand.ts";
import { assert, unreachable } from "../shared/assert.ts";
import type { ContractName } from "./abi.ts";
import type { JsonRpc } from "./jsonRpc.ts";
import type { L1Clock } from "./l1Clock.ts";
import { PollDraft } from "./pollDraft.ts";
import {
  type ReadOutcome,
  readChainId,
  readContractAddress,
  readGasPrice,
  readIsActive,
  readL1Block,
  readLastInitializedRound,
  readPoolSize,
  readRoundBlockHash,
  readTicketValidityPeriod,
} from "./reads.ts";

/*
 * Asks the chain every few seconds where it stands: one HTTP request a poll, a second one when a round began.
 * Each part that was read well is taken, whatever became of the others; a chain with another id is taken nothing
 * from.
 */

/** Where the contracts are. */
export type Contracts = Readonly<Record<ContractName, Address>>;

/** Everything of {@link ChainClock} that stands still between two reads. */
export type RoundState = Omit<ChainClock, "l1Block">;

export type ChainPollerOptions = {
  readonly rpc: JsonRpc;
  readonly controller: Address;
  readonly recipient: Uint8Array;
  /** Name of the network, for the check that the endpoint serves it. */
  readonly network: string;
  readonly expectedChainId: bigint | null;
  readonly pollMs: number;
  readonly nowMs: () => UnixMs;
  readonly monotonicMs: () => number;
  readonly l1Clock: L1Clock;
  readonly seed: ChainClock | null;
  /** Something that {@link ChainPoller.rounds} or the L1 clock shows was read, and differs. */
  readonly onNews: () => void;
  readonly onTrouble: (reason: string | null) => void;
  /** The endpoint serves another chain than the one that is meant, and never served the right one. */
  readonly onWrongChain: (text: string) => void;
};

/** Chains that have an L1 block number beside their own. Source: Arbitrum One, Nova, Rinkeby, Sepolia. */
const arbitrumIds: readonly bigint[] = [42161n, 42170n, 421611n, 421614n];
/** Chains whose L1 blocks never rest. */
const livingIds: readonly bigint[] = [1n, 42161n];
const stallMs = 60_000;
/** Networks whose id is known. Source: chain sheet 1.6. */
const networkIds: ReadonlyMap<string, bigint> = new Map([
  ["arbitrum-one-mainnet", 42161n],
  ["mainnet", 1n],
  ["arbitrum-one-rinkeby", 421611n],
  ["rinkeby", 4n],
]);

/** Pool size and the like change rarely: they are read at a new round and every so many polls. */
const detailsEveryPolls = 6;
/** More rounds than this at once must be seen twice: winning tickets end for ever when their round is over. */
const roundJumpMax = 1n;
/** An endpoint behind us is common for a moment (several servers behind one name), and trouble for longer. */
const behindPollsMax = 3;
const backOffMaxMs = 30_000;

const contractNames: readonly ContractName[] = ["RoundsManager", "BondingManager", "TicketBroker"];

/** Polls the chain until it is closed. */
export class ChainPoller {
  readonly #options: ChainPollerOptions;
  #chainId: bigint | null = null;
  #contracts: Contracts | null = null;
  #rounds: RoundState | null;
  #gasPrice: bigint | null = null;
  #trouble: string | null = "the chain has not been read yet";
  #polls = 0;
  /** Polls in a row in which the endpoint left a question without an answer. */
  #outages = 0;
  #isForeign = false;
  #areContractsDue = true;
  #behindPolls = 0;
  #doubtedRound: bigint | null = null;
  #detailsDue = true;
  #pausedUntil = 0;
  #polling: Promise<void> | null = null;
  #timer: ReturnType<typeof setTimeout> | null = null;
  #isClosed = false;

  constructor(options: ChainPollerOptions) {
    this.#options = options;
    this.#rounds = options.seed;
  }

  /** As the chain said; null before it answered. */
  get chainId(): bigint | null {
    return this.#chainId;
  }

  /** Null before anything is known. */
  get rounds(): RoundState | null {
    return this.#rounds;
  }

  /** Wei, as read; null before it was. */
  get gasPrice(): bigint | null {
    return this.#gasPrice;
  }

  get trouble(): string | null {
    return this.#trouble;
  }

  /** Polls now and from now on. */
  start(): void {
    if (this.#isClosed || this.#polling !== null) return;
    this.#polling = this.#poll().finally(() => {
      this.#polling = null;
      if (this.#isClosed) return;
      this.#timer = setTimeout(() => this.start(), this.#waitMs());
      this.#timer.unref();
    });
  }

  /** The contracts; waits for the poll that is looking for them. Null when the chain cannot be read now. */
  async contracts(): Promise<Contracts | null> {
    // Twice without an answer is an outage: callers learn that at once instead of after a time-out each.
    const isPaused = this.#options.monotonicMs() < this.#pausedUntil;
    if (this.#isForeign || this.#outages >= 2 || isPaused) return null;
    if (this.#contracts === null) await this.#polling;
    return this.#contracts;
  }

  /** A contract gave an answer that it cannot give: the next poll asks the Controller where it is now. */
  doubtContracts(): void {
    this.#areContractsDue = true;
  }

  close(): void {
    this.#isClosed = true;
    if (this.#timer !== null) clearTimeout(this.#timer);
  }

  #waitMs(): number {
    const backOffMs = this.#options.pollMs * 2 ** Math.max(0, Math.min(this.#outages, 10) - 1);
    const waitMs = Math.max(this.#options.pollMs, Math.min(backOffMs, backOffMaxMs));
    return Math.max(waitMs, this.#pausedUntil - this.#options.monotonicMs());
  }

  /** Never rejects. */
  async #poll(): Promise<void> {
    const draft = new PollDraft(this.#options.rpc, (ms) => {
      this.#pausedUntil = this.#options.monotonicMs() + ms;
    });
    await this.#pollOnce(draft);
    if (this.#isClosed) return;
    this.#polls += 1;
    this.#outages = draft.isOutage ? this.#outages + 1 : 0;
    if (draft.isContractBad) this.doubtContracts();
    if (draft.hasNews) this.#options.onNews();
    if (draft.trouble === this.#trouble) return;
    this.#trouble = draft.trouble;
    this.#options.onTrouble(draft.trouble);
  }

  async #pollOnce(draft: PollDraft): Promise<void> {
    const contracts = this.#contracts;
    const known = this.#rounds;
    const needsDetails =
      this.#detailsDue || this.#polls % detailsEveryPolls === 0 || known?.isRecipientActive !== true;
    const idRead = draft.ask(readChainId());
    const blockRead = draft.ask(readL1Block(() => this.#hasL1Field(idRead())));
    const gasRead = draft.ask(readGasPrice());
    const addressReads = this.#areContractsDue ? this.#askForContracts(draft) : null;
    const roundRead =
      contracts === null ? null : draft.ask(readLastInitializedRound(contracts.RoundsManager));
    const detailReads =
      contracts !== null && known !== null && needsDetails
        ? this.#askForDetails(draft, contracts, known.lastInitializedRound)
        : null;
    await draft.send();

    if (!this.#takeChainId(draft, idRead())) return;
    this.#takeL1Block(draft, blockRead());
    const gasPrice = draft.valueOf(gasRead());
    if (gasPrice !== null) this.#gasPrice = gasPrice;

    if (addressReads !== null) this.#takeContracts(draft, addressReads);
    const found = contracts ?? this.#contracts;
    if (found === null) return;
    const round = draft.contractValueOf(
      roundRead === null ? await draft.askAlone(readLastInitializedRound(found.RoundsManager)) : roundRead(),
    );
    if (round === null || !this.#isRoundBelieved(draft, round)) return;
    if (round === known?.lastInitializedRound && !needsDetails) {
      this.#rounds = { ...known, readAtMs: this.#options.nowMs() };
      return;
    }
    const isSameRound = detailReads !== null && round === known?.lastInitializedRound;
    const reads = isSameRound ? detailReads : this.#askForDetails(draft, found, round);
    if (!isSameRound) await draft.send();
    this.#takeDetails(draft, round, reads());
  }

  #hasL1Field(id: ReadOutcome<bigint>): boolean {
    return id.type === "read" && arbitrumIds.includes(id.value);
  }

  #takeChainId(draft: PollDraft, outcome: ReadOutcome<bigint>): boolean {
    const id = draft.valueOf(outcome);
    if (id === null) return false;
    this.#isForeign = true;
    const { expectedChainId, network } = this.#options;
    const expected = this.#chainId ?? expectedChainId;
    const named = networkIds.get(network);
    // The words of go-livepeer, which operators may search for.
    const wrong =
      expected !== null && id !== expected
        ? `expecting chainID of ${expected}, but got ${id}. ` +
          "Did you change networks without changing network name or datadir?"
        : named !== undefined && id !== named
          ? `network ${network} is the chain ${named}, but the RPC serves the chain ${id}`
          : null;
    if (wrong !== null) {
      draft.fail(wrong);
      // A chain that was right before is trouble that passes; one that never was is a mistake of the operator.
      if (this.#chainId === null) this.#options.onWrongChain(wrong);
      return false;
    }
    this.#isForeign = false;
    this.#chainId = id;
    return true;
  }

  #takeL1Block(draft: PollDraft, outcome: ReadOutcome<bigint>): void {
    const block = draft.valueOf(outcome);
    if (block === null) return;
    const { l1Clock } = this.#options;
    const before = l1Clock.now();
    const isLiving = this.#chainId !== null && livingIds.includes(this.#chainId);
    const observation = l1Clock.observe(block, isLiving ? stallMs : null);
    if (l1Clock.now() !== before) draft.hasNews = true;
    switch (observation) {
      case "taken":
        return;
      case "doubted":
        draft.fail(`the RPC says L1 block ${block}, which is not believed before it says so again`);
        return;
      case "stalled":
        draft.fail(`the RPC stands still at L1 block ${block}`);
        return;
      default:
        unreachable(observation);
    }
  }

  #askForContracts(draft: PollDraft): (() => ReadOutcome<Address>)[] {
    return contractNames.map((name) => draft.ask(readContractAddress(this.#options.controller, name)));
  }

  #takeContracts(draft: PollDraft, reads: readonly (() => ReadOutcome<Address>)[]): void {
    const addresses = reads.map((read) => draft.valueOf(read()));
    for (const [index, address] of addresses.entries()) {
      if (address === null) return;
      if (address !== zeroAddress) continue;
      draft.fail(`the Controller ${this.#options.controller} knows no ${contractNames[index] ?? "contract"}`);
      return;
    }
    const [RoundsManager, BondingManager, TicketBroker] = addresses;
    assert(RoundsManager && BondingManager && TicketBroker, "Every contract has an address or was refused.");
    this.#contracts = { RoundsManager, BondingManager, TicketBroker };
    this.#areContractsDue = false;
  }

  /** Rounds only grow; an older one comes from a server that lags. Source: payments check 51. */
  #isRoundBelieved(draft: PollDraft, round: bigint): boolean {
    const known = this.#rounds?.lastInitializedRound ?? null;
    if (known !== null && round < known) {
      this.#behindPolls += 1;
      if (this.#behindPolls >= behindPollsMax) {
        draft.fail(`the RPC is behind: it says round ${round}, and round ${known} was seen already`);
      }
      return false;
    }
    this.#behindPolls = 0;
    const isFar = known !== null && round > known + roundJumpMax;
    if (isFar && (this.#doubtedRound === null || round < this.#doubtedRound)) {
      this.#doubtedRound = round;
      draft.fail(`the RPC says round ${round}, which is not believed before it says so again`);
      return false;
    }
    this.#doubtedRound = null;
    return true;
  }

  #askForDetails(draft: PollDraft, contracts: Contracts, round: bigint): () => Details {
    const { RoundsManager, BondingManager, TicketBroker } = contracts;
    const reads = {
      roundBlockHash: draft.ask(readRoundBlockHash(RoundsManager, round)),
      previousRoundBlockHash: draft.ask(readRoundBlockHash(RoundsManager, round === 0n ? 0n : round - 1n)),
      transcoderPoolSize: draft.ask(readPoolSize(BondingManager)),
      isRecipientActive: draft.ask(readIsActive(BondingManager, toHex(this.#options.recipient))),
      ticketValidityPeriod: draft.ask(readTicketValidityPeriod(TicketBroker)),
    };
    return () => ({
      roundBlockHash: draft.contractValueOf(reads.roundBlockHash()),
      previousRoundBlockHash: draft.contractValueOf(reads.previousRoundBlockHash()),
      transcoderPoolSize: draft.contractValueOf(reads.transcoderPoolSize()),
      isRecipientActive: draft.contractValueOf(reads.isRecipientActive()),
      ticketValidityPeriod: draft.contractValueOf(reads.ticketValidityPeriod()),
    });
  }

  #takeDetails(draft: PollDraft, round: bigint, details: Details): void {
    const { roundBlockHash, previousRoundBlockHash, transcoderPoolSize } = details;
    const { isRecipientActive, ticketValidityPeriod } = details;
    const isWhole =
      roundBlockHash !== null &&
      previousRoundBlockHash !== null &&
      transcoderPoolSize !== null &&
      isRecipientActive !== null &&
      ticketValidityPeriod !== null;
    this.#detailsDue = !isWhole;
    if (!isWhole) return;
    if (ticketValidityPeriod === 0n) {
      this.#detailsDue = true;
      draft.fail("the TicketBroker says that tickets are valid for no round at all");
      return;
    }
    const before = this.#rounds;
    this.#rounds = {
      ...{ lastInitializedRound: round, roundBlockHash, previousRoundBlockHash },
      ...{ transcoderPoolSize, isRecipientActive, ticketValidityPeriod, readAtMs: this.#options.nowMs() },
    };
    if (before === null || !areSame(before, this.#rounds)) draft.hasNews = true;
  }
}

type Details = {
  readonly [Key in Exclude<keyof RoundState, "lastInitializedRound" | "readAtMs">]: RoundState[Key] | null;
};

function areSame(left: RoundState, right: RoundState): boolean {
  return (
    left.lastInitializedRound === right.lastInitializedRound &&
    equalBytes(left.roundBlockHash, right.roundBlockHash) &&
    equalBytes(left.previousRoundBlockHash, right.previousRoundBlockHash) &&
    left.transcoderPoolSize === right.transcoderPoolSize &&
    left.isRecipientActive === right.isRecipientActive &&
    left.ticketValidityPeriod === right.ticketValidityPeriod
  );
}
