import { REDEEMER_PORT } from "../protocol/redeemer.ts";
import type { Hex } from "../shared/brand.ts";
import { readAccount } from "./accountText.ts";
import { completeAddress, type HostPort } from "./addresses.ts";
import type { RuleInput } from "./buildConfig.ts";
import type { ChainConfig, KeyChoice } from "./config.ts";
import type { Findings } from "./findings.ts";
import type { Mistake } from "./mistake.ts";
import { networkOf, offchainNetwork } from "./networks.ts";
import { readSecret } from "./readSecret.ts";
import { Secret } from "./secret.ts";
import { longestTimerMs, readRedeemGas, readTransactions } from "./transactionRules.ts";

/*
 * The rules about the chain: which one, through which node, and as whom. Off-chain none of these flags is looked
 * at, so that what is left over from another network does no harm.
 */

/**
 * What the chain flags say; null off-chain.
 *
 * Source: operator sheet 1.5, 1.8; chain sheet 1.6, 7.6.
 */
export function readChain(input: RuleInput, dataDir: string, findings: Findings): ChainConfig | null {
  const { values } = input;
  if (values.network === offchainNetwork) return null;
  const { mistakes } = findings;
  const network = networkOf(values.network);
  const urls = readUrls(values.ethUrl, mistakes);
  return {
    network: values.network,
    urls,
    controller: readController(input, network.controller, mistakes),
    ...readKeystore(input, dataDir, mistakes),
    password: readSecret(values.ethPassword, input.readFile),
    recipient: values.ethOrchAddr === "" ? null : readAccount("ethOrchAddr", values.ethOrchAddr, mistakes),
    rewardKey: readKey(input, "reward", findings),
    redeemerKey: readKey(input, "redeemer", findings),
    pollMs: readPollMs(values.blockPollingInterval, mistakes),
    ...readGasPrices(input, network.minGasPrice, mistakes),
    redeemGas: readRedeemGas(values.redeemGas, network.redeemGas, mistakes),
    priceFeed: readAccount("priceFeedAddr", values.priceFeedAddr, mistakes) ?? nobody,
    reward: values.reward === null ? (values.redeemer ? "off" : "auto") : values.reward ? "on" : "off",
    initializeRound: values.initializeRound,
    redeem: values.redeem,
    remoteRedeemer: readRemoteRedeemer(input, findings),
    ...readTransactions(values, mistakes),
    aiServiceRegistry: readAiServiceRegistry(input, network.aiServiceRegistry, findings),
  };
}

/** Stands in where a mistake was found. */
const nobody: Hex = `0x${"0".repeat(40)}`;

/** Endpoints that anybody would list. */
const urlsMax = 16;

/** The text of a mistake never holds a URL, because a URL may hold a key. One that is listed twice counts once. */
function readUrls(text: string, mistakes: Mistake[]): readonly Secret[] {
  const fix = "Give the endpoint of an Ethereum node, such as -ethUrl https://arb1.example/KEY.";
  const urls = [...new Set(text.split(",").map((url) => url.trim()))].filter((url) => url !== "");
  const refuse = (words: string) => {
    mistakes.push({ flag: "ethUrl", text: words, fix, exitCode: 1 });
  };
  if (urls.length === 0) refuse("Need to specify an Ethereum node JSON-RPC URL using -ethUrl");
  if (urls.length > urlsMax) refuse(`-ethUrl lists ${urls.length} endpoints, more than ${urlsMax}`);
  for (const url of urls) {
    const scheme = URL.canParse(url) ? new URL(url).protocol.slice(0, -1) : "";
    if (scheme === "http" || scheme === "https") continue;
    refuse(
      `Failed to connect to Ethereum client: no known transport for URL scheme ${JSON.stringify(scheme)}`,
    );
    break;
  }
  return urls.map((url) => new Secret(url));
}

function readController({ values }: RuleInput, builtIn: Hex | null, mistakes: Mistake[]): Hex {
  if (values.ethController !== "")
    return readAccount("ethController", values.ethController, mistakes) ?? nobody;
  if (!/^[A-Za-z0-9][A-Za-z0-9._-]*$/.test(values.network)) {
    // It becomes part of a path.
    mistakes.push({
      flag: "network",
      text: `-network ${JSON.stringify(values.network)} is not the name of a network`,
      fix: "Give offchain, arbitrum-one-mainnet, or a word for a chain of your own.",
      exitCode: 1,
    });
  } else if (builtIn === null) {
    mistakes.push({
      flag: "ethController",
      text: `-network ${values.network} is no network whose controller contract is known`,
      fix: "Give its address with -ethController, or a known network such as -network arbitrum-one-mainnet.",
      exitCode: 1,
    });
  }
  return builtIn ?? nobody;
}

/**
 * Where the key is and whose it is. Unlike with go-livepeer, a key file that is named is the one that is used.
 *
 * Source: go-livepeer cmd/livepeer/starter/starter.go parseEthKeystorePath.
 */
