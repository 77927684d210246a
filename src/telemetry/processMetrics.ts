import { readdirSync, readFileSync } from "node:fs";
import type { MetricsRegistry } from "./metrics.ts";

/** Clock ticks per second in `/proc/<pid>/stat`. Linux has fixed it to 100 for programs on every architecture. */
const ticksPerSecond = 100;

/**
 * Registers the `process_*` metrics that dashboards expect from every Prometheus client, read at each scrape, and
 * the heap of this runtime. On systems without `/proc` the ones that need it stay absent.
 */
export function addProcessMetrics(registry: MetricsRegistry, nowMs: () => number): void {
  const plain = (name: string, help: string) => ({ name, help, hasOwnLabelsOnly: true });
  const cpu = registry.counter(
    plain("process_cpu_seconds_total", "Total user and system CPU time spent in seconds."),
  );
  const openFds = registry.gauge(plain("process_open_fds", "Number of open file descriptors."));
  const maxFds = registry.gauge(plain("process_max_fds", "Maximum number of open file descriptors."));
  const resident = registry.gauge(plain("process_resident_memory_bytes", "Resident memory size in bytes."));
  const virtual = registry.gauge(plain("process_virtual_memory_bytes", "Virtual memory size in bytes."));
  const heap = registry.gauge(plain("reprise_heap_used_bytes", "JavaScript heap in use in bytes."));
  const external = registry.gauge(
    plain("reprise_heap_external_bytes", "Memory outside the JavaScript heap held by it."),
  );
  registry
    .gauge(plain("process_start_time_seconds", "Start time of the process since unix epoch in seconds."))
    .set(Math.round(nowMs() - process.uptime() * 1_000) / 1_000);
  let cpuSeconds = 0;
  registry.beforeCollect(() => {
    const usage = process.cpuUsage();
    const total = (usage.user + usage.system) / 1e6;
    cpu.add(Math.max(0, total - cpuSeconds));
    cpuSeconds = Math.max(cpuSeconds, total);
    const memory = process.memoryUsage();
    resident.set(memory.rss);
    heap.set(memory.heapUsed);
    external.set(memory.external);
    const facts = readProc();
    if (facts.openFds !== null) openFds.set(facts.openFds);
    if (facts.maxFds !== null) maxFds.set(facts.maxFds);
    if (facts.virtualBytes !== null) virtual.set(facts.virtualBytes);
  });
}

/** Resident memory of another process in bytes; null when it is gone or there is no `/proc`. */
export function residentBytesOf(pid: number): number | null {
  return numberIn(readText(`/proc/${pid}/status`), /^VmRSS:\s+(\d+) kB/m, 1_024);
}

/** CPU time of another process in seconds; null when it is gone or there is no `/proc`. */
export function cpuSecondsOf(pid: number): number | null {
  const text = readText(`/proc/${pid}/stat`);
  if (text === null) return null;
  // The second field is the program's name in brackets and may hold spaces: count from behind it.
  const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
  const ticks = Number(fields[11]) + Number(fields[12]);
  return Number.isFinite(ticks) ? ticks / ticksPerSecond : null;
}

function readProc() {
  return {
    openFds: countEntries("/proc/self/fd"),
    maxFds: numberIn(readText("/proc/self/limits"), /^Max open files\s+(\d+)/m, 1),
    virtualBytes: numberIn(readText("/proc/self/status"), /^VmSize:\s+(\d+) kB/m, 1_024),
  };
}

function numberIn(text: string | null, pattern: RegExp, unit: number): number | null {
  const match = text === null ? null : pattern.exec(text);
  return match === null ? null : Number(match[1]) * unit;
}

function readText(path: string): string | null {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return null;
  }
}

function countEntries(path: string): number | null {
  try {
    return readdirSync(path).length;
  } catch {
    return null;
  }
}
