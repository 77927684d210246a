import { afterEach, describe, expect, test } from "bun:test";
import fc from "fast-check";
import { NativeError, verifyTickets } from "../../../src/native/ffi.ts";
import {
  startTicketThread,
  TicketVerifier,
  type TicketVerifierOptions,
} from "../../../src/native/ticketVerifier.ts";
import type { TicketBatch } from "../../../src/runtime/ports.ts";
import { signedBatch } from "./ticketBatches.ts";

// Goal: threads change nothing but the time: every call gets its own verdicts in its own order, whatever the
// sizes, the crowd and the deaths of threads.
// Method: real threads; a watched one is ended in the middle of its work. The verdicts must be those of the one
// call in C, which verifyTickets.test.ts compares with noble.

const open: TicketVerifier[] = [];
const verifierOf = (options: TicketVerifierOptions = {}): TicketVerifier => {
  const verifier = new TicketVerifier({ threads: 2, ...options });
  open.push(verifier);
  return verifier;
};

afterEach(async () => {
  await Promise.all(open.splice(0).map((verifier) => verifier.close()));
});

const large = signedBatch(700);
for (let ticket = 0; ticket < 700; ticket += 7) large.signatures[65 * ticket + 3] = 0;
const largeVerdicts = verifyTickets(large);

/** Tickets `start` to `end` of the large batch: views, as they come out of a message. */
function part(start: number, end: number): TicketBatch {
  return {
    ...large,
    nonces: large.nonces.subarray(start, end),
    signatures: large.signatures.subarray(65 * start, 65 * end),
  };
}

/** Starts real threads and remembers them; `onWork` may end one as soon as it gets its n-th chunk. */
function watchedThreads(onWork: (worker: Worker, thread: number, chunk: number) => void = () => {}) {
  const started: Worker[] = [];
  const startThread = (): Worker => {
    const worker = startTicketThread();
    const thread = started.push(worker) - 1;
    let chunk = 0;
    const send = worker.postMessage.bind(worker);
    worker.postMessage = ((message: unknown, transfer: Bun.Transferable[] = []) => {
      send(message, transfer);
      onWork(worker, thread, chunk++);
    }) as Worker["postMessage"];
    return worker;
  };
  return { started, startThread };
}

describe("verdicts", () => {
  test("the sample has all three verdicts", () => {
    expect(new Set(largeVerdicts)).toEqual(new Set([0, 1, 2]));
  });

  test("up to four tickets are answered at once and start no thread", () => {
    const verifier = verifierOf();
    for (let count = 0; count <= 4; count++) {
      expect(verifier.verify(part(0, count))).toEqual(largeVerdicts.slice(0, count));
    }
    expect(verifier.threadCount).toBe(0);
  });

  test("calls of any sizes at once each get their own verdicts in order", async () => {
    const verifier = verifierOf();
    const calls = fc.array(fc.tuple(fc.nat(700), fc.nat(700)), { minLength: 1, maxLength: 6 });
    await fc.assert(
      fc.asyncProperty(calls, async (ranges) => {
        const parts = ranges.map(([a, b]) => [Math.min(a, b), Math.max(a, b)] as const);
        const answers = await Promise.all(parts.map(([start, end]) => verifier.verify(part(start, end))));
        expect(answers).toEqual(parts.map(([start, end]) => largeVerdicts.slice(start, end)));
        expect(verifier.waiting).toBe(0);
      }),
      { numRuns: 15 },
    );
  });

  test("a batch may be a view into a larger message, and stays as it was", async () => {
    const verifier = verifierOf();
    const before = large.signatures.slice();
    expect(await verifier.verify(part(100, 300))).toEqual(largeVerdicts.slice(100, 300));
    expect(large.signatures).toEqual(before);
  });

  test("lengths that do not fit together are refused before any thread sees them", () => {
    const verifier = verifierOf();
    expect(() => verifier.verify({ ...large, sender: new Uint8Array(19) })).toThrow(NativeError);
    expect(verifier.threadCount).toBe(0);
  });
});

