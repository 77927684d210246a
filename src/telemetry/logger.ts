import { BaseError, errorText } from "../shared/errors.ts";

/**
 * How much a line matters. `error` only for what needs a person: nothing that a remote peer does may cause one.
 */
export type LogLevel = "error" | "warn" | "info" | "debug" | "trace";

/** Values of a log line. Numbers carry their unit in the field's name; secrets print as `***` by their type. */
export type LogFields = Readonly<
  Record<string, string | number | bigint | boolean | null | undefined | Error | { toJSON(): string }>
>;

/** Writes structured lines. Cheap when a level is off: no text is built. */
export type Logger = {
  error(message: string, fields?: LogFields): void;
  warn(message: string, fields?: LogFields): void;
  info(message: string, fields?: LogFields): void;
  debug(message: string, fields?: LogFields): void;
  trace(message: string, fields?: LogFields): void;
  /** Whether lines of this level are written: ask before building costly fields. */
  isEnabled(level: LogLevel): boolean;
  /** A logger whose lines all carry `fields`, such as `correlationId` or `sessionId`. Shares the level. */
  child(fields: LogFields): Logger;
};

/** The verbosity of a whole process, shared by all its loggers and changed at run time by the operator port. */
export type Verbosity = {
  /** go-livepeer's number: up to 4 info, 5 debug, 6 and more trace. Any integer. */
  get(): number;
  set(verbosity: number): void;
};

export type LoggerOptions = {
  readonly verbosity: Verbosity;
  readonly format: "text" | "json";
  /** Receives one whole line with its line feed. Must not throw. */
  readonly write: (line: string) => void;
  /** Unix milliseconds. */
  readonly nowMs: () => number;
};

const levelRank: Readonly<Record<LogLevel, number>> = { error: 0, warn: 1, info: 2, debug: 3, trace: 4 };

/** Longest text of one field: what a peer sent must not fill the disk. */
const fieldCharactersMax = 2_000;

export function createVerbosity(initial: number): Verbosity {
  let current = initial;
  return {
    get: () => current,
    set(verbosity) {
      current = verbosity;
    },
  };
}

/** The least important level that a verbosity still writes. */
export function levelOfVerbosity(verbosity: number): LogLevel {
  if (verbosity >= 6) return "trace";
  return verbosity === 5 ? "debug" : "info";
}

/** A root logger. See {@link Logger.child} for one per session or segment. */
export function createLogger(options: LoggerOptions): Logger {
  return loggerWith(options, {});
}

/** Writes lines to standard error. A reader that went away must not take the node with it. */
export function writeToStderr(line: string): void {
  try {
    process.stderr.write(line);
  } catch {
    // There is nowhere left to say it.
  }
}

function loggerWith(options: LoggerOptions, bound: LogFields): Logger {
  const { verbosity } = options;
  const isEnabled = (level: LogLevel) =>
    levelRank[level] <= 2 || levelRank[level] <= levelRank[levelOfVerbosity(verbosity.get())];
  const line = (level: LogLevel, message: string, fields: LogFields | undefined) => {
    if (!isEnabled(level)) return;
    const all = fields === undefined ? bound : { ...bound, ...fields };
    const time = new Date(options.nowMs()).toISOString();
    options.write(
      options.format === "json" ? jsonLine(time, level, message, all) : textLine(time, level, message, all),
    );
  };
  return {
    error: (message, fields) => line("error", message, fields),
    warn: (message, fields) => line("warn", message, fields),
    info: (message, fields) => line("info", message, fields),
    debug: (message, fields) => line("debug", message, fields),
    trace: (message, fields) => line("trace", message, fields),
    isEnabled,
    child: (fields) => loggerWith(options, { ...bound, ...fields }),
  };
}

const reservedNames: ReadonlySet<string> = new Set(["time", "level", "msg"]);

function jsonLine(time: string, level: LogLevel, message: string, fields: LogFields): string {
  const record: Record<string, string | number | boolean | null> = { time, level, msg: clip(message) };
  for (const [name, value] of flatten(fields)) {
    // A field never hides what the line itself says.
    record[reservedNames.has(name) ? `${name}_` : name] = value;
  }
  return `${JSON.stringify(record)}\n`;
}

function textLine(time: string, level: LogLevel, message: string, fields: LogFields): string {
  let text = `${time} ${level.toUpperCase().padEnd(5)} ${escapeControls(clip(message))}`;
  for (const [name, value] of flatten(fields)) text += ` ${name}=${quoteIfNeeded(String(value))}`;
  return `${text}\n`;
}

/** Errors become their message and code, bigints decimal text; `undefined` is left out. */
function* flatten(fields: LogFields): Generator<readonly [string, string | number | boolean | null]> {
  for (const [name, value] of Object.entries(fields)) {
    if (value === undefined) continue;
    if (value instanceof Error) {
      yield [name, clip(errorText(value))];
      if (value instanceof BaseError) yield [`${name}Code`, value.code];
    } else if (typeof value === "string") {
      yield [name, clip(value)];
    } else if (typeof value === "bigint") {
      yield [name, value.toString()];
    } else if (typeof value === "object" && value !== null) {
      yield [name, clip(value.toJSON())];
    } else {
      yield [name, typeof value === "number" && !Number.isFinite(value) ? String(value) : value];
    }
  }
}

function clip(text: string): string {
  return text.length <= fieldCharactersMax ? text : `${text.slice(0, fieldCharactersMax)}…`;
}

function quoteIfNeeded(text: string): string {
  return text !== "" && /^[!#-<>-~]+$/.test(text) ? text : JSON.stringify(escapeControls(text));
}

/** Line feeds and terminal escapes in what a peer sent must not forge lines or colours. */
function escapeControls(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: finding them is the point.
  return text.replaceAll(/[\u0000-\u001f\u007f-\u009f\u2028\u2029]/g, (character) => {
    return `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`;
  });
}
