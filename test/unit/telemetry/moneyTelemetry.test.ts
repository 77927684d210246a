import { describe, expect, test } from "bun:test";
import type { AccountEvent } from "../../../src/events/account.ts";
import type { StreamId } from "../../../src/events/envelope.ts";
import type { TicketEvent } from "../../../src/events/ticket.ts";
import { rational } from "../../../src/protocol/rational.ts";
import { EventTelemetry } from "../../../src/telemetry/eventTelemetry.ts";
import { createLivepeerMetrics } from "../../../src/telemetry/livepeerMetrics.ts";
import { createLogger, createVerbosity } from "../../../src/telemetry/logger.ts";
import { createMetricsRegistry } from "../../../src/telemetry/metrics.ts";
import { createRepriseMetrics } from "../../../src/telemetry/repriseMetrics.ts";
import { noTracer } from "../../../src/telemetry/tracing.ts";
import { segmentAccepted, sessionEnded } from "../actors/facts.ts";
import type { Fields } from "../actors/given.ts";
import {
  accountExpired,
  jobReserved,
  paymentAccepted,
  priceChanged,
  priceFixed,
  priceRemoved,
  sender,
  ticketExpired,
  ticketRedeemed,
  ticketTermsChanged,
  ticketWon,
} from "../actors/moneyFacts.ts";

/*
 * Goal: what operators see of money is what the log says, and nothing that must stay secret is among it. Method:
 * events as the host hands them on, in the order in which a paid segment causes them; then the whole text of
 * `/metrics` and every log line.
 */

type Line = Readonly<Record<string, unknown>> & { readonly level: string; readonly msg: string };

const gatewayName = "0xB1B1B1B1b1B1b1b1b1B1B1B1B1b1b1B1b1b1B1B1";

function setUp(options: { readonly isPerStream?: boolean; readonly verbosity?: number } = {}) {
  const registry = createMetricsRegistry({ baseLabels: {} });
  const lines: Line[] = [];
  const telemetry = new EventTelemetry({
    livepeer: createLivepeerMetrics({
      registry,
      isPerStream: options.isPerStream ?? false,
      isClientIpLabelled: false,
      maxSessions: 1,
      version: "v",
      runtime: { name: "bun", version: "1", operatingSystem: "linux" },
    }),
    reprise: createRepriseMetrics(registry),
    logger: createLogger({
      verbosity: createVerbosity(options.verbosity ?? 6),
      format: "json",
      write: (line) => lines.push(JSON.parse(line) as Line),
      nowMs: () => 0,
    }),
    tracer: noTracer,
  });
  let seq = 0;
  const record = (stream: StreamId, event: Fields, correlationId = "5e55.1"): void => {
    seq += 1;
    telemetry.onRecorded({
      ...{ seq, stream, version: seq, schemaVersion: 1, atMs: seq, correlationId, causationId: "test" },
      ...{ traceId: null, event },
    });
  };
  /** All series of these families, without their base names' help. */
  const series = (part: string): readonly string[] =>
    registry
      .expose()
      .split("\n")
      .filter((line) => !line.startsWith("#") && line.includes(part));
  return { telemetry, record, series, lines };
}

const account: StreamId = `account:${sender}/5e55.1`;
const ticket = (name: string): StreamId => `ticket:0x${name.repeat(32)}`;
const payment = (change: Partial<Extract<AccountEvent, { type: "PaymentAccepted" }>> = {}): AccountEvent => ({
  ...paymentAccepted(3),
  credit: rational(3_000_000_000n),
  ...change,
});
const seg = (number: number): StreamId => `segment:5e55.1/${number}`;

