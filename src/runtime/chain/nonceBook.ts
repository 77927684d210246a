import type { WalletCommand, WalletSnapshot } from "../../actors/wallet/decide.ts";
import { assert } from "../../shared/assert.ts";
import type { Hex } from "../../shared/brand.ts";
import type { ChainDesk } from "../chainPorts.ts";
import type { Host, Origin } from "../host.ts";

export type NonceBookOptions = {
  readonly host: Host;
  readonly desk: Pick<ChainDesk, "nonces">;
  /** Whether the log knows this id of an ended transaction: after the chain went far back, a nonce comes twice. */
  readonly isTaken?: (id: string) => boolean;
};

/** The nonces of the accounts that this node sends from: what the log has given out, and what the chain counts. */
export class NonceBook {
  readonly #options: NonceBookOptions;
  /** What the chain counted for an account since the last look: asked once. */
  readonly #counted = new Map<Hex, ReturnType<ChainDesk["nonces"]>>();

  constructor(options: NonceBookOptions) {
    this.#options = options;
  }

  /** A new look: what the chain counts is asked again. */
  forget(): void {
    this.#counted.clear();
  }

  /** Transactions of an account as the chain counts them; asked once a look. */
  count(account: Hex): ReturnType<ChainDesk["nonces"]> {
    const known = this.#counted.get(account);
    if (known !== undefined) return known;
    const asked = this.#options.desk.nonces(account, null);
    this.#counted.set(account, asked);
    return asked;
  }

  /** What the log would give out next. */
  next(account: Hex): number {
    const wallet = this.#options.host.snapshot("wallet", account) as WalletSnapshot | null;
    return wallet?.context.nextNonce ?? 0;
  }

  /** The next nonce of an account; the wallet is brought there when somebody else has sent from the account. */
  forNext(account: Hex, counted: { readonly mined: number; readonly pending: number }): number {
    const known = this.next(account);
    const nonce = Math.max(known, counted.mined, counted.pending);
    if (nonce > known) this.correct(account, nonce);
    return nonce;
  }

  /** Gives a nonce out, in the open commit. */
  reserve(account: Hex, nonce: number, origin: Origin): void {
    this.#execute(account, { type: "ReserveNonce", nonce }, origin);
  }

  /** The chain counts otherwise: the next transaction gets this nonce. */
  correct(account: Hex, nonce: number): void {
    const origin: Origin = { correlationId: `wallet:${account}`, causationId: "chain-read" };
    this.#execute(account, { type: "CorrectNonce", nonce }, origin);
  }

  /** Name of a new transaction: `<account>/<nonce>`, or `<account>/<nonce>.2` for a nonce that comes again. */
  idOf(account: Hex, nonce: number): string {
    const { host, isTaken } = this.#options;
    const isKnown = (id: string): boolean =>
      isTaken?.(id) === true || host.snapshot("transaction", id) !== null;
    let id = `${account}/${nonce}`;
    for (let again = 2; isKnown(id); again++) id = `${account}/${nonce}.${again}`;
    return id;
  }

  #execute(account: Hex, command: WalletCommand, origin: Origin): void {
    const done = this.#options.host.execute("wallet", account, command, origin);
    assert(done.type === "accepted", `The wallet of ${account} refused a nonce.`);
  }
}
