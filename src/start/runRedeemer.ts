import type { Config } from "../config/config.ts";
import { checksumHex } from "../protocol/account.ts";
import { buildVersion } from "../shared/buildVersion.ts";
import type { Logger } from "../telemetry/logger.ts";
import type { Account } from "./openAccount.ts";
import { type RunningRedeemer, startRedeemer } from "./startRedeemer.ts";

/**
 * Starts the redeemer of a command line, tells the operator where it listens, and ends when told to. Resolves with the
 * exit code.
 *
 * @throws BaseError with what the operator can do
 */
export async function runRedeemer(
  config: Config,
  account: Promise<Account> | null,
  stopOnSignals: (running: { readonly logger: Logger }, stop: (code: number) => void) => void,
): Promise<number> {
  const stop = Promise.withResolvers<number>();
  const running = await startRedeemer({
    config,
    ...(account === null ? {} : { account }),
    onFatal: () => stop.resolve(1),
  });
  stopOnSignals(running, stop.resolve);
  announce(config, running);
  const code = await stop.promise;
  // A broken log cannot be drained: memory is ahead of the disk, and the disk is right.
  if (code !== 0) return code;
  return (await running.drain()) ? 0 : 1;
}

function announce(config: Config, { listener, operator, money }: RunningRedeemer): void {
  const { bind, isTls } = config.listener;
  const winners = money.money.solvency.totals();
  const lines = [
    "",
    `Reprise ${buildVersion} is a redeemer on the network ${config.chain?.network ?? ""}.`,
    `  it listens on          ${bind.host === "" ? "all interfaces" : bind.host}, port ${listener.port}${isTls ? " (TLS)" : " (clear text)"}`,
    `  operators reach it at  http://${operator.address.host}:${operator.address.port}`,
    `  its event log is in    ${config.storage.dataDir}`,
    `  it redeems tickets of  ${checksumHex(money.chain.recipient)}`,
    `  its account is         ${checksumHex(money.chainForOperator.account)}`,
    ...(winners.count > 0
      ? [`  it holds               ${winners.count} winning tickets worth ${winners.outstanding} wei`]
      : []),
    "",
    "Try next:",
    `  bun run orchestrator -- -redeemerAddr HOST:${listener.port}`,
    "      hands the winning tickets of an orchestrator over; the port asks nobody who he is: keep it private",
    `  bun run tickets list --dataDir ${config.storage.dataDir}`,
    "      shows the winning tickets, their deadlines and what is at risk",
    "Stop it with Ctrl-C.",
    "",
  ];
  process.stdout.write(`${lines.join("\n")}\n`);
}
