import {
  type FlagName,
  type FlagSource,
  type FlagValues,
  flagNames,
  flagOf,
  settingsField,
} from "./flagTable.ts";

/** One setting that differs from its default, ready to print: secrets are `***` already. */
export type Setting = {
  readonly flag: FlagName;
  /** The row name that go-livepeer prints, such as `EthAcctAddr`. */
  readonly field: string;
  readonly valueText: string;
  readonly source: FlagSource;
};

/** The settings that differ from their defaults, in the order of the flag table. */
export function changedSettings(
  values: FlagValues,
  sources: ReadonlyMap<FlagName, FlagSource>,
): readonly Setting[] {
  const settings: Setting[] = [];
  for (const flag of flagNames) {
    const row = flagOf(flag);
    const field = settingsField(flag);
    const value: unknown = values[flag];
    if (field === null || value === row.default || row.print(value) === row.defaultText) continue;
    const valueText = row.secrecy === "secret" ? "***" : row.print(value);
    settings.push({ flag, field, valueText, source: sources.get(flag) ?? "default" });
  }
  return settings;
}

/**
 * The two-column table that go-livepeer prints on stdout at the start. Empty when nothing was changed.
 *
 * Source: go-livepeer cmd/livepeer/starter/starter.go PrintConfig.
 */
export function renderSettingsTable(settings: readonly Setting[]): string {
  if (settings.length === 0) return "";
  const fieldWidth = Math.max(...settings.map((setting) => setting.field.length));
  const valueWidth = Math.max(...settings.map((setting) => setting.valueText.length));
  const border = `*${"-".repeat(fieldWidth + 2)}*${"-".repeat(valueWidth + 2)}*`;
  const rows = settings.map(
    (setting) => `| ${setting.field.padEnd(fieldWidth)} | ${setting.valueText.padEnd(valueWidth)} |`,
  );
  return `${[border, ...rows, border].join("\n")}\n`;
}
