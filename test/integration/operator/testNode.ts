import { type OperatorPort, openOperatorPort } from "../../../src/operator/operatorPort.ts";
import type {
  OperatorActions,
  OperatorChain,
  OperatorMoney,
  OperatorNotice,
  RegisteredTranscoder,
} from "../../../src/operator/ports.ts";

/** A chain that cannot be read, of a node whose gas prices are in memory and whose signatures are none. */
export function memoryChain(parts: Partial<OperatorChain> = {}): OperatorChain {
  const bounds: { min: bigint; max: bigint | null } = { min: 0n, max: null };
  const unread = (): Promise<{ type: "failed"; text: string }> =>
    Promise.resolve({ type: "failed", text: "injected failure" });
  return {
    chainId: 54_321n,
    account: new Uint8Array(20).fill(1),
    minGasPrice: () => bounds.min,
    maxGasPrice: () => bounds.max,
    setGasPrices: ({ min, max }) => {
      bounds.min = min;
      bounds.max = max;
    },
    signMessage: () => new Uint8Array(65),
    signTypedData: () => ({ type: "refused", text: "no key" }),
    reads: {
      currentRound: unread,
      isRoundInitialized: unread,
      contracts: unread,
      ethBalance: unread,
      tokenBalance: unread,
      latestBlock: unread,
      unlockPeriod: unread,
      protocol: unread,
      sender: unread,
      delegator: unread,
      orchestrator: unread,
      orchestrators: unread,
      earningsPool: unread,
      unbondingLocks: unread,
    },
    ...parts,
  };
}

export type TestPort = {
  readonly port: OperatorPort;
  readonly state: { maxSessions: number; verbosity: number; unhealthy: string | null };
  readonly notices: OperatorNotice[];
};

/** A real operator port on a free port, in front of a node that only remembers what it was told. */
export async function openTestPort(
  options: {
    readonly isMonitored?: boolean;
    readonly transcoders?: readonly RegisteredTranscoder[];
    readonly exposition?: () => string;
    readonly money?: OperatorMoney;
    readonly chain?: OperatorChain;
    readonly actions?: OperatorActions;
  } = {},
): Promise<TestPort> {
  const state: TestPort["state"] = { maxSessions: 10, verbosity: 4, unhealthy: null };
  const notices: OperatorNotice[] = [];
  const port = await openOperatorPort({
    bind: { host: "127.0.0.1", port: 0 },
    onNotice: (notice) => notices.push(notice),
    node: {
      facts: () => ({
        version: "undefined",
        runtimeVersion: "{goVersion}",
        architecture: "amd64",
        operatingSystem: "linux",
        registeredTranscoders: options.transcoders ?? [],
        isLocalTranscoding: options.transcoders === undefined,
      }),
      maxSessions: () => state.maxSessions,
      setMaxSessions: (count) => {
        state.maxSessions = count;
      },
      verbosity: () => state.verbosity,
      setVerbosity: (verbosity) => {
        state.verbosity = verbosity;
      },
      unhealthyReason: () => state.unhealthy,
      money: options.money ?? null,
      chain: options.chain ?? null,
      actions: options.actions ?? null,
      metrics: options.isMonitored
        ? {
            contentType: "text/plain; version=0.0.4; charset=utf-8",
            expose: options.exposition ?? (() => `livepeer_max_sessions_total ${state.maxSessions}\n`),
          }
        : null,
    },
  });
  return { port, state, notices };
}
