/**
 * Resolves with the first value that is not null. For states of other processes, which send no event: polls every
 * 5 ms.
 *
 * @throws Error naming `what` after `withinMs`
 */
export async function eventually<T>(
  what: string,
  probe: () => T | null | Promise<T | null>,
  withinMs = 10_000,
): Promise<T> {
  const endMs = performance.now() + withinMs;
  for (;;) {
    const value = await probe();
    if (value !== null) return value;
    if (performance.now() > endMs) throw new Error(`Not within ${withinMs} ms: ${what}.`);
    await Bun.sleep(5);
  }
}
