import { aiFlags } from "./aiFlags.ts";
import { chainFlags } from "./chainFlags.ts";
import type { AnyFlag, Flag } from "./flag.ts";
import { gatewayFlags } from "./gatewayFlags.ts";
import { nodeFlags, ownFlags } from "./nodeFlags.ts";

/** Every flag that Reprise knows, by its name. The only list: help, reference page and parser come from it. */
export const flagTable = {
  ...nodeFlags,
  ...chainFlags,
  ...aiFlags,
  ...gatewayFlags,
  ...ownFlags,
} as const;

export type FlagName = keyof typeof flagTable;

/** The parsed value of every flag, set or default. */
export type FlagValues = {
  readonly [Name in FlagName]: (typeof flagTable)[Name] extends Flag<infer Value> ? Value : never;
};

/** Where a value came from. Priority falls from left to right: command line, environment, file, default. */
export type FlagSource = "command line" | "environment" | "config file" | "default";

/**
 * Second spellings of one and the same flag. go-livepeer has `datadir` and `dataDir` as two flags, so that an
 * environment variable overrides the command line there; here they are one.
 */
export const flagAliases: Readonly<Record<string, FlagName>> = { datadir: "dataDir" };

export const flagNames: readonly FlagName[] = Object.keys(flagTable) as FlagName[];

/** The row of a flag, with its value type forgotten. */
export function flagOf(name: FlagName): AnyFlag {
  return flagTable[name];
}

/** Resolves a name as an operator types it, case counts. Null for a name that nobody knows. */
export function findFlag(typedName: string): FlagName | null {
  if (Object.hasOwn(flagTable, typedName)) return typedName as FlagName;
  return Object.hasOwn(flagAliases, typedName) ? (flagAliases[typedName] ?? null) : null;
}

/** The environment variable of a flag: `LP_` and the upper-cased name, without separators. */
export function environmentName(name: FlagName): string {
  return `LP_${name.toUpperCase()}`;
}

/** The row name of a flag in the settings table; null when it never shows there. */
export function settingsField(name: FlagName): string | null {
  const field = flagOf(name).field;
  return field === "" ? `${name.slice(0, 1).toUpperCase()}${name.slice(1)}` : field;
}

/** The known name that looks most like a mistyped one, or null when nothing comes near. */
export function suggestFlag(typedName: string): FlagName | null {
  const typed = typedName.toLowerCase().replaceAll(/[-_]/g, "");
  let best: FlagName | null = null;
  let bestDistance = Math.min(3, Math.ceil(typed.length / 3)) + 1;
  for (const name of flagNames) {
    const distance = editDistance(typed, name.toLowerCase(), bestDistance);
    if (distance < bestDistance) {
      best = name;
      bestDistance = distance;
    }
  }
  return best;
}

/** Levenshtein distance, given up (as `limit`) when the lengths alone differ by `limit` or more. */
function editDistance(a: string, b: string, limit: number): number {
  if (Math.abs(a.length - b.length) >= limit) return limit;
  let previous = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (let row = 1; row <= a.length; row++) {
    const current = [row];
    for (let column = 1; column <= b.length; column++) {
      const substitution = (previous[column - 1] ?? 0) + (a[row - 1] === b[column - 1] ? 0 : 1);
      current.push(Math.min((previous[column] ?? 0) + 1, (current[column - 1] ?? 0) + 1, substitution));
    }
    previous = current;
  }
  return previous[b.length] ?? limit;
}
