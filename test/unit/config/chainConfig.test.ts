import { describe, expect, test } from "bun:test";
import type { ChainConfig, PriceSetting, PricingConfig } from "../../../src/config/config.ts";
import { parseAccount } from "../../../src/config/accountText.ts";
import { parseGatewayPrices } from "../../../src/config/gatewayPrices.ts";
import { parseCurrency } from "../../../src/config/priceSetting.ts";
import { formatRational } from "../../../src/protocol/rational.ts";
import { vectors } from "../protocol/vectors.ts";
import { configOf, mistakesOf, type TestInput } from "./parseSupport.ts";

/*
 * Goal: a node on a chain gets exactly what its operator wrote, and a setting that would cost money or earn nothing
 * does not start. Method: made-up command lines and files through the whole parser. The recorded starts of
 * go-livepeer are compared in recordedRuns.test.ts.
 */

const least = [
  "-network",
  "arbitrum-one-mainnet",
  "-ethUrl",
  "https://rpc.example/KEY",
  "-pricePerUnit",
  "1200",
];

function started(argv: readonly string[], input: TestInput = {}) {
  const result = configOf({ ...input, argv: [...least, ...argv] });
  const { chain, pricing } = result.config;
  if (chain === null || pricing === null) throw new Error("no chain in the config");
  return { ...result, chain, pricing };
}
const chainOf = (...argv: string[]): ChainConfig => started(argv).chain;
const pricingOf = (...argv: string[]): PricingConfig => started(argv).pricing;
const mistakeOf = (...argv: string[]) => {
  const { mistakes } = mistakesOf({ argv: [...least, ...argv] });
  expect(mistakes.length).toBe(1);
  return mistakes[0]?.text ?? "";
};

const gateway = "0x1111111111111111111111111111111111111111";
const checksummed = "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed";

