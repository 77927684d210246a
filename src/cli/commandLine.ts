import { findFlag, flagOf, suggestFlag } from "../config/flagTable.ts";
import { UsageError } from "./cliError.ts";

/** Options of commands. Flags of the node, which may stand anywhere between them, have other names. */
const optionKinds = {
  yes: "switch",
  json: "switch",
  help: "switch",
  unsigned: "text",
  timeout: "text",
  to: "text",
  lock: "text",
  reason: "text",
  registry: "text",
  aiRegistry: "text",
  rewardCut: "text",
  feeCut: "text",
  serviceUri: "text",
  nonce: "text",
} as const satisfies Readonly<Record<string, "switch" | "text">>;

type OptionName = keyof typeof optionKinds;

/** What was given, by name: `true` for a switch. */
export type Options = {
  readonly [Name in OptionName]?: (typeof optionKinds)[Name] extends "switch" ? true : string;
};

/** A command line, taken apart. */
export type CommandLine = {
  /** The command and its words. */
  readonly words: readonly string[];
  readonly options: Options;
  /** Flags of the node, untouched, for its own parser. */
  readonly nodeArgv: readonly string[];
};

/**
 * Takes a command line apart: words, options of commands and flags of the node, in any order. One or two dashes.
 *
 * @throws UsageError for an unknown name, or a value that is missing
 */
export function readCommandLine(argv: readonly string[]): CommandLine {
  const words: string[] = [];
  const nodeArgv: string[] = [];
  const options: Record<string, true | string> = {};
  let index = argv[0] === "--" ? 1 : 0;
  const valueBehind = (name: string): string => {
    const value = argv[index++];
    if (value === undefined) throw new UsageError(`\`--${name}\` needs its value behind it.`);
    return value;
  };
  while (index < argv.length) {
    const word = argv[index++] ?? "";
    const match = /^--?([A-Za-z][^=]*)(?:=(.*))?$/s.exec(word);
    if (match === null) {
      if (word.startsWith("-"))
        throw new UsageError(`\`${shown(word)}\` is no option, and amounts are not negative.`);
      words.push(word);
      continue;
    }
    const [, typed = "", inline] = match;
    const name = typed === "h" ? "help" : typed;
    const kind = Object.hasOwn(optionKinds, name) ? optionKinds[name as OptionName] : null;
    if (kind !== null) {
      if (kind === "switch" && inline !== undefined) throw new UsageError(`\`--${name}\` takes no value.`);
      if (Object.hasOwn(options, name)) throw new UsageError(`\`--${name}\` was given twice.`);
      options[name] = kind === "switch" ? true : (inline ?? valueBehind(name));
      continue;
    }
    const flag = findFlag(name);
    if (flag === null) throw unknownOption(name);
    nodeArgv.push(word);
    if (inline === undefined && flagOf(flag).kind !== "bool") nodeArgv.push(valueBehind(name));
  }
  return { words, options: options as Options, nodeArgv };
}

/** Refuses options that a command has no use for: a mistyped wish must not be dropped in silence. */
export function allowOptions(command: string, options: Options, allowed: readonly OptionName[]): void {
  const always: readonly string[] = ["json", "help", "aiRegistry"];
  const stray = Object.keys(options).find(
    (name) => !always.includes(name) && !(allowed as readonly string[]).includes(name),
  );
  if (stray !== undefined) throw new UsageError(`\`${command}\` takes no \`--${stray}\`.`);
}

function unknownOption(name: string): UsageError {
  const near =
    Object.keys(optionKinds).find((known) => known.toLowerCase() === name.toLowerCase()) ?? suggestFlag(name);
  const hint = near === null ? undefined : `Did you mean --${near}? Names are case-sensitive.`;
  return new UsageError(`There is no option \`--${shown(name)}\`.`, hint);
}

function shown(text: string): string {
  return text.length > 60 ? `${text.slice(0, 60)}…` : text;
}
