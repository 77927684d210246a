import { BaseError } from "../shared/errors.ts";

/** The node cannot start as it is configured. */
export class StartError extends BaseError {
  constructor(message: string, action: string, cause?: unknown) {
    super(message, { code: "START_REFUSED", disposition: "halt", action, cause });
  }
}