describe("the chain", () => {
  test("off-chain there is none, whatever its flags say", () => {
    const { config, notices } = configOf({
      argv: ["-ethUrl", "foo://x", "-ethOrchAddr", "foo", "-pricePerUnit", "x", "-pricePerGateway", "{"],
    });
    expect(config.chain).toBeNull();
    expect(config.pricing).toBeNull();
    for (const flag of ["ethUrl", "ethOrchAddr", "pricePerUnit", "pricePerGateway"]) {
      expect(notices).toContain(
        `-${flag} has no effect off-chain: there are no payments and no chain to watch.`,
      );
    }
  });

  test("chain sheet 1.6: each network has its controller, gas price and redemption gas", () => {
    const figures = ["arbitrum-one-mainnet", "mainnet", "arbitrum-one-rinkeby", "rinkeby"].map((network) => {
      const { controller, minGasPrice, redeemGas } = chainOf("-network", network);
      return [network, controller, minGasPrice, redeemGas];
    });
    expect(figures).toEqual([
      ["arbitrum-one-mainnet", "0xd8e8328501e9645d16cf49539efc04f734606ee4", 0n, 1_200_000n],
      ["mainnet", "0xf96d54e490317c557a967abfa5d6e33006be69b3", 1_000_000_000n, 350_000n],
      ["arbitrum-one-rinkeby", "0x9cec649179e2c7ab91688271bcd09fb707b3e574", 0n, 1_200_000n],
      ["rinkeby", "0x9a9827455911a858e55f07911904facc0d66027e", 0n, 350_000n],
    ]);
    const own = chainOf("-network", "devnet", "-ethController", checksummed);
    expect([own.controller, own.minGasPrice, own.redeemGas]).toEqual([
      checksummed.toLowerCase() as `0x${string}`,
      0n,
      350_000n,
    ]);
    expect(chainOf("-ethController", checksummed).controller).toBe(own.controller);
    expect(mistakeOf("-network", "../x")).toContain("is not the name of a network");
  });

  test("the least command line gives the defaults, frozen, in a folder of the network", () => {
    const { config, chain, pricing, notices } = started([]);
    expect(config.node.network).toBe("arbitrum-one-mainnet");
    expect(config.storage.dataDir).toBe("/home/op/.reprise/arbitrum-one-mainnet");
    const { urls, ...rest } = chain;
    expect(urls.map((endpoint) => endpoint.reveal())).toEqual(["https://rpc.example/KEY"]);
    expect(rest).toEqual({
      network: "arbitrum-one-mainnet",
      controller: "0xd8e8328501e9645d16cf49539efc04f734606ee4",
      accountText: "",
      keystorePath: "/home/op/.reprise/arbitrum-one-mainnet/keystore",
      password: null,
      recipient: null,
      rewardKey: null,
      redeemerKey: null,
      remoteRedeemer: null,
      pollMs: 12_000,
      minGasPrice: 0n,
      maxGasPrice: null,
      redeemGas: 1_200_000n,
      priceFeed: "0x639fe6ab55c921f74e7fac1ee960c0b6293ba612",
      reward: "auto",
      initializeRound: false,
      initializeRoundMaxDelayMs: 30_000,
      redeem: true,
      gasLimit: 0n,
      transactionTimeoutMs: 300_000,
      maxTransactionReplacements: 1,
      confirmations: 32,
      aiServiceRegistry: null,
    });
    expect({ ...pricing, base: pricing.base.wording }).toEqual({
      base: "1200wei",
      perGateway: new Map(),
      isAutoAdjusted: true,
      ticketEv: 8_000_000_000n,
      maxFaceValue: 0n,
      maxGatewayLoss: 20_000_000_000_000_000n,
    });
    for (const slice of [chain, pricing, pricing.base]) expect(Object.isFrozen(slice)).toBe(true);
    // Nothing is left to be run beside it.
    expect(notices.filter((notice) => notice.includes("livepeer -"))).toEqual([]);
  });

  test("the endpoint's key shows nowhere, not in mistakes either", () => {
    const { settingsTable, config } = started(["-ethPassword", "s3cret"]);
    const bad = mistakesOf({
      argv: [...least, "-ethUrl", "ftp://u:s3cret@h/s3cret", "-ethPassword", "s3cret"],
    });
    for (const text of [settingsTable, Bun.inspect(config), JSON.stringify(config.chain?.urls), bad.text]) {
      expect(text).not.toContain("s3cret");
      expect(text).not.toContain("rpc.example/KEY");
    }
    expect(bad.text).toContain('no known transport for URL scheme "ftp"');
  });

  test("all money addresses are checked, with the checksum of their capitals", () => {
    expect(chainOf("-ethOrchAddr", checksummed).recipient).toBe("0x5aaeb6053f3e94c9b9a09f33669435e7ef1beaed");
    expect(chainOf("-ethAcctAddr", checksummed.slice(2)).accountText).toBe(checksummed.toLowerCase());
    for (const flag of ["ethOrchAddr", "ethAcctAddr", "ethController", "priceFeedAddr"]) {
      expect(mistakeOf(`-${flag}`, checksummed.replace("5aA", "5aB"))).toContain("checksum");
      expect(mistakeOf(`-${flag}`, checksummed.slice(0, -1))).toContain("is no address");
      expect(mistakeOf(`-${flag}`, `0x${"0".repeat(40)}`)).toContain("zero address");
    }
    expect(parseAccount(checksummed.toUpperCase().replace("0X", "0x")).type).toBe("account");
  });

  test("password and key store: text or file, folder or key file", () => {
    const files = {
      "/pw": " pw\n",
      "/ks": null,
      "/key": JSON.stringify({ address: checksummed.slice(2).toLowerCase(), version: 3 }),
      "/anonymous": JSON.stringify({ version: 3 }),
    };
    const of = (...argv: string[]) => started(argv, { files }).chain;
    expect(of("-ethPassword", "/pw").password?.reveal()).toBe("pw");
    expect(of("-ethPassword", "/nope").password?.reveal()).toBe("/nope");
    expect(of("-dataDir", "/d").keystorePath).toBe("/d/keystore");
    expect(of("-ethKeystorePath", "/ks/").keystorePath).toBe("/ks");
    const byFile = of("-ethKeystorePath", "/key", "-ethAcctAddr", checksummed);
    expect([byFile.keystorePath, byFile.accountText]).toEqual(["/key", checksummed.toLowerCase()]);
    const bad = mistakesOf({ argv: [...least, "-ethKeystorePath", "/anonymous"], files });
    expect(bad.mistakes.map((mistake) => mistake.text)).toEqual(["error parsing address from keyfile"]);
  });

  test("gas prices and polling are bounded", () => {
    const chain = chainOf("-minGasPrice", "5", "-maxGasPrice", "0x10", "-blockPollingInterval", "1");
    expect([chain.minGasPrice, chain.maxGasPrice, chain.pollMs]).toEqual([5n, 16n, 1_000]);
    expect(chainOf("-network", "mainnet", "-minGasPrice", "0").minGasPrice).toBe(0n);
    expect(mistakeOf("-network", "mainnet", "-maxGasPrice", "5")).toContain("below the lowest gas price");
    expect(chainOf("-blockPollingInterval", "99999999999").pollMs).toBe(2 ** 31 - 1);
  });

  test("several endpoints: in order, each checked, none twice, and no key of any is shown", () => {
    const text = "https://a.example/KEY1, http://b.example/KEY2,https://a.example/KEY1,";
    const { chain, settingsTable } = started(["-ethUrl", text]);
    expect(chain.urls.map((url) => url.reveal())).toEqual([
      "https://a.example/KEY1",
      "http://b.example/KEY2",
    ]);
    expect(settingsTable).toContain("https://a.example/***,http://b.example/***");
    expect(settingsTable).not.toContain("KEY");
    const bad = mistakesOf({ argv: [...least, "-ethUrl", "https://a.example/KEY1,ws://b.example/KEY2"] });
    expect(bad.mistakes.map((mistake) => mistake.text)).toEqual([
      'Failed to connect to Ethereum client: no known transport for URL scheme "ws"',
    ]);
    expect(bad.text).not.toContain("KEY2");
    const many = Array.from({ length: 17 }, (_, index) => `https://a.example/${index}`).join(",");
    expect(mistakeOf("-ethUrl", many)).toContain("17 endpoints, more than 16");
    expect(mistakeOf("-ethUrl", " , ")).toBe("Need to specify an Ethereum node JSON-RPC URL using -ethUrl");
  });

  test("rewards have three states; rounds, redemption and transactions have bounds", () => {
    expect([chainOf(), chainOf("-reward"), chainOf("-reward=false")].map(({ reward }) => reward)).toEqual([
      "auto",
      "on",
      "off",
    ]);
    expect(
      chainOf(
        ...["-initializeRound", "-initializeRoundMaxDelay", "0s", "-redeem=false", "-confirmations", "0"],
        ...["-gasLimit", "1_000_000", "-transactionTimeout", "90s", "-maxTransactionReplacements", "4"],
        ...["-blockPollingInterval", "5"],
      ),
    ).toMatchObject({
      initializeRound: true,
      initializeRoundMaxDelayMs: 0,
      redeem: false,
      confirmations: 0,
      gasLimit: 1_000_000n,
      transactionTimeoutMs: 90_000,
      maxTransactionReplacements: 4,
      pollMs: 5_000,
    });
    expect([chainOf(), chainOf("-redeemGas", "250000")].map(({ redeemGas }) => redeemGas)).toEqual([
      1_200_000n,
      250_000n,
    ]);
    expect(mistakeOf("-redeemGas", "20999")).toContain("is not what a redemption can cost");
    // As go-livepeer takes them.
    expect(chainOf("-gasLimit=-1", "-maxTransactionReplacements=-1")).toMatchObject({
      gasLimit: 0n,
      maxTransactionReplacements: 0,
    });
    expect(chainOf("-transactionTimeout", "2000h").transactionTimeoutMs).toBe(2 ** 31 - 1);
    expect(mistakeOf("-gasLimit", "20999")).toContain("fits no transaction");
    expect(mistakeOf("-transactionTimeout", "999ms")).toContain("must be at least 1s, provided 999ms");
    expect(mistakeOf("-confirmations=-1")).toContain("must be between 0 and 100000, provided -1");
  });

  test("further keys: accounts are checked, pass phrases may be files, a phrase alone says that it is idle", () => {
    const { chain, settingsTable, notices } = started(
      [
        ...["-rewardAcctAddr", checksummed, "-rewardPassword", "/pw"],
        ...["-redeemerAcctAddr", gateway, "-ethOrchAddr", gateway],
      ],
      { files: { "/pw": " s3cret\n" } },
    );
    expect(chain.rewardKey?.account).toBe(checksummed.toLowerCase() as `0x${string}`);
    expect(chain.rewardKey?.password?.reveal()).toBe("s3cret");
    expect(chain.redeemerKey).toEqual({ account: gateway, password: null });
    expect(settingsTable).toContain("***");
    expect(settingsTable).not.toContain("/pw");
    expect(notices.filter((notice) => notice.includes("Password"))).toEqual([]);
    expect(started(["-redeemerPassword", "x"]).notices).toContain(
      "-redeemerPassword has no effect without -redeemerAcctAddr.",
    );
    for (const flag of ["rewardAcctAddr", "redeemerAcctAddr"]) {
      expect(mistakeOf(`-${flag}`, checksummed.replace("5aA", "5aB"))).toContain("checksum");
    }
  });

  test("the registry of the AI network: known on Arbitrum One, to be named elsewhere", () => {
    expect(chainOf("-aiServiceRegistry").aiServiceRegistry).toBe(
      "0x04c0b249740175999e5bf5c9ac1da92431ef34c5",
    );
    expect(mistakeOf("-aiServiceRegistry", "-network", "mainnet")).toContain("-network mainnet");
    const own = ["-network", "mainnet", "-aiServiceRegistryAddr", checksummed];
    expect(chainOf("-aiServiceRegistry", ...own).aiServiceRegistry).toBe(
      checksummed.toLowerCase() as `0x${string}`,
    );
    const idle = started(own);
    expect(idle.chain.aiServiceRegistry).toBeNull();
    expect(idle.notices).toContain("-aiServiceRegistryAddr has no effect without -aiServiceRegistry.");
  });

  // Off the chain nobody knows the node's address but those on this machine; on it the registry's readers do.
  test("chain check 22: without -serviceAddr the registry decides, so that the port is open to everybody", () => {
    const { listener, node } = started([]).config;
    expect(listener.bind).toEqual({ host: "", port: 8935 });
    expect(node.isServiceUriGiven).toBe(false);
    expect(started([]).notices.join("\n")).toContain("gateways are told the address in the service registry");
    const given = started(["-serviceAddr", "o.example:9000"]);
    expect(given.config.node).toMatchObject({
      ...{ isServiceUriGiven: true, serviceUri: "https://o.example:9000" },
    });
    expect(given.notices.join("\n")).not.toContain("service registry");
  });

  test("the redeemer that tickets are handed to: host and port, where the port may be left out", () => {
    expect(chainOf().remoteRedeemer).toBeNull();
    for (const [text, host, port] of [
      ["r.example", "r.example", 8935],
      ["r.example:9000", "r.example", 9000],
      [":9000", "127.0.0.1", 9000],
      ["10.0.0.7", "10.0.0.7", 8935],
      ["[::1]:9000", "::1", 9000],
    ] as const) {
      expect(chainOf("-redeemerAddr", text).remoteRedeemer).toEqual({ host, port });
    }
    for (const [text, reason] of [
      ["https://r.example", "address //r.example: invalid port"],
      ["a:b:c", "address a:b:c: too many colons in address"],
      ["r.example:0", "port 0 cannot be dialled"],
      ["r.example:99999", "address 99999: invalid port"],
      ["a b", "address a b: invalid host"],
    ] as const) {
      expect(mistakeOf("-redeemerAddr", text)).toBe(`-redeemerAddr: ${reason}`);
    }
    const ignored = "-redeem has no effect with -redeemerAddr";
    const notices = (...flags: readonly string[]) => started(flags).notices.join("\n");
    expect(notices("-redeemerAddr", "r.example", "-redeem")).toContain(ignored);
    expect(notices("-redeemerAddr", "r.example", "-redeem=false")).not.toContain(ignored);
    expect(notices("-redeemerAddr", "r.example")).not.toContain(ignored);
  });
});

