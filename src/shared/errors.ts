/** What the caller may do about an error: try again, refuse the input, or stop the actor or process. */
export type Disposition = "retry" | "reject" | "halt";

export type BaseErrorOptions = {
  /** Stable identifier in upper snake case, such as `LOG_WRITE_FAILED`. Callers compare this, never text. */
  readonly code: string;
  readonly disposition: Disposition;
  /** One sentence for the operator: what to do now. */
  readonly action?: string;
  /** The values that led here, with units in the key names. Never a secret. */
  readonly meta?: Readonly<Record<string, string | number | bigint | boolean | null>>;
  readonly cause?: unknown;
};

/**
 * The root of every error that Reprise throws.
 *
 * A refusal that the protocol foresees is a value, not an exception: exceptions are for broken infrastructure
 * and broken invariants.
 */
export class BaseError extends Error {
  readonly code: string;
  readonly disposition: Disposition;
  readonly shortMessage: string;
  readonly action: string | null;
  readonly meta: Readonly<Record<string, string | number | bigint | boolean | null>>;

  constructor(shortMessage: string, options: BaseErrorOptions) {
    super(render(shortMessage, options), options.cause === undefined ? undefined : { cause: options.cause });
    this.name = new.target.name;
    this.code = options.code;
    this.disposition = options.disposition;
    this.shortMessage = shortMessage;
    this.action = options.action ?? null;
    this.meta = options.meta ?? {};
  }

  /** Finds the first error in the chain of causes that satisfies `test`. */
  walk(test: (error: unknown) => boolean): unknown {
    let current: unknown = this;
    while (current !== undefined && current !== null) {
      if (test(current)) return current;
      current = current instanceof Error ? current.cause : undefined;
    }
    return null;
  }
}

/** The text of any thrown value, for logs. */
export function errorText(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

function render(shortMessage: string, options: BaseErrorOptions): string {
  const values = Object.entries(options.meta ?? {}).map(([key, value]) => `${key}=${String(value)}`);
  const parts = [shortMessage];
  if (values.length > 0) parts.push(`(${values.join(", ")})`);
  if (options.action !== undefined) parts.push(options.action);
  return parts.join(" ");
}
