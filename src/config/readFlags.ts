import type { AnyFlag } from "./flag.ts";
import {
  environmentName,
  type FlagName,
  type FlagSource,
  type FlagValues,
  findFlag,
  flagNames,
  flagOf,
  suggestFlag,
} from "./flagTable.ts";
import { type BadValueReason, isBooleanWord } from "./goValues.ts";
import type { Mistake } from "./mistake.ts";

/** What a path turned out to be. Readers never throw: whatever happens is one of these. */
export type FileContent =
  | { readonly type: "file"; readonly text: string }
  | { readonly type: "missing" }
  | { readonly type: "directory" }
  | { readonly type: "unreadable"; readonly reason: string };

export type ReadFile = (path: string) => FileContent;

/** The flags as they were given: each value with the place that won. */
export type GivenFlags = {
  readonly values: FlagValues;
  readonly sources: ReadonlyMap<FlagName, FlagSource>;
  readonly mistakes: readonly Mistake[];
  readonly notices: readonly string[];
  /** `-h`, `-help`, `--help`. */
  readonly isHelpAsked: boolean;
};

type Draft = {
  readonly values: Map<FlagName, unknown>;
  readonly sources: Map<FlagName, FlagSource>;
  readonly mistakes: Mistake[];
  readonly notices: string[];
};

/**
 * Reads command line, environment and config file, in falling priority, by go-livepeer's rules.
 *
 * Two differences on purpose. Go stops in silence at the first word that is no flag (`-reward false -monitor`
 * leaves `reward` true and forgets `-monitor`): here that is a mistake, and reading goes on so that all mistakes
 * show together. And `datadir` and `dataDir` are one flag.
 *
 * Source: go-livepeer cmd/livepeer/livepeer.go main; peterbourgon/ff v3.4.0 Parse and PlainParser.
 */
export function readFlags(
  argv: readonly string[],
  environment: Readonly<Record<string, string | undefined>>,
  readFile: ReadFile,
): GivenFlags {
  const draft: Draft = { values: new Map(), sources: new Map(), mistakes: [], notices: [] };
  const isHelpAsked = readCommandLine(argv, draft);
  readEnvironment(environment, draft);
  const configPath = draft.values.get("config");
  if (typeof configPath === "string" && configPath !== "") readConfigFile(configPath, readFile, draft);
  return {
    values: withDefaults(draft.values),
    sources: draft.sources,
    mistakes: draft.mistakes,
    notices: draft.notices,
    isHelpAsked,
  };
}

function withDefaults(given: ReadonlyMap<FlagName, unknown>): FlagValues {
  const entries = flagNames.map((name) => [name, given.has(name) ? given.get(name) : flagOf(name).default]);
  // Every value came from the `parse` of its own row, which is what FlagValues says.
  return Object.freeze(Object.fromEntries(entries)) as FlagValues;
}

function readCommandLine(argv: readonly string[], draft: Draft): boolean {
  let isHelpAsked = false;
  // `bun run orchestrator -- -v 4` may hand the separating dashes on.
  let index = argv[0] === "--" ? 1 : 0;
  while (index < argv.length) {
    const word = argv[index++] ?? "";
    if (word === "--") {
      // Nothing to lose behind it is no mistake; otherwise Go would forget the rest in silence.
      if (index < argv.length) draft.mistakes.push(strayWord(word, null));
      continue;
    }
    const match = /^--?([^-=][^=]*)(?:=(.*))?$/s.exec(word);
    if (match === null) {
      draft.mistakes.push(
        word.startsWith("-") && word !== "-" ? badSyntax(word) : strayWord(word, argv[index - 2]),
      );
      continue;
    }
    const [, typedName = "", inlineValue] = match;
    if (typedName === "h" || typedName === "help") {
      isHelpAsked = true;
      continue;
    }
    const name = findFlag(typedName);
    if (name === null) {
      draft.mistakes.push(unknownFlag(typedName));
      // A value that belongs to the unknown flag is no second mistake.
      if (inlineValue === undefined && index < argv.length && !argv[index]?.startsWith("-")) index++;
      continue;
    }
    const flag = flagOf(name);
    let text = inlineValue;
    if (text === undefined && flag.kind === "bool") text = "true";
    if (text === undefined) {
      if (index >= argv.length) {
        draft.mistakes.push(needsArgument(typedName, flag));
        continue;
      }
      text = argv[index++] ?? "";
    }
    setValue(draft, name, text, "command line", (reason) =>
      commandLineValueText(typedName, flag, text, reason),
    );
  }
  return isHelpAsked;
}

function readEnvironment(environment: Readonly<Record<string, string | undefined>>, draft: Draft): void {
  for (const name of flagNames) {
    const variable = environmentName(name);
    const text = environment[variable];
    if (text === undefined || text === "" || draft.sources.has(name)) continue;
    setValue(
      draft,
      name,
      text,
      "environment",
      (reason) =>
        "Error parsing config: error parsing environment variables: error setting flag " +
        `"${name}" from environment variable "${variable}": ${reason}`,
    );
  }
  const known = new Set(flagNames.map(environmentName));
  for (const variable of Object.keys(environment)
    .filter((key) => /^LP_[A-Za-z0-9_]+$/.test(key))
    .sort()) {
    if (known.has(variable)) continue;
    const meant = suggestFlag(variable.slice(3));
    const hint = meant === null ? "" : ` Did you mean ${environmentName(meant)}?`;
    draft.notices.push(`The environment variable ${variable} is not a setting and has no effect.${hint}`);
  }
}