describe("prices", () => {
  const shown = ({ amount, currency, pixelsPerUnit, wording }: PriceSetting) =>
    [formatRational(amount), currency, formatRational(pixelsPerUnit), wording].join(" | ");

  test("operator check 7: a price must be given; 0 is one; currencies and pixels are read exactly", () => {
    expect(mistakesOf({ argv: least.slice(0, 4) }).mistakes[0]?.text).toBe("-pricePerUnit must be set");
    const of = (price: string, pixels = "1") =>
      shown(pricingOf("-pricePerUnit", price, "-pixelsPerUnit", pixels).base);
    expect(of("0")).toBe("0 |  | 1 | 0wei");
    expect(of("0.13USD", "1e12")).toBe("13/100 | USD | 1000000000000 | 0.13USD / 1e12");
    expect(of("99.99eur")).toBe("9999/100 | EUR | 1 | 99.99eur");
    expect(of("420DOG3")).toBe("420 | DOG3 | 1 | 420DOG3");
    expect(of("100WEI")).toBe("100 | wei | 1 | 100WEI");
    expect(of("0.001Eth", "4/2")).toBe("1/1000 | eth | 2 | 0.001Eth / 4/2");
    expect(mistakeOf("-pricePerUnit=-5")).toContain(
      "must be a valid integer with an optional currency, provided -5",
    );
    expect(started(["-pricePerUnit", "0"]).notices.join("\n")).toContain("are served for nothing");
  });

  test("what looks like a number or a unit of wei is no currency", () => {
    for (const text of ["e3", "E18", "x10", "gwei", "^", "_x", "a".repeat(17)]) {
      expect(`${text} ${parseCurrency(text).type}`).toBe(`${text} bad`);
    }
    expect(mistakeOf("-pricePerUnit", "1e3")).toContain("write the number out in digits");
  });

  test("payments sheet 4.4: a list of gateways as text or file, exact to the last digit", () => {
    const list = {
      gateways: [
        { ethaddress: gateway, priceperunit: 5, currency: "wei", pixelsperunit: 2 },
        { ethaddress: checksummed, priceperunit: 0.5, currency: "usd", pixelsperunit: 1 },
      ],
    };
    // JSON.stringify would round it: a price that no float holds.
    const text = JSON.stringify(list).replace(":0.5", ":0.100000000000000000000000001");
    const expected = [
      `${gateway}: 5 | wei | 2 | 5wei / 2`,
      `${checksummed.toLowerCase()}: 100000000000000000000000001/1000000000000000000000000000 | USD | 1 | ` +
        "0.100000000000000000000000001usd",
    ];
    for (const [value, files] of [
      [text, {}],
      ["/prices.json", { "/prices.json": `\n${text}\n` }],
    ] as const) {
      const { perGateway } = started(["-pricePerGateway", value], { files }).pricing;
      expect([...perGateway].map(([account, price]) => `${account}: ${shown(price)}`)).toEqual(expected);
    }
  });

  test("operator check 37: the old key and the old flag still count, with a notice", () => {
    const one = (key: string, price: number) =>
      `{"${key}":[{"ethaddress":"${gateway}","priceperunit":${price},"pixelsperunit":1}]}`;
    const both = `${one("broadcasters", 7).slice(0, -1)},${one("gateways", 5).slice(1)}`;
    const merged = started(["-pricePerGateway", both]);
    expect([...merged.pricing.perGateway.values()].map(shown)).toEqual(["5 |  | 1 | 5wei"]);
    expect(merged.notices.join("\n")).toContain("call it `gateways`");
    const old = started(["-pricePerGateway", one("gateways", 5), "-pricePerBroadcaster", one("gateways", 9)]);
    expect([...old.pricing.perGateway.values()].map(shown)).toEqual(["9 |  | 1 | 9wei"]);
    expect(old.notices.join("\n")).toContain("-pricePerBroadcaster is the old name");
  });

  test("a broken list or entry is a mistake that says which", () => {
    const entry = (fields: string) => parseGatewayPrices(`{"gateways":[{${fields}}]}`);
    const reasonOf = (parsed: ReturnType<typeof parseGatewayPrices>) =>
      parsed.type === "bad" ? parsed.reason : "prices";
    const good = `"ethaddress":"${gateway}","priceperunit":1,"pixelsperunit":1`;
    expect(reasonOf(entry(good))).toBe("prices");
    expect(reasonOf(entry(`${good},"currency":5`))).toBe("entry 1 of `gateways`: currency is no text");
    expect(reasonOf(entry(`${good},"currency":"gwei"`))).toContain("gwei is no currency here");
    expect(reasonOf(entry(good.replace(gateway, "default")))).toContain("it is not 0x and 40");
    expect(reasonOf(entry(good.replace(":1,", ":1e999,")))).toContain("value is not a number");
    expect(reasonOf(parseGatewayPrices(`{"gateways":[{${good}},{${good}}]}`))).toBe(
      `entry 2 of \`gateways\`: ${gateway} has a price in the list already`,
    );
    expect(reasonOf(parseGatewayPrices('{"gateways":{}}'))).toBe("`gateways` is no list");
    expect(reasonOf(parseGatewayPrices('{"gateways":[7]}'))).toBe(
      "entry 1 of `gateways`: it is no JSON object",
    );
    expect(mistakeOf("-pricePerGateway", "/no/such/file")).toContain("neither JSON nor the name of a file");
  });

  type PriceRow = {
    readonly json: string;
    readonly prices:
      | readonly {
          readonly ethAddress: string;
          readonly pricePerUnit: { readonly num: string; readonly den: string };
          readonly pixelsPerUnit: { readonly num: string; readonly den: string } | null;
          readonly currency: string;
        }[]
      | null;
  };

  // The recorded lists name gateways `a`, `address1`, …: each becomes an address, so that the rest can be compared.
  const accounts = new Map(
    ["address1", "address2", "a", "b"].map((name, index) => [name, `0x${String(index + 1).repeat(40)}`]),
  );
  for (const { json, prices } of vectors<PriceRow>("eth-units-price", "gatewayPrices")) {
    if (json === "") continue;
    test(`recorded list of gateway prices: ${json}`, () => {
      let text = json;
      for (const [name, account] of accounts) text = text.replaceAll(`"${name}"`, `"${account}"`);
      const parsed = parseGatewayPrices(text);
      if (prices === null || prices.some((price) => price.pixelsPerUnit === null)) {
        expect(parsed.type).toBe("bad");
        return;
      }
      if (parsed.type === "bad") throw new Error(parsed.reason);
      const ours = [...parsed.prices].map(([account, price]) => `${account} ${shown(price)}`);
      const fraction = ({ num, den }: { readonly num: string; readonly den: string }) =>
        den === "1" ? num : `${num}/${den}`;
      const theirs = prices.map(({ ethAddress, pricePerUnit, pixelsPerUnit, currency }) =>
        [
          `${accounts.get(ethAddress)} ${fraction(pricePerUnit)}`,
          currency,
          pixelsPerUnit === null ? "" : fraction(pixelsPerUnit),
        ].join(" | "),
      );
      expect(ours.map((line) => line.split(" | ").slice(0, 3).join(" | "))).toEqual(theirs);
    });
  }

  type NumberRow = {
    readonly json: string;
    readonly value: { readonly num: string; readonly den: string } | null;
  };
  for (const { json, value } of vectors<NumberRow>("eth-units-price", "jsonRat")) {
    test(`recorded number in a list of gateway prices: ${json}`, () => {
      const parsed = parseGatewayPrices(
        `{"gateways":[{"ethaddress":"${gateway}","priceperunit":${json},"pixelsperunit":1}]}`,
      );
      if (value === null)
        expect(parsed).toMatchObject({ reason: expect.stringContaining("is not a number") });
      else if (value.num.startsWith("-"))
        expect(parsed).toMatchObject({ reason: expect.stringContaining("must not be negative") });
      else {
        if (parsed.type === "bad") throw new Error(parsed.reason);
        const amount = parsed.prices.get(gateway)?.amount;
        expect(amount).toEqual({ numerator: BigInt(value.num), denominator: BigInt(value.den) });
      }
    });
  }
});

