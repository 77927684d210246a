import { openChain, type OpenChainOptions, type OpenedChain } from "../../../src/chain/openChain.ts";
import type { ChainClock, SenderFunds } from "../../../src/runtime/ports.ts";
import { type DevChain, type DevChainOptions, startDevChain } from "./devChain.ts";
import { eventually } from "../eventually.ts";
import { SteadyClock } from "./steadyClock.ts";

/*
 * A development chain, a view of it that polls every 10 ms, and everything that the view told.
 */

export type ChainWorld = AsyncDisposable & {
  readonly chain: DevChain;
  readonly view: OpenedChain;
  readonly clocks: readonly ChainClock[];
  readonly funds: readonly SenderFunds[];
  readonly troubles: readonly (string | null)[];
  /** Lets the view's monotonic clock run ahead of the real one. */
  advance(ms: number): void;
  /** Moves the view's wall clock, which nothing but time stamps may follow. */
  setWallClock(ms: number): void;
  /** Resolves when the view's clock satisfies `test`. */
  clockWhere(what: string, test: (clock: ChainClock) => boolean): Promise<ChainClock>;
  /** Resolves when `trouble` is null, or holds `text`. */
  troubleWhere(text: string | null): Promise<void>;
};

export type ChainWorldOptions = Partial<OpenChainOptions> & {
  readonly devChain?: DevChainOptions;
  /** Changes the chain before the view opens. */
  readonly before?: (chain: DevChain) => Promise<unknown> | unknown;
};

/** The recipient of every test. */
export const recipient: Uint8Array = new Uint8Array(20).fill(0xaa);

export async function openChainWorld(options: ChainWorldOptions = {}): Promise<ChainWorld> {
  const { devChain, before, ...viewOptions } = options;
  const chain = await startDevChain(devChain);
  await before?.(chain);
  const clocks: ChainClock[] = [];
  const funds: SenderFunds[] = [];
  const troubles: (string | null)[] = [];
  const monotonic = new SteadyClock();
  let wallMs = 1_700_000_000_000;
  const view = openChain({
    urls: [{ reveal: () => chain.rpc.url }],
    controller: chain.controller,
    recipient,
    network: "devnet",
    pollMs: 10,
    // An endpoint that is only slow is no trouble.
    timeoutMs: 30_000,
    minGasPrice: 0n,
    maxGasPrice: 0n,
    nowMs: () => wallMs,
    monotonicMs: monotonic.now,
    seed: { clock: null, funds: new Map() },
    expectedChainId: null,
    onClock: (clock) => clocks.push(clock),
    onFunds: (_sender, news) => funds.push(news),
    onTrouble: (reason) => troubles.push(reason),
    ...viewOptions,
  });
  return {
    ...{ chain, view, clocks, funds, troubles },
    advance: monotonic.advance,
    setWallClock: (ms) => {
      wallMs = ms;
    },
    clockWhere: (what, test) =>
      eventually(what, () => {
        const clock = view.clock();
        return clock !== null && test(clock) ? clock : null;
      }),
    troubleWhere: async (text) => {
      await eventually(`trouble is ${text}`, () => {
        const { trouble } = view;
        return (text === null ? trouble === null : trouble?.includes(text) === true) ? true : null;
      }).catch((error: unknown) => {
        throw new Error(`It is ${view.trouble}.`, { cause: error });
      });
    },
    [Symbol.asyncDispose]: async () => {
      view.close();
      monotonic[Symbol.dispose]();
      await chain[Symbol.asyncDispose]();
    },
  };
}
