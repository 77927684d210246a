import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { standardCost, writeKeystore } from "../test/support/keystores.ts";
import { startNodeProcess } from "./nodeProcess.ts";
import { argument, isSmall, percentile, printFigure, printHeader } from "./support.ts";

/*
 * Questions: how long from the start of the process until its port takes connections, and until the first call is
 * answered, on a data folder that exists?
 *
 * Bound: loading about 300 modules, some 250 ms of one core, is before both; SQLite, the actors and the first commit,
 * some 100 ms, before the answer. On a chain every answer is signed, so it also waits for the key. The key file here is
 * of geth's standard strength: its pass phrase takes 0.5 s of another core and 256 MB, and we know no faster code
 * (ours in C, with SSE2 and huge pages, took 0.95 to 1.1 of the time of Bun's). The certificate and the token key are
 * there from the first start; the self-bench runs after the port is open.
 *
 * Wanted: the port open in < 1 s warm (go-livepeer: 0.16 s). On a chain too, whatever its endpoint does: here it takes
 * connections and never answers (go-livepeer: 0.9 s with an endpoint that answers at once, and it keeps 327 MB).
 */

const starts = isSmall ? 3 : 15;

printHeader("How long from the start of the process to the open port, and to the first answer?");
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
  const ports: number[] = [];
  const answers: number[] = [];
  let residentBytes = 0;
  for (let start = 0; start <= starts; start++) {
    const node = await startNodeProcess(dataDir, flags);
    if (start === 0)
      printFigure(`${what}: first start`, `${node.readyMs.toFixed(0)} ms (makes database, key, certificate)`);
    else {
      ports.push(node.portMs);
      answers.push(node.readyMs);
    }
    if (start === starts) {
      // What the pass phrase took goes back to the system soon after.
      await Bun.sleep(1_000);
      residentBytes = node.memory().node;
    }
    await node.stop();
  }
  printFigure(`${what}: warm, port open`, `${spread(ports)}  (wanted < 1000 ms)`);
  printFigure(`${what}: warm, first answer`, spread(answers));
  printFigure(`${what}: resident one second later`, `${(residentBytes / 2 ** 20).toFixed(0)} MiB`);
  rmSync(dataDir, { recursive: true });
}

function spread(times: readonly number[]): string {
  return `p50 ${percentile(times, 0.5).toFixed(0)} ms, most ${Math.max(...times).toFixed(0)} ms`;
}
