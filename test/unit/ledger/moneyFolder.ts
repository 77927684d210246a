import { allEvents } from "../../../src/events/catalogue.ts";
import type { AccountEvent } from "../../../src/events/account.ts";
import type { ChainEvent } from "../../../src/events/chain.ts";
import type { GatewayEvent } from "../../../src/events/gateway.ts";
import { encodeEvent } from "../../../src/events/definition.ts";
import type { RecordedEvent, StreamId } from "../../../src/events/envelope.ts";
import { type OpenLog, openLog } from "../../../src/events/log/openLog.ts";
import type { RoundEvent } from "../../../src/events/round.ts";
import type { TicketEvent } from "../../../src/events/ticket.ts";
import type { TransactionEvent } from "../../../src/events/transaction.ts";
import type { WatchEvent } from "../../../src/events/watch.ts";
import type { ImportPorts } from "../../../src/ledger/importTickets.ts";
import { runLedger } from "../../../src/ledger/ledgerCommand.ts";
import { runTickets } from "../../../src/ledger/ticketsCommand.ts";
import { recoverPersonalSigner } from "../../../src/native/ffi.ts";
import { keccak_256 } from "@noble/hashes/sha3";
import { toHex, uint256Bytes } from "../../../src/protocol/bytes.ts";
import { rational } from "../../../src/protocol/rational.ts";
import { maxWinProb, ticketHash } from "../../../src/protocol/ticket.ts";
import type { Hex } from "../../../src/shared/brand.ts";
import { accountOfPrivateKey, signPersonalMessage } from "../../support/signatures.ts";

/*
 * Logs of money for tests: real files, written through the real journal with the views of this release.
 */

export type MoneyEvent =
  AccountEvent | ChainEvent | GatewayEvent | TicketEvent | TransactionEvent | RoundEvent | WatchEvent;

const lastEvents: ReadonlySet<string> = new Set([
  ...["AccountExpired", "TicketRedeemed", "TicketExpired", "TicketRefused"],
  ...["TransactionConfirmed", "TransactionDisplaced", "RewardConfirmed", "RewardMissed", "RewardNotDue"],
]);

/** 2026-01-01, the first moment of these logs. */
export const startMs = 1_767_225_600_000;

/** Writes events as a host does, one stream version after the other. */
export class MoneyWriter {
  readonly log: OpenLog;
  #seq: number;
  readonly #versions = new Map<string, number>();
  atMs = startMs;

  constructor(log: OpenLog) {
    this.log = log;
    this.#seq = log.reader.lastSeq();
  }

  static async open(dataDir: string): Promise<MoneyWriter> {
    const onHalted = (error: unknown): void => {
      throw error;
    };
    return new MoneyWriter(await openLog(dataDir, { onHalted }));
  }

