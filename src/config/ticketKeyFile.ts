import { join } from "node:path";
import type { UnixMs } from "../shared/brand.ts";
import { BaseError, errorText } from "../shared/errors.ts";
import { readSecretFile, writeSecretFile } from "./secretFile.ts";

const fileName = "ticket.keys";
const secretBytes = 32;

/** A secret makes parameters for this long. Milliseconds. */
export const ticketSecretLifeMs = 24 * 3_600_000;
/**
 * And verifies them for this long after its successor was made. Parameters live for 40 blocks of 12 seconds; the rest
 * is for clocks that were wrong. Milliseconds.
 */
export const ticketSecretGraceMs = 2 * 3_600_000;

type Entry = { readonly madeMs: UnixMs; readonly secret: Uint8Array };

/** The secrets behind ticket parameters, newest first. They outlive restarts, so that a restart refuses nobody. */
export class TicketKeys {
  readonly #path: string;
  readonly #randomBytes: (length: number) => Uint8Array;
  #entries: readonly Entry[];

  private constructor(path: string, randomBytes: (length: number) => Uint8Array, entries: readonly Entry[]) {
    this.#path = path;
    this.#randomBytes = randomBytes;
    this.#entries = entries;
  }

  /**
   * Reads the secrets of a data folder, or makes the first one.
   *
   * @throws {TicketKeysError} when the file is damaged or cannot be made
   */
  static open(dataDir: string, randomBytes: (length: number) => Uint8Array, nowMs: UnixMs): TicketKeys {
    const path = join(dataDir, fileName);
    try {
      const text = readSecretFile(path);
      const keys = new TicketKeys(path, randomBytes, text === null ? [] : parse(text));
      keys.#rotate(nowMs);
      return keys;
    } catch (error) {
      throw new TicketKeysError(path, error);
    }
  }

  /** The newest makes parameters; all of them verify. */
  current(): readonly [Uint8Array, ...Uint8Array[]] {
    const [newest, ...older] = this.#entries.map(({ secret }) => secret);
    if (newest === undefined) throw new TicketKeysError(this.#path, "it holds no secret");
    return [newest, ...older];
  }

  /**
   * Makes a new secret when the newest has had its time, and forgets those that nothing can depend on.
   *
   * @returns why it could not be written: the disk is full, say. Everything stays as it is until the next call.
   */
  rotate(nowMs: UnixMs): TicketKeysError | null {
    try {
      this.#rotate(nowMs);
      return null;
    } catch (error) {
      return new TicketKeysError(this.#path, error);
    }
  }

  #rotate(nowMs: UnixMs): void {
    const [newest] = this.#entries;
    // A clock that was set back must not make the newest one look eternally young.
    const isDue = newest === undefined || Math.abs(nowMs - newest.madeMs) >= ticketSecretLifeMs;
    const made: Entry[] = isDue ? [{ madeMs: nowMs, secret: this.#randomBytes(secretBytes) }] : [];
    const all = [...made, ...this.#entries];
    const kept = all.filter((_, index) => {
      const successor = all[index - 1];
      return successor === undefined || Math.abs(nowMs - successor.madeMs) < ticketSecretGraceMs;
    });
    if (kept.length === this.#entries.length && !isDue) return;
    writeSecretFile(
      this.#path,
      kept.map(({ madeMs, secret }) => `${madeMs} ${Buffer.from(secret).toString("hex")}\n`).join(""),
    );
    this.#entries = kept;
  }
}

function parse(text: string): readonly Entry[] {
  return text
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => {
      const match = /^(\d{1,16}) ([0-9a-f]{64})$/.exec(line);
      if (match === null) throw new Error("a line is not a time and 32 bytes in hexadecimal");
      return { madeMs: Number(match[1]), secret: Uint8Array.from(Buffer.from(match[2] ?? "", "hex")) };
    });
}

/** The ticket secrets cannot be read or made. */
export class TicketKeysError extends BaseError {
  constructor(path: string, cause: unknown) {
    super(`The ticket secrets \`${path}\` are unusable: ${errorText(cause)}.`, {
      code: "TICKET_KEYS_UNUSABLE",
      disposition: "halt",
      action: "Make the file readable for this user, or delete it: payments under way are then refused once.",
      cause,
    });
  }
}