describe("tickets", () => {
  test("settings with which no gateway could pay are refused", () => {
    expect(mistakeOf("-ticketEV", "0")).toContain("no gateway could ever pay");
    expect(pricingOf("-ticketEV", "0", "-pricePerUnit", "0").ticketEv).toBe(0n);
    const priced = `{"gateways":[{"ethaddress":"${gateway}","priceperunit":1,"pixelsperunit":1}]}`;
    expect(mistakeOf("-ticketEV", "0", "-pricePerUnit", "0", "-pricePerGateway", priced)).toContain(
      "-ticketEV 0",
    );
    expect(mistakeOf("-maxFaceValue", "7999999999")).toContain("every gateway would be refused");
    expect(pricingOf("-maxFaceValue", "8000000000").maxFaceValue).toBe(8_000_000_000n);
    // One bad number is one mistake, not a second one about what stands in for it.
    expect(mistakeOf("-ticketEV", "x", "-maxFaceValue", "5")).toContain("-ticketEV must be a valid integer");
  });

  test("settings with which few gateways could pay are noticed", () => {
    const noticesOf = (...argv: string[]) => started(argv).notices.join("\n");
    // 1,200,000 gas × 3 gwei: below that the gas price decides (payments sheet 2.2 g).
    expect(noticesOf("-maxFaceValue", "3600000000000000")).not.toContain("-maxFaceValue");
    expect(noticesOf("-maxFaceValue", "3599999999999999")).toContain("above 2999999999 wei");
    expect(noticesOf("-ticketEV", "3000000000000")).not.toContain("-ticketEV");
    expect(noticesOf("-ticketEV", "3000000000001")).toContain("more than gateways take");
  });

  test("the loss that is risked with one gateway is an amount of wei", () => {
    expect(pricingOf("-maxGatewayLoss", "0").maxGatewayLoss).toBe(0n);
    expect(mistakeOf("-maxGatewayLoss=-1")).toContain("-maxGatewayLoss must be an amount of wei");
    expect(mistakeOf("-maxGatewayLoss", "0.02ETH")).toContain("provided");
  });
});
