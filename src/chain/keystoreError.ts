import { BaseError } from "../shared/errors.ts";

export type KeystoreErrorCode =
  | "KEYSTORE_NOT_FOUND"
  | "KEYSTORE_UNREADABLE"
  | "KEYSTORE_EMPTY"
  | "KEY_NOT_FOUND"
  | "KEY_AMBIGUOUS"
  | "KEY_MISMATCH"
  | "KEY_FILE_BROKEN"
  | "KEY_PASSWORD_WRONG";

/** The account's key cannot be had. Start-up ends with it; nothing is ever created in its place. */
export class KeystoreError extends BaseError {
  constructor(
    code: KeystoreErrorCode,
    shortMessage: string,
    options: { readonly action: string; readonly path?: string },
  ) {
    super(shortMessage, {
      code,
      disposition: "reject",
      action: options.action,
      ...(options.path === undefined ? {} : { meta: { path: options.path } }),
    });
  }
}
