import { buildConfig } from "./buildConfig.ts";
import type { Config } from "./config.ts";
import { statusOn } from "./flag.ts";
import { type FlagName, type FlagSource, type FlagValues, flagNames, flagOf } from "./flagTable.ts";
import { renderHelp, renderMistJson } from "./helpText.ts";
import { type Mistake, renderMistakes } from "./mistake.ts";
import { offchainNetwork } from "./networks.ts";
import { type ReadFile, readFlags } from "./readFlags.ts";
import { changedSettings, renderSettingsTable, type Setting } from "./settingsTable.ts";

/** Everything that `parseConfig` may look at. It touches nothing else: no file, no clock, no network. */
export type ParseConfigOptions = {
  /** The words after the program's own name. A leading `--` is skipped. */
  readonly argv: readonly string[];
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly readFile: ReadFile;
  /** Home folder of the user; "" when there is none. */
  readonly homeDir: string;
  /** What this build is, for `-version`. */
  readonly build: {
    /** For example `0.1.0`. */
    readonly version: string;
    /** For example `bun 1.4.5`. */
    readonly runtime: string;
    /** For example `x64`. */
    readonly architecture: string;
    /** For example `linux`. */
    readonly operatingSystem: string;
  };
};

export type ParseConfigResult =
  | {
      readonly type: "config";
      readonly config: Config;
      /** One line each, for the log: what was assumed and which settings change nothing. */
      readonly notices: readonly string[];
      readonly settings: readonly Setting[];
      /** For stdout; "" when every setting has its default. */
      readonly settingsTable: string;
    }
  /** Print the text on stdout and exit with 0. */
  | { readonly type: "help" | "version" | "json"; readonly text: string }
  | {
      readonly type: "mistakes";
      readonly mistakes: readonly Mistake[];
      /** For stderr: every mistake with its fix. */
      readonly text: string;
      readonly exitCode: 1 | 2;
    };

/**
 * Reads command line, environment and config file into a frozen {@link Config}.
 *
 * All mistakes come together. Priority is command line, environment, config file, default. A go-livepeer command
 * line never meets an unknown flag: each one works, is accepted with a notice, or is refused with what to use
 * instead.
 *
 * Source: go-livepeer cmd/livepeer/livepeer.go main, cmd/livepeer/starter; operator sheet 1.
 */
export function parseConfig(options: ParseConfigOptions): ParseConfigResult {
  const given = readFlags(options.argv, options.env, options.readFile);
  if (given.isHelpAsked) return { type: "help", text: renderHelp() };
  const settings = changedSettings(given.values, given.sources);
  const settingsTable = renderSettingsTable(settings);
  if (given.mistakes.length === 0 && given.values.version) {
    return { type: "version", text: settingsTable + versionText(options.build) };
  }
  if (given.mistakes.length === 0 && given.values.j) {
    return { type: "json", text: renderMistJson(options.build.version) };
  }
  const status = checkStatus(given.values, given.sources);
  const built = buildConfig({ ...given, readFile: options.readFile, homeDir: options.homeDir });
  const mistakes = [...given.mistakes, ...built.mistakes, ...status.mistakes];
  const first = mistakes[0];
  if (first !== undefined) {
    return { type: "mistakes", mistakes, text: renderMistakes(mistakes), exitCode: first.exitCode };
  }
  const notices = [
    ...given.notices,
    ...built.notices,
    ...defaultNotices(given.sources, built.config),
    ...status.notices,
  ];
  return { type: "config", config: built.config, notices, settings, settingsTable };
}

/** Applies the `accepted` and `refused` statuses of the flag table to the flags that were changed. */
function checkStatus(values: FlagValues, sources: ReadonlyMap<FlagName, FlagSource>) {
  const mistakes: Mistake[] = [];
  const notices: string[] = [];
  const network = values.network === offchainNetwork ? "offchain" : "chain";
  for (const name of flagNames) {
    const flag = flagOf(name);
    const value: unknown = values[name];
    const status = statusOn(flag.status, network);
    if (status.type === "works" || !sources.has(name) || value === flag.default) continue;
    if (status.type === "accepted") notices.push(`-${name} ${status.notice}.`);
    // Switching off what we cannot do is what we do.
    else if (value !== false) {
      const text = `-${name} is not possible here`;
      mistakes.push({ flag: name, text, fix: status.instead, exitCode: 1 });
    }
  }
  return { mistakes, notices };
}

function defaultNotices(sources: ReadonlyMap<FlagName, FlagSource>, config: Config): readonly string[] {
  if (sources.has("serviceAddr") || config.node.role === "redeemer") return [];
  if (config.chain !== null) {
    return [
      "No -serviceAddr was given: gateways are told the address in the service registry once it was read, and " +
        `${config.node.serviceUri} until then.`,
    ];
  }
  return [
    `No -serviceAddr was given: gateways are told ${config.node.serviceUri}, which works on this machine only. ` +
      "Reprise asks no outside service for a public address.",
  ];
}

function versionText(build: ParseConfigOptions["build"]): string {
  return [
    `Livepeer Node Version: ${build.version}`,
    `Runtime version: ${build.runtime}`,
    `Architecture: ${build.architecture}`,
    `Operating system: ${build.operatingSystem}`,
    "",
  ].join("\n");
}
