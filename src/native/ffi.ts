import { dlopen, type Library, ptr } from "bun:ffi";
import { BaseError } from "../shared/errors.ts";
import { buildNativeLibrary } from "./build.ts";

/** Must equal `ABI_VERSION` of native.c. */
const abiVersion = 1;

const symbols = {
  reprise_native_abi_version: { args: [], returns: "u32" },
  reprise_native_keccak_size: { args: [], returns: "u32" },
  reprise_native_keccak_init: { args: ["ptr"], returns: "void" },
  reprise_native_keccak_update: { args: ["ptr", "ptr", "u64"], returns: "void" },
  reprise_native_keccak_digest: { args: ["ptr", "ptr"], returns: "void" },
  reprise_native_trim: { args: [], returns: "i32" },
  reprise_native_fix_thresholds: { args: [], returns: "void" },
  reprise_native_die_with_parent: { args: ["i32"], returns: "i32" },
} as const;

type Native = Library<typeof symbols>["symbols"];
let opened: { readonly functions: Native; readonly stateBytes: number } | null = null;

/**
 * Keccak-256 over bytes that arrive in pieces. The state is memory of this process: a hash that is dropped
 * half-way costs nothing.
 */
export class Keccak256 {
  readonly #state: Uint8Array;
  #done = false;

  constructor() {
    const { functions, stateBytes } = native();
    this.#state = new Uint8Array(stateBytes);
    functions.reprise_native_keccak_init(ptr(this.#state));
  }

  /** Takes the next bytes; they may be changed afterwards. Throws once `digest` was called. */
  update(bytes: Uint8Array): this {
    if (this.#done) throw new NativeError("This hash has been finished.");
    if (bytes.length > 0) {
      native().functions.reprise_native_keccak_update(ptr(this.#state), ptr(bytes), BigInt(bytes.length));
    }
    return this;
  }

  /** The 32 bytes of the hash. Once. */
  digest(): Uint8Array {
    if (this.#done) throw new NativeError("This hash has been finished.");
    this.#done = true;
    const digest = new Uint8Array(32);
    native().functions.reprise_native_keccak_digest(ptr(this.#state), ptr(digest));
    return digest;
  }
}

/** Keccak-256 of `bytes`, 32 bytes. */
export function keccak256(bytes: Uint8Array): Uint8Array {
  return new Keccak256().update(bytes).digest();
}

/** Gives memory that the C library keeps for later back to the system. True when some went back. */
export function trimMemory(): boolean {
  return native().functions.reprise_native_trim() === 1;
}

/** Makes large blocks return to the system as soon as they are freed (128 KiB and more). Call once, early. */
export function fixMemoryThresholds(): void {
  native().functions.reprise_native_fix_thresholds();
}

/**
 * Asks the kernel to kill this process when its parent ends, so that no worker outlives the node.
 * False when the parent `parentPid` is gone already: then nothing will kill us and the caller should exit.
 *
 * @throws NativeError when the system refuses.
 */
export function dieWithParent(parentPid: number): boolean {
  const answer = native().functions.reprise_native_die_with_parent(parentPid);
  if (answer < 0) throw new NativeError("The system refused to tie this process to its parent.");
  return answer === 0;
}

/** The native library is broken, of another version, or used wrongly. */
export class NativeError extends BaseError {
  constructor(message: string) {
    super(message, { code: "NATIVE_LIBRARY", disposition: "halt" });
  }
}

/** Opened at the first use: importing this file costs nothing. */
function native(): { readonly functions: Native; readonly stateBytes: number } {
  if (opened !== null) return opened;
  const { symbols: functions } = dlopen(buildNativeLibrary(), symbols);
  const version = functions.reprise_native_abi_version();
  if (version !== abiVersion)
    throw new NativeError(`The native library has ABI ${version}, not ${abiVersion}.`);
  opened = { functions, stateBytes: functions.reprise_native_keccak_size() };
  return opened;
}
