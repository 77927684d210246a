import { expect, test } from "bun:test";
import { join } from "node:path";
import { LogOpenError } from "../../../../src/events/log/open.ts";
import { logFolder } from "../../../support/logFolder.ts";

/*
 * Goal: a disk that is really full stops the node's promises and nothing else: what was acknowledged is there,
 * what was not comes out when there is space again. Method: a 2 MB file system in a mount namespace of the child's
 * own, so that nothing has to be cleaned up, whoever runs the test.
 */

type Report = {
  readonly reason: string;
  readonly refusalWhenFull: string | null;
  readonly refusalAfter: string | null;
  readonly acknowledgedWhenFull: readonly number[];
  readonly durableWhenFull: readonly number[];
  readonly acknowledged: readonly number[];
  readonly durable: readonly number[];
  readonly last: number;
  readonly halts: readonly string[];
};

const namespaces = process.getuid?.() === 0 ? ["unshare", "--mount"] : ["unshare", "-rm"];

/** Runs `script` with `$1` as the folder, inside a mount namespace. */
async function inNamespace(folder: string, script: string, ...rest: readonly string[]) {
  const child = Bun.spawn([...namespaces, "sh", "-ec", script, "sh", folder, ...rest], {
    stdout: "pipe",
    stderr: "pipe",
    env: { ...process.env, NO_COLOR: "1" },
  });
  const [out, errors, code] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
    child.exited,
  ]);
  return { out, errors, code };
}

async function canMount(): Promise<boolean> {
  using folder = logFolder();
  if (Bun.which("unshare") === null) return false;
  return (await inNamespace(folder.path, 'mount -t tmpfs -o size=64k tmpfs "$1"')).code === 0;
}

const isPossible = await canMount();
if (!isPossible)
  console.log("skipped: a full disk needs mount namespaces, which this machine does not give us");

test.if(isPossible)(
  "a full disk: says so, refuses, and goes on without a gap when there is space",
  async () => {
    using folder = logFolder();
    const script = 'mount -t tmpfs -o size=2m tmpfs "$1"; exec "$2" "$3" "$1"';
    const child = join(import.meta.dir, "fullDiskChild.ts");
    const { out, errors, code } = await inNamespace(folder.path, script, process.execPath, child);
    expect([code, errors]).toEqual([0, ""]);
    const report = JSON.parse(out) as Report;
    expect(report.halts).toEqual([]);
    expect(report.reason).toContain("disk is full");
    expect(report.reason).toContain("Free space on the disk");
    expect(report.refusalWhenFull).toContain("the disk refuses");
    // Nothing was acknowledged that is not on the disk, and the batch in hand left no torn part of itself.
    expect(report.durableWhenFull).toEqual(report.acknowledgedWhenFull);
    expect(report.acknowledgedWhenFull.length).toBeLessThan(report.last - 1);
    expect(report.refusalAfter).toBeNull();
    expect(report.durable).toEqual(Array.from({ length: report.last }, (_, index) => index + 1));
    expect(report.acknowledged).toEqual(report.durable.slice(0, -1));
  },
);

test.if(isPossible)("a read-only data folder: the node does not start, and says what to check", async () => {
  using folder = logFolder();
  const program = `
    const { openLog } = await import(${JSON.stringify(join(import.meta.dir, "../../../../src/events/log/openLog.ts"))});
    const error = await openLog(process.argv[1], { onHalted: () => {} }).catch((caught) => caught);
    console.log(JSON.stringify({ code: error.code, message: error.message }));`;
  const script = 'mount -t tmpfs -o ro,size=64k tmpfs "$1"; exec "$2" -e "$3" "$1"';
  const { out, errors } = await inNamespace(folder.path, script, process.execPath, program);
  expect(errors).toBe("");
  const { code, message } = JSON.parse(out) as { code: string; message: string };
  expect(code).toBe("LOG_OPEN_FAILED");
  expect(message).toContain("is writable by this user");
  expect(LogOpenError.name).toBe("LogOpenError");
});
