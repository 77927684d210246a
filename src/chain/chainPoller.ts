import { type Address, zeroAddress } from "viem";
import { equalBytes, toHex } from "../protocol/bytes.ts";
import type { ChainLook } from "../runtime/chainPorts.ts";
import type { ChainClock } from "../runtime/ports.ts";
import type { Hex, UnixMs } from "../shared/brand.ts";
import { chainFault } from "./chainFault.ts";
import type { ChainRpc, PoolAnswer } from "./chainRpc.ts";
import type { L1Clock, L1Observation } from "./l1Clock.ts";
import { lensContractNames, type LensContractName, type LensView, readLens } from "./lens.ts";
import { LensFees } from "./lensFees.ts";
import { lookOf, roundFacts } from "./lensLook.ts";
import { PollDraft } from "./pollDraft.ts";
import { PollTimer } from "./pollTimer.ts";
import { BadAnswer, believedPrice, type Head, readGasPrice, readHead } from "./reads.ts";

/*
 * Asks the chain every few seconds where it stands: one HTTP request a poll, and in it one call that reads
 * everything at one block. Each part that was read well is taken, whatever became of the others; a chain with another
 * id is taken nothing from. How many calls that is: `lensFees.ts`.
 */

/** Where the contracts are. The zero address stands for one that the Controller does not know. */
export type Contracts = Readonly<Record<LensContractName, Address>>;

/** Everything of {@link ChainClock} that stands still between two reads. */
export type RoundState = Omit<ChainClock, "l1Block">;

/** What the poller asks of endpoints. */
export type PollRpc = Pick<ChainRpc, "batch" | "observe" | "exclude">;

export type ChainPollerOptions = {
  readonly rpc: PollRpc;
  readonly controller: Address;
  readonly recipient: Uint8Array;
  /** Accounts whose balances are read along. */
  readonly accounts: readonly Hex[];
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
  readonly onLook: (look: ChainLook) => void;
  readonly onTrouble: (reason: string | null) => void;
  /** The endpoint serves another chain than the one that is meant, and never served the right one. */
  readonly onWrongChain: (text: string) => void;
};

/** Chains that have an L1 block number beside their own. Source: Arbitrum One, Nova, Rinkeby, Sepolia. */
const arbitrumIds: readonly bigint[] = [42161n, 42170n, 421611n, 421614n];
/** Chains whose L1 blocks never rest. */
const livingIds: readonly bigint[] = [1n, 42161n];
const stallMs = 60_000;
/** Contracts without which there is no payment. */
const neededContracts: readonly LensContractName[] = ["RoundsManager", "BondingManager", "TicketBroker"];
/** More rounds than this at once must be seen twice: winning tickets end for ever when their round is over. */
const roundJumpMax = 1n;
/** An endpoint behind us is common for a moment (several servers behind one name), and trouble for longer. */
const behindPollsMax = 3;
/**
 * Ten minutes of L1 blocks: contracts and blocks of one chain differ by the moments between two reads, and a chain's
 * own number is far from both.
 */
const l1ApartMax = 50n;

/** Polls the chain until it is closed. */
export class ChainPoller {
  readonly #options: ChainPollerOptions;
  readonly #fees: LensFees;
  readonly #timer: PollTimer;
  #chainId: bigint | null = null;
  #contracts: Contracts | null = null;
  #rounds: RoundState | null;
  #look: ChainLook | null = null;
  #lookTrouble: string | null = null;
  #trouble: string | null = "the chain has not been read yet";
  #isForeign = false;
  /** Why L1 numbers of the contracts are not believed; null once a block has confirmed them. */
  #l1Doubt: string | null = null;
  #isL1Confirmed = false;
  #behindPolls = 0;
  #behindLooks = 0;
  #doubtedRound: bigint | null = null;

  constructor(options: ChainPollerOptions) {
    this.#options = options;
    this.#rounds = options.seed;
    const { monotonicMs, pollMs } = options;
    this.#fees = new LensFees(monotonicMs);
    this.#timer = new PollTimer({ monotonicMs, pollMs, poll: (isBusy) => this.#poll(isBusy) });
  }

  /** As the chain said; null before it answered. */
  get chainId(): bigint | null {
    return this.#chainId;
  }

  /** Null before anything is known. */
  get rounds(): RoundState | null {
    return this.#rounds;
  }

  /** The last look; null before the first. */
  get look(): ChainLook | null {
    return this.#look;
  }

  /** Why the last poll gave no look; null when it did. */
  get lookTrouble(): string | null {
    return this.#lookTrouble;
  }

