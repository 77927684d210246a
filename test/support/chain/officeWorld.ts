import { rmSync } from "node:fs";
import type { TicketSnapshot } from "../../../src/actors/ticket/decide.ts";
import type { ChainConfig } from "../../../src/config/config.ts";
import type { TicketRecord } from "../../../src/events/log/reader.ts";
import { runLedger } from "../../../src/ledger/ledgerCommand.ts";
import { accountOfPrivateKey, keccak256, signPersonalMessage } from "../../../src/native/ffi.ts";
import { fromHex, toHex } from "../../../src/protocol/bytes.ts";
import { recipientRandHash } from "../../../src/protocol/recipientRand.ts";
import { maxWinProb, ticketHash } from "../../../src/protocol/ticket.ts";
import type { ChainLook } from "../../../src/runtime/chainPorts.ts";
import type { WonTicket } from "../../../src/runtime/money/ticketBook.ts";
import type { Hex } from "../../../src/shared/brand.ts";
import { temporaryDir } from "../nodeFixture.ts";
import { recordedEvents, verifyLog } from "../nodeLog.ts";
import { type DevChain, type SignedTicket, startDevChain } from "./devChain.ts";
import { type OfficeLife, type OfficeWorldOptions, openLife, ourKey, type OwnedLife } from "./officeLife.ts";

/*
 * Everything that spends gas, as a node has it, on a development chain and on a data folder: log, host, tickets, chain,
 * desks, office. There is no clock and no poll but the test's: each tick takes one fresh look at the chain, and no
 * block comes unless the test mines one.
 */

export const oneEther: bigint = 10n ** 18n;
export const oneGwei: bigint = 10n ** 9n;

/** A gateway on the chain. */
export type FundedGateway = { readonly key: Uint8Array; readonly account: Uint8Array; readonly hex: Hex };

export type WinOptions = {
  /** Wei. Default a tenth of an ether. */
  readonly faceValue?: bigint;
  /** L1 block from which it may be redeemed. Default: now. */
  readonly expirationBlock?: bigint;
  /** Default: the round of the chain. */
  readonly creationRound?: bigint;
  /** Default: what the chain has for the round. */
  readonly creationRoundBlockHash?: Hex;
  /** 20 bytes. Default: {@link OfficeWorld.recipient}. */
  readonly recipient?: Uint8Array;
};

let ticketsMade = 0;
let gatewaysMade = 0;

/** A development chain in the first block of round 3 on which we are an orchestrator, and an office on it. */
export async function openOfficeWorld(options: OfficeWorldOptions = {}): Promise<OfficeWorld> {
  const chain = options.chain ?? (await startDevChain(options.devChain));
  const world = new OfficeWorld(chain, options);
  if (options.chain === undefined) {
    await (options.prepare ?? becomeOrchestrator)(chain, world.us);
    await chain.holdMining();
  }
  await chain.anvil.rpc(
    "anvil_setBalance",
    world.us,
    `0x${(options.gasMoney ?? 10n * oneEther).toString(16)}`,
  );
  await world.open();
  return world;
}

async function becomeOrchestrator(chain: DevChain, us: Hex): Promise<void> {
  await chain.setActive(us, true);
  await chain.setRound(3n);
}

export class OfficeWorld implements AsyncDisposable {
  readonly chain: DevChain;
  dataDir: string = temporaryDir();
  /** Who sends transactions. */
  readonly us: Hex;
  /** Who tickets are made out to. */
  readonly recipient: Hex;
  /** Errors that would end a node. */
  readonly faults: unknown[] = [];
  /** False: planned transactions do not leave, as when the process ends right after the commit. */
  isSending = true;
  /** Changes of configuration, for the next life. */
  config: Partial<ChainConfig>;
  feeMax: bigint | null;
  /** How often the office looked at the chain. */
  looks = 0;
  /** In how many milliseconds the office wants the next look; null: in the usual rhythm. */
  wakeMs: number | null = null;
  readonly #options: OfficeWorldOptions;
  #life: OwnedLife | null = null;
  /** Milliseconds of the office's monotonic clock. */
  #nowMs = 1_000_000;
  /** The view reads anew each time: its clock is ahead of every gap. */
  #viewMs = 0;

