import { accountBytes } from "./account.ts";
import { decodeBase64 } from "./base64.ts";
import { type Payment, PaymentSchema, SegDataSchema } from "./gen/lp_rpc_pb.ts";
import { type Refusal, refuse } from "./refusal.ts";
import { type SegmentCredentials, segmentCredentials } from "./segmentCredentials.ts";
import { segmentTexts } from "./texts.ts";
import { messageDecoder } from "./wire.ts";

/** Longest payment header in characters. 600 tickets take 58 kB; decoding more costs whoever waits behind it. */
export const PAYMENT_HEADER_CHARS_MAX = 256 * 1024;
/** Longest segment header in characters. Ten profiles with all their fields take 1 kB. */
export const SEGMENT_HEADER_CHARS_MAX = 64 * 1024;

/** What came in the `Livepeer-Payment` header. */
export type PaymentHeader = {
  readonly type: "payment";
  readonly payment: Payment;
  /** Who pays, 20 bytes; the zero account where nobody is named (off-chain gateways). */
  readonly sender: Uint8Array;
};

/** Both headers of a segment, decoded. */
export type SegmentRequest = {
  readonly type: "request";
  readonly payment: PaymentHeader;
  readonly segment: SegmentCredentials;
};

/**
 * Decodes both headers of POST /segment or /payment: rows 1 to 6 of video sheet 4.2, in that order. An absent
 * header counts as an empty one.
 *
 * @param ownVersion - our version, see `segmentCredentials`
 */
export function readSegmentRequest(
  headers: { readonly segment: string | null; readonly payment: string | null },
  ownVersion: string,
): SegmentRequest | Refusal {
  const payment = readPaymentHeader(headers.payment ?? "");
  if (payment.type === "refused") return payment;
  const segment = readSegmentHeader(headers.segment ?? "", ownVersion);
  if (segment.type === "refused") return segment;
  return { type: "request", payment, segment };
}

/** Decodes `Livepeer-Payment`. The content of the payment is not judged here. */
export function readPaymentHeader(header: string): PaymentHeader | Refusal {
  if (header.length > PAYMENT_HEADER_CHARS_MAX) {
    return refuse(402, `base64 decode error: more than ${PAYMENT_HEADER_CHARS_MAX} characters`);
  }
  const decoded = decodeBase64(header);
  if (decoded.type === "corrupt") {
    return refuse(402, `base64 decode error: illegal base64 data at input byte ${decoded.at}`);
  }
  const outcome = decodePayment(decoded.bytes);
  if (outcome.type === "malformed") return refuse(402, `protobuf unmarshal error: ${outcome.text}`);
  return { type: "payment", payment: outcome.message, sender: accountBytes(outcome.message.sender) };
}

/** Decodes `Livepeer-Segment`. Nothing in it is verified yet, see `verifySegment`. */
export function readSegmentHeader(header: string, ownVersion: string): SegmentCredentials | Refusal {
  if (header.length > SEGMENT_HEADER_CHARS_MAX) return refuse(403, segmentTexts.notBase64);
  const decoded = decodeBase64(header);
  if (decoded.type === "corrupt") return refuse(403, segmentTexts.notBase64);
  const outcome = decodeSegData(decoded.bytes);
  if (outcome.type === "malformed") return refuse(403, outcome.text);
  return segmentCredentials(outcome.message, ownVersion);
}

const decodePayment = messageDecoder(PaymentSchema);
const decodeSegData = messageDecoder(SegDataSchema);
