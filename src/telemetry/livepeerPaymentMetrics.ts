import { checksumHex } from "../protocol/account.ts";
import { fromHex } from "../protocol/bytes.ts";
import type { Rational } from "../protocol/rational.ts";
import type { Hex } from "../shared/brand.ts";
import type { MetricsRegistry } from "./metrics.ts";
import { gweiOf, gweiOfRational, numberOf } from "./moneyNumbers.ts";

/** Whom a payment came from and for which stream, for the labels that `-metricsPerStream` adds. */
export type PaymentLabels = {
  /** The gateway's account, in any letter case; shown with its checksum, as go-livepeer does. */
  readonly sender: Hex;
  /** The manifest id of the stream; "" when unknown. */
  readonly manifestId: string;
};

/** The `livepeer_*` metrics of payments. Amounts come in wei and are shown in gwei. */
export type LivepeerPaymentMetrics = {
  /** Whether series carry manifest ids and gateways. */
  readonly isPerStream: boolean;
  /** Tickets of one payment that were credited, and those of them and others that won. */
  ticketsReceived(
    labels: PaymentLabels,
    tickets: { readonly credited: number; readonly winners: number; readonly value: Rational },
  ): void;
  /**
   * A ticket or a whole payment was refused; `text` is what the gateway was told. The fold over the events counts the
   * refusals that are part of a `PaymentAccepted`: call this for those that left no event.
   */
  paymentError(sender: Hex, text: string, manifestId?: string): void;
  /** The broker paid out a ticket that we redeemed. */
  ticketRedeemed(sender: Hex, faceValueWei: bigint): void;
  /** A redemption came to nothing: refused, reverted, or left out of its batch. */
  redemptionError(): void;
  /** A round ended without our reward, or a call of it failed. */
  rewardError(): void;
  /** Ticket parameters were made for a gateway, or would have been but for its funds. */
  ticketParamsMade(sender: Hex, faceValueWei: bigint, maxFloatWei: bigint): void;
  /** The price that a gateway is told with the answer to a segment. Wei per unit. */
  transcodingPrice(sender: Hex, price: Rational): void;
  /** Wei per gas: what a redemption would cost now, and its bounds. `max` is null when there is none. */
  gasPrices(suggested: bigint, min: bigint, max: bigint | null): void;
};

export type LivepeerPaymentMetricsOptions = {
  readonly registry: MetricsRegistry;
  readonly isPerStream: boolean;
};

/** Texts in an error and the `error_code` that they stand for, first match. Source: operator sheet 4.2. */
const errorCodes: readonly (readonly [text: string, code: string])[] = [
  ["Expected price", "InvalidPrice"],
  ["invalid already revealed recipientRand", "InvalidRecipientRand"],
  ["invalid ticket faceValue", "InvalidTicketFaceValue"],
  ["invalid ticket winProb", "InvalidTicketWinProb"],
];

/** Checksummed names that are kept: making one costs a hash, and the same few gateways come all day. */
const namesMax = 1_000;

/**
 * The `error_code` label of a refused payment.
 *
 * Source: go-livepeer monitor/census.go PaymentRecvError; operator sheet 4.2.
 */
export function paymentErrorCode(text: string): string {
  return errorCodes.find(([part]) => text.includes(part))?.[1] ?? "PaymentError";
}

/**
 * Registers the metrics and records what is there right after the start.
 *
 * Source: go-livepeer monitor/census.go; help texts, labels and units by recorded scrapes; operator sheet 4.2.
 */
