import { describe, expect, test } from "bun:test";
import { join } from "node:path";
import { DataDirInUseError, lockDataDir } from "../../../../src/events/log/lock.ts";
import { logFolder } from "../../../support/logFolder.ts";

/*
 * Goal: one data folder has one writer. Method: a second claim from this process and from another one, and claims
 * left behind by processes that were killed.
 */

const lockModule = join(import.meta.dir, "../../../../src/events/log/lock.ts");

/** A process that claims the folder, says `claimed` or the error's code, and waits to be killed. */
function claimant(folder: string) {
  const program = `
    const { lockDataDir } = await import(${JSON.stringify(lockModule)});
    try { globalThis.held = lockDataDir(process.argv[1]); console.log("claimed"); }
    catch (error) { console.log(error.code); process.exit(0); }
    setInterval(() => {}, 1000);`;
  const child = Bun.spawn([process.execPath, "-e", program, folder], { stdout: "pipe", stderr: "inherit" });
  const said = (async () => {
    for await (const chunk of child.stdout) return new TextDecoder().decode(chunk).trim();
    return "";
  })();
  return { child, said };
}

describe("the claim on a data folder", () => {
  test("a second claim in the same process is refused until the first is given up", () => {
    using folder = logFolder();
    const release = lockDataDir(folder.path);
    expect(() => lockDataDir(folder.path)).toThrow(DataDirInUseError);
    release();
    lockDataDir(folder.path)();
  });

  test("another process is refused, and told what to do", async () => {
    using folder = logFolder();
    const release = lockDataDir(folder.path);
    const second = claimant(folder.path);
    expect(await second.said).toBe("DATA_DIR_IN_USE");
    await second.child.exited;
    release();
    expect(() => {
      throw new DataDirInUseError("/data", new Error("locked"));
    }).toThrow("choose another folder with `-dataDir`");
  });

  test("a process that is killed leaves no claim behind", async () => {
    using folder = logFolder();
    const first = claimant(folder.path);
    expect(await first.said).toBe("claimed");
    expect(() => lockDataDir(folder.path)).toThrow(DataDirInUseError);
    first.child.kill("SIGKILL");
    await first.child.exited;
    lockDataDir(folder.path)();
  });

  test("a folder that does not exist is made, for this user only", async () => {
    using folder = logFolder();
    const inner = join(folder.path, "a/b");
    const release = lockDataDir(inner);
    const { stdout } = Bun.spawnSync(["stat", "-c", "%a", inner]);
    expect(stdout.toString().trim()).toBe("700");
    release();
  });

  test("a folder that cannot be written is not called in use", async () => {
    using folder = logFolder();
    await Bun.write(join(folder.path, "lock.sqlite3"), "this is no database, and long enough to look at");
    let code: unknown;
    try {
      lockDataDir(folder.path);
    } catch (error) {
      code = (error as { readonly code?: unknown }).code;
    }
    expect(code).toBe("LOG_OPEN_FAILED");
  });
});
