import { type ChainSnapshot, ownChain } from "../../actors/chain/decide.ts";
import type { GatewaySnapshot } from "../../actors/gateway/decide.ts";
import type { LogReader } from "../../events/log/reader.ts";
import type { HmacSha256 } from "../../protocol/authToken.ts";
import { fromHex, toHex } from "../../protocol/bytes.ts";
import { PARAMS_LIFETIME_BLOCKS } from "../../protocol/ticketParams.ts";
import type { Hex } from "../../shared/brand.ts";
import type { EffectHandler, Host } from "../host.ts";
import { NonceMemory } from "./nonceMemory.ts";
import type { ChainClock, ChainView, Edge, SenderFunds, TicketVerifier } from "../ports.ts";
import { AccountBook } from "./accountBook.ts";
import { Market, type TicketSecrets } from "./market.ts";
import { PaymentDesk } from "./paymentDesk.ts";
import { type MoneyObserver, silentObserver } from "./moneyObserver.ts";
import { PriceBoard } from "./priceBoard.ts";
import { Solvency, type SolvencyRefusal } from "./solvency.ts";
import { TicketBook } from "./ticketBook.ts";
import { Till } from "./till.ts";

export type MoneyOptions = {
  readonly host: Host;
  readonly reader: LogReader;
  readonly edge: Edge;
  readonly hmac: HmacSha256;
  readonly chain: ChainView;
  readonly secrets: TicketSecrets;
  readonly verifier: TicketVerifier;
  /** Gas to redeem one ticket. */
  readonly redeemGas: bigint;
  /** `-autoAdjustPrice`. */
  readonly isAdjusted: boolean;
  /** Wei; see `Solvency`. */
  readonly maxGatewayLoss: bigint;
  /** Wei of face value of a gateway's tickets in transactions that are not mined; nothing when absent. */
  readonly pendingRedemptions?: (sender: Hex) => bigint;
  readonly observer?: MoneyObserver;
  readonly onRefused: (sender: Uint8Array, refusal: SolvencyRefusal) => void;
  readonly onFault: (error: unknown) => void;
};

/** Everything about money in, put together: parameters, payments, balances, winners. */
export class Money {
  readonly board: PriceBoard;
  readonly solvency: Solvency;
  readonly accounts: AccountBook;
  readonly tickets: TicketBook;
  readonly till: Till;
  readonly nonces = new NonceMemory();
  readonly #options: MoneyOptions;
  readonly #chain: ChainView;
  #blockMin = 0n;

