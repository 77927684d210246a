import { balanceOf } from "../../src/actors/account/decide.ts";
import { allKinds } from "../../src/actors/allKinds.ts";
import { allViews } from "../../src/events/log/openLog.ts";
import { verifyTickets } from "../../src/native/ffi.ts";
import { accountBytes } from "../../src/protocol/account.ts";
import { toHex } from "../../src/protocol/bytes.ts";
import type { Payment } from "../../src/protocol/gen/lp_rpc_pb.ts";
import { readPayment } from "../../src/protocol/payment.ts";
import { type Rational, rational } from "../../src/protocol/rational.ts";
import { type RandInput, recipientRand, recipientRandHash } from "../../src/protocol/recipientRand.ts";
import { AccountBook, type AccountKey } from "../../src/runtime/money/accountBook.ts";
import { accountEffects } from "../../src/runtime/money/money.ts";
import { PaymentDesk } from "../../src/runtime/money/paymentDesk.ts";
import { Solvency } from "../../src/runtime/money/solvency.ts";
import { TicketBook } from "../../src/runtime/money/ticketBook.ts";
import { NonceMemory } from "../../src/runtime/money/nonceMemory.ts";
import type { ChainClock, ChainView, SenderFunds } from "../../src/runtime/ports.ts";
import { type HostHarness, openHost } from "./hostHarness.ts";
import { logFolder } from "./logFolder.ts";

/** What the chain of a test says; the test changes it as it likes. */
export type ScriptedChain = {
  recipient: Uint8Array;
  clock: ChainClock;
  /** Null = the chain cannot be read. */
  funds: SenderFunds | null;
};

/** What became of a payment, and what the node knows afterwards. */
export type DeskOutcome = {
  /** The text of the refusal; null when the payment was taken. */
  readonly error: string | null;
  /** Wei; null while there is no account. */
  readonly balance: Rational | null;
  /** Wei per unit; null while none is fixed. */
  readonly price: Rational | null;
};

/**
 * A real log and host under any number of desks: opening one costs a hundred milliseconds, a desk nothing.
 */
export class PaymentHouse implements AsyncDisposable {
  readonly #harness: HostHarness;
  readonly #books: { accounts: AccountBook };
  readonly #remove: () => void;
  #desks = 0;

  private constructor(harness: HostHarness, accounts: { accounts: AccountBook }, remove: () => void) {
    this.#harness = harness;
    this.#books = accounts;
    this.#remove = remove;
  }

  static async open(): Promise<PaymentHouse> {
    const folder = logFolder();
    const books: { accounts: AccountBook | null } = { accounts: null };
    const harness = await openHost({
      dataDir: folder.path,
      kinds: allKinds,
      views: allViews.views,
      effects: accountEffects(() => books.accounts),
    });
    const accounts = new AccountBook(harness.host, harness.reader, 10n ** 18n);
    books.accounts = accounts;
    return new PaymentHouse(harness, { accounts }, () => folder[Symbol.dispose]());
  }

  /** A desk with nonces, funds and accounts of its own. */
  desk(chain: Partial<ScriptedChain> = {}): DeskFixture {
    this.#desks += 1;
    return new DeskFixture(this.#harness, this.#books.accounts, `mid-${this.#desks}`, chain);
  }

  /** Faults of the host; a test expects none. */
  get faults(): readonly unknown[] {
    return this.#harness.faults;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#harness.close();
    this.#remove();
  }
}

/**
 * The part of a node that takes payments, with the real verifier of tickets; only the chain is scripted. Issues
 * parameters as the node does, with whatever values the test wants.
 */
export class DeskFixture {
  readonly chain: ScriptedChain;
  /** What the node would ask any gateway for now, wei per unit. */
  ownPrice: Rational = rational(1_212n);
  readonly #secret = new Uint8Array(32).fill(5);
  readonly #harness: HostHarness;
  readonly #desk: PaymentDesk;
  readonly #accounts: AccountBook;
  readonly #manifestId: string;
  readonly #firstEvent: number;