  constructor(chain: DevChain, options: OfficeWorldOptions) {
    this.chain = chain;
    this.#options = options;
    this.us = toHex(accountOfPrivateKey(options.key ?? ourKey));
    this.recipient = options.orchestrator ?? this.us;
    this.config = options.config ?? {};
    this.feeMax = options.config?.maxGasPrice ?? null;
  }

  /** The running office. */
  get life(): OfficeLife {
    if (this.#life === null) throw new Error("The office is closed.");
    return this.#life;
  }

  /** Opens the office on the folder. */
  async open(): Promise<void> {
    this.#life = await openLife(this, {
      ...{ options: this.#options, monotonicMs: () => this.#nowMs, viewMs: () => this.#viewMs },
      nextView: () => {
        this.#viewMs += 1_000;
      },
    });
  }

  /** Ends the office in good order. */
  async close(): Promise<void> {
    await this.#life?.close(true);
    this.#life = null;
  }

  /** The next life is on a new folder. The office must be closed. */
  moveToNewFolder(): void {
    rmSync(this.dataDir, { recursive: true, force: true });
    this.dataDir = temporaryDir();
  }

  /** Ends it without a last word: nothing is saved that a commit did not save. */
  async crash(): Promise<void> {
    await this.#life?.close(false);
    this.#life = null;
  }

  /** Ends the office and opens it again on the same folder. */
  async restart(): Promise<void> {
    await this.close();
    await this.open();
  }

  /** Lets time pass that the office may see. */
  advance(ms: number): void {
    this.#nowMs += ms;
  }

  /** Lets five seconds pass, looks at the chain, does what is due, and waits until it is durable and sent. */
  async tick(passMs = 5_000): Promise<ChainLook> {
    this.advance(passMs);
    const life = this.#life;
    if (life === null) throw new Error("The office is closed.");
    const look = await life.look();
    this.looks += 1;
    this.wakeMs = await life.tick(look);
    await this.settled();
    if (this.faults.length > 0) throw new Error("The office has failed.", { cause: this.faults[0] });
    return look;
  }

  /** Ticks, and mines a block after each tick, until `probe` gives something. @throws Error naming `what` */
  async tickUntil<T>(what: string, probe: () => T | null | false, ticksMax = 20): Promise<T> {
    for (let count = 0; count < ticksMax; count += 1) {
      await this.tick();
      const value = probe();
      if (value !== null && value !== false) return value;
      await this.chain.mine(1);
    }
    throw new Error(`Not within ${ticksMax} looks: ${what}.`);
  }

  /** Ticks and mines until these tickets are in a state. */
  async until(state: TicketRecord["state"], ...hashes: readonly Hex[]): Promise<void> {
    try {
      await this.tickUntil(`all are ${state}`, () =>
        hashes.every((hash) => this.ticket(hash).state === state),
      );
    } catch (error) {
      const states = hashes.map((hash) => `${this.ticket(hash).state} (${this.ticket(hash).cause})`);
      throw new Error(`They are ${states.join(", ")}.`, { cause: error });
    }
  }

  /** Resolves when everything is durable and sent that the office wants so far, and what came of it is noted. */
  async settled(): Promise<void> {
    const { host } = this.life;
    for (;;) {
      await host.committed();
      // Effects begin right after the commit that owes them.
      await Bun.sleep(0);
      if (this.broadcasts.length === 0) return;
      // What the answers say is noted in a commit of its own.
      await this.sent();
    }
  }

  /** Broadcasts under way. */
  readonly broadcasts: Promise<unknown>[] = [];

  /** Resolves when every broadcast so far was answered. */
  async sent(): Promise<void> {
    await Promise.all(this.broadcasts.splice(0));
  }

  /** A gateway of its own with these funds, wei: one ether each unless given. */
  async gateway(deposit = oneEther, reserve = oneEther): Promise<FundedGateway> {
    gatewaysMade += 1;
    const key = new Uint8Array(32).fill(0x31);
    new DataView(key.buffer).setUint32(28, gatewaysMade);
    const account = accountOfPrivateKey(key);
    if (deposit + reserve > 0n) await this.chain.fund(account, deposit, reserve);
    return { key, account, hex: toHex(account) };
  }

