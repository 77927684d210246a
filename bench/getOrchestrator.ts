import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import {
  CapabilitiesSchema,
  OrchestratorInfoSchema,
  OrchestratorRequestSchema,
} from "../src/protocol/gen/lp_rpc_pb.ts";
import { startNodeProcess } from "./nodeProcess.ts";
import { runLoad } from "./rpcLoad.ts";
import { argument, isSmall, perSecond, percentile, printFigure, printHeader, resultHash } from "./support.ts";

/*
 * Question: how many GetOrchestrator calls a second does the node answer, with a new TLS connection for each
 * call (as a gateway makes them) and on kept connections?
 *
 * Bound: a TLS 1.3 handshake with P-256 takes both sides about 0.2 ms of processor time in BoringSSL plus
 * what the runtime adds per socket; a call is then two packets each way. With client and server on two cores
 * a new connection each cannot pass about 1,500/s, a kept one is bound by the frames: 15,000/s.
 *
 * Wanted: ≥ 1.0 × go-livepeer with a new connection each, ≥ 0.7 × on kept ones.
 *
 * Last: 2 × AMD EPYC, in the same run as go-livepeer 0.9.1, 1 / 10 / 100 clients: new connection each
 * 781 / 1,815 / 1,969 against 593 / 1,329 / 1,643 (1.32, 1.37, 1.20 ×); kept 4,139 / 8,010 / 8,107 against
 * 2,821 / 9,059 / 12,961 (1.47, 0.88, 0.63 ×: the last misses the aim). Processor time a call: 0.5 to 0.8 ms
 * against 0.65 to 1.4 ms, kept 0.12 to 0.17 ms against 0.11 to 0.37 ms.
 *
 * `--peer https://127.0.0.1:18935` measures another orchestrator in the same run, alternating, and prints
 * ratios (`--peerPid` adds its processor time); `--node https://…` measures a running node instead of starting one. The client is written in this language
 * too: its share of the processor is printed, and where it nears one whole core it is the client that is
 * measured.
 */

const path = "/net.Orchestrator/GetOrchestrator";
const durationMs = isSmall ? 200 : 2_000;
const rounds = isSmall ? 1 : 3;
const clientCounts = isSmall ? [1, 10] : [1, 10, 100];

type Target = { readonly name: string; readonly url: URL; readonly pid: number | null };
type Sample = { readonly rate: number; readonly p50: number; readonly p99: number; readonly line: string };

const message = toBinary(
  OrchestratorRequestSchema,
  create(OrchestratorRequestSchema, {
    address: new Uint8Array(20),
    sig: new Uint8Array(65),
    capabilities: create(CapabilitiesSchema, { bitstring: [0x1fffn], version: "0.9.1" }),
  }),
);

/** Milliseconds of processor time a process has used; null where the system does not tell. */
function cpuMs(pid: number | null): number | null {
  if (pid === null || process.platform !== "linux") return null;
  const fields = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ")[1]?.split(" ") ?? [];
  const ticksPerSecond = 100;
  return ((Number(fields[11]) + Number(fields[12])) / ticksPerSecond) * 1_000;
}

async function measure(target: Target, clients: number, isKept: boolean): Promise<Sample> {
  const cpuBefore = cpuMs(target.pid);
  const result = await runLoad({
    host: target.url.hostname,
    port: Number(target.url.port),
    path,
    message,
    clients,
    isKept,
    durationMs,
  });
  const cpuAfter = cpuMs(target.pid);
  if (result.failures > 0) throw new Error(`${target.name}: ${result.failures} calls failed.`);
  // Throws when the answer is none.
  const info = fromBinary(OrchestratorInfoSchema, result.lastMessage);
  answers.set(target.name, Object.keys(info).toSorted().join(" "));
  const [p50, p99] = [percentile(result.latenciesMs, 0.5), percentile(result.latenciesMs, 0.99)];
  const perCall = (ms: number): string => `${((ms / result.calls) * 1_000).toFixed(0)} µs`;
  const serverShare =
    cpuBefore === null || cpuAfter === null ? "" : `, server ${perCall(cpuAfter - cpuBefore)}/call`;
  const clientShare = `client ${perCall(result.clientCpuMs)}/call`;
  return {
    rate: perSecond(result.calls, result.elapsedMs),
    p50,
    p99,
    line: `p50 ${p50.toFixed(2)} ms, p99 ${p99.toFixed(2)} ms, ${clientShare}${serverShare}`,
  };
}

/**
 * Measures the targets in turns, so that a change of the machine meets all of them; keeps each one's best.
 */
async function compare(targets: readonly Target[], clients: number, isKept: boolean): Promise<void> {
  const best = new Map<string, Sample>();
  for (let round = 0; round < rounds; round++) {
    for (const target of targets) {
      const sample = await measure(target, clients, isKept);
      if (sample.rate > (best.get(target.name)?.rate ?? -1)) best.set(target.name, sample);
    }
  }
  const kind = isKept ? "kept connection" : "new connection each";
  for (const { name } of targets) {
    const sample = best.get(name);
    printFigure(`${kind}, ${clients} clients, ${name}`, `${sample?.rate}/s, ${sample?.line}`);
  }
  const [own, peer] = targets.map(({ name }) => best.get(name)?.rate ?? 0);
  if (own !== undefined && peer !== undefined) {
    printFigure(`${kind}, ${clients} clients, ratio`, `${(own / peer).toFixed(2)} ×`);
  }
}

const answers = new Map<string, string>();
const dataDir = mkdtempSync(join(tmpdir(), "reprise-bench-rpc-"));
const runningUrl = argument("node");
const node = runningUrl === null ? await startNodeProcess(dataDir, ["-v", "0"]) : null;
const peerUrl = argument("peer");
const peerPid = argument("peerPid");
try {
  printHeader("How many GetOrchestrator calls a second does the node answer?");
  const targets: Target[] = [
    { name: "node", url: new URL(node?.serviceUri ?? runningUrl ?? ""), pid: node?.pid ?? null },
  ];
  if (peerUrl !== null) {
    targets.push({ name: "peer", url: new URL(peerUrl), pid: peerPid === null ? null : Number(peerPid) });
  }
  // The first calls compile the code of both sides.
  for (const target of targets) await measure(target, 4, false);
  for (const isKept of [false, true]) {
    for (const clients of clientCounts) await compare(targets, clients, isKept);
  }
  printFigure("result hash (names of the fields of the answers)", resultHash(answers.values()));
} finally {
  await node?.stop();
  rmSync(dataDir, { recursive: true, force: true });
}
