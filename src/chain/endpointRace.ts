import type { Asked, Endpoint } from "./endpoint.ts";

export type RaceOptions = {
  /** In the order in which they are asked. */
  readonly runners: readonly Endpoint[];
  /** How many are asked at once. */
  readonly width: number;
  readonly ask: (endpoint: Endpoint) => Promise<Asked>;
  /** Whether what came so far is enough. */
  readonly isDone: (asked: readonly Asked[]) => boolean;
  /** Whether `next` may be asked because `slow` takes long, before `slow` has failed. */
  readonly mayHedge: (slow: Endpoint, next: Endpoint) => boolean;
};

/**
 * Asks endpoints until enough is known: the next one starts when one before it failed, takes longer than usual, or
 * said something else than the others. Resolves with what had come by then, in the order of arrival. The slow ones
 * run on until their time-out, so that their health is known.
 */
export function race(options: RaceOptions): Promise<readonly Asked[]> {
  const { runners, width, ask, isDone, mayHedge } = options;
  return new Promise((resolve) => {
    const asked: Asked[] = [];
    let started = 0;
    let running = 0;
    let isOver = false;
    const start = (): void => {
      const endpoint = runners[started];
      if (isOver || endpoint === undefined) return;
      started += 1;
      running += 1;
      let isSlow = false;
      const timer = setTimeout(() => {
        isSlow = true;
        endpoint.health.slowRequests += 1;
        const next = runners[started];
        if (next !== undefined && mayHedge(endpoint, next)) start();
      }, endpoint.health.hedgeMs);
      void ask(endpoint).then((outcome) => {
        clearTimeout(timer);
        if (isSlow) endpoint.health.slowRequests -= 1;
        running -= 1;
        if (isOver) return;
        asked.push(outcome);
        if (isDone(asked)) {
          isOver = true;
          resolve(asked);
          return;
        }
        // One good answer waits for a second one to agree with: it fills a place.
        const filled = running + (asked.some((other) => other.faults === 0) ? 1 : 0);
        if (filled < width) start();
        if (running > 0) return;
        isOver = true;
        resolve(asked);
      });
    };
    for (let count = 0; count < width; count += 1) start();
    if (running === 0) resolve(asked);
  });
}
