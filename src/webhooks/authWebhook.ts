import type { GatewayAuthorizer } from "../runtime/ports.ts";
import { CallSlots } from "./callSlots.ts";
import { type HookTarget, postToHook } from "./hookRequest.ts";
import { readWebhookAnswer } from "./webhookAnswer.ts";

export type AuthWebhookOptions = {
  /** From `parseHookUrl`. */
  readonly target: HookTarget;
  readonly nowMs: () => number;
  /** Limit for one decision, waiting for a slot included. Default 5,000: gateways give up after 6 s. */
  readonly timeoutMs?: number;
  /** Calls at once. Default 32. */
  readonly callsMax?: number;
  /** Senders waiting for a call. Default 256. */
  readonly waitingMax?: number;
  /**
   * How long an answer is used without asking again. Default 0 for both: the hook decides about every
   * request, as with go-livepeer, and an operator who bans a gateway sees it banned at once.
   */
  readonly allowedFreshMs?: number;
  readonly refusedFreshMs?: number;
  /**
   * How long the last permission, with its price, stands in for a hook that gives no answer. Default 30
   * minutes.
   */
  readonly allowedKeptMs?: number;
  /** Senders remembered. Default 10,000. */
  readonly rememberedMax?: number;
  /**
   * Called after every call of the hook, for logs and metrics. `detail` may name the hook: never show it to
   * peers.
   */
  readonly onCall?: (call: HookCall) => void;
};

export type HookCall = {
  readonly outcome: "allowed" | "refused" | "noAnswer";
  readonly durationMs: number;
  readonly detail: string;
};

type Decision = Awaited<ReturnType<GatewayAuthorizer["authorize"]>>;
type Remembered = { readonly decision: Decision; readonly atMs: number };

/**
 * Asks the operator's hook (`-authWebhookUrl`) whether a gateway may have a session, and at which price.
 *
 * - An answer of the hook always counts, also against an earlier one.
 * - When there is no answer (unreachable, too slow, redirect loop, too many calls), the last permission of
 *   that gateway stands in for 30 minutes: a restart of the hook does not stop running streams. An unknown
 * gateway is
 *   refused.
 * - Requests of one gateway that arrive together share one call.
 * - `text` of a refusal is the whole message for the gateway, `authentication failed: …`. It holds what the
 *   hook said, cut to 1,024 characters, and never the hook's URL.
 *
 * Source: video sheet 3.2 step 3; operator sheet 5 and 10 item 12; vectors webhooks.json.
 */
export function createAuthWebhook(options: AuthWebhookOptions): GatewayAuthorizer {
  return new AuthWebhook(options);
}

const textCharactersMax = 1_024;

class AuthWebhook implements GatewayAuthorizer {
  readonly #options: AuthWebhookOptions;
  readonly #slots: CallSlots;
  /** In the order of the last decision, so that the longest unheard gateway is forgotten first. */
  readonly #remembered = new Map<string, Remembered>();
  readonly #underWay = new Map<string, Promise<Decision>>();

  constructor(options: AuthWebhookOptions) {
    this.#options = options;
    this.#slots = new CallSlots({
      runningMax: options.callsMax ?? 32,
      waitingMax: options.waitingMax ?? 256,
    });
  }

  async authorize(senderChecksumAddress: string): Promise<Decision> {
    const known = this.#remembered.get(senderChecksumAddress);
    if (known !== undefined && this.#isFresh(known)) return known.decision;
    const running = this.#underWay.get(senderChecksumAddress);
    if (running !== undefined) return running;
    const asked = this.#ask(senderChecksumAddress).finally(() =>
      this.#underWay.delete(senderChecksumAddress),
    );
    this.#underWay.set(senderChecksumAddress, asked);
    return asked;
  }

  async #ask(sender: string): Promise<Decision> {
    const startedMs = this.#options.nowMs();
    const signal = AbortSignal.timeout(this.#options.timeoutMs ?? 5_000);
    if (!(await this.#slots.enter(signal))) {
      return this.#withoutAnswer(sender, startedMs, "the webhook is busy", "no free call");
    }
    try {
      const reply = await postToHook(this.#options.target, JSON.stringify({ id: sender }), signal);
      if (reply.type === "noAnswer") return this.#withoutAnswer(sender, startedMs, reply.text, reply.cause);
      const decision = decide(reply.status, reply.body);
      this.#remember(sender, decision);
      this.#report(decision.type, startedMs, `status ${reply.status}`);
      return decision;
    } finally {
      this.#slots.leave();
    }
  }

  #withoutAnswer(sender: string, startedMs: number, text: string, cause: string): Decision {
    this.#report("noAnswer", startedMs, cause);
    const known = this.#remembered.get(sender);
    const keptMs = this.#options.allowedKeptMs ?? 1_800_000;
    if (known?.decision.type === "allowed" && this.#options.nowMs() - known.atMs < keptMs)
      return known.decision;
    return refusal(text);
  }

  #isFresh(known: Remembered): boolean {
    const { allowedFreshMs = 0, refusedFreshMs = 0 } = this.#options;
    const freshMs = known.decision.type === "allowed" ? allowedFreshMs : refusedFreshMs;
    return this.#options.nowMs() - known.atMs < freshMs;
  }

  #remember(sender: string, decision: Decision): void {
    this.#remembered.delete(sender);
    this.#remembered.set(sender, { decision, atMs: this.#options.nowMs() });
    if (this.#remembered.size <= (this.#options.rememberedMax ?? 10_000)) return;
    for (const oldest of this.#remembered.keys()) {
      this.#remembered.delete(oldest);
      return;
    }
  }

  #report(outcome: HookCall["outcome"], startedMs: number, detail: string): void {
    this.#options.onCall?.({ outcome, durationMs: this.#options.nowMs() - startedMs, detail });
  }
}

function decide(status: number, body: string): Decision {
  if (status !== 200) return refusal(body);
  const answer = readWebhookAnswer(body);
  return answer.type === "valid" ? { type: "allowed", price: answer.price } : refusal(answer.text);
}

/**
 * Line breaks stay, because gateways show them today; other control characters have no place in a message.
 */
function refusal(text: string): Decision {
  const clean = text
    .slice(0, textCharactersMax)
    .toWellFormed()
    .replace(/(?![\t\r\n])\p{Cc}/gu, " ");
  return { type: "refused", text: `authentication failed: ${clean}` };
}
