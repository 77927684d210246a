import { type ChainSnapshot, ownChain } from "../../actors/chain/decide.ts";
import type { GatewaySnapshot } from "../../actors/gateway/decide.ts";
import type { LogReader } from "../../events/log/reader.ts";
import type { HmacSha256 } from "../../protocol/authToken.ts";
import { fromHex, toHex } from "../../protocol/bytes.ts";
import type { Hex } from "../../shared/brand.ts";
import type { EffectHandler, Host } from "../host.ts";
import { NonceMemory } from "../node/nonceMemory.ts";
import type { ChainClock, ChainView, Edge, SenderFunds, TicketVerifier } from "../ports.ts";
import { AccountBook } from "./accountBook.ts";
import { Market, type TicketSecrets } from "./market.ts";
import { PaymentDesk } from "./paymentDesk.ts";
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
  #round: bigint | null = null;

  /** The host must have started. */
  constructor(options: MoneyOptions) {
    this.#options = options;
    const { host, reader, edge, chain } = options;
    this.board = new PriceBoard(host);
    this.solvency = new Solvency({
      chain,
      nowMs: () => edge.nowMs(),
      maxGatewayLoss: options.maxGatewayLoss,
      // Nothing redeems yet, so nothing is on its way.
      pendingRedemptions: () => 0n,
    });
    this.accounts = new AccountBook(host, reader);
    this.tickets = new TicketBook({ ...options, solvency: this.solvency });
    const market = new Market({ ...options, solvency: this.solvency, board: this.board });
    const desk = new PaymentDesk({
      ...options,
      nonces: this.nonces,
      accounts: this.accounts,
      tickets: this.tickets,
      solvency: this.solvency,
    });
    this.till = new Till({ host, market, desk, accounts: this.accounts });
  }

  /** Takes up what the log says is open, and every nonce that was used under parameters that may still be alive. */
  resume(): { readonly accounts: number; readonly tickets: number; readonly nonces: number } {
    const l1Block = this.#options.chain.clock()?.l1Block ?? 0n;
    for (const { recipientRandHash, nonces, expirationBlock } of this.#options.reader.noncesAfter(l1Block)) {
      const hash = fromHex(recipientRandHash);
      if (hash === null) continue;
      for (const nonce of nonces) this.nonces.add(hash, nonce, BigInt(expirationBlock));
    }
    return {
      accounts: this.accounts.resume(),
      tickets: this.tickets.resume(),
      nonces: this.nonces.size,
    };
  }

  /** The chain has moved: keeps what a restart without the chain needs, and ends tickets whose time is over. */
  chainMoved(clock: ChainClock, chainId: bigint): void {
    this.#options.host.execute(
      "chain",
      ownChain,
      {
        type: "ObserveRound",
        chainId,
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
    if (this.#round === clock.lastInitializedRound) return;
    this.#round = clock.lastInitializedRound;
    void this.tickets.roundChanged();
  }
}

/** What an earlier life of the node knew of the chain: it is served until the chain answers. */
export function chainSeed(host: Host): {
  readonly chainId: bigint | null;
  readonly clock: ChainClock | null;
  readonly funds: ReadonlyMap<Hex, SenderFunds>;
} {
  const funds = new Map<Hex, SenderFunds>();
  for (const id of host.idsOf("gateway")) {
    const snapshot = host.snapshot("gateway", id) as GatewaySnapshot | null;
    if (snapshot !== null) funds.set(id as Hex, snapshot.context);
  }
  const snapshot = host.snapshot("chain", ownChain) as ChainSnapshot | null;
  const known = snapshot?.context;
  if (known === undefined || known.round === null) return { chainId: null, clock: null, funds };
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
      isRecipientActive: known.isRecipientActive,
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
