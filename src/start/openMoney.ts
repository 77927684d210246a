import type { ChainRpc } from "../chain/chainRpc.ts";
import { openChainDesk } from "../chain/chainDesk.ts";
import { type OpenedChain, openChain } from "../chain/openChain.ts";
import { openSigner } from "../chain/signer.ts";
import { openPriceFeed, type PriceFeed } from "../chain/priceFeed.ts";
import type { ChainConfig, PriceSetting, PricingConfig } from "../config/config.ts";
import { TicketKeys } from "../config/ticketKeyFile.ts";
import type { LogReader } from "../events/log/reader.ts";
import { TicketVerifier } from "../native/ticketVerifier.ts";
import { createOperatorToken } from "../config/operatorTokenFile.ts";
import type {
  MoneyChange,
  OperatorChain,
  OperatorMoney,
  OperatorActions,
  OperatorTickets,
  OperatorTransactions,
} from "../operator/ports.ts";
import type { HmacSha256 } from "../protocol/authToken.ts";
import { checksumHex } from "../protocol/account.ts";
import { toHex } from "../protocol/bytes.ts";
import { isFixedCurrency, weiPerCurrency } from "../protocol/currency.ts";
import type { Price } from "../protocol/price.ts";
import { divide, multiply } from "../protocol/rational.ts";
import type { Host } from "../runtime/host.ts";
import { chainSeed, Money } from "../runtime/money/money.ts";
import type { PriceSource } from "../runtime/money/priceBoard.ts";
import type { Edge } from "../runtime/ports.ts";
import type { Hex } from "../shared/brand.ts";
import { countVerdicts, showChain } from "../telemetry/repriseMetrics.ts";
import { showEntrusted } from "../telemetry/spendingMetrics.ts";
import type { Account } from "./openAccount.ts";
import type { NodeTelemetry } from "./openNodeTelemetry.ts";
import { type OpenOffice, openOffice } from "./openOffice.ts";
import { operatorActions } from "./operatorActions.ts";
import { gasBoundsOf, operatorChain } from "./operatorChain.ts";
import { operatorTickets, whyNotRedeemed } from "./operatorTickets.ts";
import { operatorTransactions } from "./operatorTransactions.ts";
import { spendingGauges } from "./spendingGauges.ts";
import { StartError } from "./startError.ts";

export type OpenMoneyParts = {
  readonly chain: ChainConfig;
  readonly pricing: PricingConfig;
  readonly dataDir: string;
  readonly account: Account;
  readonly host: Host;
  readonly reader: LogReader;
  readonly edge: Edge;
  readonly hmac: HmacSha256;
  readonly telemetry: NodeTelemetry;
  readonly onFault: (error: unknown) => void;
  /** False: there are no prices, because nothing is sold here. */
  readonly isSelling: boolean;
  /** What a look at the chain asked for was done. */
  readonly onTick?: () => void;
};

/** The on-chain side of a running node. */
export type OpenMoney = {
  readonly money: Money;
  readonly chain: OpenedChain;
  /** What was taken up from the log. */
  readonly resumed: ReturnType<Money["resume"]>;
  readonly forOperator: OperatorMoney;
  readonly chainForOperator: OperatorChain;
  readonly transactionsForOperator: OperatorTransactions;
  readonly ticketsForOperator: OperatorTickets;
  readonly actionsForOperator: OperatorActions;
  /** Rounds, rewards, redemption, transactions. */
  readonly office: OpenOffice;
  /**
   * Resolves when every price is known that can be: at once, or after the first reading of the price feed.
   *
   * @throws StartError when the feed does not know a currency
   */
  ready(): Promise<void>;
  close(): Promise<void>;
};

/** How often the ticket secret is looked at for its age. Milliseconds. */
const rotationMs = 3_600_000;
/** How long the end of the node waits for what spends gas. Milliseconds. */
const idleMaxMs = 10_000;
/** A transaction that was just sent is looked for after this. Milliseconds. */
const sentMs = 1_000;