  /** The host must have started. */
  constructor(options: MoneyOptions) {
    this.#options = options;
    const { host, reader, edge } = options;
    const chain = notBefore(options.chain, () => this.#blockMin);
    this.#chain = chain;
    this.board = new PriceBoard(host);
    this.solvency = new Solvency({
      chain,
      nowMs: () => edge.nowMs(),
      maxGatewayLoss: options.maxGatewayLoss,
      pendingRedemptions: options.pendingRedemptions ?? (() => 0n),
    });
    this.accounts = new AccountBook(host, reader, options.maxGatewayLoss);
    // At once: jobs that the last life left behind end before anything else is ready, and must find their account.
    this.accounts.resume();
    this.tickets = new TicketBook({ ...options, solvency: this.solvency });
    const market = new Market({ ...options, chain, solvency: this.solvency, board: this.board });
    const desk = new PaymentDesk({
      ...options,
      chain,
      nonces: this.nonces,
      accounts: this.accounts,
      tickets: this.tickets,
      solvency: this.solvency,
    });
    this.till = new Till({
      ...{ host, market, desk, accounts: this.accounts },
      observer: options.observer ?? silentObserver,
    });
  }

  /** Takes up what the log says is open, and every nonce that was used under parameters that may still be alive. */
  resume(): { readonly accounts: number; readonly tickets: number; readonly nonces: number } {
    const { host, reader } = this.#options;
    const l1Block = this.#chain.clock()?.l1Block ?? 0n;
    let lastBlock = 0n;
    for (const { recipientRandHash, nonces, expirationBlock } of reader.noncesAfter(l1Block)) {
      const block = BigInt(expirationBlock);
      if (block > lastBlock) lastBlock = block;
      const hash = fromHex(recipientRandHash);
      if (hash === null) continue;
      for (const nonce of nonces) this.nonces.add(hash, nonce, block);
    }
    // Nonces are forgotten by the block of the newest payment. A clock that starts behind it (set back while the chain
    // cannot be read) would bring their params back to life.
    if (lastBlock - PARAMS_LIFETIME_BLOCKS > l1Block) this.#blockMin = lastBlock - PARAMS_LIFETIME_BLOCKS;
    this.accounts.releaseLost((jobId) => host.snapshot("segment", jobId) !== null);
    return {
      accounts: this.accounts.count,
      tickets: this.tickets.resume(),
      nonces: this.nonces.size,
    };
  }

  /** The chain has moved: keeps what a restart without the chain needs. */
  chainMoved(clock: ChainClock, chainId: bigint): void {
    this.#options.host.execute(
      "chain",
      ownChain,
      {
        type: "ObserveRound",
        chainId,
        recipient: toHex(this.#chain.recipient),
        round: clock.lastInitializedRound,
        blockHash: toHex(clock.roundBlockHash),
        previousBlockHash: toHex(clock.previousRoundBlockHash),
        l1Block: clock.l1Block,
        transcoderPoolSize: clock.transcoderPoolSize,
        ticketValidityPeriod: clock.ticketValidityPeriod,
        isRecipientActive: clock.isRecipientActive,
        readAtMs: clock.readAtMs,
      } as never,
      { correlationId: `chain:${ownChain}`, causationId: "chain-read" },
    );
  }
}

/** The same view, on which L1 blocks begin at `blockMin`. */
function notBefore(chain: ChainView, blockMin: () => bigint): ChainView {
  return {
    get recipient() {
      return chain.recipient;
    },
    get trouble() {
      return chain.trouble;
    },
    clock: () => {
      const clock = chain.clock();
      const l1Block = blockMin();
      return clock === null || clock.l1Block >= l1Block ? clock : { ...clock, l1Block };
    },
    gasPrice: () => chain.gasPrice(),
    funds: (sender) => chain.funds(sender),
    readFunds: (sender) => chain.readFunds(sender),
    close: () => chain.close(),
  };
}

/**
 * What an earlier life of the node knew of the chain: it is served until the chain answers. What it knew about
 * another recipient says nothing about ours.
 */
export function chainSeed(
  host: Host,
  recipient: Uint8Array,
): {
  readonly chainId: bigint | null;
  readonly clock: ChainClock | null;
  readonly funds: ReadonlyMap<Hex, SenderFunds>;
} {
  const funds = new Map<Hex, SenderFunds>();
  const snapshot = host.snapshot("chain", ownChain) as ChainSnapshot | null;
  const known = snapshot?.context;
  if (known === undefined || known.round === null) return { chainId: null, clock: null, funds };
  const isOurs = known.recipient === toHex(recipient);
  for (const id of isOurs ? host.idsOf("gateway") : []) {
    const gateway = host.snapshot("gateway", id) as GatewaySnapshot | null;
    if (gateway !== null) funds.set(id as Hex, gateway.context);
  }
  return {
    chainId: known.chainId,
    funds,
    clock: {
      lastInitializedRound: known.round,
      roundBlockHash: fromHex(known.blockHash) ?? new Uint8Array(32),
      previousRoundBlockHash: fromHex(known.previousBlockHash) ?? new Uint8Array(32),
      l1Block: known.l1Block,
      transcoderPoolSize: known.transcoderPoolSize,
      ticketValidityPeriod: known.ticketValidityPeriod,
      isRecipientActive: isOurs && known.isRecipientActive,
      readAtMs: known.readAtMs,
    },
  };
}

/**
 * What the effects of the account machine mean. The name is free in the same turn: a payment that came before the
 * commit would otherwise be written behind the end of the stream.
 */
export function accountEffects(accounts: () => AccountBook | null): Readonly<Record<string, EffectHandler>> {
  return { forgetAccount: { when: "inTurn", run: (_, { id }) => accounts()?.closed(id) } };
}