export function createLivepeerPaymentMetrics(options: LivepeerPaymentMetricsOptions): LivepeerPaymentMetrics {
  const { isPerStream } = options;
  const families = registerFamilies(options);
  const names = new Map<Hex, string>();
  const nameOf = (sender: Hex): string => {
    const known = names.get(sender);
    if (known !== undefined) return known;
    const bytes = fromHex(sender);
    const name = bytes === null ? sender : checksumHex(bytes);
    if (names.size >= namesMax) names.clear();
    names.set(sender, name);
    return name;
  };
  const senderValues = (sender: Hex) => (isPerStream ? [nameOf(sender)] : []);
  const streamValues = ({ sender, manifestId }: PaymentLabels) =>
    isPerStream ? [manifestId, nameOf(sender)] : [];
  // Dashboards and alerts rely on these series being there before the first payment.
  families.winningTickets.add(0, isPerStream ? ["", ""] : []);
  families.valueRedeemed.add(0, isPerStream ? [""] : []);
  return {
    isPerStream,
    ticketsReceived(labels, { credited, winners, value }) {
      const values = streamValues(labels);
      if (value.numerator > 0n) families.ticketValue.add(gweiOfRational(value), values);
      // A series that would stand at 0 is not begun.
      if (credited > 0) families.tickets.add(credited, values);
      if (winners > 0) families.winningTickets.add(winners, values);
    },
    paymentError(sender, text, manifestId = "") {
      families.paymentErrors.add(1, [...streamValues({ sender, manifestId }), paymentErrorCode(text)]);
    },
    ticketRedeemed: (sender, faceValueWei) =>
      families.valueRedeemed.add(gweiOf(faceValueWei), senderValues(sender)),
    redemptionError: () => families.redemptionErrors.add(1),
    rewardError: () => families.rewardErrors.add(1),
    ticketParamsMade(sender, faceValueWei, maxFloatWei) {
      const values = [nameOf(sender)];
      families.faceValue.set(gweiOf(faceValueWei), values);
      families.maxFloat.set(gweiOf(maxFloatWei), values);
    },
    transcodingPrice(sender, price) {
      const value = numberOf(price);
      // As recorded: the last price of all, under no gateway's name, and that of the gateway.
      families.transcodingPrice.set(value, isPerStream ? [""] : []);
      if (isPerStream) families.transcodingPrice.set(value, [nameOf(sender)]);
    },
    gasPrices(suggested, min, max) {
      families.suggestedGasPrice.set(gweiOf(suggested));
      families.minGasPrice.set(gweiOf(min));
      if (max !== null) families.maxGasPrice.set(gweiOf(max));
    },
  };
}

function registerFamilies({ registry, isPerStream }: LivepeerPaymentMetricsOptions) {
  const sender = isPerStream ? ["sender"] : [];
  const stream = isPerStream ? ["manifest_id", "sender"] : [];
  const family = (name: string, help: string, labels: readonly string[] = []) => ({
    name: `livepeer_${name}`,
    help,
    labels,
  });
  return {
    ticketValue: registry.counter(family("ticket_value_recv", "Ticket value received", stream)),
    tickets: registry.counter(family("tickets_recv", "Tickets received", stream)),
    winningTickets: registry.counter(family("winning_tickets_recv", "Winning tickets received", stream)),
    paymentErrors: registry.counter(
      family("payment_recv_errors", "Errors when receiving payments", [...stream, "error_code"]),
    ),
    valueRedeemed: registry.counter(family("value_redeemed", "Winning ticket value redeemed", sender)),
    redemptionErrors: registry.counter(family("ticket_redemption_errors", "Errors when redeeming tickets")),
    rewardErrors: registry.counter(family("reward_call_errors", "Errors when calling rewards")),
    faceValue: registry.gauge(
      family("gateway_ticket_face_value", "Last ticket face value for the gateway node", ["sender"]),
    ),
    maxFloat: registry.gauge(
      family("gateway_max_float", "Last maximum float for the gateway node", ["sender"]),
    ),
    transcodingPrice: registry.gauge(family("transcoding_price", "Transcoding price per pixel", sender)),
    suggestedGasPrice: registry.gauge(
      family("suggested_gas_price", "Suggested gas price for winning ticket redemption"),
    ),
    minGasPrice: registry.gauge(
      family("min_gas_price", "Minimum gas price to use for gas price suggestions"),
    ),
    maxGasPrice: registry.gauge(
      family("max_gas_price", "Maximum gas price to use for gas price suggestions"),
    ),
  };
}
