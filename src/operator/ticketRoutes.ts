import type { Hex } from "../shared/brand.ts";
import { type Answer, jsonAnswer } from "./answer.ts";
import type { OperatorTickets, TicketOrderResult } from "./ports.ts";
import { isAuthorized } from "./token.ts";
import type { TransactionHttp } from "./transactionRoutes.ts";

/*
 * Where `tickets hold`, `release` and `redeem` of this machine reach a node that runs: it alone writes its log and
 * counts the nonces of its accounts. To redeem costs gas: whoever asks shows the token of the data folder.
 */

/** Paths below this one. */
export const ticketPath = "/api/tickets";

/** Of one request. */
const ticketsMax = 1_000;

/**
 * `POST /api/tickets/hold`, `/api/tickets/release`, `/api/tickets/redeem`: `{"tickets":["0x…"]}`. With `"due":true` only those
 * are redeemed, and answered for, that are due now.
 */
export async function answerTickets(
  request: TransactionHttp,
  tickets: OperatorTickets | null,
): Promise<Answer> {
  if (tickets === null) return failure(404, "this node redeems no tickets");
  if (!request.isLoopback) return failure(403, "orders for tickets are taken from this machine only");
  if (!isAuthorized(request.authorization, tickets.token)) {
    return { ...failure(401, "the token is missing or wrong"), headers: { "WWW-Authenticate": "Bearer" } };
  }
  const order = request.path.slice(ticketPath.length + 1);
  const run = Object.hasOwn(orders, order) ? orders[order] : undefined;
  if (run === undefined) return failure(404, "there is no such order");
  if (request.method !== "POST") return { ...failure(405, "Method not allowed"), headers: { Allow: "POST" } };
  // A form of a web page cannot have this type without asking first.
  if (!/^application\/json\s*(;|$)/i.test(request.contentType ?? "")) {
    return failure(415, "the body must be application/json");
  }
  const body = await request.readBody();
  if (body === null) return failure(413, "the body is too large");
  const wanted = readWanted(body);
  if (typeof wanted === "string") return failure(400, wanted);
  return jsonAnswer({ results: await run(tickets, wanted) });
}

type Wanted = { readonly hashes: readonly Hex[]; readonly isDueOnly: boolean };
type Order = (tickets: OperatorTickets, wanted: Wanted) => Promise<readonly TicketOrderResult[]>;

const orders: Readonly<Record<string, Order>> = {
  hold: (tickets, { hashes }) => tickets.hold(hashes, true),
  release: (tickets, { hashes }) => tickets.hold(hashes, false),
  redeem: (tickets, { hashes, isDueOnly }) => tickets.redeemNow(hashes, isDueOnly),
};

/** What a body asks for, or what is wrong with it. */
function readWanted(body: Uint8Array): Wanted | string {
  let parsed: unknown;
  try {
    parsed = JSON.parse(new TextDecoder().decode(body));
  } catch {
    return "the body is no JSON";
  }
  const { tickets: list, due } = (parsed ?? {}) as { readonly tickets?: unknown; readonly due?: unknown };
  if (!Array.isArray(list) || list.length === 0 || list.length > ticketsMax) {
    return `tickets is no list of 1 to ${ticketsMax} hashes`;
  }
  const hashes = new Set<Hex>();
  for (const item of list as readonly unknown[]) {
    if (typeof item !== "string" || !/^0x[0-9a-fA-F]{64}$/.test(item)) return "a ticket is no hash";
    hashes.add(item.toLowerCase() as Hex);
  }
  return { hashes: [...hashes], isDueOnly: due === true };
}

function failure(status: number, error: string): Answer {
  return { ...jsonAnswer({ error }), status };
}
