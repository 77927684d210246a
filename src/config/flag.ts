import {
  parseGoBoolean,
  parseGoDuration,
  parseGoFloat,
  parseGoInteger,
  type ParsedValue,
  printGoDuration,
} from "./goValues.ts";
import { redactUrl } from "./secret.ts";

/**
 * What happens when an operator sets a flag: it works; it is accepted and a one-line notice says why it changes
 * nothing here yet; or the start fails and says what to use instead.
 */
export type PlainStatus =
  | { readonly type: "works" }
  | { readonly type: "accepted"; readonly notice: string }
  | { readonly type: "refused"; readonly instead: string };

/** A {@link PlainStatus} everywhere, or one on a chain and an acceptance off-chain. */
export type FlagStatus =
  PlainStatus | { readonly type: "chain"; readonly onChain: PlainStatus; readonly offchainNotice: string };

/** Who has a use for the flag; groups the reference page and the help text. */
export type FlagGroup = "node" | "transcoding" | "monitoring" | "chain" | "ai" | "gateway" | "signer" | "own";

/** Type words as Go's usage text prints them; `-j` and the reference page show them. */
export type FlagKind = "bool" | "string" | "int" | "int64" | "float64" | "duration";

/** One row of the flag table. `Value` is what the rest of the program gets to see. */
export type Flag<Value> = {
  readonly kind: FlagKind;
  readonly group: FlagGroup;
  readonly status: FlagStatus;
  /** One line in our own words, without a full stop. */
  readonly help: string;
  readonly default: Value;
  /** The default as an operator would write it. */
  readonly defaultText: string;
  /** The row name in the start-up settings table; null for flags that never show there. */
  readonly field: string | null;
  /** Hidden in the settings table: altogether, or all of a URL (of each URL between commas) but its host. */
  readonly secrecy: "public" | "secret" | "url" | "urls";
  /** The value may name a file whose trimmed content is used instead. */
  readonly isFileOrLiteral: boolean;
  parse(text: string): ParsedValue<Value>;
  /** The value for the settings table. */
  print(value: Value): string;
};

/** Any row, when its value type does not matter. */
// biome-ignore lint/suspicious/noExplicitAny: a row's parse and print are contravariant in its value type.
export type AnyFlag = Flag<any>;

export type FlagOptions = {
  readonly field?: string | null;
  readonly secrecy?: "secret" | "url" | "urls";
  readonly isFileOrLiteral?: boolean;
};

export const works: PlainStatus = { type: "works" };

export function accepted(notice: string): PlainStatus {
  return { type: "accepted", notice };
}

export function refused(instead: string): PlainStatus {
  return { type: "refused", instead };
}

/** Accepted with a notice off-chain; `status` on a chain. */
export function onChain(status: PlainStatus): FlagStatus {
  return {
    type: "chain",
    onChain: status,
    offchainNotice: "has no effect off-chain: there are no payments and no chain to watch",
  };
}

/** What a status means on one kind of network. */
export function statusOn(status: FlagStatus, network: "offchain" | "chain"): PlainStatus {
  if (status.type !== "chain") return status;
  return network === "chain" ? status.onChain : accepted(status.offchainNotice);
}

/** Whether a flag does something on some network. */
export function isUseful(status: FlagStatus): boolean {
  return statusOn(status, "chain").type === "works";
}

/** Constructors of rows that share a group, so that a table reads as name, type, default, status, help. */
export function flagsOf(group: FlagGroup) {
  const common = (status: FlagStatus, help: string, options: FlagOptions) => ({
    group,
    status,
    help,
    // `undefined` stands for "derive it from the name"; the table builder fills it in.
    field: options.field === undefined ? "" : options.field,
    secrecy: options.secrecy ?? ("public" as const),
    isFileOrLiteral: options.isFileOrLiteral ?? false,
  });
  return {
    text(defaultText: string, status: FlagStatus, help: string, options: FlagOptions = {}): Flag<string> {
      return {
        ...common(status, help, options),
        kind: "string",
        default: defaultText,
        defaultText,
        parse: (text) => ({ type: "value", value: text }),
        print: (value) => {
          if (options.secrecy === "url") return redactUrl(value);
          return options.secrecy === "urls" ? value.split(",").map(redactUrl).join(",") : value;
        },
      };
    },
    /** A text that can be told apart from its default: `null` when nobody set it. */
    optionalText(shownDefault: string, status: FlagStatus, help: string): Flag<string | null> {
      return {
        ...common(status, help, {}),
        kind: "string",
        default: null,
        defaultText: shownDefault,
        parse: (text) => ({ type: "value", value: text }),
        print: (value) => value ?? "",
      };
    },
    toggle(
      defaultValue: boolean,
      status: FlagStatus,
      help: string,
      options: FlagOptions = {},
    ): Flag<boolean> {
      return {
        ...common(status, help, options),
        kind: "bool",
        default: defaultValue,
        defaultText: String(defaultValue),
        parse: parseGoBoolean,
        print: String,
      };
    },
    /** A toggle with a third state: `null` when nobody set it, whatever the shown default says. */
    optionalToggle(shownDefault: boolean, status: FlagStatus, help: string): Flag<boolean | null> {
      return {
        ...common(status, help, {}),
        kind: "bool",
        default: null,
        defaultText: String(shownDefault),
        parse: parseGoBoolean,
        print: String,
      };
    },
    /** A count that fits a double exactly. */
    count(defaultValue: number, status: FlagStatus, help: string, options: FlagOptions = {}): Flag<number> {
      return {
        ...common(status, help, options),
        kind: "int",
        default: defaultValue,
        defaultText: String(defaultValue),
        parse: parseCount,
        print: String,
      };
    },
    /** A whole number that may not fit a double. */
    big(defaultValue: bigint, status: FlagStatus, help: string): Flag<bigint> {
      return {
        ...common(status, help, {}),
        kind: "int",
        default: defaultValue,
        defaultText: String(defaultValue),
        parse: parseGoInteger,
        print: String,
      };
    },
    /** An amount of wei; `null` when nobody set it. */
    optionalWei(
      kind: "int" | "int64",
      shownDefault: bigint,
      status: FlagStatus,
      help: string,
    ): Flag<bigint | null> {
      return {
        ...common(status, help, {}),
        kind,
        default: null,
        defaultText: String(shownDefault),
        parse: parseGoInteger,
        print: String,
      };
    },
    float(defaultValue: number, status: FlagStatus, help: string, options: FlagOptions = {}): Flag<number> {
      return {
        ...common(status, help, options),
        kind: "float64",
        default: defaultValue,
        defaultText: String(defaultValue),
        parse: parseGoFloat,
        print: String,
      };
    },
    /** A duration in milliseconds. */
    duration(defaultMs: number, status: FlagStatus, help: string, options: FlagOptions = {}): Flag<number> {
      return {
        ...common(status, help, options),
        kind: "duration",
        default: defaultMs,
        defaultText: printGoDuration(defaultMs),
        parse: parseGoDuration,
        print: printGoDuration,
      };
    },
  };
}

function parseCount(text: string): ParsedValue<number> {
  const parsed = parseGoInteger(text);
  if (parsed.type === "bad") return parsed;
  const value = Number(parsed.value);
  return Number.isSafeInteger(value)
    ? { type: "value", value }
    : { type: "bad", reason: "value out of range" };
}