describe("payments", () => {
  test("credited tickets, their value, winners and a refusal are counted as go-livepeer counts them", () => {
    const { record, series } = setUp();
    record(account, payment({ winners: ["0x01", "0x02"] }));
    record(account, payment({ creditedTickets: 0, credit: rational(0n), refusal: "TicketParams expired" }));
    expect(series("_recv")).toEqual([
      'livepeer_payment_recv_errors{error_code="PaymentError"} 1',
      "livepeer_ticket_value_recv 3",
      "livepeer_tickets_recv 3",
      "livepeer_winning_tickets_recv 2",
    ]);
  });

  test("per stream: a payment that comes before its session counts for the stream once that is known", () => {
    const { record, series } = setUp({ isPerStream: true });
    record(account, payment({ refusal: "invalid ticket signature" }));
    record(account, priceFixed);
    expect(series("tickets_recv")).toEqual(['livepeer_winning_tickets_recv{manifest_id="",sender=""} 0']);
    record(seg(1), segmentAccepted);
    const labels = `manifest_id="m1",sender="${gatewayName}"`;
    expect(series('_recv{manifest_id="m1"')).toEqual([
      `livepeer_ticket_value_recv{${labels}} 3`,
      `livepeer_tickets_recv{${labels}} 3`,
    ]);
    expect(series("payment_recv")).toEqual([
      `livepeer_payment_recv_errors{error_code="PaymentError",${labels}} 1`,
    ]);
    // From now on it is known, until the session ends.
    record(account, payment());
    expect(series("livepeer_tickets_recv")).toEqual([`livepeer_tickets_recv{${labels}} 6`]);
    record("session:5e55.1", sessionEnded);
    record(account, payment());
    expect(series("livepeer_tickets_recv")).toEqual([`livepeer_tickets_recv{${labels}} 6`]);
  });

  test("per stream: a payment on its own names its stream itself", () => {
    const { record, series } = setUp({ isPerStream: true });
    record(`account:${sender}/live-7.1`, payment(), `${sender}/live-7`);
    expect(series("livepeer_tickets_recv")).toEqual([
      `livepeer_tickets_recv{manifest_id="live-7",sender="${gatewayName}"} 3`,
    ]);
  });

  test("per stream: payments of a session that never opens are counted without a name when their account ends", () => {
    const { record, series } = setUp({ isPerStream: true });
    record(account, payment());
    record(account, payment());
    record(account, { ...accountExpired, balance: rational(0n) });
    expect(series("livepeer_tickets_recv")).toEqual([
      `livepeer_tickets_recv{manifest_id="",sender="${gatewayName}"} 6`,
    ]);
  });

  // Method: more sessions that never open than are remembered. None of their tickets may be lost from the sum.
  test("per stream: what waits for a name is bounded, and no ticket is lost", () => {
    const { record, series } = setUp({ isPerStream: true });
    for (let session = 0; session < 1_500; session++) {
      record(`account:${sender}/s${session}.1`, payment(), `s${session}.1`);
    }
    const shown = () => series("livepeer_tickets_recv").map((line) => Number(line.split(" ").at(-1)));
    expect(shown()).toEqual([3 * 500]);
    for (let session = 0; session < 1_500; session++) {
      record(`account:${sender}/s${session}.1`, { ...accountExpired, balance: rational(0n) });
    }
    expect(shown()).toEqual([3 * 1_500]);
  });
});

describe("accounts", () => {
  test("are open from their first event to their end", () => {
    const { telemetry, record, series } = setUp();
    expect(series("accounts_open")).toEqual([]);
    telemetry.resumeMoney({ accounts: [`${sender}/old.1`], tickets: [] });
    expect(series("accounts_open")).toEqual(["reprise_accounts_open 1"]);
    record(account, payment());
    record(account, priceFixed);
    record(account, jobReserved("a"));
    record(`account:${sender}/free.1`, priceFixed);
    expect(series("accounts_open")).toEqual(["reprise_accounts_open 3"]);
    record(account, accountExpired);
    record(`account:${sender}/old.1`, accountExpired);
    expect(series("accounts_open")).toEqual(["reprise_accounts_open 1"]);
  });

  test("money that is left behind is said at debug level, a debt and nothing are not", () => {
    const { record, lines } = setUp();
    for (const balance of [rational(-5n), rational(0n), rational(7n, 2n)]) {
      record(account, priceFixed);
      record(account, { ...accountExpired, balance });
    }
    expect(lines).toEqual([
      expect.objectContaining({
        level: "debug",
        msg: "An account ended with money in it",
        account: `${sender}/5e55.1`,
        balanceWei: "3",
      }),
    ]);
  });
});

