import type { CommandOutput } from "../replay/terminal.ts";
import { BaseError } from "../shared/errors.ts";

/** Runs a command; what is wrong with its words or its files becomes a line and the exit code 2. */
export async function guarded(output: CommandOutput, run: () => Promise<number>): Promise<number> {
  try {
    return await run();
  } catch (error) {
    // `parseArgs` throws TypeErrors.
    if (error instanceof BaseError || error instanceof TypeError) {
      output.printError(error.message);
      return 2;
    }
    throw error;
  }
}

/** One of the words that an option knows. Throws {@link CommandUsageError}. */
export function oneOfWords<const Word extends string>(
  name: string,
  words: readonly Word[],
  value: string,
): Word {
  const found = words.find((word) => word === value);
  if (found !== undefined) return found;
  throw new CommandUsageError(`\`--${name}\` is ${words.join(", ")}, not \`${value}\`.`);
}

/** A gateway's account in the form of the log, lower-case `0x…`; undefined when none was named. */
export function accountOption(name: string, value: string | undefined): string | undefined {
  if (value === undefined || /^0x[0-9a-fA-F]{40}$/.test(value)) return value?.toLowerCase();
  throw new CommandUsageError(`\`--${name}\` takes an account such as 0x52…, 40 digits, not \`${value}\`.`);
}

/** A whole number from 0 on; undefined when none was named. */
export function wholeNumberOption(name: string, value: string | undefined): bigint | undefined {
  if (value === undefined) return undefined;
  if (/^[0-9]{1,18}$/.test(value)) return BigInt(value);
  throw new CommandUsageError(`\`--${name}\` takes a whole number, not \`${value}\`.`);
}

/**
 * A moment in Unix milliseconds. A bare date is its day in UTC: the beginning of it, or with `isEnd` the end, so
 * that `--from` and `--to` both include the day that they name.
 */
export function momentOption(name: string, value: string | undefined, isEnd: boolean): number | undefined {
  if (value === undefined) return undefined;
  const isDay = /^\d{4}-\d{2}-\d{2}$/.test(value);
  const isMoment = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}(:\d{2}(\.\d{1,3})?)?(Z|[+-]\d{2}:\d{2})$/.test(value);
  const ms = isDay || isMoment ? Date.parse(value) : Number.NaN;
  // `2026-02-30` is read as a day in March.
  if (Number.isNaN(ms) || (isDay && !new Date(ms).toISOString().startsWith(value))) {
    throw new CommandUsageError(
      `\`--${name}\` takes a day such as 2026-01-31 or a moment such as 2026-01-31T12:00:00Z, not \`${value}\`.`,
    );
  }
  return isDay && isEnd ? ms + dayMs : ms;
}

const dayMs = 86_400_000;

/** The command line asks for something that does not exist. */
export class CommandUsageError extends BaseError {
  constructor(message: string) {
    super(message, { code: "COMMAND_USAGE", disposition: "reject", action: "`--help` shows how." });
  }
}