/** Opens the chain, the till and everything between. The host must have started. */
export function openMoney(parts: OpenMoneyParts): OpenMoney {
  const { host, edge, account, pricing } = parts;
  const { logger, livepeer, registry, reprise } = parts.telemetry;
  const seed = chainSeed(host, account.recipient);
  const secrets = TicketKeys.open(parts.dataDir, edge.randomBytes, edge.nowMs());
  const verifier = new TicketVerifier();
  const gasBounds = gasBoundsOf(parts.chain);
  let money: Money | null = null;
  let office: OpenOffice | null = null;
  const chain = openChain({
    urls: parts.chain.urls,
    accounts: account.signerKeys.map(({ account: own }) => own),
    onLook: (look) => {
      void office?.tick(look).then((ms) => {
        if (ms !== null) chain.pollSoon(ms);
        parts.onTick?.();
      });
    },
    controller: parts.chain.controller,
    recipient: account.recipient,
    network: parts.chain.network,
    pollMs: parts.chain.pollMs,
    get minGasPrice() {
      return gasBounds.min;
    },
    get maxGasPrice() {
      return gasBounds.max ?? 0n;
    },
    nowMs: edge.nowMs,
    ...(edge.monotonicMs === undefined ? {} : { monotonicMs: edge.monotonicMs }),
    seed,
    expectedChainId: seed.chainId,
    onClock: (clock) => money?.chainMoved(clock, chain.chainId() ?? 0n),
    onFunds: (sender, funds) =>
      logger.debug("A gateway's funds changed", { sender: checksumHex(sender), ...funds }),
    onWrongChain: (text) =>
      parts.onFault(new StartError(text, "Correct -network and -ethUrl, or give another -dataDir.")),
    onTrouble: (reason) => {
      if (reason === null) logger.info("The chain can be read");
      else logger.warn("The chain cannot be read: known gateways are served on what is known", { reason });
    },
  });
  money = new Money({
    ...{ host, edge, chain, secrets, verifier, reader: parts.reader, hmac: parts.hmac },
    redeemGas: parts.chain.redeemGas,
    isAdjusted: pricing.isAutoAdjusted,
    maxGatewayLoss: pricing.maxGatewayLoss,
    pendingRedemptions: (sender) => office?.redemption.inFlight(sender) ?? 0n,
    onRefused: (sender, { code, exposure }) => {
      const fields = { sender: checksumHex(sender), code, ...exposure };
      // Anybody may ask with a fresh key: strangers are no news.
      if (code === "SENDER_UNKNOWN") logger.debug("A gateway is refused for its funds", fields);
      else logger.warn("A gateway is refused for its funds", fields);
    },
    observer: {
      paramsMade: (sender, value, float) => livepeer.ticketParamsMade(sender, value, float),
      priced: (sender, price) => livepeer.transcodingPrice(sender, price),
      paymentRefused: (sender, text) => livepeer.paymentError(sender, text),
      verified: (verdicts) => countVerdicts(reprise, verdicts),
    },
    onFault: parts.onFault,
  });
  const { nonces, solvency } = money;
  const showSpending = spendingGauges({
    ...{ metrics: reprise.spending, reader: parts.reader, rpc: chain.rpc, payer: account.redeemer },
    look: () => chain.look(),
    nowMs: edge.nowMs,
  });
  const signer = openSigner(account.signerKeys.map(({ privateKey }) => privateKey));
  const desk = openChainDesk({
    rpc: chain.rpc,
    contracts: () => chain.contracts(),
    look: () => chain.freshLook(),
    recipient: toHex(account.recipient),
    chainId: () => chain.chainId(),
    nowMs: edge.nowMs,
    furtherRegistries: parts.chain.aiServiceRegistry === null ? [] : [parts.chain.aiServiceRegistry],
  });
  office = openOffice({
    ...{ chain: parts.chain, account, desk, signer, host, edge, logger, reader: parts.reader },
    feeMax: () => gasBounds.max,
    onOpened: (sender, faceValue) => solvency.opened(sender, faceValue, edge.nowMs()),
    onEnded: (sender, faceValue) => solvency.ended(sender, faceValue),
    onFault: parts.onFault,
  });
  const { transactions, office: desks, entrust } = office;
  registry.beforeCollect(() => {
    livepeer.gasPrices(chain.gasPrice(), gasBounds.min, gasBounds.max);
    reprise.noncesRemembered.set(nonces.size);
    showSpending();
    if (entrust !== null) showEntrusted(reprise.spending, entrust.desk);
    showChain(reprise, { trouble: chain.trouble, readAtMs: chain.clock()?.readAtMs ?? null }, edge.nowMs());
  });
  // At once: what the outbox owes is delivered soon, and it must find its accounts.
  const resumed = money.resume();
  const prices = new Prices(money, parts, chain.rpc);
  if (parts.isSelling) prices.start();
  const rotation = setInterval(() => {
    const error = secrets.rotate(edge.nowMs());
    if (error !== null) logger.error("The ticket secret is older than it should be", { error });
  }, rotationMs);
  rotation.unref();
  const monotonicMs = edge.monotonicMs ?? ((): number => performance.now());
  const token = createOperatorToken(parts.dataDir, edge.randomBytes);
  const transactionsForOperator = operatorTransactions({
    ...{ token, transactions, reader: parts.reader, account: toHex(account.identity.account) },
    look: () => chain.freshLook(),
    committed: () => host.committed(),
    onPlanned: () => chain.pollSoon(sentMs),
  });
  return {
    money,
    chain,
    resumed,
    forOperator: prices.forOperator,
    office,
    transactionsForOperator,
    ticketsForOperator: operatorTickets({
      ...{ token, redemption: office.redemption },
      committed: () => host.committed(),
      isDue: (hash) => {
        const ticket = parts.reader.ticket(hash);
        const clock = chain.clock();
        return ticket !== null && clock !== null && BigInt(ticket.expirationBlock) <= clock.l1Block;
      },
      whyNotHere: whyNotRedeemed(parts.chain),
      onWanted: () => chain.pollSoon(sentMs),
    }),
    actionsForOperator: operatorActions({
      ...{ account, monotonicMs, rpc: chain.rpc, config: parts.chain, bounds: gasBounds },
      transactions: transactionsForOperator,
      sleep: (ms) => Bun.sleep(ms),
    }),
    chainForOperator: operatorChain({
      ...{ account, rpc: chain.rpc, config: parts.chain, bounds: gasBounds },
      chainId: () => chain.chainId() ?? seed.chainId ?? 0n,
      monotonicMs,
    }),
    ready: () => prices.ready(),
    close: async () => {
      clearInterval(rotation);
      prices.close();
      chain.close();
      // What waits for a disk that takes nothing must not keep the node from ending.
      const limit = Promise.withResolvers<void>();
      const timer = setTimeout(limit.resolve, idleMaxMs);
      await Promise.race([desks.idle(), limit.promise]);
      clearTimeout(timer);
      await entrust?.close();
      signer.erase();
      await verifier.close();
      account.erase();
    },
  };
}

