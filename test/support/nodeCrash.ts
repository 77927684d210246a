import { nodeConfig } from "./nodeFixture.ts";
import { startRedeemer } from "../../src/start/startRedeemer.ts";
import { type RunningNode, type StartOptions, startNode } from "../../src/startNode.ts";

/*
 * A node in a process of its own that ends itself with SIGKILL at a chosen point of its walks. Started by
 * `nodeProcess.ts`; its one argument is a `CrashPlan` as JSON. Prints its port when it serves.
 */

/** What the process shall do to itself. */
export type CrashPlan = {
  readonly flags: readonly string[];
  /** The point at which it dies, counted from 1 over all probe points; 0 = never. */
  readonly killAt: number;
  /** The point at which it dies by its name, such as `durable:TicketWon`, and how often it must have come. */
  readonly killAtPoint?: { readonly point: string; readonly nth: number };
  /** Workers that are killed as soon as a segment was handed to them. */
  readonly workersLost: number;
  /** Milliseconds between two looks at the chain: flags say whole seconds. */
  readonly pollMs?: number;
};

if (import.meta.main) {
  const plan = JSON.parse(process.argv[2] ?? "") as CrashPlan;
  let points = 0;
  let namedPoints = 0;
  let workersToLose = plan.workersLost;
  const config = nodeConfig(plan.flags);
  const { pollMs } = plan;
  const isPolled = pollMs !== undefined && config.chain !== null;
  let running: RunningNode | null = null;
  const options: StartOptions = {
    config: isPolled ? { ...config, chain: { ...config.chain, pollMs } } : config,
    onFatal: () => process.exit(3),
    writeLog: () => {},
    probe: (point) => {
      points += 1;
      if (point === plan.killAtPoint?.point) namedPoints += 1;
      const isNamed = namedPoints > 0 && namedPoints === plan.killAtPoint?.nth;
      if (points === plan.killAt || isNamed) process.kill(process.pid, "SIGKILL");
      if (point === "decided:SegmentDispatched" && workersToLose > 0) {
        workersToLose -= 1;
        // The pool is about to hand the segment over; it has done so when this turn ends.
        queueMicrotask(() => {
          for (const { pid, running: jobs } of running?.workers.stats().workers ?? []) {
            if (jobs > 0) process.kill(pid, "SIGKILL");
          }
        });
      }
    },
  };
  if (config.node.role === "redeemer") {
    const { listener } = await startRedeemer(options);
    process.stdout.write(`${listener.port}\n`);
  } else {
    running = await startNode(options);
    process.stdout.write(`${running.listener.port}\n`);
  }
}
