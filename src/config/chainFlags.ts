import { accepted, flagsOf, onChain, works } from "./flag.ts";

const chain = flagsOf("chain");

const worksOnChain = onChain(works);
const endlessRaises = onChain(
  accepted(
    "only says how long an action of livepeer_cli is waited for: Reprise raises a fee until its transaction is mined, within -maxGasPrice",
  ),
);

/** Flags of go-livepeer that matter on a chain: keys, prices, tickets, rounds and rewards. */
export const chainFlags = {
  ethUrl: chain.text(
    "",
    worksOnChain,
    "JSON-RPC endpoints of the chain, http or https, separated by commas; more than one is safer",
    { secrecy: "urls" },
  ),
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
  transactionTimeout: chain.duration(
    300_000,
    worksOnChain,
    "wait for one try of a transaction before its fee is raised",
    { field: "TxTimeout" },
  ),
  maxTransactionReplacements: chain.count(1, endlessRaises, "fee raises of a transaction that hangs", {
    field: "MaxTxReplacements",
  }),
  gasLimit: chain.big(0n, worksOnChain, "gas limit of every transaction, 0 for the right one of each"),
  minGasPrice: chain.optionalWei(
    "int64",
    0n,
    worksOnChain,
    "lowest gas price in wei; unset is 0, on mainnet 1 gwei",
  ),
  maxGasPrice: chain.optionalWei("int", 0n, worksOnChain, "highest gas price in wei, 0 for none"),
  blockPollingInterval: chain.count(
    12,
    worksOnChain,
    "seconds between two readings of an idle chain; 12 is one L1 block (go-livepeer: 5), and spares the endpoint",
  ),
  initializeRound: chain.toggle(false, worksOnChain, "start rounds that nobody has started"),
  initializeRoundMaxDelay: chain.duration(
    30_000,
    worksOnChain,
    "longest random delay before a new round is started",
  ),
  reward: chain.optionalToggle(
    false,
    worksOnChain,
    "call reward each round; unset: as soon as the account is registered; true: do not start if it may not",
  ),
  redeemer: chain.toggle(
    false,
    works,
    "redeem the winning tickets of orchestrators elsewhere, made out to -ethOrchAddr, and nothing else",
  ),
  redeemerAddr: chain.text(
    "",
    worksOnChain,
    "`host[:port]` of the node that redeems the winning tickets; empty: this node does it itself",
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
