import type { Hex } from "../shared/brand.ts";
import { readAccount } from "./accountText.ts";
import type { RuleInput } from "./buildConfig.ts";
import type { ChainConfig } from "./config.ts";
import type { Findings } from "./findings.ts";
import type { Mistake } from "./mistake.ts";
import { networkOf, offchainNetwork } from "./networks.ts";
import { readSecret } from "./readSecret.ts";
import { Secret } from "./secret.ts";

/*
 * The rules about the chain: which one, through which node, and as whom. Off-chain none of these flags is looked
 * at, so that what is left over from another network does no harm.
 */

/** Longest timer that the runtime keeps. */
const pollMsMax = 2 ** 31 - 1;

/**
 * What the chain flags say; null off-chain.
 *
 * Source: operator sheet 1.5, 1.8; chain sheet 1.6, 7.6.
 */
export function readChain(input: RuleInput, dataDir: string, findings: Findings): ChainConfig | null {
  const { values } = input;
  if (values.network === offchainNetwork) return null;
  const { mistakes, notices } = findings;
  const network = networkOf(values.network);
  const { keystorePath, accountText } = readKeystore(input, dataDir, mistakes);
  const password = readSecret(values.ethPassword, input.readFile);
  notices.push(
    "Reprise does not call reward, start rounds or redeem tickets yet: it keeps winning tickets with their deadlines. " +
      "For rewards run `livepeer -reward` beside it.",
  );
  return {
    network: values.network,
    url: readUrl(values.ethUrl, mistakes),
    controller: readController(input, network.controller, mistakes),
    accountText,
    keystorePath,
    password,
    recipient: values.ethOrchAddr === "" ? null : readAccount("ethOrchAddr", values.ethOrchAddr, mistakes),
    pollMs: readPollMs(values.blockPollingInterval, mistakes),
    ...readGasPrices(input, network.minGasPrice, mistakes),
    redeemGas: network.redeemGas,
    priceFeed: readAccount("priceFeedAddr", values.priceFeedAddr, mistakes) ?? nobody,
  };
}

/** Stands in where a mistake was found. */
const nobody: Hex = `0x${"0".repeat(40)}`;

/** The text of a mistake never holds the URL, because the URL may hold a key. */
function readUrl(text: string, mistakes: Mistake[]): Secret {
  const fix = "Give the endpoint of an Ethereum node, such as -ethUrl https://arb1.example/KEY.";
  if (text === "") {
    mistakes.push({
      flag: "ethUrl",
      text: "Need to specify an Ethereum node JSON-RPC URL using -ethUrl",
      fix,
      exitCode: 1,
    });
    return new Secret("");
  }
  const scheme = URL.canParse(text) ? new URL(text).protocol.slice(0, -1) : "";
  if (scheme !== "http" && scheme !== "https") {
    mistakes.push({
      flag: "ethUrl",
      text: `Failed to connect to Ethereum client: no known transport for URL scheme ${JSON.stringify(scheme)}`,
      fix,
      exitCode: 1,
    });
  }
  return new Secret(text);
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
  if (seconds > 0) return Math.min(seconds * 1_000, pollMsMax);
  mistakes.push({
    flag: "blockPollingInterval",
    text: `-blockPollingInterval must be greater than 0, provided ${seconds}`,
    fix: "Give whole seconds, such as -blockPollingInterval 5.",
    exitCode: 2,
  });
  return pollMsMax;
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