describe("threads", () => {
  test("they start with the first large batch, no more than allowed", async () => {
    const { started, startThread } = watchedThreads();
    const verifier = verifierOf({ threads: 3, startThread });
    expect(started.length).toBe(0);
    await Promise.all([verifier.verify(large), verifier.verify(large)]);
    expect(started.length).toBe(3);
  });

  test("they end when there is nothing to do and start again at the next need", async () => {
    const { started, startThread } = watchedThreads();
    const verifier = verifierOf({ startThread, idleMs: 1 });
    await verifier.verify(large);
    await Promise.all(started.map(ended));
    expect(verifier.threadCount).toBe(0);
    expect(await verifier.verify(large)).toEqual(largeVerdicts);
    expect(started.length).toBeGreaterThan(2);
  });

  test("one that ends in the middle of its work is replaced and its chunks go to another", async () => {
    const { started, startThread } = watchedThreads((worker, thread) => {
      if (thread === 0) worker.terminate();
    });
    const verifier = verifierOf({ startThread });
    const answers = await Promise.all([verifier.verify(large), verifier.verify(part(0, 50))]);
    expect(answers).toEqual([largeVerdicts, largeVerdicts.slice(0, 50)]);
    expect(started.length).toBe(3);
    expect(verifier.threadCount).toBe(2);
  });

  // Every chunk is lost twice, until four threads in a row have ended: then no new one is started for a while.
  test("a thread that never answers is replaced, and the second time its work is done here", async () => {
    let started = 0;
    const startThread = (): Worker => {
      const worker = startTicketThread();
      started += 1;
      // The first two hear nothing: to the verifier they hang.
      if (started <= 2) worker.postMessage = () => {};
      return worker;
    };
    const verifier = verifierOf({ threads: 1, hungMs: 50, startThread });
    expect(await verifier.verify(part(0, 20))).toEqual(largeVerdicts.slice(0, 20));
    expect(started).toBeGreaterThanOrEqual(2);
    // From then on threads work again.
    expect(await verifier.verify(part(0, 200))).toEqual(largeVerdicts.slice(0, 200));
  });

  test("when all threads die, everything is verified without them and few are started", async () => {
    const { started, startThread } = watchedThreads((worker) => worker.terminate());
    const verifier = verifierOf({ startThread });
    const answers = await Promise.all([verifier.verify(large), verifier.verify(large)]);
    expect(answers).toEqual([largeVerdicts, largeVerdicts]);
    expect(started.length).toBeLessThanOrEqual(6);
    expect(verifier.waiting).toBe(0);
  });

  test("an exception in a thread ends that thread only", async () => {
    const { started, startThread } = watchedThreads();
    const verifier = verifierOf({ startThread, threads: 1 });
    await verifier.verify(large);
    const [first] = started;
    if (first === undefined) throw new Error("No thread was started.");
    // No chunk: the thread throws on it.
    first.postMessage({ id: 1 });
    const answer = verifier.verify(large);
    await ended(first);
    expect(await answer).toEqual(largeVerdicts);
    expect(started.length).toBe(2);
  });

  test("a system that gives no thread costs no verdict", async () => {
    const verifier = verifierOf({
      startThread: () => {
        throw new Error("no more threads");
      },
    });
    expect(await verifier.verify(large)).toEqual(largeVerdicts);
  });
});

describe("back-pressure", () => {
  test("beyond the limit calls wait for room, in order of arrival", async () => {
    // One thread: it answers in the order in which it is given work.
    const verifier = verifierOf({ waitingMax: 100, threads: 1 });
    const order: number[] = [];
    const sizes = [60, 60, 700, 20, 60];
    const calls = sizes.map(async (size, index) => {
      const verdicts = await verifier.verify(part(0, size));
      order.push(index);
      expect(verdicts).toEqual(largeVerdicts.slice(0, size));
    });
    // The first has room; the second would pass 100, so it waits, and all that come later wait behind it.
    expect(verifier.waiting).toBe(900);
    expect(verifier.waitingForRoom).toBe(840);
    expect(verifier.verify(part(0, 4))).toEqual(largeVerdicts.slice(0, 4));
    await Promise.all(calls);
    expect(order).toEqual([0, 1, 2, 3, 4]);
    expect(verifier.waiting).toBe(0);
    expect(verifier.waitingForRoom).toBe(0);
  });
});

describe("the end", () => {
  test("close ends the threads and rejects what is not answered, accepted or not", async () => {
    const { started, startThread } = watchedThreads();
    const verifier = verifierOf({ startThread, waitingMax: 100 });
    const calls = [verifier.verify(large), verifier.verify(part(0, 50))];
    const results = Promise.allSettled(calls);
    const endings = started.map(ended);
    await verifier.close();
    await Promise.all(endings);
    expect((await results).map(({ status }) => status)).toEqual(["rejected", "rejected"]);
    expect(verifier.threadCount).toBe(0);
    expect(verifier.waiting).toBe(0);
    await expect(Promise.resolve(verifier.verify(large))).rejects.toThrow(NativeError);
  });

  // Method: a process of its own that opens a verifier, uses its threads and closes nothing.
  test("idle threads do not keep a process alive", async () => {
    const script = `
      import { TicketVerifier } from ${JSON.stringify(import.meta.resolve("../../../src/native/ticketVerifier.ts"))};
      import { signedBatch } from ${JSON.stringify(import.meta.resolve("./ticketBatches.ts"))};
      const verdicts = await new TicketVerifier().verify(signedBatch(100));
      console.log(verdicts.length, verdicts.includes(0));
    `;
    const child = Bun.spawn([process.execPath, "-e", script], { stdout: "pipe", stderr: "inherit" });
    expect(await child.stdout.text()).toBe("100 false\n");
    expect(await child.exited).toBe(0);
  });
});

function ended(worker: Worker): Promise<void> {
  return new Promise((resolve) => worker.addEventListener("close", () => resolve()));
}
