import type { AnyEvent } from "../../src/events/definition.ts";
import { keccak_256 } from "@noble/hashes/sha3";
import type { AccountContext } from "../../src/actors/account/machine.ts";
import type { RecordedEvent } from "../../src/events/envelope.ts";
import { parseStreamId } from "../../src/events/envelope.ts";
import type { Rational } from "../../src/protocol/rational.ts";
import type { Replay } from "../../src/replay/kinds.ts";
import type { SolvencyRefusal } from "../../src/runtime/money/solvency.ts";
import type { HttpRefusal } from "../../src/runtime/service.ts";
import type { Hex } from "../../src/shared/brand.ts";
import {
  isSameFraction,
  type NaiveFraction,
  naivePreimage,
  naiveProduct,
  naiveSum,
} from "../support/naiveMoney.ts";
import { checkMoneyViews } from "./moneyViews.ts";
import type { MoneyWorld } from "./moneyWorld.ts";
import { excuseFor } from "./excuses.ts";
import type { SentPayment } from "./purse.ts";
import type { NodeProcess, World } from "./world.ts";

/*
 * What must hold for money, read from the durable log alone and from what gateways were told and signed. Everything
 * is folded again here, slowly and in fractions that nobody reduces: nothing of `src/` adds up a wei for it.
 */

type Fields = AnyEvent & Readonly<Record<string, unknown>>;

const MAX = 2n ** 256n - 1n;
/** A reading of the chain counts as fresh for so long, and it takes a while. Milliseconds. */
const freshMs = 120_000;

export type NaiveJob = { readonly jobId: string; readonly units: bigint; readonly fee: NaiveFraction };

/** An account as its events say. */
export type NaiveAccount = {
  readonly id: string;
  credited: NaiveFraction;
  debited: NaiveFraction;
  price: NaiveFraction | null;
  readonly open: Map<string, NaiveJob>;
  isExpired: boolean;
};

export type NaiveTicket = {
  readonly sender: Hex;
  readonly faceValue: bigint;
  readonly lastValidRound: bigint;
  /** Virtual time of the decision. */
  readonly wonMs: number;
  readonly seq: number;
  /** What a block has paid is not owed, though it is not at its end. */
  end: "paid" | "redeemed" | "expired" | null;
};

/** Parts of refusals that are told after tickets were judged, so that earlier ones may have been credited. */
const afterJudgement = [
  ...["invalid ticket signature", "already seen", "too many values", "TicketParams expired"],
  "Insufficient balance",
];

const zero: NaiveFraction = [0n, 1n];

function fractionOf(value: unknown): NaiveFraction {
  const { numerator, denominator } = value as Rational;
  return [numerator, denominator];
}

function minus([numerator, denominator]: NaiveFraction): NaiveFraction {
  return [-numerator, denominator];
}

function isBelow([a, b]: NaiveFraction, [c, d]: NaiveFraction): boolean {
  return a * d < c * b;
}

/** Judges the money of one world. */
export class MoneyChecker {
  /** What happened, by kind. */
  readonly tally = new Map<string, number>();
  readonly accounts = new Map<string, NaiveAccount>();
  readonly tickets = new Map<string, NaiveTicket>();
  /** All `PaymentAccepted`, durable. */
  readonly payments: RecordedEvent[] = [];
  /** Durable facts of accounts, in order, for the views. */
  readonly accountFacts: RecordedEvent[] = [];
  readonly knownGateways = new Set<string>();
  /** Gateways that were known when the running process started. */
  knownAtStart: ReadonlySet<string> = new Set();
  readonly #world: World;
  readonly #money: MoneyWorld;
  readonly #nonces = new Set<string>();
  readonly #endedJobs = new Set<string>();
  readonly #delivered = new Map<string, bigint>();
  /** Decided by the running process, durable or not. */
  #decidedTickets = new Map<string, NaiveTicket>();
  #decidedNonces = new Set<string>();

  constructor(world: World, money: MoneyWorld) {
    this.#world = world;
    this.#money = money;
  }