  /** A ticket that the gateway has signed and that wins, whatever is drawn. Not recorded. */
  async ticketOf(
    gateway: FundedGateway,
    options: WinOptions = {},
  ): Promise<{ readonly hash: Hex; readonly won: WonTicket; readonly signed: SignedTicket }> {
    ticketsMade += 1;
    const senderNonce = ticketsMade;
    const block = await this.chain.blockNumber();
    const rand = keccak256(new TextEncoder().encode(`recipientRand ${senderNonce}`));
    const round =
      options.creationRound ?? ((await this.chain.read("RoundsManager", "currentRound", [])) as bigint);
    const roundHash = (options.creationRoundBlockHash ??
      (await this.chain.read("RoundsManager", "blockHashForRound", [round]))) as Hex;
    const terms = {
      recipient: options.recipient ?? fromHex(this.recipient) ?? new Uint8Array(),
      ...{ sender: gateway.account, winProb: maxWinProb },
      ...{ faceValue: options.faceValue ?? oneEther / 10n, recipientRandHash: recipientRandHash(rand) },
      expiration: { creationRound: round, creationRoundBlockHash: fromHex(roundHash) ?? new Uint8Array() },
    };
    const { faceValue } = terms;
    const hash = ticketHash(terms, senderNonce);
    const signature = signPersonalMessage(hash, gateway.key);
    const auxData = new Uint8Array(64);
    new DataView(auxData.buffer).setBigUint64(24, round);
    auxData.set(terms.expiration.creationRoundBlockHash, 32);
    return {
      hash: toHex(hash),
      won: {
        ...{
          sender: gateway.hex,
          recipient: toHex(terms.recipient),
          faceValue,
          winProb: maxWinProb,
          senderNonce,
        },
        ...{ recipientRandHash: toHex(terms.recipientRandHash), recipientRand: toHex(rand) },
        ...{ sig: toHex(signature), creationRound: round, creationRoundBlockHash: roundHash },
        expirationBlock: options.expirationBlock ?? block,
        ...{ lastValidRound: round + 1n, account: null, source: "payment" },
      },
      signed: {
        ticket: { ...terms, senderNonce: BigInt(senderNonce), auxData },
        ...{ signature, recipientRand: rand },
      },
    };
  }

  /** Records winners of a gateway, in one commit. Durable when it resolves. */
  async win(gateway: FundedGateway, count = 1, options: WinOptions = {}): Promise<Hex[]> {
    const hashes: Hex[] = [];
    for (let made = 0; made < count; made += 1) {
      const { hash, won } = await this.ticketOf(gateway, options);
      this.record(hash, won);
      hashes.push(hash);
    }
    await this.life.host.committed();
    return hashes;
  }

  /** Records a winner in the open commit. */
  record(hash: Hex, won: WonTicket): void {
    const { book } = this.life;
    if (!book.win(hash, won, { correlationId: "test", causationId: "test" })) throw new Error("It is known.");
  }

  /** What the log knows of a ticket. */
  ticket(hash: Hex): TicketRecord {
    const record = this.life.log.reader.ticket(hash);
    if (record === null) throw new Error(`There is no ticket ${hash}.`);
    return record;
  }

  states(hashes: readonly Hex[]): readonly string[] {
    return hashes.map((hash) => this.ticket(hash).state);
  }

  /** Why an open ticket waits. */
  cause(hash: Hex): string | null {
    const snapshot = this.life.host.snapshot("ticket", hash) as TicketSnapshot | null;
    return snapshot?.context.cause ?? null;
  }

  /** Names of a stream's events, in order. */
  history(stream: string): readonly string[] {
    return this.events(stream).map(({ type }) => type);
  }

  /** Events of a stream, in order. */
  events(stream: string): readonly (Readonly<Record<string, unknown>> & { readonly type: string })[] {
    return recordedEvents(this.dataDir).flatMap((each) =>
      each.stream === stream ? [each.event as unknown as { readonly type: string }] : [],
    );
  }

