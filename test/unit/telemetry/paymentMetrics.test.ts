import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import vectors from "../../vectors/operator-metrics-payments.json";
import { type Rational, rational } from "../../../src/protocol/rational.ts";
import { createLivepeerMetrics } from "../../../src/telemetry/livepeerMetrics.ts";
import { paymentErrorCode } from "../../../src/telemetry/livepeerPaymentMetrics.ts";
import { createMetricsRegistry } from "../../../src/telemetry/metrics.ts";
import { gweiOf, gweiOfRational, numberOf } from "../../../src/telemetry/moneyNumbers.ts";
import { countVerdicts, createRepriseMetrics, showChain } from "../../../src/telemetry/repriseMetrics.ts";

/*
 * Goal: an operator's dashboards and alerts for go-livepeer show the same of our payments. Method: recorded scrapes
 * of a paid session, whose facts are played again: each series must come out as it was printed.
 */

type Case = {
  readonly id: string;
  readonly kind: string;
  readonly name?: string;
  readonly type?: string;
  readonly help?: string;
  readonly example?: readonly string[];
  readonly exampleMetricsPerStream?: readonly string[];
  readonly lines?: readonly string[];
};
const cases = vectors.cases as readonly Case[];
const families = cases.filter(({ kind }) => kind === "metric");

const gateway = "0x5aaeb6053f3e94c9b9a09f33669435e7ef1beaed";
const gatewayName = "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed";
const gwei = 1_000_000_000n;
const ether = 10n ** 18n;
/** A ticket of the recorded runs: expected value 2e14 wei, but for the rounding of the win probability. */
const ticketValueWei: Rational = rational(2n * 10n ** 14n * (2n ** 256n - 1n) + 1n, 2n ** 256n - 1n);
const tickets = (credited: number, winners: number) => ({
  credited,
  winners,
  value: rational(ticketValueWei.numerator * BigInt(credited), ticketValueWei.denominator),
});

function setUp(isPerStream = false) {
  const registry = createMetricsRegistry({ baseLabels: { node_id: "{O}-{hostname}", node_type: "orch" } });
  const metrics = createLivepeerMetrics({
    registry,
    isPerStream,
    isClientIpLabelled: false,
    maxSessions: 20,
    version: "undefined",
    runtime: { name: "gc", version: "{goVersion}", operatingSystem: "linux" },
  });
  const scrape = () => registry.expose().replaceAll(gatewayName, "{G}");
  return { metrics, scrape };
}

