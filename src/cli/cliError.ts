import { BaseError } from "../shared/errors.ts";

/** The command line asks for something that does not exist, or leaves something out: exit code 2. */
export class UsageError extends BaseError {
  constructor(message: string, action?: string) {
    super(message, { code: "CLI_USAGE", disposition: "reject", action: action ?? "`--help` shows how." });
  }
}

/** It cannot be done now, for a reason outside of the command line: exit code 1. */
export class CliFailure extends BaseError {
  constructor(message: string, action?: string) {
    super(message, {
      code: "CLI_FAILED",
      disposition: "reject",
      ...(action === undefined ? {} : { action }),
    });
  }
}
