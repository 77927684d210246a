/**
 * How long a gateway waits for a segment's result, from the start of its upload: later is too late for it.
 * Source: video sheet 4.2.
 */
export function resultWaitMs(durationMs: number): number {
  return Math.max(8_000, 4 * durationMs);
}
