import { accepted, flagsOf, refused } from "./flag.ts";

const chain = flagsOf("chain");

const offchain = accepted("has no effect off-chain: there are no payments and no chain to watch");

/** Flags of go-livepeer that matter on a chain: keys, prices, tickets, rounds and rewards. */
export const chainFlags = {
  ethUrl: chain.text("", offchain, "JSON-RPC endpoint of the chain", { secrecy: "url" }),
  ethController: chain.text("", offchain, "controller contract"),
  ethAcctAddr: chain.text("", offchain, "account in the key store"),
  ethPassword: chain.text("", offchain, "pass phrase of the key, or a file with it", {
    secrecy: "secret",
    isFileOrLiteral: true,
  }),
  ethKeystorePath: chain.text("", offchain, "key store folder or key file"),
  ethOrchAddr: chain.text("", offchain, "registered account that receives tickets"),
  transactionTimeout: chain.duration(300_000, offchain, "wait for one try of a transaction", {
    field: "TxTimeout",
  }),
  maxTransactionReplacements: chain.count(1, offchain, "fee raises of a transaction that hangs", {
    field: "MaxTxReplacements",
  }),
  gasLimit: chain.count(0, offchain, "fixed gas limit, 0 estimates"),
  minGasPrice: chain.optionalWei("int64", 0n, offchain, "lowest gas price in wei"),
  maxGasPrice: chain.optionalWei("int", 0n, offchain, "highest gas price in wei, 0 for none"),
  blockPollingInterval: chain.count(5, offchain, "seconds between two polls of blocks and gas price"),
  initializeRound: chain.toggle(false, offchain, "start new rounds"),
  initializeRoundMaxDelay: chain.duration(
    30_000,
    offchain,
    "longest random delay before a new round is started",
  ),
  reward: chain.optionalToggle(false, offchain, "call reward each round"),
  redeemer: chain.toggle(
    false,
    refused("Reprise cannot be a redeemer yet: run go-livepeer's `livepeer -redeemer` for that role."),
    "run a ticket redeemer",
  ),
  redeemerAddr: chain.text("", offchain, "redeemer to use"),
  pricePerUnit: chain.optionalText("0", offchain, "price in wei, or with a currency behind it"),
  pixelsPerUnit: chain.text("1", offchain, "pixels that the price is for"),
  priceFeedAddr: chain.text(
    "0x639Fe6ab55C921f74e7fac1ee960C0B6293ba612",
    offchain,
    "price feed contract for currencies",
  ),
  autoAdjustPrice: chain.toggle(true, offchain, "add the cost of redemption to the price"),
  pricePerGateway: chain.text("", offchain, "prices for single gateways, JSON or a file with it", {
    isFileOrLiteral: true,
  }),
  pricePerBroadcaster: chain.text("", offchain, "old name of -pricePerGateway", { isFileOrLiteral: true }),
  ticketEV: chain.text("8000000000", offchain, "expected value of a ticket in wei"),
  maxFaceValue: chain.text("0", offchain, "highest face value of a ticket in wei, 0 for none"),
} as const;
