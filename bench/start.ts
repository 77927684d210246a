import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { standardCost, writeKeystore } from "../test/support/keystores.ts";
import { startNodeProcess } from "./nodeProcess.ts";
import { argument, isSmall, percentile, printFigure, printHeader } from "./support.ts";

/*
 * Question: how long from the start of the process to the first answered call, on a data folder that exists?
 *
 * Bound: loading about 300 modules and opening SQLite, some 150 ms of one core; the certificate and the token key
 * are there from the first start; the self-bench runs after the port is open.
 *
 * Wanted: < 1 s warm (go-livepeer: 0.16 s). On a chain too, whatever its endpoint does: here it takes connections and
 * never answers, and the key file is of geth's standard strength, whose pass phrase takes 0.5 s and 256 MB
 * (go-livepeer: 0.9 s with an endpoint that answers at once, and it keeps 327 MB).
 */

const starts = isSmall ? 3 : 15;

printHeader("How long from the start of the process to the first answer?");
const silent = Bun.listen({ hostname: "127.0.0.1", port: 0, socket: { data: () => {} } });

await measure("off-chain", []);
const keystore = mkdtempSync(join(argument("dir") ?? tmpdir(), "reprise-bench-key-"));
writeKeystore(keystore, new Uint8Array(32).fill(7), "pass", standardCost);
await measure("on a chain that is silent, standard key", [
  ...["-network", "arbitrum-one-mainnet", "-ethUrl", `http://127.0.0.1:${silent.port}`, "-pricePerUnit", "1"],
  ...["-ethKeystorePath", keystore, "-ethPassword", "pass"],
]);
silent.stop(true);
rmSync(keystore, { recursive: true });

async function measure(what: string, flags: readonly string[]): Promise<void> {
  const dataDir = mkdtempSync(join(argument("dir") ?? tmpdir(), "reprise-bench-start-"));
  const times: number[] = [];
  let residentBytes = 0;
  for (let start = 0; start <= starts; start++) {
    const node = await startNodeProcess(dataDir, flags);
    if (start === 0)
      printFigure(`${what}: first start`, `${node.readyMs.toFixed(0)} ms (makes database, key, certificate)`);
    else times.push(node.readyMs);
    if (start === starts) {
      // What the pass phrase took goes back to the system soon after.
      await Bun.sleep(1_000);
      residentBytes = node.memory().node;
    }
    await node.stop();
  }
  const [p50, most] = [percentile(times, 0.5), Math.max(...times)];
  printFigure(
    `${what}: warm start`,
    `p50 ${p50.toFixed(0)} ms, most ${most.toFixed(0)} ms  (wanted < 1000 ms)`,
  );
  printFigure(`${what}: resident one second later`, `${(residentBytes / 2 ** 20).toFixed(0)} MiB`);
  rmSync(dataDir, { recursive: true });
}
