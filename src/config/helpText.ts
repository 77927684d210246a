import { type AnyFlag, type FlagGroup, isUseful } from "./flag.ts";
import { environmentName, type FlagName, flagNames, flagOf } from "./flagTable.ts";

/** Titles of the flag groups, in the order in which they are shown. */
export const groupTitles: Readonly<Record<FlagGroup, string>> = {
  node: "The node",
  transcoding: "Transcoding",
  monitoring: "Metrics and events",
  own: "Only in Reprise",
  chain: "Chain, prices and tickets",
  ai: "AI jobs and live runners",
  gateway: "Gateways",
  signer: "Remote signers",
};

export const groupOrder: readonly FlagGroup[] = Object.keys(groupTitles) as FlagGroup[];

/** The flags of one group, in table order. */
export function flagsInGroup(group: FlagGroup): readonly (readonly [FlagName, AnyFlag])[] {
  return flagNames.map((name) => [name, flagOf(name)] as const).filter(([, flag]) => flag.group === group);
}

/** The text of `-help`: what works first, then one line for each flag that is only known. */
export function renderHelp(): string {
  const lines = [
    "Usage of reprise: orchestrator [flags]",
    "",
    "Without flags: an off-chain orchestrator that transcodes on this machine.",
    `A flag is -name value or -name=value, with one or two dashes. Environment: ${environmentName("maxSessions")}=5. File: -config <path>.`,
  ];
  for (const group of groupOrder) {
    const working = flagsInGroup(group).filter(([, flag]) => isUseful(flag.status));
    if (working.length === 0) continue;
    lines.push("", `${groupTitles[group]}:`);
    for (const [name, flag] of working) lines.push(`  -${name} ${flag.kind}`, `        ${describe(flag)}`);
  }
  const rest = flagNames.filter((name) => !isUseful(flagOf(name).status));
  lines.push(
    "",
    "Flags of go-livepeer that are known but change nothing here, or are refused with what to use instead:",
  );
  lines.push(...wrapWords(rest.map((name) => `-${name}`)), "");
  return lines.join("\n");
}

function describe(flag: AnyFlag): string {
  return flag.defaultText === "" || flag.defaultText === "false"
    ? flag.help
    : `${flag.help} (default ${flag.defaultText})`;
}

function wrapWords(words: readonly string[]): readonly string[] {
  const lines: string[] = [];
  for (const word of words) {
    const last = lines.at(-1);
    if (last === undefined || last.length + word.length > 100) lines.push(`  ${word}`);
    else lines[lines.length - 1] = `${last} ${word}`;
  }
  return lines;
}

/**
 * The JSON of `-j`, by which MistServer learns the settings of a program it manages.
 *
 * Source: go-livepeer cmd/livepeer/livepeer.go, `-j`.
 */
export function renderMistJson(version: string): string {
  const optional = Object.fromEntries(
    flagNames.map((name) => {
      const flag = flagOf(name);
      const entry = {
        name,
        help: flag.help,
        option: `-${name}`,
        ...(flag.defaultText === "" || flag.kind === "bool" ? {} : { default: flag.defaultText }),
        ...(flag.kind === "bool" ? {} : { type: "str" }),
      };
      return [name, entry];
    }),
  );
  const description = "A Livepeer orchestrator that can be replayed.";
  return `${JSON.stringify({ name: "livepeer", desc: description, friendly: "Reprise", optional, version })}\n`;
}
