import { readFileSync } from "node:fs";
import { availableParallelism, totalmem } from "node:os";

/** CPU cores that this process may use, at least 1: those of the machine, less what a container's quota takes. */
export function usableCores(): number {
  const cores = availableParallelism();
  const quota = cpuQuota(readLimit("/sys/fs/cgroup/cpu.max"));
  return Math.max(1, quota === null ? cores : Math.min(cores, Math.ceil(quota)));
}

/** Memory that this process may use, in bytes: the machine's, or the container's limit. */
export function usableMemoryBytes(): number {
  const limit = Number(readLimit("/sys/fs/cgroup/memory.max"));
  return Number.isFinite(limit) && limit > 0 ? Math.min(limit, totalmem()) : totalmem();
}

/** Cores from the text of `cpu.max` (quota and period in microseconds, or `max`); null without a quota. */
export function cpuQuota(text: string): number | null {
  const [quota, period] = text.trim().split(" ").map(Number);
  if (quota === undefined || period === undefined) return null;
  return quota > 0 && period > 0 ? quota / period : null;
}

function readLimit(path: string): string {
  try {
    return readFileSync(path, "latin1");
  } catch {
    return "";
  }
}
