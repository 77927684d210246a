import type { RpcAnswer, RpcCall } from "../chain/jsonRpc.ts";
import type { ReadFile } from "../config/readFlags.ts";
import type { ChainCall } from "../runtime/chainPorts.ts";
import type { CommandOutput } from "../replay/terminal.ts";
import type { Hex } from "../shared/brand.ts";
import type { CliSettings } from "./settings.ts";

/** Several calls at once; one answer a call, in order. Never rejects. */
export type CliRpc = {
  batch(calls: readonly RpcCall[]): Promise<readonly RpcAnswer[]>;
  close(): void;
};

/** One transaction that an operator wants. */
export type Action = {
  readonly from: Hex;
  readonly call: ChainCall;
  readonly gasLimit: bigint;
  /** For people and for the log: `bond 100 LPT`. */
  readonly subject: string;
};

/** What became of an {@link Action}. */
export type Outcome =
  | {
      readonly type: "mined";
      readonly id: string;
      readonly hash: Hex;
      readonly isSuccess: boolean;
      /** Null when it is not known. */
      readonly block: bigint | null;
      /** Wei; null when it is not known. */
      readonly fee: bigint | null;
    }
  /** Nothing was sent. */
  | { readonly type: "refused"; readonly text: string }
  /** It is under way, and nobody waits any longer. `text` says who carries on, or how. */
  | { readonly type: "waiting"; readonly id: string; readonly hash: Hex | null; readonly text: string }
  /** Another transaction took its nonce: it will never be mined. */
  | { readonly type: "displaced"; readonly id: string; readonly text: string };

/** Has transactions mined: through the running node, or by itself when none runs. */
export type Executor = {
  /** For people: `through the running node (http://127.0.0.1:7935)`. */
  readonly words: string;
  /** Sends and waits for the receipt, at most `timeoutMs`. */
  run(action: Action, timeoutMs: number, onSent: (id: string, hash: Hex | null) => void): Promise<Outcome>;
  close(): Promise<void>;
};

/** Winning tickets that wait in the log of the data folder. */
export type OpenTickets = { readonly count: number; readonly wei: bigint };

/** The outside world of a command. */
export type CliPorts = {
  readonly output: CommandOutput;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly readFile: ReadFile;
  /** "" when there is none. */
  readonly homeDir: string;
  /** Whether somebody can be asked. */
  readonly isTerminal: boolean;
  /** Puts a question and resolves with the line that was typed. */
  ask(question: string): Promise<string>;
  /** Writes a file that does not exist yet. @throws what the system says */
  writeNewFile(path: string, text: string): void;
  /** Milliseconds of a clock that never goes back. */
  monotonicMs(): number;
  sleep(ms: number): Promise<void>;
  openRpc(settings: CliSettings): CliRpc;
  /**
   * Who sends for `account`.
   *
   * @throws BaseError when the key cannot be had, or the node that runs does not answer
   */
  openExecutor(settings: CliSettings, account: Hex): Promise<Executor>;
  /** Null when the data folder has no log. */
  openTickets(dataDir: string): OpenTickets | null;
};
