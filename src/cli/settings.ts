import { findKey } from "../chain/keystore.ts";
import { buildConfig } from "../config/buildConfig.ts";
import type { ChainConfig } from "../config/config.ts";
import type { HostPort } from "../config/addresses.ts";
import { renderMistakes } from "../config/mistake.ts";
import { offchainNetwork } from "../config/networks.ts";
import { readFlags, type ReadFile } from "../config/readFlags.ts";
import { fromHex, toHex } from "../protocol/bytes.ts";
import type { Hex } from "../shared/brand.ts";
import { UsageError } from "./cliError.ts";

/** Which node an operator speaks of: the part of its configuration that commands need. */
export type CliSettings = {
  readonly chain: ChainConfig;
  readonly dataDir: string;
  /** Where the node's operator port is. */
  readonly operator: HostPort;
  /** `-serviceAddr` as given; "" when it was not. */
  readonly serviceAddr: string;
};

/** Mistakes in other flags are the node's business: a price that is wrong does not keep anybody from unbonding. */
const ourFlags: ReadonlySet<string> = new Set([
  ...["network", "ethUrl", "ethController", "ethAcctAddr", "ethPassword", "ethKeystorePath", "ethOrchAddr"],
  ...["rewardAcctAddr", "rewardPassword", "redeemerAcctAddr", "redeemerPassword"],
  ...["aiServiceRegistry", "aiServiceRegistryAddr", "dataDir", "config", "cliAddr", "minGasPrice"],
  ...["maxGasPrice", "gasLimit", "confirmations", "transactionTimeout", "maxTransactionReplacements"],
]);

/**
 * Reads the node's own flags, environment and config file, and takes what commands need of them.
 *
 * @param argv - only flags of the node
 * @throws UsageError with every mistake in them
 */
export function readSettings(
  argv: readonly string[],
  outside: {
    readonly env: Readonly<Record<string, string | undefined>>;
    readonly readFile: ReadFile;
    readonly homeDir: string;
  },
): CliSettings {
  const given = readFlags(argv, outside.env, outside.readFile);
  const { values, sources } = given;
  const built = buildConfig({ values, sources, readFile: outside.readFile, homeDir: outside.homeDir });
  const mistakes = [
    ...given.mistakes,
    ...built.mistakes.filter(({ flag }) => flag !== null && ourFlags.has(flag)),
  ];
  if (mistakes.length > 0) {
    const text = renderMistakes(mistakes).replace(/^.*\n/, "").trimEnd();
    throw new UsageError(`The node's settings cannot be used:\n${text}`, "");
  }
  const { chain, storage, operator } = built.config;
  if (chain === null || values.network === offchainNetwork) {
    throw new UsageError(
      "These commands need a chain.",
      "Give -network and -ethUrl (and -ethController on a chain of your own), or the node's -config file.",
    );
  }
  return { chain, dataDir: storage.dataDir, operator: operator.bind, serviceAddr: values.serviceAddr };
}

/**
 * The account that transactions come from, lower-case: the one that was named, else the only one of the key store.
 * The key stays locked.
 *
 * @throws KeystoreError when none is named and there is not exactly one
 */
export function accountOf({ chain }: CliSettings): Hex {
  if (chain.accountText !== "") return toHex(fromHex(chain.accountText) ?? new Uint8Array(20));
  const { account, path } = findKey(chain.keystorePath, null);
  if (account === null) {
    throw new UsageError(`The key file ${path} does not name its account.`, "Name it with -ethAcctAddr.");
  }
  return toHex(account);
}