/** Source: ff v3.4.0 PlainParser: one `name value` on a line, ` #` starts a comment, a bare name means true. */
function readConfigFile(path: string, readFile: ReadFile, draft: Draft): void {
  const content = readFile(path);
  if (content.type !== "file") {
    draft.mistakes.push(unreadableConfig(path, content));
    return;
  }
  const setHigherUp = new Set(draft.sources.keys());
  for (const rawLine of content.text.split("\n")) {
    const line = rawLine.trim();
    if (line === "" || line.startsWith("#")) continue;
    const space = line.indexOf(" ");
    const key = space < 0 ? line : line.slice(0, space);
    const tail = space < 0 ? "true" : line.slice(space).trim();
    const comment = tail.indexOf(" #");
    const text = comment < 0 ? tail : tail.slice(0, comment).trim();
    const name = findFlag(key) ?? flagNames.find((candidate) => environmentName(candidate) === key) ?? null;
    if (name === null) {
      draft.mistakes.push(unknownConfigKey(key));
    } else if (!setHigherUp.has(name)) {
      setValue(
        draft,
        name,
        text,
        "config file",
        (reason) => `Error parsing config: error setting flag "${name}" from config file: ${reason}`,
      );
    }
  }
}

function setValue(
  draft: Draft,
  name: FlagName,
  text: string,
  source: FlagSource,
  mistakeText: (reason: BadValueReason) => string,
): void {
  const flag = flagOf(name);
  const parsed = flag.parse(text);
  draft.sources.set(name, source);
  if (parsed.type === "value") {
    draft.values.set(name, parsed.value);
    return;
  }
  const exitCode = source === "command line" ? 2 : 1;
  draft.mistakes.push({ flag: name, text: mistakeText(parsed.reason), fix: valueFix(name, flag), exitCode });
}

function commandLineValueText(
  typedName: string,
  flag: AnyFlag,
  text: string,
  reason: BadValueReason,
): string {
  // A mistyped secret must not come back in an error text.
  const shown = flag.secrecy === "public" ? text : "***";
  return flag.kind === "bool"
    ? `invalid boolean value "${shown}" for -${typedName}: ${reason}`
    : `invalid value "${shown}" for flag -${typedName}: ${reason}`;
}

function valueFix(name: FlagName, flag: AnyFlag): string {
  switch (flag.kind) {
    case "bool":
      return `Write -${name} or -${name}=true to switch it on, -${name}=false to switch it off.`;
    case "duration":
      return `Give a duration with its unit, such as ${flag.defaultText === "0s" ? "10s" : flag.defaultText}.`;
    case "float64":
      return `Give a number, such as ${flag.defaultText}.`;
    default:
      return `Give a whole number of at most 63 bits, such as ${flag.defaultText}.`;
  }
}

function needsArgument(typedName: string, flag: AnyFlag): Mistake {
  return {
    flag: typedName,
    text: `flag needs an argument: -${typedName}`,
    fix: `Give the value behind it: -${typedName} <${flag.kind}>.`,
    exitCode: 2,
  };
}

function badSyntax(word: string): Mistake {
  return {
    flag: null,
    text: `bad flag syntax: ${word}`,
    fix: "Write -name, -name value or -name=value, with one or two dashes.",
    exitCode: 2,
  };
}

function unknownFlag(typedName: string): Mistake {
  const meant = suggestFlag(typedName);
  return {
    flag: null,
    text: `flag provided but not defined: -${typedName}`,
    fix:
      meant === null
        ? "Take it out; -help lists every flag."
        : `Did you mean -${meant}? Names are case-sensitive; -help lists every flag.`,
    exitCode: 2,
  };
}

function strayWord(word: string, before: string | undefined | null): Mistake {
  const previous = /^--?([^-=][^=]*)$/.exec(before ?? "")?.[1] ?? null;
  const name = previous === null ? null : findFlag(previous);
  const belongsTo = name !== null && flagOf(name).kind === "bool" && isBooleanWord(word) ? name : null;
  return {
    flag: belongsTo,
    text: `\`${word}\` is not a flag: go-livepeer would ignore it and everything behind it`,
    fix:
      belongsTo === null
        ? "Take it out, or put the flag that it belongs to in front of it."
        : `A switch takes its value behind an equals sign: write -${belongsTo}=${word}.`,
    exitCode: 2,
  };
}

function unknownConfigKey(key: string): Mistake {
  const bare = key.replace(/^-+/, "").split(/[=\t]/)[0] ?? "";
  const name = findFlag(bare) ?? suggestFlag(bare);
  return {
    flag: null,
    // Go quotes the key: a tab shows as \t, a quotation mark as \".
    text: `Error parsing config: config file flag ${JSON.stringify(key)} not defined in flag set`,
    fix:
      name === null
        ? "Take the line out; each line is `name value` with the name of a flag."
        : `Write \`${name} value\`: no dash, a space between name and value, case as shown.`,
    exitCode: 1,
  };
}

function unreadableConfig(path: string, content: Exclude<FileContent, { type: "file" }>): Mistake {
  const reasons = {
    missing: `open ${path}: no such file or directory`,
    directory: `read ${path}: is a directory`,
    unreadable: `read ${path}: ${content.type === "unreadable" ? content.reason : ""}`,
  } as const;
  return {
    flag: "config",
    text: `Error parsing config: ${reasons[content.type]}`,
    fix: "Give the path of a readable file behind -config, or leave it out.",
    exitCode: 1,
  };
}
