import { cpus } from "node:os";

/** What every bench shares: sizes, percentiles, and how a line looks. Not a bench itself. */

/** True with `--small`: the size at which the checks run every bench. */
export const isSmall = process.argv.includes("--small");

/** The value of `--name VALUE`, or null. */
export function argument(name: string): string | null {
  const index = process.argv.indexOf(`--${name}`);
  return index < 0 ? null : (process.argv[index + 1] ?? null);
}

/** The value at `share` (0 to 1) of the sorted values; NaN of none. */
export function percentile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((left, right) => left - right);
  return sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? Number.NaN;
}

export function printHeader(question: string): void {
  console.log(question);
  console.log(
    `  machine: ${cpus().length} × ${cpus()[0]?.model ?? "?"}, Bun ${Bun.version}${isSmall ? ", small" : ""}`,
  );
}

export function printFigure(name: string, value: string): void {
  console.log(`  ${name.padEnd(58)} ${value}`);
}

/** A hash of what the bench produced: equal runs must print equal ones. */
export function resultHash(parts: Iterable<string>): string {
  const hasher = new Bun.CryptoHasher("sha256");
  for (const part of parts) hasher.update(part);
  return hasher.digest("hex").slice(0, 16);
}

export function perSecond(count: number, ms: number): number {
  return Math.round((count / ms) * 1_000);
}