  constructor(
    harness: HostHarness,
    accounts: AccountBook,
    manifestId: string,
    chain: Partial<ScriptedChain>,
  ) {
    const { clock, host, reader } = harness;
    this.#harness = harness;
    this.#accounts = accounts;
    this.#manifestId = manifestId;
    this.#firstEvent = harness.recorded.length;
    this.chain = {
      recipient: new Uint8Array(20).fill(1),
      clock: chainClock({ readAtMs: clock.ms }),
      funds: richFunds(clock.ms),
      ...chain,
    };
    const view = chainView(this.chain);
    const solvency = new Solvency({
      chain: view,
      nowMs: () => clock.ms,
      maxGatewayLoss: 0n,
      pendingRedemptions: () => 0n,
    });
    this.#desk = new PaymentDesk({
      host,
      hmac,
      chain: view,
      accounts,
      solvency,
      secrets: { current: () => [this.#secret] },
      verifier: { verify: verifyTickets },
      nonces: new NonceMemory(),
      tickets: new TicketBook({ host, reader, solvency, edge: clock }),
      onRefused: () => {},
    });
  }

  /** The secret number behind parameters of this node. */
  rand(offer: RandInput): Uint8Array {
    return recipientRand(this.#secret, offer, hmac);
  }

  /** What a gateway gets to see of it. */
  randHash(offer: RandInput): Uint8Array {
    return recipientRandHash(this.rand(offer));
  }

  /** Takes a payment as a request with work behind it does. Resolves when what it changed is durable. */
  async receive(payment: Payment): Promise<DeskOutcome> {
    const claim = readPayment(payment);
    if (claim.type === "refused") return this.#outcome(accountBytes(payment.sender), claim.text);
    const key = this.#keyOf(claim.sender);
    const origin = { correlationId: "test", causationId: "payment-request" };
    const receipt = await this.#desk.receive(claim, key, this.ownPrice, origin);
    await this.#harness.host.committed();
    return this.#outcome(claim.sender, receipt.type === "refused" ? receipt.text : null);
  }

  /** Hashes of the tickets that won here, in the order in which they were recorded. */
  wonTickets(): readonly string[] {
    return this.#harness.recorded
      .slice(this.#firstEvent)
      .filter(({ event }) => event.type === "TicketWon")
      .map(({ stream }) => stream.slice("ticket:".length));
  }

  #keyOf(sender: Uint8Array): AccountKey {
    return { sender: toHex(sender), manifestId: this.#manifestId };
  }

  #outcome(sender: Uint8Array, error: string | null): DeskOutcome {
    const account = this.#accounts.find(this.#keyOf(sender));
    return {
      error,
      balance: account === null ? null : balanceOf(account),
      price: account?.context.price ?? null,
    };
  }
}

/** A chain clock at the block and round of the recorded payments. */
export function chainClock(changes: Partial<ChainClock> = {}): ChainClock {
  return {
    lastInitializedRound: 3_700n,
    roundBlockHash: new Uint8Array(32).fill(2),
    previousRoundBlockHash: new Uint8Array(32).fill(3),
    l1Block: 21_000_000n,
    transcoderPoolSize: 100n,
    ticketValidityPeriod: 2n,
    isRecipientActive: true,
    readAtMs: 0,
    ...changes,
  };
}

/** A gateway that can pay for everything that a test makes it win. */
export function richFunds(readAtMs: number, withdrawRound = 0n): SenderFunds {
  const ether = 10n ** 18n;
  return {
    deposit: 1_000n * ether,
    reserve: 1_000n * ether,
    claimedInRound: 0n,
    claimedByUs: 0n,
    withdrawRound,
    readAtMs,
  };
}

function chainView(scripted: ScriptedChain): ChainView {
  return {
    get recipient() {
      return scripted.recipient;
    },
    clock: () => scripted.clock,
    gasPrice: () => 10_000_000n,
    funds: () => scripted.funds,
    readFunds: () => Promise.resolve(scripted.funds),
    trouble: null,
    close: () => {},
  };
}

function hmac(key: Uint8Array, message: Uint8Array): Uint8Array {
  return new Uint8Array(new Bun.CryptoHasher("sha256", key).update(message).digest());
}