  /** Wei, as read or as it must be now; null before it was read. */
  get gasPrice(): bigint | null {
    return this.#fees.gasPrice;
  }

  get trouble(): string | null {
    return this.#trouble;
  }

  /** What is wrong with a chain of this id; null when it may be ours. */
  faultOf(chainId: bigint): string | null {
    const { expectedChainId, network } = this.#options;
    return chainFault(chainId, this.#chainId ?? expectedChainId, network);
  }

  /** Polls now and from now on. */
  start(): void {
    this.#timer.start();
  }

  /** The next poll is no later than that; of several wishes the soonest counts. */
  pollSoon(inMs: number): void {
    this.#timer.pollSoon(inMs);
  }

  /** A look of a poll that begins after this call; null when the chain cannot be read now. */
  async freshLook(): Promise<ChainLook | null> {
    // A poll that is under way may have read what was before this call.
    await this.#timer.running;
    const before = this.#look;
    if (!(await this.#timer.pollNow())) return null;
    return this.#look === before ? null : this.#look;
  }

  /** The contracts; waits for the poll that is looking for them. Null when the chain cannot be read now. */
  async contracts(): Promise<Contracts | null> {
    // Twice without an answer is an outage: callers learn that at once instead of after a time-out each.
    if (this.#isForeign || this.#timer.outages >= 2 || this.#timer.isPaused) return null;
    if (this.#contracts === null) await this.#timer.running;
    return this.#contracts;
  }

  close(): void {
    this.#timer.close();
  }

  /** Never rejects. Whether there was an answer. */
  async #poll(isBusy: boolean): Promise<boolean> {
    const draft = new PollDraft(this.#options.rpc, (ms) => this.#timer.pause(ms));
    const look = await this.#pollOnce(draft, isBusy);
    if (this.#timer.isClosed) return false;
    this.#lookTrouble = look === null ? (this.#lookTrouble ?? draft.trouble) : null;
    if (look !== null) this.#look = look;
    if (draft.hasNews) this.#options.onNews();
    if (draft.trouble !== this.#trouble) {
      this.#trouble = draft.trouble;
      this.#options.onTrouble(draft.trouble);
    }
    if (look !== null) this.#options.onLook(look);
    return !draft.isOutage;
  }

  async #pollOnce(draft: PollDraft, isBusy: boolean): Promise<ChainLook | null> {
    const { controller, recipient, accounts } = this.#options;
    this.#lookTrouble = null;
    const isHeadDue = this.#fees.isHeadDue() || !this.#isL1Confirmed;
    const lensRead = draft.ask(readLens({ controller, recipient: toHex(recipient), accounts }));
    const headRead = isHeadDue ? draft.ask(readHead()) : null;
    const gasRead = this.#fees.isGasDue(isBusy) ? draft.ask(readGasPrice()) : null;
    const [answer] = await draft.send();
    if (this.#timer.isClosed) return null;

    const view = draft.valueOf(lensRead());
    if (view === null) return null;
    const wrong = this.#wrongChain(draft, view);
    if (wrong !== null) {
      this.#tellRpc(answer, (rpc, endpoint) => rpc.exclude(endpoint, wrong));
      return null;
    }
    const head = headRead === null ? null : draft.valueOf(headRead());
    const gasPrice = gasRead === null ? null : draft.valueOf(gasRead());
    const lensBaseFee = draft.found(() =>
      view.has("baseFee") ? believedPrice(view.amount("baseFee")) : null,
    );
    this.#fees.take({ head, gasPrice, lensBaseFee }, this.#isArbitrum);
    const observation = this.#takeL1Block(draft, view, head);
    // Endpoints are compared by what they show: one that shows too much would make the others look late.
    if (observation !== "doubted") {
      const shown = { block: view.block, l1Block: view.number("l1Block") };
      this.#tellRpc(answer, (rpc, endpoint) => rpc.observe(endpoint, shown));
    }
    if (!this.#takeContracts(draft, view)) return null;
    const isRoundTaken = this.#takeRound(draft, view);
    // A look of a server that lags, sleeps or errs may not move money.
    return observation === "taken" && isRoundTaken ? this.#lookFrom(view, lensBaseFee) : null;
  }

  get #isArbitrum(): boolean {
    return this.#chainId !== null && arbitrumIds.includes(this.#chainId);
  }

  /** Why this is not our chain; null when it is. */
  #wrongChain(draft: PollDraft, view: LensView): string | null {
    const id = view.number("chainId");
    const wrong = this.faultOf(id);
    this.#isForeign = wrong !== null;
    if (wrong === null) {
      this.#chainId = id;
      return null;
    }
    draft.fail(wrong);
    // A chain that was right before is trouble that passes; one that never was is a mistake of the operator.
    if (this.#chainId === null) this.#options.onWrongChain(wrong);
    return wrong;
  }

  #tellRpc(answer: PoolAnswer | undefined, tell: (rpc: PollRpc, endpoint: number) => void): void {
    if (answer !== undefined && answer.endpoint !== null) tell(this.#options.rpc, answer.endpoint);
  }

  #takeL1Block(draft: PollDraft, view: LensView, head: Head | null): L1Observation {
    const block = view.number("l1Block");
    if (head !== null) this.#confirmL1(block, head);
    if (this.#l1Doubt !== null) draft.fail(this.#l1Doubt);
    if (!this.#isL1Confirmed) return "doubted";
    const { l1Clock } = this.#options;
    const before = l1Clock.now();
    const isLiving = this.#chainId !== null && livingIds.includes(this.#chainId);
    const observation = l1Clock.observe(block, isLiving ? stallMs : null);
    if (l1Clock.now() !== before) draft.hasNews = true;
    if (observation === "doubted") {
      draft.fail(`the RPC says L1 block ${block}, which is not believed before it says so again`);
    }
    if (observation === "stalled") draft.fail(`the RPC stands still at L1 block ${block}`);
    return observation;
  }

  /** What contracts see as the block's number is the L1 number only if the block itself says so too. */
  #confirmL1(block: bigint, head: Head): void {
    const said = head.l1Block ?? (this.#isArbitrum ? null : head.number);
    const apart = said === null ? 0n : block > said ? block - said : said - block;
    this.#l1Doubt =
      said === null
        ? "the RPC leaves out l1BlockNumber, without which this chain cannot be followed"
        : apart > l1ApartMax
          ? `the RPC says L1 block ${said}, but its contracts see ${block}`
          : null;
    // In doubt the block is asked for again at each poll.
    this.#isL1Confirmed = this.#l1Doubt === null;
  }

  #takeContracts(draft: PollDraft, view: LensView): boolean {
    const found = draft.found(() => lensContractNames.map((name) => [name, view.account(name)] as const));
    if (found === null) return false;
    const missing = found.find(([name, address]) => address === null && neededContracts.includes(name));
    if (missing !== undefined) {
      draft.fail(`the Controller ${this.#options.controller} knows no ${missing[0]}`);
      return false;
    }
    const addresses = found.map(([name, address]) => [name, address ?? zeroAddress] as const);
    this.#contracts = Object.fromEntries(addresses) as Contracts;
    return true;
  }

  #takeRound(draft: PollDraft, view: LensView): boolean {
    const facts = draft.found(() => roundFacts(view));
    if (facts === null) return false;
    if (!this.#isRoundBelieved(draft, facts.lastInitializedRound)) return this.#isRoundGone(view);
    if (facts.ticketValidityPeriod === 0n) {
      draft.fail("the TicketBroker says that tickets are valid for no round at all");
      return false;
    }
    const before = this.#rounds;
    this.#rounds = { ...facts, readAtMs: this.#options.nowMs() };
    if (before !== null && before.lastInitializedRound !== facts.lastInitializedRound) this.#fees.expire();
    if (before === null || !areSame(before, this.#rounds)) draft.hasNews = true;
    return true;
  }

  #lookFrom(view: LensView, lensBaseFee: bigint | null): ChainLook | null {
    const fees = this.#fees.now(lensBaseFee);
    if (fees === null) return null;
    try {
      const { block } = view;
      if (this.#isLookBehind(block)) {
        this.#lookTrouble = `the RPC is behind: it says block ${block}, and a later one was seen already`;
        return null;
      }
      return lookOf(view, this.#options.accounts, fees, this.#options.nowMs());
    } catch (error) {
      if (!(error instanceof BadAnswer)) throw error;
      this.#lookTrouble = error.message;
      return null;
    }
  }

  /** After a few polls the chain itself must have gone back. */
  #isLookBehind(block: bigint): boolean {
    const isBehind = this.#look !== null && block < this.#look.block;
    this.#behindLooks = isBehind ? this.#behindLooks + 1 : 0;
    return isBehind && this.#behindLooks < behindPollsMax;
  }

  /**
   * A re-org may take the start of a round back, and then somebody must start it again, perhaps we. Payments keep the
   * round that they have; those who send transactions see the chain as it is, once it goes on without that start.
   */
  #isRoundGone(view: LensView): boolean {
    const isLater = this.#look !== null && view.block > this.#look.block;
    return isLater && this.#behindPolls >= behindPollsMax;
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
}

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