/** Keeps the price board in step with what the operator wants and what currencies are worth. */
class Prices {
  readonly #money: Money;
  readonly #parts: OpenMoneyParts;
  readonly #rpc: ChainRpc;
  readonly #settings = new Map<string, PriceSetting>();
  #feed: PriceFeed | null = null;

  constructor(money: Money, parts: OpenMoneyParts, rpc: ChainRpc) {
    this.#money = money;
    this.#rpc = rpc;
    this.#parts = parts;
  }

  /** Puts the prices of this start on the board. */
  start(): void {
    const { base, perGateway, ticketEv, maxFaceValue } = this.#parts.pricing;
    this.#settings.set("default", base);
    for (const [gateway, setting] of perGateway) this.#settings.set(gateway, setting);
    const prices = [...this.#settings].map(([scope, setting]) => {
      const price = this.#priceOf(setting);
      return [scope, { price: typeof price === "string" ? null : price, wording: setting.wording }] as const;
    });
    this.#money.board.startWith(new Map(prices), { ticketEv, maxFaceValue });
  }

  async ready(): Promise<void> {
    const foreign = [...this.#settings.values()].filter(({ currency }) => !isFixedCurrency(currency));
    if (foreign.length === 0) return;
    if ((await this.#openFeed().firstRead()) === null) return;
    for (const setting of foreign) {
      const price = this.#priceOf(setting);
      if (typeof price !== "string") continue;
      throw new StartError(
        `Error setting price ${setting.wording}: ${price}.`,
        "Correct the price or `-priceFeedAddr`.",
      );
    }
  }

  close(): void {
    this.#feed?.close();
  }

  /** The feed runs from the first price in a currency on. */
  #openFeed(): PriceFeed {
    const { chain, edge, telemetry } = this.#parts;
    this.#feed ??= openPriceFeed({
      rpc: this.#rpc,
      address: chain.priceFeed,
      nowMs: edge.nowMs,
      seed: null,
      onPrice: () => this.#feedMoved(),
      onTrouble: (reason) => {
        if (reason !== null)
          telemetry.logger.warn("The price feed cannot be read: prices keep their last rate", { reason });
      },
    });
    return this.#feed;
  }

  #feedMoved(): void {
    for (const [scope, setting] of this.#settings) {
      if (isFixedCurrency(setting.currency)) continue;
      const price = this.#priceOf(setting);
      if (typeof price !== "string") this.#put(scope, setting, price, "feed");
    }
  }

  /** What the operator port may see and change. */
  readonly forOperator: OperatorMoney = {
    prices: () => new Map(this.#money.board.entries().map(({ scope, price }) => [scope as Hex, price])),
    setPrice: (scope, setting) => this.#setPrice(scope, setting),
    ticketEv: () => this.#money.board.terms.ticketEv,
    setMaxFaceValue: async (maxFaceValue) => {
      this.#money.board.setTerms({ ...this.#money.board.terms, maxFaceValue }, "operator");
      await this.#parts.host.committed();
      return { type: "changed" };
    },
  };

  async #setPrice(scope: "default" | Hex, setting: PriceSetting): Promise<MoneyChange> {
    if (!isFixedCurrency(setting.currency)) await this.#openFeed().firstRead();
    const price = this.#priceOf(setting);
    if (typeof price === "string") return { type: "refused", text: price };
    this.#settings.set(scope, setting);
    this.#put(scope, setting, price, "operator");
    await this.#parts.host.committed();
    return { type: "changed" };
  }

  #put(scope: string, { wording }: PriceSetting, price: Price, source: PriceSource): void {
    this.#money.board.setPrice(scope as Hex, { price, wording }, source);
  }

  /** Wei per unit, or why nobody knows. */
  #priceOf({ amount, currency, pixelsPerUnit }: PriceSetting): Price | string {
    const rate = weiPerCurrency(currency, this.#feed?.price() ?? null);
    return rate.type === "rate" ? divide(multiply(amount, rate.rate), pixelsPerUnit) : rate.text;
  }
}