describe("winning tickets", () => {
  const ofOneEther = { faceValue: 10n ** 18n } satisfies Partial<Extract<TicketEvent, { type: "TicketWon" }>>;

  test("count and face value of the open ones survive a restart and follow every event", () => {
    const { telemetry, record, series } = setUp();
    const open = () => series("reprise_tickets_open");
    telemetry.resumeMoney({
      accounts: [],
      tickets: [{ id: `0x${"01".repeat(32)}`, sender, faceValue: 5_000_000_000n }],
    });
    expect(open()).toEqual(["reprise_tickets_open 1", "reprise_tickets_open_gwei 5"]);
    record(ticket("02"), { ...ticketWon, ...ofOneEther });
    expect(open()).toEqual(["reprise_tickets_open 2", "reprise_tickets_open_gwei 1.000000005e+09"]);
    record(ticket("02"), { ...ticketExpired, loss: 10n ** 18n });
    expect(open()).toEqual(["reprise_tickets_open 1", "reprise_tickets_open_gwei 5"]);
    record(ticket("01"), ticketRedeemed);
    expect(open()).toEqual(["reprise_tickets_open 0", "reprise_tickets_open_gwei 0"]);
    expect(series("tickets_expired")).toEqual(["reprise_tickets_expired_gwei_total 1e+09"]);
  });

  test("value is redeemed when we redeemed it, not when we only saw that it is used", () => {
    const { record, series } = setUp({ isPerStream: true });
    for (const [name, txHash] of [
      ["01", ticketRedeemed.txHash],
      ["02", null],
    ] as const) {
      record(ticket(name), { ...ticketWon, ...ofOneEther });
      record(ticket(name), { ...ticketRedeemed, txHash });
    }
    expect(series("value_redeemed")).toEqual([
      'livepeer_value_redeemed{sender=""} 0',
      `livepeer_value_redeemed{sender="${gatewayName}"} 1e+09`,
    ]);
  });

  test("log lines: won and redeemed are news, expired needs a person; the secret number is in none", () => {
    const { record, lines } = setUp();
    record(ticket("02"), ticketWon);
    record(ticket("02"), ticketRedeemed);
    record(ticket("03"), ticketWon);
    record(ticket("03"), ticketExpired);
    const named = (name: string) => ({ ticketHash: `0x${name.repeat(32)}`, sender: gatewayName });
    const won = { level: "info", msg: "A ticket won", faceValueWei: "100000", lastValidRound: "3001" };
    expect(lines).toEqual([
      expect.objectContaining({ ...won, ...named("02"), correlationId: "5e55.1" }),
      expect.objectContaining({
        ...named("02"),
        level: "info",
        msg: "A winning ticket was redeemed",
        txHash: ticketRedeemed.txHash,
        round: "3001",
      }),
      expect.objectContaining({ ...won, ...named("03") }),
      expect.objectContaining({
        ...named("03"),
        level: "error",
        msg: "A winning ticket expired: nobody redeemed it in time",
        lossWei: "100000",
        round: "3002",
      }),
    ]);
    const text = JSON.stringify(lines);
    expect(text).not.toContain(ticketWon.recipientRand.slice(2));
    expect(text).not.toContain(ticketWon.sig.slice(2));
  });
});

test("changes of prices and terms are news, with who made them", () => {
  const { record, lines } = setUp({ verbosity: 3 });
  record("pricing:own", {
    ...priceChanged("default"),
    price: rational(7n, 3n),
    wording: "7 / 3",
  });
  record("pricing:own", priceRemoved(sender));
  record("pricing:own", ticketTermsChanged);
  expect(lines.map(({ time: _, ...line }) => line)).toEqual([
    {
      ...{ level: "info", msg: "A price changed", scope: "default" },
      ...{ weiPerUnit: "7/3", wording: "7 / 3", source: "flag" },
    },
    { level: "info", msg: "A price was removed", scope: sender, source: "flag" },
    {
      ...{ level: "info", msg: "The terms of tickets changed" },
      ...{ ticketEvWei: "1000", maxFaceValueWei: "0", source: "flag" },
    },
  ]);
});

test("an off-chain node shows none of this", () => {
  const { record, series } = setUp();
  record(seg(1), segmentAccepted);
  record("session:5e55.1", sessionEnded);
  expect(series("ticket")).toEqual(["livepeer_winning_tickets_recv 0"]);
  expect(series("accounts")).toEqual([]);
  expect(series("chain")).toEqual([]);
});
