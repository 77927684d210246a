import { toHex } from "../../src/protocol/bytes.ts";
import type { Hex } from "../../src/shared/brand.ts";
import type { DevChain } from "./chain/devChain.ts";
import { cliFolder, type CliRun, type CliRunOptions, cliRun } from "./cliRun.ts";
import { writeKeystore } from "./keystores.ts";
import { accountOfPrivateKey } from "./signatures.ts";

/** An account with a key store of its own, and the commands as it gives them. */
export type CliOperator = {
  readonly account: Uint8Array;
  readonly hex: Hex;
  readonly privateKey: Uint8Array;
  readonly dataDir: string;
  /** The flags of its node. */
  readonly flags: readonly string[];
  /** Runs a command as this operator, saying yes. */
  cli(argv: readonly string[], options?: CliRunOptions): Promise<CliRun>;
  /** The same without `--yes`. */
  ask(argv: readonly string[], options?: CliRunOptions): Promise<CliRun>;
};

const oneUnit = 10n ** 18n;
let keysMade = 0;

/** Gives a new account ETH for gas and `tokens` LPT wei. */
export async function openCliOperator(
  chain: DevChain,
  tokens: bigint = 1_000n * oneUnit,
  privateKey: Uint8Array = freshCliKey(),
): Promise<CliOperator> {
  const account = accountOfPrivateKey(privateKey);
  const dataDir = cliFolder();
  writeKeystore(`${dataDir}/keystore`, privateKey, "secret");
  await chain.giveEther(account, 10n * oneUnit);
  if (tokens > 0n) await chain.giveTokens(account, tokens);
  const flags = [
    ...["-network", "devnet", "-ethUrl", chain.anvil.url, "-ethController", chain.controller],
    ...["-ethPassword", "secret", "-dataDir", dataDir],
  ];
  const ask = (argv: readonly string[], options: CliRunOptions = {}) => cliRun([...argv, ...flags], options);
  const cli = (argv: readonly string[], options?: CliRunOptions) => ask([...argv, "--yes"], options);
  return { account, hex: toHex(account), privateKey, dataDir, flags, ask, cli };
}

/** A private key that no other call has given. */
export function freshCliKey(): Uint8Array {
  keysMade += 1;
  const key = new Uint8Array(32).fill(0x37);
  key[31] = keysMade;
  return key;
}

/** The run, when it ended well. @throws Error with all that it said */
export function goodRun(run: CliRun): CliRun {
  if (run.code !== 0) throw new Error(`Exit code ${run.code}.\n${run.out}\n${run.err}`);
  return run;
}