function readKeystore(
  { values, readFile }: RuleInput,
  dataDir: string,
  mistakes: Mistake[],
): { readonly keystorePath: string; readonly accountText: string } {
  const account = values.ethAcctAddr === "" ? "" : readAccount("ethAcctAddr", values.ethAcctAddr, mistakes);
  const fallback = { keystorePath: `${dataDir}/keystore`, accountText: account ?? "" };
  const path = values.ethKeystorePath.replace(/(?<=.)\/$/, "");
  if (path === "") return fallback;
  const refuse = (text: string, fix: string) => {
    mistakes.push({ flag: "ethKeystorePath", text, fix, exitCode: 1 });
    return fallback;
  };
  const content = readFile(path);
  switch (content.type) {
    case "directory":
      return { ...fallback, keystorePath: path };
    case "missing":
      return refuse(
        "provided -ethKeystorePath was not found",
        "Give an existing key store folder or key file, or leave it out for the folder keystore in the data folder.",
      );
    case "unreadable":
      return refuse(
        `provided -ethKeystorePath cannot be read: ${content.reason}`,
        "Make it readable for this user.",
      );
    case "file": {
      const owner = accountOfKeyFile(content.text);
      if (owner === null) {
        return refuse("error parsing address from keyfile", "Give a key file in JSON (V3), or its folder.");
      }
      if (account !== null && account !== "" && account !== owner) {
        return refuse(
          "-ethKeystorePath and -ethAcctAddr were both provided, but ethAcctAddr does not match the address found in keystore",
          "Leave -ethAcctAddr out, or give the key file of that account.",
        );
      }
      return { keystorePath: path, accountText: owner };
    }
  }
}

function accountOfKeyFile(text: string): Hex | null {
  try {
    const parsed: unknown = JSON.parse(text);
    if (typeof parsed !== "object" || parsed === null || !("address" in parsed)) return null;
    const digits = String(parsed.address).replace(/^0[xX]/, "");
    return /^[0-9a-fA-F]{40}$/.test(digits) ? `0x${digits.toLowerCase()}` : null;
  } catch {
    return null;
  }
}

/** go-livepeer panics for 0 and less. */
function readPollMs(seconds: number, mistakes: Mistake[]): number {
  if (seconds > 0) return Math.min(seconds * 1_000, longestTimerMs);
  mistakes.push({
    flag: "blockPollingInterval",
    text: `-blockPollingInterval must be greater than 0, provided ${seconds}`,
    fix: "Give whole seconds, such as -blockPollingInterval 5.",
    exitCode: 2,
  });
  return longestTimerMs;
}

/** A further key; its pass phrase alone means nothing. */
function readKey(
  { values, readFile }: RuleInput,
  role: "reward" | "redeemer",
  { mistakes, notices }: Findings,
): KeyChoice | null {
  const [flag, passwordFlag] = [`${role}AcctAddr`, `${role}Password`] as const;
  if (values[flag] === "") {
    if (values[passwordFlag] !== "") notices.push(`-${passwordFlag} has no effect without -${flag}.`);
    return null;
  }
  const account = readAccount(flag, values[flag], mistakes);
  return account === null ? null : { account, password: readSecret(values[passwordFlag], readFile) };
}

/** Unlike with go-livepeer nobody has to be there when we start. */
function readRemoteRedeemer(
  { values, sources }: RuleInput,
  { mistakes, notices }: Findings,
): HostPort | null {
  const text = values.redeemerAddr;
  if (text === "") return null;
  const parsed = completeAddress(text, { host: "127.0.0.1", port: REDEEMER_PORT });
  if (parsed.type === "bad" || parsed.value.port === 0) {
    mistakes.push({
      flag: "redeemerAddr",
      text: `-redeemerAddr: ${parsed.type === "bad" ? parsed.reason : "port 0 cannot be dialled"}`,
      fix: `Give host and port of the redeemer, such as -redeemerAddr 10.0.0.7:${REDEEMER_PORT}.`,
      exitCode: 1,
    });
    return null;
  }
  if (values.redeem && sources.has("redeem")) {
    notices.push("-redeem has no effect with -redeemerAddr: the redeemer redeems, this node does not.");
  }
  return parsed.value;
}

/** The registry of the AI network stands in no Controller: only on Arbitrum One it is known. */
function readAiServiceRegistry(
  { values }: RuleInput,
  builtIn: Hex | null,
  { mistakes, notices }: Findings,
): Hex | null {
  const text = values.aiServiceRegistryAddr;
  const given = text === "" ? null : readAccount("aiServiceRegistryAddr", text, mistakes);
  if (!values.aiServiceRegistry) {
    if (text !== "") notices.push("-aiServiceRegistryAddr has no effect without -aiServiceRegistry.");
    return null;
  }
  if (text === "" && builtIn === null) {
    mistakes.push({
      flag: "aiServiceRegistry",
      text: `-aiServiceRegistry: no service registry of the AI network is known on -network ${values.network}`,
      fix: "Give its address with -aiServiceRegistryAddr, or take -aiServiceRegistry out.",
      exitCode: 1,
    });
  }
  return given ?? (text === "" ? builtIn : null);
}

function readGasPrices({ values }: RuleInput, minDefault: bigint, mistakes: Mistake[]) {
  const minGasPrice = values.minGasPrice ?? minDefault;
  const maxGasPrice = values.maxGasPrice ?? 0n;
  for (const [flag, price] of [
    ["minGasPrice", minGasPrice],
    ["maxGasPrice", maxGasPrice],
  ] as const) {
    if (price >= 0n) continue;
    mistakes.push({
      flag,
      text: `-${flag} must not be negative, provided ${price}`,
      fix: `Give wei per gas, such as -${flag} 1000000000, or leave it out.`,
      exitCode: 1,
    });
  }
  if (maxGasPrice > 0n && maxGasPrice < minGasPrice) {
    mistakes.push({
      flag: "maxGasPrice",
      text: `-maxGasPrice ${maxGasPrice} is below the lowest gas price, ${minGasPrice}`,
      fix: "Raise -maxGasPrice, lower -minGasPrice, or leave one of them out.",
      exitCode: 1,
    });
  }
  return { minGasPrice, maxGasPrice: maxGasPrice > 0n ? maxGasPrice : null };
}
