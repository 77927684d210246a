import { create, toBinary } from "@bufbuild/protobuf";
import { toHex, utf8 } from "../../protocol/bytes.ts";
import type { CapabilitySet } from "../../protocol/capabilities.ts";
import { type AuthToken, type OrchestratorInfo, PaymentResultSchema } from "../../protocol/gen/lp_rpc_pb.ts";
import { readSegmentRequest } from "../../protocol/headers.ts";
import { paymentAccount } from "../../protocol/paymentAccount.ts";
import { segmentTexts } from "../../protocol/texts.ts";
import { verifySegment } from "../../protocol/verifySegment.ts";
import type { Host } from "../host.ts";
import type { Sale } from "../money/market.ts";
import type { Till } from "../money/till.ts";
import type { Identity } from "../ports.ts";
import type {
  HttpRefusal,
  PaidAnswer,
  PaymentHeaders,
  Peer,
  RefreshedPayment,
  RefreshPaymentRequest,
} from "../service.ts";

export type PaymentDoorOptions = {
  readonly identity: Identity;
  readonly capabilities: CapabilitySet;
  readonly version: string;
  readonly host: Host;
  /** Null off-chain. */
  readonly till: Till | null;
  readonly checkToken: (token: AuthToken, account: Uint8Array) => "valid" | "invalid" | "expired";
  /** Why the log takes no new work, or null. */
  readonly logRefusal: () => string | null;
  /** Whether no session of somebody else had this name, and none that has ended. */
  readonly mayName: (account: Uint8Array, sessionId: string) => boolean;
  /** A fresh token of a known session. */
  readonly tokenFor: (account: Uint8Array, sessionId: string) => AuthToken;
  readonly infoFor: (token: AuthToken, sale: Sale | null) => OrchestratorInfo;
};

/** POST /payment and POST /refresh-payment: money without work. Source: payments sheet 3.2; video sheet 5. */
export class PaymentDoor {
  readonly #options: PaymentDoorOptions;

  constructor(options: PaymentDoorOptions) {
    this.#options = options;
  }

  /** Credits what came to the account that the credentials name. No balance is asked for, and no capacity. */
  async pay(headers: PaymentHeaders, _peer: Peer): Promise<HttpRefusal | PaidAnswer> {
    const { till, identity, host, logRefusal } = this.#options;
    const request = readSegmentRequest(headers, this.#options.version);
    if (request.type === "refused") return request;
    const { payment, segment } = request;
    const verified = verifySegment(segment, payment.sender, {
      isSignedBy: identity.isSignedBy,
      capabilities: this.#options.capabilities,
      checkToken: (token) => this.#options.checkToken(token, payment.sender),
      hasCapacity: () => true,
    });
    if (verified.type === "refused") return verified;
    const { authToken } = verified;
    if (till === null) return this.#paid(authToken, null);
    // What cannot be written now is not taken: it would only wait in memory.
    if (logRefusal() !== null) return refused(500, segmentTexts.internal);
    const sender = toHex(payment.sender);
    const account = { sender, manifestId: paymentAccount(segment.manifestId) };
    const taken = await till.take(
      payment,
      { account, priceOf: { sender, manifestId: authToken.sessionId }, isForWork: false },
      { correlationId: `${account.sender}/${account.manifestId}`, causationId: "payment-request" },
    );
    if (taken.type === "refused") return taken;
    await host.committed();
    return this.#paid(authToken, taken.sale);
  }

  /**
   * Fresh parameters for an account whose price is agreed. The token in it is bound to the gateway's account: it is
   * of no use to whoever else asks.
   */
  async refresh({ sender, manifestId }: RefreshPaymentRequest): Promise<HttpRefusal | RefreshedPayment> {
    const { till } = this.#options;
    const account = { sender: toHex(sender), manifestId: paymentAccount(utf8(manifestId)) };
    // The name goes into a token as its session: it then names streams, objects and grants, so nothing odd may.
    const isPlain = account.manifestId === manifestId;
    const isPriced = till !== null && isPlain && till.priceOf(account) !== null;
    if (!isPriced || !this.#options.mayName(sender, manifestId)) {
      return refused(409, "fixed price not found for session");
    }
    const offer = await till.offer(sender, account);
    if (offer.type === "refused") return refused(500, offer.text);
    const token = this.#options.tokenFor(sender, manifestId);
    return { type: "refreshed", info: this.#options.infoFor(token, offer.sale) };
  }

  #paid(token: AuthToken, sale: Sale | null): PaidAnswer {
    const info = this.#options.infoFor(token, sale);
    return { type: "paid", result: toBinary(PaymentResultSchema, create(PaymentResultSchema, { info })) };
  }
}

function refused(status: number, text: string): HttpRefusal {
  return { type: "refused", status, text };
}
