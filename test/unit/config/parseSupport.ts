import {
  type ParseConfigOptions,
  type ParseConfigResult,
  parseConfig,
} from "../../../src/config/parseConfig.ts";
import type { FileContent } from "../../../src/config/readFlags.ts";

export type TestInput = {
  readonly argv?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  /** Files by path; a null content is a folder. */
  readonly files?: Readonly<Record<string, string | null>>;
  readonly homeDir?: string;
};

const build: ParseConfigOptions["build"] = {
  version: "0.1.0",
  runtime: "bun 1.4.5",
  architecture: "x64",
  operatingSystem: "linux",
};

/** Runs the parser on made-up words, variables and files. */
export function parse(input: TestInput): ParseConfigResult {
  const files = input.files ?? {};
  const readFile = (path: string): FileContent => {
    const text = files[path];
    if (text === undefined) return { type: "missing" };
    return text === null ? { type: "directory" } : { type: "file", text };
  };
  return parseConfig({
    argv: input.argv ?? [],
    env: input.env ?? {},
    readFile,
    homeDir: input.homeDir ?? "/home/op",
    build,
  });
}

/** The config of a start that must succeed; the failure text of one that did not. */
export function configOf(input: TestInput): Extract<ParseConfigResult, { type: "config" }> {
  const result = parse(input);
  if (result.type !== "config") throw new Error(`expected a config, got ${result.type}: ${result.text}`);
  return result;
}

/** The mistakes of a start that must fail. */
export function mistakesOf(input: TestInput): Extract<ParseConfigResult, { type: "mistakes" }> {
  const result = parse(input);
  if (result.type !== "mistakes") throw new Error(`expected mistakes, got ${result.type}`);
  return result;
}