  add(stream: StreamId, event: MoneyEvent): RecordedEvent {
    const definition = allEvents.get(event.type);
    if (definition === undefined) throw new Error(event.type);
    const version = (this.#versions.get(stream) ?? this.log.reader.stream(stream)?.version ?? 0) + 1;
    this.#versions.set(stream, version);
    this.#seq += 1;
    const recorded: RecordedEvent = {
      ...{ seq: this.#seq, stream, version, schemaVersion: 1, atMs: this.atMs },
      ...{ correlationId: "test", causationId: "test", traceId: null, event },
    };
    const { journal, views } = this.log;
    const data = encodeEvent(definition, event);
    journal.addEvent([this.#seq, stream, version, event.type, 1, this.atMs, "test", "test", null, data]);
    for (const write of views.writesFor(recorded)) journal.addView(write);
    journal.setStream([stream, version, lastEvents.has(event.type) ? 1 : 0, null]);
    return recorded;
  }

  async close(): Promise<void> {
    await this.log.journal.committed();
    await this.log.close();
  }
}

/** A payment that was accepted, with values that a test may change. */
export function payment(
  fields: Partial<Omit<Extract<AccountEvent, { type: "PaymentAccepted" }>, "type">> = {},
): Extract<AccountEvent, { type: "PaymentAccepted" }> {
  return {
    type: "PaymentAccepted",
    sender: gateways[0],
    price: rational(1200n),
    recipientRandHash: `0x${"11".repeat(32)}`,
    faceValue: 10n ** 16n,
    winProb: maxWinProb / 1000n,
    expirationBlock: 21_000_040n,
    l1Block: 21_000_000n,
    nonces: [1],
    creditedTickets: 1,
    credit: rational(10n ** 16n * (maxWinProb / 1000n), maxWinProb),
    winners: [],
    refusal: null,
    idleDeadlineMs: 0,
    ...fields,
  };
}

/** What the node saw of the chain. */
export function round(number: bigint, l1Block: bigint, ticketValidityPeriod = 2n): ChainEvent {
  return {
    type: "RoundObserved",
    chainId: 42_161n,
    ...{ round: number, l1Block, ticketValidityPeriod },
    blockHash: `0x${"ab".repeat(32)}`,
    previousBlockHash: `0x${"cd".repeat(32)}`,
    transcoderPoolSize: 100n,
    recipient: `0x${"0c".repeat(20)}`,
    isRecipientActive: true,
    readAtMs: 0,
  };
}

const keys = [1, 2, 3].map((last) => uint256Bytes(BigInt(last)));
/** Accounts of the private keys 1, 2 and 3, lower-case. */
export const gateways = keys.map((key) => toHex(accountOfPrivateKey(key))) as [Hex, Hex, Hex];
/** Who is paid. */
export const recipient: Hex = `0x${"0e".repeat(20)}`;

export type Won = Extract<TicketEvent, { type: "TicketWon" }>;

/**
 * A ticket that the broker would take: signed by one of {@link gateways}, and it wins, as its win probability is 1.
 */
export function wonTicket(
  options: { number?: number; gateway?: 0 | 1 | 2; faceValue?: bigint; creationRound?: bigint } = {},
): { readonly hash: Hex; readonly won: Won } {
  const { number = 1, gateway = 0, faceValue = 10n ** 17n, creationRound = 3700n } = options;
  // Some secret numbers begin with zeros, which a go-livepeer database cuts off.
  const recipientRand = uint256Bytes(number % 3 === 0 ? BigInt(number) : (1n << 255n) + BigInt(number));
  const blockHash = keccak_256(uint256Bytes(creationRound));
  const terms = {
    recipient: Buffer.from(recipient.slice(2), "hex"),
    sender: accountOfPrivateKey(keys[gateway] as Uint8Array),
    ...{ faceValue, winProb: maxWinProb, recipientRandHash: keccak_256(recipientRand) },
    expiration: { creationRound, creationRoundBlockHash: blockHash },
  };
  const hash = ticketHash(terms, number);
  const won: Won = {
    type: "TicketWon",
    ...{ sender: gateways[gateway], recipient, faceValue, winProb: maxWinProb, senderNonce: number },
    recipientRandHash: toHex(terms.recipientRandHash),
    recipientRand: toHex(recipientRand),
    sig: toHex(signPersonalMessage(hash, keys[gateway] as Uint8Array)),
    creationRound,
    creationRoundBlockHash: toHex(blockHash),
    expirationBlock: 21_000_040n,
    lastValidRound: creationRound + 1n,
    account: `${gateways[gateway]}/manifest`,
    source: "payment",
  };
  return { hash: toHex(hash), won };
}

export type CommandRun = {
  readonly code: number;
  readonly lines: readonly string[];
  readonly errors: string;
};

const importPorts: ImportPorts = {
  recoverSigner: recoverPersonalSigner,
  nowMs: () => startMs + 86_400_000,
  randomBytes: (length) => new Uint8Array(length),
};

/** Runs `tickets` as the command line does, with its output caught. */
export function tickets(...argv: readonly string[]): Promise<CommandRun> {
  return caught((output) => runTickets(argv, output, async () => importPorts));
}

/** Runs `ledger` as the command line does, with its output caught. */
export function ledger(...argv: readonly string[]): Promise<CommandRun> {
  return caught((output) => runLedger(argv, output));
}

/** The lines of a run with `--json`, parsed. */
export async function rowsOf<T = Record<string, unknown>>(run: Promise<CommandRun>): Promise<readonly T[]> {
  return (await run).lines.map((line) => JSON.parse(line) as T);
}

async function caught(
  run: (output: { print: (line: string) => void; printError: (line: string) => void }) => Promise<number>,
): Promise<CommandRun> {
  const lines: string[] = [];
  const errors: string[] = [];
  const code = await run({
    print: (line) => lines.push(...line.split("\n")),
    printError: (line) => errors.push(line),
  });
  return { code, lines, errors: errors.join("\n") };
}