  problem(text: string): void {
    this.#world.problems.push(`money: ${text}`);
  }

  count(what: string): void {
    this.tally.set(what, (this.tally.get(what) ?? 0) + 1);
  }

  /** What a process had decided and not written is gone with it. */
  processStarts(): void {
    this.#decidedTickets = new Map(this.tickets);
    this.#decidedNonces = new Set(this.#nonces);
    this.knownAtStart = new Set(this.knownGateways);
  }

  /** In the turn of a decision, before anything is durable. */
  decided({ stream, event }: RecordedEvent): void {
    const fields = event as Fields;
    const { id } = parseStreamId(stream);
    if (event.type === "TicketWon") this.#decidedTickets.set(id, this.#ticketOf(fields, 0));
    if (event.type === "TicketPaid" || event.type === "TicketExpired") this.#decidedTickets.delete(id);
    if (event.type !== "PaymentAccepted") return;
    for (const key of nonceKeys(fields)) this.#decidedNonces.add(key);
    // (5) The tickets of this payment itself do not count: they are what it risks.
    const winners = new Set(fields["winners"] as readonly string[]);
    if ((fields["creditedTickets"] as number) > 0)
      this.#checkCap(fields["sender"] as Hex, winners, "credited");
  }

  /** A commit: what became durable together. */
  take(committed: readonly RecordedEvent[], replay: Replay): void {
    const touched = new Set<string>();
    const firstSeq = committed[0]?.seq ?? 0;
    for (const recorded of committed) {
      const { kind, id } = parseStreamId(recorded.stream);
      const fields = recorded.event as Fields;
      if (kind === "ticket") this.#takeTicket(id, recorded);
      if (kind === "gateway") this.knownGateways.add(id);
      if (kind === "segment") this.#takeSegment(id, fields);
      if (kind !== "account") continue;
      touched.add(id);
      this.accountFacts.push(recorded);
      this.#takeAccount(this.#accountOf(id), recorded, firstSeq);
    }
    this.#checkJobs(committed);
    for (const id of touched) this.#checkBalance(this.#accountOf(id), replay);
  }

