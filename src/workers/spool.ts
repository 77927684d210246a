import { closeSync, ftruncate, openSync, read, unlinkSync, write } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { BaseError } from "../shared/errors.ts";

const readAt = promisify(read);
const writeAt = promisify(write);
const truncate = promisify(ftruncate);

/**
 * A nameless file that a worker process shares with its supervisor, one for each job at the same time.
 *
 * Large media goes through it: bytes in an IPC message are copied on the event loop (0.3 s for 100 MB), these are
 * written and read by the thread pool. The file has no name from the start, so whoever dies leaves nothing behind.
 */
export class Spool {
  /** Given to the worker process as one of its file descriptors. */
  readonly fd: number;
  #busy = 0;
  #isClosing = false;

  private constructor(fd: number) {
    this.fd = fd;
  }

  /** Null when the folder for temporary files takes none: everything then goes through the channel. */
  static open(): Spool | null {
    const path = join(tmpdir(), `reprise-spool-${process.pid}-${crypto.randomUUID()}`);
    try {
      const fd = openSync(path, "wx+", 0o600);
      unlinkSync(path);
      return new Spool(fd);
    } catch {
      return null;
    }
  }

  /** Writes `bytes` from the start. False when the disk does not take them, or the spool was closed meanwhile. */
  async write(bytes: Uint8Array): Promise<boolean> {
    const written = await this.#use(async () => {
      for (let done = 0; done < bytes.length;) {
        this.#refuseClosing();
        done += (await writeAt(this.fd, bytes, done, bytes.length - done, done)).bytesWritten;
      }
      return true;
    });
    return written === true;
  }

  /** The first `length` bytes, or null when there are fewer, or the disk fails, or the spool was closed meanwhile. */
  take(length: number): Promise<Uint8Array | null> {
    return this.#use(async () => {
      const bytes = new Uint8Array(length);
      for (let done = 0; done < length;) {
        this.#refuseClosing();
        const { bytesRead } = await readAt(this.fd, bytes, done, length - done, done);
        if (bytesRead === 0) throw new SpoolError();
        done += bytesRead;
      }
      return bytes;
    });
  }

  /** Frees the space on the disk. */
  async clear(): Promise<void> {
    await this.#use(() => truncate(this.fd, 0));
  }

  /** Closes the file, after the last operation on it: until then, its number must not become another file's. */
  close(): void {
    this.#isClosing = true;
    if (this.#busy === 0) closeSync(this.fd);
  }

  async #use<T>(operation: () => Promise<T>): Promise<T | null> {
    if (this.#isClosing) return null;
    this.#busy += 1;
    try {
      return await operation();
    } catch {
      return null;
    } finally {
      this.#busy -= 1;
      if (this.#isClosing && this.#busy === 0) closeSync(this.fd);
    }
  }

  #refuseClosing(): void {
    if (this.#isClosing) throw new SpoolError();
  }
}

/** The spool holds less than was announced, or is about to close. Never leaves this file. */
class SpoolError extends BaseError {
  constructor() {
    super("The spool cannot be used.", { code: "SPOOL_UNUSABLE", disposition: "retry" });
  }
}
