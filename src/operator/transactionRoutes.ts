import type { Hex } from "../shared/brand.ts";
import { type Answer, jsonAnswer } from "./answer.ts";
import type { OperatorCall, OperatorTransactions } from "./ports.ts";
import { isAuthorized } from "./token.ts";

/*
 * Where commands of this machine hand in transactions, because a node that runs is the only one that counts the nonces
 * of its accounts. The port itself has no password: whoever may spend shows what stands in a file of the data folder.
 */

/** Paths below this one. */
export const transactionPath = "/api/transactions";

/** Longest body: 128 KiB of data, which no pool takes more of, as digits. Bytes. */
export const callBytesMax = 300 * 1024;

/** A request as these routes need it. */
export type TransactionHttp = {
  readonly method: string;
  /** Decoded, {@link transactionPath} or below. */
  readonly path: string;
  /** The header `Authorization`; null without it. */
  readonly authorization: string | null;
  readonly contentType: string | null;
  /** Whether the peer is this machine. */
  readonly isLoopback: boolean;
  /** The whole body; null when it is longer than {@link callBytesMax}. Called at most once. */
  readBody(): Promise<Uint8Array | null>;
};

/** `POST /api/transactions` and `GET /api/transactions/<account>/<nonce>`. */
export async function answerTransactions(
  request: TransactionHttp,
  transactions: OperatorTransactions | null,
): Promise<Answer> {
  if (transactions === null) return failure(404, "this node sends no transactions");
  if (!request.isLoopback) return failure(403, "transactions are taken from this machine only");
  if (!isAuthorized(request.authorization, transactions.token)) {
    return { ...failure(401, "the token is missing or wrong"), headers: { "WWW-Authenticate": "Bearer" } };
  }
  if (request.path === transactionPath) {
    if (request.method !== "POST") return notAllowed("POST");
    return submit(request, transactions);
  }
  if (request.method !== "GET") return notAllowed("GET");
  const id = request.path.slice(transactionPath.length + 1);
  const state = /^0x[0-9a-f]{40}\/\d{1,15}(?:\.\d{1,4})?$/.test(id) ? transactions.state(id) : null;
  if (state === null) return failure(404, "there is no such transaction");
  const { block, fee } = state;
  return jsonAnswer({ id, ...state, block: block?.toString() ?? null, fee: fee?.toString() ?? null });
}

async function submit(request: TransactionHttp, transactions: OperatorTransactions): Promise<Answer> {
  // A form of a web page cannot have this type without asking first.
  if (!/^application\/json\s*(;|$)/i.test(request.contentType ?? "")) {
    return failure(415, "the body must be application/json");
  }
  const body = await request.readBody();
  if (body === null) return failure(413, "the body is too large");
  const call = readCall(body);
  if (typeof call === "string") return failure(400, call);
  const done = await transactions.submit(call);
  if (done.type === "refused") return failure(409, done.text);
  return { ...jsonAnswer({ id: done.id }), status: 202 };
}

const wordsMax = 200;

/** The call in a body, or what is wrong with it. */
function readCall(body: Uint8Array): OperatorCall | string {
  let parsed: unknown;
  try {
    parsed = JSON.parse(new TextDecoder().decode(body));
  } catch {
    return "the body is no JSON";
  }
  if (typeof parsed !== "object" || parsed === null) return "the body is no object";
  const { from, to, data, value, gasLimit, subject } = parsed as Readonly<Record<string, unknown>>;
  if (!isAccount(to)) return "to is no address";
  if (from !== undefined && from !== null && !isAccount(from)) return "from is no address";
  if (typeof data !== "string" || !/^0x(?:[0-9a-fA-F]{2})*$/.test(data)) return "data are no bytes";
  const wei = wholeOf(value ?? "0");
  const gas = gasLimit === undefined || gasLimit === null ? null : wholeOf(gasLimit);
  if (wei === undefined) return "value is no whole number";
  if (gas === undefined || gas === 0n || (gas !== null && gas > gasMax))
    return "gasLimit is no whole number in bounds";
  if (typeof subject !== "string" || subject === "" || subject.length > wordsMax) {
    return `subject is no text of at most ${wordsMax} characters`;
  }
  return {
    from: isAccount(from) ? lower(from) : null,
    to: lower(to),
    data: lower(data),
    value: wei,
    gasLimit: gas,
    // It goes into logs and onto terminals.
    subject: subject.replace(/[^\x20-\x7e]+/g, " "),
  };
}

/** More than a block holds. */
const gasMax = 100_000_000n;

/** Decimal text of at most 256 bits; undefined for anything else. */
function wholeOf(value: unknown): bigint | undefined {
  if (typeof value !== "string" || !/^\d{1,78}$/.test(value)) return undefined;
  const whole = BigInt(value);
  return whole >> 256n === 0n ? whole : undefined;
}

function isAccount(value: unknown): value is string {
  return typeof value === "string" && /^0x[0-9a-fA-F]{40}$/.test(value);
}

function lower(text: string): Hex {
  return text.toLowerCase() as Hex;
}

function failure(status: number, error: string): Answer {
  return { ...jsonAnswer({ error }), status };
}

function notAllowed(method: string): Answer {
  return { ...failure(405, "Method not allowed"), headers: { Allow: method } };
}