describe("recorded scrapes", () => {
  test("right after the start, byte for byte", () => {
    const { metrics, scrape } = setUp();
    metrics.gasPrices(1_000_000_007n, 0n, null);
    const recorded = cases.find(({ id }) => id === "scrape.onchain.start");
    expect(scrape()).toBe(`${recorded?.lines?.join("\n")}\n`);
  });

  test("with a maximum gas price and labels per stream, byte for byte", () => {
    const { metrics, scrape } = setUp(true);
    metrics.gasPrices(1_000_000_007n, 1_000n, 90n * gwei);
    const recorded = cases.find(({ id }) => id === "scrape.onchain.max-gas-price");
    expect(scrape()).toBe(`${recorded?.lines?.join("\n")}\n`);
  });

  // The facts behind the recorded examples: 69 tickets, 16 winners of 1e15 wei each, price 2e7 adjusted by 1.35.
  test("after paid sessions, every series as printed", () => {
    const { metrics, scrape } = setUp();
    const labels = { sender: gateway, manifestId: "m" } as const;
    for (let payment = 0; payment < 23; payment++) metrics.ticketsReceived(labels, tickets(3, 0));
    metrics.ticketsReceived(labels, tickets(0, 16));
    for (let ticket = 0; ticket < 16; ticket++) metrics.ticketRedeemed(gateway, ether / 1_000n);
    metrics.ticketParamsMade(gateway, ether / 1_000n, (2n * ether) / 3n);
    metrics.transcodingPrice(gateway, rational(27_000_000_049n, 1_000n));
    metrics.gasPrices(1_000_000_007n, 0n, 90n * gwei);
    const text = scrape();
    expect(families.length).toBe(10);
    for (const { name, type, help, example } of families) {
      expect(text).toContain(`# HELP ${name} ${help}\n# TYPE ${name} ${type}\n`);
      for (const line of example ?? []) expect(text.split("\n")).toContain(line);
    }
  });

  test("after paid sessions with -metricsPerStream, every series as printed", () => {
    const { metrics, scrape } = setUp(true);
    const streams = { badstream: [3, 1], sstream: [30, 3], tstream: [17, 3] } as const;
    for (const [manifestId, [credited, winners]] of Object.entries(streams)) {
      metrics.ticketsReceived({ sender: gateway, manifestId }, tickets(credited, winners));
    }
    for (let ticket = 0; ticket < 7; ticket++) metrics.ticketRedeemed(gateway, ether / 1_000n);
    metrics.ticketParamsMade(gateway, ether / 1_000n, (4n * ether) / 3n);
    metrics.transcodingPrice(gateway, rational(27_000_000_049n, 1_000n));
    const lines = scrape().split("\n");
    const recorded = families.flatMap(({ exampleMetricsPerStream }) => exampleMetricsPerStream ?? []);
    expect(recorded.length).toBe(16);
    for (const line of recorded) expect(lines).toContain(line);
  });
});

describe("payment metrics", () => {
  test("operator check 27: the error's code is found by its text", () => {
    const { metrics, scrape } = setUp();
    for (const [text, code] of [
      ["invalid ticket winProb", "InvalidTicketWinProb"],
      ["x invalid ticket faceValue y", "InvalidTicketFaceValue"],
      ["invalid already revealed recipientRand 1", "InvalidRecipientRand"],
      ["Expected price sent with payment", "InvalidPrice"],
      ['invalid expected price sent with payment err="expected price is nil"', "PaymentError"],
      ["invalid ticket signature", "PaymentError"],
      ["", "PaymentError"],
    ] as const) {
      expect([text, paymentErrorCode(text)]).toEqual([text, code]);
    }
    metrics.paymentError(gateway, "invalid ticket winProb");
    metrics.paymentError(gateway, "TicketParams expired");
    metrics.paymentError(gateway, "TicketParams expired");
    const text = scrape();
    expect(text).toContain('livepeer_payment_recv_errors{error_code="InvalidTicketWinProb",');
    expect(text).toMatch(/livepeer_payment_recv_errors\{error_code="PaymentError",.*\} 2\n/);
    expect(text).not.toContain("sender=");
  });

  test("an error carries stream and gateway with -metricsPerStream; without a stream its name is empty", () => {
    const { metrics, scrape } = setUp(true);
    metrics.paymentError(gateway, "any", "m1");
    metrics.paymentError(gateway, "any");
    const text = scrape();
    expect(text).toContain(
      'payment_recv_errors{error_code="PaymentError",manifest_id="m1",node_id="{O}-{hostname}",node_type="orch",sender="{G}"} 1\n',
    );
    expect(text).toContain('payment_recv_errors{error_code="PaymentError",manifest_id="",');
  });

  test("a payment without worth begins no series", () => {
    const { metrics, scrape } = setUp();
    const before = scrape();
    metrics.ticketsReceived({ sender: gateway, manifestId: "m" }, tickets(0, 0));
    expect(scrape()).toBe(before);
  });

  test("no maximum gas price means no series for it", () => {
    const { metrics, scrape } = setUp();
    metrics.gasPrices(5n * gwei, 1n, null);
    expect(scrape()).not.toContain("livepeer_max_gas_price");
    expect(scrape()).toMatch(/livepeer_suggested_gas_price\{.*\} 5\n/);
  });
});

