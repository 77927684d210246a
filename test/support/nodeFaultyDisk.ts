import { existsSync, mkdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { $ } from "bun";

/*
 * A disk that refuses on demand, for a node in a process of its own: a library that the loader puts in front of the
 * C library fails every write to the event log with a chosen error while a file exists. It needs no privileges, and
 * what fails is what would fail: SQLite's own system calls.
 */

/** Errors of a disk, as Linux numbers them. */
export const diskErrors = { full: 28, readOnly: 30, broken: 5 } as const;

export type FaultyDisk = {
  /** For the environment of the node. */
  readonly env: Readonly<Record<string, string>>;
  /** From now on every write to the log fails. */
  fail(error: keyof typeof diskErrors): void;
  heal(): void;
};

/** A switch for one node; `dir` must exist and not be the node's data folder. */
export async function faultyDisk(dir: string): Promise<FaultyDisk> {
  const control = join(dir, "disk-fails");
  return {
    env: { LD_PRELOAD: await library(), FAULTY_DISK: control },
    fail: (error) => {
      // A rename: the library never reads half a number.
      writeFileSync(`${control}.new`, String(diskErrors[error]));
      renameSync(`${control}.new`, control);
    },
    heal: () => rmSync(control, { force: true }),
  };
}

async function library(): Promise<string> {
  const hash = new Bun.CryptoHasher("sha256").update(source).digest("hex").slice(0, 20);
  const dir = resolve(import.meta.dir, "../../.build/test-faulty-disk");
  const path = join(dir, `${hash}.so`);
  if (existsSync(path)) return path;
  mkdirSync(dir, { recursive: true });
  const draft = `${path}.${process.pid}`;
  await $`cc -shared -fPIC -O1 -x c -o ${draft} - -ldl < ${Buffer.from(source)}`.quiet();
  renameSync(draft, path);
  return path;
}

const source = `
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

static int refused(int fd) {
  const char *control = getenv("FAULTY_DISK");
  if (control == NULL || access(control, F_OK) != 0) return 0;
  char link[64], path[512], digits[16] = {0};
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  ssize_t length = readlink(link, path, sizeof path - 1);
  if (length <= 0) return 0;
  path[length] = 0;
  if (strstr(path, "reprise.sqlite3") == NULL) return 0;
  int file = open(control, O_RDONLY | O_CLOEXEC);
  if (file < 0) return 0;
  ssize_t count = syscall(SYS_read, file, digits, sizeof digits - 1);
  close(file);
  return count > 0 ? atoi(digits) : 0;
}

#define FORWARD(name, result, parameters, arguments)             \\
  result name parameters {                                       \\
    static result (*real) parameters;                            \\
    if (real == NULL) real = dlsym(RTLD_NEXT, #name);            \\
    int error = refused(fd);                                     \\
    if (error != 0) { errno = error; return -1; }                \\
    return real arguments;                                       \\
  }

FORWARD(write, ssize_t, (int fd, const void *data, size_t size), (fd, data, size))
FORWARD(pwrite, ssize_t, (int fd, const void *data, size_t size, off_t at), (fd, data, size, at))
FORWARD(pwrite64, ssize_t, (int fd, const void *data, size_t size, off64_t at), (fd, data, size, at))
FORWARD(ftruncate, int, (int fd, off_t size), (fd, size))
FORWARD(ftruncate64, int, (int fd, off64_t size), (fd, size))
FORWARD(posix_fallocate, int, (int fd, off_t at, off_t size), (fd, at, size))
`;
