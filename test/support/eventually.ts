/** Time between two looks counts as this much at most: a process that stood still has not waited. */
const pauseMsMax = 1_000;

/**
 * Resolves with the first value that is not null. For states of other processes, which send no event: polls every
 * 5 ms. The time limit only ends a test that has failed, so it is long; time in which this process did not run, on a
 * machine that stalls, hardly counts.
 *
 * @throws Error naming `what` after `withinMs`
 */
export async function eventually<T>(
  what: string,
  probe: () => T | null | Promise<T | null>,
  withinMs = 30_000,
): Promise<T> {
  let waitedMs = 0;
  for (;;) {
    const lookedAtMs = performance.now();
    const value = await probe();
    if (value !== null) return value;
    if (waitedMs > withinMs) throw new Error(`Not within ${withinMs} ms: ${what}.`);
    await Bun.sleep(5);
    waitedMs += Math.min(performance.now() - lookedAtMs, pauseMsMax);
  }
}
