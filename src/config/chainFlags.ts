import { accepted, flagsOf, onChain, refused, works } from "./flag.ts";

const chain = flagsOf("chain");

const worksOnChain = onChain(works);
const noTransactions = onChain(accepted("has no effect yet: Reprise sends no transactions yet"));

/** Flags of go-livepeer that matter on a chain: keys, prices, tickets, rounds and rewards. */
export const chainFlags = {
  ethUrl: chain.text("", worksOnChain, "JSON-RPC endpoint of the chain, http or https", { secrecy: "url" }),
  ethController: chain.text("", worksOnChain, "controller contract; known networks have theirs built in"),
  ethAcctAddr: chain.text(
    "",
    worksOnChain,
    "account in the key store; may be left out when there is only one",
  ),
  ethPassword: chain.text("", worksOnChain, "pass phrase of the key, or a file with it", {
    secrecy: "secret",
    isFileOrLiteral: true,
  }),
  ethKeystorePath: chain.text(
    "",
    worksOnChain,
    "key store folder or key file; empty is the folder keystore in the data folder",
  ),
  ethOrchAddr: chain.text(
    "",
    worksOnChain,
    "registered account that receives tickets; empty is the own account",
  ),
  transactionTimeout: chain.duration(300_000, noTransactions, "wait for one try of a transaction", {
    field: "TxTimeout",
  }),
  maxTransactionReplacements: chain.count(1, noTransactions, "fee raises of a transaction that hangs", {
    field: "MaxTxReplacements",
  }),
  gasLimit: chain.count(0, noTransactions, "fixed gas limit, 0 estimates"),
  minGasPrice: chain.optionalWei(
    "int64",
    0n,
    worksOnChain,
    "lowest gas price in wei; unset is 0, on mainnet 1 gwei",
  ),
  maxGasPrice: chain.optionalWei("int", 0n, worksOnChain, "highest gas price in wei, 0 for none"),
  blockPollingInterval: chain.count(5, worksOnChain, "seconds between two polls of blocks and gas price"),
  initializeRound: chain.toggle(
    false,
    onChain(
      refused(
        "Reprise starts no rounds yet, that comes with the next release: run `livepeer -initializeRound` beside it.",
      ),
    ),
    "start new rounds",
  ),
  initializeRoundMaxDelay: chain.duration(
    30_000,
    noTransactions,
    "longest random delay before a new round is started",
  ),
  reward: chain.optionalToggle(
    false,
    onChain(
      refused(
        "Reprise does not call reward yet, that comes with the next release: take it out and run `livepeer -reward` beside it.",
      ),
    ),
    "call reward each round",
  ),
  redeemer: chain.toggle(
    false,
    refused("Reprise cannot be a redeemer yet: run go-livepeer's `livepeer -redeemer` for that role."),
    "run a ticket redeemer",
  ),
  redeemerAddr: chain.text(
    "",
    onChain(refused("Reprise cannot hand its tickets to a redeemer yet: take it out.")),
    "redeemer to use",
  ),
  pricePerUnit: chain.optionalText("0", worksOnChain, "price in wei, or with a currency behind it"),
  pixelsPerUnit: chain.text("1", worksOnChain, "pixels that the price is for, such as 1e12"),
  priceFeedAddr: chain.text(
    "0x639Fe6ab55C921f74e7fac1ee960C0B6293ba612",
    worksOnChain,
    "price feed contract for currencies",
  ),
  autoAdjustPrice: chain.toggle(true, worksOnChain, "add the cost of redemption to the price"),
  pricePerGateway: chain.text("", worksOnChain, "prices for single gateways, JSON or a file with it", {
    isFileOrLiteral: true,
  }),
  pricePerBroadcaster: chain.text("", worksOnChain, "old name of -pricePerGateway, wins over it", {
    isFileOrLiteral: true,
  }),
  ticketEV: chain.text("8000000000", worksOnChain, "expected value of a ticket in wei"),
  maxFaceValue: chain.text("0", worksOnChain, "highest face value of a ticket in wei, 0 for none"),
} as const;
