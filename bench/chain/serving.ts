import { isSmall, percentile } from "../support.ts";
import { type Figure, openBenchChain, openSession, seconds } from "./benchChain.ts";

/*
 * GetOrchestrator of a gateway that the node knows, while every poll hangs: the node polls each second, so that one is
 * always under way. And of one that it does not know.
 */

const lengthMs = isSmall ? 1_500 : 20_000;

/** @returns p50 and p99 of a known sender, and how long an unknown one waits */
export async function serving(): Promise<readonly Figure[]> {
  await using bench = await openBenchChain({});
  const { chain } = bench;
  const dataDir = bench.dataDir();
  const first = await bench.start(dataDir, ["-blockPollingInterval", "1"]);
  const gateway = await bench.gateway(first.serviceUri);
  await openSession(gateway);
  const times = async (): Promise<string> => {
    const taken: number[] = [];
    const endMs = performance.now() + lengthMs;
    while (performance.now() < endMs) {
      const startedMs = performance.now();
      await gateway.discover();
      taken.push(performance.now() - startedMs);
    }
    const [p50, p99, most] = [0.5, 0.99, 1].map((share) => percentile(taken, share).toFixed(1));
    return `p50 ${p50}, p99 ${p99}, most ${most} ms, ${taken.length} calls`;
  };
  const lines: Figure[] = [["GetOrchestrator of a known sender, RPC at once", await times()]];
  chain.rpc.latencyMs = 5_000;
  lines.push(["  RPC takes 5 s (wanted p99 < 50)", await times()]);
  const stranger = await bench.gateway(first.serviceUri);
  const startedMs = performance.now();
  const answer = await stranger.discover().then(
    () => "terms",
    (error: unknown) => (error instanceof Error ? error.message : String(error)),
  );
  lines.push([
    "  a new sender, RPC takes 5 s",
    `${seconds(performance.now() - startedMs)}: ${answer.slice(0, 120)}`,
  ]);
  chain.rpc.behave();
  chain.rpc.fault = { type: "cut" };
  lines.push(["  RPC is dead (wanted p99 < 50)", await times()]);
  return lines;
}
