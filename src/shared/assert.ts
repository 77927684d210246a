import { BaseError } from "./errors.ts";

/** Stops on a broken invariant. Stays on in production: a wrong state must never spread. */
export function assert(condition: unknown, message: string): asserts condition {
  if (!condition) throw new AssertionError(message);
}

/** Marks a branch that the types rule out. */
export function unreachable(value: never): never {
  throw new AssertionError(`An impossible value was reached: ${String(value)}.`);
}

/** A broken invariant: a bug in Reprise. Never caught and ignored. */
export class AssertionError extends BaseError {
  constructor(message: string) {
    super(message, {
      code: "ASSERTION_FAILED",
      disposition: "halt",
      action: "This is a bug: please report it with the log export of the stream.",
    });
  }
}
