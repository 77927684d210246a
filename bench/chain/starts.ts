import { scryptSync } from "node:crypto";
import { standardCost } from "../../test/support/keystores.ts";
import { isSmall } from "../support.ts";
import { type BenchChain, type Figure, openBenchChain, openSession } from "./benchChain.ts";

/*
 * From the start of the process to the first answered call, whatever the RPC endpoint does: on a folder that knows
 * nothing, and on one that has known the chain.
 */

/** go-livepeer, light and standard key, by the endpoint's latency. Source: chain sheet 11.5. */
const peer = "0.12 s light key, 0.9 s standard, 2.35 s at 100 ms, > 60 s at 5 s; ends when it is dead";

const manners = ["at once", "100 ms", "5 s", "dead"] as const;
const tried = isSmall ? (["at once", "5 s"] as const) : manners;
const repeats = isSmall ? 1 : 3;

function behave({ chain: { rpc } }: BenchChain, manner: (typeof manners)[number]): void {
  rpc.behave();
  if (manner === "100 ms") rpc.latencyMs = 100;
  if (manner === "5 s") rpc.latencyMs = 5_000;
  if (manner === "dead") rpc.fault = { type: "cut" };
}

/** @returns milliseconds to the open port: light and standard key, first and later start, four endpoints */
export async function starts(): Promise<readonly Figure[]> {
  const lines: Figure[] = [["start to the open port (wanted < 1000 ms)", `go-livepeer: ${peer}`]];
  for (const [key, keyCost] of [["light", 4_096] as const, ["standard", standardCost] as const]) {
    await using bench = await openBenchChain({ keyCost });
    if (keyCost === standardCost) {
      const startedMs = performance.now();
      scryptSync("bench", "salt", 32, { N: keyCost, r: 8, p: 1, maxmem: 2 ** 30 });
      lines.push([
        "  scrypt of the standard key alone, now",
        `${(performance.now() - startedMs).toFixed(0)} ms`,
      ]);
    }
    const known = bench.dataDir();
    // A life in which the chain and a gateway were known.
    const first = await bench.start(known);
    await openSession(await bench.gateway(first.serviceUri));
    await first.stop();
    for (const manner of tried) {
      behave(bench, manner);
      const [fresh, later]: [number[], number[]] = [[], []];
      for (let repeat = 0; repeat < repeats; repeat += 1) {
        for (const [dataDir, times] of [[bench.dataDir(), fresh] as const, [known, later] as const]) {
          const node = await bench.start(dataDir);
          times.push(node.readyMs);
          await node.stop();
        }
      }
      const shown = (times: readonly number[]): string => times.map((ms) => ms.toFixed(0)).join(", ");
      lines.push([
        `  ${key} key, RPC ${manner}: new folder | known folder`,
        `${shown(fresh)} | ${shown(later)} ms`,
      ]);
    }
  }
  return lines;
}
