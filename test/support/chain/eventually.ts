/** Asks `probe` until it gives something other than null. @throws Error with `what` when that takes too long */
export async function eventually<T>(
  what: string,
  probe: () => T | null | Promise<T | null>,
  withinMs = 5_000,
): Promise<T> {
  const endMs = performance.now() + withinMs;
  for (;;) {
    const value = await probe();
    if (value !== null) return value;
    if (performance.now() > endMs) throw new Error(`Not within ${withinMs} ms: ${what}.`);
    await Bun.sleep(2);
  }
}
