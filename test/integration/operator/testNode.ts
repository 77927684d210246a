import { type OperatorPort, openOperatorPort } from "../../../src/operator/operatorPort.ts";
import type {
  OperatorChain,
  OperatorMoney,
  OperatorNotice,
  RegisteredTranscoder,
} from "../../../src/operator/ports.ts";

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
