import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { startNodeProcess } from "./nodeProcess.ts";
import { argument, isSmall, percentile, printFigure, printHeader } from "./support.ts";

/*
 * Question: how long from the start of the process to the first answered call, on a data folder that exists?
 *
 * Bound: loading about 300 modules and opening SQLite, some 150 ms of one core; the certificate and the token key
 * are there from the first start; the self-bench runs after the port is open.
 *
 * Wanted: < 1 s warm (go-livepeer: 0.16 s).
 */

const starts = isSmall ? 3 : 15;

printHeader("How long from the start of the process to the first answer?");
const dataDir = mkdtempSync(join(argument("dir") ?? tmpdir(), "reprise-bench-start-"));
const times: number[] = [];
for (let start = 0; start <= starts; start++) {
  const node = await startNodeProcess(dataDir);
  if (start === 0)
    printFigure("first start (makes database, key and certificate)", `${node.readyMs.toFixed(0)} ms`);
  else times.push(node.readyMs);
  await node.stop();
}
const [p50, most] = [percentile(times, 0.5), Math.max(...times)];
printFigure("warm start", `p50 ${p50.toFixed(0)} ms, most ${most.toFixed(0)} ms  (wanted < 1000 ms)`);
rmSync(dataDir, { recursive: true });
