import { printHostPort } from "../config/addresses.ts";
import type { HostPort } from "../config/addresses.ts";
import type { Hex } from "../shared/brand.ts";
import { errorText } from "../shared/errors.ts";
import { CliFailure } from "./cliError.ts";
import type { Action, Executor, Outcome } from "./ports.ts";

/** Milliseconds that the node has for an answer: a commit and a signature. */
const answerMs = 15_000;
const answerCharsMax = 64 * 1024;

export type NodeExecutorOptions = {
  /** Where the node's operator port is. */
  readonly operator: HostPort;
  /** What is in `operator.token` of the data folder. */
  readonly token: string;
  readonly monotonicMs: () => number;
  readonly sleep: (ms: number) => Promise<void>;
  /** Milliseconds between two questions. Default 500. */
  readonly pollMs?: number;
};

/** Hands transactions to the node that runs: it alone counts the nonces of its account. */
export function nodeExecutor(options: NodeExecutorOptions): Executor {
  const { operator, monotonicMs, sleep, pollMs = 500 } = options;
  // A node that listens everywhere is asked here.
  const host =
    operator.host === "" || operator.host === "0.0.0.0" || operator.host === "::"
      ? "127.0.0.1"
      : operator.host;
  const base = `http://${printHostPort({ ...operator, host })}`;
  const ask = (method: "GET" | "POST", path: string, body: unknown) =>
    request(base, options.token, method, path, body);
  return {
    words: `through the running node (${base})`,
    run: async (action, timeoutMs, onSent) => {
      const submitted = await ask("POST", "/api/transactions", bodyOf(action));
      if (submitted.type === "unreachable") {
        throw submitted.isRefused ? unreachable(base, submitted.text) : uncertain(base, submitted.text);
      }
      if (submitted.status !== 202) return { type: "refused", text: textIn(submitted.json) };
      const id = textField(submitted.json, "id");
      if (id === null) throw uncertain(base, "it answered something else than an id");
      onSent(id, null);
      const untilMs = monotonicMs() + timeoutMs;
      let hash: Hex | null = null;
      for (;;) {
        const answer = await ask("GET", `/api/transactions/${encodeURIComponent(id)}`, undefined);
        // A node that starts again carries on by itself, so that silence is no end.
        if (answer.type === "answer" && answer.status === 200) {
          const read = outcomeIn(id, answer.json);
          hash = read.hash ?? hash;
          if (read.outcome !== null) return read.outcome;
        }
        if (monotonicMs() >= untilMs) {
          return {
            type: "waiting",
            id,
            hash,
            text: "The node goes on by itself, raises the fee when needed, and has it in its log.",
          };
        }
        await sleep(pollMs);
      }
    },
    close: async () => undefined,
  };
}

function bodyOf({ from, call, gasLimit, subject }: Action) {
  return {
    from,
    to: call.to,
    data: call.data,
    value: call.value.toString(),
    gasLimit: gasLimit.toString(),
    subject,
  };
}

type Answered =
  | { readonly type: "answer"; readonly status: number; readonly json: unknown }
  /** `isRefused`: nobody listens, so that nothing was taken. */
  | { readonly type: "unreachable"; readonly text: string; readonly isRefused: boolean };

async function request(
  base: string,
  token: string,
  method: "GET" | "POST",
  path: string,
  body: unknown,
): Promise<Answered> {
  try {
    const response = await fetch(`${base}${path}`, {
      method,
      headers: { authorization: `Bearer ${token}`, "content-type": "application/json" },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      redirect: "error",
      // A connection that the node is about to close would lose the request, and it must not be sent twice.
      keepalive: false,
      signal: AbortSignal.timeout(answerMs),
    });
    const text = (await response.text()).slice(0, answerCharsMax);
    return { type: "answer", status: response.status, json: parseOr(text) };
  } catch (error) {
    const code = error instanceof Error && "code" in error ? String(error.code) : "";
    return { type: "unreachable", text: errorText(error), isRefused: /REFUSED/i.test(code) };
  }
}

/** JSON, or the text itself. */
function parseOr(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text.trim();
  }
}

function field(json: unknown, name: string): unknown {
  if (typeof json !== "object" || json === null) return undefined;
  return (json as Readonly<Record<string, unknown>>)[name];
}

function textField(json: unknown, name: string): string | null {
  const value = field(json, name);
  return typeof value === "string" ? value.slice(0, 500) : null;
}

function textIn(json: unknown): string {
  const text = textField(json, "error") ?? (typeof json === "string" ? json : "");
  return text === "" ? "the node refuses without words" : text.slice(0, 500);
}

function outcomeIn(
  id: string,
  json: unknown,
): { readonly outcome: Outcome | null; readonly hash: Hex | null } {
  const hash = textField(json, "hash");
  const known = hash !== null && /^0x[0-9a-f]{64}$/.test(hash) ? (hash as Hex) : null;
  const state = textField(json, "state");
  if (state === "displaced") {
    const text = "Another transaction of the account took its nonce: it will never be mined.";
    return { hash: known, outcome: { type: "displaced", id, text } };
  }
  if ((state !== "mined" && state !== "confirmed") || known === null) return { hash: known, outcome: null };
  const [block, fee] = [textField(json, "block"), textField(json, "fee")];
  const whole = (text: string | null) => (text !== null && /^\d{1,78}$/.test(text) ? BigInt(text) : null);
  const isSuccess = field(json, "isSuccess") === true;
  return {
    hash: known,
    outcome: { type: "mined", id, hash: known, isSuccess, block: whole(block), fee: whole(fee) },
  };
}

function unreachable(base: string, text: string): CliFailure {
  return new CliFailure(
    `A node (or another command) works in the data folder, but the operator port ${base} does not answer: ${text}.`,
    "Name the port with -cliAddr as the node has it, or stop the node: without one the command sends by itself.",
  );
}

/** The answer is lost, and perhaps the request was too. */
function uncertain(base: string, text: string): CliFailure {
  return new CliFailure(
    `Nobody knows whether the node at ${base} has taken the transaction: ${text}.`,
    "Look with `bun run cli status` before you run the command again.",
  );
}
