import { chainFault } from "../chain/chainFault.ts";
import { quantityOf } from "../chain/contractView.ts";
import { fromHex, toHex } from "../protocol/bytes.ts";
import { renderJson } from "../replay/render.ts";
import { BaseError } from "../shared/errors.ts";
import type { Hex } from "../shared/brand.ts";
import { parseAddress } from "./amounts.ts";
import { CliFailure, UsageError } from "./cliError.ts";
import { allowOptions, type Options, readCommandLine } from "./commandLine.ts";
import { type CliCommand, commands, good } from "./commands.ts";
import { type Context, nonceOf } from "./perform.ts";
import type { CliPorts, CliRpc } from "./ports.ts";
import { readAll, readState } from "./readState.ts";
import { accountOf, type CliSettings, readSettings } from "./settings.ts";
import { printable } from "./view.ts";

/** Seconds that a transaction is waited for unless `--timeout` says otherwise. */
const timeoutDefaultS = 600;

/**
 * Runs one `cli` command.
 *
 * @returns the exit code: 0 done, 1 the chain or a person refused it, 2 the command is wrong
 */
export async function runCli(argv: readonly string[], ports: CliPorts): Promise<number> {
  const { print } = ports.output;
  let rpc: CliRpc | null = null;
  let name: string | undefined;
  try {
    const { words, options, nodeArgv } = readCommandLine(argv);
    const [, ...rest] = words;
    name = words[0];
    const command = name === undefined ? null : commandOf(name);
    if (options.help === true || command === null || name === undefined) {
      print(command === null ? usageOfAll() : `bun run cli ${command.usage}\n\n  ${command.help}`);
      return options.help === true ? 0 : 2;
    }
    allowOptions(name, options, command.options);
    checkNonce(options);
    // What is wrong with the words is said before the chain is asked.
    const run = command.read(rest, options);
    const settings = readSettings(nodeArgv, ports);
    const timeoutMs = timeoutOf(options.timeout) * 1_000;
    rpc = ports.openRpc(settings);
    await checkNetwork(rpc, settings);
    const state = await readState(rpc, whoOf(settings, command, options));
    const context: Context = { command: name, ports, settings, options, rpc, state, timeoutMs };
    return await run(context);
  } catch (error) {
    if (!(error instanceof BaseError)) throw error;
    sayError(ports, error, name ?? null, argv);
    // What is wrong with settings and keys stands with the command line: nothing was tried.
    return error instanceof UsageError || error.code.startsWith("KEY") ? 2 : 1;
  } finally {
    rpc?.close();
  }
}

/** For people always; for a machine that has asked for a document, one on standard output too. */
function sayError(
  { output }: CliPorts,
  error: BaseError,
  command: string | null,
  argv: readonly string[],
): void {
  const clean = (text: string): string => text.split("\n").map(printable).join("\n").trimEnd();
  output.printError(clean(error.message));
  // The words may not even have been taken apart.
  if (!argv.some((word) => /^--?json$/.test(word))) return;
  const { action, shortMessage } = error;
  const advice = action === null || action === "" ? null : clean(action);
  const document = { command, result: "error", code: error.code, text: clean(shortMessage), advice };
  output.print(renderJson(document));
}

/**
 * An endpoint of another chain than `-network` names is found before its contracts are missed.
 *
 * @throws CliFailure
 */
async function checkNetwork(rpc: CliRpc, { chain }: CliSettings): Promise<void> {
  const { id } = await readAll(rpc, { id: quantityOf("eth_chainId") });
  const fault = chainFault(id, null, chain.network);
  if (fault !== null) throw new CliFailure(`${fault}.`, "Correct -network or -ethUrl.");
}

function commandOf(name: string): CliCommand {
  const command = Object.hasOwn(commands, name) ? commands[name] : undefined;
  if (command !== undefined) return command;
  throw new UsageError(
    `There is no command \`${printable(name.slice(0, 40))}\`.`,
    `Known: ${Object.keys(commands).join(", ")}.`,
  );
}

/** Rewards and new rounds may have keys of their own; everything else is the own account's. */
function whoOf(settings: CliSettings, command: CliCommand, options: Options) {
  const { chain } = settings;
  const role =
    command.role === "reward" ? chain.rewardKey : command.role === "redeemer" ? chain.redeemerKey : null;
  const own = role?.account ?? accountOf(settings);
  const node = role === null || chain.recipient !== null ? own : accountOf(settings);
  const orchestrator = chain.recipient === null ? node : lower(chain.recipient);
  const aiRegistry =
    options.aiRegistry === undefined ? chain.aiServiceRegistry : good(parseAddress(options.aiRegistry));
  return { controller: chain.controller, own: lower(own), orchestrator, aiRegistry };
}

function lower(account: Hex): Hex {
  return toHex(fromHex(account) ?? new Uint8Array(20));
}

/** Nonces of what this machine sends are the log's to give. */
function checkNonce({ nonce, unsigned }: Options): void {
  if (nonce === undefined) return;
  if (unsigned === undefined) throw new UsageError("`--nonce` goes with `--unsigned FILE` only.");
  nonceOf(nonce);
}

function timeoutOf(text: string | undefined): number {
  if (text === undefined) return timeoutDefaultS;
  if (/^\d{1,5}$/.test(text)) return Number(text);
  throw new UsageError("`--timeout` takes whole seconds.");
}

function usageOfAll(): string {
  const rows = Object.values(commands).map(({ usage, help }) => `  bun run cli ${usage}\n      ${help}`);
  return `What an operator does on the chain. Every action is shown and tried first, with its cost, and asked for.

${rows.join("\n")}

  AMOUNT       100, 0.5 (LPT or ETH), or 12wei; exact
  PERCENT      10 or 0.57; exact, four decimals
  --yes        do not ask
  --json       one JSON document, for machines; amounts in wei as text. Needs --yes to send
  --unsigned FILE   write the transactions for signing elsewhere, and send nothing; --nonce N for the first of them
  --timeout S  seconds to wait until a transaction is mined (${timeoutDefaultS}); it goes on afterwards
  --aiRegistry 0x…  the AI service registry, on a chain where it is not known

Which node: its own flags (-network, -ethUrl, -ethController, -ethAcctAddr, -ethOrchAddr, -ethKeystorePath,
-ethPassword, -dataDir, -cliAddr, -maxGasPrice), its environment variables, or its -config file. While a node runs on
the data folder, it sends; otherwise the command does, and leaves its traces in the same log.

Exit code: 0 done, 1 refused or failed, 2 the command or a setting is wrong.`;
}