  /** Transactions that were planned, in order: stream, and the tickets in them. */
  planned(): readonly {
    readonly stream: string;
    readonly tickets: readonly Hex[];
    readonly gasLimit: bigint;
  }[] {
    return recordedEvents(this.dataDir).flatMap(({ stream, event }) => {
      if (event.type !== "TransactionPlanned") return [];
      const { tickets, gasLimit } = event as unknown as {
        readonly tickets: readonly Hex[];
        readonly gasLimit: bigint;
      };
      return [{ stream, tickets, gasLimit }];
    });
  }

  /** Hashes of the transactions that wait in the chain's pool. */
  async pool(): Promise<readonly Hex[]> {
    const content = (await this.chain.anvil.rpc("txpool_content")) as {
      readonly pending: Readonly<Record<string, Readonly<Record<string, { readonly hash: Hex }>>>>;
    };
    return Object.values(content.pending)
      .flatMap((byNonce) => Object.values(byNonce))
      .map(({ hash }) => hash);
  }

  /**
   * Makes others come first: takes our transactions out of the pool, lets `others` act, and puts ours back, unless they
   * are to be forgotten.
   */
  async overtake(others: () => Promise<unknown>, after: "return" | "forget" = "return"): Promise<void> {
    const ours = await this.pool();
    const raws = recordedEvents(this.dataDir).flatMap(({ event }) => {
      if (event.type !== "TransactionSigned") return [];
      const { hash, raw } = event as unknown as { readonly hash: Hex; readonly raw: Hex };
      return ours.includes(hash) ? [raw] : [];
    });
    for (const hash of ours) await this.chain.dropTransaction(hash);
    await others();
    if (after === "forget") return;
    for (const raw of raws) await this.chain.anvil.rpc("eth_sendRawTransaction", raw);
  }

  /** Wei that the chain says our tickets brought, in all. */
  async broughtOnChain(): Promise<bigint> {
    const logs = await this.chain.logs("TicketBroker", "WinningTicketTransfer");
    return logs
      .filter(({ args }) => String(args["recipient"]).toLowerCase() === this.recipient)
      .reduce((sum, { args }) => sum + (args["amount"] as bigint), 0n);
  }

  /** Wei that the log says our tickets brought, in all. */
  broughtInLog(): bigint {
    return this.life.log.reader
      .tickets({ states: ["paid", "redeemed"] })
      .reduce((sum, { paidAmount }) => sum + BigInt(paidAmount ?? 0), 0n);
  }

  /**
   * What must hold at the end of every test: the log can be replayed, nothing is at risk that has ended, and every
   * wei of ours on the chain is in the log, once. @throws Error with what is wrong
   *
   * @param byOthers - wei of tickets that somebody else has redeemed for us
   */
  async audit(byOthers = 0n): Promise<void> {
    await this.life.host.committed();
    await verifyLog(this.dataDir);
    const lines: string[] = [];
    const print = (line: string): void => void lines.push(line);
    const code = await runLedger(["--dataDir", this.dataDir, "--check"], { print, printError: print });
    if (code !== 0) throw new Error(`ledger --check ended with ${code}:\n${lines.join("\n")}`);
    const [chain, log] = [await this.broughtOnChain(), this.broughtInLog() + byOthers];
    if (chain !== log) throw new Error(`The chain paid ${chain} wei, and the log knows of ${log}.`);
    const owed = this.life.log.reader
      .tickets({ states: ["won", "submitted"] })
      .reduce((sum, { faceValue }) => sum + BigInt(faceValue), 0n);
    const { outstanding } = this.life.solvency.totals();
    if (outstanding !== owed) throw new Error(`${outstanding} wei count as outstanding, and ${owed} are.`);
    if (this.faults.length > 0) throw new Error("The office has failed.", { cause: this.faults[0] });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
    if (this.#options.chain === undefined) await this.chain[Symbol.asyncDispose]();
    rmSync(this.dataDir, { recursive: true, force: true });
  }
}