  /** (1) The machine's balance is ours, exactly. */
  #checkBalance(account: NaiveAccount, replay: Replay): void {
    const context = replay.state(`account:${account.id}`)?.context as AccountContext | undefined;
    if (context === undefined) return;
    const balance = naiveSum(fractionOf(context.credited), minus(fractionOf(context.debited)));
    const ours = naiveSum(account.credited, minus(account.debited));
    if (!isSameFraction(balance, ours)) this.problem(`${account.id} has the balance ${balance}, not ${ours}`);
    const jobs = context.openJobs.map(({ jobId }) => jobId);
    if (JSON.stringify(jobs) !== JSON.stringify([...account.open.keys()])) {
      this.problem(`${account.id} holds the jobs ${jobs}, not ${[...account.open.keys()]}`);
    }
  }

  #accountOf(id: string): NaiveAccount {
    const known = this.accounts.get(id);
    if (known !== undefined) return known;
    const account: NaiveAccount = {
      id,
      credited: [0n, MAX],
      debited: zero,
      price: null,
      open: new Map(),
      isExpired: false,
    };
    this.accounts.set(id, account);
    return account;
  }

  #ticketOf(fields: Fields, seq: number): NaiveTicket {
    return {
      sender: fields["sender"] as Hex,
      faceValue: fields["faceValue"] as bigint,
      lastValidRound: fields["lastValidRound"] as bigint,
      wonMs: this.#world.time.nowMs,
      seq,
      end: null,
    };
  }

  #takeTicket(hash: string, { event, seq }: RecordedEvent): void {
    const fields = event as Fields;
    this.count(event.type);
    if (event.type === "TicketWon") {
      if (this.tickets.has(hash)) this.problem(`the ticket ${hash} won twice`);
      const ticket = this.#ticketOf(fields, seq);
      const decidedMs = this.#decidedTickets.get(hash)?.wonMs ?? ticket.wonMs;
      this.tickets.set(hash, { ...ticket, wonMs: decidedMs });
      if (!this.#money.wins.has(hash)) this.problem(`the ticket ${hash} never won a draw`);
      if (this.#money.signedBy.get(hash as Hex) !== fields["sender"]) {
        this.problem(`the winner ${hash} was not signed by ${String(fields["sender"])}`);
      }
      return;
    }
    const ticket = this.tickets.get(hash);
    const step = ticketSteps[event.type];
    if (step === undefined) {
      this.problem(`the ticket ${hash} is ${event.type} in a world without keys`);
      return;
    }
    if (ticket === undefined || ticket.end !== step.from)
      this.problem(`the ticket ${hash} is ${step.to}, but it was ${ticket?.end ?? "not open"}`);
    else ticket.end = step.to;
    const isUsed = this.#money.l1.isUsed(Uint8Array.from(Buffer.from(hash.slice(2), "hex")));
    if (isUsed !== (step.to !== "expired")) this.problem(`${hash}: the chain says otherwise`);
  }

  #takeAccount(account: NaiveAccount, recorded: RecordedEvent, firstSeq: number): void {
    const fields = recorded.event as Fields;
    this.count(fields.type);
    if (account.isExpired) this.problem(`${account.id} goes on after its end`);
    switch (fields.type) {
      case "PaymentAccepted":
        this.payments.push(recorded);
        this.#takePayment(account, recorded, firstSeq);
        return;
      case "PriceFixed":
        if (account.price !== null) this.problem(`${account.id} changes its price`);
        account.price = fractionOf(fields["price"]);
        return;
      case "JobReserved":
        this.#reserve(account, fields);
        return;
      case "JobDebited":
        this.#debit(account, fields);
        return;
      case "JobReleased":
        this.#endJob(account, String(fields["jobId"]));
        return;
      case "AccountExpired": {
        account.isExpired = true;
        const ours = naiveSum(account.credited, minus(account.debited));
        if (!isSameFraction(fractionOf(fields["balance"]), ours)) {
          this.problem(`${account.id} expired with another balance than its own`);
        }
      }
    }
  }

  /** (1) to (3): what was credited was signed, is ours, is new, and its winners are in this very commit. */
  #takePayment(account: NaiveAccount, { event, seq }: RecordedEvent, firstSeq: number): void {
    const fields = event as Fields;
    const randHash = fields["recipientRandHash"] as Hex;
    const sender = fields["sender"] as Hex;
    const nonces = fields["nonces"] as readonly number[];
    const credited = fields["creditedTickets"] as number;
    for (const key of nonceKeys(fields)) {
      if (this.#nonces.has(key)) this.problem(`${account.id}: the nonce ${key} is taken a second time`);
      this.#nonces.add(key);
    }
    for (const hash of fields["winners"] as readonly string[]) {
      const ticket = this.tickets.get(hash);
      const isInCommit = ticket !== undefined && ticket.seq >= firstSeq && ticket.seq < seq;
      if (!isInCommit) this.problem(`${account.id}: the winner ${hash} is not in the commit of its payment`);
    }
    for (const key of nonceKeys(fields).slice(0, credited)) {
      const sent = this.#money.sent.get(key);
      if (sent?.payments === 1 && sent.isBehindBad)
        this.problem(`${account.id}: ${key} is credited behind a bad one`);
    }
    if (credited > nonces.length) this.problem(`${account.id}: more tickets are credited than came`);
    const issued = this.#money.issued.get(randHash);
    if (issued === undefined) {
      this.problem(`${account.id}: ${randHash} was never issued to a gateway`);
      return;
    }
    const said = [sender, fields["faceValue"], fields["winProb"], fields["expirationBlock"]].map(String);
    const ours = [issued.sender, issued.faceValue, issued.winProb, issued.expirationBlock].map(String);
    const isPrice = isSameFraction(fractionOf(fields["price"]), fractionOf(issued.price));
    if (said.join() !== ours.join() || !isPrice || !account.id.startsWith(`${issued.sender}/`)) {
      this.problem(`${account.id}: ${randHash} was issued as ${ours}, but ${said} was taken`);
    }
    if (issued.expirationBlock <= (fields["l1Block"] as bigint) && credited > 0) {
      this.problem(`${account.id}: tickets of expired parameters are credited`);
    }
    for (const senderNonce of nonces) {
      const preimage = naivePreimage({
        recipient: issued.recipient.slice(2),
        sender: issued.sender.slice(2),
        ...{ faceValue: issued.faceValue, winProb: issued.winProb, senderNonce },
        recipientRandHash: randHash.slice(2),
        creationRound: issued.creationRound,
        creationRoundBlockHash: issued.creationRoundBlockHash.slice(2),
      });
      const hash: Hex = `0x${Buffer.from(keccak_256(Buffer.from(preimage, "hex"))).toString("hex")}`;
      if (this.#money.signedBy.get(hash) !== sender) {
        this.problem(`${account.id}: nobody signed the ticket ${senderNonce} of ${randHash}`);
      }
      if (this.#money.wins.has(hash) && !this.tickets.has(hash)) {
        this.problem(`${account.id}: the ticket ${hash} won, was taken, and is not in the log`);
      }
    }
    const value: NaiveFraction = [issued.faceValue * issued.winProb * BigInt(credited), MAX];
    if (!isSameFraction(value, fractionOf(fields["credit"])))
      this.problem(`${account.id} is credited wrongly`);
    account.credited = [account.credited[0] + value[0], MAX];
  }

  /** (4) Once, and only on money that is there and that nobody else leans on. */
  #reserve(account: NaiveAccount, fields: Fields): void {
    const jobId = String(fields["jobId"]);
    if (account.open.has(jobId) || this.#endedJobs.has(jobId)) this.problem(`${jobId} is reserved twice`);
    const units = fields["units"] as bigint;
    const price = account.price;
    if (price === null) {
      this.problem(`${jobId} is reserved without a price`);
      return;
    }
    const reserved = [...account.open.values()].reduce((sum, { fee }) => naiveSum(sum, fee), zero);
    const left = naiveSum(naiveSum(account.credited, minus(account.debited)), minus(reserved));
    if (price[0] > 0n && isBelow(left, [this.#money.climate.ticketEv, 1n])) {
      this.problem(`${jobId} is taken on although ${account.id} has only ${left} left`);
    }
    account.open.set(jobId, { jobId, units, fee: naiveProduct([units, 1n], price) });
  }

  #debit(account: NaiveAccount, fields: Fields): void {
    const jobId = String(fields["jobId"]);
    const units = fields["units"] as bigint;
    this.#endJob(account, jobId);
    const delivered = this.#delivered.get(jobId);
    if (delivered !== units) this.problem(`${jobId} is debited for ${units} pixels, not ${delivered}`);
    if (account.price === null) return;
    const fee = naiveProduct([units, 1n], account.price);
    if (!isSameFraction(fee, fractionOf(fields["fee"])))
      this.problem(`${jobId} costs another fee than its own`);
    account.debited = naiveSum(account.debited, fee);
    // Prices have one denominator an account: without this the fraction would grow for ever.
    if (account.debited[1] !== account.price[1]) {
      account.debited = [account.debited[0] / (account.debited[1] / account.price[1]), account.price[1]];
    }
  }

  #endJob(account: NaiveAccount, jobId: string): void {
    if (!account.open.delete(jobId)) this.problem(`${jobId} ends for ${account.id}, which does not hold it`);
    if (this.#endedJobs.has(jobId)) this.problem(`${jobId} is settled twice`);
    this.#endedJobs.add(jobId);
  }

  #takeSegment(id: string, fields: Fields): void {
    if (fields.type !== "SegmentTranscoded") return;
    const renditions = fields["renditions"] as readonly { readonly pixels: number }[];
    this.#delivered.set(
      id,
      renditions.reduce((sum, { pixels }) => sum + BigInt(pixels), 0n),
    );
  }

  /** (4) Work and its fee move in the same commit. */
  #checkJobs(committed: readonly RecordedEvent[]): void {
    for (const { stream, event } of committed) {
      const { kind, id } = parseStreamId(stream);
      if (kind !== "segment") continue;
      const isOpen = this.#isReserved(id);
      if (event.type === "SegmentAccepted" && !isOpen && !this.#endedJobs.has(id)) {
        this.problem(`${id} is accepted although nobody pays for it`);
      }
      if (["SegmentTranscoded", "SegmentFailed", "SegmentDelivered"].includes(event.type) && isOpen) {
        this.problem(`${id} has come to ${event.type}, and its fee is still reserved`);
      }
    }
  }

  #isReserved(jobId: string): boolean {
    for (const { open } of this.accounts.values()) if (open.has(jobId)) return true;
    return false;
  }

  /** (5) Wei that the node might lose on this gateway now, by our own reckoning; null when nobody knows. */
  riskOf(sender: Hex, without: ReadonlySet<string> = new Set()): bigint | null {
    const { process } = this.#world;
    const funds = process?.money?.chain.funds(bytesOf(sender)) ?? null;
    if (funds === null) return null;
    const won = [...this.#decidedTickets].filter(
      ([hash, ticket]) => ticket.sender === sender && ticket.end === null && !without.has(hash),
    );
    const outstanding = won.reduce((sum, [, { faceValue }]) => sum + faceValue, 0n);
    const covered = funds.reserve / this.#money.climate.poolSize + funds.deposit;
    const uncovered = outstanding > covered ? outstanding - covered : 0n;
    const readMs = this.#money.l1.lastReadMs.get(sender) ?? 0;
    const isOld = this.#world.clockJumps === 0 && this.#world.time.nowMs - readMs > freshMs;
    if (!isOld) return uncovered;
    const since = won
      .filter(([, { wonMs }]) => wonMs > readMs)
      .reduce((sum, [, { faceValue }]) => sum + faceValue, 0n);
    return since > uncovered ? since : uncovered;
  }

  #checkCap(sender: Hex, without: ReadonlySet<string>, what: string): void {
    const risk = this.riskOf(sender, without);
    if (risk !== null && risk > this.#money.climate.maxGatewayLoss) {
      this.problem(
        `${sender} is ${what} with ${risk} wei at risk, above ${this.#money.climate.maxGatewayLoss}`,
      );
    }
  }

  /** (5) Parameters went out. */
  offered(sender: Hex, _process: NodeProcess): void {
    this.count("offered");
    if (this.#money.climate.price.numerator > 0n) this.#checkCap(sender, new Set(), "offered parameters");
  }

  /** (7) The node says why it refuses: we reckon again. */
  fundsRefused(sender: Hex, { code, exposure }: SolvencyRefusal): void {
    this.count(code);
    const { process } = this.#world;
    if (code === "SENDER_UNKNOWN" && this.knownAtStart.has(sender)) {
      const clock = process?.money?.chain.clock() ?? null;
      if (clock !== null) this.problem(`${sender} is refused as unknown, but the log knows it`);
    }
    if (code === "SENDER_UNLOCKING" && !this.#money.l1.everUnlocking.has(sender)) {
      this.problem(`${sender} is refused for unlocking, which it never did`);
    }
    if (code !== "LOSS_CAP") return;
    const risk = this.riskOf(sender);
    // With a clock that jumps the node may call a fresh reading old; after a restart it knows of an older one.
    const isSure = this.#world.clockJumps === 0 && process?.money?.chain.hasRead.has(sender) === true;
    if (risk !== null && risk <= this.#money.climate.maxGatewayLoss && isSure) {
      this.problem(
        `${sender} is refused for its ${exposure?.atRisk} wei at risk, but there are only ${risk}`,
      );
    }
  }

  /** (2) (7) A payment was answered: what it did is durable by then, and nobody honest is refused for nothing. */
  answered(
    sent: SentPayment,
    answer: HttpRefusal | { readonly type: "accepted" | "paid" },
    process: NodeProcess,
  ): void {
    this.count(answer.type);
    const isJudged = answer.type !== "refused" || afterJudgement.some((part) => answer.text.includes(part));
    for (const hash of isJudged ? sent.hashes : []) {
      if (this.#decidedTickets.has(hash) && !this.#isWon(hash)) {
        this.problem(`the winner ${hash} was acknowledged before it was durable`);
      }
      if (this.#money.wins.has(hash) && !this.#isWon(hash)) {
        this.problem(`the winner ${hash} was acknowledged and is not in the log`);
      }
    }
    for (const key of isJudged ? sent.nonceKeys : []) {
      if (this.#decidedNonces.has(key) && !this.#isNonceTaken(key)) {
        this.problem(`the ticket ${key} was acknowledged before it was durable (${JSON.stringify(answer)})`);
      }
    }
    if (answer.type !== "refused") return;
    this.count(`refused: ${answer.status} ${answer.text.replace(/0x\w+|nonce=\d+|\d{3,}/g, "…")}`);
    if (!sent.isHonest) return;
    const excuse = excuseFor(answer, sent, process, this.#money, this);
    if (excuse === null) {
      this.problem(
        `the honest ${sent.sender} is refused with ${answer.status} ${answer.text} (${sent.account})`,
      );
    } else this.count(`excuse: ${excuse}`);
  }

  /** (7) An honest gateway was refused at discovery. */
  discoveryRefused(sender: Hex, text: string, refusalsBefore: number, process: NodeProcess): void {
    const facts = { sender, fundRefusalsBefore: refusalsBefore, account: "", expirationBlock: 0n };
    const excuse = excuseFor({ status: 0, text }, facts, process, this.#money, this);
    if (excuse === null) this.problem(`the honest ${sender} is refused at discovery: ${text}`);
    else this.count(`excuse: ${excuse}`);
  }

  #isWon(hash: string): boolean {
    return this.tickets.has(hash) || this.#world.disk.reader.stream(`ticket:${hash}`) !== null;
  }

  /** What was committed in this very step is not folded yet. */
  #isNonceTaken(key: string): boolean {
    if (this.#nonces.has(key)) return true;
    const afterSeq = this.payments.at(-1)?.seq ?? 0;
    for (const { event } of this.#world.disk.reader.all({ afterSeq })) {
      if (event.type === "PaymentAccepted" && nonceKeys(event as Fields).includes(key)) return true;
    }
    return false;
  }

  /** (8) The views say what the events say. */
  checkViews(): void {
    for (const problem of checkMoneyViews(this.#world.disk.db, this)) this.problem(problem);
  }

  /** (4) (6) At the end nothing is left open. */
  checkQuiet(): void {
    for (const [hash, { end, lastValidRound }] of this.tickets) {
      if (end === null || end === "paid")
        this.problem(`${hash} never ended; valid to ${lastValidRound}, now ${this.#money.l1.round}`);
    }
    for (const { id, open } of this.accounts.values()) {
      for (const jobId of open.keys()) this.problem(`${id} still speaks for ${jobId}`);
    }
  }
}

/** Somebody else redeems some of the tickets here, and nobody else does anything with them. */
const ticketSteps: Readonly<
  Record<string, { readonly from: "paid" | null; readonly to: "paid" | "redeemed" | "expired" }>
> = {
  TicketPaid: { from: null, to: "paid" },
  TicketRedeemed: { from: "paid", to: "redeemed" },
  TicketExpired: { from: null, to: "expired" },
};

function nonceKeys(fields: Fields): readonly string[] {
  const nonces = fields["nonces"] as readonly number[];
  return nonces.map((nonce) => `${String(fields["recipientRandHash"])}/${nonce}`);
}

function bytesOf(hex: Hex): Uint8Array {
  return Uint8Array.from(Buffer.from(hex.slice(2), "hex"));
}