describe("amounts as floating point", () => {
  test("gwei as go-livepeer prints them", () => {
    expect([gweiOf(666_666_666_666_666_666n), gweiOf(1_000_000_007n), gweiOf(0n), gweiOf(-5n)]).toEqual([
      666_666_666.666_666_6, 1.000_000_007, 0, -5e-9,
    ]);
    expect(gweiOfRational(ticketValueWei)).toBe(200_000);
  });

  test("every double comes back from the fraction that it is", () => {
    fc.assert(
      fc.property(fc.double({ noNaN: true, noDefaultInfinity: true, min: -1e200, max: 1e200 }), (value) => {
        // A fraction of powers of two that is exactly the double.
        const scaled = value * 2 ** 100;
        fc.pre(Number.isInteger(scaled));
        expect(numberOf(rational(BigInt(scaled), 2n ** 100n))).toBe(value === 0 ? 0 : value);
      }),
    );
  });

  test("fractions of any size come out next to their value", () => {
    const anySize = fc.bigInt({ min: 1n, max: 2n ** 600n });
    fc.assert(
      fc.property(anySize, anySize, (numerator, denominator) => {
        const value = numberOf(rational(numerator, denominator));
        // Compared in whole numbers: value = mantissa × 2^exponent, up to a relative error of 2⁻⁵⁰.
        const [scaled, wanted] = [BigInt(Math.round(value * 2 ** 60)), (numerator << 60n) / denominator];
        fc.pre(wanted > 1n << 60n && Number.isFinite(value * 2 ** 60));
        const difference = scaled > wanted ? scaled - wanted : wanted - scaled;
        expect(difference <= (wanted >> 50n) + 1n).toBe(true);
      }),
    );
    expect(numberOf(rational(1n, 10n ** 12n))).toBe(1e-12);
    expect(numberOf(rational(-(10n ** 30n), 7n))).toBe(-1e30 / 7);
    expect(numberOf(rational(2n ** 1_100n))).toBe(Infinity);
    expect(numberOf(rational(1n, 2n ** 1_200n))).toBe(0);
  });
});

describe("our own metrics of money", () => {
  const own = () => {
    const registry = createMetricsRegistry({ baseLabels: {} });
    return { reprise: createRepriseMetrics(registry), registry };
  };

  test("verdicts are counted by what they say", () => {
    const { reprise, registry } = own();
    countVerdicts(reprise, new Uint8Array([1, 1, 2, 0, 1]));
    countVerdicts(reprise, new Uint8Array([1]));
    countVerdicts(reprise, new Uint8Array());
    expect(registry.expose().split("\n").slice(2, -1)).toEqual([
      'reprise_tickets_verified_total{result="bad_signature"} 1',
      'reprise_tickets_verified_total{result="loses"} 4',
      'reprise_tickets_verified_total{result="wins"} 1',
    ]);
  });

  test("the chain: readable or not, and how old what we know is", () => {
    const { reprise, registry } = own();
    const read = () => registry.expose().match(/^reprise_chain\S* .*$/gm);
    showChain(reprise, { trouble: null, readAtMs: null }, 5_000);
    expect(read()).toEqual(["reprise_chain_readable 0"]);
    showChain(reprise, { trouble: null, readAtMs: 4_500 }, 5_000);
    expect(read()).toEqual(["reprise_chain_read_age_seconds 0.5", "reprise_chain_readable 1"]);
    showChain(reprise, { trouble: "timeout", readAtMs: 4_500 }, 64_500);
    expect(read()).toEqual(["reprise_chain_read_age_seconds 60", "reprise_chain_readable 0"]);
    // A clock that was set back is no negative age.
    showChain(reprise, { trouble: null, readAtMs: 4_500 }, 0);
    expect(read()).toEqual(["reprise_chain_read_age_seconds 0", "reprise_chain_readable 1"]);
  });
});
